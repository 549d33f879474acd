//! The option `entra token --watch`: requests a token repeatedly and shows how the client caches
//! and refreshes it.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use clap::Args;
use entra_client::blocking::Client;
use entra_client::clock::{Clock, Moment, SystemClock};
use entra_client::observer::{Counters, Event, EventKind, Observer};
use entra_client::{Policy, Token, TokenOptions};
use entra_proto::Target;
use entra_proto::cache::{FreshnessPolicy, Lifetime};
use entra_transport::AcquireError;

use crate::arguments::WrongValue;
use crate::exit::{Exit, Failure};
use crate::failure::Report;
use crate::files::print_secret;
use crate::observation::{Observation, Source, State};
use crate::requests::log_event;
use crate::screen::{Screen, View};
use crate::terminal::Stream;
use crate::token_output::{Output, PrintedToken};
use crate::token_settings::TokenSettings;
use crate::verbosity::{is_quiet, logs};

/// The options of `--watch`.
#[derive(Args)]
pub(crate) struct WatchSettings {
    /// Query the client for the token repeatedly, and show its source, its refreshes, and failures
    ///
    /// Continues until Ctrl-C. On a terminal the last line counts down; otherwise one line is
    /// printed for each change. The token itself is printed only with --output, each time it
    /// changes. The number of requests is that of the token requests to the service, without
    /// retries.
    #[arg(long, conflicts_with_all = ["account", "cache"])]
    watch: bool,

    /// Seconds between queries of the client, from 0.01 to 86400, such as 0.5
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = interval, requires = "watch")]
    interval: Duration,

    /// End after this many queries of the client; the exit code is 0 if the last one returned a
    /// token
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..), requires = "watch")]
    count: Option<u64>,

    /// Treat a token as expired this many seconds early, unless no newer one is available; at most
    /// a quarter of its lifetime
    #[arg(long, value_name = "SECONDS", default_value_t = 300, requires = "watch")]
    margin: u64,
}

impl WatchSettings {
    pub(crate) fn is_wanted(&self) -> bool {
        self.watch
    }
}

pub(crate) fn run(wanted: &TokenSettings, settings: &WatchSettings, output: Option<Output>) -> Result<(), Failure> {
    if output.is_some_and(|output| !output.is_line()) {
        let problem = "--watch requires an output format with one line";
        return Err(Failure::text(Exit::Usage, problem).hint("use -o token, -o json or -o header"));
    }
    let mut policy = Policy::default();
    policy.freshness.margin = Duration::from_secs(settings.margin);
    let tally = Arc::new(Tally::new(SystemClock));
    let client = wanted.built(wanted.builder(policy)?.observer(Arc::clone(&tally).observer()))?;
    let mut watch = Watch::new(client, wanted.target()?, tally);
    watch.options = wanted.options()?;
    watch.freshness = policy.freshness;

    let view = match (is_quiet(), logs()) {
        (true, _) => View::Failures,
        (false, true) => View::Changes,
        (false, false) => View::All,
    };
    let mut screen = Screen::new(io::stderr(), view, || Stream::Error.width());
    let mut left = settings.count;
    loop {
        let seen = watch.observe()?;
        if let (Some(output), Some(token)) = (output, &seen.new_token) {
            screen.end_line()?;
            print_secret(&output.line(&PrintedToken::from(token)))?;
        }
        screen.show(&seen)?;
        left = left.map(|left| left - 1);
        if left == Some(0) {
            screen.end_line()?;
            return seen.outcome;
        }
        std::thread::sleep(settings.interval);
    }
}

/// An observer of a client that caches the token for one API.
struct Watch<C> {
    client: Client,
    target: Target,
    options: TokenOptions,
    /// The freshness policy of the client.
    freshness: FreshnessPolicy,
    start: Moment,
    tally: Arc<Tally<C>>,
    /// The token that was seen last.
    token: Option<Token>,
}

impl<C: Clock> Watch<C> {
    fn new(client: Client, target: Target, tally: Arc<Tally<C>>) -> Self {
        Self {
            client,
            target,
            options: TokenOptions::default(),
            freshness: FreshnessPolicy::default(),
            start: tally.clock.now(),
            tally,
            token: None,
        }
    }

