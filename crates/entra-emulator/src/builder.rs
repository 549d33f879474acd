//! The configuration of an emulator, as a builder.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::certificate::KeyCredential;
use crate::config::{ActivityFeed, Api, App, Config, IssuerKeys, Issuers, Machine, ManagedIdentity, Tenant};
use crate::emulator::Emulator;
use crate::error::Error;
use crate::server::{self, Server, TokenFile};
use crate::state::State;
use crate::state::clock::Clock;
use crate::state::recorder::{Observer, Recorder, RequestEvent};
use crate::state::replays::Replays;

/// Builds an [`Emulator`]. Missing values are filled in as [`Config`] describes.
///
/// ```
/// use entra_emulator::{Api, App, Emulator, Tenant};
///
/// let app = App::new("daemon").secret("s3cret");
/// let emulator = Emulator::builder()
///     .seed(7)
///     .tenant(Tenant::new("fabrikam.example"))
///     .api(Api::new("api://orders").role("Orders.Read.All"))
///     .app(app.grant("api://orders", "Orders.Read.All"))
///     .build();
/// assert_eq!(emulator.domain(), "fabrikam.example");
/// assert_eq!(emulator.client_secret(), "s3cret");
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `start` or `build`"]
pub struct EmulatorBuilder {
    config: Config,
    time: Option<SystemTime>,
    reject_replays: bool,
    issuer_in_responses: bool,
    recorded: usize,
    observer: Observer,
    listen: SocketAddr,
    allow_remote: bool,
    names: Vec<String>,
    tls: Option<u16>,
    fabric: Option<u16>,
    control: Option<SocketAddr>,
    idle_timeout: Duration,
    paused: bool,
    token_file: Option<PathBuf>,
}

impl EmulatorBuilder {
    /// Sets the seed of all generated GUIDs, secrets and keys. The default is 0.
    pub fn seed(mut self, seed: u64) -> Self {
        self.config.seed = seed;
        self
    }

    /// Adds a tenant. The first call replaces the default tenant.
    pub fn tenant(mut self, tenant: Tenant) -> Self {
        self.config.tenants.push(tenant);
        self
    }

    /// Generates tenants in addition to those of [`tenant`](Self::tenant), up to at least this
    /// number in total.
    pub fn tenant_count(mut self, count: u32) -> Self {
        self.config.tenant_count = Some(count);
        self
    }

    /// Sets the feed of the Office 365 Management Activity API.
    pub fn activity(mut self, feed: ActivityFeed) -> Self {
        self.config.activity = feed;
        self
    }

    /// Adds an application. The first call replaces the default application.
    pub fn app(mut self, app: App) -> Self {
        self.config.apps.push(app);
        self
    }

    /// Adds an API. The first call replaces the default API; the well-known APIs stay.
    pub fn api(mut self, api: Api) -> Self {
        self.config.apis.push(api);
        self
    }

    /// Sets the machine under the program under test.
    pub fn machine(mut self, machine: Machine) -> Self {
        self.config.machine = machine;
        self
    }

    /// Adds a managed identity of the machine. The first call replaces the default ones.
    pub fn managed_identity(mut self, identity: ManagedIdentity) -> Self {
        self.config.machine = self.config.machine.identity(identity);
        self
    }

    /// Sets the lifetime of access tokens: whole seconds, 1 s to 1 year. The default is 3,600 s,
    /// and 86,400 s for managed identities.
    pub fn token_lifetime(mut self, lifetime: Duration) -> Self {
        self.config.token_lifetime = Some(lifetime.as_secs());
        self
    }

    /// Adds `refresh_in` to token responses: the number of whole seconds after which the client
    /// should request the next token. By default, responses do not have it.
    pub fn refresh_in(mut self, refresh_in: Duration) -> Self {
        self.config.refresh_in = Some(refresh_in.as_secs());
        self
    }

    /// Registers the first certificate of a PEM text with the first application, generated or not.
    pub fn certificate_pem(mut self, pem: impl AsRef<str>) -> Self {
        self.config.certificates.push(KeyCredential::pem(pem));
        self
    }

    /// Sets the interval between the polls of a device that waits for its user: whole seconds, 1 s
    /// to 900 s. The default is 5 s, as in the service.
    pub fn device_interval(mut self, interval: Duration) -> Self {
        self.config.device_interval = Some(interval.as_secs());
        self
    }

    /// Limits the requests of one application to Microsoft Graph, per tenant and per minute of the
    /// emulator's clock.
    ///
    /// Requests over the limit are rejected with status 429 and `Retry-After`. By default, there is
    /// no limit.
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

    /// Sets the issuer in tokens and documents. The default is Microsoft's.
    pub fn issuers(mut self, issuers: Issuers) -> Self {
        self.config.issuers = issuers;
        self
    }

    /// Adds a second issuer, which issues assertions for federated credentials: see
    /// [`Emulator::assertion`].
    ///
    /// A [`FederatedCredential`](crate::FederatedCredential) without an issuer belongs to it.
    /// Without configured applications, the default one has credentials for its subjects.
    pub fn second_issuer(mut self) -> Self {
        self.config.second_issuer = true;
        self
    }

