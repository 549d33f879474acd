//! The issuer in tokens and documents.

use std::str::FromStr;

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::Error;
use crate::config::{Tenant, TokenVersion};
use crate::host::is_authority;

/// The issuer in the emulator's tokens and documents.
///
/// ```
/// use entra_emulator::{Emulator, Issuers};
///
/// let issuers = Issuers::At("http://emulator:8500".to_owned());
/// let emulator = Emulator::builder().issuers(issuers).build();
/// ```
///
/// In a configuration and on the command line, its text is `entra`, `origin`, or an origin such as
/// `http://emulator:8500`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Issuers {
    /// The issuers of the public cloud: `https://sts.windows.net/{tid}/` (v1),
    /// `https://login.microsoftonline.com/{tid}/v2.0` (v2),
    /// `https://{tid}.ciamlogin.com/{tid}/v2.0` (v2 of an external tenant).
    #[default]
    Entra,
    /// The origin of the request: `{origin}/{tid}/` (v1) and `{origin}/{tid}/v2.0` (v2).
    ///
    /// Use it for clients and validators that compare the issuer with the address of the metadata.
    /// If a client requests its token at another address than the validator reads, use
    /// [`At`](Self::At).
    Origin,
    /// This origin for every request: `{origin}/{tid}/` (v1) and `{origin}/{tid}/v2.0` (v2).
    At(String),
}

impl Issuers {
    /// Returns the issuer of a tenant's tokens for a request to `origin`.
    pub(crate) fn of(&self, tenant: &Tenant, version: TokenVersion, origin: &str) -> String {
        let id = &tenant.id;
        match (self, version) {
            (Self::Entra, TokenVersion::V2) if tenant.external => format!("https://{id}.ciamlogin.com/{id}/v2.0"),
            _ => self.template(version, origin).replace("{tenantid}", id),
        }
    }

    /// Returns the issuer with the literal `{tenantid}` instead of a tenant, as in the documents of
    /// `common`.
    pub(crate) fn template(&self, version: TokenVersion, origin: &str) -> String {
        let origin = match self {
            Self::Entra => {
                return match version {
                    TokenVersion::V1 => "https://sts.windows.net/{tenantid}/".to_owned(),
                    TokenVersion::V2 => "https://login.microsoftonline.com/{tenantid}/v2.0".to_owned(),
                };
            }
            Self::Origin => origin,
            Self::At(origin) => origin.trim_end_matches('/'),
        };
        format!("{origin}{}", path("{tenantid}", version))
    }

    /// Returns true if `issuer` can be in tokens of this tenant and version. A token may be used at
    /// another address than it was requested at, so [`Origin`](Self::Origin) accepts every origin;
    /// the signature proves the rest.
    pub(crate) fn is_issuer(&self, issuer: &str, tenant: &Tenant, version: TokenVersion) -> bool {
        match self {
            Self::Origin => issuer
                .strip_suffix(&path(&tenant.id, version))
                .and_then(without_scheme)
                .is_some_and(is_authority),
            _ => self.of(tenant, version, "") == issuer,
        }
    }

    /// Checks that a configured origin is valid.
    ///
    /// # Errors
    /// Returns [`Error::Config`] if it is not.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let is_valid = |origin: &str| {
            without_scheme(origin).is_some_and(|rest| {
                is_authority(rest.split('/').next().unwrap_or_default())
                    && !rest.trim_end_matches('/').ends_with("/v2.0")
                    && !rest.contains(|c: char| "?#@\"\\{}".contains(c) || c.is_whitespace() || c.is_control())
            })
        };
        match self {
            Self::At(origin) if !is_valid(origin) => Err(Error::Config(format!("the issuer is {NOT_ISSUERS}"))),
            _ => Ok(()),
        }
    }
}

impl<'de> Deserialize<'de> for Issuers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Any value is read, so that every invalid value causes the same error.
        let value = Value::deserialize(deserializer)?;
        let issuers = value.as_str().and_then(|text| text.parse().ok());
        issuers.ok_or_else(|| serde::de::Error::custom(format!("`issuers` is {NOT_ISSUERS}")))
    }
}

impl FromStr for Issuers {
    type Err = Error;

    /// Parses the issuer from its text.
    ///
    /// # Errors
    /// Returns [`Error::Config`] if the text is not an issuer. The error does not repeat the text.
    fn from_str(text: &str) -> Result<Self, Error> {
        let issuers = match text {
            "entra" => Self::Entra,
            "origin" => Self::Origin,
            origin => Self::At(origin.to_owned()),
        };
        issuers.check().map(|()| issuers)
    }
}

fn path(tenant: &str, version: TokenVersion) -> String {
    match version {
        TokenVersion::V1 => format!("/{tenant}/"),
        TokenVersion::V2 => format!("/{tenant}/v2.0"),
    }
}

fn without_scheme(origin: &str) -> Option<&str> {
    ["https://", "http://"]
        .iter()
        .find_map(|scheme| origin.strip_prefix(scheme))
}

const NOT_ISSUERS: &str = "neither `entra` nor `origin`, nor a URL such as http://emulator:8500, without user, query and \
                           fragment; tenant and version are appended to it";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origin_issuers_accept_every_origin() {
        let tenant = Tenant::new("a.example").id("11111111-2222-3333-4444-555555555555");
        let id = &tenant.id;
        let is_either = |issuers: &Issuers, issuer: &str| {
            let versions = [TokenVersion::V1, TokenVersion::V2];
            let found = versions.map(|version| issuers.is_issuer(issuer, &tenant, version));
            assert_ne!(found, [true; 2], "{issuer}");
            found.contains(&true)
        };
        for (issuer, is_one) in [
            (format!("http://127.0.0.1:8700/{id}/"), true),
            (format!("https://entra/{id}/v2.0"), true),
            (format!("https://entra/{id}"), false),
            (format!("https://entra/x/{id}/"), false),
            (format!("https:///{id}/"), false),
            (format!("ftp://entra/{id}/"), false),
            (format!("/{id}/"), false),
            ("https://entra/22222222-2222-2222-2222-222222222222/".to_owned(), false),
        ] {
            assert_eq!(is_either(&Issuers::Origin, &issuer), is_one, "{issuer}");
            assert!(!is_either(&Issuers::Entra, &issuer), "{issuer}");
        }
        let at = Issuers::At("https://entra".to_owned());
        assert!(is_either(&at, &format!("https://entra/{id}/v2.0")));
        assert!(!is_either(&at, &format!("https://other/{id}/v2.0")));
    }
}
