//! The options of `entra serve` that a configuration file can have too.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use clap::Args;

use crate::commands::emulator::address::{ListenAddress, listen_address};
use crate::exit::{Exit, Failure};
use crate::named_file::reject_contents;

/// The APIs, the addresses and the protocols of the server.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ServerOptions {
    /// An API that programs may get tokens for, by its audience, such as
    /// https://graph.microsoft.com; repeat it for each API
    #[arg(long = "resource", value_name = "AUDIENCE")]
    pub(super) resources: Vec<String>,

    /// Listen on this IP address, with or without a port; may be repeated [default: 127.0.0.1 and
    /// ::1]
    #[arg(long, value_name = "ADDRESS", value_parser = listen_address)]
    listen: Vec<ListenAddress>,

    /// Port; 0 chooses a free one [default: the port of --listen, or 0]
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,

    /// Name by which programs call this server, such as `tokens` in a compose file; may be repeated
    ///
    /// The first one is used in the variables. A request whose Host header has another name gets no
    /// token. Loopback addresses and localhost are always known.
    #[arg(long = "name", value_name = "NAME", value_parser = host_name)]
    pub(super) names: Vec<String>,

    /// Give tokens to programs on other machines and in other containers too
    ///
    /// The protocols have no encryption, and --imds has no key: use it only if the network itself
    /// keeps others out, such as that of one pod or compose file.
    #[arg(long)]
    pub(super) allow_remote: bool,

    /// Also speak the protocol of the instance metadata service, for programs with the address in
    /// AZURE_POD_IDENTITY_AUTHORITY_HOST; it has no key: see --any-user
    #[arg(long)]
    pub(super) imds: bool,

    /// Also speak the protocol of the Azure Developer CLI (azd), by AZD_AUTH_ENDPOINT and
    /// AZD_AUTH_KEY
    #[arg(long)]
    pub(super) azd: bool,

    /// Also serve the routes of Microsoft's authentication sidecar, for programs with the address
    /// in SIDECAR_URL; it has no key, and its APIs are tables [api.NAME] of the configuration file
    #[arg(long)]
    pub(super) sidecar: bool,

    /// Give tokens to programs of all users of this machine by --imds and --sidecar, which have no
    /// key
    ///
    /// By default, on Linux, only programs of this user and of root get them. In a pod, programs of
    /// other containers mostly have other users.
    #[arg(long)]
    pub(super) any_user: bool,

    /// Let a request name another tenant than that of the identity, where its protocol can
    #[arg(long)]
    pub(super) any_tenant: bool,

    /// Also listen on this Unix socket, for the own user and root
    #[cfg(unix)]
    #[arg(long, value_name = "PATH")]
    pub(super) socket: Option<PathBuf>,

    /// Let the user with this ID connect to --socket too; may be repeated
    #[cfg(unix)]
    #[arg(long = "socket-user", value_name = "UID")]
    pub(super) socket_users: Vec<u32>,

    /// Serve metrics for Prometheus at /metrics of this address; they contain no token, and need no
    /// key
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(super) metrics: Option<SocketAddr>,

    /// Keep the key of the server in this file, so that programs can use it after a restart; a
    /// missing file is created [default: a random key at each start]
    #[arg(long, value_name = "FILE")]
    pub(super) key_file: Option<PathBuf>,

    /// Write the variables to this file too, as NAME=VALUE lines that only this user can read
    ///
    /// systemd (EnvironmentFile=) and containers (--env-file) read such files. It is replaced in
    /// one step, before the server is ready.
    #[arg(long, value_name = "FILE")]
    pub(super) env_file: Option<PathBuf>,
}

