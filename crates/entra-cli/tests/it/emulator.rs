//! `entra emulator` as seen by other programs: output, signals, addresses, logs.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use entra_emulator::Emulator;

#[cfg(target_os = "linux")]
use crate::common::skips::skip;
use crate::common::{self, Running, command, fails, run};

/// Starts an emulator, and returns the printed lines up to the one with this beginning.
///
/// It must be the last line: without a reader for further lines, the emulator would end.
pub(super) fn started(words: &[&str], variables: &[(&str, &str)], last: &str) -> (Running, Vec<String>) {
    let mut child = Running::start(&mut command(&[&["emulator"], words].concat(), variables));
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut printed = Vec::new();
    for line in lines {
        let is_last = line.starts_with(last);
        printed.push(line);
        if is_last {
            break;
        }
    }
    (child, printed)
}

pub(super) fn folder(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(&path).unwrap();
    path
}

pub(super) fn signal(child: &Child, name: &str) {
    let done = Command::new("kill")
        .args([&format!("-{name}"), &child.id().to_string()])
        .status();
    assert!(done.unwrap().success());
}

/// Returns true if a process ignores SIGHUP, and false if the system does not report it.
pub(super) fn ignores_hangup(process: &str) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    ignored.is_some_and(|set| u64::from_str_radix(set.trim(), 16).is_ok_and(|set| set & 1 == 1))
}

/// `nohup` makes a process ignore SIGHUP.
#[test]
#[cfg(target_os = "linux")]
fn ignored_sighup_stays_ignored() {
    let folder = folder("ca-nohup");
    let script = r#"trap '' HUP; exec "$@""#;
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", script, "sh", env!("CARGO_BIN_EXE_entra"), "emulator", "--tls"])
        .env_clear()
        .env("TMPDIR", &folder)
        .stdout(Stdio::piped());
    let mut child = Running::start(&mut command);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line.starts_with("export NODE_EXTRA_CA_CERTS=")));
    assert!(ignores_hangup(&child.id().to_string()));
    signal(&child, "HUP");
    signal(&child, "TERM");
    assert_eq!(child.wait().unwrap().signal(), Some(15));
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
}

/// `docker stop` signals the first process directly.
#[cfg(target_os = "linux")]
#[test]
fn first_process_of_a_container_obeys_signals() {
    let unshare = ["--user", "--map-root-user", "--pid", "--fork", "--kill-child"];
    let possible = Command::new("unshare").args(unshare).arg("true").output();
    if !possible.is_ok_and(|output| output.status.success()) {
        return skip("unshare", "there is no namespace of processes here");
    }
    for (words, last) in [
        (&[][..], "export AZURE_CLIENT_SECRET="),
        (&["--tls"], "export NODE_EXTRA_CA_CERTS="),
    ] {
        let mut isolated = Command::new("unshare");
        isolated
            .args(unshare)
            .args([env!("CARGO_BIN_EXE_entra"), "emulator"])
            .args(words)
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = Running::start(&mut isolated);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        assert!(lines.any(|line| line.starts_with(last)));
        let children = format!("/proc/{0}/task/{0}/children", child.id());
        let first = std::fs::read_to_string(children).unwrap();
        let done = Command::new("kill").args(["-TERM", first.trim()]).status();
        assert!(done.unwrap().success());
        assert_eq!(child.wait().unwrap().code(), Some(128 + 15), "{words:?}");
    }
}

