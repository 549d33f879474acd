//! `async_daemon`, `blocking_daemon` and `tower_client`: the users of one or several tenants.

use std::process::Output;

use entra_emulator::{App, Emulator, Fault, Tenant, User};

use crate::stories::support::{printed, run, text};

/// The examples that read users, with arguments that make them read once.
const READERS: [(&str, &[&str]); 3] = [
    (env!("CARGO_BIN_EXE_async_daemon"), &["1"]),
    (env!("CARGO_BIN_EXE_blocking_daemon"), &["1"]),
    (env!("CARGO_BIN_EXE_tower_client"), &[]),
];

#[test]
fn all_pages_of_users_are_read() {
    let users = (0..250).map(|number| User::new(format!("User{number:03} Test")));
    let emulator = Emulator::builder()
        .tenant(users.fold(Tenant::new("contoso.example"), Tenant::user))
        .app(App::new("daemon").grant(Emulator::GRAPH, "User.Read.All"))
        .start();
    for (program, arguments) in READERS {
        let output = run(program, arguments, &printed(&emulator));
        assert!(output.status.success(), "{program}: {}", text(&output.stderr));
        assert!(
            text(&output.stdout).contains("250 users\n"),
            "{program}: {}",
            text(&output.stdout)
        );
    }
}

#[test]
fn token_does_not_follow_a_link_to_another_origin() {
    let emulator = Emulator::builder()
        .app(App::new("daemon").grant(Emulator::GRAPH, "User.Read.All"))
        .start();
    let other = Emulator::start();
    for (program, arguments) in READERS {
        let link = format!("{}/v1.0/users?$skiptoken=x", other.base_url());
        let page = serde_json::json!({"value": [], "@odata.nextLink": link}).to_string();
        emulator.fault(Fault::body(page).on("/v1.0/users"));
        let output = run(program, arguments, &printed(&emulator));
        assert!(!output.status.success(), "{program}: {}", text(&output.stdout));
        assert!(
            text(&output.stderr).contains("the token must not go there"),
            "{program}: {}",
            text(&output.stderr)
        );
        assert!(other.requests().is_empty(), "{program}");
    }
}

#[test]
fn error_of_the_api_is_shown_without_tokens_and_control_codes() {
    let emulator = Emulator::builder()
        .app(App::new("daemon").grant(Emulator::GRAPH, "User.Read.All"))
        .start();
    let token = "eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJjYW5hcnkifQ.c2lnbmF0dXJl";
    for (message, expected) in [
        (format!("no Bearer {token}"), "withheld"),
        ("\u{1b}[31m\u{9b}\u{202e}red".to_owned(), "red"),
        ("a b ".repeat(2500), "a b a b"),
    ] {
        let body = serde_json::json!({"error": {"code": "x", "message": message}}).to_string();
        for (program, arguments) in READERS {
            emulator.fault(Fault::status(400).with_body(body.clone()).on("/v1.0/users"));
            let output = run(program, arguments, &printed(&emulator));
            let shown = text(&output.stderr);
            assert_eq!(output.status.code(), Some(1), "{program}");
            assert!(
                shown.contains("returned 400 Bad Request: x: ") && shown.contains(expected),
                "{program}: {shown}"
            );
            assert!(!shown.contains("eyJ") && shown.len() < 1000, "{program}: {shown}");
            assert!(!shown.contains(['\u{1b}', '\u{9b}', '\u{202e}']), "{program}: {shown}");
        }
    }
}

#[test]
fn wrong_arguments_are_reported_with_the_usage() {
    let grpc = env!("CARGO_BIN_EXE_grpc_client");
    let readers = READERS.map(|(program, _)| program);
    let numbers = readers.iter().flat_map(|program| {
        let cases: [&[&str]; 5] = [
            &["canary"],
            &["1", "canary"],
            &["-1"],
            &["1", "1", "canary"],
            &["99999999999999999999"],
        ];
        cases.map(|arguments| (*program, arguments))
    });
    let texts: [(&str, &[&str]); 3] = [
        (grpc, &[]),
        (grpc, &["https://greeter.example", "api://greeter"]),
        (grpc, &["a", "b", "c", "canary"]),
    ];
    for (program, arguments) in numbers.chain(texts) {
        let output = run(program, arguments, &[]);
        let shown = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{program} {arguments:?}");
        assert!(
            shown.starts_with("error: ") && shown.contains("\nhint: usage: ") && !shown.contains("canary"),
            "{program} {arguments:?}: {shown}"
        );
    }
}

