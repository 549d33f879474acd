//! The settings of the token proxy in a Kubernetes cluster with identity bindings.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use http::Uri;

use super::{EnvironmentError, path, text};
use crate::error::{Input, InputError};

/// The variable with the URL of the cluster's token proxy.
pub const KUBERNETES_TOKEN_PROXY: &str = "AZURE_KUBERNETES_TOKEN_PROXY";
/// The variable with the name that the token proxy has in TLS.
pub const KUBERNETES_SNI_NAME: &str = "AZURE_KUBERNETES_SNI_NAME";
/// The variable with the path of the certificate authority of the token proxy.
pub const KUBERNETES_CA_FILE: &str = "AZURE_KUBERNETES_CA_FILE";
/// The variable with the certificate authority of the token proxy, as PEM.
pub const KUBERNETES_CA_DATA: &str = "AZURE_KUBERNETES_CA_DATA";

/// The settings of the token proxy in a cluster of Azure Kubernetes Service with identity bindings.
///
/// A workload identity of such a cluster sends its token requests to the proxy in place of the
/// cloud. `entra_transport::TokenProxy` does so.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenProxySettings {
    /// The URL of the proxy, with `https`. The path of a token request follows its path.
    pub url: Uri,
    /// The name of the proxy in TLS, if it is not the host of the URL.
    pub server_name: Option<String>,
    /// The certificate authorities that may have signed the certificate of the proxy.
    pub trust: TokenProxyTrust,
}

/// The certificate authorities of a token proxy.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenProxyTrust {
    /// Those of the system.
    System,
    /// Those in a PEM file, which changes while the program runs.
    File(PathBuf),
    /// Those in this PEM text.
    Pem(String),
}

impl TokenProxySettings {
    /// Reads the variables with `lookup`. Returns `None` if none of them is set.
    ///
    /// # Errors
    /// Returns an error if the proxy's URL is invalid, if both variables for certificate
    /// authorities are set, or if any of the variables is set without the URL.
    pub fn read(lookup: impl Fn(&str) -> Option<OsString>) -> Result<Option<Self>, EnvironmentError> {
        let lookup = &lookup;
        let server_name = text(lookup, KUBERNETES_SNI_NAME)?;
        let pem = text(lookup, KUBERNETES_CA_DATA)?;
        let file = path(lookup, KUBERNETES_CA_FILE);
        let Some(url) = text(lookup, KUBERNETES_TOKEN_PROXY)? else {
            let others = [
                (KUBERNETES_SNI_NAME, server_name.is_some()),
                (KUBERNETES_CA_FILE, file.is_some()),
                (KUBERNETES_CA_DATA, pem.is_some()),
            ];
            return match others.into_iter().find(|(_, is_set)| *is_set) {
                Some((set, _)) => Err(EnvironmentError::Incomplete {
                    set,
                    unset: KUBERNETES_TOKEN_PROXY,
                }),
                None => Ok(None),
            };
        };
        let trust = match (file, pem) {
            (Some(_), Some(_)) => {
                return Err(EnvironmentError::Contradiction {
                    one: KUBERNETES_CA_FILE,
                    other: KUBERNETES_CA_DATA,
                });
            }
            (Some(file), None) => TokenProxyTrust::File(file),
            (None, Some(pem)) => TokenProxyTrust::Pem(pem.to_string()),
            (None, None) => TokenProxyTrust::System,
        };
        let server_name = server_name.map(|name| name.trim().to_owned());
        Ok(Some(Self {
            url: parse(url.trim())?,
            server_name: server_name.filter(|name| !name.is_empty()),
            trust,
        }))
    }
}

/// Parses the URL of the proxy. The error does not repeat it, since it may contain a password.
fn parse(url: &str) -> Result<Uri, EnvironmentError> {
    let invalid = |problem: &str| {
        let error = InputError::new(Input::Other("the URL"), problem)
            .with_hint("leave the variable as the cluster sets it, as https://10.0.0.1:443/path for example");
        EnvironmentError::invalid(KUBERNETES_TOKEN_PROXY, error.into())
    };
    // The type `Uri` drops a fragment.
    if url.contains('#') {
        return Err(invalid("has a fragment"));
    }
    let uri: Uri = url.parse().map_err(|_| invalid("is malformed"))?;
    let Some(authority) = uri.authority().filter(|_| uri.scheme_str() == Some("https")) else {
        return Err(invalid("does not begin with https://"));
    };
    if authority.as_str().contains('@') {
        return Err(invalid("contains a user name"));
    }
    if authority.host().is_empty() || (authority.port().is_none() && authority.as_str() != authority.host()) {
        return Err(invalid("has no valid host and port"));
    }
    if uri.query().is_some() {
        return Err(invalid("has a query"));
    }
    Ok(uri)
}

