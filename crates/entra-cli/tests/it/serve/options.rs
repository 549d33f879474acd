//! The options of the server: addresses, protocols, files, logs.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;

use entra_emulator::Emulator;

use super::{Client, Served, exchange, is_token, wait};
use crate::common::{GRAPH, err, fails, out, private_folder, run, set_mode, variables};

#[test]
fn programs_get_tokens_for_listed_resources_only() {
    let emulator = Emulator::start();
    let served = Served::start(&["--resource", GRAPH], &variables(&emulator));
    let client = served.client();
    let token = is_token(&client.ask(), GRAPH);
    // The next request gets the cached token.
    assert_eq!(is_token(&client.ask(), GRAPH), token);
    assert_eq!(emulator.token_requests().len(), 1);
    let (status, body) = client.ask_for("https://vault.azure.net", "");
    assert_eq!(status, 403, "{body}");
    let wrong = Client {
        key: "wrong".to_owned(),
        ..client.clone()
    };
    assert_eq!(wrong.ask().0, 401);
    assert_eq!(client.get("/other", &[]).0, 404);
    // Both loopback addresses serve.
    let port = client.host.rsplit_once(':').unwrap().1;
    let v6 = Client {
        host: format!("[::1]:{port}"),
        ..client
    };
    if let Ok(response) = v6.try_get("/healthz", &[]) {
        assert_eq!(response.0, 200);
    }
}

#[test]
fn requests_are_logged_without_keys_and_tokens() {
    let emulator = Emulator::start();
    for verbosity in ["-q", "", "-v", "-vv"] {
        let words: Vec<&str> = ["--resource", GRAPH, "--azd", verbosity]
            .into_iter()
            .filter(|word| !word.is_empty())
            .collect();
        let served = Served::begin(&words, &variables(&emulator));
        let client = served.client();
        let token = is_token(&client.ask(), GRAPH);
        let asked = Client {
            key: "canary-key-of-a-client".to_owned(),
            ..client.clone()
        };
        assert_eq!(asked.ask().0, 401);
        if verbosity != "-q" {
            served.wait_for("outcome: wrong_key");
        }
        served.signal("TERM");
        let output = served.end();
        let log = err(&output);
        if verbosity == "-q" {
            assert_eq!(log, "");
        } else {
            assert!(log.contains(GRAPH) && log.contains("app-service"), "{log}");
        }
        for secret in [&token, &client.key, "canary-key", emulator.client_secret()] {
            assert!(!log.contains(secret), "{verbosity}: {log}");
        }
        assert!(!out(&output).contains(&token));
    }
}

#[test]
fn every_protocol_has_its_variables() {
    let emulator = Emulator::start();
    let words = ["--resource", GRAPH, "--imds", "--azd", "--sidecar"];
    let served = Served::start(&words, &variables(&emulator));
    let client = served.client();
    let origin = format!("http://{}", client.host);
    assert_eq!(served.variable("AZURE_POD_IDENTITY_AUTHORITY_HOST"), origin);
    assert_eq!(served.variable("AZD_AUTH_ENDPOINT"), origin);
    assert_eq!(served.variable("AZD_AUTH_KEY"), client.key);
    assert_eq!(served.variable("SIDECAR_URL"), origin);
    let path = format!("/metadata/identity/oauth2/token?api-version=2018-02-01&resource={GRAPH}");
    is_token(&client.get(&path, &[("Metadata", "true")]), GRAPH);
    assert_ne!(client.get(&path, &[]).0, 200);
}

