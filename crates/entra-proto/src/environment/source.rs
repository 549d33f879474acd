//! The credentials that the environment of a process may name, one by one, for chains.

use std::ffi::OsString;
use std::fmt;

use super::{
    CLIENT_CERTIFICATE_PASSWORD, CLIENT_CERTIFICATE_PATH, CLIENT_ID, CLIENT_SECRET, Environment, EnvironmentError,
    FEDERATED_TOKEN_FILE, TOKEN_CREDENTIALS, path, text,
};
use crate::error::{Input, InputError};
use crate::managed_identity::Identity;

/// A credential that the environment of a process may name: a member of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CredentialSource {
    /// An application with a secret or a certificate ([`CLIENT_SECRET`],
    /// [`CLIENT_CERTIFICATE_PATH`]).
    Environment,
    /// An application with the assertion that a platform writes to a file
    /// ([`FEDERATED_TOKEN_FILE`]).
    WorkloadIdentity,
    /// The managed identity of the machine, or the one whose client ID is in [`CLIENT_ID`].
    ManagedIdentity,
    /// The user who signed in to Azure CLI, for developers.
    AzureCli,
    /// The user who signed in to Azure Developer CLI, for developers.
    AzureDeveloperCli,
}

impl CredentialSource {
    /// The credentials of a program in production, in their order.
    pub const PRODUCTION: [Self; 3] = [Self::Environment, Self::WorkloadIdentity, Self::ManagedIdentity];

    /// The credentials of developers, in their order. They are never a default.
    pub const DEVELOPMENT: [Self; 2] = [Self::AzureCli, Self::AzureDeveloperCli];

    /// Returns the name, as messages and reports use it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Environment => "environment",
            Self::WorkloadIdentity => "workload identity",
            Self::ManagedIdentity => "managed identity",
            Self::AzureCli => "Azure CLI",
            Self::AzureDeveloperCli => "Azure Developer CLI",
        }
    }

    /// Returns the name in [`TOKEN_CREDENTIALS`], which is that of the Azure SDKs.
    #[must_use]
    pub fn setting(self) -> &'static str {
        match self {
            Self::Environment => "EnvironmentCredential",
            Self::WorkloadIdentity => "WorkloadIdentityCredential",
            Self::ManagedIdentity => "ManagedIdentityCredential",
            Self::AzureCli => "AzureCliCredential",
            Self::AzureDeveloperCli => "AzureDeveloperCliCredential",
        }
    }

    /// Returns the credentials that [`TOKEN_CREDENTIALS`] selects: `prod`, `dev`, or one of them by
    /// its [`setting`](Self::setting), in any case. If it is unset, those of
    /// [`PRODUCTION`](Self::PRODUCTION).
    ///
    /// # Errors
    /// Returns an error if the variable has any other value.
    pub fn selected(lookup: impl Fn(&str) -> Option<OsString>) -> Result<Vec<Self>, EnvironmentError> {
        let setting = text(lookup, TOKEN_CREDENTIALS)?;
        let setting = setting.as_deref().map_or("", |setting| setting.trim());
        if setting.is_empty() || setting.eq_ignore_ascii_case("prod") {
            return Ok(Self::PRODUCTION.to_vec());
        }
        if setting.eq_ignore_ascii_case("dev") {
            return Ok(Self::DEVELOPMENT.to_vec());
        }
        let mut all = Self::PRODUCTION.into_iter().chain(Self::DEVELOPMENT);
        match all.find(|source| setting.eq_ignore_ascii_case(source.setting())) {
            Some(source) => Ok(vec![source]),
            None => Err(EnvironmentError::invalid(
                TOKEN_CREDENTIALS,
                InputError::new(Input::Credential, "is not known")
                    .value(setting)
                    .with_hint(
                        "set it to prod, dev, EnvironmentCredential, WorkloadIdentityCredential, \
                         ManagedIdentityCredential, AzureCliCredential or AzureDeveloperCliCredential",
                    )
                    .into(),
            )),
        }
    }
}

impl fmt::Display for CredentialSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Environment {
    /// Reads an application with a secret or a certificate. Returns `None` if no variable names
    /// one, whatever the other variables say.
    ///
    /// # Errors
    /// Returns an error if a secret, a certificate or a certificate's password is set, and the
    /// variables together are incomplete or invalid.
    pub fn with_own_credential(lookup: impl Fn(&str) -> Option<OsString>) -> Result<Option<Self>, EnvironmentError> {
        let own = [CLIENT_SECRET, CLIENT_CERTIFICATE_PATH, CLIENT_CERTIFICATE_PASSWORD];
        if !own.into_iter().any(|name| is_set(&lookup, name)) {
            return Ok(None);
        }
        // A federated token is the credential of another member.
        Self::read(|name| lookup(name).filter(|_| name != FEDERATED_TOKEN_FILE)).map(Some)
    }

    /// Reads an application with the assertion in a file. Returns `None` if no variable names the
    /// file, whatever the other variables say.
    ///
    /// # Errors
    /// Returns an error if the file is named, and the other variables are incomplete or invalid.
    pub fn with_workload_identity(lookup: impl Fn(&str) -> Option<OsString>) -> Result<Option<Self>, EnvironmentError> {
        if path(&lookup, FEDERATED_TOKEN_FILE).is_none() {
            return Ok(None);
        }
        let own = [CLIENT_SECRET, CLIENT_CERTIFICATE_PATH];
        Self::read(|name| lookup(name).filter(|_| !own.contains(&name))).map(Some)
    }
}

