//! The output of every command for its main uses and errors.

use std::fs;

use entra_emulator::{App, Emulator};
use entra_proto::Timestamp;
use entra_proto::claims::UnverifiedClaims;
use entra_tenants::{ConsentedTenant, RedbTenantStore, TenantStore};

use super::transcript::Transcript;
use crate::common::session::{MEGAN, Session};
use crate::common::{GRAPH, set_mode, variables};

/// Returns an emulator with an application that has all permissions for the tests.
fn emulator() -> Emulator {
    Emulator::builder()
        .app(
            App::new("daemon")
                .grant(Emulator::GRAPH, "User.Read.All")
                .grant(Emulator::OFFICE_MANAGEMENT, "ActivityFeed.Read"),
        )
        .app(App::new("forgotten daemon").request(Emulator::GRAPH, "User.Read.All"))
        .start()
}

#[test]
fn token() {
    let emulator = emulator();
    let mut transcript = Transcript::new(&variables(&emulator));
    for form in ["token", "json", "header", "env", "curl", "exec-credential", "az"] {
        transcript.run(&["token", "--resource", GRAPH, "-o", form]);
    }
    transcript.run(&["token", "--cache", "--resource", GRAPH]);
    transcript.run(&["token", "--cache", "--resource", GRAPH]);
    transcript.run(&["token", "--scope", "https://graph.microsoft.com/.default"]);
    transcript.run(&["cache", "clear"]);
    transcript.run(&["kube-credential"]);
    transcript.run(&[
        "exec",
        "--resource",
        GRAPH,
        "--",
        "sh",
        "-c",
        "test -n $ENTRA_ACCESS_TOKEN && echo found",
    ]);
    transcript.run(&["exec", "--resource", GRAPH, "--", "no-such-program"]);
    transcript.check("token");
}

#[test]
fn token_errors() {
    let emulator = emulator();
    let mut transcript = Transcript::new(&variables(&emulator));
    let token: &[&str] = &["token", "--resource", GRAPH];
    transcript.run(&["token"]);
    transcript.run_with(token, &[("AZURE_CLIENT_SECRET", "not-the-secret")], "");
    transcript.at_terminal(60, &["token", "--resource", "https://graph.microsoft.example"]);
    transcript.run(&["token", "--resource", "https://graph.microsoft.example", "-o", "json"]);
    transcript.run(&["token", "--scope", "https://graph.microsoft.com/User.Read"]);
    transcript.run(&["token", "--scope", "https://graph.microsoft.com"]);
    transcript.run_with(token, &[("AZURE_TENANT_ID", "nosuch.onmicrosoft.com")], "");
    transcript.run_with(token, &[("AZURE_TENANT_ID", "common")], "");
    transcript.run_with(token, &[("AZURE_TENANT_ID", "")], "");
    transcript.run_with(token, &[("AZURE_CLIENT_ID", "daemon")], "");
    transcript.run_with(token, &[("AZURE_CLIENT_SECRET", "")], "");
    transcript.run_with(token, &[("AZURE_AUTHORITY_HOST", "http://127.0.0.1:9")], "");
    transcript.run(&["token", "--resource", GRAPH, "--certificate", "missing.pem"]);
    transcript.run(&["token", "--resource", GRAPH, "--account"]);
    transcript.run(&["token", "--resorce", GRAPH]);
    transcript.run(&["tokn"]);
    transcript.run(&["version"]);
    transcript.check("token-errors");
}

#[test]
fn call() {
    let emulator = emulator();
    let graph = emulator.graph_url();
    let mut transcript = Transcript::new(&variables(&emulator));
    transcript.run(&["call", "GET", &format!("{graph}/users?$top=1")]);
    transcript.run(&[
        "call",
        "GET",
        "--paginate",
        &format!("{graph}/users?$top=2&$select=displayName"),
    ]);
    transcript.at_terminal(
        80,
        &["call", "GET", &format!("{graph}/users?$top=1&$select=displayName,mail")],
    );
    transcript.run(&["call", "GET", &format!("{graph}/users/nobody@contoso.com")]);
    transcript.run(&["call", "GET", &format!("{graph}/groups")]);
    let start = format!(
        "{}/subscriptions/start?contentType=Audit.General",
        emulator.activity_url()
    );
    transcript.run(&["call", "POST", &start]);
    transcript.run(&["call", "POST", &start]);
    transcript.run(&["call", "GET", "https://api.contoso.com/orders"]);
    transcript.run(&["call", "GET", "no URL"]);
    transcript.run(&["call", "GET"]);
    transcript.check("call");
}

