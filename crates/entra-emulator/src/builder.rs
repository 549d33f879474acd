//! Saying what an emulator is made of.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::certificate::KeyCredential;
use crate::config::Issuers;
use crate::config::{ActivityFeed, Api, App, Config, Tenant};
use crate::emulator::Emulator;
use crate::error::Error;
use crate::server::{self, Server};
use crate::state::State;
use crate::state::clock::Clock;
use crate::state::recorder::{Observer, Recorder, RequestEvent};
use crate::state::replays::Replays;

/// Builds an [`Emulator`]. What is not said is filled in as [`Config`] tells.
///
/// ```
/// use entra_emulator::{Api, App, Emulator, Tenant};
///
/// let emulator = Emulator::builder()
///     .seed(7)
///     .tenant(Tenant::new("fabrikam.example"))
///     .api(Api::new("api://orders").role("Orders.Read.All"))
///     .app(App::new("daemon").secret("s3cret").grant("api://orders", "Orders.Read.All"))
///     .build();
/// assert_eq!(emulator.domain(), "fabrikam.example");
/// assert_eq!(emulator.client_secret(), "s3cret");
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `start` or `build`"]
pub struct EmulatorBuilder {
    config: Config,
    time: Option<SystemTime>,
    refuse_replays: bool,
    issuer_in_answers: bool,
    recorded: usize,
    observer: Observer,
    listen: SocketAddr,
    allow_remote: bool,
    names: Vec<String>,
    tls: Option<u16>,
    control: Option<SocketAddr>,
    idle_timeout: Duration,
    paused: bool,
}

impl EmulatorBuilder {
    /// Sets what every made-up GUID, secret and key is derived from. The default is 0.
    pub fn seed(mut self, seed: u64) -> Self {
        self.config.seed = seed;
        self
    }

    /// Adds a tenant. The first call replaces the default one.
    pub fn tenant(mut self, tenant: Tenant) -> Self {
        self.config.tenants.push(tenant);
        self
    }

    /// Has at least this many tenants: made-up ones are added to those of [`tenant`](Self::tenant).
    pub fn tenant_count(mut self, count: u32) -> Self {
        self.config.tenant_count = Some(count);
        self
    }

    /// Sets the feed of the Office 365 Management Activity API.
    pub fn activity(mut self, feed: ActivityFeed) -> Self {
        self.config.activity = feed;
        self
    }

    /// Adds an app. The first call replaces the default one.
    pub fn app(mut self, app: App) -> Self {
        self.config.apps.push(app);
        self
    }

    /// Adds an API. The first call replaces the default one; the well-known ones stay.
    pub fn api(mut self, api: Api) -> Self {
        self.config.apis.push(api);
        self
    }

    /// Sets how long access tokens live, whole seconds from 1 to a year; 3600 s by default.
    pub fn token_lifetime(mut self, lifetime: Duration) -> Self {
        self.config.token_lifetime = Some(lifetime.as_secs());
        self
    }

    /// Has answers say after how many whole seconds the service wants to be asked for the next token (`refresh_in`). By default
    /// they do not.
    pub fn refresh_in(mut self, refresh_in: Duration) -> Self {
        self.config.refresh_in = Some(refresh_in.as_secs());
        self
    }

    /// Registers a certificate (the first of a PEM text) with the first app, made-up or not.
    pub fn certificate_pem(mut self, pem: impl AsRef<str>) -> Self {
        self.config.certificates.push(KeyCredential::pem(pem));
        self
    }

    /// Sets how long a device that waits for its user is told to wait between two polls, whole seconds from 1 to 900; 5 s by default, as
    /// the service has it.
    pub fn device_interval(mut self, interval: Duration) -> Self {
        self.config.device_interval = Some(interval.as_secs());
        self
    }

    /// Sets how many requests to Microsoft Graph an application may make in a tenant in a minute of the emulator's clock. The
    /// next ones are rejected with status 429 and `Retry-After`. By default, there is no limit.
    ///
    /// ```
    /// use entra_emulator::Emulator;
    ///
    /// let emulator = Emulator::builder().graph_requests_per_minute(100).build();
    /// ```
    pub fn graph_requests_per_minute(mut self, most: u64) -> Self {
        self.config.graph_requests_per_minute = Some(most);
        self
    }

