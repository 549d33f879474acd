//! Clients made from the environment.

use std::env;
use std::fs::{self, File};
use std::io::{self, Read};

use entra_credential::{ClientCertificate, FederatedTokenFile, MAX_FILE};
use entra_proto::assertion::{CertificateCredential, FederatedCredential};
use entra_proto::environment::{CertificateSettings, CredentialSettings, Environment};
use entra_proto::{Application, ClientCredential};
use zeroize::Zeroizing;

use crate::failure::FromEnvError;

/// Reads the application from the environment: see the [crate's documentation](crate#the-environment).
///
/// It is for a program that builds its client or its transport itself:
///
/// ```no_run
/// # #[cfg(feature = "ureq")] {
/// use entra::{UreqTransport, application_from_env, blocking::Client};
///
/// let application = application_from_env()?;
/// let cloud = application.authority().cloud();
/// let transport = UreqTransport::builder().for_cloud(cloud).timeout(std::time::Duration::from_secs(5)).build()?;
/// let client = Client::new(application, transport);
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// Returns an error if a variable is missing or cannot be used, or if the certificate's file cannot be
/// read. The file of a federated token is read for each token request, and not here.
pub fn application_from_env() -> Result<Application, FromEnvError> {
    let environment = Environment::read(|name| env::var_os(name))?;
    let credential = credential(environment.credential)?;
    Ok(Application::new(
        environment.authority,
        environment.client_id,
        credential,
    ))
}

fn credential(settings: CredentialSettings) -> Result<ClientCredential, FromEnvError> {
    match settings {
        CredentialSettings::Secret(secret) => Ok(secret.into()),
        CredentialSettings::Certificate(settings) => certificate(&settings).map(ClientCredential::from),
        CredentialSettings::FederatedToken(path) => Ok(FederatedCredential::new(FederatedTokenFile::new(path)).into()),
        other => Err(FromEnvError::unknown(&other)),
    }
}

fn certificate(settings: &CertificateSettings) -> Result<CertificateCredential, FromEnvError> {
    let file = read(settings).map_err(|error| FromEnvError::file(settings.path(), error))?;
    let certificate = ClientCertificate::read(&file, settings.password()).map_err(FromEnvError::Certificate)?;
    Ok(CertificateCredential::new(certificate).with_chain(settings.sends_chain()))
}

fn read(settings: &CertificateSettings) -> io::Result<Zeroizing<Vec<u8>>> {
    // To open a pipe would wait for its writer.
    if !fs::metadata(settings.path())?.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    // One byte more than is accepted, so that a longer file is refused and not cut.
    let most = MAX_FILE + 1;
    let mut bytes = Zeroizing::new(Vec::with_capacity(most));
    File::open(settings.path())?.take(most as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The type that makes this crate's implementations of `FromEnv` the only ones.
#[cfg(any(feature = "hyper", feature = "reqwest", feature = "ureq"))]
mod clients {
    use entra_client::FromEnv;

    use super::*;

    #[allow(unnameable_types, reason = "it marks the implementations, and no program names it")]
    pub struct Facade;

    #[cfg(any(feature = "hyper", feature = "reqwest"))]
    impl FromEnv<Facade> for entra_client::Client {
        type Error = FromEnvError;

        fn from_env() -> Result<Self, FromEnvError> {
            #[cfg(feature = "reqwest")]
            use entra_transport_reqwest::ReqwestTransport as Transport;

            #[cfg(not(feature = "reqwest"))]
            use entra_transport_hyper::HyperTransport as Transport;

            let application = application_from_env()?;
            let builder = Transport::builder().for_cloud(application.authority().cloud());
            let transport = builder.build().map_err(FromEnvError::Transport)?;
            Ok(Self::new(application, transport))
        }
    }

    #[cfg(feature = "ureq")]
    impl FromEnv<Facade> for entra_client::blocking::Client {
        type Error = FromEnvError;

        fn from_env() -> Result<Self, FromEnvError> {
            let application = application_from_env()?;
            let builder = entra_transport_ureq::UreqTransport::builder().for_cloud(application.authority().cloud());
            let transport = builder.build().map_err(FromEnvError::Transport)?;
            Ok(Self::new(application, transport))
        }
    }
}