#[test]
fn sign_ins() {
    let emulator = Emulator::start();
    let session = Session::new(&emulator);
    let variables = session.variables();
    let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (*name, &**value)).collect();
    let mut transcript = Transcript::new(&variables);
    transcript.replace(&session.folder.path().display().to_string(), "FOLDER");
    transcript.run(&["accounts", "-o", "table"]);
    transcript.run(&["accounts"]);
    transcript.run(&["token", "--account", "--scope", "User.Read"]);
    transcript.run(&["logout"]);
    transcript.run(&[
        "login",
        "--client-id",
        session.cli(),
        "--no-browser",
        "--listen",
        "localhost:0",
        "--wait",
        "1",
    ]);
    session.login(MEGAN);
    transcript.run(&["accounts"]);
    transcript.run(&["accounts", "-o", "table"]);
    transcript.run(&["accounts", "-o", "text"]);
    transcript.at_terminal(60, &["accounts"]);
    transcript.at_terminal(160, &["accounts"]);
    transcript.run(&["token", "--account", "--scope", "User.Read"]);
    transcript.run(&["logout"]);
    transcript.run(&["logout", "--all"]);
    transcript.check("sign-ins");
}

#[test]
fn tenants() {
    let emulator = emulator();
    let mut transcript = Transcript::new(&variables(&emulator));
    transcript.run(&["tenants", "list", "-o", "table"]);
    let tenant_store = RedbTenantStore::at(transcript.folder().join("tenants.redb"));
    for (tenant, user) in [
        ("9198cc71-02da-43ef-8532-e151093e9beb", "admin@contoso.com"),
        ("8f7a3b21-5c4d-4e6f-9a8b-1c2d3e4f5a6b", "管理者@fabrikam.example"),
    ] {
        let at = Timestamp::from_secs(1_700_000_000);
        let client_id = emulator.client_id().parse().unwrap();
        let consented = ConsentedTenant::new(client_id, tenant.parse().unwrap(), at)
            .with_user(user)
            .with_granted(["ActivityFeed.Read", "ActivityFeed.ReadDlp"]);
        tenant_store.put(&consented).unwrap();
    }
    transcript.run(&["tenants", "list"]);
    transcript.run(&["tenants", "list", "-o", "table"]);
    transcript.run(&["tenants", "list", "-o", "text"]);
    transcript.at_terminal(60, &["tenants", "list"]);
    transcript.at_terminal(120, &["tenants", "list"]);
    transcript.run(&["tenants", "forget", "contoso.com"]);
    transcript.run(&["tenants", "forget", "8f7a3b21-5c4d-4e6f-9a8b-1c2d3e4f5a6b"]);
    transcript.run(&["tenants", "forget", "8f7a3b21-5c4d-4e6f-9a8b-1c2d3e4f5a6b"]);
    transcript.run(&[
        "consent",
        "--resource",
        "https://manage.office.com",
        "--listen",
        "127.0.0.1:0",
        "--wait",
        "1",
    ]);
    transcript.run(&[
        "consent",
        "--resource",
        "https://manage.office.com",
        "--listen",
        "contoso.com:80",
    ]);
    transcript.check("tenants");
}

#[test]
fn resources_and_scopes() {
    let mut transcript = Transcript::new(&[]);
    transcript.run(&["resources", "managed desktop"]);
    transcript.run(&["resources", "-o", "table"]);
    transcript.run(&["resources", "storage", "-o", "table"]);
    transcript.at_terminal(60, &["resources", "https://contoso.vault.azure.net/keys"]);
    transcript.run(&["resources", "nonesuch"]);
    transcript.run(&[
        "scope",
        "explain",
        "https://database.windows.net//.default",
        "https://graph.microsoft.com",
    ]);
    transcript.run(&["scope", "explain", "https://database.windows.net"]);
    transcript.run(&["scope", "explain", "https://mmdls.microsoft.com"]);
    transcript.run(&["scope", "explain", "https://graph.microsoft.com/User.Read"]);
    transcript.run(&["scope", "explain", "User.Read", "-o", "json"]);
    transcript.run(&["scope", "explain", "openid"]);
    transcript.check("resources-and-scopes");
}

#[test]
fn errors_explained() {
    let mut transcript = Transcript::new(&[]);
    transcript.run(&["explain", "AADSTS7000215"]);
    transcript.run(&["explain", "70011", "-o", "json"]);
    transcript.run(&["explain", "AADSTS1"]);
    transcript.run(&["explain", "no number"]);
    transcript.run(&["explain", "all"]);
    transcript.check("explain");
}