/// A program may read the lines as soon as a probe succeeds.
#[test]
fn emulator_responds_after_its_lines_are_written() {
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .unwrap()
        .port();
    // The pipe of its standard output is full.
    let (mut reader, mut full) = UnixStream::pair().unwrap();
    full.set_nonblocking(true).unwrap();
    while full.write(&[b'\n'; 4096]).is_ok() {}
    while full.write(b"\n").is_ok() {}
    full.set_nonblocking(false).unwrap();
    let mut command = command(&["emulator", "--port", &port.to_string()], &[]);
    command.stdout(OwnedFd::from(full));
    let _child = Running::start(&mut command);
    drop(command);
    let mut probe = loop {
        match TcpStream::connect(("127.0.0.1", port)) {
            Ok(probe) => break probe,
            Err(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    };
    probe
        .write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        .unwrap();
    probe.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    assert!(probe.read(&mut [0]).is_err(), "the lines are not written yet");
    std::thread::spawn(move || std::io::copy(&mut reader, &mut std::io::sink()));
    probe.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut response = String::new();
    probe.read_to_string(&mut response).unwrap();
    assert!(response.starts_with("HTTP/1.1 200 "), "{response}");
}

#[test]
fn control_api_is_off_by_default() {
    let (_child, printed) = started(&[], &[], "export AZURE_CLIENT_SECRET=");
    assert!(!printed.iter().any(|line| line.contains("CONTROL")), "{printed:?}");
    let (_child, printed) = started(
        &["--seed", "7", "--control", "0"],
        &[],
        "export ENTRA_EMULATOR_CONTROL_KEY=",
    );
    let value = |name: &str| {
        let line = printed
            .iter()
            .find_map(|line| line.strip_prefix(&format!("export {name}=")));
        line.unwrap_or_else(|| panic!("{name}: {printed:?}")).to_owned()
    };
    let (url, key) = (value("ENTRA_EMULATOR_CONTROL"), value("ENTRA_EMULATOR_CONTROL_KEY"));
    assert!(url.starts_with("http://127.0.0.1:") && url != value("AZURE_AUTHORITY_HOST"));
    let get = |key: &str| {
        let address = url.trim_start_matches("http://");
        let mut stream = TcpStream::connect(address).unwrap();
        write!(
            stream,
            "GET /v1/clock HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {key}\r\nconnection: close\r\n\r\n"
        )
        .unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        response
    };
    assert!(get(&key).starts_with("HTTP/1.1 200 ") && get("wrong").starts_with("HTTP/1.1 401 "));
    let (_other, printed) = started(
        &["--seed", "7", "--control", "0"],
        &[],
        "export ENTRA_EMULATOR_CONTROL_KEY=",
    );
    assert!(!printed.last().unwrap().ends_with(&key), "the seed does not tell it");

    let taken = url.rsplit_once(':').unwrap().1;
    fails(&run(&["emulator", "--control", taken], &[]), 3, &["--control"]);
    let words = ["emulator", "--control", "0", "--control-listen", "127.0.0.1:0"];
    fails(&run(&words, &[]), 2, &["--control-listen"]);
}

#[test]
fn control_port_is_on_loopback_by_default() {
    let words = ["--listen", "0.0.0.0", "--control", "0"];
    let (_child, printed) = started(&words, &[], "export ENTRA_EMULATOR_CONTROL_KEY=");
    assert!(
        printed
            .iter()
            .any(|line| line.starts_with("export ENTRA_EMULATOR_CONTROL=http://127.0.0.1:"))
    );
    let words = ["--control-listen", "0.0.0.0:0"];
    let (mut child, _) = started(&words, &[], "export ENTRA_EMULATOR_CONTROL_KEY=");
    let mut warning = String::new();
    BufReader::new(child.stderr.take().unwrap())
        .read_line(&mut warning)
        .unwrap();
    assert!(
        warning.contains("warning") && warning.contains("control API"),
        "{warning}"
    );
}

/// Runs the device code example of `entra token --help` with the printed variables.
#[test]
fn device_code_example_works_with_default_emulator() {
    let help = run(&["token", "--help"], &[]);
    let example = common::out(&help)
        .lines()
        .find(|line| line.contains("entra token --flow device-code"))
        .unwrap();
    let words: Vec<&str> = example.split('#').next().unwrap().split_whitespace().skip(1).collect();
    let emulator = Emulator::start();
    let mut child = Running::start(&mut command(&words, &common::variables(&emulator)));
    let mut message = String::new();
    BufReader::new(child.stderr.as_mut().unwrap())
        .read_line(&mut message)
        .unwrap();
    let code = message
        .split_once("the code ")
        .unwrap()
        .1
        .trim_end()
        .trim_end_matches('.');
    let user = &emulator.tenants()[0].users.as_ref().unwrap()[0];
    emulator.approve_device(code, &user.user_principal_name).unwrap();
    let mut token = String::new();
    child.stdout.as_mut().unwrap().read_to_string(&mut token).unwrap();
    assert!(token.starts_with("eyJ") && child.wait().unwrap().success());
}

#[test]
fn public_client_error_names_the_setting() {
    let emulator = Emulator::start();
    let words = ["token", "--flow", "device-code", "--public", "--scope", "User.Read"];
    let mut child = Running::start(&mut command(&words, &common::variables(&emulator)));
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut text = String::new();
    stderr.read_line(&mut text).unwrap();
    let code = text
        .split_once("the code ")
        .unwrap()
        .1
        .trim_end()
        .trim_end_matches('.')
        .to_owned();
    let user = &emulator.tenants()[0].users.as_ref().unwrap()[0];
    emulator.approve_device(&code, &user.user_principal_name).unwrap();
    stderr.read_to_string(&mut text).unwrap();
    assert!(
        text.contains("7000218") && text.contains("Allow public client flows"),
        "{text}"
    );
    assert_eq!(child.wait().unwrap().code(), Some(5));
}

#[test]
fn emulator_log_is_escaped_and_hides_secrets() {
    let (mut child, printed) = started(&[], &[], "export AZURE_CLIENT_SECRET=");
    let host = printed
        .iter()
        .find(|line| line.starts_with("export AZURE_AUTHORITY_HOST="))
        .unwrap();
    let address = host.split_once("//").unwrap().1.to_owned();
    let mut stream = TcpStream::connect(&address).unwrap();
    let mut request = "GET /a\u{9b}31m\u{202e}b".as_bytes().to_vec();
    request.extend(b"%1b%9b%e2%80%ae/");
    request.extend("x/".repeat(2_500).as_bytes());
    request.extend(b" HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    stream.write_all(&request).unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    log.read_line(&mut line).unwrap();
    let obeyed = |c: char| c != '\n' && c.is_control() || c == '\u{202e}';
    assert!(
        line.contains("Z GET /a\\u{9b}31m\\u{202e}b") && !line.contains(obeyed),
        "{line:?}"
    );
    assert!(line.len() < 1_000, "{}", line.len());

    let mut stream = TcpStream::connect(&address).unwrap();
    let secret = "abc8Q~kD93jfKEl20sPq81canaryvQwT4uYbNhGcR";
    write!(
        stream,
        "GET /{secret}/oauth2/v2.0/token HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"
    )
    .unwrap();
    line.clear();
    log.read_line(&mut line).unwrap();
    assert!(
        line.contains("Z GET /[not shown]/oauth2/v2.0/token 4") && !line.contains("canary"),
        "{line}"
    );
}

/// Returns a value that the emulator prints for other programs.
fn exported<'a>(printed: &'a [String], name: &str) -> &'a str {
    let start = format!("export {name}=");
    printed.iter().find_map(|line| line.strip_prefix(&start)).unwrap()
}

#[test]
fn listening_beyond_loopback_warns() {
    for (words, host, warns) in [
        (&["--listen", "127.0.0.1"][..], "127.0.0.1:", false),
        (&["--listen", "127.0.0.2:0"], "127.0.0.2:", false),
        (&["--listen", "0.0.0.0"], "127.0.0.1:", true),
        (&["--listen", "0.0.0.0:0", "--name", "emulator"], "emulator:", true),
    ] {
        let (mut child, printed) = started(words, &[], "export AZURE_CLIENT_SECRET=");
        let url = exported(&printed, "AZURE_AUTHORITY_HOST");
        assert!(url.starts_with(&format!("http://{host}")), "{url}");
        let port = url.rsplit(':').next().unwrap();
        let ip = if host == "127.0.0.2:" { "127.0.0.2" } else { "127.0.0.1" };
        let mut stream = TcpStream::connect(format!("{ip}:{port}")).unwrap();
        write!(
            stream,
            "GET /healthz HTTP/1.1\r\nhost: emulator\r\nconnection: close\r\n\r\n"
        )
        .unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        assert!(response.contains("\"status\":\"ok\""), "{response}");
        signal(&child, "TERM");
        let mut text = String::new();
        child.stderr.take().unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text.contains("warning: users on all networks"), warns, "{text}");
        // The log does not show the probe.
        assert!(!text.contains("healthz"), "{text}");
        child.wait().unwrap();
    }
}

