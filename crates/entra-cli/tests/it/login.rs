//! Stored sign-ins, used by one process after another, against an emulator.

use std::io::{BufRead, BufReader, Read, Write};
use std::time::Duration;

use entra_emulator::{Emulator, Fault};
use serde_json::Value;

use crate::common::session::{ADELE, Browser, ME, MEGAN, REFRESH, Session, done, json};
use crate::common::waiting::get;
use crate::common::{self, GRAPH, Running, command, err, fails, out, private_folder};

#[test]
fn sign_in_is_used_by_later_commands() {
    let emulator = Emulator::start();
    let session = Session::new(&emulator);
    let login = session.login(MEGAN);
    done(&login);
    assert_eq!(out(&login), "");
    assert!(
        err(&login).contains("megan@contoso.onmicrosoft.com of "),
        "{}",
        err(&login)
    );

    let listed = session.run(&["accounts", "-o", "text"]);
    done(&listed);
    assert!(
        out(&listed).starts_with(MEGAN) && out(&listed).contains(session.cli()),
        "{}",
        out(&listed)
    );
    let listed = json(&session.run(&["accounts", "-o", "json"]));
    assert_eq!(listed[0]["username"], MEGAN);
    assert_eq!(listed[0]["tenant"], emulator.tenant_id());
    assert_eq!(listed[0]["public"], true);

    // The token of the sign-in is used first.
    let before = session.token_requests();
    let first = session.run(ME);
    done(&first);
    assert_eq!(session.token_requests(), before);
    done(&session.run(&["cache", "clear"]));
    let token = session.run(ME);
    assert_ne!(out(&token), out(&first));
    assert_eq!(session.token_requests(), before + 1);
    let again = session.run(&["token", "--account", MEGAN, "--scope", "User.Read", "-o", "json"]);
    let again = json(&again);
    assert_eq!(again["access_token"], out(&token).trim());
    assert_eq!((&again["cached"], &again["username"]), (&true.into(), &MEGAN.into()));
    assert_eq!(session.token_requests(), before + 1);
    let fresh = session.run(REFRESH);
    assert_ne!(out(&fresh), out(&token));
    assert_eq!(session.token_requests(), before + 2);
    let decoded = common::entra(&["decode"], &[], out(&token));
    assert!(out(&decoded).contains(MEGAN), "{}", out(&decoded));

    done(&session.run(&["logout"]));
    fails(&session.run(ME), 4, &["no user is signed in", "entra login"]);
}

#[test]
fn printed_variables_of_an_emulator_suffice_to_sign_in() {
    let mut emulator = Running::serve(&["emulator", "--control", "0"]);
    let printed = BufReader::new(emulator.stdout.take().unwrap());
    let mut variables = vec![("PATH".to_owned(), "/usr/bin:/bin".to_owned())];
    let mut cli = String::new();
    for line in printed.lines() {
        let line = line.unwrap();
        if let Some((_, id)) = line.split_once("entra login --client-id ") {
            cli = id.to_owned();
        }
        let Some((name, value)) = line.strip_prefix("export ").and_then(|line| line.split_once('=')) else {
            continue;
        };
        variables.push((name.to_owned(), value.trim_matches('\'').to_owned()));
        if name == "ENTRA_EMULATOR_CONTROL_KEY" {
            break;
        }
    }
    let value = |wanted: &str| variables.iter().find(|(name, _)| name == wanted).unwrap().1.clone();
    let (control, key) = (value("ENTRA_EMULATOR_CONTROL"), value("ENTRA_EMULATOR_CONTROL_KEY"));
    let (daemon, folder) = (value("AZURE_CLIENT_ID"), private_folder());
    variables.push(("ENTRA_STORE".to_owned(), folder.path().join("s").display().to_string()));
    let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (&**name, &**value)).collect();
    // Signs in to the printed public application, and to the first application with its secret.
    for (words, client_id) in [(&["login", "--client-id", &cli][..], &cli), (&["login"], &daemon)] {
        let words = [words, &["--no-browser", "--listen", "localhost:0"]].concat();
        let mut child = Running::start(&mut command(&words, &variables));
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut url = String::new();
        while !url.starts_with("http") {
            url.clear();
            assert_ne!(stderr.read_line(&mut url).unwrap(), 0, "the command has ended");
        }
        let approval = serde_json::json!({ "url": url.trim(), "user": MEGAN });
        let approved = post(&format!("{control}/v1/approvals"), &key, &approval);
        let page = get(approved["redirect_url"]
            .as_str()
            .unwrap_or_else(|| panic!("{approved}")));
        assert!(page.contains("You are signed in"), "{page}");
        done(&child.output());
        let words = [
            "token",
            "--account",
            "--client-id",
            client_id,
            "--scope",
            "User.Read",
            "--refresh",
        ];
        done(&common::run(&words, &variables));
    }
}