#[test]
fn tokens_decoded() {
    let emulator = emulator();
    let mut transcript = Transcript::new(&variables(&emulator));
    let token = transcript.run(&["token", "--resource", GRAPH]);
    let token = String::from_utf8(token.stdout).unwrap();
    transcript.run_with(&["decode"], &[], &token);
    transcript.run_with(&["decode", "-o", "json"], &[], &token);
    transcript.run_with(&["decode"], &[], "no token");
    transcript.run(&["decode", "missing.txt"]);
    transcript.check("decode");
}

#[test]
fn tokens_validated() {
    let emulator = emulator();
    let mut transcript = Transcript::new(&variables(&emulator)[..2]);
    let token = emulator.forge().token();
    let daemon = emulator.forge().claim("aud", "api://another").token();
    let claims = UnverifiedClaims::decode(&token).unwrap();
    let (audience, role) = (claims.audience().unwrap(), claims.roles().next().unwrap().to_owned());
    let validate: &[&str] = &["validate", "--audience", audience, "--role", &role];
    let table = [validate, &["-o", "table"]].concat();
    transcript.run_with(validate, &[], &token);
    transcript.run_with(&table, &[], &token);
    transcript.run_with(
        &["validate", "--audience", audience, "--any-tenant", "-o", "text"],
        &[],
        &token,
    );
    transcript.run_with(&[validate, &["-o", "json"]].concat(), &[], &daemon);
    transcript.run_with(&table, &[], &daemon);
    transcript.run_with(&table, &[], "opaque");
    transcript.run_with(validate, &[], "no token");
    let path = transcript.folder().join("token.txt");
    fs::write(&path, format!("Authorization: Bearer {token}")).unwrap();
    let path = path.display().to_string();
    let file = ["validate", "--audience", audience, &path];
    transcript.at_terminal(60, &file);
    transcript.at_terminal(120, &file);
    transcript.run_with(&file, &[("AZURE_TENANT_ID", "")], "");
    transcript.run_with(&file, &[("AZURE_TENANT_ID", "contoso.com")], "");
    transcript.run_with(&file, &[("AZURE_AUTHORITY_HOST", "http://127.0.0.1:9")], "");
    transcript.run(&["validate"]);
    transcript.check("validate");
}

#[test]
fn certificates() {
    let mut transcript = Transcript::new(&[]);
    let pem = "tests/vectors/encrypted_aes256.pem";
    let pem = fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(pem)).unwrap();
    fs::write(transcript.folder().join("daemon.crt"), pem).unwrap();
    set_mode(&transcript.folder().join("daemon.crt"), 0o600);
    transcript.run(&["cert", "inspect", "daemon.crt"]);
    transcript.run(&["cert", "inspect", "daemon.crt", "-o", "json"]);
    transcript.run(&["cert", "inspect", "missing.crt"]);
    transcript.run(&["cert", "new", "--name", "a/b"]);
    transcript.run(&["cert", "new", "--name", "daemon", "--days", "0"]);
    transcript.run(&["keycredentials", "daemon.crt"]);
    transcript.run(&["keycredentials"]);
    transcript.check("certificates");
}

#[test]
fn assertions() {
    let emulator = emulator();
    let mut transcript = Transcript::new(&variables(&emulator)[..3]);
    let made = transcript.run(&["cert", "new", "--name", "daemon", "-o", "json"]);
    let made: serde_json::Value = serde_json::from_slice(&made.stdout).unwrap();
    // Each run creates another key.
    for member in [
        "serial",
        "thumbprint_sha1",
        "thumbprint_sha256",
        "sha1",
        "sha256",
        "x5t",
        "x5t#S256",
        "x5t_s256",
    ] {
        if let Some(value) = made[member].as_str() {
            transcript.replace(value, &member.to_uppercase());
        }
    }
    transcript.run(&["assertion", "--certificate", "daemon.pem"]);
    transcript.run(&["assertion", "--certificate", "daemon.pem", "--show"]);
    transcript.run(&["assertion", "--certificate", "daemon.pem", "--show", "-o", "json"]);
    transcript.run(&["assertion"]);
    transcript.check("assertions");
}

