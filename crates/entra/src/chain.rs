//! The principal of a client that the environment names: a chain of credentials.

use std::env;
use std::ffi::OsString;

use entra_client::{Absence, Chain, ChainReport, Principal};
use entra_proto::environment::{
    CLIENT_CERTIFICATE_PATH, CLIENT_SECRET, CredentialSource, Environment, FEDERATED_TOKEN_FILE, TokenProxySettings,
    identity, misnamed,
};
use entra_proto::managed_identity::ManagedIdentity;
use entra_transport::LocalHost;

use crate::developer::{AzureCli, AzureDeveloperCli};
use crate::environment::application;
use crate::failure::FromEnvError;

/// Returns the principal that the environment names, as `Client::from_env` uses it: a chain of the
/// credentials that `AZURE_TOKEN_CREDENTIALS` selects. The [crate root](crate#the-environment)
/// lists the variables.
///
/// If only the managed identity is selected, the principal is not a chain: nothing else can be
/// used, so the machine is not probed, and a platform that is still starting gets its retries.
///
/// ```no_run
/// # #[cfg(feature = "ureq")] {
/// use entra::{UreqTransport, blocking::Client, principal_from_env};
///
/// let transport = UreqTransport::new()?;
/// let client = Client::builder(principal_from_env()?, transport).build()?;
/// if let Some(chain) = client.chain() {
///     println!("{chain}"); // the members, and why some are absent
/// }
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// Returns an error if a variable is invalid, if the variables of a credential are incomplete, or
/// if the certificate's file cannot be read.
pub fn principal_from_env() -> Result<Principal, FromEnvError> {
    principal(variable)
}

/// Returns a chain of these credentials, in this order, each as the environment configures it.
///
/// A credential is absent if none of its variables is set. If they are incomplete or invalid, that
/// is an error: the chain never replaces a credential that was meant to be used.
///
/// ```no_run
/// use entra::{CredentialSource, chain_from_env};
///
/// let sources = [CredentialSource::ManagedIdentity, CredentialSource::AzureCli];
/// let chain = chain_from_env(&sources)?;
/// # Ok::<(), entra::FromEnvError>(())
/// ```
///
/// # Errors
/// Returns an error as [`principal_from_env`] does.
pub fn chain_from_env(sources: &[CredentialSource]) -> Result<Chain, FromEnvError> {
    chain(sources, variable)
}

pub(crate) fn principal(lookup: impl Fn(&str) -> Option<OsString>) -> Result<Principal, FromEnvError> {
    let sources = CredentialSource::selected(&lookup)?;
    if sources == [CredentialSource::ManagedIdentity] {
        return Ok(managed_identity(&lookup)?.into());
    }
    chain(&sources, lookup).map(Principal::from)
}

/// Returns the token proxy to which the token requests of this principal go: that of a cluster of
/// Azure Kubernetes Service with identity bindings, if the principal is a chain that has chosen a
/// workload identity.
///
/// A program that builds its own transport uses a [`TokenProxy`](crate::transport::TokenProxy) with
/// these settings, as `Client::from_env` does.
///
/// # Errors
/// Returns an error if a variable is invalid.
pub fn token_proxy_from_env(principal: &Principal) -> Result<Option<TokenProxySettings>, FromEnvError> {
    token_proxy(principal, variable)
}

fn token_proxy(
    principal: &Principal,
    lookup: impl Fn(&str) -> Option<OsString>,
) -> Result<Option<TokenProxySettings>, FromEnvError> {
    let report = principal.chain();
    match report.as_ref().and_then(ChainReport::chosen) {
        Some(chosen) if chosen == CredentialSource::WorkloadIdentity.name() => Ok(TokenProxySettings::read(lookup)?),
        _ => Ok(None),
    }
}

