//! The proxy variables, interpreted as in curl: a table, and a comparison of the table with this
//! machine's curl.

mod table;

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::process::Command;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use entra_transport::Proxies;
use http::Uri;

use table::{Curl, Path, TABLE};

#[test]
fn exceptions_match_table() {
    for (uri, list, path, _) in TABLE {
        let proxies = Proxies::through("http://proxy.example:3128").unwrap();
        let proxies = match list {
            Some(list) => proxies.except(list),
            None => proxies,
        };
        assert_eq!(decide(&proxies, uri), *path, "{uri} with NO_PROXY={list:?}");
    }
}

#[test]
fn curl_matches_table() {
    let Some(curl) = curl() else { return };
    let servers = Servers::start();
    let rows = TABLE.iter().filter(|row| curl.supports(row.3));
    let mut wrong = Vec::new();
    let mut compared = 0;
    for (uri, list, path, _) in rows {
        let proxy = ("https_proxy", servers.proxy.as_str());
        let variables = [Some(proxy), list.map(|list| ("no_proxy", list))];
        let seen = servers.curl(&variables.into_iter().flatten().collect::<Vec<_>>(), uri);
        compared += 1;
        if seen != Some(*path) {
            wrong.push(format!(
                "{uri} with no_proxy={list:?}: curl {seen:?}, the table {path:?}"
            ));
        }
    }
    assert!(wrong.is_empty(), "curl {:?}:\n{}", curl.0, wrong.join("\n"));
    assert!(compared >= 60, "{compared} rows");
}

/// Sets of variables, and the path of a request to a.example. `PROXY` stands for the URI of the
/// proxy, and `DEAD` for that of a closed port.
#[cfg(unix)]
const VARIABLES: &[(&[(&str, &str)], Path)] = &[
    (&[], Path::Direct),
    (&[("https_proxy", "PROXY")], Path::Proxied),
    (&[("HTTPS_PROXY", "PROXY")], Path::Proxied),
    (&[("all_proxy", "PROXY")], Path::Proxied),
    (&[("ALL_PROXY", "PROXY")], Path::Proxied),
    (&[("http_proxy", "PROXY")], Path::Direct),
    (&[("HTTP_PROXY", "PROXY")], Path::Direct),
    (&[("https_proxy", "PROXY"), ("HTTPS_PROXY", "DEAD")], Path::Proxied),
    (&[("https_proxy", ""), ("HTTPS_PROXY", "PROXY")], Path::Proxied),
    (&[("HTTPS_PROXY", "PROXY"), ("all_proxy", "DEAD")], Path::Proxied),
    (&[("HTTPS_PROXY", ""), ("all_proxy", "PROXY")], Path::Proxied),
    (&[("all_proxy", "PROXY"), ("ALL_PROXY", "DEAD")], Path::Proxied),
    (
        &[
            ("https_proxy", ""),
            ("HTTPS_PROXY", ""),
            ("all_proxy", ""),
            ("ALL_PROXY", ""),
        ],
        Path::Direct,
    ),
    (&[("HTTPS_PROXY", "PROXY"), ("NO_PROXY", "a.example")], Path::Direct),
    (&[("HTTPS_PROXY", "PROXY"), ("no_proxy", "a.example")], Path::Direct),
    (&[("ALL_PROXY", "PROXY"), ("NO_PROXY", "a.example")], Path::Direct),
    (
        &[
            ("HTTPS_PROXY", "PROXY"),
            ("no_proxy", "b.example"),
            ("NO_PROXY", "a.example"),
        ],
        Path::Proxied,
    ),
    (
        &[("HTTPS_PROXY", "PROXY"), ("no_proxy", ""), ("NO_PROXY", "a.example")],
        Path::Direct,
    ),
    (
        &[("HTTPS_PROXY", "PROXY"), ("no_proxy", " "), ("NO_PROXY", "a.example")],
        Path::Proxied,
    ),
    (
        &[("HTTPS_PROXY", "PROXY"), ("no_proxy", "*"), ("NO_PROXY", "b.example")],
        Path::Direct,
    ),
];

