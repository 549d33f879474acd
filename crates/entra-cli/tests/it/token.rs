//! `entra token`: lifetimes and output formats.

use std::time::Duration;

use entra_emulator::{Emulator, Fault};
use serde_json::Value;

use crate::common::{self, GRAPH, err, out, run, variables};

#[test]
fn refresh_time_of_the_service_is_reported() {
    let day = Emulator::builder().token_lifetime(Duration::from_secs(86_400));
    for (refresh_in, seconds_before) in [(None, None), (Some(43_200), Some(43_199)), (Some(86_300), Some(99))] {
        let builder = match refresh_in {
            Some(seconds) => day.clone().refresh_in(Duration::from_secs(seconds)),
            None => day.clone(),
        };
        let emulator = builder.start();
        let output = run(&["token", "--resource", GRAPH, "-o", "json"], &variables(&emulator));
        let printed: Value = serde_json::from_str(out(&output)).unwrap();
        let before = printed["refresh_on"]
            .as_u64()
            .map(|moment| printed["expires_on"].as_u64().unwrap() - moment);
        // The time in transit is subtracted from the lifetime, so a second may be missing.
        let is_near = |wanted: u64| before == Some(wanted) || before == Some(wanted - 1);
        assert!(seconds_before.map_or_else(|| before.is_none(), is_near), "{printed}");
        assert_eq!(
            err(&output).contains("suggests requesting the next token in "),
            refresh_in.is_some(),
            "{}",
            err(&output)
        );
    }
}

#[test]
fn short_lived_token_is_accepted() {
    let emulator = Emulator::builder().token_lifetime(Duration::from_secs(60)).start();
    let output = run(&["token", "--resource", GRAPH], &variables(&emulator));
    assert!(
        output.status.success() && out(&output).starts_with("eyJ"),
        "{}",
        err(&output)
    );
    assert!(err(&output).contains(", valid for 5"), "{}", err(&output));
    assert_eq!(emulator.token_requests().len(), 1);
}

#[test]
fn timeout_is_at_most_an_hour() {
    let emulator = Emulator::start();
    for seconds in ["1", "300", "3600"] {
        let output = run(
            &["token", "--resource", GRAPH, "--timeout", seconds],
            &variables(&emulator),
        );
        assert!(output.status.success(), "{seconds}: {}", err(&output));
    }
}

/// Runs a shell script on the output of `entra`, and returns what it prints.
#[cfg(unix)]
fn shell(script: &str, input: &str) -> String {
    let mut command = std::process::Command::new("/bin/sh");
    command
        .args(["-c", script])
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("INPUT", input);
    String::from_utf8(command.output().unwrap().stdout).unwrap()
}

/// Returns the token in this format, and the notes about it.
fn token_as(emulator: &Emulator, form: &str, more: &[(&str, &str)]) -> (String, String) {
    let variables = [&variables(emulator)[..], more].concat();
    let output = run(&["token", "--resource", GRAPH, "-o", form], &variables);
    assert!(output.status.success(), "{form}: {}", err(&output));
    assert!(!err(&output).contains("eyJ"), "{}", err(&output));
    (out(&output).to_owned(), err(&output).to_owned())
}

#[test]
#[cfg(unix)]
fn env_output_is_read_by_a_shell() {
    let emulator = Emulator::start();
    let (lines, _) = token_as(&emulator, "env", &[]);
    assert_eq!(lines.lines().count(), 2);
    assert!(lines.lines().all(|line| line.starts_with("export ENTRA_")), "{lines}");
    let script = r#"eval "$INPUT"; sh -c 'echo "$ENTRA_ACCESS_TOKEN $ENTRA_TOKEN_EXPIRES_ON"'"#;
    let shown = shell(script, &lines);
    let (token, expires_on) = shown.trim().split_once(' ').unwrap();
    assert!(token.starts_with("eyJ") && token.split('.').count() == 3, "{shown}");
    assert!(expires_on.parse::<u64>().unwrap() > 1_700_000_000);
}

#[test]
fn curl_reads_the_curl_output() {
    let emulator = Emulator::start();
    let (text, _) = token_as(&emulator, "curl", &[]);
    let header = text.strip_prefix("header = \"Authorization: Bearer eyJ").unwrap();
    assert!(
        header.ends_with("\"\n") && header.trim().matches('"').count() == 1,
        "{text}"
    );
}

