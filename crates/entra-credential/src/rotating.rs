//! A certificate that can be replaced.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use entra_proto::assertion::{Signer, SignerError, SigningAlgorithm, SigningCertificate};

use crate::certificate::ClientCertificate;

/// A certificate that can be replaced while a client uses it. The next assertion is signed with the
/// new one.
///
/// All clones share the certificate: give one clone to the client and keep another, on which
/// [`replace`](Self::replace) is called.
///
/// ```
/// use entra_credential::{ClientCertificate, RotatingCertificate};
/// use entra_proto::assertion::Signer;
///
/// # let old = include_bytes!("../tests/vectors/pem/pkcs8.pem");
/// # let new = include_bytes!("../tests/vectors/pem/other.pem");
/// let certificate = RotatingCertificate::new(ClientCertificate::read(old, None)?);
/// let signer = certificate.clone(); // for the client
///
/// certificate.replace(ClientCertificate::read(new, None)?);
/// assert_eq!(signer.certificate(), certificate.current().certificate());
/// # Ok::<(), entra_credential::Error>(())
/// ```
#[derive(Clone)]
pub struct RotatingCertificate(Arc<RwLock<Slot>>);

/// The current certificate and the previous one. An assertion whose header already names the
/// previous one is still signed with its key.
struct Slot {
    current: ClientCertificate,
    previous: Option<ClientCertificate>,
}

impl RotatingCertificate {
    /// Creates a signer with this certificate.
    #[must_use]
    pub fn new(certificate: ClientCertificate) -> Self {
        Self(Arc::new(RwLock::new(Slot {
            current: certificate,
            previous: None,
        })))
    }

    /// Replaces the certificate. The previous key stays in memory until the next replacement, for
    /// an assertion in progress; the key before it is dropped.
    pub fn replace(&self, certificate: ClientCertificate) {
        let mut slot = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let same = slot.current.certificate() == certificate.certificate();
        let replaced = std::mem::replace(&mut slot.current, certificate);
        // A file that is read again without a change must not displace the previous certificate.
        if !same {
            slot.previous = Some(replaced);
        }
    }

    /// Returns the current certificate.
    #[must_use]
    pub fn current(&self) -> ClientCertificate {
        self.0.read().unwrap_or_else(PoisonError::into_inner).current.clone()
    }

    /// Returns the certificate that `certificate` describes, if it is still held. The lock is not
    /// held during a signature.
    fn of(&self, certificate: &SigningCertificate) -> Option<ClientCertificate> {
        let slot = self.0.read().unwrap_or_else(PoisonError::into_inner);
        [Some(&slot.current), slot.previous.as_ref()]
            .into_iter()
            .flatten()
            .find(|it| it.is(certificate))
            .cloned()
    }
}

impl Signer for RotatingCertificate {
    fn certificate(&self) -> SigningCertificate {
        let slot = self.0.read().unwrap_or_else(PoisonError::into_inner);
        slot.current.certificate()
    }

    /// # Errors
    /// Returns an error if the certificate was replaced twice since the assertion was begun. Begin
    /// it again.
    fn sign(
        &self,
        certificate: &SigningCertificate,
        algorithm: SigningAlgorithm,
        input: &[u8],
    ) -> Result<Vec<u8>, SignerError> {
        match self.of(certificate) {
            Some(holder) => holder.sign(certificate, algorithm, input),
            None => Err(
                SignerError::new("its certificate has been replaced since, more than once")
                    .with_hint("begin again with the one in use"),
            ),
        }
    }
}

impl fmt::Debug for RotatingCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RotatingCertificate({})", self.current().thumbprints().sha1_hex())
    }
}
