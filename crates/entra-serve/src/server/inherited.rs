//! Sockets that systemd passes to this process (`sd_listen_fds(3)`).

use std::env;

use listenfd::ListenFd;

use super::listener::{Listener, Socket};
use super::unix::UnixSocket;
use crate::error::SetupError;

/// Takes the sockets.
///
/// # Errors
/// Returns an error for a socket of another kind.
pub(super) fn take() -> Result<Vec<Listener>, SetupError> {
    let variable = |name| env::var(name).ok();
    if count(variable("LISTEN_PID"), variable("LISTEN_FDS"), std::process::id()).is_none()
        || variable("LISTEN_FDS_FIRST_FD").is_some()
    {
        return Ok(Vec::new());
    }
    let mut sockets = ListenFd::from_env();
    (0..sockets.len()).map(|place| listener(&mut sockets, place)).collect()
}

fn listener(sockets: &mut ListenFd, place: usize) -> Result<Listener, SetupError> {
    let unix = sockets.take_unix_listener(place);
    if let Ok(Some(listener)) = unix {
        let socket = UnixSocket::new(listener, None).map_err(|error| unusable(place, error))?;
        return Ok(Listener(Socket::Unix(socket)));
    }
    match sockets.take_tcp_listener(place) {
        Ok(Some(listener)) => Listener::of_tcp(listener).map_err(|error| unusable(place, error)),
        Ok(None) => Err(unusable(place, std::io::ErrorKind::NotFound.into())),
        Err(error) => Err(unusable(place, error)),
    }
}

fn unusable(place: usize, error: std::io::Error) -> SetupError {
    SetupError::caused(
        format!("socket {} of the service manager cannot be used", place + 1),
        "use ListenStream= with an address or a path in the socket unit",
        error,
    )
}

/// Returns the number of sockets for the process with this ID.
fn count(pid: Option<String>, sockets: Option<String>, own: u32) -> Option<usize> {
    let pid: u32 = pid?.parse().ok()?;
    let sockets: usize = sockets?.parse().ok()?;
    (pid == own && (1..=MOST_SOCKETS).contains(&sockets)).then_some(sockets)
}

const MOST_SOCKETS: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sockets_for_this_process_count() {
        for (pid, sockets, expected) in [
            (Some("7"), Some("2"), Some(2)),
            (Some("8"), Some("2"), None),
            (None, Some("2"), None),
            (Some("7"), None, None),
            (Some("7"), Some("0"), None),
            (Some("7"), Some("33"), None),
            (Some("7"), Some("-1"), None),
            (Some("7"), Some("99999999999999999999"), None),
            (Some(""), Some(""), None),
        ] {
            let owned = |text: Option<&str>| text.map(str::to_owned);
            assert_eq!(count(owned(pid), owned(sockets), 7), expected, "{pid:?} {sockets:?}");
        }
    }
}