#[test]
#[cfg(unix)]
fn hostile_token_is_quoted_for_shell_and_curl() {
    const TOKEN: &str = r#"a'b"c\d$(touch${IFS}x)`e`;f\ng!#&"#;
    let emulator = Emulator::start();
    for form in ["env", "curl"] {
        let body = serde_json::json!({ "token_type": "Bearer", "expires_in": 3600, "access_token": TOKEN });
        emulator.fault(Fault::body(body.to_string()).on("token"));
        let (text, _) = token_as(&emulator, form, &[]);
        if form == "env" {
            let shown = shell(r#"eval "$INPUT"; printf '%s' "$ENTRA_ACCESS_TOKEN""#, &text);
            assert_eq!(shown, TOKEN);
        } else {
            let escaped = TOKEN.replace('\\', r"\\").replace('"', r#"\""#);
            assert_eq!(text, format!("header = \"Authorization: Bearer {escaped}\"\n"));
        }
    }
}

#[test]
fn exec_credential_has_the_requested_version() {
    let emulator = Emulator::start();
    for (info, version) in [
        (None, "client.authentication.k8s.io/v1"),
        (Some("v1"), "client.authentication.k8s.io/v1"),
        (Some("v1beta1"), "client.authentication.k8s.io/v1beta1"),
    ] {
        let info = info.map(|version| {
            serde_json::json!({
                "apiVersion": format!("client.authentication.k8s.io/{version}"),
                "kind": "ExecCredential",
                "spec": { "interactive": false },
            })
            .to_string()
        });
        let more: Vec<(&str, &str)> = info.iter().map(|info| ("KUBERNETES_EXEC_INFO", &**info)).collect();
        for words in [
            &["token", "--resource", GRAPH, "-o", "exec-credential"][..],
            &["kube-credential"],
        ] {
            let variables = [&variables(&emulator)[..], &more].concat();
            let output = run(words, &variables);
            assert!(output.status.success(), "{words:?}: {}", err(&output));
            let credential: Value = serde_json::from_str(out(&output)).unwrap();
            assert_eq!(credential["apiVersion"], version);
            assert_eq!(credential["kind"], "ExecCredential");
            assert!(credential["status"]["token"].as_str().unwrap().starts_with("eyJ"));
            let until = credential["status"]["expirationTimestamp"].as_str().unwrap();
            assert!(
                until.ends_with('Z') && until.len() == "2000-02-29T23:59:59Z".len(),
                "{until}"
            );
        }
    }
    let before = emulator.token_requests().len();
    let more = [(
        "KUBERNETES_EXEC_INFO",
        r#"{"apiVersion":"client.authentication.k8s.io/v2"}"#,
    )];
    let output = run(&["kube-credential"], &[&variables(&emulator)[..], &more].concat());
    common::fails(&output, 3, &["KUBERNETES_EXEC_INFO requests", "set apiVersion to"]);
    assert_eq!(emulator.token_requests().len(), before);
}

#[test]
fn kube_credential_is_for_the_server_application() {
    let emulator = Emulator::start();
    let folder = common::private_folder();
    let store = folder.path().join("state").display().to_string();
    let variables = [&variables(&emulator)[..], &[("ENTRA_STORE", &*store)]].concat();
    let tokens: Vec<String> = (0..2)
        .map(|_| out(&run(&["kube-credential", "--cache"], &variables)).to_owned())
        .collect();
    assert_eq!(tokens[0], tokens[1]);
    let requests = emulator.token_requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(
        requests[0].form_value("scope").unwrap(),
        "6dae42f8-4368-4678-94ff-3960e28e3630/.default"
    );

    let output = run(&["kube-credential", "--resource", GRAPH], &variables);
    assert!(output.status.success(), "{}", err(&output));
}

#[test]
fn az_output_matches_the_azure_cli() {
    let emulator = Emulator::start();
    let more = [("TZ", "<+0530>-5:30"), ("AZURE_SUBSCRIPTION_ID", "s")];
    let (text, _) = token_as(&emulator, "az", &more);
    let printed: Value = serde_json::from_str(&text).unwrap();
    let members: Vec<&String> = printed.as_object().unwrap().keys().collect();
    assert_eq!(
        members,
        [
            "accessToken",
            "expiresOn",
            "expires_on",
            "subscription",
            "tenant",
            "tokenType"
        ]
    );
    assert_eq!(printed["tenant"], emulator.tenant_id());
    assert_eq!(printed["tokenType"], "Bearer");
    assert_eq!(printed["subscription"], "s");
    // Local time, five and a half hours ahead of UTC.
    let seconds = printed["expires_on"].as_u64().unwrap() + 5 * 3600 + 1800;
    let local = entra_proto::Timestamp::from_secs(seconds).to_rfc3339();
    let local = local.replace('T', " ").replace('Z', ".000000");
    assert_eq!(printed["expiresOn"], *local);
    let printed: Value = serde_json::from_str(&token_as(&emulator, "az", &[]).0).unwrap();
    assert!(printed.get("subscription").is_none(), "{printed}");
}

#[test]
fn watch_prints_one_line_for_each_token() {
    let emulator = Emulator::start();
    for form in ["env", "curl", "exec-credential", "az"] {
        let words = ["token", "--resource", GRAPH, "--watch", "--count", "1", "-o", form];
        let output = run(&words, &variables(&emulator));
        common::fails(&output, 2, &["--watch requires an output format with one line"]);
    }
    assert!(emulator.token_requests().is_empty());
}
