//! The hosts that are reached without a proxy, in the format of `NO_PROXY`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A list of exceptions, interpreted as curl does.
#[derive(Clone, Debug, Default)]
pub(crate) struct Exceptions {
    all: bool,
    entries: Vec<String>,
}

impl Exceptions {
    /// Adds the entries of `list`, which commas and white space separate. A list that is `*`
    /// matches every host.
    pub(crate) fn add(&mut self, list: &str) {
        self.all |= list == "*";
        let entries = list.split([',', ' ', '\t']).filter(|entry| !entry.is_empty());
        self.entries.extend(entries.map(str::to_owned));
    }

    pub(crate) fn contains(&self, host: &Host<'_>) -> bool {
        self.all || self.entries.iter().any(|entry| host.is(entry))
    }
}

/// The host of a URI. As in curl, names are compared by their ends and addresses by value.
pub(crate) enum Host<'a> {
    Name(&'a str),
    Address(IpAddr),
}

impl<'a> Host<'a> {
    /// Parses the host of a URI, which has brackets around an IPv6 address.
    pub(crate) fn parse(host: &'a str) -> Self {
        // The zone of an address names a network interface and is not part of its value.
        let v6 = without_brackets(host).and_then(|host| host.split('%').next()?.parse::<Ipv6Addr>().ok());
        let name = host.strip_suffix('.').unwrap_or(host);
        match (v6, ipv4(name)) {
            (Some(v6), _) => Self::Address(v6.into()),
            (None, Some(v4)) => Self::Address(v4.into()),
            (None, None) => Self::Name(name),
        }
    }

    pub(crate) fn is_loopback(&self) -> bool {
        matches!(self, Self::Address(address) if address.is_loopback())
    }

    fn is(&self, entry: &str) -> bool {
        match self {
            Self::Name(name) => is_in_domain(name.as_bytes(), entry),
            Self::Address(address) => is_within(*address, entry),
        }
    }
}

/// Returns whether `name` is the domain of `entry` or below it. One dot at either end of the entry
/// is ignored.
fn is_in_domain(name: &[u8], entry: &str) -> bool {
    let entry = entry.strip_suffix('.').unwrap_or(entry);
    let entry = entry.strip_prefix('.').unwrap_or(entry).as_bytes();
    let Some((above, end)) = name.len().checked_sub(entry.len()).map(|at| name.split_at(at)) else {
        return false;
    };
    end.eq_ignore_ascii_case(entry) && above.last().is_none_or(|byte| *byte == b'.')
}

/// Returns whether `address` is the address of `entry` or in its network: `192.0.2.7`,
/// `192.0.2.0/24`, `2001:db8::/32`.
///
/// As in curl, a network of 0 bits is the address itself. curl does not support brackets here; this
/// function does, since they are unambiguous.
fn is_within(address: IpAddr, entry: &str) -> bool {
    let (network, bits) = match entry.split_once('/') {
        Some((network, bits)) => (network, Some(bits)),
        None => (entry, None),
    };
    let whole = if address.is_ipv4() { 32 } else { 128 };
    let bits = match bits {
        None => whole,
        Some(digits) if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            match digits.parse::<u32>() {
                Ok(0) => whole,
                Ok(bits) if bits <= whole => bits,
                _ => return false,
            }
        }
        Some(_) => return false,
    };
    let network = without_brackets(network).unwrap_or(network);
    match (address, network.parse::<IpAddr>()) {
        (IpAddr::V4(address), Ok(IpAddr::V4(network))) => {
            (address.to_bits() ^ network.to_bits()).leading_zeros() >= bits
        }
        (IpAddr::V6(address), Ok(IpAddr::V6(network))) => {
            (address.to_bits() ^ network.to_bits()).leading_zeros() >= bits
        }
        _ => false,
    }
}

/// Parses an IPv4 address in each notation that the system's resolver accepts: `192.0.2.7`,
/// `0300.0.2.7`, `192.519`, `0xc0000207`.
fn ipv4(host: &str) -> Option<Ipv4Addr> {
    let mut parts = host.split('.').map(number).collect::<Option<Vec<u32>>>()?;
    let last = parts.pop()?;
    let bits = 32_u32.checked_sub(8 * u32::try_from(parts.len()).ok()?)?;
    if parts.iter().any(|part| *part > 255) || bits == 0 || u64::from(last) >> bits != 0 {
        return None;
    }
    let high = parts.iter().fold(0_u32, |high, part| high << 8 | part);
    Some(Ipv4Addr::from_bits(high.checked_shl(bits).unwrap_or(0) | last))
}

fn number(text: &str) -> Option<u32> {
    let (digits, radix) = match text.as_bytes() {
        [b'0', b'x' | b'X', ..] => (text.get(2..)?, 16),
        [b'0', _, ..] => (text.get(1..)?, 8),
        _ => (text, 10),
    };
    // `from_str_radix` accepts a sign.
    u32::from_str_radix(digits, radix)
        .ok()
        .filter(|_| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

fn without_brackets(host: &str) -> Option<&str> {
    host.strip_prefix('[')?.strip_suffix(']')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ipv4_addresses_are_parsed_in_every_notation() {
        let address = Ipv4Addr::new(192, 0, 2, 7);
        for host in [
            "192.0.2.7",
            "0300.0.2.7",
            "192.519",
            "192.0.519",
            "3221225991",
            "0xC0000207",
            "0xc0.0.0x2.07",
        ] {
            assert_eq!(ipv4(host), Some(address), "{host}");
        }
        for host in [
            "",
            ".",
            "192.0.2.7.",
            "192.0.2.256",
            "256.1",
            "1.2.3.4.5",
            "4294967296",
            "+1.2.3.4",
            "a.example",
            "0x",
            "08",
        ] {
            assert_eq!(ipv4(host), None, "{host}");
        }
        assert_eq!(ipv4("4294967295"), Some(Ipv4Addr::BROADCAST));
    }
}