    /// Writes the token of the service account `app` in the namespace `default` to this file, as a
    /// cluster does, and adds the second issuer. A program reads it as
    /// `AZURE_FEDERATED_TOKEN_FILE`.
    ///
    /// The token is valid for an hour. A running emulator replaces the file every half hour of its
    /// clock, and does not remove it.
    pub fn federated_token_file(self, path: impl Into<PathBuf>) -> Self {
        Self {
            token_file: Some(path.into()),
            ..self.second_issuer()
        }
    }

    /// Sets the keys of an issuer of assertions: its JSON Web Key Set, as at its `jwks_uri`. The
    /// emulator then does not fetch them.
    pub fn issuer_keys(mut self, issuer: impl Into<String>, jwks: serde_json::Value) -> Self {
        self.config.issuer_keys.push(IssuerKeys {
            issuer: issuer.into(),
            jwks,
        });
        self
    }

    /// Rejects a client assertion that was used before (AADSTS50012): one of the same client with
    /// the same `jti`, or the same text if it has no `jti`.
    ///
    /// Entra is not known to do so, but RFC 7523 (section 3) allows it. A client that signs a new
    /// assertion for every request is not affected. The newest 10,000 assertions are remembered
    /// until they expire.
    pub fn reject_replayed_assertions(self) -> Self {
        Self {
            reject_replays: true,
            ..self
        }
    }

    /// Adds the parameter `iss` (RFC 9207) to authorization responses. Entra does not send it, so
    /// it is off by default.
    pub fn issuer_in_responses(self) -> Self {
        Self {
            issuer_in_responses: true,
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

    /// Sets the number of requests that the recorder stores. The default is 1,000. It stores fewer
    /// if they exceed 32 MiB.
    pub fn recorded_requests(self, count: usize) -> Self {
        Self {
            recorded: count,
            ..self
        }
    }

    /// Calls `observe` with the record of every request as soon as its response is ready, on the
    /// thread that handles it. A command can print the requests, and a test can wait for one.
    ///
    /// The function must be quick, because the server handles no other request until it returns.
    pub fn on_request(self, observe: impl Fn(&RequestEvent) + Send + Sync + 'static) -> Self {
        Self {
            observer: Observer::new(observe),
            ..self
        }
    }

    /// Adds a TLS listener on a free port at every address of `localhost`, with a generated
    /// certificate authority.
    #[cfg(feature = "tls")]
    pub fn tls(self) -> Self {
        self.tls_port(0)
    }

    /// Adds a TLS listener on this port, or on a free port for 0.
    #[cfg(feature = "tls")]
    pub fn tls_port(self, port: u16) -> Self {
        Self {
            tls: Some(port),
            ..self
        }
    }

    /// Adds a TLS listener for Service Fabric on a free port at every address of `localhost`, with
    /// a self-signed certificate.
    ///
    /// [`Emulator::managed_identity_environment`] returns its address and the thumbprint.
    #[cfg(feature = "tls")]
    pub fn service_fabric(self) -> Self {
        self.service_fabric_port(0)
    }

    /// Adds a TLS listener for Service Fabric on this port, or on a free port for 0.
    #[cfg(feature = "tls")]
    pub fn service_fabric_port(self, port: u16) -> Self {
        Self {
            fabric: Some(port),
            ..self
        }
    }

    /// Sets the folder for the key files of Azure Arc, such as `/var/opt/azcmagent/tokens`. It must
    /// exist. The default is a temporary folder.
    pub fn arc_tokens(mut self, folder: impl Into<PathBuf>) -> Self {
        self.config.machine = self.config.machine.arc_tokens(folder);
        self
    }

    /// Adds a listener for the [control API](Emulator::handle_control) on this port of 127.0.0.1,
    /// or on a free port for 0. By default, it is not opened.
    ///
    /// The control API is for programs in any language, which need [`Emulator::control_url`] and
    /// [`Emulator::control_key`]. Other machines cannot reach it, even if [`ip`](Self::ip) opens
    /// the emulator to them.
    pub fn control(self, port: u16) -> Self {
        self.control_at(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port))
    }

    /// Adds a listener for the control API at this address. Only loopback addresses are accepted
    /// unless [`allow_other_machines`](Self::allow_other_machines) is called.
    ///
    /// Anyone who can reach it and has the key controls the emulator's responses; `Host` is not
    /// checked there. It is meant for a container that publishes the port to the loopback interface
    /// of its host.
    pub fn control_at(self, address: SocketAddr) -> Self {
        Self {
            control: Some(address),
            ..self
        }
    }

    /// Sets the port of the plain HTTP listener. The default is a free port.
    pub fn port(mut self, port: u16) -> Self {
        self.listen.set_port(port);
        self
    }

    /// Sets the address to listen on. Only loopback addresses are accepted unless
    /// [`allow_other_machines`](Self::allow_other_machines) is called.
    pub fn ip(mut self, ip: IpAddr) -> Self {
        self.listen.set_ip(ip);
        self
    }

    /// Permits addresses that other machines can reach.
    ///
    /// The emulator issues tokens to anyone who has the secrets in its public source. Never use
    /// this on a network that you do not control.
    pub fn allow_other_machines(self) -> Self {
        Self {
            allow_remote: true,
            ..self
        }
    }

    /// Adds a name or an address by which clients reach this machine, such as the name of its
    /// container.
    ///
    /// The certificate of the TLS listener contains every name. The first name is the host of
    /// [`Emulator::base_url`] and [`Emulator::tls_url`].
    pub fn reached_as(mut self, name: impl Into<String>) -> Self {
        self.names.push(name.into());
        self
    }

    /// Sets how long a connection may be idle before a request is complete. The default is 30 s,
    /// the maximum a day.
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle_timeout = timeout.min(Duration::from_secs(86_400));
        self
    }