impl fmt::Debug for TokenProxyTrust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::System => "System",
            Self::File(_) => "File",
            Self::Pem(_) => "Pem",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Option<TokenProxySettings>, EnvironmentError> {
        TokenProxySettings::read(|name| {
            let variable = variables.iter().find(|(known, _)| *known == name);
            variable.map(|(_, value)| value.into())
        })
    }

    const PROXY: (&str, &str) = (KUBERNETES_TOKEN_PROXY, "https://10.0.0.1:443/proxy");
    const NAME: (&str, &str) = (KUBERNETES_SNI_NAME, "token.ests.aks");
    const FILE: (&str, &str) = (KUBERNETES_CA_FILE, "/var/run/ca.crt");
    const DATA: (&str, &str) = (KUBERNETES_CA_DATA, "-----BEGIN CERTIFICATE-----");

    #[test]
    fn proxy_is_read_with_its_name_and_authority() {
        assert_eq!(read(&[]).unwrap(), None);
        assert_eq!(
            read(&[(PROXY.0, ""), (NAME.0, ""), (FILE.0, ""), (DATA.0, "")]).unwrap(),
            None
        );
        for (variables, trust) in [
            (&[PROXY, NAME][..], TokenProxyTrust::System),
            (&[PROXY, NAME, FILE], TokenProxyTrust::File("/var/run/ca.crt".into())),
            (
                &[PROXY, NAME, DATA, (FILE.0, "")],
                TokenProxyTrust::Pem(DATA.1.to_owned()),
            ),
        ] {
            let settings = read(variables).unwrap().unwrap();
            assert_eq!(settings.url, "https://10.0.0.1:443/proxy");
            assert_eq!(settings.server_name.as_deref(), Some("token.ests.aks"));
            assert_eq!(settings.trust, trust);
        }
        let spaced = read(&[(PROXY.0, " https://proxy.example\n"), (NAME.0, " ")])
            .unwrap()
            .unwrap();
        assert_eq!((spaced.url.host(), spaced.server_name), (Some("proxy.example"), None));
    }

    #[test]
    fn contradictions_and_missing_proxy_are_errors() {
        let text = |variables: &[(&str, &str)]| read(variables).unwrap_err().to_string();
        assert_eq!(
            text(&[PROXY, FILE, DATA]),
            "AZURE_KUBERNETES_CA_FILE and AZURE_KUBERNETES_CA_DATA are both set, and only one of them can be used"
        );
        for other in [NAME, FILE, DATA] {
            let expected = format!("{} is set, but AZURE_KUBERNETES_TOKEN_PROXY is not", other.0);
            assert_eq!(text(&[other]), expected);
            assert_eq!(text(&[other, (PROXY.0, "")]), expected);
        }
    }

    #[test]
    fn invalid_url_of_proxy_is_not_repeated() {
        for (url, problem) in [
            ("http://canary.example", "https"),
            ("canary.example:443", "https"),
            ("/canary", "https"),
            ("https://", "malformed"),
            ("https://canary example", "malformed"),
            ("https://user:canary@proxy.example", "user name"),
            ("https://@proxy.example", "user name"),
            ("https://proxy.example?canary=1", "query"),
            ("https://proxy.example/#canary", "fragment"),
            ("https://proxy.example:99999", "port"),
            ("https://proxy.example:", "port"),
        ] {
            let error = read(&[(PROXY.0, url)]).unwrap_err();
            let text = format!("{error} {error:?}");
            assert!(error.to_string().contains(problem), "{url}: {error}");
            assert!(text.contains(PROXY.0) && !text.contains("canary"), "{text}");
            assert!(error.hint().is_some());
        }
    }
}
