//! The transports of a case: built with its settings, with a search for secrets in their errors.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use entra_transport::adapter::FromSettings;
use entra_transport::{
    BlockingTransport, Proxies, Request, Response, TransportBuilder, TransportError, TransportPolicy,
};

use crate::certificate;
use crate::report::Skip;

/// The settings of the transport under test.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Setup {
    /// The rules for requests and responses.
    pub policy: TransportPolicy,
    /// The only trusted certificate authorities, as DER.
    pub roots: Vec<Vec<u8>>,
    /// The proxy, if any. The environment has no effect.
    pub proxies: Proxies,
}

impl Setup {
    /// Builds a transport with these settings.
    ///
    /// # Panics
    /// Panics if the transport cannot be built.
    #[must_use]
    pub fn build<T: FromSettings>(&self, builder: TransportBuilder<T>) -> T {
        let builder = builder
            .timeout(self.policy.timeout)
            .connect_timeout(self.policy.connect_timeout)
            .max_body(self.policy.max_body)
            .allow_plain_loopback(self.policy.allow_plain_loopback)
            .proxies(self.proxies.clone())
            .added_roots_only(true);
        let with_roots = self
            .roots
            .iter()
            .try_fold(builder, |builder, root| builder.add_root_der(root));
        with_roots
            .and_then(TransportBuilder::build)
            .expect("the setup has everything that a transport needs")
    }
}

/// The source of transports for a case.
pub(crate) struct Bench {
    pub(crate) make: Arc<Make>,
    pub(crate) skipped: OnceLock<Skip>,
}

impl Bench {
    /// Builds a transport with long timeouts that allows plain http to loopback and trusts no
    /// server.
    pub(crate) fn plain(&self) -> Box<dyn BlockingTransport> {
        (self.make)(&setup())
    }

    pub(crate) fn with(&self, change: impl FnOnce(&mut Setup)) -> Box<dyn BlockingTransport> {
        let mut setup = setup();
        change(&mut setup);
        (self.make)(&setup)
    }

    /// Skips a case that this machine cannot run, because it lacks the feature `need`.
    pub(crate) fn skip(&self, need: &'static str, why: &'static str) -> Outcome {
        self.skipped.get_or_init(|| Skip { need, why });
        Ok(())
    }
}

/// A transport that searches the errors of another one for secrets.
pub(crate) struct Searched(pub(crate) Box<dyn BlockingTransport>);

impl BlockingTransport for Searched {
    fn send(&self, request: Request) -> Result<Response, TransportError> {
        let outcome = self.0.send(request);
        if let Err(error) = &outcome {
            let text = whole(error);
            assert!(
                ![CANARY, QUERY].iter().any(|canary| text.contains(canary)),
                "an error contains a secret: {text}"
            );
        }
        outcome
    }
}

/// Returns everything that an error and its sources show.
pub(crate) fn whole(error: &TransportError) -> String {
    let mut text = format!("{error} {error:?} {error:#?}");
    let mut source = std::error::Error::source(error);
    while let Some(next) = source {
        text.push_str(&format!(" {next} {next:?}"));
        source = next.source();
    }
    text
}

/// Returns the default settings. The trusted authority signed nothing; a transport cannot be built
/// without any.
pub(crate) fn setup() -> Setup {
    let mut policy = TransportPolicy::default();
    policy.timeout = UNHURRIED;
    policy.connect_timeout = UNHURRIED;
    policy.allow_plain_loopback = true;
    Setup {
        policy,
        roots: vec![certificate::Authority::new("unused").root()],
        proxies: Proxies::none(),
    }
}

pub(crate) type Make = dyn Fn(&Setup) -> Box<dyn BlockingTransport> + Send + Sync;
/// The finding of a case that failed.
pub(crate) type Outcome = Result<(), String>;

/// A part of every query. An error must not contain it. An HTTP client may log it, so queries
/// contain no secrets.
pub(crate) const QUERY: &str = "qu3ry";
/// A part of every secret of every request.
pub(crate) const CANARY: &str = "c4n4ry";
/// The timeout of requests in cases that are not about timeouts. It is long enough for a busy
/// machine.
pub(crate) const UNHURRIED: Duration = Duration::from_secs(120);
/// The timeout for the lookup of a name that does not exist. Without a name server, the lookup
/// takes longer than a test should.
pub(crate) const LOOK_UP: Duration = Duration::from_secs(4);
