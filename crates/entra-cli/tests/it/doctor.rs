//! The findings of `entra doctor` for working and broken applications.

use std::collections::BTreeMap;
use std::process::Output;
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use entra_emulator::{App, Emulator};
use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use serde_json::{Value, json};

use crate::common::{self, GRAPH, entra, err, file, out, variables};

/// The JSON report of a run.
pub(super) struct Report {
    pub(super) code: i32,
    pub(super) json: Value,
    pub(super) shown: String,
}

impl Report {
    pub(super) fn of(words: &[&str], variables: &[(&str, &str)]) -> Self {
        let output = entra(&[&["doctor", "-o", "json"], words].concat(), variables, "");
        let report: Value = serde_json::from_str(out(&output)).unwrap_or_else(|_| panic!("{}", err(&output)));
        let code = output.status.code().unwrap();
        assert_eq!(report["exit_code"], code);
        Self {
            code,
            json: report,
            shown: both(&output),
        }
    }

    /// Returns the statuses of all checks except those that are ok.
    pub(super) fn not_ok(&self) -> BTreeMap<&str, &str> {
        self.checks()
            .map(|check| (text(check, "check"), text(check, "status")))
            .filter(|(_, status)| *status != "ok")
            .collect()
    }

    #[track_caller]
    pub(super) fn check(&self, name: &str) -> &Value {
        let mut checks = self.checks();
        checks
            .find(|check| check["check"] == name)
            .unwrap_or_else(|| panic!("no {name}: {}", self.json))
    }

    /// Asserts that a check has this finding and this hint.
    #[track_caller]
    pub(super) fn says(&self, name: &str, found: &str, hint: &str) {
        let check = self.check(name);
        assert!(text(check, "found").contains(found), "{found}: {check}");
        assert!(common::hints(check).contains(hint), "{hint}: {check}");
    }

    /// Asserts that a check was skipped, with the reason and without a hint.
    #[track_caller]
    pub(super) fn skips(&self, name: &str, needs: &str) {
        let check = self.check(name);
        assert_eq!(check["details"]["needs"], json!([needs]), "{check}");
        assert_eq!(text(check, "found"), format!("needs {needs}"));
        assert_eq!(check["hints"], json!([]), "{check}");
    }

    pub(super) fn checks(&self) -> impl Iterator<Item = &Value> {
        self.json["checks"].as_array().unwrap().iter()
    }
}

pub(super) fn text<'a>(check: &'a Value, member: &str) -> &'a str {
    check[member].as_str().unwrap_or_default()
}

pub(super) fn both(output: &Output) -> String {
    format!("{}{}", out(output), err(output))
}

pub(super) fn with<'a>(variables: &[(&'a str, &'a str)], name: &'a str, value: &'a str) -> Vec<(&'a str, &'a str)> {
    let others = variables.iter().copied().filter(|pair| pair.0 != name);
    others.chain([(name, value)]).collect()
}

/// Returns a key with its self-signed certificate in PEM, and the certificate alone.
fn certificate(from: SystemTime, until: SystemTime) -> (String, String) {
    let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    (params.not_before, params.not_after) = (from.into(), until.into());
    let certificate = params.self_signed(&key).unwrap().pem();
    (format!("{}{certificate}", key.serialize_pem()), certificate)
}

fn days(days: u64) -> Duration {
    Duration::from_secs(days * 86_400)
}

pub(super) fn jwt(claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.c2ln", part(&json!({"alg": "RS256"})), part(claims))
}

#[test]
fn working_app_passes_every_check() {
    let emulator = Emulator::start();
    let output = entra(&["doctor", "--resource", GRAPH], &variables(&emulator), "");
    assert_eq!(output.status.code(), Some(0), "{}", both(&output));
    assert_eq!(err(&output), "");
    let names: Vec<&str> = out(&output)
        .lines()
        .map(|line| {
            let mut words = line.split_whitespace();
            assert_eq!(words.next(), Some("ok"), "{line}");
            words.next().unwrap()
        })
        .collect();
    assert_eq!(
        names,
        [
            "authority",
            "tenant",
            "client-id",
            "credential",
            "target",
            "region",
            "network",
            "connection",
            "clock",
            "tenant-found",
            "token-request",
            "audience",
            "roles",
            "lifetime",
            "issued-to"
        ]
    );
    for expected in [
        "(from AZURE_TENANT_ID)",
        "(from AZURE_CLIENT_SECRET)",
        "(from --resource)",
        "none  (the default)",
        "scope=https://graph.microsoft.com/.default",
        "User.Read.All",
        "60 min",
        "a v1 token",
        "with a secret (appidacr 1)",
    ] {
        assert!(out(&output).contains(expected), "{expected}: {}", out(&output));
    }
    // The doctor sends what `entra token` sends: one token request, after one discovery request.
    assert_eq!((emulator.token_requests().len(), emulator.request_count()), (1, 2));
}

