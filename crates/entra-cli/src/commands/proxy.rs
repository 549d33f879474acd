//! The command `entra proxy`: a reverse proxy that adds the token to each request.

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use entra_proto::endpoint::Origin;
use entra_serve::{AccessKey, Limits, Listener, Proxy, Server};
#[cfg(unix)]
use entra_serve::{ServiceManager, Users};
use tokio::sync::oneshot;

use crate::commands::call::audience;
use crate::commands::emulator::address::{ListenAddress, listen_address};
use crate::commands::serve::identities::{IdentityOptions, Shared};
use crate::commands::serve::key::key;
use crate::commands::serve::variables::{Variable, exports};
use crate::exit::{Exit, Failure};
use crate::files::{print_secret, tell};
use crate::foreground::{End, Event, Foreground};
use crate::message::warn;
use crate::named_file::reject_contents;
use crate::target::TargetSettings;

/// Pass requests on to an API, each with a fresh token.
///
/// A program sends its requests to this proxy instead of the API, by plain http on this machine,
/// and needs no token: the proxy adds one that it renews, also when the API rejects it (status 401,
/// claims challenges). So programs that read a token once run for longer than the token is valid,
/// and programs without Entra ID can use its APIs. A token or password that a program sends is
/// removed.
///
/// If `entra resources` lists the host, the token is requested for that API. For every other host,
/// name the API with --resource or --scope. The credential is one that `entra serve` takes.
///
/// HTTP/1.1, HTTP/2, gRPC, WebSocket and streams pass in both directions. Redirects are not
/// followed, and those to the API lead back to the proxy. Links in bodies remain as they are. The
/// error responses of the proxy have the header Entra-Proxy-Error. Each request is logged as one
/// line on standard error.
///
/// Who uses the proxy acts as the application. On Linux, only programs of the same user and of root
/// are served; elsewhere, all users of this machine can reach the port. --socket is a Unix socket
/// that only this user can use, and --require-key a key that the command prints: programs send it
/// in the place of a token (Authorization: Bearer KEY), as the password of the URL
/// (http://entra:KEY@127.0.0.1:8080) or as X-Entra-Proxy-Key. Requests of web pages are rejected.
///
/// With a command after --, the proxy runs until the command ends, which finds its address in
/// ENTRA_PROXY_URL, and exits with the exit code of the command. Without a command, SIGTERM and
/// SIGINT end it after the requests in progress; a second signal ends it at once.
#[derive(Args)]
#[command(
    override_usage = "\
entra proxy [OPTIONS] --to <ORIGIN>
       entra proxy [OPTIONS] --to <ORIGIN>
         -- <PROGRAM>...",
    mut_group("api", |group| group.required(false)),
    after_help = "\
Examples:
  entra proxy --to https://graph.microsoft.com --port 8080
  curl http://127.0.0.1:8080/v1.0/users
  # while one command runs
  entra proxy --to https://graph.microsoft.com -- \\
    sh -c 'curl $ENTRA_PROXY_URL/v1.0/users'
  # an SDK with a base URL and a key
  entra proxy --to https://contoso.openai.azure.com \\
    --resource https://cognitiveservices.azure.com \\
    --require-key -- sh -c '
      OPENAI_BASE_URL=$ENTRA_PROXY_URL/openai/v1 \\
      OPENAI_API_KEY=$ENTRA_PROXY_KEY python3 chat.py'
  # only for this user, on every Unix
  entra proxy --to https://graph.microsoft.com \\
    --socket proxy.sock
  curl --unix-socket proxy.sock \\
    http://localhost/v1.0/users"
)]
pub(crate) struct Arguments {
    /// The API by its origin, such as https://graph.microsoft.com; plain http is only for this
    /// machine
    #[arg(long, value_name = "ORIGIN")]
    to: String,

    #[command(flatten)]
    target: TargetSettings,

    /// Listen on this IP address, with or without a port; may be repeated [default: 127.0.0.1 and
    /// ::1]
    #[arg(long, value_name = "ADDRESS", value_parser = listen_address)]
    listen: Vec<ListenAddress>,

    /// Port; 0 chooses a free one [default: the port of --listen, or 0]
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,

    /// Name by which programs call this proxy, such as `proxy` in a compose file; may be repeated
    ///
    /// The first one is used in ENTRA_PROXY_URL. Requests whose Host header has another name are
    /// rejected. Loopback addresses and localhost are always known.
    #[arg(long = "name", value_name = "NAME")]
    names: Vec<String>,

    /// Listen on this Unix socket, for the own user and root; without --listen and --port, only on
    /// it
    #[cfg(unix)]
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,

    /// Require a random key of each program, which is printed, and set in ENTRA_PROXY_KEY
    #[arg(long)]
    require_key: bool,

    /// Require the key in this file, so that programs can use it after a restart; a missing file is
    /// created
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,

