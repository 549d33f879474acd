//! The bench of a case: transports built as the case needs them, whose errors are searched for secrets.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use entra_transport::adapter::FromSettings;
use entra_transport::{BlockingTransport, Policy, Proxies, Request, Response, TransportBuilder, TransportError};

use crate::certificate;

/// What a transport under test has to be built with.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Setup {
    /// The rules it has to hold.
    pub policy: Policy,
    /// The certificate authorities it may trust, as DER, and no others.
    pub roots: Vec<Vec<u8>>,
    /// The proxy it has to go through, if any, whatever the environment says.
    pub proxies: Proxies,
}

impl Setup {
    /// Builds the transport of a builder with this setup.
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

/// What a case has to build transports with.
pub(crate) struct Bench {
    pub(crate) make: Arc<Make>,
    pub(crate) skipped: OnceLock<&'static str>,
}

impl Bench {
    /// A transport without hurry that may speak plain http to loopback and trusts nobody.
    pub(crate) fn plain(&self) -> Box<dyn BlockingTransport> {
        (self.make)(&setup())
    }

    pub(crate) fn with(&self, change: impl FnOnce(&mut Setup)) -> Box<dyn BlockingTransport> {
        let mut setup = setup();
        change(&mut setup);
        (self.make)(&setup)
    }

    /// Ends a case that this machine cannot show.
    pub(crate) fn skip(&self, why: &'static str) -> Outcome {
        self.skipped.get_or_init(|| why);
        Ok(())
    }
}

/// Passes requests on, and looks for secrets in the errors that come back.
pub(crate) struct Searched(pub(crate) Box<dyn BlockingTransport>);

impl BlockingTransport for Searched {
    fn send(&self, request: Request) -> Result<Response, TransportError> {
        let answer = self.0.send(request);
        if let Err(error) = &answer {
            let text = whole(error);
            assert!(
                ![CANARY, QUERY].iter().any(|canary| text.contains(canary)),
                "a secret stands in an error: {text}"
            );
        }
        answer
    }
}

/// Everything an error shows of itself, its sources too.
pub(crate) fn whole(error: &TransportError) -> String {
    let mut text = format!("{error} {error:?} {error:#?}");
    let mut source = std::error::Error::source(error);
    while let Some(next) = source {
        text.push_str(&format!(" {next} {next:?}"));
        source = next.source();
    }
    text
}

/// What is trusted where no case says otherwise: an authority that signed nothing, as no transport can be built on none.
pub(crate) fn setup() -> Setup {
    let mut policy = Policy::default();
    policy.timeout = UNHURRIED;
    policy.connect_timeout = UNHURRIED;
    policy.allow_plain_loopback = true;
    Setup {
        policy,
        roots: vec![certificate::Authority::new("nobody").root()],
        proxies: Proxies::none(),
    }
}

pub(crate) type Make = dyn Fn(&Setup) -> Box<dyn BlockingTransport> + Send + Sync;
/// The finding of a case that failed.
pub(crate) type Outcome = Result<(), String>;

/// Stands in every query. An error must not tell it; an HTTP client may log it, so no secret belongs there.
pub(crate) const QUERY: &str = "qu3ry";
/// Stands in every secret of every request.
pub(crate) const CANARY: &str = "c4n4ry";
/// How long a request may take where the case is not about that: it must not fail on a busy machine.
pub(crate) const UNHURRIED: Duration = Duration::from_secs(120);
/// How long the look-up of a name may take that does not exist: without a name server, it takes longer than a test should.
pub(crate) const LOOK_UP: Duration = Duration::from_secs(4);
