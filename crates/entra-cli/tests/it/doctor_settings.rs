//! `entra doctor` with invalid settings, and with values that it must not show.

use std::time::SystemTime;

use entra_emulator::{Emulator, Fault};
use serde_json::json;

use super::doctor::{Report, both, jwt, text, with};
use crate::common::{GRAPH, UNREACHABLE, entra, err, file, out, variables};

#[test]
fn all_invalid_settings_are_reported_in_one_run() {
    let output = entra(&["doctor"], &[], "");
    assert_eq!(output.status.code(), Some(3), "{}", both(&output));
    for line in [
        "fail     tenant ",
        "fail     client-id ",
        "fail     credential ",
        "fail     target ",
    ] {
        assert!(out(&output).contains(line), "{line}: {}", out(&output));
    }
    // A setting that is not set has no source.
    assert_eq!(out(&output).matches("the default").count(), 3, "{}", out(&output));
    for expected in ["--tenant", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET"] {
        assert!(out(&output).contains(expected), "{expected}: {}", out(&output));
    }

    let emulator = Emulator::start();
    let mut variables = variables(&emulator).to_vec();
    variables[1].1 = "common";
    variables[2].1 = "canary~of~a~secret";
    variables.push(("HTTPS_PROXY", "socks5://user:canary@127.0.0.1:1"));
    let words = ["--resource", GRAPH, "--region", "westeurope", "--secret", "canary"];
    let report = Report::of(&words, &variables);
    let failed: Vec<&str> = report
        .checks()
        .filter(|check| check["status"] == "fail")
        .map(|check| text(check, "check"))
        .collect();
    assert_eq!(failed, ["tenant", "client-id", "credential", "region", "network"]);
    report.says("tenant", "common", "contoso.onmicrosoft.com");
    report.says("credential", "visible to every user", "--secret-file");
    assert!(!report.shown.contains("canary"), "{}", report.shown);
    assert_eq!(emulator.request_count(), 0);
}

#[test]
fn settings_that_fail_elsewhere_warn() {
    let emulator = Emulator::start();
    let tenant = format!("{}\n", emulator.tenant_id());
    let mut variables = with(&variables(&emulator), "AZURE_TENANT_ID", &tenant);
    variables.push(("AZURE_FEDERATED_TOKEN_FILE", "/var/run/token"));
    let report = Report::of(&["--resource", GRAPH], &variables);
    assert_eq!(
        (report.code, report.not_ok()),
        (0, [("credential", "warn"), ("tenant", "warn")].into())
    );
    report.says("tenant", "white space", "white space");
    report.says("credential", "AZURE_FEDERATED_TOKEN_FILE is also set", "unset");

    let twice = with(&variables, "AZURE_CLIENT_ID", emulator.tenant_id());
    let report = Report::of(&["--resource", GRAPH], &twice);
    report.says("tenant", "it is equal to the client ID", "copy");
    report.says("token-request", "AADSTS700016", "");

    let secret = format!("{}\n\n", emulator.client_secret());
    let path = file("doctor-secret.txt", &secret);
    let words = ["--resource", GRAPH, "--secret-file", path.to_str().unwrap()];
    let report = Report::of(&words, &variables);
    report.says("credential", "white space or a line end", "printf");
    assert_eq!(report.check("credential")["source"]["kind"], "file");
    let words = ["doctor", "--resource", GRAPH, "--secret-file", "-"];
    let piped = entra(&words, &variables, emulator.client_secret());
    assert!(
        out(&piped).contains("a client secret  (from standard input)"),
        "{}",
        both(&piped)
    );
    assert!(piped.status.success() && !both(&piped).contains(emulator.client_secret()));
    assert!(!report.shown.contains(emulator.client_secret()), "{}", report.shown);
}

#[test]
fn federated_token_is_checked_and_not_shown() {
    let emulator = Emulator::start();
    let in_an_hour = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap()
        .as_secs()
        + 3600;
    let token = jwt(
        &json!({"iss": "https://issuer.example", "sub": "system:serviceaccount:a:b",
        "aud": "api://AzureADTokenExchange", "exp": in_an_hour}),
    );
    let path = file("doctor-federated", &token);
    let words = ["--resource", GRAPH, "--federated-token-file", path.to_str().unwrap()];
    let report = Report::of(&words, &variables(&emulator));
    assert_eq!(report.check("federated-token")["status"], "ok", "{}", report.json);
    report.says("federated-token", "subject system:serviceaccount:a:b", "");
    assert!(!report.shown.contains("eyJ"), "{}", report.shown);
    // The emulator has no second issuer; the request is what matters here.
    assert_eq!(
        emulator.token_requests()[0].form_value("client_assertion"),
        Some(token.as_str())
    );

    let report = Report::of(
        &["--resource", GRAPH, "--federated-token-file", "nowhere"],
        &variables(&emulator),
    );
    assert_eq!(report.code, 4);
    report.says("federated-token", "nowhere", "the platform writes the token");
    report.says("token-request", "needs federated-token", "");
}