#[test]
fn invalid_addresses_are_rejected_with_advice() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let place = format!("127.0.0.1:{port}");
    let example = common::file("named-config.json", "{}");
    let example = example.to_str().unwrap();
    for (words, exit, expected) in [
        (&["--listen", "emulator"][..], 2, &["not an IP address", "--name"][..]),
        (&["--listen", ":8500"], 2, &["0.0.0.0:8500"]),
        (&["--listen", "127.0.0.1:1", "--port", "2"], 2, &["port 1", "2", "omit"]),
        (
            &["--port", "8599", "--tls", "--tls-port", "8599"],
            2,
            &["8599", "--tls-port"],
        ),
        (
            &["--name", "http://a"],
            3,
            &["error: \"http://a\" is neither a host name", "--name"],
        ),
        // The error does not name the configuration.
        (
            &["--name", "http://a", "--config", example],
            3,
            &["error: \"http://a\" is neither a host name", "--name"],
        ),
        (
            &["--listen", "192.0.2.1"],
            3,
            &["192.0.2.1", "no such address", "--listen"],
        ),
        (
            &["--port", &port],
            3,
            &[&*place, "another program listens there", "--port"],
        ),
        (
            &["--listen", &place],
            3,
            &[&*place, "another program listens there", "--port"],
        ),
        (
            &["--tls", "--tls-port", &port],
            3,
            &[&*place, "another program listens there", "--tls-port"],
        ),
    ] {
        fails(&run(&[&["emulator"], words].concat(), &[]), exit, expected);
    }
}

