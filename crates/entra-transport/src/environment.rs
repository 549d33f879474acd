use std::env;
use std::ffi::OsString;

use entra_proto::{Cloud, Error, Input, InputError};

/// The variable that names the cloud, or an emulator.
pub const AUTHORITY_HOST: &str = "AZURE_AUTHORITY_HOST";

/// Reads the cloud from the variable `AZURE_AUTHORITY_HOST`, the public cloud where it is not set or empty.
///
/// The variable holds what [`Cloud::from_setting`] reads, plain `http` to an emulator on this machine among it. With the
/// `for_cloud` of a transport's builder, a program then needs no other setting to be sent to an emulator:
///
/// ```
/// # #[cfg(feature = "tls")]
/// # fn transport<T: entra_transport::FromSettings>() -> Result<T, Box<dyn std::error::Error>> {
/// use entra_transport::{TransportBuilder, cloud_from_env};
///
/// let cloud = cloud_from_env()?;
/// let transport = TransportBuilder::<T>::new().for_cloud(&cloud).build()?;
/// # Ok(transport)
/// # }
/// ```
///
/// # Errors
/// Returns an error if the variable is not UTF-8, and if it names no cloud and no emulator.
pub fn cloud_from_env() -> Result<Cloud, Error> {
    cloud(env::var_os(AUTHORITY_HOST))
}

fn cloud(setting: Option<OsString>) -> Result<Cloud, Error> {
    match setting.map(OsString::into_string) {
        None => Ok(Cloud::default()),
        Some(Ok(setting)) if setting.trim().is_empty() => Ok(Cloud::default()),
        Some(Ok(setting)) => Cloud::from_setting(&setting),
        // The value is not shown: it is not known what it is.
        Some(Err(_)) => {
            let problem =
                InputError::new(Input::Other(AUTHORITY_HOST), "is not UTF-8").with_hint("set it again, as plain text");
            Err(problem.into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variable_names_a_cloud_or_an_emulator() {
        let origin = |setting: &str| cloud(Some(setting.into())).map(|cloud| cloud.origin().to_owned());
        assert_eq!(cloud(None).unwrap(), Cloud::Public);
        assert_eq!(origin(" ").unwrap(), Cloud::Public.origin());
        assert_eq!(origin("http://127.0.0.1:8500").unwrap(), "http://127.0.0.1:8500");
        assert!(origin("http://login.microsoftonline.com").is_err());
    }

    #[cfg(unix)]
    #[test]
    fn variable_that_is_not_text_is_not_ignored() {
        use std::os::unix::ffi::OsStringExt;

        let error = cloud(Some(OsString::from_vec(b"https://canary\xff".to_vec())))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("AZURE_AUTHORITY_HOST is not UTF-8") && !error.contains("canary"),
            "{error}"
        );
    }
}
