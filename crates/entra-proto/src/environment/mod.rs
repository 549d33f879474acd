//! The settings of an application in the environment variables that the Azure SDKs share.
//!
//! [`Environment::read`] reads them through a function, so that this module does no I/O:
//! `std::env::var_os` is the usual function, and tests use a table. An empty variable counts as
//! unset.
//!
//! | variable | meaning |
//! |---|---|
//! | [`TENANT_ID`] | the tenant: its ID, or a domain of it |
//! | [`CLIENT_ID`] | the application (client) ID |
//! | [`CLIENT_SECRET`] | the client secret |
//! | [`CLIENT_CERTIFICATE_PATH`] | a file with the certificate and its private key, PEM or PFX |
//! | [`CLIENT_CERTIFICATE_PASSWORD`] | the password of that file, if it has one |
//! | [`CLIENT_SEND_CERTIFICATE_CHAIN`] | `1` or `true` to send the certificate chain (`x5c`) |
//! | [`FEDERATED_TOKEN_FILE`] | a file with another issuer's assertion (workload identity) |
//! | [`AUTHORITY_HOST`] | the cloud, or an emulator: what [`Cloud::from_setting`] reads |
//! | [`TOKEN_CREDENTIALS`] | the credentials of a chain: [`CredentialSource::selected`] |
//!
//! [`TokenProxySettings`] reads the variables of a cluster with identity bindings.
//!
//! A secret together with a certificate is an error, because the choice would be arbitrary. Either
//! of them takes precedence over the federated token file, which Kubernetes sets in every pod of a
//! service account. A chain reads each credential by itself ([`CredentialSource`]).

mod error;
mod misnamed;
mod source;
mod token_proxy;

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::authority::Authority;
use crate::client_id::ClientId;
use crate::cloud::Cloud;
use crate::error::Error;
use crate::secret::ClientSecret;
use crate::tenant::Tenant;

pub use self::error::EnvironmentError;
pub use self::misnamed::misnamed;
pub use self::source::{CredentialSource, identity};
pub use self::token_proxy::{
    KUBERNETES_CA_DATA, KUBERNETES_CA_FILE, KUBERNETES_SNI_NAME, KUBERNETES_TOKEN_PROXY, TokenProxySettings,
    TokenProxyTrust,
};

/// The variable with the tenant.
pub const TENANT_ID: &str = "AZURE_TENANT_ID";
/// The variable with the application (client) ID.
pub const CLIENT_ID: &str = "AZURE_CLIENT_ID";
/// The variable with the client secret.
pub const CLIENT_SECRET: &str = "AZURE_CLIENT_SECRET";
/// The variable with the path of the client certificate.
pub const CLIENT_CERTIFICATE_PATH: &str = "AZURE_CLIENT_CERTIFICATE_PATH";
/// The variable with the password of the certificate's file.
pub const CLIENT_CERTIFICATE_PASSWORD: &str = "AZURE_CLIENT_CERTIFICATE_PASSWORD";
/// The variable that enables sending the certificate chain.
pub const CLIENT_SEND_CERTIFICATE_CHAIN: &str = "AZURE_CLIENT_SEND_CERTIFICATE_CHAIN";
/// The variable with the path of the assertion that another issuer signs.
pub const FEDERATED_TOKEN_FILE: &str = "AZURE_FEDERATED_TOKEN_FILE";
/// The variable that names the cloud, or an emulator.
pub const AUTHORITY_HOST: &str = "AZURE_AUTHORITY_HOST";
/// The variable that selects the credentials of a chain.
pub const TOKEN_CREDENTIALS: &str = "AZURE_TOKEN_CREDENTIALS";

/// The settings of an application, read from environment variables.
///
/// ```
/// use entra_proto::environment::{CredentialSettings, Environment};
///
/// let variables = [
///     ("AZURE_TENANT_ID", "contoso.onmicrosoft.com"),
///     ("AZURE_CLIENT_ID", "535fb089-9ff3-47b6-9bfb-4f1264799865"),
///     ("AZURE_CLIENT_SECRET", "qWgdYAmab0YSkuL1qKv5bPX"),
/// ];
/// let find = |name: &str| {
///     let variable = variables.iter().find(|(known, _)| *known == name);
///     variable.map(|(_, value)| value.into())
/// };
///
/// // In a program: Environment::read(|name| std::env::var_os(name))
/// let environment = Environment::read(find)?;
/// assert_eq!(
///     environment.authority.to_string(),
///     "https://login.microsoftonline.com/contoso.onmicrosoft.com",
/// );
/// assert!(matches!(environment.credential, CredentialSettings::Secret(_)));
/// # Ok::<(), entra_proto::environment::EnvironmentError>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Environment {
    /// The cloud and the tenant.
    pub authority: Authority,
    /// The application (client) ID.
    pub client_id: ClientId,
    /// The credential.
    pub credential: CredentialSettings,
}

impl Environment {
    /// Reads the variables with `lookup`, which returns the value of a variable.
    ///
    /// # Errors
    /// Returns an error if a required variable is not set, if a value is invalid, or if two
    /// variables contradict each other.
    pub fn read(lookup: impl Fn(&str) -> Option<OsString>) -> Result<Self, EnvironmentError> {
        let lookup = &lookup;
        let tenant: Tenant = required(lookup, TENANT_ID)?;
        let client_id = required(lookup, CLIENT_ID)?;
        let authority =
            Authority::new(cloud(lookup)?, tenant).map_err(|error| EnvironmentError::invalid(AUTHORITY_HOST, error))?;
        Ok(Self {
            authority,
            client_id,
            credential: CredentialSettings::read(lookup)?,
        })
    }
}