/// Sends a GET request, or a POST request with this form, and returns the JSON of the response.
fn fetched(url: &str, form: Option<&str>) -> serde_json::Value {
    let rest = url.strip_prefix("http://").unwrap();
    let (host, path) = rest.split_once('/').unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    let method = if form.is_some() { "POST" } else { "GET" };
    let body = form.unwrap_or_default();
    write!(
        stream,
        "{method} /{path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-length: {}\r\n\
         content-type: application/x-www-form-urlencoded\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    serde_json::from_str(response.split_once("\r\n\r\n").unwrap().1).unwrap()
}

/// Strict OpenID Connect clients compare the issuer with their URL and with `iss` in tokens.
#[test]
fn issuer_matches_the_requested_url() {
    let fixed = "http://emulator:8500";
    for (issuer, expected) in [("origin", None), (fixed, Some(fixed))] {
        let (_child, printed) = started(&["--issuer", issuer], &[], "export AZURE_CLIENT_SECRET=");
        let [host, tenant, client, secret] = ["AUTHORITY_HOST", "TENANT_ID", "CLIENT_ID", "CLIENT_SECRET"]
            .map(|name| exported(&printed, &format!("AZURE_{name}")));
        let origin = expected.unwrap_or(host);
        for (path, resource, version) in [
            ("/v2.0", "api://a9501030-2ab4-4882-b623-4de76b37b681", "2.0"),
            ("/", "https://graph.microsoft.com", "1.0"),
        ] {
            let issuer = format!("{origin}/{tenant}{path}");
            let document = format!(
                "{host}/{tenant}{}/.well-known/openid-configuration",
                path.trim_end_matches('/')
            );
            let document = fetched(&document, None);
            assert_eq!(document["issuer"], issuer);
            let form = format!(
                "grant_type=client_credentials&client_id={client}&client_secret={secret}&scope={resource}/.default"
            );
            let token = fetched(&format!("{host}/{tenant}/oauth2/v2.0/token"), Some(&form));
            let claims = token["access_token"].as_str().unwrap().split('.').nth(1).unwrap();
            let claims = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, claims).unwrap();
            let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
            assert_eq!((&claims["iss"], &claims["ver"]), (&issuer.into(), &version.into()));
        }
    }
    for (bad, exit, expected) in [
        ("orign", 2, "neither `entra` nor `origin`"),
        ("http://a?b", 2, "tenant and version are appended"),
    ] {
        fails(&run(&["emulator", "--issuer", bad], &[]), exit, &[expected]);
    }
}

#[test]
fn printed_lines_replace_those_of_another_source() {
    let (_child, printed) = started(&["--managed-identity", "arc"], &[], "export IMDS_ENDPOINT=");
    let unset = printed.iter().find_map(|line| line.strip_prefix("unset ")).unwrap();
    let unset: Vec<&str> = unset.split(' ').collect();
    for name in ["AZURE_CLIENT_SECRET", "IDENTITY_HEADER", "MSI_ENDPOINT"] {
        assert!(unset.contains(&name), "{name}: {unset:?}");
    }
    assert!(!unset.contains(&"IDENTITY_ENDPOINT") && !unset.contains(&"IMDS_ENDPOINT"));
    assert!(exported(&printed, "IDENTITY_ENDPOINT").contains("/managed-identity/arc/"));
    assert!(
        !printed.iter().any(|line| line.starts_with("export AZURE_CLIENT")),
        "{printed:?}"
    );
    let identities = printed.iter().filter(|line| line.starts_with("# managed identity "));
    assert_eq!(identities.count(), 2, "{printed:?}");
}

#[test]
fn key_files_are_removed_when_the_emulator_is_stopped() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("arc-tokens");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    let words = ["--managed-identity", "arc", "--arc-tokens", folder.to_str().unwrap()];
    let (mut child, printed) = started(&words, &[], "export IMDS_ENDPOINT=");
    let endpoint = exported(&printed, "IDENTITY_ENDPOINT").strip_prefix("http://").unwrap();
    let (address, path) = endpoint.split_once('/').unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    let request = format!("GET /{path} HTTP/1.1\r\nHost: {address}\r\nMetadata: true\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    assert!(response.starts_with("HTTP/1.1 401 "), "{response}");
    let count = || std::fs::read_dir(&folder).unwrap().count();
    assert_eq!(count(), 1);
    let done = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
    assert!(done.unwrap().success());
    child.wait().unwrap();
    assert_eq!(count(), 0);
}
