//! `NO_PROXY` and its relatives, decided as curl decides: a table, and the curl of this machine against it.

mod table;

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::process::Command;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use entra_transport::Proxies;
use http::Uri;

use table::{Curl, TABLE, Way};

#[test]
fn exceptions_are_decided_as_the_table_says() {
    for (uri, list, way, _) in TABLE {
        let proxies = Proxies::through("http://proxy.example:3128").unwrap();
        let proxies = match list {
            Some(list) => proxies.except(list),
            None => proxies,
        };
        assert_eq!(decide(&proxies, uri), *way, "{uri} with NO_PROXY={list:?}");
    }
}

#[test]
fn curl_decides_as_the_table_says() {
    let Some(curl) = curl() else { return };
    let wires = Wires::start();
    let rows = TABLE.iter().filter(|row| curl.knows(row.3));
    let mut wrong = Vec::new();
    let mut compared = 0;
    for (uri, list, way, _) in rows {
        let proxy = ("https_proxy", wires.proxy.as_str());
        let variables = [Some(proxy), list.map(|list| ("no_proxy", list))];
        let seen = wires.curl(&variables.into_iter().flatten().collect::<Vec<_>>(), uri);
        compared += 1;
        if seen != Some(*way) {
            wrong.push(format!(
                "{uri} with no_proxy={list:?}: curl {seen:?}, the table {way:?}"
            ));
        }
    }
    assert!(wrong.is_empty(), "curl {:?}:\n{}", curl.0, wrong.join("\n"));
    assert!(compared >= 60, "{compared} rows");
}

/// Which of several variables counts; `PROXY` stands for the proxy, and the host is a.example.
#[cfg(unix)]
const VARIABLES: &[(&[(&str, &str)], Way)] = &[
    (&[], Way::Direct),
    (&[("https_proxy", "PROXY")], Way::Proxied),
    (&[("HTTPS_PROXY", "PROXY")], Way::Proxied),
    (&[("all_proxy", "PROXY")], Way::Proxied),
    (&[("ALL_PROXY", "PROXY")], Way::Proxied),
    (&[("http_proxy", "PROXY")], Way::Direct),
    (&[("HTTP_PROXY", "PROXY")], Way::Direct),
    (&[("https_proxy", "PROXY"), ("HTTPS_PROXY", "DEAD")], Way::Proxied),
    (&[("https_proxy", ""), ("HTTPS_PROXY", "PROXY")], Way::Proxied),
    (&[("HTTPS_PROXY", "PROXY"), ("all_proxy", "DEAD")], Way::Proxied),
    (&[("HTTPS_PROXY", ""), ("all_proxy", "PROXY")], Way::Proxied),
    (&[("all_proxy", "PROXY"), ("ALL_PROXY", "DEAD")], Way::Proxied),
    (
        &[
            ("https_proxy", ""),
            ("HTTPS_PROXY", ""),
            ("all_proxy", ""),
            ("ALL_PROXY", ""),
        ],
        Way::Direct,
    ),
    (&[("HTTPS_PROXY", "PROXY"), ("NO_PROXY", "a.example")], Way::Direct),
    (&[("HTTPS_PROXY", "PROXY"), ("no_proxy", "a.example")], Way::Direct),
    (&[("ALL_PROXY", "PROXY"), ("NO_PROXY", "a.example")], Way::Direct),
    (
        &[
            ("HTTPS_PROXY", "PROXY"),
            ("no_proxy", "b.example"),
            ("NO_PROXY", "a.example"),
        ],
        Way::Proxied,
    ),
    (
        &[("HTTPS_PROXY", "PROXY"), ("no_proxy", ""), ("NO_PROXY", "a.example")],
        Way::Direct,
    ),
    (
        &[("HTTPS_PROXY", "PROXY"), ("no_proxy", " "), ("NO_PROXY", "a.example")],
        Way::Proxied,
    ),
    (
        &[("HTTPS_PROXY", "PROXY"), ("no_proxy", "*"), ("NO_PROXY", "b.example")],
        Way::Direct,
    ),
];