    /// Listens from the start, but handles no request until [`Emulator::resume`] is called. A
    /// program can use the time between to write a file with the settings that must exist before
    /// `/healthz` responds.
    pub fn paused(self) -> Self {
        Self { paused: true, ..self }
    }

    /// Creates an emulator without sockets, for [`Emulator::handle`].
    ///
    /// # Panics
    /// Panics if the configuration is inconsistent. [`try_build`](Self::try_build) returns an error
    /// instead.
    pub fn build(self) -> Emulator {
        self.try_build().unwrap_or_else(|error| panic!("{error}"))
    }

    /// Creates an emulator without sockets, for [`Emulator::handle`].
    ///
    /// # Errors
    /// Returns [`Error::Config`] if the configuration is inconsistent, such as a repeated
    /// identifier or a reference to a missing object, or if the token file cannot be written.
    pub fn try_build(self) -> Result<Emulator, Error> {
        let state = self.state(WITHOUT_SOCKET.to_owned(), None)?;
        self.write_token(&state)?;
        Ok(Emulator::new(state, None))
    }

    /// Starts the emulator on a thread of its own.
    ///
    /// # Panics
    /// Panics if the configuration is inconsistent or a socket cannot be opened.
    /// [`try_start`](Self::try_start) returns an error instead.
    pub fn start(self) -> Emulator {
        self.try_start().unwrap_or_else(|error| panic!("{error}"))
    }

    /// Starts the emulator on a thread of its own. It is listening when this returns.
    ///
    /// # Errors
    /// Returns [`Error::Config`] for the reasons of [`try_build`](Self::try_build) and for an
    /// address that other machines can reach, [`Error::Name`] for a malformed name, and
    /// [`Error::Listen`] if a socket cannot be opened.
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
        let sockets = server::Sockets::bind(self.listen, self.tls, self.fabric, self.control, self.names.clone())?;
        let state = self.state(sockets.base_url(), sockets.tls_url()?)?;
        let token_file = self.write_token(&state)?;
        let server = Server::start(sockets, Arc::clone(&state), self.idle_timeout, self.paused, token_file)?;
        Ok(Emulator::new(state, Some(server)))
    }

    fn write_token(&self, state: &State) -> Result<Option<TokenFile>, Error> {
        let written = self.token_file.as_ref().map(|path| {
            TokenFile::write(path, state).map_err(|error| {
                let path = path.display();
                Error::Config(format!("the token file {path} cannot be written: {error}"))
            })
        });
        written.transpose()
    }

    fn state(&self, base_url: String, tls_url: Option<String>) -> Result<Arc<State>, Error> {
        let recorder = Recorder::new(self.recorded, self.observer.clone());
        let clock = self.time.map_or_else(Clock::running, Clock::frozen_at);
        let mut state = State::new(self.config.clone(), clock, recorder, base_url)?;
        state.tls_url = tls_url;
        state.names = self.names.clone();
        state.issuer_in_responses = self.issuer_in_responses;
        state.control_is_open = self.control.is_some_and(|address| !address.ip().is_loopback());
        state.replays = self.reject_replays.then(Replays::default);
        Ok(Arc::new(state))
    }
}

impl Default for EmulatorBuilder {
    fn default() -> Self {
        Self {
            config: Config::default(),
            time: None,
            reject_replays: false,
            issuer_in_responses: false,
            recorded: 1_000,
            observer: Observer::default(),
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0),
            allow_remote: false,
            names: Vec::new(),
            tls: None,
            fabric: None,
            control: None,
            idle_timeout: Duration::from_secs(30),
            paused: false,
            token_file: None,
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

/// Returns true for an IP address, or for a name in the format of DNS and certificates.
fn is_host(text: &str) -> bool {
    let is_label = |label: &str| {
        let is_inner = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        (1..=63).contains(&label.len()) && label.chars().all(is_inner) && !label.starts_with('-')
    };
    text.parse::<IpAddr>().is_ok() || text.len() <= 253 && text.split('.').all(is_label)
}

/// The origin in documents if there is no socket and the request names no host.
const WITHOUT_SOCKET: &str = "http://127.0.0.1";