#[test]
fn unusual_responses_are_named_and_checks_continue() {
    let emulator = Emulator::start();
    let variables = variables(&emulator);
    let look = |fault: Fault| {
        emulator.fault(fault.on("openid-configuration"));
        Report::of(&["--resource", GRAPH], &variables)
    };
    // An overloaded service: the existence of the tenant is unknown, and the token is requested.
    let report = look(Fault::status(503));
    assert_eq!(
        (report.code, report.not_ok()),
        (0, [("tenant-found", "warn")].into()),
        "{}",
        report.json
    );
    // Another server responds: no secret is sent to it.
    for fault in [
        Fault::body("<html>canary"),
        Fault::redirect(302, "http://portal.example/?canary"),
        Fault::body("["),
    ] {
        let asked = emulator.token_requests().len();
        let report = look(fault);
        assert_eq!(
            (report.code, &report.check("tenant-found")["status"]),
            (9, &json!("fail"))
        );
        report.says("tenant-found", "not a discovery document", "proxy");
        assert!(!report.shown.contains("canary"), "{}", report.shown);
        assert_eq!(emulator.token_requests().len(), asked);
    }
    emulator.fault(Fault::reset().on("openid-configuration"));
    let report = Report::of(&["--resource", GRAPH], &variables);
    assert_eq!(
        (report.code, &report.check("connection")["details"]["stage"]),
        (7, &json!("http"))
    );
}

#[test]
fn echoed_request_shows_no_token() {
    let emulator = Emulator::start();
    let variables = variables(&emulator);
    let secret = emulator.client_secret();
    let echo = |access_token: &str| {
        let response = json!({"access_token": access_token, "expires_in": 60, "token_type": "Bearer"});
        ["text", "json"].map(|form| {
            emulator.fault(Fault::body(response.to_string()).on("/token"));
            let output = entra(&["doctor", "--resource", GRAPH, "-o", form], &variables, "");
            assert!(
                !both(&output).contains(secret) && !both(&output).contains(access_token),
                "{}",
                both(&output)
            );
            both(&output)
        })
    };
    let reported = echo(&jwt(
        &json!({"aud": secret, "roles": [secret, "Some.Role"], "tid": emulator.tenant_id(),
        "azp": emulator.client_id(), "azpacr": "1", "ver": "2.0"}),
    ));
    assert!(
        reported
            .iter()
            .all(|reported| reported.contains("[not shown], Some.Role") && reported.contains("60 s, too short")),
        "{reported:?}"
    );
    let reported = echo("canary-opaque");
    assert!(
        reported.iter().all(|reported| reported.contains("opaque")),
        "{reported:?}"
    );
    // An error response that repeats the request.
    let refusal = json!({"error": "invalid_client\u{7f}", "error_description": format!("client_secret={secret}")});
    emulator.fault(Fault::body(refusal.to_string()).on("/token"));
    let report = Report::of(&["--resource", GRAPH], &variables);
    assert_eq!(report.code, 5, "{}", report.json);
    assert!(
        !report.shown.contains(secret) && !report.shown.contains('\u{7f}'),
        "{}",
        report.shown
    );
}

#[test]
fn secret_in_place_of_a_path_is_not_shown() {
    let key = "-----BEGIN PRIVATE KEY-----\nMIIEcanary\n-----END PRIVATE KEY-----\n";
    let token = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJjYW5hcnkifQ.canary";
    for (setting, value) in [
        ("AZURE_CLIENT_CERTIFICATE_PATH", key),
        ("AZURE_FEDERATED_TOKEN_FILE", token),
    ] {
        let variables = [&UNREACHABLE[..], &[(setting, value)]].concat();
        let report = Report::of(&["--resource", GRAPH], &variables);
        report.says(
            "credential",
            "contains a key or a token instead",
            "write the key or token to a file",
        );
        assert!(
            report.shown.contains(setting) && !report.shown.contains("canary"),
            "{}",
            report.shown
        );
        let output = entra(&["token", "--resource", GRAPH], &variables, "");
        assert!(
            !both(&output).contains("canary") && err(&output).contains(setting),
            "{}",
            both(&output)
        );
    }
}

#[test]
fn region_is_detected_on_request() {
    // No connection is possible. Only the region matters here.
    let variables = |more: &[(&'static str, &'static str)]| {
        let all = [
            ("AZURE_TENANT_ID", "contoso.com"),
            ("AZURE_CLIENT_ID", "535fb089-9ff3-47b6-9bfb-4f1264799865"),
            ("AZURE_CLIENT_SECRET", "s3cret-of-the-application"),
            ("HTTPS_PROXY", "http://127.0.0.1:1"),
            ("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:1"),
        ];
        [&all[..], more].concat()
    };
    let words = ["--resource", GRAPH, "--timeout", "1", "--region", "auto"];
    let report = Report::of(&words, &variables(&[("REGION_NAME", "West Europe")]));
    assert_eq!(report.check("region")["found"], "westeurope, detected by REGION_NAME");
    let report = Report::of(&words, &variables(&[("REGION_NAME", "no/region")]));
    assert_eq!(report.check("region")["status"], "warn", "{}", report.json);
    report.says("region", "none; not detected: REGION_NAME", "--region");
    let report = Report::of(&words[..4], &variables(&[("REGION_NAME", "West Europe")]));
    assert_eq!(report.check("region")["found"], "none");
}
