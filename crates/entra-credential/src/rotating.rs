use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use entra_proto::assertion::{Signer, SignerError, SigningAlgorithm, SigningCertificate};

use crate::certificate::ClientCertificate;

/// A certificate that can be replaced while a client uses it: the next assertion is signed with the
/// new one.
///
/// Its clones share what they hold. Give one to the client and keep another;
/// [`replace`](Self::replace) on any of them reaches all.
///
/// ```
/// use entra_credential::{ClientCertificate, RotatingCertificate};
/// use entra_proto::assertion::Signer;
///
/// # let (old, new) = (include_bytes!("../tests/vectors/pem/pkcs8.pem"), include_bytes!("../tests/vectors/pem/other.pem"));
/// let certificate = RotatingCertificate::new(ClientCertificate::read(old, None)?);
/// let signer = certificate.clone(); // what the client has
///
/// certificate.replace(ClientCertificate::read(new, None)?);
/// assert_eq!(signer.certificate(), certificate.current().certificate());
/// # Ok::<(), entra_credential::Error>(())
/// ```
#[derive(Clone)]
pub struct RotatingCertificate(Arc<RwLock<Slot>>);

/// The certificate in use, and the one before: an assertion whose header tells of the old one while
/// it is replaced is still signed with the old key.
struct Slot {
    current: ClientCertificate,
    previous: Option<ClientCertificate>,
}

impl RotatingCertificate {
    /// Starts with this certificate.
    #[must_use]
    pub fn new(certificate: ClientCertificate) -> Self {
        Self(Arc::new(RwLock::new(Slot {
            current: certificate,
            previous: None,
        })))
    }

    /// Takes another certificate into use. The key before it stays in memory until the next
    /// replacement, for an assertion that is half made; the key before that one is dropped.
    pub fn replace(&self, certificate: ClientCertificate) {
        let mut slot = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let same = slot.current.certificate() == certificate.certificate();
        let replaced = std::mem::replace(&mut slot.current, certificate);
        // A file read again unchanged must not push the one before out.
        if !same {
            slot.previous = Some(replaced);
        }
    }

    /// The certificate in use.
    #[must_use]
    pub fn current(&self) -> ClientCertificate {
        self.0.read().unwrap_or_else(PoisonError::into_inner).current.clone()
    }

    /// The one that `certificate` tells of, where it is still here. The lock is not held while
    /// anything is signed.
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
    /// Where the certificate was replaced twice since its assertion was begun: begin again.
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
