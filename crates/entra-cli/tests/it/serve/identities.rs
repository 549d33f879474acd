//! The parties that tokens are issued to: agents, managed identities, users, and several at once.

use std::fs;

use entra_emulator::{App, Emulator, ManagedIdentitySource, Tenant};
use entra_proto::claims::UnverifiedClaims;
use serde_json::Value;

use super::{Served, is_token};
use crate::common::session::{ADELE, MEGAN, Session, done};
use crate::common::{GRAPH, err, fails, out, private_folder, run, set_mode};

/// Returns the application in a token.
fn application(response: &(u16, Value)) -> String {
    let token = is_token(response, GRAPH);
    let claims = UnverifiedClaims::decode(&token).unwrap();
    claims.application_id().unwrap().to_owned()
}

#[test]
fn agent_answers_to_its_own_id() {
    const AGENT: &str = "aaaaaaaa-1111-2222-3333-bbbbbbbbbbbb";
    let blueprint = App::new("blueprint").secret("s3cret").blueprint();
    let agent = App::new("agent").client_id(AGENT).agent_of("blueprint");
    let agent = agent.grant(Emulator::GRAPH, "User.Read.All");
    let emulator = Emulator::builder()
        .tenant(Tenant::new("contoso.example"))
        .app(blueprint)
        .app(agent)
        .start();
    let blueprint = &emulator.app("blueprint").unwrap().client_id;
    let known = [
        ("AZURE_AUTHORITY_HOST", emulator.base_url()),
        ("AZURE_TENANT_ID", emulator.tenant_id()),
        ("AZURE_CLIENT_ID", blueprint),
        ("AZURE_CLIENT_SECRET", "s3cret"),
    ];
    let served = Served::start(&["--resource", GRAPH, "--agent", AGENT], &known);
    let client = served.client();
    assert_eq!(application(&client.ask()), AGENT);
    assert_eq!(
        application(&client.ask_for(GRAPH, &format!("&client_id={AGENT}"))),
        AGENT
    );
    // The token of the agent is not that of its blueprint.
    let (status, body) = client.ask_for(GRAPH, &format!("&client_id={blueprint}"));
    assert_eq!(status, 400, "{body}");
}

#[test]
fn managed_identity_is_shared() {
    let emulator = Emulator::start();
    let variables = emulator.managed_identity_environment(ManagedIdentitySource::AppService);
    let known: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let served = Served::start(&["--resource", GRAPH, "--managed-identity"], &known);
    let client = served.client();
    is_token(&client.ask(), GRAPH);
    let users = emulator
        .managed_identities()
        .iter()
        .find(|identity| !identity.system_assigned);
    let id = &users.unwrap().client_id;
    assert_eq!(client.ask_for(GRAPH, &format!("&client_id={id}")).0, 400);

    let words = ["--resource", GRAPH, "--managed-identity", "--identity-client-id", id];
    let served = Served::start(&words, &known);
    let client = served.client();
    assert_eq!(application(&client.ask_for(GRAPH, &format!("&client_id={id}"))), *id);
}

#[test]
fn signed_in_user_gets_tokens_from_one_store() {
    let emulator = Emulator::start();
    let session = Session::new(&emulator);
    for user in [MEGAN, ADELE] {
        done(&session.login(user));
    }
    let variables = session.variables();
    let known: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (*name, &**value)).collect();
    let words = ["--resource", GRAPH, "--account", MEGAN];
    let served = Served::start(&words, &known);
    let client = served.client();
    let token = is_token(&client.ask(), GRAPH);
    let name = UnverifiedClaims::decode(&token).unwrap();
    assert!(
        name.get("upn")
            .or_else(|| name.get("preferred_username"))
            .is_some_and(|name| name == MEGAN)
    );
    let before = session.token_requests();
    assert_eq!(is_token(&client.ask(), GRAPH), token);
    assert_eq!(session.token_requests(), before);
    // The other commands continue with the stored account, and stop with it.
    let refresh = ["token", "--account", MEGAN, "--scope", "User.Read", "--refresh"];
    done(&session.run(&refresh));
    done(&session.run(&["logout", "--account", MEGAN]));
    drop(served);
    let output = session.run(&["serve", "--resource", GRAPH, "--account", MEGAN, "--check"]);
    fails(&output, 4, &["is not signed in"]);
    let several = session.run(&["serve", "--resource", GRAPH, "--account", "--agent", MEGAN]);
    fails(&several, 2, &["--account"]);
}