#[test]
fn wrong_secret_is_reported_with_request_ids() {
    let emulator = Emulator::start();
    let variables = with(&variables(&emulator), "AZURE_CLIENT_SECRET", "canary-of-a-secret");
    let output = entra(&["doctor", "--resource", GRAPH], &variables, "");
    assert_eq!(output.status.code(), Some(5), "{}", both(&output));
    let lines: Vec<&str> = out(&output).lines().collect();
    let at = lines
        .iter()
        .position(|line| line.starts_with("fail     token-request"))
        .unwrap();
    for expected in ["AADSTS7000215", "invalid_client", "trace ID ", "correlation ID "] {
        assert!(lines[at].contains(expected), "{}", lines[at]);
    }
    assert!(
        lines[at + 1].starts_with("         hint: send the secret's value, not its ID"),
        "{}",
        lines[at + 1]
    );
    assert!(lines[at + 2].starts_with("skipped  token "), "{}", lines[at + 2]);
    assert!(lines[at + 2].ends_with("needs token-request"), "{}", lines[at + 2]);
    assert_eq!(err(&output), "error: 1 check failed: token-request\n");
    assert!(!both(&output).contains("canary"), "{}", both(&output));

    let report = Report::of(&["--resource", GRAPH], &variables);
    assert_eq!(
        report.not_ok(),
        [("token", "skipped"), ("token-request", "fail")].into()
    );
    let details = &report.check("token-request")["details"];
    assert_eq!(
        (&details["aadsts_codes"], &details["status"]),
        (&json!([7_000_215]), &json!(401))
    );
    assert!(
        details["trace_id"].is_string() && details["correlation_id"].is_string(),
        "{details}"
    );
}

#[test]
fn id_of_a_secret_is_distinguished_from_its_value() {
    let emulator = Emulator::start();
    let id = emulator.apps()[0].secrets.as_ref().unwrap()[0].id.clone();
    let report = Report::of(
        &["--resource", GRAPH],
        &with(&variables(&emulator), "AZURE_CLIENT_SECRET", &id),
    );
    assert_eq!(report.code, 5);
    report.says("credential", "looks like the ID of a secret", "value, not its ID");
    assert!(!report.shown.contains(&id), "{}", report.shown);
}

#[test]
fn certificate_near_or_past_expiry_is_reported() {
    let now = SystemTime::now();
    let (expired, expired_public) = certificate(now - days(400), now - days(35));
    let (short, short_public) = certificate(now - days(1), now + days(20));
    let emulator = Emulator::builder()
        .app(
            App::new("expired")
                .without_secrets()
                .certificate_pem(&expired_public)
                .grant(GRAPH, "User.Read.All"),
        )
        .app(
            App::new("short")
                .without_secrets()
                .certificate_pem(&short_public)
                .grant(GRAPH, "User.Read.All"),
        )
        .start();
    let path = file("doctor-expired.pem", &expired);
    let words = ["--resource", GRAPH, "--certificate", path.to_str().unwrap()];
    let report = Report::of(&words, &variables(&emulator)[..3]);
    assert_eq!(report.code, 4, "{}", report.json);
    // The service decides about validity, so the token is requested anyway.
    assert_eq!(
        report.not_ok(),
        [("certificate", "fail"), ("token", "skipped"), ("token-request", "fail")].into()
    );
    report.says("certificate", "expired 35 days ago", "entra cert new");
    report.says("token-request", "AADSTS700027", "");

    let path = file("doctor-short.pem", &short);
    let client_id = &emulator.app("short").unwrap().client_id;
    let words = ["--resource", GRAPH, "--v1"];
    let mut variables = with(&variables(&emulator)[..3], "AZURE_CLIENT_ID", client_id);
    variables.push(("AZURE_CLIENT_CERTIFICATE_PATH", path.to_str().unwrap()));
    let report = Report::of(&words, &variables);
    assert_eq!(
        (report.code, report.not_ok()),
        (0, [("certificate", "warn")].into()),
        "{}",
        report.json
    );
    let details = &report.check("certificate")["details"];
    assert_eq!(details["key_bits"], 2048);
    for (name, length) in [("sha1", 40), ("sha256", 64), ("x5t", 27), ("x5t_s256", 43)] {
        let thumbprint = details[name].as_str().unwrap();
        assert_eq!(thumbprint.len(), length, "{thumbprint}");
        report.says("certificate", thumbprint, "");
    }
    assert_eq!(
        report.check("credential")["source"]["name"],
        "AZURE_CLIENT_CERTIFICATE_PATH"
    );
    report.says("issued-to", "with a certificate (appidacr 2)", "");

    // An unreadable certificate is not used, and the other checks continue.
    let wrong = file("doctor-wrong.pem", &short_public);
    let words = ["--resource", GRAPH, "--certificate", wrong.to_str().unwrap()];
    let report = Report::of(&words, &variables);
    assert_eq!(report.code, 4);
    report.says(
        "certificate",
        "holds no private key",
        "export the certificate together with its private key",
    );
    report.skips("token-request", "certificate");
    assert_eq!(report.check("tenant-found")["status"], "ok");

    // Validity is checked by the service's clock and not by this machine's.
    emulator.clock().advance(days(60));
    let report = Report::of(&["--resource", GRAPH], &variables);
    assert_eq!(report.check("clock")["status"], "fail");
    report.says("certificate", "expired 40 days ago", "");
}