    /// Serve programs of all users of this machine without a key
    #[arg(long, conflicts_with_all = ["require_key", "key_file"])]
    any_user: bool,

    /// Serve programs on other machines and in other containers too; requires a key
    ///
    /// The requests are not encrypted: use it only if the network itself keeps others out, such as
    /// that of one pod or compose file.
    #[arg(long)]
    allow_remote: bool,

    /// Serve web pages of this origin, such as http://localhost:3000; may be repeated
    #[arg(long = "allow-origin", value_name = "ORIGIN")]
    allow_origins: Vec<String>,

    /// End a request or connection in which no byte moves for this time, in seconds, from 1 to
    /// 86400
    #[arg(long, value_name = "SECONDS", default_value_t = 1800, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    idle_timeout: u64,

    #[command(flatten)]
    identity: IdentityOptions,

    /// Program to run, and its arguments
    #[arg(last = true, value_name = "PROGRAM")]
    guest: Vec<OsString>,
}

impl Arguments {
    /// Returns true if requests are logged by default: not into the output of a command.
    pub(crate) fn logs_requests(&self) -> bool {
        self.guest.is_empty()
    }

    /// Rejects combinations that cannot work.
    fn check(&self) -> Result<(), Failure> {
        // A script with an empty variable for the command would otherwise wait without end.
        if self.guest.is_empty() && std::env::args_os().last().is_some_and(|last| last == "--") {
            return Err(
                Failure::text(Exit::Usage, "there is no command after --").hint("name the command to run, or omit --")
            );
        }
        if let Some(path) = &self.key_file {
            reject_contents(path, Exit::Configuration)?;
        }
        #[cfg(unix)]
        if let Some(path) = &self.socket {
            reject_contents(path, Exit::Configuration)?;
        }
        if self.allow_remote && !self.has_key() {
            return Err(Failure::text(
                Exit::Usage,
                "--allow-remote requires a key: otherwise every program uses the API",
            )
            .hint("add --require-key or --key-file FILE"));
        }
        if let Some(remote) = self.listen.iter().find(|address| !address.ip.is_loopback())
            && !self.allow_remote
        {
            let problem = format!("other machines can reach {}", remote.ip);
            return Err(Failure::text(Exit::Usage, problem)
                .hint("omit --listen, or add --allow-remote and --require-key if the network keeps others out"));
        }
        let named = self.listen.iter().filter_map(|address| address.port);
        if let (Some(port), Some(other)) = (self.port, named.clone().find(|other| Some(*other) != self.port)) {
            let problem = format!("--listen names the port {other}, but --port names {port}");
            return Err(Failure::text(Exit::Usage, problem).hint("omit one of them"));
        }
        Ok(())
    }

    fn has_key(&self) -> bool {
        self.require_key || self.key_file.is_some()
    }

    /// Returns the key of the proxy, if it requires one.
    fn key(&self) -> Result<Option<AccessKey>, Failure> {
        self.has_key().then(|| key(self.key_file.as_deref())).transpose()
    }

    /// Binds the addresses.
    async fn listeners(&self) -> Result<Vec<Listener>, Failure> {
        let bound = |error| Failure::from(error).hint_instead("choose another port with --port; 0 chooses a free one");
        let port = self.port.unwrap_or(0);
        let mut listeners = Vec::new();
        for address in &self.listen {
            let address = SocketAddr::new(address.ip, address.port.unwrap_or(port));
            // The options say whether other machines may use it.
            listeners.push(Listener::bind_any(address).await.map_err(bound)?);
        }
        #[cfg(unix)]
        if let Some(path) = &self.socket {
            let listener = Listener::unix(path, 0o600).await?;
            listeners.push(listener.with_users(Users::Own));
        }
        if listeners.is_empty() || (self.listen.is_empty() && self.port.is_some()) {
            listeners.extend(Listener::loopback(port).await.map_err(bound)?);
        }
        Ok(listeners)
    }

    /// Returns the variables by which programs find the proxy.
    fn variables(&self, listeners: &[Listener], key: Option<&AccessKey>) -> Vec<Variable> {
        let mut variables = Vec::new();
        if let Some(address) = listeners.iter().find_map(Listener::address) {
            variables.push((URL, self.origin(address)));
        }
        #[cfg(unix)]
        if let Some(path) = &self.socket {
            let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
            variables.push((SOCKET, path.to_string_lossy().into_owned()));
        }
        if let Some(key) = key {
            variables.push((KEY, key.expose().to_owned()));
        }
        variables
    }

    /// Returns the origin by which programs reach a listener with this address.
    fn origin(&self, address: SocketAddr) -> String {
        match self.names.first() {
            Some(name) => format!("http://{name}:{}", address.port()),
            None if address.ip().is_unspecified() => {
                format!(
                    "http://{}",
                    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), address.port())
                )
            }
            None => format!("http://{address}"),
        }
    }
}