#[test]
fn profiles() {
    let mut transcript = Transcript::new(&[]);
    transcript.run(&["config", "path"]);
    transcript.run(&["config", "show", "-o", "table"]);
    transcript.run(&["config", "init", "contoso", "--tenant", "contoso.com"]);
    transcript.run(&["config", "init", "contoso"]);
    transcript.run(&["config", "show"]);
    transcript.run_with(
        &["config", "show", "-o", "table"],
        &[("AZURE_CLIENT_SECRET", "secret")],
        "",
    );
    transcript.run(&["config", "show", "-o", "text"]);
    transcript.at_terminal(60, &["config", "show", "--tenant", "fabrikam.com"]);
    transcript.run(&["config", "show", "--profile", "contso"]);
    transcript.run(&["config", "init", "a b"]);
    transcript.check("config");
}

#[test]
fn tenants_discovered() {
    let emulator = emulator();
    let mut transcript = Transcript::new(&variables(&emulator)[..1]);
    transcript.run(&["discover", "contoso.onmicrosoft.com"]);
    transcript.run(&["discover", "contoso.onmicrosoft.com", "-o", "table"]);
    transcript.run(&["discover", "contoso.onmicrosoft.com", "-o", "text"]);
    transcript.at_terminal(60, &["discover", "contoso.onmicrosoft.com"]);
    transcript.run(&["discover", "nosuch.onmicrosoft.com"]);
    transcript.run(&["discover", "common"]);
    transcript.check("discover");
}

#[test]
fn doctor() {
    let emulator = emulator();
    let mut transcript = Transcript::new(&variables(&emulator));
    transcript.run(&["doctor", "--resource", GRAPH]);
    transcript.run_with(
        &["doctor", "--resource", GRAPH],
        &[("AZURE_CLIENT_SECRET", "not-the-secret")],
        "",
    );
    transcript.run_with(
        &["doctor", "--resource", GRAPH, "-o", "json"],
        &[("AZURE_TENANT_ID", "nosuch.example")],
        "",
    );
    transcript.run_with(&["doctor", "--resource", GRAPH], &[("AZURE_CLIENT_ID", "")], "");
    transcript.check("doctor");
}

#[test]
fn lint() {
    let mut transcript = Transcript::new(&[]);
    let code = "\
authority = \" https://login.microsoftonline.com/contoso.com\"
scope = \"https://graph.microsoft.com\"
body = \"grant_type=client_credential&amp;scope=https%3A%2F%2Fgraph.microsoft.com%2F.default\"
";
    fs::write(transcript.folder().join("daemon.py"), code).unwrap();
    transcript.run(&["lint", "daemon.py"]);
    transcript.run(&["lint", "daemon.py", "-o", "json"]);
    transcript.at_terminal(60, &["lint", "--explain", "resource-slash"]);
    transcript.run(&["lint", "--list"]);
    transcript.run(&["lint", "--explain", "resource-slash"]);
    transcript.run(&["lint", "--explain", "resource-slsh"]);
    transcript.run(&["lint", "missing.py"]);
    transcript.check("lint");
}

#[test]
fn tokens_served() {
    let emulator = emulator();
    let mut transcript = Transcript::new(&variables(&emulator));
    let words = |more: &[&'static str]| [&["serve", "--resource", GRAPH], more].concat();
    transcript.run(&words(&["--check"]));
    transcript.run(&words(&["--check", "--prefetch"]));
    let wrong = [("AZURE_CLIENT_SECRET", "not-the-secret")];
    transcript.run_with(&words(&["--check", "--prefetch"]), &wrong, "");
    transcript.run(&words(&["--", "sh", "-c", "test -n $IDENTITY_HEADER && echo found"]));
    transcript.run(&words(&["--", "no-such-program"]));
    transcript.run(&["serve"]);
    transcript.run(&words(&["--listen", "0.0.0.0"]));
    transcript.run(&words(&["--config", "missing.toml"]));
    transcript.check("serve");
}

#[test]
fn requests_passed_on() {
    let variables = [("PATH", "/usr/bin:/bin")];
    let mut transcript = Transcript::new(&variables);
    transcript.run(&["proxy", "--to", GRAPH]);
    transcript.run(&["proxy", "--to", "https://graph.microsoft.com/v1.0"]);
    transcript.run(&["proxy", "--to", "http://graph.microsoft.com"]);
    transcript.run(&["proxy", "--to", "https://api.contoso.com"]);
    transcript.run(&["proxy", "--to", GRAPH, "--allow-remote"]);
    transcript.run(&["proxy", "--to", GRAPH, "--listen", "0.0.0.0"]);
    transcript.check("proxy");
}

#[test]
fn emulator_and_demo() {
    let mut transcript = Transcript::new(&[]);
    transcript.run(&["emulator", "--listen", "contoso.com"]);
    transcript.run(&["emulator", "--config", "missing.json"]);
    transcript.run(&["demo"]);
    transcript.check("emulator-and-demo");
}