/// Both daemons that run in rounds.
const DAEMONS: [&str; 2] = [
    env!("CARGO_BIN_EXE_async_daemon"),
    env!("CARGO_BIN_EXE_blocking_daemon"),
];

/// Starts an emulator with two tenants, and an application that an administrator of each consented
/// to.
fn two_tenants(app: App) -> Emulator {
    let fabrikam = ["Isaiah Langer", "Lynne Robbins"]
        .into_iter()
        .fold(Tenant::new("fabrikam.example"), |tenant, name| {
            tenant.user(User::new(name))
        });
    Emulator::builder()
        .tenant(Tenant::new("contoso.example"))
        .tenant(fabrikam)
        .app(app)
        .start()
}

/// Runs three rounds with both tenants. Returns the output, its lines, and the standard error.
fn three_rounds(daemon: &str, emulator: &Emulator, secret: &str) -> (Output, Vec<String>, String) {
    let variables = [
        ("AZURE_TENANTS", "contoso.example,fabrikam.example"),
        ("AZURE_CLIENT_ID", emulator.client_id()),
        ("AZURE_CLIENT_SECRET", secret),
        ("AZURE_AUTHORITY_HOST", emulator.base_url()),
    ];
    emulator.clear_requests();
    let output = run(daemon, &["3", "0"], &variables);
    let (printed, stderr) = (text(&output.stdout), text(&output.stderr));
    let mut lines: Vec<String> = printed.lines().map(str::to_owned).collect();
    lines.sort_unstable();
    assert!(
        !printed.contains("eyJ") && !stderr.contains("eyJ") && !stderr.contains(secret),
        "{stderr}"
    );
    (output, lines, stderr)
}

#[test]
fn token_is_requested_once_for_each_tenant() {
    let emulator = two_tenants(App::new("daemon").grant(Emulator::GRAPH, "User.Read.All"));
    for daemon in DAEMONS {
        let (output, lines, stderr) = three_rounds(daemon, &emulator, emulator.client_secret());
        assert!(output.status.success(), "{stderr}");
        let (contoso, fabrikam) = ("contoso.example: 3 users", "fabrikam.example: 2 users");
        let cached = "tokens: 2 from the service, 4 from the cache";
        assert_eq!(lines, [contoso, contoso, contoso, fabrikam, fabrikam, fabrikam, cached]);
        assert_eq!(stderr, "");
        assert_eq!((emulator.token_requests().len(), emulator.requests().len()), (2, 8));
    }
}

#[test]
fn daemon_continues_after_a_transient_failure() {
    let emulator = two_tenants(App::new("daemon").grant(Emulator::GRAPH, "User.Read.All"));
    for daemon in DAEMONS {
        for (fault, tokens) in [(503, 2), (401, 3)] {
            emulator.fault(Fault::status(fault).on("/v1.0/users"));
            let (output, lines, stderr) = three_rounds(daemon, &emulator, emulator.client_secret());
            assert!(output.status.success(), "{stderr}");
            assert!(
                stderr.contains(&format!(": will retry: the web API returned {fault} ")) && stderr.lines().count() == 1,
                "{stderr}"
            );
            assert_eq!(
                lines.iter().filter(|line| line.ends_with(" users")).count(),
                5,
                "{lines:?}"
            );
            assert_eq!(
                emulator.token_requests().len(),
                tokens,
                "a token that Graph rejects is not used again"
            );
        }
    }
}

#[test]
fn tenant_without_consent_does_not_stop_the_others() {
    let emulator = two_tenants(
        App::new("daemon")
            .grant(Emulator::GRAPH, "User.Read.All")
            .only_in("contoso.example"),
    );
    for daemon in DAEMONS {
        let (output, lines, stderr) = three_rounds(daemon, &emulator, emulator.client_secret());
        assert!(!output.status.success());
        assert_eq!(
            lines.iter().filter(|line| *line == "contoso.example: 3 users").count(),
            3,
            "{lines:?}"
        );
        assert!(stderr.contains("fabrikam.example: given up: AADSTS700016"), "{stderr}");
        assert!(stderr.contains("consent"), "the hint: {stderr}");
        assert_eq!(emulator.token_requests().len(), 2);

        let (output, _, stderr) = three_rounds(daemon, &emulator, "canary8Q~secret");
        assert!(!output.status.success());
        assert!(stderr.contains("contoso.example: given up: AADSTS7000215"), "{stderr}");
    }
}
