//! `acquire_token`: tokens from the service and from the cache, and the errors of the document.

use std::fs;

use entra_emulator::{Api, App, Emulator, Fault};

use crate::stories::daemon_graph::assert_no_secret;
use crate::stories::support::{certificate, certified, folder, printed, run, text};

const PROGRAM: &str = env!("CARGO_BIN_EXE_acquire_token");

fn daemon() -> Emulator {
    Emulator::builder()
        .app(App::new("daemon").grant(Emulator::GRAPH, "User.Read.All"))
        .start()
}

#[test]
fn second_call_is_served_from_the_cache() {
    let emulator = daemon();
    let output = run(PROGRAM, &[], &printed(&emulator));
    assert!(output.status.success(), "{}", text(&output.stderr));
    let shown = text(&output.stdout);
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!(lines.len(), 7, "{shown}");
    assert_eq!(lines[0], "scope       https://graph.microsoft.com/.default");
    assert_eq!(lines[1], "1st call    a token from the service");
    assert_eq!(lines[2], "token type  Bearer");
    assert!(
        lines[3].starts_with("expires     20") && lines[3].ends_with(" s"),
        "{shown}"
    );
    assert_eq!(lines[4], "audience    https://graph.microsoft.com");
    assert_eq!(lines[5], "roles       User.Read.All");
    assert_eq!(lines[6], "2nd call    the token from the cache");
    assert_eq!(emulator.token_requests().len(), 1);
    assert_no_secret(&output, emulator.client_secret());
}

#[test]
fn forced_refresh_bypasses_the_cache() {
    let emulator = daemon();
    let output = run(PROGRAM, &["--force-refresh", "--show-token"], &printed(&emulator));
    assert!(output.status.success(), "{}", text(&output.stderr));
    let shown = text(&output.stdout);
    assert!(shown.contains("\nforced call a token from the service\neyJ"), "{shown}");
    assert_eq!(emulator.token_requests().len(), 2);
}

#[test]
fn requests_are_those_of_the_document() {
    let emulator = daemon();
    let output = run(PROGRAM, &["--show-request"], &printed(&emulator));
    let shown = text(&output.stdout);
    let first_case = format!(
        "POST /{}/oauth2/v2.0/token HTTP/1.1           //Line breaks for clarity.\nHost: {}\n\
         Content-Type: application/x-www-form-urlencoded\n\nclient_id={}\n\
         &scope=https%3A%2F%2Fgraph.microsoft.com%2F.default\n&client_secret={{secret}}\n&grant_type=client_credentials\n\n",
        emulator.tenant_id(),
        emulator.base_url().strip_prefix("http://").unwrap(),
        emulator.client_id()
    );
    assert!(shown.starts_with(&first_case), "{shown}");
    assert_no_secret(&output, emulator.client_secret());

    let emulator = Emulator::builder().app(certified()).start();
    let path = folder("acquire").join("daemon.pem");
    let made = certificate();
    fs::write(&path, format!("{}{}", made.key_pem, made.pem)).unwrap();
    let mut variables = printed(&emulator);
    variables[3] = ("AZURE_CLIENT_CERTIFICATE_PATH", path.to_str().unwrap());
    let output = run(PROGRAM, &["--show-request"], &variables);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let shown = text(&output.stdout);
    let second_case = format!(
        "\n\nscope=https%3A%2F%2Fgraph.microsoft.com%2F.default\n&client_id={}\n\
         &client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer\n\
         &client_assertion={{assertion}}\n&grant_type=client_credentials\n\n",
        emulator.client_id()
    );
    assert!(shown.contains(&second_case), "{shown}");
    assert_no_secret(&output, "PRIVATE KEY");
}

#[test]
fn audience_of_azure_sql_keeps_its_slash() {
    let government = "https://database.usgovcloudapi.net/";
    let emulator = Emulator::builder()
        .app(App::new("daemon"))
        .api(Api::new(government))
        .start();
    for audience in [Emulator::AZURE_SQL, government] {
        let scope = format!("{audience}/.default");
        for arguments in [
            ["--sql-spn", audience],
            ["--sql-spn", audience.trim_end_matches('/')],
            ["--resource", audience],
            ["--scope", &scope],
        ] {
            let output = run(PROGRAM, &arguments, &printed(&emulator));
            assert!(output.status.success(), "{}", text(&output.stderr));
            let shown = text(&output.stdout);
            assert!(shown.contains(&format!("scope       {scope}\n")), "{shown}");
            assert!(shown.contains(&format!("audience    {audience}\n")), "{shown}");
            assert_eq!(text(&output.stderr), "");
        }
    }
    let output = run(
        PROGRAM,
        &["--scope", "https://database.windows.net/.default"],
        &printed(&emulator),
    );
    assert!(
        text(&output.stderr).contains("warning: Azure SQL Database rejects tokens"),
        "{}",
        text(&output.stderr)
    );
    emulator.clear_requests();
    let output = run(
        PROGRAM,
        &["--sql-spn", "https://graph.microsoft.com/"],
        &printed(&emulator),
    );
    assert!(!output.status.success() && emulator.requests().is_empty());
}

