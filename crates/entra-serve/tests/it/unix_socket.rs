//! Unix sockets.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use entra_serve::{Limits, Listener, Server};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::oneshot;

use crate::support::{Served, TOKEN};

/// A directory that is removed at the end.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("entra-serve-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn socket(&self) -> PathBuf {
        self.0.join("socket")
    }

    fn files(&self) -> usize {
        fs::read_dir(&self.0).unwrap().count()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

async fn token(served: &Served, path: &Path) -> bool {
    let mut stream = UnixStream::connect(path).await.unwrap();
    let request = format!(
        "GET /msi/token?api-version=2019-08-01&resource=https://graph.microsoft.com HTTP/1.1\r\nHost: localhost\r\nX-IDENTITY-HEADER: {}\r\n\r\n",
        served.key.expose()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut response = String::new();
    let read = tokio::time::timeout(Duration::from_secs(30), stream.read_to_string(&mut response));
    read.await.unwrap().unwrap();
    response.contains(TOKEN)
}

#[tokio::test]
async fn socket_is_private_and_removed_at_the_end() {
    let directory = Directory::new("private");
    let served = Served::new();
    for mode in [0o600, 0o660] {
        let listener = Listener::unix(directory.socket(), mode).await.unwrap();
        assert_eq!(listener.address(), None);
        assert!(listener.to_string().ends_with("/socket"), "{listener}");
        let metadata = fs::symlink_metadata(directory.socket()).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, mode);
        assert_eq!(directory.files(), 1);
        let (stop, stopped) = oneshot::channel::<()>();
        let server = Server::new(vec![listener], Limits::default());
        let run = tokio::spawn(server.run(served.endpoint.clone(), async {
            let _ = stopped.await;
        }));
        assert!(token(&served, &directory.socket()).await);
        drop(stop);
        run.await.unwrap();
        assert_eq!(directory.files(), 0);
    }
}

#[tokio::test]
async fn only_the_socket_of_an_ended_server_is_replaced() {
    let directory = Directory::new("replaced");
    // The standard library leaves the file.
    drop(std::os::unix::net::UnixListener::bind(directory.socket()).unwrap());
    let first = Listener::unix(directory.socket(), 0o600).await.unwrap();
    let error = Listener::unix(directory.socket(), 0o600).await.unwrap_err();
    assert!(error.to_string().contains("another server listens"), "{error}");
    // A file that has replaced it is not removed.
    fs::remove_file(directory.socket()).unwrap();
    fs::write(directory.socket(), "notes").unwrap();
    drop(first);
    let error = Listener::unix(directory.socket(), 0o600).await.unwrap_err();
    assert!(error.to_string().contains("not a socket"), "{error}");
    assert_eq!(fs::read_to_string(directory.socket()).unwrap(), "notes");
    fs::remove_file(directory.socket()).unwrap();
    std::os::unix::fs::symlink("/dev/null", directory.socket()).unwrap();
    let error = Listener::unix(directory.socket(), 0o600).await.unwrap_err();
    assert!(error.to_string().contains("not a socket"), "{error}");
}

/// Starts this program with two sockets as systemd does, and asks over both of them.
#[tokio::test]
async fn sockets_of_systemd_are_served() {
    let directory = Directory::new("inherited");
    let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = tcp.local_addr().unwrap();
    let unix = std::os::unix::net::UnixListener::bind(directory.socket()).unwrap();
    let script = r#"LISTEN_PID=$$ LISTEN_FDS=2 exec "$0" "$@" 3<&0 4>&1 </dev/null >/dev/null"#;
    let child = std::process::Command::new("sh")
        .args(["-c", script])
        .arg(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "unix_socket::child_serves_inherited_sockets",
            "--test-threads=1",
        ])
        .env(CHILD, "1")
        .stdin(std::os::fd::OwnedFd::from(tcp))
        .stdout(std::os::fd::OwnedFd::from(unix))
        .spawn()
        .unwrap();
    let child = Child(child);
    let over_tcp = health(tokio::net::TcpStream::connect(address).await.unwrap()).await;
    let over_unix = health(UnixStream::connect(directory.socket()).await.unwrap()).await;
    drop(child);
    assert!(over_tcp.ends_with("Healthy"), "{over_tcp}");
    assert!(over_unix.ends_with("Healthy"), "{over_unix}");
    // The file belongs to systemd.
    assert_eq!(directory.files(), 1);
}

/// A process that is ended when it is dropped.
struct Child(std::process::Child);

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn health(mut stream: impl AsyncReadExt + AsyncWriteExt + Unpin) -> String {
    let request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut response = String::new();
    let read = tokio::time::timeout(Duration::from_secs(30), stream.read_to_string(&mut response));
    read.await.unwrap().unwrap();
    response
}

/// The child of the test above. Otherwise it does nothing.
#[tokio::test]
async fn child_serves_inherited_sockets() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let listeners = Listener::inherited().unwrap();
    assert_eq!(listeners.len(), 2);
    assert!(Listener::inherited().unwrap().is_empty(), "the variables are removed");
    let server = Server::new(listeners, Limits::default());
    server.run(Served::new().endpoint, std::future::pending()).await;
}

const CHILD: &str = "ENTRA_SERVE_TEST_CHILD";

#[tokio::test]
async fn paths_that_cannot_be_used_are_errors_with_advice() {
    let directory = Directory::new("paths");
    for (path, hint) in [
        (directory.0.join("missing").join("socket"), "create its directory"),
        (directory.0.join("x".repeat(120)), "less than"),
        (PathBuf::from("/"), "choose another path"),
    ] {
        let error = Listener::unix(&path, 0o600).await.unwrap_err();
        assert!(error.hint().contains(hint), "{error}: {}", error.hint());
    }
    assert_eq!(directory.files(), 0);
}