// On other systems, variables whose names differ only in case are the same.
#[cfg(unix)]
#[test]
fn precedence_of_variables_is_that_of_curl() {
    let servers = Servers::start();
    let curl = curl();
    for (variables, path) in VARIABLES {
        let variables: Vec<_> = variables
            .iter()
            .map(|(name, value)| {
                let value = match *value {
                    "PROXY" => servers.proxy.as_str(),
                    "DEAD" => "http://127.0.0.1:1",
                    value => value,
                };
                (*name, value)
            })
            .collect();
        let mut child = without_proxies(std::env::current_exe().unwrap());
        let ended = child
            .args(["--exact", "no_proxy::child_decides", "--ignored", "--nocapture"])
            .envs(variables.iter().copied())
            .output()
            .unwrap();
        let printed = String::from_utf8_lossy(&ended.stdout);
        // The port distinguishes the proxy from the dead one.
        let port = servers.proxy.rsplit(':').next().unwrap();
        let expected = match path {
            Path::Proxied => format!("decided: {port}"),
            Path::Direct => "decided: direct".to_owned(),
        };
        assert!(
            ended.status.success() && printed.contains(&expected),
            "{variables:?}: {printed}"
        );
        if curl.is_some() {
            assert_eq!(
                servers.curl(&variables, "https://a.example/"),
                Some(*path),
                "curl: {variables:?}"
            );
        }
    }
}

#[test]
#[ignore = "the test above runs it in a separate process"]
fn child_decides() {
    let proxies = Proxies::from_env().unwrap();
    let decided = match proxies.for_uri(&Uri::from_static("https://a.example/")) {
        Some(proxy) => proxy.port().to_string(),
        None => "direct".to_owned(),
    };
    writeln!(io::stdout(), "decided: {decided}").unwrap();
}

fn decide(proxies: &Proxies, uri: &str) -> Path {
    match proxies.for_uri(&uri.parse().unwrap()) {
        Some(_) => Path::Proxied,
        None => Path::Direct,
    }
}

/// The version of this machine's curl.
struct Version(u32, u32);

impl Version {
    fn supports(&self, rows: Curl) -> bool {
        let version = (self.0, self.1);
        match rows {
            Curl::Every => true,
            Curl::Since(major, minor) => version >= (major, minor),
            Curl::Before(major, minor) => version < (major, minor),
            Curl::Never => false,
        }
    }
}

/// Returns the version of curl, or `None` with a message if no curl that supports networks is
/// installed.
///
/// # Panics
/// Panics if `CI` is set, unless `CI_NOT_INSTALLED` names curl.
fn curl() -> Option<Version> {
    let skipped = |why: &str| {
        let variable = |name| std::env::var(name).unwrap_or_default();
        let not_installed = variable("CI_NOT_INSTALLED");
        let is_installed = not_installed.split_whitespace().all(|name| name != "curl");
        assert!(variable("CI").is_empty() || !is_installed, "{why}");
        // The test harness captures `eprintln!`.
        let _ = writeln!(io::stderr(), "no_proxy: SKIPPED: {why}");
    };
    let Ok(output) = Command::new("curl").args(["-q", "--version"]).output() else {
        skipped("curl is not installed");
        return None;
    };
    let text = String::from_utf8_lossy(&output.stdout);
    let mut numbers = text.split([' ', '.']).skip(1).map_while(|part| part.parse().ok());
    let version = numbers.next().zip(numbers.next()).filter(|version| *version >= (7, 86));
    if version.is_none() {
        skipped("curl is older than 7.86");
    }
    version.map(|(major, minor)| Version(major, minor))
}

/// Returns a command whose process has no variables for proxies.
fn without_proxies(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().to_ascii_lowercase().ends_with("_proxy") {
            command.env_remove(name);
        }
    }
    command
}

/// A proxy and an origin that reject every request, and report each connection.
struct Servers {
    proxy: String,
    origin: u16,
    connections: Receiver<Path>,
}

impl Servers {
    fn start() -> Self {
        let (seen, connections) = channel();
        Self {
            proxy: format!("http://127.0.0.1:{}", listen(Path::Proxied, seen.clone()).unwrap()),
            origin: listen(Path::Direct, seen).unwrap(),
            connections,
        }
    }

    /// Returns the path that curl chooses for `uri`. All its connections lead to the proxy or to
    /// the origin, because it looks up no name.
    fn curl(&self, variables: &[(&str, &str)], uri: &str) -> Option<Path> {
        let ended = without_proxies("curl")
            .args(["-q", "--silent", "--max-time", "60", "--connect-to"])
            .arg(format!("::127.0.0.1:{}", self.origin))
            .arg(uri)
            .envs(variables.iter().copied())
            .output()
            .unwrap();
        assert!(!ended.status.success(), "the servers reject every request");
        let first = self.connections.recv_timeout(Duration::from_secs(60)).ok();
        assert!(self.connections.try_recv().is_err(), "one connection for {uri}");
        first
    }
}

fn listen(path: Path, seen: Sender<Path>) -> io::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let port = listener.local_addr()?.port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            // Reported before the response, so that it is known before curl exits.
            if seen.send(path).is_err() {
                return;
            }
            if let Ok(mut stream) = stream {
                let _ = stream.read(&mut [0; 4096]);
                let _ = stream.write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n");
            }
        }
    });
    Ok(port)
}
