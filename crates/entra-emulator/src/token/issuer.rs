//! Who a token says it is from.

use crate::config::{Tenant, TokenVersion};

/// Whose name the emulator's tokens and documents carry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Issuers {
    /// The names of the public cloud: `https://sts.windows.net/{tid}/` (v1), `https://login.microsoftonline.com/{tid}/v2.0`
    /// (v2), `https://{tid}.ciamlogin.com/{tid}/v2.0` (v2 of an external tenant).
    #[default]
    Microsoft,
    /// Names under this origin, for validators that insist on an issuer at the host they read the metadata from:
    /// `{origin}/{tid}/` (v1) and `{origin}/{tid}/v2.0` (v2).
    Origin(String),
}

impl Issuers {
    /// The issuer of a tenant's tokens.
    pub(crate) fn of(&self, tenant: &Tenant, version: TokenVersion) -> String {
        let id = &tenant.id;
        match (self, version) {
            (Self::Microsoft, TokenVersion::V2) if tenant.external => format!("https://{id}.ciamlogin.com/{id}/v2.0"),
            _ => self.template(version).replace("{tenantid}", id),
        }
    }

    /// The issuer with the literal `{tenantid}` in place of a tenant, as the documents of `common` have it.
    pub(crate) fn template(&self, version: TokenVersion) -> String {
        match (self, version) {
            (Self::Microsoft, TokenVersion::V1) => "https://sts.windows.net/{tenantid}/".to_owned(),
            (Self::Microsoft, TokenVersion::V2) => "https://login.microsoftonline.com/{tenantid}/v2.0".to_owned(),
            (Self::Origin(origin), TokenVersion::V1) => format!("{}/{{tenantid}}/", origin.trim_end_matches('/')),
            (Self::Origin(origin), TokenVersion::V2) => format!("{}/{{tenantid}}/v2.0", origin.trim_end_matches('/')),
        }
    }
}
