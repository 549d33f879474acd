//! Messages to the service manager (`sd_notify(3)`).

use std::env;
use std::io;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// The connection to the service manager that started this process, such as systemd with
/// `Type=notify` or `Type=notify-reload`. Without one it does nothing.
#[derive(Debug)]
pub struct ServiceManager {
    socket: Option<UnixDatagram>,
    watchdog: Option<Duration>,
}

impl ServiceManager {
    /// The variables of the service manager, which child processes should not inherit.
    pub const VARIABLES: [&str; 7] = [
        "NOTIFY_SOCKET",
        "WATCHDOG_USEC",
        "WATCHDOG_PID",
        "LISTEN_FDS",
        "LISTEN_PID",
        "LISTEN_FDNAMES",
        "LISTEN_PIDFDID",
    ];

    /// Reads the variables of this process. A value that cannot be used is as none.
    #[must_use]
    pub fn from_env() -> Self {
        Self::new(|name| env::var(name).ok(), std::process::id())
    }

    fn new(variable: impl Fn(&str) -> Option<String>, pid: u32) -> Self {
        let socket = variable("NOTIFY_SOCKET").and_then(|name| connect(&name).ok());
        let is_other = variable("WATCHDOG_PID").is_some_and(|own| own.parse() != Ok(pid));
        let watchdog = variable("WATCHDOG_USEC")
            .filter(|_| !is_other)
            .and_then(|time| time.parse().ok())
            .filter(|time| *time > 0)
            .map(Duration::from_micros);
        Self { socket, watchdog }
    }

    /// Reports that the program is ready, also after a reload.
    pub fn ready(&self) {
        self.send("READY=1");
    }

    /// Reports that the program reloads its configuration. [`ready`](Self::ready) must follow.
    pub fn reloading(&self) {
        let now = clock_gettime(ClockId::Monotonic);
        let microseconds = i128::from(now.tv_sec) * 1_000_000 + i128::from(now.tv_nsec) / 1000;
        self.send(&format!("RELOADING=1\nMONOTONIC_USEC={microseconds}"));
    }

    /// Reports that the program ends.
    pub fn stopping(&self) {
        self.send("STOPPING=1");
    }

    /// Reports the state as a text, which `systemctl status` shows.
    pub fn status(&self, text: &str) {
        self.send(&format!("STATUS={}", text.replace('\n', " ")));
    }

    /// Reports again and again that the program works, if the service manager wants that. It never
    /// completes.
    pub async fn watch(&self) {
        let Some(watchdog) = self.watchdog.filter(|_| self.socket.is_some()) else {
            return std::future::pending().await;
        };
        let mut ticks = tokio::time::interval((watchdog / 2).max(Duration::from_millis(1)));
        loop {
            ticks.tick().await;
            self.send("WATCHDOG=1");
        }
    }

    /// Sends a message. A failure is ignored: the program works without a service manager.
    fn send(&self, message: &str) {
        if let Some(socket) = &self.socket {
            let _ = socket.send(message.as_bytes());
        }
    }
}

/// Connects to the socket with this name: a path, or `@` with an abstract name (Linux).
fn connect(name: &str) -> io::Result<UnixDatagram> {
    let address = match name.strip_prefix('@') {
        Some(name) => abstract_address(name)?,
        None if name.starts_with('/') => SocketAddr::from_pathname(name)?,
        None => return Err(io::ErrorKind::InvalidInput.into()),
    };
    let socket = UnixDatagram::unbound()?;
    // A manager that does not read must not stop the program.
    socket.set_nonblocking(true)?;
    socket.connect_addr(&address)?;
    Ok(socket)
}

#[cfg(target_os = "linux")]
fn abstract_address(name: &str) -> io::Result<SocketAddr> {
    use std::os::linux::net::SocketAddrExt;

    SocketAddr::from_abstract_name(name)
}

#[cfg(not(target_os = "linux"))]
fn abstract_address(_: &str) -> io::Result<SocketAddr> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manager(variables: &[(&str, String)]) -> ServiceManager {
        let find = |name: &str| variables.iter().find(|(own, _)| *own == name);
        ServiceManager::new(|name| find(name).map(|(_, value)| value.clone()), 7)
    }

    fn received(socket: &UnixDatagram) -> String {
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let mut buffer = [0; 1000];
        let length = socket.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    }

    #[test]
    fn messages_reach_a_socket_in_the_file_system() {
        let path = env::temp_dir().join(format!("entra-serve-notify-{}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let socket = UnixDatagram::bind(&path).unwrap();
        let manager = manager(&[("NOTIFY_SOCKET", path.to_str().unwrap().into())]);
        std::fs::remove_file(&path).unwrap();
        manager.ready();
        assert_eq!(received(&socket), "READY=1");
        manager.status("two\nlines");
        assert_eq!(received(&socket), "STATUS=two lines");
        manager.reloading();
        let reloading = received(&socket);
        let time: u64 = reloading
            .strip_prefix("RELOADING=1\nMONOTONIC_USEC=")
            .unwrap()
            .parse()
            .unwrap();
        assert!(time > 0);
        manager.stopping();
        assert_eq!(received(&socket), "STOPPING=1");
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn messages_reach_an_abstract_socket() {
        use std::os::linux::net::SocketAddrExt;

        let name = format!("entra-serve-notify-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let socket = UnixDatagram::bind_addr(&address).unwrap();
        let manager = manager(&[
            ("NOTIFY_SOCKET", format!("@{name}")),
            ("WATCHDOG_USEC", "2000".into()),
            ("WATCHDOG_PID", "7".into()),
        ]);
        assert!(
            tokio::time::timeout(Duration::from_millis(50), manager.watch())
                .await
                .is_err()
        );
        assert_eq!(received(&socket), "WATCHDOG=1");
        assert_eq!(received(&socket), "WATCHDOG=1");
    }

    #[test]
    fn values_that_cannot_be_used_are_ignored() {
        for name in ["", "relative", "vsock:2:1", "/no/such/socket", "@", "/nul\0"] {
            let manager = manager(&[("NOTIFY_SOCKET", name.into())]);
            manager.ready();
            assert!(manager.socket.is_none() || name == "@", "{name:?}");
        }
        for (pid, time, expected) in [
            ("7", "3000000", Some(Duration::from_secs(3))),
            ("8", "3000000", None),
            ("x", "3000000", None),
            ("7", "0", None),
            ("7", "-1", None),
            ("7", "soon", None),
        ] {
            let manager = manager(&[("WATCHDOG_PID", pid.into()), ("WATCHDOG_USEC", time.into())]);
            assert_eq!(manager.watchdog, expected, "{pid} {time}");
        }
    }
}
