//! `entra token --flow`: tokens of a user, and conflicting options.

use std::io::{BufRead, BufReader, Read};

use entra_emulator::{Api, App, Config, Emulator, EmulatorBuilder, Tenant};
use entra_proto::claims::UnverifiedClaims;
use serde_json::Value;

use super::consent::emulator;
use crate::common::waiting::{Fixture, json};
use crate::common::{GRAPH, Running, command, entra, err, fails, file, out, run};

#[test]
fn user_signs_in_with_a_browser() {
    let emulator = emulator();
    let fixture = Fixture::new(&emulator);
    let public = &*emulator.apps()[1].client_id;
    for words in [&["--client-id", public, "--public"][..], &["--v1"], &[]] {
        let target = if words == ["--v1"] {
            ["--resource", GRAPH]
        } else {
            ["--scope", "User.Read"]
        };
        let words = [&["token", "--flow", "auth-code", "-o", "json"], words, &target].concat();
        let waiting = fixture.start(&words);
        assert!(waiting.url.contains("&prompt=select_account"), "{}", waiting.url);
        waiting.come_back(&emulator.approve(&waiting.url, "adele@mycompany.example").unwrap().url);
        let output = waiting.end();
        let printed: Value = json(&output);
        assert_eq!(printed["username"], "adele@mycompany.example");
        let claims = UnverifiedClaims::decode(printed["access_token"].as_str().unwrap()).unwrap();
        assert!(claims.scopes().any(|scope| scope == "User.Read"), "{claims:?}");
        let refresh_token = emulator
            .token_requests()
            .iter()
            .any(|request| request.grant.as_deref() == Some("refresh_token"));
        assert!(!refresh_token && !out(&output).contains("refresh_token"));
    }
}

#[test]
fn user_signs_in_with_a_device_code() {
    let emulator = emulator();
    let fixture = Fixture::new(&emulator);
    let public = &*emulator.apps()[1].client_id;
    for approves in [true, false] {
        let words = [
            "token",
            "--flow",
            "device-code",
            "--public",
            "--client-id",
            public,
            "--scope",
            "User.Read",
        ];
        let mut child = Running::start(&mut command(&words, &fixture.variables()));
        let mut reader = BufReader::new(child.stderr.take().unwrap());
        let mut message = String::new();
        reader.read_line(&mut message).unwrap();
        let code = message
            .split_once("the code ")
            .unwrap()
            .1
            .split([' ', '.'])
            .next()
            .unwrap();
        if approves {
            emulator.approve_device(code, "alex@mycompany.example").unwrap();
        } else {
            emulator.decline_device(code).unwrap();
        }
        let mut stderr = Vec::new();
        reader.read_to_end(&mut stderr).unwrap();
        let mut output = child.output();
        output.stderr = stderr;
        if approves {
            assert!(out(&output).starts_with("eyJ"), "{}", err(&output));
            assert!(err(&output).contains("alex@mycompany.example"), "{}", err(&output));
        } else {
            assert_ne!(output.status.code(), Some(0));
            assert!(err(&output).contains("authorization_declined"), "{}", err(&output));
            assert!(err(&output).contains("sign in again"), "{}", err(&output));
        }
    }
}

#[test]
fn api_requests_a_token_on_behalf_of_its_user() {
    let home = "mycompany.example";
    let emulator = Emulator::builder()
        .tenant(Tenant::new(home))
        .api(
            Api::new("api://todo")
                .app_id("11111111-2222-3333-4444-555555555555")
                .scope("Todo.Read"),
        )
        .app(
            App::new("todo")
                .client_id("11111111-2222-3333-4444-555555555555")
                .redirect_uri("http://127.0.0.1")
                .request_scope("api://todo", "Todo.Read")
                .grant_scope(GRAPH, "User.Read"),
        )
        .start();
    let fixture = Fixture::new(&emulator);
    let waiting = fixture.start(&["token", "--flow", "auth-code", "--scope", "api://todo/Todo.Read"]);
    waiting.come_back(&emulator.approve(&waiting.url, "alex@mycompany.example").unwrap().url);
    let output = waiting.end();
    let assertion = file("behalf.jwt", out(&output));
    let assertion = assertion.to_str().unwrap();
    for words in [&["--scope", "User.Read"][..], &["--v1", "--resource", GRAPH]] {
        let words = [&["token", "--flow", "obo", "--assertion-file", assertion], words].concat();
        let output = fixture.run(&words);
        let claims = UnverifiedClaims::decode(out(&output).trim()).unwrap_or_else(|_| panic!("{}", err(&output)));
        assert_eq!(claims.username(), Some("alex@mycompany.example"));
        assert!(claims.audience().is_some_and(|audience| audience != "api://todo"));
    }
}