    /// Requests the token from the client once, and returns what was observed.
    ///
    /// # Errors
    /// Returns an error if the request is invalid, so that every repetition would fail.
    fn observe(&mut self) -> Result<Observation, Failure> {
        let counted = |kind| self.tally.counters.of(kind);
        let (hits, served_anyway) = (counted(EventKind::CacheHit), counted(EventKind::ServedAnyway));
        let outcome = self.client.token_with(&self.target, &self.options);
        let served_anyway = counted(EventKind::ServedAnyway) > served_anyway;
        let from_cache = counted(EventKind::CacheHit) > hits || served_anyway;

        let (now, cached_failure) = (self.tally.clock.now(), self.tally.cached_failure().clone());
        let cooling_down = cached_failure
            .as_ref()
            .map(|cached_failure| cached_failure.until.saturating_sub(now.monotonic))
            .filter(|left| !left.is_zero());
        let mut seen = Observation {
            at: now.monotonic.saturating_sub(self.start.monotonic),
            source: Source::None,
            state: State::Missing,
            fresh_for: Duration::ZERO,
            expires_in: Duration::ZERO,
            cooling_down,
            failure: cached_failure.map(|cached_failure| cached_failure.why),
            requests: counted(EventKind::Requested),
            new_token: None,
            outcome: Ok(()),
        };
        match outcome {
            Ok(token) => {
                seen.source = if from_cache { Source::Cache } else { Source::Network };
                self.classify(&mut seen, token, served_anyway, now);
            }
            Err(error)
                if matches!(
                    error.cause(),
                    Some(AcquireError::Protocol(entra_proto::Error::Input(_)))
                ) =>
            {
                return Err(error.into());
            }
            Err(error) => seen.outcome = Err(error.into()),
        }
        Ok(seen)
    }

    /// Sets the state of the token, and its remaining times.
    fn classify(&mut self, seen: &mut Observation, token: Token, served_anyway: bool, now: Moment) {
        seen.expires_in = token.expires_at().since(now.wall);
        seen.fresh_for = match token.refresh_at() {
            Some(moment) => moment.since(now.wall),
            None => {
                let (received_at, expires_at) = (token.received_at(), token.expires_at());
                let lifetime = Lifetime::new(received_at, expires_at.since(received_at), None);
                let missing = self.freshness.stages(&lifetime, 0).expiry_age();
                received_at.plus(missing).since(now.wall)
            }
        };
        let last = self.token.as_ref().map(Token::expose);
        let is_another = last != Some(token.expose());
        seen.state = if served_anyway {
            State::ServedAnyway
        } else if last.is_none() {
            State::New
        } else if is_another {
            State::Refreshed
        } else if seen.fresh_for.is_zero() {
            State::NeedsRefresh
        } else {
            State::Fresh
        };
        if is_another {
            seen.new_token = Some(token.clone());
            self.token = Some(token);
        }
    }
}

/// The events of a client: their counts and the last failure.
struct Tally<C> {
    clock: C,
    counters: Counters,
    cached_failure: Mutex<Option<CachedFailure>>,
}

/// A failure that the client caches.
#[derive(Clone)]
struct CachedFailure {
    why: String,
    /// The end of the cool-down, by the monotonic clock.
    until: Duration,
}

impl<C: Clock + 'static> Tally<C> {
    /// Returns the observer for the client.
    fn observer(self: Arc<Self>) -> impl Observer {
        move |event: &Event<'_>| {
            log_event(event);
            self.counters.observe(event);
            match (event.kind, event.error, event.cool_down) {
                (EventKind::Acquired, ..) => *self.cached_failure() = None,
                (EventKind::Failed, Some(error), Some(cool_down)) => {
                    let until = self.clock.now().monotonic.saturating_add(cool_down);
                    let why = format!("{:#}", Report::of(error));
                    *self.cached_failure() = Some(CachedFailure { why, until });
                }
                _ => {}
            }
        }
    }
}

impl<C> Tally<C> {
    fn new(clock: C) -> Self {
        Self {
            clock,
            counters: Counters::default(),
            cached_failure: Mutex::default(),
        }
    }

    fn cached_failure(&self) -> MutexGuard<'_, Option<CachedFailure>> {
        self.cached_failure.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn interval(text: &str) -> Result<Duration, WrongValue> {
    let seconds = text.parse().ok().filter(|seconds| (0.01..=86_400.0).contains(seconds));
    seconds
        .map(Duration::from_secs_f64)
        .ok_or_else(|| WrongValue::new("it is not a valid interval", "write seconds, from 0.01 to 86400"))
}

#[cfg(test)]
mod tests {
    use entra_client::blocking::Runtime;
    use entra_client::clock::ManualClock;
    use entra_client::random::SecureRandom;
    use entra_emulator::{Emulator, Fault};
    use entra_proto::acquire::RetryPolicy;
    use entra_proto::{Application, Authority, Body, ClientSecret, Timestamp};
    use entra_transport::{Request, blocking_transport_fn};

    use super::*;

    /// A source of zeros, so that there is no jitter and tokens are refreshed as late as possible.
    struct Zeros;