    /// Sets the issuer that tokens and documents name: Microsoft's by default.
    pub fn issuers(mut self, issuers: Issuers) -> Self {
        self.config.issuers = issuers;
        self
    }

    /// Refuses a client assertion that was used before (AADSTS50012): same client and same `jti`, or the same text if it
    /// has none. Entra is not known to do so, but RFC 7523 (section 3) allows it, and a client that signs a new assertion
    /// for every request never notices. The newest 10 000 assertions are remembered until they expire.
    pub fn refuse_replayed_assertions(self) -> Self {
        Self {
            refuse_replays: true,
            ..self
        }
    }

    /// Has answers to apps name who sends them, in the parameter `iss` (RFC 9207). Entra does not, so neither do they by
    /// default.
    pub fn issuer_in_answers(self) -> Self {
        Self {
            issuer_in_answers: true,
            ..self
        }
    }

    /// Starts with the clock frozen at this time.
    pub fn frozen_at(self, time: SystemTime) -> Self {
        Self {
            time: Some(time),
            ..self
        }
    }

    /// Sets how many requests the recorder keeps; 1000 by default. It keeps fewer where those take more than 32 MiB.
    pub fn recorded_requests(self, count: usize) -> Self {
        Self {
            recorded: count,
            ..self
        }
    }

    /// Calls this with every request as soon as it is answered, on the thread that answers it: a command can print
    /// them, a test can wait for one. It should not take long, since the server answers nobody meanwhile.
    pub fn on_request(self, observe: impl Fn(&RequestEvent) + Send + Sync + 'static) -> Self {
        Self {
            observer: Observer::new(observe),
            ..self
        }
    }

    /// Adds a TLS listener on a port of its own, with a certificate authority made on the spot. It listens at every address of
    /// `localhost`.
    #[cfg(feature = "tls")]
    pub fn tls(self) -> Self {
        self.tls_port(0)
    }

    /// Adds a TLS listener on this port, or on a free one for 0.
    #[cfg(feature = "tls")]
    pub fn tls_port(self, port: u16) -> Self {
        Self {
            tls: Some(port),
            ..self
        }
    }

