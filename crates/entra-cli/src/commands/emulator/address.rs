//! The options for the addresses of `entra emulator`, with their warnings and errors.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use clap::Args;
use entra_emulator::{Emulator, EmulatorBuilder};

use crate::arguments::WrongValue;
use crate::exit::{Exit, Failure};
use crate::files::tell;
use crate::message::warn;
use crate::sanitize::without_secrets;

#[derive(Args)]
pub(super) struct Address {
    /// Listen on this IP address, with or without a port; 0.0.0.0 and [::] accept connections from
    /// other machines and containers [default: 127.0.0.1]
    #[arg(long, value_name = "ADDRESS", value_parser = listen_address)]
    listen: Option<ListenAddress>,

    /// Port for plain http; 0 chooses a free one [default: the port of --listen, or 0]
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,

    /// Name or address by which clients reach this machine, such as `emulator` in a compose file;
    /// it is used in the printed lines and in the certificate; may be repeated
    #[arg(long, value_name = "NAME")]
    name: Vec<String>,

    /// Also listen with TLS; the certificate is issued by a CA that is generated at the start
    #[arg(long)]
    pub(super) tls: bool,

    /// Port for TLS; 0 chooses a free one
    #[arg(long, value_name = "PORT", default_value_t = 0, requires = "tls")]
    tls_port: u16,
}

/// An IP address to listen on, with or without a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ListenAddress {
    pub(crate) ip: IpAddr,
    pub(crate) port: Option<u16>,
}

impl Address {
    /// Sets the addresses of the emulator.
    pub(super) fn apply(&self, mut builder: EmulatorBuilder) -> Result<EmulatorBuilder, Failure> {
        let port = self.plain_port()?;
        builder = builder.port(port).ip(self.ip());
        if !self.ip().is_loopback() {
            // The user chose an address that other machines reach.
            builder = builder.allow_other_machines();
        }
        for name in &self.name {
            // The printed lines are for programs, so secrets in them are not redacted.
            if without_secrets(name) != *name {
                let failure = Failure::text(Exit::Usage, "--name contains a key or a token");
                return Err(failure.hint("pass a host name or an address"));
            }
            builder = builder.reached_as(without_brackets(name));
        }
        if self.tls {
            if port != 0 && port == self.tls_port {
                return Err(conflict(
                    format!("plain http and TLS cannot both use the port {port}"),
                    "choose another port with --tls-port",
                ));
            }
            builder = builder.tls_port(self.tls_port);
        }
        Ok(builder)
    }

    /// Warns if other machines can reach the emulator.
    pub(super) fn warn(&self, emulator: &Emulator) {
        let ip = self.ip();
        if ip.is_loopback() {
            return;
        }
        let networks = if ip.is_unspecified() {
            "all networks of this machine".to_owned()
        } else {
            format!("the network of {ip}")
        };
        warn(
            format_args!("users on {networks} can reach this emulator, and its keys and secrets are public"),
            "use it only with test data",
        );
        if ip.is_unspecified() && self.name.is_empty() {
            tell(format_args!(
                "{} is the address on this machine; to print one for other machines and containers, use --name NAME",
                emulator.base_url()
            ));
        }
    }

    /// Returns the failure to listen on an address, with the option that changes it.
    pub(super) fn failed(&self, address: SocketAddr, error: &entra_emulator::Error, kind: ErrorKind) -> Failure {
        let is_plain = self.plain_port().is_ok_and(|port| port == address.port());
        let advice = if kind == ErrorKind::AddrNotAvailable || address.port() == 0 {
            "choose another address with --listen"
        } else if is_plain {
            "choose another port with --port or --listen; 0 chooses a free one"
        } else {
            "choose another port with --tls-port; 0 chooses a free one"
        };
        Failure::of(Exit::Configuration, error).hint(advice)
    }

    fn ip(&self) -> IpAddr {
        self.listen
            .map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |listen_address| listen_address.ip)
    }

    fn plain_port(&self) -> Result<u16, Failure> {
        match (self.listen.and_then(|listen_address| listen_address.port), self.port) {
            (Some(one), Some(other)) if one != other => Err(conflict(
                format!("--listen names the port {one}, but --port names {other}"),
                "omit one of them",
            )),
            (one, other) => Ok(one.or(other).unwrap_or(0)),
        }
    }
}

