//! Parses authorities as users copy them.

use std::str::FromStr;

use crate::authority::{Authority, ciam_name};
use crate::cloud::Cloud;
use crate::error::{Error, Input, InputError};
use crate::pasted::unwrapped;
use crate::printable::excerpt;
use crate::secrecy::may_be_secret;
use crate::tenant::Tenant;

impl Authority {
    /// Parses the authority of an emulator on this machine, `http://127.0.0.1:port/tenant`. Plain
    /// `http` is allowed.
    ///
    /// # Errors
    /// Returns an error if [`Cloud::loopback`] does, or if there is no tenant.
    pub fn loopback(url: &str) -> Result<Self, Error> {
        Self::read(url, Cloud::loopback)
    }

    /// Parses a program's setting: an authority as [`FromStr`](Self::from_str) does, or one of an
    /// emulator on this machine, for which plain `http` is allowed.
    ///
    /// ```
    /// use entra_proto::Authority;
    ///
    /// for accepted in [
    ///     "https://login.microsoftonline.com/contoso.onmicrosoft.com",
    ///     "http://localhost:8500/contoso.onmicrosoft.com",
    /// ] {
    ///     assert!(Authority::from_setting(accepted).is_ok());
    /// }
    /// let plain_http = "http://login.microsoftonline.com/contoso.onmicrosoft.com";
    /// assert!(Authority::from_setting(plain_http).is_err());
    /// ```
    ///
    /// # Errors
    /// Returns an error if the text is neither, or if it is plain `http` to another machine.
    pub fn from_setting(text: &str) -> Result<Self, Error> {
        Self::loopback(text).or_else(|_| text.parse())
    }

    fn read(text: &str, cloud_at: fn(&str) -> Result<Cloud, Error>) -> Result<Self, Error> {
        let text = unwrapped(text);
        let (scheme, rest) = text.split_once("://").ok_or_else(|| {
            InputError::new(Input::Authority, "has no scheme")
                .with_hint("write it as https://login.microsoftonline.com/your-tenant")
        })?;
        let (host, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let cloud = cloud_at(&format!("{scheme}://{host}"))?;
        // Checked before any part of the path is shown, because a query may contain a secret.
        if path.contains(['?', '#']) {
            return Err(InputError::new(Input::Authority, "has a query or a fragment")
                .with_hint("leave it out")
                .into());
        }
        // Empty path segments are skipped.
        let mut parts = path.split('/').filter(|part| !part.is_empty()).peekable();
        let names_endpoint = parts.peek().is_none_or(|first| is_endpoint_part(first));
        let tenant: Tenant = if names_endpoint {
            let name = ciam_name(cloud.host()).ok_or_else(|| {
                InputError::new(Input::Authority, "names no tenant")
                    .value(cloud.origin())
                    .with_hint("add the tenant's ID or domain after the host")
            })?;
            format!("{name}.onmicrosoft.com").parse()?
        } else {
            parts.next().unwrap_or_default().parse()?
        };
        let endpoint = parts.collect::<Vec<_>>().join("/");
        if cloud.host().contains(".b2clogin.") && !endpoint.is_empty() {
            return Err(InputError::new(
                Input::Authority,
                "names a user flow or policy of Azure AD B2C, which is not supported",
            )
            .with_hint(format!(
                "for an application's own tokens, write https://login.microsoftonline.com/{tenant}"
            ))
            .into());
        }
        if !ENDPOINTS.contains(&&*endpoint.to_ascii_lowercase()) {
            // The check needs the whole path: alone, names of endpoints and policies look like
            // random text.
            let (problem, advice) = if may_be_secret(text) {
                (
                    "has an unknown path after the tenant".to_owned(),
                    "leave it out".to_owned(),
                )
            } else {
                let shown = excerpt(&endpoint, 100);
                (
                    format!("has an unknown path after the tenant: \"{shown}\""),
                    format!("leave it out: {}/{tenant}", cloud.origin()),
                )
            };
            return Err(InputError::new(Input::Authority, problem).with_hint(advice).into());
        }
        Self::new(cloud, tenant)
    }
}

impl FromStr for Authority {
    type Err = Error;