#[test]
fn help_example_runs_the_on_behalf_of_flow() {
    let help = run(&["emulator", "--help"], &[]);
    let (_, rest) = out(&help).split_once("In obo.json:\n").unwrap();
    let (config, rest) = rest.split_once("\nRun the first command, ").unwrap();
    let start = rest.find("entra token").unwrap();
    let end = rest[start..].find("\n\n").unwrap();
    let pipe = rest[start..start + end].replace('\\', " ");
    let pipe = pipe.split_whitespace().collect::<Vec<_>>().join(" ");
    let (first, second) = pipe.split_once(" | ").unwrap();
    let words = |line: &str| -> Vec<String> { line.split(' ').skip(1).map(str::to_owned).collect() };
    let config = Config::from_json(config).unwrap();
    let emulator = EmulatorBuilder::from(config).start();
    let fixture = Fixture::new(&emulator);
    let user = format!("adele@{}", emulator.domain());

    let first = words(first);
    let waiting = fixture.start(&first.iter().map(String::as_str).collect::<Vec<_>>());
    waiting.come_back(&emulator.approve(&waiting.url, &user).unwrap().url);
    let assertion = waiting.end();
    let notes = err(&assertion);
    assert!(notes.find("has signed in") < notes.find("a token for "), "{notes}");
    let second = words(second);
    let second: Vec<&str> = second.iter().map(String::as_str).collect();
    for tenant in [emulator.tenant_id(), "common"] {
        let words = [&second[..], &["--tenant", tenant]].concat();
        let output = entra(&words, &fixture.variables(), out(&assertion));
        let claims = UnverifiedClaims::decode(out(&output).trim()).unwrap_or_else(|_| panic!("{}", err(&output)));
        assert_eq!(claims.username(), Some(&*user));
        // The issuing tenant is the user's.
        let asked = format!("from {}/{},", emulator.base_url(), emulator.tenant_id());
        assert!(err(&output).contains(&asked), "{}", err(&output));
    }
}

#[test]
fn conflicting_flow_options_are_rejected() {
    let emulator = emulator();
    let fixture = Fixture::new(&emulator);
    let token = |words: &[&str]| fixture.run(&[&["token", "--scope", "User.Read"], words].concat());
    fails(
        &token(&["--flow", "password"]),
        3,
        &["password is not supported", "device-code"],
    );
    fails(&token(&["--flow", "obo"]), 2, &["--assertion-file"]);
    fails(&token(&["--assertion-file", "x"]), 2, &["--flow obo"]);
    fails(&token(&["--public"]), 2, &["--flow device-code"]);
    // The program that writes the assertion to the pipe may need a sign-in: all else is checked
    // before.
    for (words, exit) in [(["--claims", "{"], 3), (["--ca-file", "missing"], 3)] {
        let words = [&["--flow", "obo", "--assertion-file", "missing.jwt"], &words[..]].concat();
        let output = token(&words);
        fails(&output, exit, &[]);
        assert!(!err(&output).contains("missing.jwt"), "{}", err(&output));
    }
    for flow in ["client-credentials", "device-code", "obo"] {
        let obo = if flow == "obo" {
            &["--assertion-file", "x"][..]
        } else {
            &[]
        };
        for given in [
            &["--listen", "127.0.0.1:0"],
            &["--wait", "1"],
            &["--redirect-uri", "https://a.example/"],
        ] {
            fails(
                &token(&[&["--flow", flow], &given[..], obo].concat()),
                2,
                &["--flow auth-code"],
            );
        }
    }
    fails(
        &token(&["--flow", "obo", "--assertion-file", "-", "--secret-file", "-"]),
        2,
        &["standard input cannot contain both"],
    );
    fails(
        &token(&["--flow", "obo", "--assertion-file", "-"]),
        9,
        &["standard input: user assertion is empty"],
    );
    for flow in ["auth-code", "device-code"] {
        let public = |more: &[&str]| token(&[&["--flow", flow, "--public"], more].concat());
        fails(&public(&["--secret", "canary"]), 2, &["a secret on the command line"]);
        fails(&public(&["--region", "westeurope"]), 2, &["--region"]);
    }
    fails(&token(&["--flow", "device-code", "--watch"]), 2, &["--watch"]);
    fails(&token(&["--flow", "device-code", "--claims", "{}"]), 2, &["--claims"]);
    fails(
        &token(&["--flow", "auth-code", "--region", "westeurope"]),
        2,
        &["--region"],
    );
}
