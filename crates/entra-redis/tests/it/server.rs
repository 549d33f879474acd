//! A server of Redis in a temporary folder, on a socket of the file system.

use std::io::{BufRead, BufReader, Write, stderr};
use std::process::{Child, ChildStdout, Command, Stdio};

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, RedisResult};
use tempfile::TempDir;

use entra_redis::RedisCredentials;

/// A server of Redis, which ends with this value.
pub(crate) struct Server {
    process: Child,
    /// Kept open: the server writes its log there.
    _log: BufReader<ChildStdout>,
    folder: TempDir,
}

impl Server {
    /// Starts a server. Without one on this machine, reports the test as skipped and returns
    /// `None`.
    ///
    /// # Panics
    /// Panics if `CI` is set, unless `redis-server` is named in `CI_NOT_INSTALLED`.
    pub(crate) fn start() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let process = Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--appendonly", "no", "--unixsocket"])
            .arg(folder.path().join("socket"))
            .arg("--dir")
            .arg(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn();
        let Ok(mut process) = process else {
            skip("redis-server", "redis-server is not installed");
            return None;
        };
        let mut log = BufReader::new(process.stdout.take().unwrap());
        let mut text = String::new();
        while !text.contains("eady to accept connections") {
            let read = log.read_line(&mut text).unwrap();
            assert!(read > 0, "the server ended: {text}");
        }
        Some(Self {
            process,
            _log: log,
            folder,
        })
    }

    pub(crate) fn client(&self) -> Client {
        let path = self.folder.path().join("socket");
        Client::open(format!("redis+unix://{}", path.display())).unwrap()
    }

    /// Opens a connection of the default user, who needs no password.
    pub(crate) async fn admin(&self) -> MultiplexedConnection {
        self.client().get_multiplexed_async_connection().await.unwrap()
    }

    /// Opens a connection with these credentials.
    pub(crate) async fn connect(&self, credentials: &RedisCredentials) -> RedisResult<MultiplexedConnection> {
        let config = AsyncConnectionConfig::new().set_credentials_provider(credentials.clone());
        self.client()
            .get_multiplexed_async_connection_with_config(&config)
            .await
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Reports a test that cannot run without `need`.
fn skip(need: &str, why: &str) {
    let variable = |name| std::env::var(name).unwrap_or_default();
    let is_excused = variable("CI_NOT_INSTALLED").split_whitespace().any(|name| name == need);
    assert!(variable("CI").is_empty() || is_excused, "{why}");
    let test = std::thread::current().name().unwrap_or_default().to_owned();
    // The test harness would capture the output of `eprintln!`.
    let _ = writeln!(stderr(), "{test}: SKIPPED: {why}");
}
