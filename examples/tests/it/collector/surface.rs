//! The outputs and servers of the collector: webhook, metrics, summary, progress.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use entra_emulator::{ActivityFeed, ContentType, Emulator, Fault};
use rustls::pki_types::ServerName;
use serde_json::{Value, json};

use crate::collector::running::{DEADLINE, Running};
use crate::collector::world::{Folder, collect, command, reader, records, tenant};

const AUTH_ID: &str = "canary-auth-id-0123456789";
const WEBHOOK: [&str; 6] = [
    "--webhook",
    "127.0.0.1:0",
    "--webhook-url",
    "https://collector.example/hook",
    "--content-type",
    "Audit.General",
];

fn emulator() -> Emulator {
    Emulator::builder()
        .tenant(tenant("contoso.example", 3))
        .tenant(tenant("fabrikam.example", 3))
        .app(reader())
        .start()
}

/// Starts the collector for the first tenant. It runs until it is dropped.
fn start(emulator: &Emulator, folder: &Folder, arguments: &[&str]) -> Running {
    let mut program = command(emulator, &emulator.tenants()[0].id, folder);
    program.args(arguments).env("WEBHOOK_AUTH_ID", AUTH_ID);
    Running::spawn(&program)
}

/// Sends a request over a plain connection, and returns the response unparsed.
fn send(mut stream: impl Read + Write, head: &str, body: &str) -> String {
    let host = if head.contains("\r\nHost: ") {
        ""
    } else {
        "\r\nHost: localhost"
    };
    let head = format!(
        "{head}{host}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    // A server may reject a request without reading all of it.
    let _ = stream
        .write_all(head.as_bytes())
        .and_then(|()| stream.write_all(body.as_bytes()));
    let mut response = Vec::new();
    let _ = stream.read_to_end(&mut response);
    String::from_utf8(response).unwrap()
}

/// Posts to the webhook, and returns the status.
fn post(address: &str, path: &str, headers: &[(&str, &str)], body: &str) -> u16 {
    let headers: String = headers
        .iter()
        .map(|(name, value)| format!("\r\n{name}: {value}"))
        .collect();
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let response = send(stream, &format!("POST {path} HTTP/1.1{headers}"), body);
    let status = response.split(' ').nth(1).unwrap_or_else(|| panic!("{response:?}"));
    status.parse().unwrap()
}

/// Returns the address after "webhook: listening on".
fn webhook_address(program: &Running) -> String {
    let rest = program.wait("webhook: listening on ").expect("the webhook starts");
    rest.split(',').next().unwrap().to_owned()
}

/// Returns a content of the first tenant, as the API names it.
fn content(emulator: &Emulator, name: &str) -> Value {
    let tenant = &emulator.tenants()[0].id;
    json!({
        "contentType": "Audit.General",
        "contentId": format!("{name}$audit_general"),
        "contentUri": format!("{}/api/v1.0/{tenant}/activity/feed/audit/{name}", emulator.base_url()),
        "contentCreated": "2026-01-31T23:59:58.000Z",
        "contentExpiration": "2026-02-07T23:59:58.000Z",
        "tenantId": tenant,
        "clientId": emulator.client_id(),
    })
}

#[test]
fn webhook_collects_contents_of_notifications() {
    let emulator = emulator();
    let folder = Folder::new();
    let program = start(&emulator, &folder, &WEBHOOK);
    let hook = webhook_address(&program);
    program.wait("round finished").unwrap();
    let started = emulator
        .requests()
        .into_iter()
        .find(|event| event.path.ends_with("/subscriptions/start"));
    assert_eq!(started.unwrap().status, 200);

    emulator.fault(Fault::body(r#"[{"Id":"notified","CreationTime":"2026-01-31T23:59:58"}]"#).on("/audit/new"));
    let auth = [("Webhook-AuthID", AUTH_ID)];
    let notification = json!([content(&emulator, "new")]).to_string();
    assert_eq!(post(&hook, "/hook", &auth, &notification), 200);
    let end = Instant::now() + DEADLINE;
    let times = || records(&folder)[&emulator.tenants()[0].id].get("notified").copied();
    while times().is_none() {
        assert!(Instant::now() < end, "{}", program.log());
        std::thread::sleep(Duration::from_millis(20));
    }
    // The API may deliver a notification more than once.
    program.wait("1 new records").unwrap();
    assert_eq!(post(&hook, "/hook", &auth, &notification), 200);
    program.wait("0 new records").unwrap();
    assert_eq!(times(), Some(1));
    let fetched = emulator
        .requests()
        .iter()
        .filter(|event| event.path.ends_with("/audit/new"))
        .count();
    assert_eq!(fetched, 1);
    assert!(!program.log().contains(AUTH_ID), "{}", program.log());
}

#[test]
fn webhook_accepts_notifications_of_the_api() {
    let feed = ActivityFeed::new().contents(2).records(5).plain_webhooks();
    let emulator = Emulator::builder()
        .tenant(tenant("contoso.example", 1))
        .app(reader())
        .activity(feed)
        .start();
    let folder = Folder::new();
    // A port that is currently free.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let address = format!("127.0.0.1:{port}");
    let url = format!("http://{address}/hook");
    let arguments = [
        "--webhook",
        &address,
        "--webhook-url",
        &url,
        "--content-type",
        "Audit.General",
    ];
    let program = start(&emulator, &folder, &arguments);
    program.wait("round finished").unwrap();
    let id = emulator.tenants()[0].id.clone();
    // The next round is in an hour.
    emulator.publish_activity(&id, ContentType::General, 3);
    let expected: BTreeSet<String> = emulator.activity_record_ids(&id, ContentType::General).collect();
    let end = Instant::now() + DEADLINE;
    loop {
        let written = records(&folder).remove(&id).unwrap_or_default();
        if written.keys().cloned().collect::<BTreeSet<_>>() == expected {
            assert!(written.values().all(|times| *times == 1));
            return;
        }
        assert!(
            Instant::now() < end,
            "{} of {}: {}",
            written.len(),
            expected.len(),
            program.log()
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn webhook_rejects_foreign_notifications() {
    let emulator = emulator();
    let thief = Emulator::start();
    let folder = Folder::new();
    let program = start(&emulator, &folder, &WEBHOOK);
    let hook = webhook_address(&program);
    program.wait("round finished").unwrap();
    let requests = emulator.request_count();
    let auth = ("Webhook-AuthID", AUTH_ID);
    let good = content(&emulator, "new");
    let with = |field: &str, value: &str| {
        let mut item = good.clone();
        item[field] = json!(value);
        json!([good, item]).to_string()
    };
    let good_body = json!([good]).to_string();
    let other_tenant = with("tenantId", &emulator.tenants()[1].id);
    let at = |address: String| with("contentUri", &address);
    let feed = format!("/api/v1.0/{}/activity/feed", emulator.tenants()[0].id);
    let long = format!("{}{}", " ".repeat(1 << 20), good_body);
    for (headers, body, status) in [
        (&[][..], good_body.as_str(), 401),
        (&[("Webhook-AuthID", "canary-auth-id-0123456788")], &good_body, 401),
        (&[("Webhook-AuthID", "")], &good_body, 401),
        (&[auth, auth], &good_body, 401),
        // A validation requires the auth ID as well.
        (
            &[("Webhook-ValidationCode", "abc")],
            "{\"validationCode\":\"abc\"}",
            401,
        ),
        (
            &[auth, ("Webhook-ValidationCode", "abc")],
            "{\"validationCode\":\"abc\"}",
            200,
        ),
        (
            &[auth, ("Webhook-ValidationCode", "abc")],
            "{\"validationCode\":\"xyz\"}",
            400,
        ),
        (&[auth], "", 400),
        (&[auth], "{}", 400),
        (&[auth], "[{}]", 400),
        (&[auth], "[]", 200),
        (&[auth], &long, 413),
        (&[auth], &other_tenant, 403),
        (&[auth], &with("tenantId", "x"), 400),
        (&[auth], &with("clientId", &emulator.tenants()[0].id), 403),
        (&[auth], &at(format!("{}{feed}/audit/x", thief.base_url())), 400),
        (
            &[auth],
            &at(format!("{}{feed}/subscriptions/list", emulator.base_url())),
            400,
        ),
        (&[auth], &at(format!("{}@x{feed}/audit/x", emulator.base_url())), 400),
        (&[auth], &at(format!("{feed}/audit/x")), 400),
    ] {
        assert_eq!(post(&hook, "/hook", headers, body), status, "{headers:?} {body:.200}");
    }
    assert_eq!(post(&hook, "/other", &[auth], &good_body), 404);
    let get = send(TcpStream::connect(&hook).unwrap(), "GET /hook HTTP/1.1", "");
    assert!(get.starts_with("HTTP/1.1 405 "), "{get}");
    // Not even the valid half of a notification was accepted.
    assert_eq!((emulator.request_count(), thief.request_count()), (requests, 0));
}

#[test]
fn webhook_uses_tls_with_its_own_certificate() {
    let emulator = emulator();
    let folder = Folder::new();
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let certificate = rcgen::CertificateParams::new(vec!["collector.example".to_owned()])
        .unwrap()
        .self_signed(&key)
        .unwrap();
    let [certificate_file, key_file] = ["hook.crt", "hook.key"].map(|name| folder.path().join(name));
    std::fs::write(&certificate_file, certificate.pem()).unwrap();
    std::fs::write(&key_file, key.serialize_pem()).unwrap();
    let [certificate_file, key_file] = [&certificate_file, &key_file].map(|path| path.to_str().unwrap());
    let tls = ["--webhook-cert", certificate_file, "--webhook-key", key_file];
    // With TLS, other machines may reach it.
    let everywhere = [&["--webhook", "0.0.0.0:0"], &WEBHOOK[2..]].concat();
    let program = start(&emulator, &folder, &[&everywhere[..], &tls].concat());
    let port = webhook_address(&program).rsplit_once(':').unwrap().1.to_owned();

    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("collector.example").unwrap();
    let connection = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    let stream = TcpStream::connect(format!("127.0.0.1:{port}")).unwrap();
    let head = format!("POST /hook HTTP/1.1\r\nWebhook-AuthID: {AUTH_ID}");
    let response = send(rustls::StreamOwned::new(connection, stream), &head, "[]");
    assert!(response.starts_with("HTTP/1.1 200 "), "{response}");

    drop(program);
    for (arguments, expected) in [
        (&everywhere[..], "plain http to other machines would show the auth id"),
        (
            &[&WEBHOOK[..], &["--webhook-cert", key_file, "--webhook-key", key_file]].concat(),
            "it holds no certificate in PEM form",
        ),
        (
            &[
                "--webhook",
                "127.0.0.1:0",
                "--webhook-url",
                "http://collector.example/hook",
            ],
            "--webhook-url is not https",
        ),
    ] {
        let program = start(&emulator, &folder, arguments);
        assert_eq!(program.wait("webhook: listening on "), None, "{arguments:?}");
        let log = program.fail();
        assert!(log.contains(expected), "{expected}: {log}");
    }
}

#[test]
fn metrics_count_the_collected_records() {
    let emulator = emulator();
    let folder = Folder::new();
    // This is counted, and the request is repeated.
    emulator.fault(Fault::status(503).on("/subscriptions/list"));
    let arguments = ["--metrics", "127.0.0.1:0", "--back-off", "10ms"];
    let program = start(&emulator, &folder, &arguments);
    let address = program.wait("metrics: http://").unwrap();
    let address = address.split('/').next().unwrap();
    program.wait("round finished").unwrap();
    let response = send(TcpStream::connect(address).unwrap(), "GET /metrics HTTP/1.1", "");
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    assert!(
        head.to_ascii_lowercase()
            .contains("\r\ncontent-type: text/plain; version=0.0.4; charset=utf-8"),
        "{head}"
    );
    let id = &emulator.tenants()[0].id;
    let written: usize = records(&folder)[id].values().sum();
    let tenant = format!("{{tenant=\"{id}\"");
    for expected in [
        format!("office365_collector_records_total{tenant}}} {written}\n"),
        format!("office365_collector_retries_total{tenant}}} 1\n"),
        format!("office365_collector_requests_total{tenant},class=\"5xx\"}} 1\n"),
        format!("office365_collector_tokens_total{tenant}}} 1\n"),
        format!("office365_collector_last_success_timestamp_seconds{tenant}}} "),
        "office365_collector_tenants{outcome=\"done\"} 1\n".to_owned(),
        "office365_collector_rounds_total 1\n".to_owned(),
    ] {
        assert!(body.contains(&expected), "{expected} in {body}");
    }
    assert!(!body.contains(emulator.client_secret()));

    for (request, status) in [
        ("HEAD /metrics HTTP/1.1", "200"),
        ("GET / HTTP/1.1", "404"),
        ("POST /metrics HTTP/1.1", "405"),
        // A name that resolves to this machine, but is not its own.
        ("GET /metrics HTTP/1.1\r\nHost: collector.example", "421"),
    ] {
        let response = send(TcpStream::connect(address).unwrap(), request, "");
        assert_eq!(response.split(' ').nth(1), Some(status), "{request}: {response}");
        assert!(!response.contains("records_total"), "{request}: {response}");
    }
}

#[test]
fn connect_page_without_collecting_locks_no_sink() {
    let emulator = emulator();
    let folder = Folder::new();
    let store = folder.path().join("tenants.redb");
    let store = store.to_str().unwrap();
    let page = ["--tenants", store, "--connect", "localhost:0"];
    let collector = start(&emulator, &folder, &page);
    collector.wait("round finished").unwrap();
    let alone = start(&emulator, &folder, &[&page[..], &["--no-collect"]].concat());
    assert!(
        alone.wait("connect: open http://localhost:").is_some(),
        "{}",
        alone.log()
    );
}

#[cfg(unix)]
#[test]
fn stopped_collector_reports_unfinished_tenants() {
    let emulator = emulator();
    let folder = Folder::new();
    emulator.fault(Fault::delayed(DEADLINE).on("/audit/").always());
    let ids: Vec<&str> = emulator.tenants().iter().map(|tenant| tenant.id.as_str()).collect();
    let mut program = command(&emulator, &ids.join(","), &folder);
    program
        .args(["--summary", "json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = program.spawn().unwrap();
    let end = Instant::now() + DEADLINE;
    let is_fetching = || emulator.requests().iter().any(|event| event.path.contains("/content"));
    while !is_fetching() {
        assert!(Instant::now() < end);
        std::thread::sleep(Duration::from_millis(20));
    }
    let interrupted = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(interrupted.unwrap().success());
    let mut summary = String::new();
    child.stdout.take().unwrap().read_to_string(&mut summary).unwrap();
    child.wait().unwrap();
    let summary: Value = serde_json::from_str(&summary).unwrap();
    let outcomes = summary["tenants"].as_array().unwrap().iter();
    let outcomes: Vec<&str> = outcomes.map(|tenant| tenant["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["stopped", "stopped"], "{summary}");
    assert_eq!(summary["tenants"][0]["lastSuccess"], Value::Null);
}

#[test]
fn reader_of_the_summary_may_close_the_pipe() {
    let emulator = emulator();
    let folder = Folder::new();
    let mut program = command(&emulator, &emulator.tenants()[0].id, &folder);
    program.arg("--once").stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = program.spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && !stderr.contains("panicked"), "{stderr}");
}

#[test]
fn summary_has_the_requested_form() {
    let emulator = emulator();
    let folder = Folder::new();
    let run = collect(&emulator, &folder, &["--summary", "json"]);
    assert!(run.succeeded, "{}", run.stderr);
    let summary: Value = serde_json::from_str(&run.stdout).unwrap();
    let written: usize = records(&folder).values().flat_map(|ids| ids.values()).sum();
    assert_eq!(summary["total"]["records"], written);
    assert_eq!(summary["tenants"][0]["outcome"], "done");

    let run = collect(&emulator, &folder, &["--summary", "none"]);
    assert_eq!(run.stdout, "");
    let run = collect(&emulator, &folder, &[]);
    assert!(
        run.stdout.starts_with("tenant ") && run.stdout.contains("\ntotal "),
        "{}",
        run.stdout
    );
}

#[test]
fn quiet_run_reports_failures_only() {
    let emulator = emulator();
    let folder = Folder::new();
    let run = collect(&emulator, &folder, &["--quiet"]);
    assert!(run.succeeded && run.stderr.is_empty(), "{}", run.stderr);
    emulator.fault(Fault::aadsts(700_016).on("/oauth2/token").always());
    let run = collect(&emulator, &folder, &["--quiet"]);
    assert!(!run.succeeded && run.stderr.contains("AADSTS700016"), "{}", run.stderr);
    assert!(run.stdout.contains("failed: tenant "), "{}", run.stdout);
}

#[test]
fn contradictory_options_are_rejected() {
    for (arguments, expected) in [
        (&["--connect"][..], "--tenants"),
        (&["--no-collect"], "--connect"),
        (&["--webhook", "localhost:0"], "--webhook-url"),
        (&["--connect", "--tenants", "x", "--no-collect", "--once"], "--once"),
    ] {
        let mut program = Command::new(env!("CARGO_BIN_EXE_office365_collector"));
        let output = program.args(arguments).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(2) && stderr.contains(expected), "{stderr}");
    }
}
