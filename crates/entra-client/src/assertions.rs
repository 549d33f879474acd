use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use entra_proto::{ClientAssertion, ClientCredential, SigningCertificate, TokenRequest};
use http::Uri;

use crate::clock::Moment;

/// Signed assertions that are still good: one for each certificate and token endpoint, which is whom an assertion is for.
///
/// The certificate is asked for anew each time, so that one which was rotated signs its own.
pub(crate) struct Assertions {
    kept: Mutex<HashMap<Name, Kept>>,
    /// For how long one is used; `None` keeps none.
    use_for: Option<Duration>,
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
}

impl Assertions {
    pub(crate) fn new(margin: Option<Duration>) -> Self {
        Self {
            kept: Mutex::default(),
            use_for: margin
                .map(|margin| LIFE.saturating_sub(margin))
                .filter(|life| !life.is_zero()),
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
            .filter(|kept| self.is_good(kept, now))
            .and_then(|kept| kept.assertion.clone());
        let request = match assertion {
            Some(assertion) => request.with_assertion(assertion),
            None => request,
        };
        (request, Some(name))
    }

    /// Keeps what was signed at this moment, and has been accepted since; or that nothing is to be kept.
    pub(crate) fn keep(&self, name: Name, assertion: Option<ClientAssertion>, signed: Moment, now: Moment) {
        let mut kept = self.lock();
        let is_single_use = |kept: &Kept| kept.assertion.is_none() && self.is_good(kept, now);
        if assertion.is_some() && kept.get(&name).is_some_and(is_single_use) {
            return;
        }
        if kept.len() >= MOST {
            kept.retain(|_, kept| self.is_good(kept, now));
        }
        if kept.len() < MOST {
            kept.insert(name, Kept { assertion, signed });
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
        self.use_for?;
        let application = request.application();
        let ClientCredential::Certificate(credential) = application.credential() else {
            return None;
        };
        Some(Name {
            certificate: *credential.certificate().sha256(),
            endpoint: application.authority().token_endpoint(application.version()).clone(),
        })
    }

    /// Whether enough of its life is left, whichever clock is asked.
    fn is_good(&self, kept: &Kept, now: Moment) -> bool {
        let by_monotonic = now.monotonic.saturating_sub(kept.signed.monotonic);
        let by_wall = now.wall.since(kept.signed.wall);
        now.wall >= kept.signed.wall && self.use_for.is_some_and(|life| by_monotonic.max(by_wall) < life)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Name, Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long an assertion is valid: see [`entra_proto::CertificateCredential`].
const LIFE: Duration = Duration::from_secs(600);

/// How many are kept. They serve a few minutes; one takes about a kilobyte.
const MOST: usize = 1024;