// UnlistedOrigin, names of variables that differ in case only are the same.
#[cfg(unix)]
#[test]
fn variables_count_in_the_order_of_curl() {
    let wires = Wires::start();
    let curl = curl();
    for (variables, way) in VARIABLES {
        let variables: Vec<_> = variables
            .iter()
            .map(|(name, value)| {
                let value = match *value {
                    "PROXY" => wires.proxy.as_str(),
                    "DEAD" => "http://127.0.0.1:1",
                    value => value,
                };
                (*name, value)
            })
            .collect();
        let mut again = alone(std::env::current_exe().unwrap());
        let ended = again
            .args(["--exact", "no_proxy::child_decides", "--ignored", "--nocapture"])
            .envs(variables.iter().copied())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&ended.stdout);
        // The port of the proxy that is there, and not that of the dead one.
        let port = wires.proxy.rsplit(':').next().unwrap();
        let expected = match way {
            Way::Proxied => format!("decided: {port}"),
            Way::Direct => "decided: direct".to_owned(),
        };
        assert!(
            ended.status.success() && said.contains(&expected),
            "{variables:?}: {said}"
        );
        if curl.is_some() {
            assert_eq!(
                wires.curl(&variables, "https://a.example/"),
                Some(*way),
                "curl: {variables:?}"
            );
        }
    }
}

#[test]
#[ignore = "run by the test above in a process of its own"]
fn child_decides() {
    let proxies = Proxies::from_env().unwrap();
    let decided = match proxies.for_uri(&Uri::from_static("https://a.example/")) {
        Some(proxy) => proxy.port().to_string(),
        None => "direct".to_owned(),
    };
    writeln!(io::stdout(), "decided: {decided}").unwrap();
}

fn decide(proxies: &Proxies, uri: &str) -> Way {
    match proxies.for_uri(&uri.parse().unwrap()) {
        Some(_) => Way::Proxied,
        None => Way::Direct,
    }
}

/// The version of the curl of this machine.
struct Version(u32, u32);

impl Version {
    fn knows(&self, rows: Curl) -> bool {
        let version = (self.0, self.1);
        match rows {
            Curl::Every => true,
            Curl::Since(major, minor) => version >= (major, minor),
            Curl::Before(major, minor) => version < (major, minor),
            Curl::Never => false,
        }
    }
}

/// Returns `None`, and says so, where there is no curl that compares networks. That is an error where CI has installed curl.
fn curl() -> Option<Version> {
    let skipped = |why: &str| {
        let variable = |name| std::env::var(name).unwrap_or_default();
        let not_installed = variable("CI_NOT_INSTALLED");
        let is_installed = not_installed.split_whitespace().all(|name| name != "curl");
        assert!(variable("CI").is_empty() || !is_installed, "{why}");
        // Not by `eprintln!`, which the test harness keeps to itself.
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

/// A command without any variable about proxies.
fn alone(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().to_ascii_lowercase().ends_with("_proxy") {
            command.env_remove(name);
        }
    }
    command
}

/// A proxy and an origin that hang up on everybody, and tell who came to which.
struct Wires {
    proxy: String,
    origin: u16,
    seen: Receiver<Way>,
}

impl Wires {
    fn start() -> Self {
        let (seen, came) = channel();
        Self {
            proxy: format!("http://127.0.0.1:{}", listen(Way::Proxied, seen.clone()).unwrap()),
            origin: listen(Way::Direct, seen).unwrap(),
            seen: came,
        }
    }

    /// Where curl goes first for `uri`. All its ways lead to the proxy or to the origin, as no name is looked up.
    fn curl(&self, variables: &[(&str, &str)], uri: &str) -> Option<Way> {
        let ended = alone("curl")
            .args(["-q", "--silent", "--max-time", "60", "--connect-to"])
            .arg(format!("::127.0.0.1:{}", self.origin))
            .arg(uri)
            .envs(variables.iter().copied())
            .output()
            .unwrap();
        assert!(!ended.status.success(), "nobody answers");
        let first = self.seen.recv_timeout(Duration::from_secs(60)).ok();
        assert!(self.seen.try_recv().is_err(), "one connection for {uri}");
        first
    }
}

fn listen(way: Way, seen: Sender<Way>) -> io::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let port = listener.local_addr()?.port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            // Told before anything is answered, so that it is known before curl ends.
            if seen.send(way).is_err() {
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