#[test]
fn user_who_signed_out_gets_no_more_tokens() {
    let emulator = Emulator::start();
    let session = Session::new(&emulator);
    done(&session.login(MEGAN));
    let variables = session.variables();
    let known: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (*name, &**value)).collect();
    let served = Served::start(&["--resource", GRAPH, "--account"], &known);
    done(&session.run(&["logout", "--account", MEGAN]));
    let (status, body) = served.client().ask();
    assert_eq!(status, 400);
    assert!(body["message"].as_str().unwrap().contains("entra login"), "{body}");
}

/// Returns an emulator with two daemons, and a file that names them as identities.
fn two() -> (Emulator, tempfile::TempDir, String) {
    let emulator = Emulator::builder()
        .app(
            App::new("one")
                .secret("secret-of-one")
                .grant(Emulator::GRAPH, "User.Read.All"),
        )
        .app(
            App::new("two")
                .secret("secret-of-two")
                .grant(Emulator::GRAPH, "User.Read.All"),
        )
        .start();
    let folder = private_folder();
    let mut text = format!("resources = [\"{GRAPH}\"]\n");
    for name in ["one", "two"] {
        let file = folder.path().join(name);
        fs::write(&file, format!("secret-of-{name}")).unwrap();
        set_mode(&file, 0o600);
        text += &format!(
            "[identity.{name}]\ntenant = \"{}\"\nclient_id = \"{}\"\nauthority_host = \"{}\"\nsecret_file = \"{name}\"\n",
            emulator.tenant_id(),
            emulator.app(name).unwrap().client_id,
            emulator.base_url(),
        );
    }
    (emulator, folder, text)
}

#[test]
fn requests_choose_among_the_identities_of_a_file() {
    let (emulator, folder, text) = two();
    let file = folder.path().join("serve.toml");
    let id = |name: &str| emulator.app(name).unwrap().client_id.clone();
    // Variables are those of another application: no identity of the file uses them.
    let known = [
        ("AZURE_TENANT_ID", "contoso.com"),
        ("AZURE_CLIENT_ID", "535fb089-9ff3-47b6-9bfb-4f1264799865"),
        ("AZURE_CLIENT_SECRET", "canary"),
        ("AZURE_AUTHORITY_HOST", "http://127.0.0.1:1"),
    ];
    for (more, default) in [("", "one"), ("default = true\n", "two")] {
        fs::write(&file, format!("{text}{more}")).unwrap();
        let served = Served::start(&["--config", file.to_str().unwrap()], &known);
        let client = served.client();
        assert_eq!(application(&client.ask()), id(default));
        for name in ["one", "two"] {
            let response = client.ask_for(GRAPH, &format!("&client_id={}", id(name)));
            assert_eq!(application(&response), id(name));
        }
        let (status, _) = client.ask_for(GRAPH, "&client_id=535fb089-9ff3-47b6-9bfb-4f1264799865");
        assert_eq!(status, 400);
    }
}

#[test]
fn identities_of_a_file_exclude_those_of_options() {
    let (_emulator, folder, text) = two();
    let file = folder.path().join("serve.toml");
    fs::write(&file, &text).unwrap();
    let config = file.to_str().unwrap();
    let check = |more: &[&str]| run(&[&["serve", "--config", config, "--check"], more].concat(), &[]);
    let output = check(&[]);
    assert!(output.status.success(), "{}", err(&output));
    assert_eq!(err(&output), "the settings are valid: identities 2, resources 1\n");
    for flag in [
        "--managed-identity",
        "--account",
        "--client-id=x",
        "--tenant=x",
        "--secret-file=x",
    ] {
        let name = flag.split('=').next().unwrap();
        fails(&check(&[flag]), 2, &[name, "[identity.NAME]"]);
    }
    // Without a credential of its own, an identity does not use that of the variables.
    fs::write(&file, text.replace("secret_file = \"two\"", "")).unwrap();
    let words = ["serve", "--config", config, "--check"];
    fails(
        &run(&words, &[("AZURE_CLIENT_SECRET", "canary")]),
        4,
        &["identity two", "no credential"],
    );
    let without_tenant = text.replacen("tenant = ", "region = ", 1);
    fs::write(&file, without_tenant).unwrap();
    fails(
        &run(&words, &[("AZURE_TENANT_ID", "contoso.com")]),
        3,
        &["identity one", "no tenant"],
    );
    let same = text.replace("[identity.two]", "[identity.two]\ndefault = false");
    fs::write(&file, same).unwrap();
    assert_eq!(out(&run(&words, &[])), "");
}
