//! `entra proxy`: requests with a token, from programs without one.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::process::Output;
use std::time::{Duration, Instant};

use entra_emulator::Emulator;

use crate::common::server::{self, Server};
use crate::common::{self, GRAPH, Running, command, err, fails, out, private_folder, run, variables};

/// A running proxy, and what it printed at the start.
struct Proxy {
    process: Running,
    /// The host and port.
    address: String,
    key: String,
    errors: BufReader<std::process::ChildStderr>,
}

impl Proxy {
    fn start(emulator: &Emulator, words: &[&str]) -> Self {
        Self::with(words, &variables(emulator))
    }

    fn with(words: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut process = Running::start(&mut command(&[&["proxy"], words].concat(), variables));
        let mut errors = BufReader::new(process.stderr.take().unwrap());
        let mut line = String::new();
        while !line.starts_with("ready: ") {
            line.clear();
            assert!(errors.read_line(&mut line).unwrap() > 0, "the proxy ended");
        }
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let (mut address, mut key) = (String::new(), String::new());
        let last = if words.contains(&"--require-key") { "_KEY=" } else { "_" };
        loop {
            let mut line = String::new();
            assert!(
                output.read_line(&mut line).unwrap() > 0,
                "the variables are not printed"
            );
            let value = line.trim_end().split_once('=').unwrap().1.to_owned();
            if line.starts_with("export ENTRA_PROXY_URL=") {
                address = value.strip_prefix("http://").unwrap().to_owned();
            } else if line.starts_with("export ENTRA_PROXY_KEY=") {
                key.clone_from(&value);
            }
            if line.contains(last) {
                break;
            }
        }
        Self {
            process,
            address,
            key,
            errors,
        }
    }

    /// Sends a request with these further header lines, and returns the response.
    fn get(&self, path: &str, headers: &str) -> String {
        let stream = TcpStream::connect(&self.address).unwrap();
        get(stream, path, headers)
    }

    /// Ends the proxy by a signal, and returns what it wrote to standard error since the start.
    fn end(mut self) -> String {
        let pid = i32::try_from(self.process.id()).unwrap();
        let pid = rustix::process::Pid::from_raw(pid).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        let mut errors = String::new();
        self.errors.read_to_string(&mut errors).unwrap();
        errors
    }
}

fn get(mut stream: impl Read + Write, path: &str, headers: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{headers}Connection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    response
}

/// Runs a command of a shell behind a proxy to an emulator.
fn guest(emulator: &Emulator, words: &[&str], script: &str) -> Output {
    let own = ["proxy", "--to", emulator.base_url(), "--resource", GRAPH];
    run(
        &[&own, words, &["--", "sh", "-c", script]].concat(),
        &variables(emulator),
    )
}

#[test]
fn client_that_reads_its_token_once_outlives_it() {
    // The emulator rejects a token that has expired.
    let life = Duration::from_secs(3);
    let emulator = Emulator::builder().token_lifetime(life).start();
    let proxy = Proxy::start(&emulator, &["--to", emulator.base_url(), "--resource", GRAPH]);
    let token = out(&run(&["token", "--resource", GRAPH], &variables(&emulator)))
        .trim()
        .to_owned();
    let path = emulator
        .graph_url()
        .strip_prefix(emulator.base_url())
        .unwrap()
        .to_owned()
        + "/users";
    let fixed = format!("Authorization: Bearer {token}\r\n");
    let start = Instant::now();
    while start.elapsed() < life * 3 + Duration::from_secs(1) {
        let response = proxy.get(&path, &fixed);
        assert!(
            response.starts_with("HTTP/1.1 200 "),
            "{:?}: {response}",
            start.elapsed()
        );
        std::thread::sleep(Duration::from_millis(300));
    }
    // Without the proxy, the token is of no use any more.
    let address = emulator.base_url().strip_prefix("http://").unwrap();
    let direct = get(TcpStream::connect(address).unwrap(), &path, &fixed);
    assert!(direct.starts_with("HTTP/1.1 401 "), "{direct}");
    assert!(emulator.token_requests().len() >= 4);
    let log = proxy.end();
    assert!(log.contains("protocol: proxy") && log.contains(&path), "{log}");
    assert!(!log.contains("eyJ") && !log.contains(emulator.client_secret()), "{log}");
}

#[test]
fn command_gets_the_address_and_determines_the_exit_code() {
    let emulator = Emulator::start();
    let output = guest(
        &emulator,
        &["--require-key"],
        "echo $ENTRA_PROXY_URL $ENTRA_PROXY_KEY secret:$AZURE_CLIENT_SECRET; exit 7",
    );
    assert_eq!(output.status.code(), Some(7), "{}", err(&output));
    let printed: Vec<&str> = out(&output).split_whitespace().collect();
    let [url, key, secret] = printed[..] else {
        panic!("{printed:?}")
    };
    assert!(url.starts_with("http://127.0.0.1:"), "{url}");
    assert_eq!((key.len(), secret), (43, "secret:"));
    assert!(!err(&output).contains(key), "{}", err(&output));
    let output = guest(&emulator, &[], "echo key:$ENTRA_PROXY_KEY");
    assert_eq!((output.status.code(), out(&output).trim()), (Some(0), "key:"));
    let missing = run(
        &[
            "proxy",
            "--to",
            emulator.base_url(),
            "--resource",
            GRAPH,
            "--",
            "no-such-program",
        ],
        &variables(&emulator),
    );
    fails(&missing, 127, &["no-such-program"]);
}

