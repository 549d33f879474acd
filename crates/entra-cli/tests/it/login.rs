//! Sign-ins that are kept: the whole way, by one process after the other, against an emulator.

use std::io::{BufRead, BufReader, Read, Write};
use std::time::Duration;

use entra_emulator::{Emulator, Fault};
use serde_json::Value;

use crate::common::desk::{ADELE, ANEW, Browser, Desk, ME, MEGAN, done, json};
use crate::common::waiting::get;
use crate::common::{self, GRAPH, Running, command, err, fails, out, private_folder};

#[test]
fn a_sign_in_outlasts_the_command() {
    let emulator = Emulator::start();
    let desk = Desk::new(&emulator);
    let login = desk.login(MEGAN);
    done(&login);
    assert_eq!(out(&login), "");
    assert!(
        err(&login).contains("megan@contoso.onmicrosoft.com of "),
        "{}",
        err(&login)
    );

    let listed = desk.run(&["accounts", "-o", "text"]);
    done(&listed);
    assert!(
        out(&listed).starts_with(MEGAN) && out(&listed).contains(desk.cli()),
        "{}",
        out(&listed)
    );
    let listed = json(&desk.run(&["accounts", "-o", "json"]));
    assert_eq!(listed[0]["username"], MEGAN);
    assert_eq!(listed[0]["tenant"], emulator.tenant_id());
    assert_eq!(listed[0]["public"], true);

    // The token of the sign-in serves first.
    let before = desk.token_requests();
    let first = desk.run(ME);
    done(&first);
    assert_eq!(desk.token_requests(), before);
    done(&desk.run(&["cache", "clear"]));
    let token = desk.run(ME);
    assert_ne!(out(&token), out(&first));
    assert_eq!(desk.token_requests(), before + 1);
    let again = desk.run(&["token", "--account", MEGAN, "--scope", "User.Read", "-o", "json"]);
    let again = json(&again);
    assert_eq!(again["access_token"], out(&token).trim());
    assert_eq!((&again["cached"], &again["username"]), (&true.into(), &MEGAN.into()));
    assert_eq!(desk.token_requests(), before + 1);
    let fresh = desk.run(ANEW);
    assert_ne!(out(&fresh), out(&token));
    assert_eq!(desk.token_requests(), before + 2);
    let decoded = common::entra(&["decode"], &[], out(&token));
    assert!(out(&decoded).contains(MEGAN), "{}", out(&decoded));

    done(&desk.run(&["logout"]));
    fails(&desk.run(ME), 4, &["no user is signed in", "entra login"]);
}

