//! The cloud that an environment variable names.

use std::env;

use entra_proto::Cloud;
use entra_proto::environment::{EnvironmentError, cloud};

/// Reads the cloud from the variable `AZURE_AUTHORITY_HOST`: the public cloud if it is unset or
/// empty.
///
/// The variable holds what [`Cloud::from_setting`] reads, including plain `http` to an emulator on
/// this machine. With `for_cloud` of a transport's builder, this variable is the only setting that
/// a program needs to use an emulator:
///
/// ```
/// # #[cfg(feature = "tls")]
/// # use entra_transport::adapter::FromSettings;
/// # fn transport<T: FromSettings>() -> Result<T, entra_transport::Report> {
/// use entra_transport::{TransportBuilder, cloud_from_env};
///
/// let cloud = cloud_from_env()?;
/// let transport = TransportBuilder::<T>::new().for_cloud(&cloud).build()?;
/// # Ok(transport)
/// # }
/// ```
///
/// # Errors
/// Returns an error if the variable is not UTF-8, or if it names neither a cloud nor an emulator.
pub fn cloud_from_env() -> Result<Cloud, EnvironmentError> {
    cloud(|name| env::var_os(name))
}