pub(crate) fn run(mut arguments: Arguments) -> Result<(), Failure> {
    arguments.check()?;
    let origin: Origin = arguments
        .to
        .parse()
        .map_err(|error| Failure::from(error).context("--to"))?;
    if !origin.is_https() && !origin.is_loopback() {
        let problem = format!(
            "{} is plain http, which would send the token in the clear",
            origin.as_str()
        );
        return Err(Failure::text(Exit::Configuration, problem)
            .context("--to")
            .hint("use https"));
    }
    arguments.name_api(&origin)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::of(Exit::Configuration, &error))?;
    runtime.block_on(serve(&arguments, &origin))
}

impl Arguments {
    /// Sets the audience of the token from the origin, unless an option names the API.
    fn name_api(&mut self, origin: &Origin) -> Result<(), Failure> {
        if self.target.target_if_given()?.is_some() {
            return Ok(());
        }
        let uri = origin.as_str().parse().expect("an origin is a URI");
        let found = audience::of(&uri, &self.identity.cloud()?)?;
        // An account uses the cloud of its sign-in.
        if let Some(doubt) = found.doubt.filter(|_| !self.identity.is_for_account()) {
            warn(doubt, "name the cloud of the API with --authority-host");
        }
        self.target.default_resource(found.audience);
        tell(format_args!("resource: {} (from the {})", found.audience, found.from));
        Ok(())
    }
}

/// Runs the proxy until a signal or the end of the command, which ends this process.
async fn serve(arguments: &Arguments, origin: &Origin) -> Result<(), Failure> {
    let mut foreground = Foreground::watch()?;
    let target = arguments.target.target()?;
    let identity = arguments.identity.identity("proxy", &mut Shared::new(Arc::default()))?;
    let source = identity.client().source(&target)?;
    let connector = arguments.identity.network().connector()?;
    let key = arguments.key()?;
    let mut proxy = Proxy::builder(source, origin.as_str(), connector)?
        .idle_timeout(Duration::from_secs(arguments.idle_timeout))
        .remote_callers(arguments.allow_remote);
    if let Some(key) = &key {
        proxy = proxy.require_key(key.clone());
    }
    if arguments.any_user {
        proxy = proxy.any_user();
    }
    for name in &arguments.names {
        proxy = proxy.host(name);
    }
    for origin in &arguments.allow_origins {
        proxy = proxy.allow_origin(origin);
    }
    let listeners = arguments.listeners().await?;
    reject_circle(origin, &listeners)?;
    let set = arguments.variables(&listeners, key.as_ref());
    let place = listeners
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(" and ");
    let (stop, stopped) = oneshot::channel::<()>();
    let server = Server::new(listeners, limits(arguments));
    let server = tokio::spawn(server.run(proxy.build(), async { drop(stopped.await) }));
    // A credential that does not work is reported before the first request.
    let client = identity.client().clone();
    tokio::spawn(async move {
        if let Err(error) = client.token(&target).await {
            Failure::from(error).warn("there is no token yet");
        }
    });
    if arguments.guest.is_empty() {
        print_secret(&exports(&set))?;
        tell(format_args!("ready: {} at {place}", origin.as_str()));
    } else {
        let mut unset = arguments.identity.secret_variables();
        #[cfg(unix)]
        unset.extend(ServiceManager::VARIABLES.map(str::to_owned));
        foreground.start(&arguments.guest, &set, &unset)?;
    }
    let end = match foreground.next().await {
        Event::End(end) => end,
        // There is nothing to read again.
        #[cfg(unix)]
        Event::Hangup => End::Signal(signal_hook::consts::SIGHUP),
        #[cfg(not(unix))]
        Event::Hangup => unreachable!("only Unix has the signal"),
    };
    drop(stop);
    foreground.finish(end, server).await
}

/// Returns the limits of the server. Clients may pause as long as the API may.
fn limits(arguments: &Arguments) -> Limits {
    let mut limits = Limits::default();
    limits.head_bytes = 64 * 1024;
    limits.body_timeout = Duration::from_secs(60);
    limits.write_timeout = Duration::from_secs(arguments.idle_timeout);
    limits
}

/// Rejects a proxy to itself, whose requests would never end.
fn reject_circle(origin: &Origin, listeners: &[Listener]) -> Result<(), Failure> {
    let port = origin.as_str().rsplit_once(':').and_then(|(_, port)| port.parse().ok());
    let own = |listener: &Listener| listener.address().is_some_and(|address| Some(address.port()) == port);
    if origin.is_loopback() && listeners.iter().any(own) {
        return Err(
            Failure::text(Exit::Usage, "--to names the address of this proxy").hint("name the address of the API")
        );
    }
    Ok(())
}

/// The variables by which programs find the proxy.
const URL: &str = "ENTRA_PROXY_URL";
const SOCKET: &str = "ENTRA_PROXY_SOCKET";
const KEY: &str = "ENTRA_PROXY_KEY";