#[test]
fn the_printed_lines_of_an_emulator_are_enough() {
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
    // To the application that is printed for it, and to the first, with its secret.
    for (words, client_id) in [(&["login", "--client-id", &cli][..], &cli), (&["login"], &daemon)] {
        let words = [words, &["--no-browser", "--listen", "localhost:0"]].concat();
        let mut child = Running::start(&mut command(&words, &variables));
        let mut said = BufReader::new(child.stderr.take().unwrap());
        let mut url = String::new();
        while !url.starts_with("http") {
            url.clear();
            assert_ne!(said.read_line(&mut url).unwrap(), 0, "it has ended");
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

/// The JSON that this URL of this machine answers to JSON.
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
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap_or_else(|_| panic!("{answer}"))
}

#[test]
fn a_device_code_signs_in_too() {
    let emulator = Emulator::start();
    let desk = Desk::new(&emulator);
    let words = ["login", "--device-code", "--client-id", desk.cli(), "-o", "json"];
    let mut child = Running::start(&mut desk.command(&words, &[]));
    let mut said = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    let code = line
        .split(|c: char| !c.is_ascii_alphanumeric())
        .find(|word| word.len() >= 8 && word.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit()))
        .unwrap_or_else(|| panic!("{line}"));
    emulator.approve_device(code, MEGAN).unwrap();
    let output = child.output();
    assert_eq!(json(&output)["username"], MEGAN);
    done(&desk.run(ME));
}

#[test]
fn a_confidential_application_needs_its_secret_each_time() {
    let emulator = Emulator::start();
    let desk = Desk::new(&emulator);
    done(&desk.login_with(&["login"], MEGAN));
    assert_eq!(json(&desk.run(&["accounts", "-o", "json"]))[0]["public"], false);
    done(&desk.run(ME));
    let without = desk.run_with(ANEW, &[("AZURE_CLIENT_SECRET", "")]);
    fails(&without, 4, &["no credential"]);
    // The secret of another application, or for another cloud, is sent nowhere.
    let before = desk.token_requests();
    for (option, value, other) in [
        ("--client-id", emulator.client_id(), ("AZURE_CLIENT_ID", desk.cli())),
        (
            "--authority-host",
            emulator.base_url(),
            ("AZURE_AUTHORITY_HOST", "public"),
        ),
    ] {
        // An option that names the account does not change whose secret the variable holds.
        for words in [ANEW, &[ANEW, &[option, value]].concat()] {
            let said = ["another application", "--secret-file"];
            fails(&desk.run_with(words, &[other]), 4, &said);
        }
    }
    assert_eq!(desk.token_requests(), before);
    let named = [ANEW, &["--client-id", emulator.client_id()]].concat();
    done(&desk.run_with(&named, &[("AZURE_CLIENT_ID", "")]));
}

#[test]
fn a_credential_for_a_public_account_is_refused() {
    let emulator = Emulator::start();
    let desk = Desk::new(&emulator);
    done(&desk.login(MEGAN));
    for option in [
        "--secret-file",
        "--certificate",
        "--certificate-key",
        "--certificate-password-file",
        "--federated-token-file",
    ] {
        let refused = desk.run(&[ME, &[option, "/nowhere"]].concat());
        fails(&refused, 2, &[option, "public client", "leave it out"]);
    }
    let refused = desk.run(&[ME, &["--send-certificate-chain"]].concat());
    fails(&refused, 2, &["--send-certificate-chain is not used"]);
    let refused = desk.run(&[ME, &["--secret", "hunter2"]].concat());
    fails(&refused, 2, &["a secret on the command line"]);
    // Variables are for all commands: this one needs none of them.
    done(&desk.run(ME));
}

#[test]
fn a_username_is_quoted_in_what_may_be_pasted() {
    let user = entra_emulator::User::new("Odd").user_principal_name("o'neil;$(id)@contoso.onmicrosoft.com");
    let tenant = entra_emulator::Tenant::new("contoso.onmicrosoft.com").user(user);
    let emulator = Emulator::builder().tenant(tenant).start();
    let desk = Desk::new(&emulator);
    let login = desk.login_with(&["login", "--client-id", desk.cli(), "-o", "text"], "Odd");
    done(&login);
    let quoted = r"--account 'o'\''neil;$(id)@contoso.onmicrosoft.com' --scope";
    assert!(err(&login).contains(quoted), "{}", err(&login));
    assert!(out(&login).starts_with("o'neil;$(id)@"), "{}", out(&login));
    done(&desk.run(&[
        "token",
        "--account",
        "O'Neil;$(id)@contoso.onmicrosoft.com",
        "--scope",
        "User.Read",
    ]));
}

#[test]
fn an_empty_tenant_variable_names_no_tenant() {
    let emulator = Emulator::start();
    let desk = Desk::new(&emulator);
    let words = [
        "login",
        "--client-id",
        desk.cli(),
        "--no-browser",
        "--listen",
        "localhost:0",
        "--wait",
        "1",
    ];
    let output = desk.run_with(&words, &[("AZURE_TENANT_ID", "")]);
    assert!(err(&output).contains("/organizations/"), "{}", err(&output));
}

#[test]
fn redirects_of_others_do_not_flood_the_terminal() {
    let emulator = Emulator::start();
    let desk = Desk::new(&emulator);
    let words = ["login", "--client-id", desk.cli(), "--listen", "localhost:0"];
    let browser = Browser::new(desk.folder.path());
    let child = Running::start(&mut desk.command(&words, &[("BROWSER", browser.program.to_str().unwrap())]));
    let short = browser.address();
    let at = &short[..short.rfind('/').unwrap()];
    assert!(get(&format!("{at}/other?code=a&state=1")).contains("There is nothing here"));
    for state in 0..20 {
        assert!(get(&format!("{at}/?code=a&state={state}")).contains("not the sign-in that was started"));
        assert!(get(&format!("{at}/?code=a&code=b&state={state}")).contains("cannot be read"));
    }
    assert!(desk.visit(&short, MEGAN).contains("You are signed in"));
    let output = child.output();
    done(&output);
    let told = err(&output).matches("turned away").count();
    assert_eq!(told, 6, "{}", err(&output));
}

#[test]
fn of_several_accounts_one_is_named() {
    let emulator = Emulator::start();
    let desk = Desk::new(&emulator);
    done(&desk.login(MEGAN));
    done(&desk.login(ADELE));
    let both = desk.run(ME);
    fails(&both, 2, &["2 accounts fit", MEGAN, ADELE, "--account USER"]);
    done(&desk.run(&["token", "--account", ADELE, "--scope", "User.Read"]));
    fails(
        &desk.run(&["token", "--account", "alex@x", "--scope", "User.Read"]),
        4,
        &["alex@x", MEGAN],
    );
    // The variables decide between two sign-ins of one user.
    done(&desk.login_with(&["login"], MEGAN));
    let token = desk.run(&["token", "--account", MEGAN, "--scope", "User.Read"]);
    let claims = common::entra(&["decode"], &[], out(&token));
    assert!(out(&claims).contains(emulator.client_id()), "{}", out(&claims));
    let token = desk.run(&[
        "token",
        "--account",
        MEGAN,
        "--client-id",
        desk.cli(),
        "--scope",
        "User.Read",
    ]);
    let claims = common::entra(&["decode"], &[], out(&token));
    assert!(out(&claims).contains(desk.cli()), "{}", out(&claims));

    fails(&desk.run(&["logout"]), 2, &["3 accounts fit"]);
    let logout = desk.run(&["logout", "--account", MEGAN, "--client-id", desk.cli()]);
    assert!(err(&logout).contains("nothing is revoked"), "{}", err(&logout));
    assert_eq!(
        json(&desk.run(&["accounts", "-o", "json"])).as_array().unwrap().len(),
        2
    );
    let logout = desk.run(&["logout", "--all"]);
    assert!(err(&logout).contains("sign-ins 2"), "{}", err(&logout));
    assert_eq!(json(&desk.run(&["accounts", "-o", "json"])), serde_json::json!([]));
}

#[test]
fn a_dead_refresh_token_says_to_sign_in_again() {
    let emulator = Emulator::start();
    let desk = Desk::new(&emulator);
    done(&desk.login(MEGAN));
    let other = ["token", "--account", "--v1", "--resource", GRAPH];
    done(&desk.run(&other));
    emulator.revoke_sessions_of(MEGAN);
    let dead = desk.run(ANEW);
    let again = format!("entra login --client-id {}", desk.cli());
    fails(&dead, 5, &["AADSTS50173", "sign in again", &again, "--scope User.Read"]);
    // It is still listed, and the sign-in replaces it, with the tokens of the sessions that are revoked.
    assert!(out(&desk.run(&["accounts"])).contains(MEGAN));
    done(&desk.login(MEGAN));
    let again = desk.run(&other);
    assert!(!err(&again).contains("from the cache"), "{}", err(&again));
    done(&desk.run(ANEW));
    assert_eq!(
        json(&desk.run(&["accounts", "-o", "json"])).as_array().unwrap().len(),
        1
    );
}

#[test]
fn a_refresh_token_replaced_meanwhile_is_tried() {
    let emulator = Emulator::start();
    let desk = Desk::new(&emulator);
    done(&desk.login(MEGAN));
    emulator.fault(
        Fault::aadsts(700_082)
            .latency(Duration::from_secs(3))
            .on("/token")
            .times(1),
    );
    let before = desk.token_requests();
    let child = Running::start(&mut desk.command(ANEW, &[]));
    desk.wait_for_token_request(before);
    done(&desk.login(MEGAN));
    done(&child.output());
    // Where it is the same, there is no other to try.
    emulator.fault(Fault::aadsts(700_082).on("/token").times(1));
    fails(&desk.run(ANEW), 5, &["AADSTS700082", "sign in again"]);
}

#[test]
fn who_signs_out_meanwhile_stays_signed_out() {
    let emulator = Emulator::start();
    let desk = Desk::new(&emulator);
    done(&desk.login(MEGAN));
    emulator.fault(Fault::delayed(Duration::from_secs(3)).on("/token").times(1));
    let before = desk.token_requests();
    let child = Running::start(&mut desk.command(ANEW, &[]));
    desk.wait_for_token_request(before);
    done(&desk.run(&["logout"]));
    done(&child.output());
    fails(&desk.run(ME), 4, &["no user is signed in"]);
    assert!(err(&desk.run(&["cache", "clear"])).contains("cached tokens 0"));
}
