//! The source of a client's randomness.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use entra_proto::Guid;
use entra_transport::{TransportError, TransportErrorKind};
use zeroize::Zeroizing;

/// A source of cryptographically secure random bytes.
///
/// All randomness of a client comes from it: the state, nonce and PKCE verifier that protect a
/// sign-in in a browser, the IDs of requests and assertions, and the jitter of waits and refreshes.
/// An attacker who can predict its bytes can take over a sign-in, so a counter or a seeded
/// generator must never implement it outside of tests. Tests can use [`PredictableRandom`].
pub trait SecureRandom: Send + Sync {
    /// Fills `bytes` with unpredictable random bytes.
    ///
    /// # Errors
    /// Returns an error if the source has no random bytes. The acquisition or sign-in then fails.
    fn fill(&self, bytes: &mut [u8]) -> io::Result<()>;
}

/// The operating system's source of randomness: the default.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRandom;

impl SecureRandom for SystemRandom {
    fn fill(&self, bytes: &mut [u8]) -> io::Result<()> {
        getrandom::fill(bytes).map_err(|error| io::Error::other(error.to_string()))
    }
}

/// A predictable sequence of bytes, **for tests only**: the same seed gives the same bytes.
///
/// ```
/// use entra_client::random::{PredictableRandom, SecureRandom};
///
/// let fill = |random: &PredictableRandom| {
///     let mut bytes = [0; 16];
///     random.fill(&mut bytes).map(|()| bytes)
/// };
/// let one = PredictableRandom::for_tests(7);
/// let other = PredictableRandom::for_tests(7);
/// assert_eq!(fill(&one)?, fill(&other)?);
/// assert_ne!(fill(&one)?, fill(&one)?);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct PredictableRandom(AtomicU64);

impl PredictableRandom {
    /// Creates a sequence that starts at this seed. It protects nothing: use it in tests only.
    #[must_use]
    pub fn for_tests(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }
}

impl SecureRandom for PredictableRandom {
    fn fill(&self, bytes: &mut [u8]) -> io::Result<()> {
        for chunk in bytes.chunks_mut(8) {
            // SplitMix64.
            let mut word = self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
            word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            word ^= word >> 31;
            for (byte, random) in chunk.iter_mut().zip(word.to_be_bytes()) {
                *byte = random;
            }
        }
        Ok(())
    }
}

/// Returns `N` random bytes, which are overwritten when dropped.
pub(crate) fn random_bytes<const N: usize>(random: &dyn SecureRandom) -> Result<Zeroizing<[u8; N]>, TransportError> {
    let mut bytes = Zeroizing::new([0; N]);
    random.fill(&mut *bytes).map_err(|error| {
        let problem = "no random bytes are available";
        TransportError::new(TransportErrorKind::Other, problem).because(error.to_string())
    })?;
    Ok(bytes)
}

/// Returns a random GUID (version 4).
pub(crate) fn random_guid(random: &dyn SecureRandom) -> Result<Guid, TransportError> {
    random_bytes::<16>(random).map(|bytes| Guid::from_random(*bytes))
}

const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