#[test]
fn unknown_tenant_gets_no_credential() {
    let emulator = Emulator::start();
    let variables = with(&variables(&emulator), "AZURE_TENANT_ID", "unknown.example");
    let report = Report::of(&["--resource", GRAPH], &variables);
    assert_eq!(report.code, 5);
    assert_eq!(
        report.not_ok(),
        [
            ("tenant-found", "fail"),
            ("token", "skipped"),
            ("token-request", "skipped")
        ]
        .into()
    );
    report.says("tenant-found", "AADSTS90002", "check the tenant");
    assert!(emulator.token_requests().is_empty());
}

#[test]
fn settings_are_checked_without_a_connection() {
    let emulator = Emulator::start();
    let dead = with(&variables(&emulator), "AZURE_AUTHORITY_HOST", "http://127.0.0.1:1");
    let report = Report::of(&["--resource", GRAPH], &dead);
    assert_eq!(report.code, 7);
    let skipped = ["clock", "tenant-found", "token-request", "token"].map(|name| (name, "skipped"));
    assert_eq!(
        report.not_ok(),
        skipped.into_iter().chain([("connection", "fail")]).collect()
    );
    report.says("connection", "127.0.0.1:1", "a server listens at 127.0.0.1:1");
    assert_eq!(report.check("connection")["details"]["stage"], "connect");
    report.skips("clock", "connection");
    for secret in [emulator.client_secret(), "eyJ"] {
        assert!(!report.shown.contains(secret), "{}", report.shown);
    }

    let unknown = with(&dead, "AZURE_AUTHORITY_HOST", "unknown.invalid");
    let report = Report::of(&["--resource", GRAPH, "--timeout", "5"], &unknown);
    assert_eq!(
        (report.code, &report.check("connection")["details"]["stage"]),
        (7, &json!("dns"))
    );
    report.says("connection", "unknown.invalid", "the host's spelling");

    // With a proxy, the proxy is unreachable. Its password is not shown.
    let mut proxied = with(&dead, "AZURE_AUTHORITY_HOST", "https://login.example");
    proxied.push(("HTTPS_PROXY", "http://user:canary@127.0.0.1:1"));
    let report = Report::of(&["--resource", GRAPH], &proxied);
    assert_eq!(report.code, 7);
    report.says("network", "through the proxy 127.0.0.1:1 (HTTPS_PROXY)", "");
    report.says("connection", "proxy: ", "check the proxy 127.0.0.1:1 in HTTPS_PROXY");
    assert!(!report.shown.contains("canary"), "{}", report.shown);
}

#[test]
fn missing_tls_root_differs_from_dead_host() {
    let emulator = Emulator::builder().tls().start();
    let variables = with(
        &variables(&emulator),
        "AZURE_AUTHORITY_HOST",
        emulator.tls_url().unwrap(),
    );
    let report = Report::of(&["--resource", GRAPH], &variables);
    assert_eq!(
        (report.code, &report.check("connection")["details"]["stage"]),
        (7, &json!("tls"))
    );
    report.says("connection", "certificate", "--ca-file");

    let nowhere = with(&variables, "SSL_CERT_FILE", "/no/such/roots.pem");
    let report = Report::of(&["--resource", GRAPH], &nowhere);
    assert_eq!(report.not_ok()["network"], "warn");
    report.says(
        "network",
        "no certificates were found there",
        "the path in SSL_CERT_FILE",
    );
    report.says("connection", "not trusted here", "check its path");

    let ca = file("doctor-ca.pem", emulator.ca_pem().unwrap());
    let ca = ca.to_str().unwrap();
    let report = Report::of(&["--resource", GRAPH, "--ca-file", ca], &variables);
    assert_eq!((report.code, report.not_ok()), (0, BTreeMap::new()), "{}", report.json);
    report.says("connection", "over TLS", "");
    report.says("network", ca, "");
}

