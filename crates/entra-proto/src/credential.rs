//! The proof of an application's identity.

use crate::acquired::AcquiredCredential;
use crate::assertion::CertificateCredential;
use crate::error::aadsts::CredentialKind;
use crate::federated::FederatedCredential;
use crate::secret::{ClientAssertion, ClientSecret};
use crate::signer::Signer;

/// How an application proves who it is.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ClientCredential {
    /// Not at all: a public client (RFC 6749, section 2.1), such as a command on a person's own machine. It can use the device flow and
    /// the browser with PKCE.
    Public,
    /// A secret, sent in the body as `client_secret`: what the official clients do.
    Secret(ClientSecret),
    /// A secret, sent in an `Authorization: Basic` header (RFC 6749, section 2.3.1).
    BasicSecret(ClientSecret),
    /// An assertion that somebody else has signed (RFC 7523, section 2.2). It soon expires, and is not renewed.
    Assertion(ClientAssertion),
    /// A certificate: an assertion is signed for each request.
    Certificate(CertificateCredential),
    /// Another issuer's assertion, fetched for each acquisition: workload identity federation.
    Federated(FederatedCredential),
    /// An assertion that a request of its own acquires: a token of another application, or of another service.
    Acquired(AcquiredCredential),
}

impl ClientCredential {
    /// Returns whether a signer or a source of it takes its time, so that only a driver that awaits can use it.
    #[must_use]
    pub fn is_async(&self) -> bool {
        match self {
            Self::Certificate(credential) => credential.is_async(),
            Self::Federated(credential) => credential.is_async(),
            Self::Acquired(credential) => credential.is_async(),
            Self::Public | Self::Secret(_) | Self::BasicSecret(_) | Self::Assertion(_) => false,
        }
    }

    /// The kind of credential, as the advice of errors tells them apart.
    pub(crate) fn kind(&self) -> CredentialKind {
        match self {
            Self::Public => CredentialKind::Public,
            Self::Secret(secret) | Self::BasicSecret(secret) => {
                secret.doubt().map_or(CredentialKind::Secret, CredentialKind::Doubtful)
            }
            Self::Assertion(_) => CredentialKind::Assertion,
            Self::Certificate(_) => CredentialKind::Certificate,
            Self::Federated(_) | Self::Acquired(_) => CredentialKind::Federated,
        }
    }
}

impl From<ClientSecret> for ClientCredential {
    fn from(secret: ClientSecret) -> Self {
        Self::Secret(secret)
    }
}

impl From<ClientAssertion> for ClientCredential {
    fn from(assertion: ClientAssertion) -> Self {
        Self::Assertion(assertion)
    }
}

impl From<CertificateCredential> for ClientCredential {
    fn from(certificate: CertificateCredential) -> Self {
        Self::Certificate(certificate)
    }
}

impl<S: Signer + 'static> From<S> for ClientCredential {
    fn from(signer: S) -> Self {
        Self::Certificate(CertificateCredential::new(signer))
    }
}

impl From<AcquiredCredential> for ClientCredential {
    fn from(acquired: AcquiredCredential) -> Self {
        Self::Acquired(acquired)
    }
}

impl From<FederatedCredential> for ClientCredential {
    fn from(federated: FederatedCredential) -> Self {
        Self::Federated(federated)
    }
}