fn chain(sources: &[CredentialSource], lookup: impl Fn(&str) -> Option<OsString>) -> Result<Chain, FromEnvError> {
    let lookup = &lookup;
    let mut chain = Chain::new();
    for source in sources {
        let name = source.name();
        chain = match source {
            CredentialSource::Environment => match Environment::with_own_credential(lookup)? {
                Some(environment) => chain.with_application(name, application(environment, lookup)?),
                None => chain.with_absent(name, without_own_credential(lookup)),
            },
            CredentialSource::WorkloadIdentity => match Environment::with_workload_identity(lookup)? {
                Some(environment) => chain.with_application(name, application(environment, lookup)?),
                None => chain.with_absent(name, without_workload_identity(lookup)),
            },
            CredentialSource::ManagedIdentity => chain.with_managed_identity(name, managed_identity(lookup)?),
            CredentialSource::AzureCli => chain.with_any_command(name, AzureCli::new()),
            CredentialSource::AzureDeveloperCli => chain.with_any_command(name, AzureDeveloperCli::new()),
            other => {
                return Err(FromEnvError::Unsupported {
                    credential: other.name(),
                });
            }
        };
    }
    Ok(chain)
}

fn managed_identity(lookup: &impl Fn(&str) -> Option<OsString>) -> Result<ManagedIdentity, FromEnvError> {
    Ok(ManagedIdentity::new(identity(lookup)?, LocalHost))
}

fn without_own_credential(lookup: &impl Fn(&str) -> Option<OsString>) -> Absence {
    let unset = format!("neither {CLIENT_SECRET} nor {CLIENT_CERTIFICATE_PATH} is set");
    let instead = misnamed(lookup, CLIENT_SECRET).or_else(|| misnamed(lookup, CLIENT_CERTIFICATE_PATH));
    absence(unset, instead).with_hint(format!("set {CLIENT_SECRET} or {CLIENT_CERTIFICATE_PATH}"))
}

fn without_workload_identity(lookup: &impl Fn(&str) -> Option<OsString>) -> Absence {
    let unset = format!("{FEDERATED_TOKEN_FILE} is not set");
    absence(unset, misnamed(lookup, FEDERATED_TOKEN_FILE)).with_hint(
        "in Kubernetes, label the pod with azure.workload.identity/use: \"true\", and annotate its service account",
    )
}

fn absence(unset: String, instead: Option<&str>) -> Absence {
    Absence::new(match instead {
        Some(other) => format!("{unset}; {other} is set but not read"),
        None => unset,
    })
}

pub(crate) fn variable(name: &str) -> Option<OsString> {
    env::var_os(name)
}

#[cfg(test)]
mod tests {
    use entra_client::MemberState;
    use entra_client::blocking::Client;
    use entra_proto::environment::{CLIENT_ID, KUBERNETES_TOKEN_PROXY, TENANT_ID, TOKEN_CREDENTIALS};
    use entra_transport::{Body, Response, blocking_transport_fn};

    use super::*;

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

    fn client(variables: &[(&str, &str)]) -> Result<Client, FromEnvError> {
        let transport = blocking_transport_fn(|_| Ok(Response::new(Body::default())));
        let client = Client::builder(principal(of(variables))?, transport).build();
        Ok(client.expect("the default policy is valid"))
    }

    fn report(variables: &[(&str, &str)]) -> ChainReport {
        let client = client(variables).unwrap_or_else(|error| panic!("{variables:?}: {error}"));
        client.chain().unwrap_or_else(|| panic!("{variables:?}: no chain"))
    }

    #[test]
    fn first_configured_credential_is_chosen() {
        let (environment, workload) = (Some("environment"), Some("workload identity"));
        for (variables, chosen) in [
            (&[TENANT, ID, SECRET][..], environment),
            (&[TENANT, ID, SECRET, TOKEN], environment),
            (&[TENANT, ID, TOKEN], workload),
            // The managed identity depends on the machine.
            (&[TENANT, ID], None),
            (&[ID], None),
            (&[], None),
            (
                &[
                    TENANT,
                    ID,
                    SECRET,
                    TOKEN,
                    (TOKEN_CREDENTIALS, "WorkloadIdentityCredential"),
                ],
                workload,
            ),
            (&[TENANT, ID, TOKEN, (TOKEN_CREDENTIALS, "EnvironmentCredential")], None),
            (&[TENANT, ID, SECRET, (TOKEN_CREDENTIALS, "dev")], None),
        ] {
            assert_eq!(report(variables).chosen(), chosen, "{variables:?}");
        }
    }