    /// Parses `https://host/tenant` as users copy it. Ignores white space, quotation marks and a
    /// byte order mark around it, superfluous slashes, and a known endpoint after the tenant, such
    /// as `/oauth2/v2.0/token`. The address of an external tenant,
    /// `https://contoso.ciamlogin.com/`, does not need a path: its tenant is
    /// `contoso.onmicrosoft.com`.
    ///
    /// # Errors
    /// Returns an error if the host or the tenant is invalid, if there is no tenant, or if an
    /// unknown path follows the tenant.
    fn from_str(text: &str) -> Result<Self, Error> {
        Self::read(text, Cloud::at)
    }
}

/// Returns whether a path segment begins an endpoint, which means that no tenant precedes it.
fn is_endpoint_part(part: &str) -> bool {
    ["oauth2", "v2.0", ".well-known", "adminconsent", "discovery"]
        .iter()
        .any(|known| part.eq_ignore_ascii_case(known))
}

/// The paths that may follow the tenant in URLs that users copy, in lower case: from the portal,
/// the discovery document, a browser.
const ENDPOINTS: [&str; 31] = [
    "",
    "v2.0",
    "oauth2",
    "oauth2/v2.0",
    "oauth2/authorize",
    "oauth2/token",
    "oauth2/devicecode",
    "oauth2/deviceauth",
    "oauth2/logout",
    "oauth2/nativeclient",
    "oauth2/v2.0/authorize",
    "oauth2/v2.0/token",
    "oauth2/v2.0/devicecode",
    "oauth2/v2.0/logout",
    "adminconsent",
    "v2.0/adminconsent",
    ".well-known/openid-configuration",
    "v2.0/.well-known/openid-configuration",
    ".well-known/oauth-authorization-server",
    "v2.0/.well-known/oauth-authorization-server",
    "discovery/keys",
    "discovery/v2.0/keys",
    "discovery/instance",
    "openid/userinfo",
    "oidc/userinfo",
    "userinfo",
    "federationmetadata/2007-06/federationmetadata.xml",
    "wsfed",
    "saml2",
    "ls",
    "services/trust",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::in_full;

    #[test]
    fn authority_is_parsed_as_users_copy_it() {
        for text in [
            "https://login.microsoftonline.com/contoso.com",
            " https://login.microsoftonline.com/contoso.com/",
            "https://login.microsoftonline.com/contoso.com/v2.0",
            "https://login.microsoftonline.com/contoso.com/v2.0/",
            "https://LOGIN.microsoftonline.com:443/Contoso.com",
        ] {
            assert_eq!(
                text.parse::<Authority>().unwrap().to_string(),
                "https://login.microsoftonline.com/contoso.com",
                "{text}"
            );
        }
    }

    #[test]
    fn external_tenant_does_not_need_a_path() {
        for (text, whole) in [
            (
                "https://contoso.ciamlogin.com/",
                "https://contoso.ciamlogin.com/contoso.onmicrosoft.com",
            ),
            (
                "https://contoso.ciamlogin.com/v2.0",
                "https://contoso.ciamlogin.com/contoso.onmicrosoft.com",
            ),
            (
                "https://contoso.ciamlogin.com/fabrikam.com",
                "https://contoso.ciamlogin.com/fabrikam.com",
            ),
        ] {
            assert_eq!(text.parse::<Authority>().unwrap().to_string(), whole);
        }
        assert!("https://a.b.ciamlogin.com/".parse::<Authority>().is_err());
        assert!(
            "https://login.microsoftonline.com/"
                .parse::<Authority>()
                .unwrap_err()
                .to_string()
                .contains("tenant")
        );
    }

    #[test]
    fn known_endpoint_after_the_tenant_is_ignored() {
        const ID: &str = "9198cc71-02da-43ef-8532-e151093e9beb";
        for tenant in [ID, "contoso.onmicrosoft.com", "common"] {
            for endpoint in ENDPOINTS {
                for url in [
                    format!("https://login.microsoftonline.com/{tenant}/{endpoint}"),
                    format!("https://login.windows.net//{tenant}//{endpoint}/"),
                    format!(
                        "\u{feff}\"https://login.microsoftonline.com/{tenant}/{}\"\r\n",
                        endpoint.to_uppercase()
                    ),
                    format!("<https://login.microsoftonline.com/{tenant}/{endpoint}>"),
                ] {
                    let authority: Authority = url.parse().unwrap();
                    assert_eq!(
                        authority.to_string(),
                        format!("https://login.microsoftonline.com/{tenant}"),
                        "{url}"
                    );
                }
            }
        }
        let braces = format!("https://login.microsoftonline.com/{{{ID}}}/oauth2/token");
        assert_eq!(braces.parse::<Authority>().unwrap().tenant().to_string(), ID);
        let adfs: Authority = "https://adfs.contoso.com/adfs/oauth2/authorize/".parse().unwrap();
        assert_eq!(adfs.to_string(), "https://adfs.contoso.com/adfs");
        let external: Authority = "https://contoso.ciamlogin.com/v2.0/".parse().unwrap();
        assert_eq!(external.tenant().to_string(), "contoso.onmicrosoft.com");
    }

    #[test]
    fn unknown_path_after_the_tenant_is_named() {
        let error_of = |path: &str| {
            let url = format!("https://login.microsoftonline.com/{path}");
            in_full(&url.parse::<Authority>().expect_err(&url))
        };
        for unknown in [
            "B2C_1_signin/oauth2/v2.0/token",
            "x",
            "oauth2/v2.0/authorizes",
            "../fabrikam.com",
            "%2f",
        ] {
            let error = error_of(&format!("contoso.com/{unknown}"));
            assert!(error.contains(&format!("after the tenant: \"{unknown}\"")), "{error}");
            assert!(
                error.ends_with("leave it out: https://login.microsoftonline.com/contoso.com"),
                "{error}"
            );
        }
        let error = error_of("contoso.com/eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJhIn0.c2ln");
        assert!(error.contains("after the tenant") && !error.contains("eyJ"), "{error}");
        for missing in ["", "/", "oauth2/v2.0/token", "v2.0", ".well-known/openid-configuration"] {
            assert!(error_of(missing).contains("names no tenant"), "{missing}");
        }
        assert!(error_of("contoso/oauth2/token").contains("neither a GUID nor a domain"));
    }

    #[test]
    fn errors_name_the_problem_and_never_the_query() {
        for (url, expected) in [
            ("https://portal.azure.com/#view/Microsoft_AAD_IAM/x", "portal"),
            ("https://entra.microsoft.com/?feature=x#home", "portal"),
            ("https://graph.microsoft.com/contoso.com", "API"),
            ("https://login.microsoftonline.com?canary", "query"),
            (
                "https://login.microsoftonline.com/contoso.com/oauth2/v2.0/authorize?canary",
                "query",
            ),
            (
                "https://contoso.b2clogin.com/contoso.com/B2C_1_a",
                "https://login.microsoftonline.com/contoso.com",
            ),
            (
                "https://contoso.b2clogin.com/contoso.com/B2C_1_a/oauth2/v2.0/token",
                "B2C, which is not",
            ),
        ] {
            let error = in_full(&url.parse::<Authority>().expect_err(url));
            assert!(error.contains(expected) && !error.contains("canary"), "{error}");
        }
    }
}
