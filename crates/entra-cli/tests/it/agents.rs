//! Agent identities: tokens of an agent and of its user account.

use entra_emulator::{App, Emulator, Tenant, User};
use entra_proto::claims::UnverifiedClaims;
use serde_json::Value;

use crate::common::{GRAPH, err, fails, out, run};

const TENANT: &str = "ff882432-09b0-437b-bd22-ca13c0037ded";
const BLUEPRINT: &str = "499b84ac-1321-427f-aa17-267ca6975798";
const AGENT: &str = "aaaaaaaa-1111-2222-3333-bbbbbbbbbbbb";

fn emulator() -> Emulator {
    let tenant = Tenant::new("contoso.example")
        .id(TENANT)
        .user(User::new("Agent One").agent("agent"));
    let blueprint = App::new("blueprint").client_id(BLUEPRINT).secret("s3cret").blueprint();
    let agent = App::new("agent").client_id(AGENT).agent_of("blueprint");
    let agent = agent
        .grant(Emulator::GRAPH, "User.Read.All")
        .grant_scope(Emulator::GRAPH, "User.Read");
    Emulator::builder().tenant(tenant).app(blueprint).app(agent).start()
}

fn variables(emulator: &Emulator) -> [(&str, &str); 4] {
    [
        ("AZURE_AUTHORITY_HOST", emulator.base_url()),
        ("AZURE_TENANT_ID", TENANT),
        ("AZURE_CLIENT_ID", BLUEPRINT),
        ("AZURE_CLIENT_SECRET", "s3cret"),
    ]
}

#[test]
fn agent_and_its_user_get_tokens() {
    let emulator = emulator();
    let words = ["token", "--resource", GRAPH, "--agent", AGENT];
    let output = run(&words, &variables(&emulator));
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let claims = UnverifiedClaims::decode(out(&output).trim()).unwrap();
    assert_eq!(claims.application_id(), Some(AGENT));
    assert_eq!(emulator.token_requests().len(), 2);

    let user = &emulator.tenants()[0].users.as_ref().unwrap()[0];
    for account in [&user.id, &user.user_principal_name] {
        let output = run(
            &[&words[..], &["--agent-user", account]].concat(),
            &variables(&emulator),
        );
        assert_eq!(output.status.code(), Some(0), "{account}: {}", err(&output));
        let claims = UnverifiedClaims::decode(out(&output).trim()).unwrap();
        assert_eq!(claims.get("oid").and_then(|id| id.as_str()), Some(user.id.as_str()));
    }
}

#[test]
fn unknown_agents_and_needless_options_are_rejected() {
    let emulator = emulator();
    let words = ["token", "--resource", GRAPH, "--agent"];
    let other = "cccccccc-1111-2222-3333-bbbbbbbbbbbb";
    let output = run(&[&words[..], &[other]].concat(), &variables(&emulator));
    fails(&output, 5, &["AADSTS"]);
    let sent = emulator.token_requests().len();
    for (more, code, text) in [
        (&["x"][..], 3, "--agent is not a GUID"),
        (&[AGENT, "--agent-user", ""], 3, ""),
        (&[AGENT, "--cache"], 2, "only tokens of applications are cached"),
        (
            &[AGENT, "--flow", "device-code"],
            2,
            "--agent requires --flow client-credentials",
        ),
    ] {
        fails(&run(&[&words[..], more].concat(), &variables(&emulator)), code, &[text]);
    }
    let output = run(
        &["token", "--resource", GRAPH, "--agent-user", "a@b.example"],
        &variables(&emulator),
    );
    fails(&output, 2, &["--agent"]);
    assert_eq!(emulator.token_requests().len(), sent);
}

/// Runs `entra doctor` for an agent, and returns its exit code and its checks.
fn doctor(emulator: &Emulator, more: &[&str]) -> (Option<i32>, Vec<Value>) {
    let words = ["doctor", "--resource", GRAPH, "-o", "json", "--agent"];
    let output = run(&[&words[..], more].concat(), &variables(emulator));
    let report: Value = serde_json::from_str(out(&output)).unwrap_or_else(|_| panic!("{}", err(&output)));
    (output.status.code(), report["checks"].as_array().unwrap().clone())
}

fn check<'a>(checks: &'a [Value], name: &str) -> &'a Value {
    let mut named = checks.iter().filter(|check| check["check"] == name);
    named.next().unwrap_or_else(|| panic!("{name}: {checks:?}"))
}

#[test]
fn doctor_checks_an_agent() {
    let emulator = emulator();
    let (code, checks) = doctor(&emulator, &[AGENT]);
    assert_eq!(code, Some(0), "{checks:?}");
    assert_eq!(check(&checks, "agent")["details"]["agent"], AGENT);
    assert_eq!(check(&checks, "issued-to")["details"]["client_id"], AGENT);
    assert_eq!(check(&checks, "issued-to")["status"], "ok", "{checks:?}");
    assert_eq!(check(&checks, "blueprint")["details"]["blueprint"], BLUEPRINT);
    assert_eq!(check(&checks, "blueprint")["status"], "ok");
    assert_eq!(check(&checks, "roles")["details"]["roles"][0], "User.Read.All");

    let user = &emulator.tenants()[0].users.as_ref().unwrap()[0];
    let (code, checks) = doctor(&emulator, &[AGENT, "--agent-user", &user.user_principal_name]);
    assert_eq!(code, Some(0), "{checks:?}");
    assert_eq!(check(&checks, "scopes")["details"]["scopes"][0], "User.Read");
    assert!(checks.iter().all(|check| check["check"] != "roles"));
}

#[test]
fn doctor_explains_agents_that_get_no_token() {
    let emulator = emulator();
    let other = "cccccccc-1111-2222-3333-bbbbbbbbbbbb";
    let (code, checks) = doctor(&emulator, &[other]);
    assert_eq!(code, Some(5), "{checks:?}");
    let request = check(&checks, "token-request");
    assert!(request["found"].as_str().unwrap().contains("AADSTS"), "{request}");
    assert!(!request["hints"].as_array().unwrap().is_empty());

    let sent = emulator.token_requests().len();
    let (code, checks) = doctor(&emulator, &["x"]);
    assert_eq!(code, Some(3), "{checks:?}");
    assert_eq!(check(&checks, "agent")["status"], "fail");
    assert_eq!(check(&checks, "token-request")["details"]["needs"][0], "agent");
    assert_eq!(emulator.token_requests().len(), sent);

    let (_, checks) = doctor(&emulator, &[BLUEPRINT]);
    assert_eq!(check(&checks, "agent")["status"], "warn");
}
