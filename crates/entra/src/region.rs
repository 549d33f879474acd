//! The region of the token endpoint that the environment chooses.

use std::ffi::OsString;

use entra_proto::Authority;
use entra_proto::environment::EnvironmentError;
use entra_proto::regions::{REGION_NAME, REGIONAL_AUTHORITY_NAME, RegionSetting, RegionSource, RegionStep};
use entra_transport::detected_region;

use crate::failure::FromEnvError;

/// Returns the authority in the region that the environment chooses. Sends no request: a region
/// that takes one to detect is used if the program has found it before.
pub(crate) fn regional(
    authority: Authority,
    lookup: impl Fn(&str) -> Option<OsString>,
) -> Result<Authority, FromEnvError> {
    let outcome = match RegionSetting::read(&lookup)?.resolve(&lookup)? {
        RegionStep::Done(outcome) => Some(outcome),
        RegionStep::Ask(_) => detected_region(),
    };
    let Some(outcome) = outcome else {
        tracing::warn!("the region is not detected: {REGIONAL_AUTHORITY_NAME} requires find_region before from_env");
        return Ok(authority);
    };
    let Some(region) = outcome.region() else {
        return Ok(authority);
    };
    let error = match authority.with_region(region.clone()) {
        Ok(regional) => return Ok(regional),
        Err(error) => error,
    };
    let variable = match outcome.source() {
        Some(RegionSource::Setting) => REGIONAL_AUTHORITY_NAME,
        Some(RegionSource::Variable(name)) if name != REGION_NAME => name,
        // The machine has a region, but the authority has none.
        _ => return Ok(authority),
    };
    Err(EnvironmentError::Invalid { variable, error }.into())
}

#[cfg(test)]
mod tests {
    use entra_proto::regions::FORCE_REGION;
    use entra_proto::{Cloud, EndpointVersion};
    use entra_transport::{Body, Response, blocking_transport_fn, find_region_blocking};

    use super::*;

    /// Returns the host of the token endpoint with these variables.
    fn host(cloud: &Cloud, variables: &[(&str, &str)]) -> Result<String, FromEnvError> {
        let lookup = |name: &str| {
            let variable = variables.iter().find(|(known, _)| *known == name);
            variable.map(|(_, value)| value.into())
        };
        let authority = Authority::new(cloud.clone(), "contoso.com".parse().unwrap()).unwrap();
        let regional = regional(authority, lookup)?;
        let endpoint = regional.token_endpoint(EndpointVersion::V2);
        Ok(endpoint.host().unwrap().to_owned())
    }

    const AUTO: (&str, &str) = (REGIONAL_AUTHORITY_NAME, "TryAutoDetect");

    #[test]
    fn region_of_the_environment_is_used() {
        let (usual, west) = ("login.microsoftonline.com", "westeurope.login.microsoft.com");
        let machine = (REGION_NAME, "West Europe");
        let forced = (FORCE_REGION, "eastus");
        for (variables, expected) in [
            (&[][..], usual),
            (&[(REGIONAL_AUTHORITY_NAME, "")], usual),
            (&[(REGIONAL_AUTHORITY_NAME, "westeurope")], west),
            (&[(REGIONAL_AUTHORITY_NAME, "westeurope"), forced], west),
            (&[forced], "eastus.login.microsoft.com"),
            (&[(REGIONAL_AUTHORITY_NAME, "DisableMsalForceRegion"), forced], usual),
            (&[machine], usual),
            (&[AUTO, machine], west),
            (&[(REGIONAL_AUTHORITY_NAME, "AutoDiscoverRegion"), machine], west),
        ] {
            assert_eq!(host(&Cloud::Public, variables).unwrap(), expected, "{variables:?}");
        }
        let emulator = Cloud::from_setting("http://127.0.0.1:8500").unwrap();
        // The machine's region does not matter to an emulator. A named one cannot be used there.
        assert_eq!(host(&emulator, &[AUTO, machine]).unwrap(), "127.0.0.1");
        for (variables, named) in [
            (&[(REGIONAL_AUTHORITY_NAME, "westeurope")][..], REGIONAL_AUTHORITY_NAME),
            (&[forced], FORCE_REGION),
        ] {
            let error = host(&emulator, variables).unwrap_err().to_string();
            assert!(error.starts_with(named), "{error}");
        }
        let error = host(&Cloud::Public, &[(REGIONAL_AUTHORITY_NAME, "evil.com/")]).unwrap_err();
        assert!(error.to_string().starts_with(REGIONAL_AUTHORITY_NAME), "{error}");
    }

    #[test]
    fn detected_region_is_used_without_a_request() {
        assert_eq!(host(&Cloud::Public, &[AUTO]).unwrap(), "login.microsoftonline.com");
        let imds = blocking_transport_fn(|_| Ok(Response::new(Body::from(r#"{"location":"eastus"}"#.to_owned()))));
        find_region_blocking(&RegionSetting::Detect, imds).unwrap();
        assert_eq!(host(&Cloud::Public, &[AUTO]).unwrap(), "eastus.login.microsoft.com");
        assert_eq!(host(&Cloud::Public, &[]).unwrap(), "login.microsoftonline.com");
    }
}