    /// Adds a listener for the [control API](Emulator::handle_control) on this port of 127.0.0.1, or on a free one for 0.
    /// By default there is none.
    ///
    /// It is for programs in any language; [`Emulator::control_url`] and [`Emulator::control_key`] are what they need.
    /// Other machines never reach it, also where [`ip`](Self::ip) opens the emulator to them.
    pub fn control(self, port: u16) -> Self {
        self.control_at(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port))
    }

    /// Adds a listener for the control API at this address. Only a loopback address is accepted, see
    /// [`allow_other_machines`](Self::allow_other_machines).
    ///
    /// Anyone who reaches it and knows the key decides what the emulator answers; `Host` is not checked there. It is meant
    /// for a container that publishes the port to the loopback interface of its host.
    pub fn control_at(self, address: SocketAddr) -> Self {
        Self {
            control: Some(address),
            ..self
        }
    }

    /// Sets the port of the plain listener; a free one by default.
    pub fn port(mut self, port: u16) -> Self {
        self.listen.set_port(port);
        self
    }

    /// Sets the address to listen on. Only a loopback address is accepted, see
    /// [`allow_other_machines`](Self::allow_other_machines).
    pub fn ip(mut self, ip: IpAddr) -> Self {
        self.listen.set_ip(ip);
        self
    }

    /// Allows an address that other machines reach. The emulator hands out tokens to whoever knows secrets that are in
    /// its source: never on a network you do not own.
    pub fn allow_other_machines(self) -> Self {
        Self {
            allow_remote: true,
            ..self
        }
    }

    /// Adds a name or an address that clients reach this machine by, such as the name of its container. The certificate of the
    /// TLS listener names it, and the first one stands in [`Emulator::base_url`] and [`Emulator::tls_url`].
    pub fn reached_as(mut self, name: impl Into<String>) -> Self {
        self.names.push(name.into());
        self
    }

    /// Sets how long a connection may keep the server waiting for a request; 30 s by default, a day at most.
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle_timeout = timeout.min(Duration::from_secs(86_400));
        self
    }

    /// Listens from the start, but answers no request before [`Emulator::resume`]: what is to be there by the first answer of
    /// `/healthz`, such as a file with the settings, is written in between.
    pub fn paused(self) -> Self {
        Self { paused: true, ..self }
    }

    /// Makes an emulator without any socket, for [`Emulator::handle`].
    ///
    /// # Panics
    /// If the configuration contradicts itself. [`try_build`](Self::try_build) gives an error instead.
    pub fn build(self) -> Emulator {
        self.try_build().unwrap_or_else(|error| panic!("{error}"))
    }

    /// Makes an emulator without any socket, for [`Emulator::handle`].
    ///
    /// # Errors
    /// [`Error::Config`] if the configuration contradicts itself: an identifier twice, a name nobody has.
    pub fn try_build(self) -> Result<Emulator, Error> {
        let state = self.state(WITHOUT_SOCKET.to_owned(), None)?;
        Ok(Emulator::new(state, None))
    }

    /// Starts the emulator on a thread of its own.
    ///
    /// # Panics
    /// If the configuration contradicts itself or the socket cannot be had. [`try_start`](Self::try_start) gives an
    /// error instead.
    pub fn start(self) -> Emulator {
        self.try_start().unwrap_or_else(|error| panic!("{error}"))
    }

    /// Starts the emulator on a thread of its own. It listens when this returns.
    ///
    /// # Errors
    /// [`Error::Config`] as [`try_build`](Self::try_build), or for an address that other machines reach; [`Error::Name`] for a
    /// name that is none; [`Error::Listen`] if no socket can listen at the address.
    pub fn try_start(self) -> Result<Emulator, Error> {
        let addresses = [Some(self.listen), self.control].into_iter().flatten();
        if let Some(open) = addresses.map(|address| address.ip()).find(|ip| !ip.is_loopback())
            && !self.allow_remote
        {
            return Err(Error::Config(format!(
                "{open} is reachable from other machines; allow_other_machines() permits it"
            )));
        }
        if let Some(bad) = self.names.iter().find(|name| !is_host(name)) {
            return Err(Error::Name(bad.clone()));
        }
        let sockets = server::Sockets::bind(self.listen, self.tls, self.control, self.names.clone())?;
        let state = self.state(sockets.base_url(), sockets.tls_url()?)?;
        let server = Server::start(sockets, Arc::clone(&state), self.idle_timeout, self.paused)?;
        Ok(Emulator::new(state, Some(server)))
    }

    fn state(&self, base_url: String, tls_url: Option<String>) -> Result<Arc<State>, Error> {
        let recorder = Recorder::new(self.recorded, self.observer.clone());
        let clock = self.time.map_or_else(Clock::running, Clock::frozen_at);
        let mut state = State::new(self.config.clone(), clock, recorder, base_url)?;
        state.tls_url = tls_url;
        state.names = self.names.clone();
        state.issuer_in_responses = self.issuer_in_answers;
        state.control_is_open = self.control.is_some_and(|address| !address.ip().is_loopback());
        state.replays = self.refuse_replays.then(Replays::default);
        Ok(Arc::new(state))
    }
}

impl Default for EmulatorBuilder {
    fn default() -> Self {
        Self {
            config: Config::default(),
            time: None,
            refuse_replays: false,
            issuer_in_answers: false,
            recorded: 1_000,
            observer: Observer::default(),
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0),
            allow_remote: false,
            names: Vec::new(),
            tls: None,
            control: None,
            idle_timeout: Duration::from_secs(30),
            paused: false,
        }
    }
}

impl From<Config> for EmulatorBuilder {
    fn from(config: Config) -> Self {
        Self {
            config,
            ..Self::default()
        }
    }
}

/// Whether a text is an IP address, or a name as DNS and certificates have them.
fn is_host(text: &str) -> bool {
    let is_label = |label: &str| {
        let is_inner = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        (1..=63).contains(&label.len()) && label.chars().all(is_inner) && !label.starts_with('-')
    };
    text.parse::<IpAddr>().is_ok() || text.len() <= 253 && text.split('.').all(is_label)
}

/// What documents name as their origin when a request without a host asks an emulator without a socket.
const WITHOUT_SOCKET: &str = "http://127.0.0.1";