    impl SecureRandom for Zeros {
        fn fill(&self, bytes: &mut [u8]) -> io::Result<()> {
            bytes.fill(0);
            Ok(())
        }
    }

    /// A runtime that runs background tasks immediately.
    struct Immediately;

    impl Runtime for Immediately {
        fn sleep(&self, _: Duration) {}

        fn spawn(&self, task: Box<dyn FnOnce() + Send>) {
            task();
        }
    }

    /// Returns the output of `seconds` seconds. Tokens live 19 s, need refresh after 10 s, and are
    /// used until 4 s before they expire. From second `down` until second `up` the service fails.
    fn watched(seconds: u64, down: u64, up: u64, is_terminal: bool) -> String {
        let emulator = Arc::new(
            Emulator::builder()
                .token_lifetime(Duration::from_secs(20))
                .refresh_in(Duration::from_secs(10))
                .build(),
        );
        let service = Arc::clone(&emulator);
        let transport = blocking_transport_fn(move |request: Request| {
            let request = request.map(|body| body.as_bytes().to_vec());
            Ok(service.handle(request).map(Body::new))
        });
        let app = Application::new(
            Authority::loopback(&emulator.authority()).unwrap(),
            emulator.client_id().parse().unwrap(),
            ClientSecret::new(emulator.client_secret()).unwrap(),
        );
        let clock = ManualClock::at(Timestamp::from_secs(1_767_225_600));
        let tally = Arc::new(Tally::new(clock.clone()));
        let mut policy = Policy::default();
        policy.freshness.margin = Duration::from_secs(4);
        policy.retry = RetryPolicy::never();
        let client = Client::builder(app, transport)
            .clock(clock.clone())
            .secure_random(Zeros)
            .runtime(Immediately)
            .policy(policy)
            .observer(Arc::clone(&tally).observer())
            .build()
            .unwrap();
        let mut watch = Watch::new(client, Target::resource(Emulator::GRAPH).unwrap(), tally);
        watch.freshness = policy.freshness;

        let mut shown = Vec::new();
        let mut screen = Screen::new(&mut shown, View::All, move || is_terminal.then_some(100));
        for second in 0..seconds {
            if second == down {
                emulator.fault(Fault::status(503).always());
            }
            if second == up {
                emulator.clear_faults();
            }
            screen.show(&watch.observe().unwrap()).unwrap();
            clock.advance(Duration::from_secs(1));
        }
        screen.end_line().unwrap();
        String::from_utf8(shown).unwrap()
    }

    #[test]
    fn token_is_refreshed_before_it_expires() {
        let shown = watched(14, 99, 99, false);
        assert_eq!(
            shown.lines().collect::<Vec<_>>(),
            [
                "   0 s  network  new, fresh for 10 s, expires in 19 s, 1 request",
                "   1 s  cache    fresh for 9 s, expires in 18 s, 1 request",
                "  10 s  cache    refreshing, expires in 9 s, 2 requests",
                "  11 s  cache    refreshed, fresh for 9 s, expires in 18 s, 2 requests",
                "  12 s  cache    fresh for 8 s, expires in 17 s, 2 requests",
            ]
        );
    }

    #[test]
    fn outage_is_shown_until_the_next_token() {
        let shown = watched(47, 5, 27, false);
        let failed = "the service rejected the request: Service Unavailable; try again later (status 503)";
        assert_eq!(
            shown.lines().skip(2).collect::<Vec<_>>(),
            [
                &*format!("  10 s  failed   {failed}"),
                "  10 s  cache    needs refresh, cooling down for 5 s, expires in 9 s, 2 requests",
                "  15 s  cache    served anyway, cooling down for 10 s, expires in 4 s, 3 requests",
                "  19 s  none     no token, cooling down for 6 s, 3 requests",
                "  25 s  none     no token, cooling down for 20 s, 4 requests",
                "  45 s  network  refreshed, fresh for 10 s, expires in 19 s, 5 requests",
                "  46 s  cache    fresh for 9 s, expires in 18 s, 5 requests",
            ]
        );
    }

    #[test]
    fn last_line_of_terminal_counts_down_in_place() {
        let shown = watched(12, 99, 99, true);
        let (lines, fresh) = (shown.lines().collect::<Vec<_>>(), "fresh for 2 s, expires in 11 s");
        assert_eq!(lines.len(), 4, "a line for each change: {shown:?}");
        assert_eq!(lines[1].matches('\r').count(), 9, "{shown:?}");
        assert!(
            lines[1].contains(&format!("\r   8 s  cache    {fresh}, 1 request\r")),
            "{shown:?}"
        );
    }
}
