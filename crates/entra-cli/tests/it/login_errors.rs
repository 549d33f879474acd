//! Failed sign-ins, and conflicting options.

use entra_emulator::{App, Emulator, Fault};

use crate::common::session::{Browser, ME, MEGAN, REFRESH, Session, done, header, json};
use crate::common::waiting::get;
use crate::common::{GRAPH, Running, err, fails};

#[test]
fn missing_browser_leaves_the_address() {
    let emulator = Emulator::start();
    let session = Session::new(&emulator);
    for (more, expected) in [
        (&[("BROWSER", "/nowhere/firefox")][..], "/nowhere/firefox"),
        (&[("BROWSER", " : ")], "BROWSER names no program"),
        (&[("SSH_CONNECTION", "x"), ("DISPLAY", ":0")], "remote session"),
        (&[], if cfg!(target_os = "linux") { "no display" } else { "" }),
    ] {
        let words = [
            "login",
            "--client-id",
            session.cli(),
            "--listen",
            "localhost:0",
            "--wait",
            "1",
        ];
        let output = session.run_with(&words, more);
        assert_eq!(output.status.code(), Some(8), "{}", err(&output));
        assert!(err(&output).contains(expected), "{}", err(&output));
        let short = err(&output)
            .lines()
            .find(|line| line.starts_with("http://localhost:"))
            .unwrap();
        assert!(short.len() < 60, "{short}");
        let port = short.split([':', '/']).nth(4).unwrap();
        let forward = format!("ssh -L {port}:localhost:{port}");
        assert!(
            err(&output).contains(&forward) && err(&output).contains("--device-code"),
            "{}",
            err(&output)
        );
    }
    let words = [
        "login",
        "--client-id",
        session.cli(),
        "--listen",
        "localhost:0",
        "--wait",
        "1",
        "--no-browser",
    ];
    let browser = Browser::new(session.folder.path());
    let output = session.run_with(&words, &[("BROWSER", browser.program.to_str().unwrap())]);
    let urls: Vec<&str> = err(&output).lines().filter(|line| line.starts_with("http")).collect();
    assert_eq!(urls.len(), 1, "{}", err(&output));
    assert!(
        urls[0].starts_with(emulator.base_url()) && urls[0].contains("offline_access"),
        "{}",
        urls[0]
    );
    assert!(!browser.called.exists());
}

#[test]
fn declined_sign_in_stores_nothing() {
    let emulator = Emulator::start();
    let session = Session::new(&emulator);
    let browser = Browser::new(session.folder.path());
    let words = ["login", "--client-id", session.cli(), "--listen", "localhost:0"];
    let child = Running::start(&mut session.command(&words, &[("BROWSER", browser.program.to_str().unwrap())]));
    let short = browser.address();
    let url = header(&get(&short), "location").unwrap().to_owned();
    let back = emulator.decline(&url, MEGAN).unwrap().url;
    assert!(get(&back).contains("The sign-in was canceled"));
    assert_ne!(child.output().status.code(), Some(0));
    assert_eq!(json(&session.run(&["accounts", "-o", "json"])), serde_json::json!([]));
}

#[test]
fn conflicting_options_are_rejected() {
    let emulator = Emulator::builder().app(App::new("a").secret("s")).start();
    let session = Session::new(&emulator);
    for words in [
        &["token", "--account", "--cache", "--scope", "x"][..],
        &["token", "--account", "x", "--flow", "device-code", "--scope", "x"],
        &["token", "--cache", "--watch", "--resource", GRAPH],
        &["token", "--refresh", "--resource", GRAPH],
        &["token", "--cache", "--flow", "device-code", "--scope", "x"],
        &["token", "--account", "--scope", "x", "--listen", "localhost:0"],
        &["token", "--account", "--scope", "x", "--no-browser"],
        &["token", "--cache", "--resource", GRAPH, "--wait", "5"],
        &["token", "--cache", "--resource", GRAPH, "--public"],
        &["token", "--cache", "--resource", GRAPH, "--assertion-file", "x"],
        &["token", "--watch", "--resource", GRAPH, "--no-browser"],
        &["token", "--resource", GRAPH, "--store", "x"],
        &["token", "--resource", GRAPH, "--store-key", "x"],
        &["logout", "--account", " "],
        &["login", "--device-code", "--no-browser"],
        &["logout", "--all", "--account", "x"],
    ] {
        assert_eq!(session.run(words).status.code(), Some(2), "{words:?}");
    }
    assert_eq!(session.token_requests(), 0);
}

#[test]
fn required_claims_are_passed_to_the_sign_in() {
    const CLAIMS: &str = r#"{"access_token":{"capolids":{"essential":true,"values":["a-b"]}}}"#;
    let emulator = Emulator::start();
    let session = Session::new(&emulator);
    done(&session.login(MEGAN));
    let body = serde_json::json!({
        "error": "interaction_required",
        "error_description": "AADSTS50076: Another factor is needed.",
        "error_codes": [50076],
        "claims": CLAIMS,
    });
    let fault = Fault::status(400).with_body(body.to_string());
    emulator.fault(fault.content_type("application/json").on("/token").times(1));
    let again = format!("--scope User.Read --claims '{CLAIMS}'");
    fails(
        &session.run(REFRESH),
        5,
        &["AADSTS50076", "sign in again: entra login", &again],
    );
    let mut body = body;
    body["claims"] = CLAIMS.replace(r#""a-b""#, &[r#""a-b""#; 200].join(",")).into();
    let fault = Fault::status(400).with_body(body.to_string());
    emulator.fault(fault.content_type("application/json").on("/token").times(1));
    let advice = "--scope User.Read; add --claims with the member claims of the -o json error";
    fails(&session.run(REFRESH), 5, &[advice]);
    done(&session.login_with(&["login", "--client-id", session.cli(), "--claims", CLAIMS], MEGAN));
    let authorized = emulator.requests();
    let mut authorized = authorized.iter().filter(|request| request.path.ends_with("/authorize"));
    assert!(authorized.any(|request| format!("{request:?}").contains("capolids")));
    fails(
        &session.run(&["login", "--claims", "{bad"]),
        3,
        &["claims are not JSON"],
    );
}

#[test]
fn scope_without_consent_names_the_consent_command() {
    let emulator = Emulator::start();
    let session = Session::new(&emulator);
    done(&session.login(MEGAN));
    let scope = format!("api://{}/ToDoList.Read", emulator.api().app_id);
    let refused = session.run(&["token", "--account", "--scope", &scope]);
    fails(&refused, 6, &["AADSTS65001", "must consent: entra login", &scope]);
    done(&session.login_with(&["login", "--client-id", session.cli(), "--scope", &scope], MEGAN));
    done(&session.run(&["token", "--account", "--scope", &scope]));
    done(&session.run(ME));
}