impl ServerOptions {
    /// Returns these options, and those of `file` where these have none.
    pub(super) fn over(self, file: Self) -> Self {
        fn either<T>(own: Vec<T>, others: Vec<T>) -> Vec<T> {
            if own.is_empty() { others } else { own }
        }
        Self {
            resources: either(self.resources, file.resources),
            listen: either(self.listen, file.listen),
            port: self.port.or(file.port),
            names: either(self.names, file.names),
            allow_remote: self.allow_remote || file.allow_remote,
            imds: self.imds || file.imds,
            azd: self.azd || file.azd,
            sidecar: self.sidecar || file.sidecar,
            any_tenant: self.any_tenant || file.any_tenant,
            any_user: self.any_user || file.any_user,
            #[cfg(unix)]
            socket: self.socket.or(file.socket),
            #[cfg(unix)]
            socket_users: either(self.socket_users, file.socket_users),
            metrics: self.metrics.or(file.metrics),
            key_file: self.key_file.or(file.key_file),
            env_file: self.env_file.or(file.env_file),
        }
    }

    /// Rejects combinations that cannot work.
    ///
    /// # Errors
    /// Returns an error that names the options.
    pub(super) fn check(&self) -> Result<(), Failure> {
        for path in [&self.key_file, &self.env_file].into_iter().flatten() {
            reject_contents(path, Exit::Configuration)?;
        }
        #[cfg(unix)]
        if let Some(path) = &self.socket {
            reject_contents(path, Exit::Configuration)?;
        }
        if let Some(remote) = self.listen.iter().find(|address| !address.ip.is_loopback())
            && !self.allow_remote
        {
            let problem = format!(
                "other machines can reach {}, and programs there get no tokens without --allow-remote",
                remote.ip
            );
            return Err(Failure::text(Exit::Usage, problem)
                .hint("omit --listen, or add --allow-remote if the network keeps others out"));
        }
        if let Some(port) = self.port {
            let other = self
                .listen
                .iter()
                .filter_map(|address| address.port)
                .find(|own| *own != port);
            if let Some(other) = other {
                let problem = format!("--listen names the port {other}, but --port names {port}");
                return Err(Failure::text(Exit::Usage, problem).hint("omit one of them"));
            }
        }
        #[cfg(unix)]
        if self.socket.is_none() && !self.socket_users.is_empty() {
            return Err(Failure::text(Exit::Usage, "--socket-user requires --socket").hint("add --socket PATH"));
        }
        Ok(())
    }

    /// Returns true if an option names an address.
    pub(super) fn names_address(&self) -> bool {
        !self.listen.is_empty() || self.port.is_some()
    }

    /// Returns the addresses to listen on, or `None` for all of `localhost` with this port.
    pub(super) fn addresses(&self) -> Option<Vec<SocketAddr>> {
        let of = |address: &ListenAddress| SocketAddr::new(address.ip, address.port.unwrap_or_else(|| self.port()));
        (!self.listen.is_empty()).then(|| self.listen.iter().map(of).collect())
    }

    /// Returns the port for addresses without one.
    pub(super) fn port(&self) -> u16 {
        self.port.unwrap_or(0)
    }

    /// Returns the origin by which programs reach a listener with this address.
    pub(super) fn origin(&self, address: SocketAddr) -> String {
        let ip = match address.ip() {
            IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
            ip => ip,
        };
        match self.names.first() {
            Some(name) => format!("http://{name}:{}", address.port()),
            None => format!("http://{}", SocketAddr::new(ip, address.port())),
        }
    }

    /// Returns the options without those that a running server can change.
    pub(super) fn fixed(&self) -> Self {
        Self {
            resources: Vec::new(),
            ..self.clone()
        }
    }
}

/// Parses a name or an IPv4 address as URLs and the `Host` header have it, without a port.
fn host_name(text: &str) -> Result<String, String> {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    if text.is_empty() || text.len() > LONGEST_NAME || !text.bytes().all(is_part) {
        return Err("this is not a name without a port, such as tokens or tokens.internal".to_owned());
    }
    Ok(text.to_owned())
}

/// The length of the longest name in DNS, in bytes.
const LONGEST_NAME: usize = 253;
