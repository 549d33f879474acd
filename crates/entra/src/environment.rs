//! Clients made from environment variables, and the files that the variables name.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read};

use entra_credential::{ClientCertificate, FederatedTokenFile, MAX_FILE};
use entra_proto::assertion::{CertificateCredential, FederatedCredential};
use entra_proto::environment::{CertificateSettings, CredentialSettings, Environment};
use entra_proto::{Application, ClientCredential};
use zeroize::Zeroizing;

use crate::chain::variable;
use crate::failure::FromEnvError;
use crate::region::regional;

/// Reads the application from the environment. The [crate root](crate#the-environment) lists the
/// variables.
///
/// Use it in a program that builds its client or its transport itself:
///
/// ```no_run
/// # #[cfg(feature = "ureq")] {
/// use entra::{UreqTransport, application_from_env, blocking::Client};
///
/// let application = application_from_env()?;
/// let transport = UreqTransport::builder()
///     .for_cloud(application.authority().cloud())
///     .timeout(std::time::Duration::from_secs(5))
///     .build()?;
/// let client = Client::new(application, transport);
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// Returns an error if a variable is missing or cannot be used, or if the certificate's file cannot
/// be read. The file of a federated token is read for each token request, and not here.
pub fn application_from_env() -> Result<Application, FromEnvError> {
    application(Environment::read(variable)?, variable)
}

/// Returns the application with the credential that the settings name, in the region that the
/// environment chooses.
pub(crate) fn application(
    environment: Environment,
    lookup: impl Fn(&str) -> Option<OsString>,
) -> Result<Application, FromEnvError> {
    let authority = regional(environment.authority, lookup)?;
    let credential = credential(environment.credential)?;
    Ok(Application::new(authority, environment.client_id, credential))
}

fn credential(settings: CredentialSettings) -> Result<ClientCredential, FromEnvError> {
    match settings {
        CredentialSettings::Secret(secret) => Ok(secret.into()),
        CredentialSettings::Certificate(settings) => certificate(&settings).map(ClientCredential::from),
        CredentialSettings::FederatedToken(path) => Ok(FederatedCredential::new(FederatedTokenFile::new(path)).into()),
        _ => Err(FromEnvError::Unsupported {
            credential: "that the variables name",
        }),
    }
}

fn certificate(settings: &CertificateSettings) -> Result<CertificateCredential, FromEnvError> {
    let file = read(settings).map_err(|error| FromEnvError::file(settings.path(), error))?;
    let certificate = ClientCertificate::read(&file, settings.password()).map_err(FromEnvError::Certificate)?;
    Ok(CertificateCredential::new(certificate).with_chain(settings.sends_chain()))
}

fn read(settings: &CertificateSettings) -> io::Result<Zeroizing<Vec<u8>>> {
    // Opening a named pipe would block until it has a writer.
    if !fs::metadata(settings.path())?.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    // One byte more than the limit, so that a longer file is rejected and not truncated.
    let most = MAX_FILE + 1;
    let mut bytes = Zeroizing::new(Vec::with_capacity(most));
    File::open(settings.path())?.take(most as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The implementations of `from_env`, one for each client.
#[cfg(any(feature = "hyper", feature = "reqwest", feature = "ureq"))]
mod clients {
    use std::sync::Arc;

    use entra_client::{FromEnv, Principal};
    use entra_proto::environment::cloud;
    use entra_transport::adapter::FromSettings;
    use entra_transport::{TokenProxy, TransportBuilder};

    use super::*;
    use crate::chain::{principal_from_env, token_proxy_from_env};

    /// A marker that lets this crate implement `FromEnv` for types of another crate.
    #[allow(unnameable_types, reason = "it marks the implementations, and no program names it")]
    pub struct Facade;

    /// The transport to the cloud, or to the token proxy of a cluster with identity bindings.
    enum Route<T> {
        Direct(T),
        Proxied(TokenProxy<T>),
    }

    /// Builds the transport for this principal, to the cloud that the environment names.
    fn transport<T: FromSettings + Clone>(principal: &Principal) -> Result<Route<T>, FromEnvError> {
        let builder = TransportBuilder::new().for_cloud(&cloud(variable)?);
        match token_proxy_from_env(principal)? {
            Some(settings) => TokenProxy::new(builder, settings).map(Route::Proxied),
            None => builder.build().map(Route::Direct),
        }
        .map_err(FromEnvError::Transport)
    }

    #[cfg(any(feature = "hyper", feature = "reqwest"))]
    impl FromEnv<Facade> for entra_client::Client {
        type Error = FromEnvError;

        fn from_env() -> Result<Self, FromEnvError> {
            use entra_transport::Transport;
            #[cfg(not(feature = "reqwest"))]
            use entra_transport_hyper::HyperTransport as Chosen;
            #[cfg(feature = "reqwest")]
            use entra_transport_reqwest::ReqwestTransport as Chosen;

            let principal = principal_from_env()?;
            let transport: Arc<dyn Transport> = match transport::<Chosen>(&principal)? {
                Route::Direct(transport) => Arc::new(transport),
                Route::Proxied(transport) => Arc::new(transport),
            };
            Ok(Self::new(principal, transport))
        }
    }

    #[cfg(feature = "ureq")]
    impl FromEnv<Facade> for entra_client::blocking::Client {
        type Error = FromEnvError;

        fn from_env() -> Result<Self, FromEnvError> {
            use entra_transport::BlockingTransport;
            use entra_transport_ureq::UreqTransport;

            let principal = principal_from_env()?;
            let transport: Arc<dyn BlockingTransport> = match transport::<UreqTransport>(&principal)? {
                Route::Direct(transport) => Arc::new(transport),
                Route::Proxied(transport) => Arc::new(transport),
            };
            Ok(Self::new(principal, transport))
        }
    }
}
