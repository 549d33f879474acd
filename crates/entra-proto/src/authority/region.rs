//! Azure regions, which have token endpoints of their own.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::error::{Error, Input, InputError};
use crate::pasted::unwrapped;
use crate::tenant::is_label;

/// An Azure region, such as `westeurope`: a single DNS label, so that it cannot change the domain
/// of the host.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Region(Arc<str>);

impl Region {
    /// Returns the name in lower case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Region {
    type Err = Error;

    /// Parses a region's name. Spaces are removed and letters lowered, so that `West Europe`
    /// becomes `westeurope`.
    ///
    /// # Errors
    /// Returns an error if the result is not a DNS label that starts with a letter.
    fn from_str(text: &str) -> Result<Self, Error> {
        let name: String = unwrapped(text)
            .chars()
            .filter(|c| *c != ' ')
            .map(|c| c.to_ascii_lowercase())
            .collect();
        if !is_label(&name) || !name.starts_with(|c: char| c.is_ascii_lowercase()) {
            return Err(InputError::new(Input::Region, "is not the name of a region")
                .value(text)
                .with_hint("write it as westeurope")
                .into());
        }
        Ok(Self(name.into()))
    }
}

impl fmt::Debug for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authority::{Authority, Endpoint, EndpointVersion};
    use crate::cloud::Cloud;
    use crate::tenant::Tenant;

    #[test]
    fn region_changes_the_token_host_only() {
        let region: Region = "West Europe".parse().unwrap();
        for (cloud, host) in [
            (Cloud::Public, "westeurope.login.microsoft.com"),
            (Cloud::UsGovernment, "westeurope.login.microsoftonline.us"),
            (Cloud::China, "westeurope.login.partner.microsoftonline.cn"),
        ] {
            let authority = Authority::new(cloud, "contoso.com".parse().unwrap())
                .unwrap()
                .with_region(region.clone())
                .unwrap();
            assert_eq!(authority.token_endpoint(EndpointVersion::V2).host(), Some(host));
            assert!(
                !authority
                    .endpoint(Endpoint::Keys, EndpointVersion::V2)
                    .contains("westeurope")
            );
        }
    }

    #[test]
    fn region_cannot_become_a_host() {
        for text in [
            "",
            "evil.test/",
            "evil.test",
            "a@b",
            "9west",
            "-west",
            "west-",
            "w%2f",
            "wést",
            &"w".repeat(64),
        ] {
            assert!(text.parse::<Region>().is_err(), "{text}");
        }
        let ciam: Authority = "https://contoso.ciamlogin.com".parse().unwrap();
        assert!(ciam.with_region("westeurope".parse().unwrap()).is_err());
    }

    #[test]
    fn ad_fs_has_no_regions() {
        let region: Region = "westeurope".parse().unwrap();
        let ad_fs: Authority = "https://adfs.contoso.com/adfs".parse().unwrap();
        assert!(ad_fs.with_region(region.clone()).is_err());
        let regional = ad_fs.with_tenant("contoso.com".parse().unwrap()).unwrap();
        let regional = regional.with_region(region).unwrap();
        assert!(regional.with_tenant(Tenant::Adfs).is_err());
    }
}
