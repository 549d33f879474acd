//! The cache of signed client assertions.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use entra_proto::assertion::{ClientAssertion, SigningCertificate};
use entra_proto::{ClientCredential, TokenRequest};
use http::Uri;

use crate::clock::Moment;

/// The signed assertions that are still valid: one for each certificate and token endpoint, which
/// is the audience of an assertion.
///
/// Each request asks the credential for its certificate, so a rotated certificate signs its own
/// assertions.
pub(crate) struct Assertions {
    cached: Mutex<HashMap<AssertionKey, CachedAssertion>>,
    /// The time before its expiry from which on an assertion is no longer used. `None` disables the
    /// cache.
    margin: Option<Duration>,
}

/// The key of a cached assertion.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct AssertionKey {
    /// The SHA-256 hash of the certificate's DER.
    certificate: [u8; 32],
    endpoint: Uri,
}

impl AssertionKey {
    /// Returns the key for the same endpoint and the certificate that signed in the end.
    pub(crate) fn with(self, certificate: &SigningCertificate) -> Self {
        Self {
            certificate: *certificate.sha256(),
            ..self
        }
    }
}

struct CachedAssertion {
    /// `None` if the service seems to accept each assertion only once. Then none is cached for as
    /// long as one would be valid.
    assertion: Option<ClientAssertion>,
    signed: Moment,
    /// The time during which the assertion is used.
    use_for: Duration,
}

impl CachedAssertion {
    /// Returns true if enough of its lifetime is left, by both clocks.
    fn is_valid(&self, now: Moment) -> bool {
        let by_monotonic = now.monotonic.saturating_sub(self.signed.monotonic);
        let by_wall = now.wall.since(self.signed.wall);
        now.wall >= self.signed.wall && by_monotonic.max(by_wall) < self.use_for
    }
}

impl Assertions {
    pub(crate) fn new(margin: Option<Duration>) -> Self {
        Self {
            cached: Mutex::default(),
            margin,
        }
    }

    /// Attaches a cached assertion to a request, if there is one. Also returns the key to cache an
    /// assertion under, if the credential is a certificate.
    pub(crate) fn attach(&self, request: TokenRequest, now: Moment) -> (TokenRequest, Option<AssertionKey>) {
        let Some(key) = self.key(&request) else {
            return (request, None);
        };
        let assertion = self
            .lock()
            .get(&key)
            .filter(|cached| cached.is_valid(now))
            .and_then(|cached| cached.assertion.clone());
        let request = match assertion {
            Some(assertion) => request.with_assertion(assertion),
            None => request,
        };
        (request, Some(key))
    }

    /// Caches an assertion that was signed at `signed` and that the service has accepted. If it is
    /// for a single use, the entry says that none is cached.
    pub(crate) fn cache(
        &self,
        key: AssertionKey,
        assertion: ClientAssertion,
        is_single_use: bool,
        signed: Moment,
        now: Moment,
    ) {
        let (Some(margin), Some(end)) = (self.margin, assertion.expires_at()) else {
            return;
        };
        let use_for = end.since(signed.wall).saturating_sub(margin);
        let assertion = (!is_single_use).then_some(assertion);
        let mut cached = self.lock();
        let is_single_use_endpoint = |entry: &CachedAssertion| entry.assertion.is_none() && entry.is_valid(now);
        if assertion.is_some() && cached.get(&key).is_some_and(is_single_use_endpoint) {
            return;
        }
        if cached.len() >= MAX_CACHED {
            cached.retain(|_, entry| entry.is_valid(now));
        }
        if cached.len() < MAX_CACHED {
            let entry = CachedAssertion {
                assertion,
                signed,
                use_for,
            };
            cached.insert(key, entry);
        }
    }

    /// Drops an assertion that the service does not accept.
    pub(crate) fn discard(&self, key: &AssertionKey) {
        self.lock().remove(key);
    }

    pub(crate) fn clear(&self) {
        self.lock().clear();
    }

    fn key(&self, request: &TokenRequest) -> Option<AssertionKey> {
        self.margin?;
        let application = request.application();
        let ClientCredential::Certificate(credential) = application.credential() else {
            return None;
        };
        Some(AssertionKey {
            certificate: *credential.certificate().sha256(),
            endpoint: application.authority().token_endpoint(application.version()).clone(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<AssertionKey, CachedAssertion>> {
        self.cached.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The maximum number of cached assertions. They are valid for a few minutes, and one takes about a
/// kilobyte.
const MAX_CACHED: usize = 1024;