#[test]
fn wrong_scope_is_not_sent() {
    let emulator = daemon();
    for scope in [
        "https://graph.microsoft.com/User.Read.All",
        "User.Read",
        "https://graph.microsoft.com",
        "",
    ] {
        let output = run(PROGRAM, &["--scope", scope], &printed(&emulator));
        assert_eq!(output.status.code(), Some(1), "{scope}");
        assert!(
            text(&output.stderr).contains("/.default"),
            "{scope}: {}",
            text(&output.stderr)
        );
    }
    assert!(emulator.requests().is_empty());
}

#[test]
fn errors_of_the_document_have_hints() {
    let emulator = daemon();
    let output = run(PROGRAM, &["--troubleshoot", "all"], &printed(&emulator));
    assert!(output.status.success(), "{}", text(&output.stderr));
    let shown = text(&output.stdout);
    let mut rest = shown.as_str();
    for part in [
        "Did you use the resource/.default scope?\nscope       https://graph.microsoft.com/User.Read.All\nnot sent    ",
        "\nif sent     AADSTS1002012 invalid_scope: ",
        "\nwhat to do  append /.default",
        "\nscope       https://graph.microsoft.com/.default https://database.windows.net//.default\n",
        "\nif sent     AADSTS70011 invalid_scope: ",
        "\nwhat to do  request one API",
        "\n\nDid you forget to provide admin consent? Daemon apps need it!\n",
        "\nFailed to call the web API: Forbidden\nContent: {\n  \"error\": {\n    \"code\": \"Authorization_RequestDenied\",\n    \
         \"message\": \"Insufficient privileges to complete the operation.\",\n    \"innerError\": {\n      \"request-id\": \"",
        "\"date\": \"",
        "\n}\nwhat to do  add the application permission",
        "\n\nDid you declare enough app permissions during app creation?\n",
        "\nerror       AADSTS500011 invalid_resource: ",
        "\nwhat to do  ",
    ] {
        let at = rest.find(part).unwrap_or_else(|| panic!("{part:?} in {rest}"));
        rest = &rest[at + part.len()..];
    }
    assert_no_secret(&output, emulator.client_secret());
}

#[test]
fn api_that_requires_a_role_is_reported_by_code() {
    let emulator = Emulator::builder()
        .app(App::new("daemon").grant(Emulator::GRAPH, "User.Read.All"))
        .api(Api::new("api://strict").role("Things.Read").assignment_required())
        .api(Api::new("api://open"))
        .start();
    let arguments = |resource| ["--troubleshoot", "permission", "--resource", resource];
    let output = run(PROGRAM, &arguments("api://strict"), &printed(&emulator));
    assert!(
        text(&output.stdout).contains("error       AADSTS501051"),
        "{}",
        text(&output.stderr)
    );
    let output = run(PROGRAM, &arguments("api://open"), &printed(&emulator));
    assert!(
        text(&output.stdout).contains("a token     without a role\nwhat to do  "),
        "{}",
        text(&output.stderr)
    );
    let output = run(PROGRAM, &arguments(Emulator::GRAPH), &printed(&emulator));
    assert!(!output.status.success() && text(&output.stderr).contains("the error does not occur"));
}

#[test]
fn error_that_does_not_occur_is_a_failure() {
    let emulator = Emulator::builder()
        .app(
            App::new("daemon")
                .grant(Emulator::GRAPH, "User.Read.All")
                .grant(Emulator::GRAPH, "Application.Read.All"),
        )
        .start();
    let output = run(PROGRAM, &["--troubleshoot", "consent"], &printed(&emulator));
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("every permission that was tried is granted"));
    for fault in [
        Fault::status(500),
        Fault::body("<html>").on("/v1.0/users"),
        Fault::status(403).on("/v1.0/users"),
    ] {
        emulator.fault(fault);
        let output = run(PROGRAM, &["--troubleshoot", "consent"], &printed(&emulator));
        assert_eq!(output.status.code(), Some(1), "{}", text(&output.stdout));
        emulator.clear_faults();
    }
}