/// Posts JSON to a loopback URL, and returns the JSON of the response.
fn post(url: &str, key: &str, body: &Value) -> Value {
    let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let (mut stream, body) = (std::net::TcpStream::connect(host).unwrap(), body.to_string());
    write!(
        stream,
        "POST /{path} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    serde_json::from_str(response.split_once("\r\n\r\n").unwrap().1).unwrap_or_else(|_| panic!("{response}"))
}

#[test]
fn device_code_signs_in() {
    let emulator = Emulator::start();
    let session = Session::new(&emulator);
    let words = ["login", "--device-code", "--client-id", session.cli(), "-o", "json"];
    let mut child = Running::start(&mut session.command(&words, &[]));
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    stderr.read_line(&mut line).unwrap();
    let code = line
        .split(|c: char| !c.is_ascii_alphanumeric())
        .find(|word| word.len() >= 8 && word.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit()))
        .unwrap_or_else(|| panic!("{line}"));
    emulator.approve_device(code, MEGAN).unwrap();
    let output = child.output();
    assert_eq!(json(&output)["username"], MEGAN);
    done(&session.run(ME));
}

#[test]
fn confidential_application_needs_its_secret_each_time() {
    let emulator = Emulator::start();
    let session = Session::new(&emulator);
    done(&session.login_with(&["login"], MEGAN));
    assert_eq!(json(&session.run(&["accounts", "-o", "json"]))[0]["public"], false);
    done(&session.run(ME));
    let without = session.run_with(REFRESH, &[("AZURE_CLIENT_SECRET", "")]);
    fails(&without, 4, &["no credential"]);
    // A secret for another application or cloud is not sent.
    let before = session.token_requests();
    for (option, value, other) in [
        ("--client-id", emulator.client_id(), ("AZURE_CLIENT_ID", session.cli())),
        (
            "--authority-host",
            emulator.base_url(),
            ("AZURE_AUTHORITY_HOST", "public"),
        ),
    ] {
        // An option for the account does not change to which application the variable's secret
        // belongs.
        for words in [REFRESH, &[REFRESH, &[option, value]].concat()] {
            let expected = ["does not belong to the application", "--secret-file"];
            fails(&session.run_with(words, &[other]), 4, &expected);
        }
    }
    assert_eq!(session.token_requests(), before);
    let named = [REFRESH, &["--client-id", emulator.client_id()]].concat();
    done(&session.run_with(&named, &[("AZURE_CLIENT_ID", "")]));
}

#[test]
fn credential_for_a_public_account_is_rejected() {
    let emulator = Emulator::start();
    let session = Session::new(&emulator);
    done(&session.login(MEGAN));
    for option in [
        "--secret-file",
        "--certificate",
        "--certificate-key",
        "--certificate-password-file",
        "--federated-token-file",
    ] {
        let refused = session.run(&[ME, &[option, "/nowhere"]].concat());
        fails(&refused, 2, &[option, "public client", "remove it"]);
    }
    let refused = session.run(&[ME, &["--send-certificate-chain"]].concat());
    fails(&refused, 2, &["--send-certificate-chain has no effect"]);
    let refused = session.run(&[ME, &["--secret", "hunter2"]].concat());
    fails(&refused, 2, &["a secret on the command line"]);
    // Variables apply to all commands, so they are ignored here.
    done(&session.run(ME));
}

#[test]
fn username_in_a_suggested_command_is_quoted() {
    let user = entra_emulator::User::new("Odd").user_principal_name("o'neil;$(id)@contoso.onmicrosoft.com");
    let tenant = entra_emulator::Tenant::new("contoso.onmicrosoft.com").user(user);
    let emulator = Emulator::builder().tenant(tenant).start();
    let session = Session::new(&emulator);
    let login = session.login_with(&["login", "--client-id", session.cli(), "-o", "text"], "Odd");
    done(&login);
    let quoted = r"--account 'o'\''neil;$(id)@contoso.onmicrosoft.com' --scope";
    assert!(err(&login).contains(quoted), "{}", err(&login));
    assert!(out(&login).starts_with("o'neil;$(id)@"), "{}", out(&login));
    done(&session.run(&[
        "token",
        "--account",
        "O'Neil;$(id)@contoso.onmicrosoft.com",
        "--scope",
        "User.Read",
    ]));
}

#[test]
fn empty_tenant_variable_is_ignored() {
    let emulator = Emulator::start();
    let session = Session::new(&emulator);
    let words = [
        "login",
        "--client-id",
        session.cli(),
        "--no-browser",
        "--listen",
        "localhost:0",
        "--wait",
        "1",
    ];
    let output = session.run_with(&words, &[("AZURE_TENANT_ID", "")]);
    assert!(err(&output).contains("/organizations/"), "{}", err(&output));
}

