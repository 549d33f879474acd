//! Agent identities: tokens of an agent and of its user account.

use entra_emulator::{App, Emulator, Tenant, User};
use entra_proto::claims::UnverifiedClaims;

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