/// Reads the identity of a machine: the user-assigned one whose client ID is in [`CLIENT_ID`], or
/// the system-assigned one if that is unset.
///
/// # Errors
/// Returns an error if the variable is not a GUID.
pub fn identity(lookup: impl Fn(&str) -> Option<OsString>) -> Result<Identity, EnvironmentError> {
    let id = text(lookup, CLIENT_ID)?;
    match id.as_deref().map(|id| id.trim()).filter(|id| !id.is_empty()) {
        None => Ok(Identity::system()),
        Some(id) => id
            .parse()
            .map(Identity::client_id)
            .map_err(|error| EnvironmentError::invalid(CLIENT_ID, error)),
    }
}

fn is_set(lookup: &impl Fn(&str) -> Option<OsString>, variable: &str) -> bool {
    lookup(variable).is_some_and(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::{CredentialSettings, TENANT_ID};

    const TENANT: (&str, &str) = (TENANT_ID, "contoso.com");
    const ID: (&str, &str) = (CLIENT_ID, "535fb089-9ff3-47b6-9bfb-4f1264799865");
    const SECRET: (&str, &str) = (CLIENT_SECRET, "qWgdYAmab0YSkuL1qKv5bPX");
    const TOKEN: (&str, &str) = (FEDERATED_TOKEN_FILE, "/var/run/token");

    fn of<'a>(variables: &'a [(&str, &str)]) -> impl Fn(&str) -> Option<OsString> + use<'a> {
        |name| {
            let variable = variables.iter().find(|(known, _)| *known == name);
            variable.map(|(_, value)| value.into())
        }
    }

    #[test]
    fn setting_selects_a_group_or_one_credential() {
        use CredentialSource as Source;
        for (value, selected) in [
            ("", &Source::PRODUCTION[..]),
            (" PROD ", &Source::PRODUCTION),
            ("dev", &Source::DEVELOPMENT),
            ("managedidentitycredential", &[Source::ManagedIdentity]),
            ("EnvironmentCredential", &[Source::Environment]),
            ("WorkloadIdentityCredential", &[Source::WorkloadIdentity]),
            ("AzureCliCredential", &[Source::AzureCli]),
            ("AzureDeveloperCliCredential", &[Source::AzureDeveloperCli]),
        ] {
            let found = Source::selected(of(&[(TOKEN_CREDENTIALS, value)])).expect(value);
            assert_eq!(found, selected, "{value}");
        }
        assert_eq!(Source::selected(of(&[])).unwrap(), Source::PRODUCTION);
        for value in ["production", "ManagedIdentity", "prod,dev", "VisualStudioCredential"] {
            let error = Source::selected(of(&[(TOKEN_CREDENTIALS, value)])).expect_err(value);
            assert!(error.to_string().starts_with(TOKEN_CREDENTIALS), "{error}");
            assert!(error.hint().unwrap().contains("prod"), "{error}");
        }
    }

    #[test]
    fn each_credential_is_read_by_itself() {
        let both = [TENANT, ID, SECRET, TOKEN];
        let own = Environment::with_own_credential(of(&both)).unwrap().unwrap();
        assert!(matches!(own.credential, CredentialSettings::Secret(_)));
        let workload = Environment::with_workload_identity(of(&both)).unwrap().unwrap();
        assert!(matches!(workload.credential, CredentialSettings::FederatedToken(_)));
        assert!(
            Environment::with_own_credential(of(&[TENANT, ID, TOKEN]))
                .unwrap()
                .is_none()
        );
        assert!(
            Environment::with_workload_identity(of(&[TENANT, ID, SECRET]))
                .unwrap()
                .is_none()
        );
        assert!(
            Environment::with_own_credential(of(&[(CLIENT_SECRET, "")]))
                .unwrap()
                .is_none()
        );
    }

    #[test]
    fn incomplete_credential_is_an_error_and_not_absent() {
        for variables in [
            &[SECRET][..],
            &[SECRET, TENANT],
            &[SECRET, ID],
            &[TENANT, ID, (CLIENT_CERTIFICATE_PASSWORD, "canary")],
            &[TENANT, ID, (CLIENT_SECRET, " ")],
        ] {
            let error = Environment::with_own_credential(of(variables)).expect_err("the credential is incomplete");
            assert!(!format!("{error} {error:?}").contains("canary"));
        }
        for variables in [
            &[TOKEN][..],
            &[TOKEN, TENANT],
            &[TOKEN, ID],
            &[TOKEN, TENANT, (CLIENT_ID, "daemon")],
        ] {
            Environment::with_workload_identity(of(variables)).expect_err("the credential is incomplete");
        }
    }

    #[test]
    fn client_id_names_the_identity() {
        assert!(identity(of(&[])).unwrap().is_system());
        assert!(identity(of(&[(CLIENT_ID, " ")])).unwrap().is_system());
        assert!(identity(of(&[ID])).unwrap() == Identity::client_id(ID.1.parse().unwrap()));
        identity(of(&[(CLIENT_ID, "daemon")])).unwrap_err();
    }
}