#[test]
fn reports_of_unrelated_redirects_are_limited() {
    let emulator = Emulator::start();
    let session = Session::new(&emulator);
    let words = ["login", "--client-id", session.cli(), "--listen", "localhost:0"];
    let browser = Browser::new(session.folder.path());
    let child = Running::start(&mut session.command(&words, &[("BROWSER", browser.program.to_str().unwrap())]));
    let short = browser.address();
    let at = &short[..short.rfind('/').unwrap()];
    assert!(get(&format!("{at}/other?code=a&state=1")).contains("Page not found"));
    for state in 0..20 {
        assert!(get(&format!("{at}/?code=a&state={state}")).contains("not the sign-in that was started"));
        assert!(get(&format!("{at}/?code=a&code=b&state={state}")).contains("Invalid redirect"));
    }
    assert!(session.visit(&short, MEGAN).contains("You are signed in"));
    let output = child.output();
    done(&output);
    let count = err(&output).matches("ignored").count();
    assert_eq!(count, 6, "{}", err(&output));
}

#[test]
fn one_of_several_accounts_is_selected() {
    let emulator = Emulator::start();
    let session = Session::new(&emulator);
    done(&session.login(MEGAN));
    done(&session.login(ADELE));
    let both = session.run(ME);
    fails(&both, 2, &["2 accounts match", MEGAN, ADELE, "--account USER"]);
    done(&session.run(&["token", "--account", ADELE, "--scope", "User.Read"]));
    fails(
        &session.run(&["token", "--account", "alex@x", "--scope", "User.Read"]),
        4,
        &["alex@x", MEGAN],
    );
    // The variables select one of two sign-ins of a user.
    done(&session.login_with(&["login"], MEGAN));
    let token = session.run(&["token", "--account", MEGAN, "--scope", "User.Read"]);
    let claims = common::entra(&["decode"], &[], out(&token));
    assert!(out(&claims).contains(emulator.client_id()), "{}", out(&claims));
    let token = session.run(&[
        "token",
        "--account",
        MEGAN,
        "--client-id",
        session.cli(),
        "--scope",
        "User.Read",
    ]);
    let claims = common::entra(&["decode"], &[], out(&token));
    assert!(out(&claims).contains(session.cli()), "{}", out(&claims));

    fails(&session.run(&["logout"]), 2, &["3 accounts match"]);
    let logout = session.run(&["logout", "--account", MEGAN, "--client-id", session.cli()]);
    assert!(err(&logout).contains("the service revokes nothing"), "{}", err(&logout));
    assert_eq!(
        json(&session.run(&["accounts", "-o", "json"]))
            .as_array()
            .unwrap()
            .len(),
        2
    );
    let logout = session.run(&["logout", "--all"]);
    assert!(err(&logout).contains("accounts removed: 2"), "{}", err(&logout));
    assert_eq!(json(&session.run(&["accounts", "-o", "json"])), serde_json::json!([]));
}

#[test]
fn revoked_refresh_token_requires_a_new_sign_in() {
    let emulator = Emulator::start();
    let session = Session::new(&emulator);
    done(&session.login(MEGAN));
    let other = ["token", "--account", "--v1", "--resource", GRAPH];
    done(&session.run(&other));
    emulator.revoke_sessions_of(MEGAN);
    let dead = session.run(REFRESH);
    let again = format!("entra login --client-id {}", session.cli());
    fails(&dead, 5, &["AADSTS50173", "sign in again", &again, "--scope User.Read"]);
    // The account is still listed. A new sign-in replaces it and removes the tokens of revoked
    // sessions.
    assert!(out(&session.run(&["accounts"])).contains(MEGAN));
    done(&session.login(MEGAN));
    let again = session.run(&other);
    assert!(!err(&again).contains("from the cache"), "{}", err(&again));
    done(&session.run(REFRESH));
    assert_eq!(
        json(&session.run(&["accounts", "-o", "json"]))
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[test]
fn concurrently_replaced_refresh_token_is_tried() {
    let emulator = Emulator::start();
    let session = Session::new(&emulator);
    done(&session.login(MEGAN));
    emulator.fault(
        Fault::aadsts(700_082)
            .latency(Duration::from_secs(3))
            .on("/token")
            .times(1),
    );
    let before = session.token_requests();
    let child = Running::start(&mut session.command(REFRESH, &[]));
    session.wait_for_token_request(before);
    done(&session.login(MEGAN));
    done(&child.output());
    // If the refresh token was not replaced, there is no second attempt.
    emulator.fault(Fault::aadsts(700_082).on("/token").times(1));
    fails(&session.run(REFRESH), 5, &["AADSTS700082", "sign in again"]);
}

#[test]
fn concurrent_sign_out_is_final() {
    let emulator = Emulator::start();
    let session = Session::new(&emulator);
    done(&session.login(MEGAN));
    emulator.fault(Fault::delayed(Duration::from_secs(3)).on("/token").times(1));
    let before = session.token_requests();
    let child = Running::start(&mut session.command(REFRESH, &[]));
    session.wait_for_token_request(before);
    done(&session.run(&["logout"]));
    done(&child.output());
    fails(&session.run(ME), 4, &["no user is signed in"]);
    assert!(err(&session.run(&["cache", "clear"])).contains("cached tokens removed: 0"));
}