/// The credential that environment variables name. Its file is not read yet.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum CredentialSettings {
    /// A client secret.
    Secret(ClientSecret),
    /// A certificate with its private key.
    Certificate(CertificateSettings),
    /// The path of a file with another issuer's assertion.
    FederatedToken(PathBuf),
}

impl CredentialSettings {
    fn read(lookup: &impl Fn(&str) -> Option<OsString>) -> Result<Self, EnvironmentError> {
        let secret = text(lookup, CLIENT_SECRET)?;
        match (secret, path(lookup, CLIENT_CERTIFICATE_PATH)) {
            (Some(_), Some(_)) => Err(EnvironmentError::Contradiction {
                one: CLIENT_SECRET,
                other: CLIENT_CERTIFICATE_PATH,
            }),
            (Some(secret), None) => ClientSecret::new(&**secret)
                .map(Self::Secret)
                .map_err(|error| EnvironmentError::invalid(CLIENT_SECRET, error)),
            (None, Some(path)) => CertificateSettings::read(lookup, path).map(Self::Certificate),
            (None, None) => match path(lookup, FEDERATED_TOKEN_FILE) {
                Some(path) => Ok(Self::FederatedToken(path)),
                None => Err(EnvironmentError::no_credential(lookup)),
            },
        }
    }
}

/// The settings of a certificate.
#[derive(Clone)]
pub struct CertificateSettings {
    path: PathBuf,
    password: Option<Zeroizing<String>>,
    sends_chain: bool,
}

impl CertificateSettings {
    fn read(lookup: &impl Fn(&str) -> Option<OsString>, path: PathBuf) -> Result<Self, EnvironmentError> {
        Ok(Self {
            path,
            password: text(lookup, CLIENT_CERTIFICATE_PASSWORD)?,
            sends_chain: sends_chain(lookup)?,
        })
    }

    /// Returns the path of the file. It is unvalidated input.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the password of the file, if one is set.
    #[must_use]
    pub fn password(&self) -> Option<&str> {
        self.password.as_deref().map(String::as_str)
    }

    /// Returns whether the certificate chain is sent.
    #[must_use]
    pub fn sends_chain(&self) -> bool {
        self.sends_chain
    }
}

impl fmt::Debug for CertificateSettings {
    /// Omits the password and the path, because the key itself may have been set as the path by
    /// mistake.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertificateSettings")
            .field("sends_chain", &self.sends_chain)
            .finish_non_exhaustive()
    }
}

/// Reads the cloud from [`AUTHORITY_HOST`]: the public cloud if it is unset.
///
/// # Errors
/// Returns an error if the variable is not UTF-8, or if it names neither a cloud nor an emulator.
pub fn cloud(lookup: impl Fn(&str) -> Option<OsString>) -> Result<Cloud, EnvironmentError> {
    match text(lookup, AUTHORITY_HOST)?.as_deref().map(|text| text.trim()) {
        None | Some("") => Ok(Cloud::default()),
        Some(host) => Cloud::from_setting(host).map_err(|error| EnvironmentError::invalid(AUTHORITY_HOST, error)),
    }
}

/// Returns the text of a variable. An empty variable counts as unset.
///
/// # Errors
/// Returns an error if the value is not UTF-8.
pub fn text(
    lookup: impl Fn(&str) -> Option<OsString>,
    variable: &'static str,
) -> Result<Option<Zeroizing<String>>, EnvironmentError> {
    match lookup(variable).map(OsString::into_string) {
        None => Ok(None),
        Some(Ok(text)) => Ok(Some(Zeroizing::new(text)).filter(|text| !text.is_empty())),
        Some(Err(_)) => Err(EnvironmentError::NotUnicode { variable }),
    }
}

/// Returns the path in a variable. An empty variable counts as unset.
pub fn path(lookup: impl Fn(&str) -> Option<OsString>, variable: &str) -> Option<PathBuf> {
    lookup(variable).filter(|path| !path.is_empty()).map(PathBuf::from)
}

/// Returns whether [`CLIENT_SEND_CERTIFICATE_CHAIN`] enables sending the certificate chain.
///
/// # Errors
/// Returns an error if the value is not UTF-8.
pub fn sends_chain(lookup: impl Fn(&str) -> Option<OsString>) -> Result<bool, EnvironmentError> {
    let text = text(lookup, CLIENT_SEND_CERTIFICATE_CHAIN)?;
    Ok(text.is_some_and(|text| matches!(text.trim().to_ascii_lowercase().as_str(), "1" | "true")))
}

/// Parses the value of a variable, which must be set.
pub(crate) fn required<T: std::str::FromStr<Err = Error>>(
    lookup: &impl Fn(&str) -> Option<OsString>,
    variable: &'static str,
) -> Result<T, EnvironmentError> {
    let text = required_text(lookup, variable)?;
    text.parse().map_err(|error| EnvironmentError::invalid(variable, error))
}

/// Returns the text of a variable, which must be set and not blank.
pub(crate) fn required_text(
    lookup: &impl Fn(&str) -> Option<OsString>,
    variable: &'static str,
) -> Result<Zeroizing<String>, EnvironmentError> {
    text(lookup, variable)?
        .filter(|text| !text.trim().is_empty())
        .ok_or_else(|| EnvironmentError::unset(lookup, variable))
}

#[cfg(test)]
mod tests;
