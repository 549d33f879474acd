//! Where `entra emulator` listens, and what is said about that.

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
    /// The address to listen on: an IP address, with a port or without. 0.0.0.0 and [::] let other machines and containers
    /// in [default: 127.0.0.1]
    #[arg(long, value_name = "ADDRESS", value_parser = place)]
    listen: Option<Place>,

    /// The port for plain http; 0 takes a free one [default: the port of --listen, or 0]
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,

    /// A name or address by which clients reach this machine, such as `emulator` in a compose file. It stands in the printed
    /// lines and in the certificate; can be given several times
    #[arg(long, value_name = "NAME")]
    name: Vec<String>,

    /// Listen with TLS as well, with a certificate of a CA that is generated at the start
    #[arg(long)]
    pub(super) tls: bool,

    /// The port for TLS; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = 0, requires = "tls")]
    tls_port: u16,
}

/// The value of `--listen`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    ip: IpAddr,
    port: Option<u16>,
}

impl Address {
    /// Has the emulator listen there.
    pub(super) fn apply(&self, mut builder: EmulatorBuilder) -> Result<EmulatorBuilder, Failure> {
        let port = self.plain_port()?;
        builder = builder.port(port).ip(self.ip());
        if !self.ip().is_loopback() {
            // The user named that address.
            builder = builder.allow_other_machines();
        }
        for name in &self.name {
            // What is printed of it is read by programs, and not searched for secrets.
            if without_secrets(name) != *name {
                let failure = Failure::text(Exit::Usage, "--name holds a key or a token");
                return Err(failure.hint("give the name of a host, or an address"));
            }
            builder = builder.reached_as(without_brackets(name));
        }
        if self.tls {
            if port != 0 && port == self.tls_port {
                return Err(conflict(
                    format!("plain http and TLS cannot both have the port {port}"),
                    "give --tls-port another one",
                ));
            }
            builder = builder.tls_port(self.tls_port);
        }
        Ok(builder)
    }

    /// Warns of strangers, where some can come.
    pub(super) fn warn(&self, emulator: &Emulator) {
        let ip = self.ip();
        if ip.is_loopback() {
            return;
        }
        let whom = if ip.is_unspecified() {
            "every network of this machine".to_owned()
        } else {
            format!("the network of {ip}")
        };
        warn(
            format_args!("everybody on {whom} can reach this emulator, and its keys and secrets are public"),
            "use it with test data alone",
        );
        if ip.is_unspecified() && self.name.is_empty() {
            tell(format_args!(
                "{} is the address on this machine; for other machines and containers, --name NAME puts theirs into the lines below",
                emulator.base_url()
            ));
        }
    }

    /// The failure to listen at an address, with the option that helps.
    pub(super) fn failed(&self, address: SocketAddr, error: &entra_emulator::Error, kind: ErrorKind) -> Failure {
        let is_plain = self.plain_port().is_ok_and(|port| port == address.port());
        let advice = if kind == ErrorKind::AddrNotAvailable || address.port() == 0 {
            "choose another address with --listen"
        } else if is_plain {
            "choose another port with --port or --listen, or 0 for a free one"
        } else {
            "choose another port with --tls-port, or 0 for a free one"
        };
        Failure::of(Exit::Configuration, error).hint(advice)
    }

    fn ip(&self) -> IpAddr {
        self.listen.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |place| place.ip)
    }

    fn plain_port(&self) -> Result<u16, Failure> {
        match (self.listen.and_then(|place| place.port), self.port) {
            (Some(one), Some(other)) if one != other => Err(conflict(
                format!("--listen says the port {one}, and --port says {other}"),
                "leave out one of them",
            )),
            (one, other) => Ok(one.or(other).unwrap_or(0)),
        }
    }
}

fn conflict(problem: String, hint: &'static str) -> Failure {
    Failure::text(Exit::Usage, problem).hint(hint)
}

fn place(text: &str) -> Result<Place, WrongValue> {
    if let Ok(ip) = without_brackets(text).parse() {
        return listenable(ip, None);
    }
    if let Ok(address) = text.parse::<SocketAddr>() {
        return listenable(address.ip(), Some(address.port()));
    }
    let (host, port) = text.rsplit_once(':').unwrap_or((text, ""));
    Err(match host {
        _ if text.parse::<u16>().is_ok() => {
            WrongValue::new("that is a port", format!("say `--port {text}`, or 127.0.0.1:{text}"))
        }
        "" if !port.is_empty() => WrongValue::new(
            "there is no address before the port",
            format!("for all addresses say 0.0.0.0:{port}"),
        ),
        "localhost" => WrongValue::new("localhost can be several addresses", "say 127.0.0.1 or [::1]"),
        _ => WrongValue::new(
            "it is no IP address with or without a port, such as 127.0.0.1, 0.0.0.0:8500 or [::1]:8500",
            "a name goes to --name",
        ),
    })
}

fn listenable(ip: IpAddr, port: Option<u16>) -> Result<Place, WrongValue> {
    const HINT: &str = "say 127.0.0.1, [::1], or [::] for all addresses";
    // An address of the fourth version that is written as one of the sixth is no other address.
    let ip = ip.to_canonical();
    let problem = match ip {
        _ if ip.is_multicast() => "no program can be reached at a multicast address",
        IpAddr::V4(Ipv4Addr::BROADCAST) => "no program can be reached at the broadcast address",
        IpAddr::V6(ip) if ip.is_unicast_link_local() => "a link-local address means nothing without its interface",
        ip => return Ok(Place { ip, port }),
    };
    Err(WrongValue::new(problem, HINT))
}

/// An address of the sixth version as it stands without a port.
fn without_brackets(text: &str) -> &str {
    let inner = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    inner.filter(|inner| inner.contains(':')).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_with_and_without_a_port() {
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
            assert_eq!(place(text), Ok(Place { ip, port }), "{text}");
        }
    }

    #[test]
    fn other_texts_are_rejected_with_advice() {
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
            let problem = place(text).unwrap_err().to_string();
            assert!(problem.contains(advice), "{text}: {problem}");
        }
    }
}