#[test]
fn variables_are_printed_as_json_and_to_a_private_file() {
    let emulator = Emulator::start();
    let folder = private_folder();
    let file = folder.path().join("serve.env");
    fs::write(&file, "an earlier one").unwrap();
    let path = file.to_str().unwrap();
    let served = Served::start(
        &["--resource", GRAPH, "-o", "json", "--env-file", path],
        &variables(&emulator),
    );
    wait(|| served.out().ends_with("}\n"), || served.out());
    let printed: serde_json::Value = serde_json::from_str(&served.out()).unwrap();
    let printed = &printed["variables"];
    let (endpoint, key) = (&printed["IDENTITY_ENDPOINT"], &printed["IDENTITY_HEADER"]);
    assert_eq!(
        fs::read_to_string(&file).unwrap(),
        format!(
            "IDENTITY_ENDPOINT={}\nIDENTITY_HEADER={}\n",
            endpoint.as_str().unwrap(),
            key.as_str().unwrap()
        )
    );
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn key_file_keeps_the_key() {
    let emulator = Emulator::start();
    let folder = private_folder();
    let file = folder.path().join("key");
    let path = file.to_str().unwrap();
    let keys: Vec<String> = (0..2)
        .map(|_| {
            let served = Served::start(&["--resource", GRAPH, "--key-file", path], &variables(&emulator));
            served.client().key
        })
        .collect();
    assert_eq!(keys[0], keys[1]);
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    fs::write(&file, "canary-short").unwrap();
    let output = run(
        &["serve", "--resource", GRAPH, "--key-file", path],
        &variables(&emulator),
    );
    fails(&output, 3, &["key", "43 to 256"]);
    assert!(!err(&output).contains("canary"), "{}", err(&output));
}

#[test]
fn socket_serves_the_own_user() {
    let emulator = Emulator::start();
    let folder = private_folder();
    let socket = folder.path().join("s");
    let words = ["--resource", GRAPH, "--socket", socket.to_str().unwrap()];
    let served = Served::start(&words, &variables(&emulator));
    let key = served.client().key;
    assert_eq!(socket.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let path = format!("/msi/token?api-version=2019-08-01&resource={GRAPH}");
    let stream = UnixStream::connect(&socket).unwrap();
    let response = exchange(stream, "localhost", &path, &[("X-IDENTITY-HEADER", &key)]);
    is_token(&response.unwrap(), GRAPH);
    served.signal("TERM");
    served.end();
    assert!(!socket.exists());
}

#[test]
fn metrics_count_requests_and_tell_no_token() {
    let emulator = Emulator::start();
    let words = ["--resource", GRAPH, "--metrics", "127.0.0.1:0"];
    let served = Served::start(&words, &variables(&emulator));
    let client = served.client();
    let token = is_token(&client.ask(), GRAPH);
    let log = served.err();
    let host = log
        .lines()
        .find_map(|line| line.strip_prefix("metrics at http://"))
        .unwrap();
    let monitor = Client {
        host: host.strip_suffix("/metrics").unwrap().to_owned(),
        key: String::new(),
    };
    let (status, body) = monitor.get("/metrics", &[]);
    let text = body.as_str().unwrap();
    assert_eq!(status, 200);
    assert!(
        text.contains("entra_serve_requests_total{") && text.contains(GRAPH),
        "{text}"
    );
    assert!(!text.contains(&token) && !text.contains(&client.key));
    // Tokens are not served there, nor metrics at the address of tokens.
    assert_eq!(monitor.get("/msi/token", &[]).0, 404);
    assert_eq!(client.get("/metrics", &[]).0, 404);
}

#[test]
fn mistakes_end_the_command_before_it_serves() {
    let emulator = Emulator::start();
    let known = variables(&emulator);
    let serve = |more: &[&str]| run(&[&["serve"], more].concat(), &known);
    fails(&serve(&[]), 2, &["no resource", "--resource"]);
    let graph = |more: &[&'static str]| [&["--resource", GRAPH], more].concat();
    for (more, code, texts) in [
        (&["--listen", "0.0.0.0"][..], 2, &["--allow-remote"][..]),
        (&["--listen", "127.0.0.1:1", "--port", "2"], 2, &["port 1", "names 2"]),
        (&["--listen", "localhost"], 2, &["127.0.0.1"]),
        (&["--secret-file", "missing.txt"], 4, &["missing.txt"]),
        (&["--certificate", "missing.pem"], 4, &["missing.pem"]),
        (&["--federated-token-file", "missing.jwt"], 4, &["missing.jwt"]),
        (&["--agent", "x"], 3, &["--agent"]),
        (&["--store", "/tmp"], 2, &["--account"]),
        (&["--socket-user", "1"], 2, &["--socket"]),
        (&["--socket", "/nonexistent/s"], 3, &["/nonexistent/s"]),
        (&["--env-file", "/nonexistent/e"], 3, &["/nonexistent/e"]),
        (&["--key-file", "/nonexistent/k"], 3, &["/nonexistent/k"]),
        (&["--config", "missing.toml"], 3, &["missing.toml"]),
        (&["--"], 2, &["there is no command after --"]),
    ] {
        fails(&serve(&graph(more)), code, texts);
    }
    let not_an_api = serve(&["--resource", "a b"]);
    fails(&not_an_api, 3, &["a b"]);
    let busy = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = busy.local_addr().unwrap().port().to_string();
    let output = serve(&["--resource", GRAPH, "--port", &port]);
    fails(&output, 3, &[&port, "--port"]);
}

#[test]
fn wrong_secret_is_explained_to_programs() {
    let emulator = Emulator::start();
    let mut known = variables(&emulator);
    known[3].1 = "not-the-secret";
    let served = Served::start(&["--resource", GRAPH, "--prefetch"], &known);
    served.wait_for("warning: default for https://graph.microsoft.com: ");
    let (status, body) = served.client().ask();
    assert_eq!(status, 400);
    assert!(body["message"].as_str().unwrap().contains("AADSTS7000215"), "{body}");
    let check = ["serve", "--resource", GRAPH, "--check", "--prefetch"];
    fails(&run(&check, &known), 5, &["default for", "AADSTS7000215"]);
    let output = run(&check[..4], &known);
    assert!(output.status.success(), "{}", err(&output));
}

#[test]
fn only_named_remote_addresses_are_bound() {
    let emulator = Emulator::start();
    let words = [
        "--resource",
        GRAPH,
        "--listen",
        "0.0.0.0",
        "--allow-remote",
        "--name",
        "tokens",
    ];
    let served = Served::start(&words, &variables(&emulator));
    let mut client = served.client();
    let port = client.host.strip_prefix("tokens:").unwrap().to_owned();
    client.host = format!("127.0.0.1:{port}");
    is_token(&client.ask(), GRAPH);
}

#[test]
fn names_are_those_of_a_host_without_a_port() {
    for name in ["", "host:80", "a\nX=1", "a b", "user@host", "::1"] {
        let words = ["serve", "--resource", GRAPH, "--check", "--name", name];
        fails(&run(&words, &[]), 2, &["--name"]);
    }
}

#[test]
fn key_that_others_can_replace_is_warned_of() {
    let emulator = Emulator::start();
    let folder = private_folder();
    let file = folder.path().join("key");
    fs::write(&file, "k".repeat(43)).unwrap();
    for (mode, is_open) in [(0o602, true), (0o604, true), (0o640, false), (0o600, false)] {
        set_mode(&file, mode);
        let path = file.to_str().unwrap();
        let words = ["serve", "--resource", GRAPH, "--key-file", path, "--", "true"];
        let output = run(&words, &variables(&emulator));
        assert_eq!(err(&output).contains("read or replace the key"), is_open, "{mode:o}");
    }
}