fn conflict(problem: String, hint: &'static str) -> Failure {
    Failure::text(Exit::Usage, problem).hint(hint)
}

/// Parses the value of `--listen`.
///
/// # Errors
/// Returns an error with a hint if the text is not an address that this machine can listen on.
pub(crate) fn listen_address(text: &str) -> Result<ListenAddress, WrongValue> {
    if let Ok(ip) = without_brackets(text).parse() {
        return listenable(ip, None);
    }
    if let Ok(address) = text.parse::<SocketAddr>() {
        return listenable(address.ip(), Some(address.port()));
    }
    let (host, port) = text.rsplit_once(':').unwrap_or((text, ""));
    Err(match host {
        _ if text.parse::<u16>().is_ok() => WrongValue::new(
            "it is a port without an address",
            format!("use `--port {text}`, or 127.0.0.1:{text}"),
        ),
        "" if !port.is_empty() => WrongValue::new(
            "there is no address before the port",
            format!("for all addresses use 0.0.0.0:{port}"),
        ),
        "localhost" => WrongValue::new("localhost can be several addresses", "use 127.0.0.1 or [::1]"),
        _ => WrongValue::new(
            "it is not an IP address with or without a port, such as 127.0.0.1, 0.0.0.0:8500 or [::1]:8500",
            "pass a name with --name",
        ),
    })
}

fn listenable(ip: IpAddr, port: Option<u16>) -> Result<ListenAddress, WrongValue> {
    const HINT: &str = "use 127.0.0.1, [::1], or [::] for all addresses";
    // An IPv4-mapped IPv6 address is the same as the IPv4 address.
    let ip = ip.to_canonical();
    let problem = match ip {
        _ if ip.is_multicast() => "it is a multicast address",
        IpAddr::V4(Ipv4Addr::BROADCAST) => "it is the broadcast address",
        IpAddr::V6(ip) if ip.is_unicast_link_local() => "it is a link-local address, which requires an interface",
        ip => return Ok(ListenAddress { ip, port }),
    };
    Err(WrongValue::new(problem, HINT))
}

/// Removes the brackets around an IPv6 address.
fn without_brackets(text: &str) -> &str {
    let inner = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    inner.filter(|inner| inner.contains(':')).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_parsed_with_and_without_a_port() {
        for (text, ip, port) in [
            ("127.0.0.1", "127.0.0.1", None),
            ("0.0.0.0:8500", "0.0.0.0", Some(8500)),
            ("::", "::", None),
            ("::1", "::1", None),
            ("[::]", "::", None),
            ("[::1]:0", "::1", Some(0)),
            ("::ffff:127.0.0.1", "127.0.0.1", None),
            ("[::ffff:0.0.0.0]:8500", "0.0.0.0", Some(8500)),
        ] {
            let ip = ip.parse().unwrap();
            assert_eq!(listen_address(text), Ok(ListenAddress { ip, port }), "{text}");
        }
    }

    #[test]
    fn invalid_addresses_are_rejected_with_a_hint() {
        for (text, advice) in [
            ("8500", "--port 8500"),
            (":8500", "0.0.0.0:8500"),
            ("localhost", "127.0.0.1"),
            ("localhost:8500", "127.0.0.1"),
            ("emulator:8500", "--name"),
            ("0.0.0.0:80000", "[::1]:8500"),
            ("::1:x", "[::1]:8500"),
            ("[::1", "[::1]:8500"),
            ("", "127.0.0.1"),
            ("http://127.0.0.1:8500", "127.0.0.1"),
            ("224.0.0.1:8500", "multicast"),
            ("ff02::1", "multicast"),
            ("255.255.255.255", "broadcast"),
            ("fe80::1", "[::]"),
            ("[fe80::1%2]:8500", "[::]"),
        ] {
            let problem = listen_address(text).unwrap_err().to_string();
            assert!(problem.contains(advice), "{text}: {problem}");
        }
    }
}
