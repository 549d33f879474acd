use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use entra_proto::assertion::{ClientAssertion, SigningCertificate};
use entra_proto::{ClientCredential, TokenRequest};
use http::Uri;

use crate::clock::Moment;

/// Signed assertions that are still good: one for each certificate and token endpoint, which is whom an assertion is for.
///
/// The certificate is asked for anew each time, so that one which was rotated signs its own.
pub(crate) struct Assertions {
    kept: Mutex<HashMap<Name, Kept>>,
    /// How long before its end one is no longer used; `None` keeps none.
    margin: Option<Duration>,
}

/// What an assertion is kept by.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Name {
    /// The SHA-256 of its DER.
    certificate: [u8; 32],
    endpoint: Uri,
}

impl Name {
    /// The same endpoint with the certificate that was signed with in the end.
    pub(crate) fn with(self, certificate: &SigningCertificate) -> Self {
        Self {
            certificate: *certificate.sha256(),
            ..self
        }
    }
}

struct Kept {
    /// None where the service accepts each assertion only once, as it seems: none is kept for as long as one would be.
    assertion: Option<ClientAssertion>,
    signed: Moment,
    /// For how long it is used.
    use_for: Duration,
}

impl Kept {
    /// Whether enough of its life is left, whichever clock is asked.
    fn is_good(&self, now: Moment) -> bool {
        let by_monotonic = now.monotonic.saturating_sub(self.signed.monotonic);
        let by_wall = now.wall.since(self.signed.wall);
        now.wall >= self.signed.wall && by_monotonic.max(by_wall) < self.use_for
    }
}

impl Assertions {
    pub(crate) fn new(margin: Option<Duration>) -> Self {
        Self {
            kept: Mutex::default(),
            margin,
        }
    }

    /// The request with an assertion that was signed before, where there is one; and the name to keep one by, where its credential is
    /// a certificate.
    pub(crate) fn prove(&self, request: TokenRequest, now: Moment) -> (TokenRequest, Option<Name>) {
        let Some(name) = self.name(&request) else {
            return (request, None);
        };
        let assertion = self
            .lock()
            .get(&name)
            .filter(|kept| kept.is_good(now))
            .and_then(|kept| kept.assertion.clone());
        let request = match assertion {
            Some(assertion) => request.with_assertion(assertion),
            None => request,
        };
        (request, Some(name))
    }

    /// Keeps what was signed at this moment, and has been accepted since; or, where it is good for one use, that nothing is to be kept.
    pub(crate) fn keep(
        &self,
        name: Name,
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
        let mut kept = self.lock();
        let was_single_use = |kept: &Kept| kept.assertion.is_none() && kept.is_good(now);
        if assertion.is_some() && kept.get(&name).is_some_and(was_single_use) {
            return;
        }
        if kept.len() >= MOST {
            kept.retain(|_, kept| kept.is_good(now));
        }
        if kept.len() < MOST {
            let kept_one = Kept {
                assertion,
                signed,
                use_for,
            };
            kept.insert(name, kept_one);
        }
    }

    /// Forgets what the service does not take.
    pub(crate) fn discard(&self, name: &Name) {
        self.lock().remove(name);
    }

    pub(crate) fn clear(&self) {
        self.lock().clear();
    }

    fn name(&self, request: &TokenRequest) -> Option<Name> {
        self.margin?;
        let application = request.application();
        let ClientCredential::Certificate(credential) = application.credential() else {
            return None;
        };
        Some(Name {
            certificate: *credential.certificate().sha256(),
            endpoint: application.authority().token_endpoint(application.version()).clone(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Name, Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many are kept. They serve a few minutes; one takes about a kilobyte.
const MOST: usize = 1024;