    #[test]
    fn members_are_those_that_are_selected() {
        for (selected, members) in [
            ("", &["environment", "workload identity", "managed identity"][..]),
            ("prod", &["environment", "workload identity", "managed identity"]),
            ("dev", &["Azure CLI", "Azure Developer CLI"]),
            ("AzureCliCredential", &["Azure CLI"]),
            ("EnvironmentCredential", &["environment"]),
        ] {
            let report = report(&[(TOKEN_CREDENTIALS, selected)]);
            let names: Vec<&str> = report.members.iter().map(|member| &*member.name).collect();
            assert_eq!(names, members, "{selected}");
        }
        let pinned = client(&[(TOKEN_CREDENTIALS, "ManagedIdentityCredential")]).unwrap();
        assert!(pinned.chain().is_none() && pinned.application().is_none());
        assert_eq!(pinned.principal().to_string(), "the system-assigned identity");
        let named = client(&[ID, (TOKEN_CREDENTIALS, "ManagedIdentityCredential")]).unwrap();
        assert!(named.principal().to_string().contains(ID.1));
    }

    #[test]
    fn incomplete_credential_ends_the_search() {
        for variables in [
            &[SECRET][..],
            &[SECRET, TENANT],
            &[TENANT, ID, SECRET, (CLIENT_CERTIFICATE_PATH, "daemon.pem")],
            &[TOKEN],
            &[TOKEN, TENANT],
            &[TENANT, ID, (CLIENT_CERTIFICATE_PATH, "/no/such/file.pem")],
            &[(CLIENT_ID, "daemon")],
            &[(TOKEN_CREDENTIALS, "everything")],
        ] {
            let error = client(variables).expect_err("the variables are incomplete");
            assert!(!format!("{error:?}").contains("qWgd"), "{error:?}");
        }
    }

    #[test]
    fn absent_members_say_why() {
        let report = report(&[("AZURE_SECRET", "canary"), ID]);
        let MemberState::Absent(absence) = &report.members[0].state else {
            panic!("{report}");
        };
        assert!(
            absence.reason().contains("AZURE_SECRET is set but not read"),
            "{absence}"
        );
        assert!(absence.hint().is_some_and(|hint| hint.contains(CLIENT_SECRET)));
        assert!(!report.to_string().contains("canary"));
    }

    #[test]
    fn token_proxy_serves_the_workload_identity_only() {
        let proxy = (KUBERNETES_TOKEN_PROXY, "https://10.0.0.1/");
        for (variables, uses) in [
            (&[TENANT, ID, TOKEN][..], true),
            (&[TENANT, ID, TOKEN, SECRET], false),
            (&[TENANT, ID], false),
            (
                &[TENANT, ID, TOKEN, (TOKEN_CREDENTIALS, "ManagedIdentityCredential")],
                false,
            ),
            (&[TENANT, ID, TOKEN, (TOKEN_CREDENTIALS, "dev")], false),
            (
                &[
                    TENANT,
                    ID,
                    TOKEN,
                    SECRET,
                    (TOKEN_CREDENTIALS, "WorkloadIdentityCredential"),
                ],
                true,
            ),
        ] {
            let all = [variables, &[proxy]].concat();
            let of_principal = |all| token_proxy(&principal(of(all)).unwrap(), of(all));
            assert_eq!(of_principal(&all).unwrap().is_some(), uses, "{variables:?}");
            assert!(of_principal(variables).unwrap().is_none(), "{variables:?}");
            // An invalid proxy is an error only if it is used.
            let invalid = [variables, &[(KUBERNETES_TOKEN_PROXY, "http://10.0.0.1/")]].concat();
            assert_eq!(of_principal(&invalid).is_err(), uses, "{variables:?}");
        }
    }
}