#[test]
fn key_is_required_of_each_program() {
    let emulator = Emulator::start();
    let server = Server::start(|request| {
        let token = request.header("authorization").unwrap_or_default().to_owned();
        server::Response::new(200).body(token.get(..10).unwrap_or_default().as_bytes())
    });
    let proxy = Proxy::start(
        &emulator,
        &["--to", &server.url(""), "--resource", GRAPH, "--require-key"],
    );
    let response = proxy.get("/", "");
    assert!(
        response.starts_with("HTTP/1.1 401 ") && response.contains("entra-proxy-error: wrong-key"),
        "{response}"
    );
    assert!(server.requests().is_empty());
    let response = proxy.get("/", &format!("Authorization: Bearer {}\r\n", proxy.key));
    assert!(response.ends_with("Bearer eyJ"), "{response}");
}

#[test]
fn unix_socket_replaces_the_port() {
    let emulator = Emulator::start();
    let folder = private_folder();
    let path = folder.path().join("proxy.sock");
    let text = path.to_str().unwrap();
    let proxy = Proxy::start(
        &emulator,
        &["--to", emulator.base_url(), "--resource", GRAPH, "--socket", text],
    );
    assert_eq!(proxy.address, "");
    let users = emulator
        .graph_url()
        .strip_prefix(emulator.base_url())
        .unwrap()
        .to_owned()
        + "/users";
    let response = get(UnixStream::connect(&path).unwrap(), &users, "");
    assert!(response.starts_with("HTTP/1.1 200 "), "{response}");
    proxy.end();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn failed_token_is_reported_to_user_and_program() {
    let emulator = Emulator::start();
    let mut wrong = variables(&emulator);
    wrong[3].1 = "wrong-secret-canary";
    let proxy = Proxy::with(&["--to", emulator.base_url(), "--resource", GRAPH], &wrong);
    let response = proxy.get("/v1.0/users", "");
    assert!(response.starts_with("HTTP/1.1 502 "), "{response}");
    for text in [
        "entra-proxy-error: no-token",
        "AADSTS7000215",
        "\"aadsts_codes\":[7000215]",
        "\"hint\":",
    ] {
        assert!(response.contains(text), "{text} is not in {response}");
    }
    let log = proxy.end();
    assert!(log.contains("AADSTS7000215"), "{log}");
    assert!(!response.contains("canary") && !log.contains("canary"), "{log}");
}

#[test]
fn known_host_determines_the_api() {
    let variables = common::UNREACHABLE;
    let output = run(
        &["proxy", "--to", "https://graph.microsoft.com", "--", "true"],
        &[
            &variables[..],
            &[("AZURE_CLIENT_SECRET", "s"), ("PATH", "/usr/bin:/bin")],
        ]
        .concat(),
    );
    assert!(output.status.success(), "{}", err(&output));
    assert!(
        err(&output).contains("resource: https://graph.microsoft.com (from the host)"),
        "{}",
        err(&output)
    );
}

#[test]
fn invalid_options_are_rejected_at_the_start() {
    let emulator = Emulator::start();
    let to = ["--to", "https://graph.microsoft.com"];
    for (words, code, text) in [
        (&["--to", "https://graph.microsoft.com/v1.0"][..], 3, "has a path"),
        (&["--to", "http://graph.microsoft.com"], 3, "plain http"),
        (&["--to", "graph.microsoft.com"], 3, "--to"),
        (&["--to", "https://user:canary@graph.microsoft.com"], 3, "user name"),
        (
            &["--to", "https://api.contoso.com"],
            2,
            "is not the host of a well-known API",
        ),
        (&[], 2, "--to"),
        (&[&to[..], &["--allow-remote"]].concat(), 2, "requires a key"),
        (
            &[&to[..], &["--listen", "0.0.0.0"]].concat(),
            2,
            "other machines can reach 0.0.0.0",
        ),
        (&[&to[..], &["--require-key", "--any-user"]].concat(), 2, "--any-user"),
        (
            &[&to[..], &["--listen", "127.0.0.1:1000", "--port", "1001"]].concat(),
            2,
            "1001",
        ),
        (&[&to[..], &["--"]].concat(), 2, "no command after --"),
    ] {
        let output = run(&[&["proxy"], words].concat(), &variables(&emulator));
        fails(&output, code, &[text]);
        assert!(!err(&output).contains("canary"), "{}", err(&output));
    }
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
        .to_string();
    let circle = [
        "proxy",
        "--to",
        &format!("http://127.0.0.1:{port}"),
        "--resource",
        GRAPH,
        "--port",
        &port,
    ];
    fails(&run(&circle, &variables(&emulator)), 2, &["the address of this proxy"]);
    assert!(emulator.token_requests().is_empty());
}