#[test]
fn wrong_clock_is_reported_with_its_offset() {
    let emulator = Emulator::start();
    emulator.clock().advance(Duration::from_secs(200));
    let report = Report::of(&["--resource", GRAPH], &variables(&emulator));
    assert_eq!(
        (report.code, report.not_ok()),
        (0, [("clock", "warn")].into()),
        "{}",
        report.json
    );
    emulator.clock().advance(Duration::from_secs(400));
    let report = Report::of(&["--resource", GRAPH], &variables(&emulator));
    assert_eq!(
        (report.code, report.not_ok()),
        (3, [("clock", "fail")].into()),
        "{}",
        report.json
    );
    report.says("clock", "10 min behind", "AADSTS700024");
    emulator.clock().set(SystemTime::now() - Duration::from_secs(3600));
    let report = Report::of(&["--resource", GRAPH], &variables(&emulator));
    report.says("clock", "60 min ahead", "AADSTS700024");
}

#[test]
fn app_without_roles_needs_its_administrator() {
    let app = App::new("forgotten").request(GRAPH, "User.Read.All");
    let emulator = Emulator::builder().app(app).start();
    let report = Report::of(&["--resource", GRAPH], &variables(&emulator));
    assert_eq!(
        (report.code, report.not_ok()),
        (0, [("roles", "warn")].into()),
        "{}",
        report.json
    );
    report.says("roles", "none", "have an administrator grant consent");
}

#[test]
fn invalid_daemon_target_is_not_sent() {
    let emulator = Emulator::start();
    for (words, found, fix) in [
        (
            &["--scope", "https://graph.microsoft.com/User.Read"][..],
            "is a single permission",
            "write https://graph.microsoft.com/.default",
        ),
        (
            &["--scope", GRAPH],
            "is the address of an API, not a scope",
            "write https://graph.microsoft.com/.default",
        ),
        (
            &["--scope", "https%3A%2F%2Fgraph.microsoft.com%2F.default"],
            "percent-encoded",
            "write it plain",
        ),
        (&["--resource", GRAPH, "--claims", "{"], "claims", ""),
        (&[], "no API is given", "--resource"),
    ] {
        let report = Report::of(words, &variables(&emulator));
        assert_eq!(report.code, 3, "{}", report.json);
        let skipped = ["token-request", "token"].map(|name| (name, "skipped"));
        assert_eq!(
            report.not_ok(),
            skipped.into_iter().chain([("target", "fail")]).collect()
        );
        report.says("target", found, fix);
    }
    assert!(emulator.token_requests().is_empty());
}

#[test]
fn trailing_slash_of_an_audience_is_checked_in_the_token() {
    let emulator = Emulator::start();
    for words in [
        ["--resource", "https://database.windows.net/"],
        ["--scope", "https://database.windows.net//.default"],
    ] {
        let report = Report::of(&words, &variables(&emulator));
        // The database manages its own users, so the token has no roles.
        assert_eq!(
            (report.code, report.not_ok()),
            (0, [("roles", "warn")].into()),
            "{}",
            report.json
        );
        report.says("target", "scope=https://database.windows.net//.default", "");
        report.says(
            "audience",
            "https://database.windows.net/, as requested, including the slash at the end",
            "",
        );
    }
    let report = Report::of(&["--resource", "https://database.windows.net"], &variables(&emulator));
    assert_eq!(report.not_ok(), [("audience", "warn"), ("roles", "warn")].into());
    report.says(
        "audience",
        "without the slash",
        "https://database.windows.net//.default",
    );

    // In v2 tokens the audience is the API's application ID.
    let api = emulator.api();
    let report = Report::of(&["--resource", &api.identifiers[0]], &variables(&emulator));
    assert_eq!((report.code, report.not_ok()), (0, BTreeMap::new()), "{}", report.json);
    report.says("audience", &api.app_id, "");
    report.says("issued-to", "azpacr 1", "");
}
