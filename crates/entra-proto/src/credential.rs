//! Credentials: the ways in which an application authenticates itself.

use crate::acquired::AcquiredCredential;
use crate::assertion::CertificateCredential;
use crate::error::aadsts::CredentialKind;
use crate::federated::FederatedCredential;
use crate::secret::{ClientAssertion, ClientSecret};
use crate::signer::Signer;

/// The credential with which an application authenticates itself.
///
/// ```
/// use entra_proto::assertion::{ClientAssertion, FederatedCredential};
/// use entra_proto::{ClientCredential, ClientSecret};
///
/// let secret: ClientCredential =
///     ClientSecret::new("qWgdYAmab0YSkuL1qKv5bPX")?.into();
/// assert!(!secret.is_async());
///
/// let source = |_: &str| ClientAssertion::new("header.claims.signature");
/// let federated: ClientCredential = FederatedCredential::new(source).into();
/// assert!(matches!(federated, ClientCredential::Federated(_)));
/// # Ok::<(), entra_proto::Error>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ClientCredential {
    /// No credential: a public client (RFC 6749, section 2.1), such as a command on a user's own
    /// machine. It can use the device flow, and the browser with PKCE.
    Public,
    /// A secret, sent in the body as `client_secret`, as the official clients do.
    Secret(ClientSecret),
    /// A secret, sent in an `Authorization: Basic` header (RFC 6749, section 2.3.1).
    BasicSecret(ClientSecret),
    /// An assertion that another party has signed (RFC 7523, section 2.2). It expires soon and is
    /// not renewed.
    Assertion(ClientAssertion),
    /// A certificate, whose key signs an assertion for each request.
    Certificate(CertificateCredential),
    /// Another issuer's assertion, fetched for each acquisition: workload identity federation.
    Federated(FederatedCredential),
    /// An assertion that another request acquires: a token for another application, or of another
    /// service.
    Acquired(AcquiredCredential),
}

impl ClientCredential {
    /// Returns whether its signer or source is async, so that only a driver that awaits can use it.
    #[must_use]
    pub fn is_async(&self) -> bool {
        match self {
            Self::Certificate(credential) => credential.is_async(),
            Self::Federated(credential) => credential.is_async(),
            Self::Acquired(credential) => credential.is_async(),
            Self::Public | Self::Secret(_) | Self::BasicSecret(_) | Self::Assertion(_) => false,
        }
    }

    /// Returns the kind of credential, on which the advice of errors depends.
    pub(crate) fn kind(&self) -> CredentialKind {
        match self {
            Self::Public => CredentialKind::Public,
            Self::Secret(secret) | Self::BasicSecret(secret) => {
                secret.doubt().map_or(CredentialKind::Secret, CredentialKind::Doubtful)
            }
            Self::Assertion(_) => CredentialKind::Assertion,
            Self::Certificate(_) => CredentialKind::Certificate,
            Self::Acquired(credential) if credential.is_of_agent() => CredentialKind::Agent,
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
