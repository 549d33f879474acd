//! Every example, run as a user runs it, against an emulator.

use std::process::{Command, Output};

use entra_emulator::{Api, App, Emulator, Fault, Tenant, User};

fn run(program: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    Command::new(program)
        .args(arguments)
        .env_clear()
        .envs(variables.iter().copied())
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn a_stack_made_by_hand_gets_a_token() {
    let emulator = Emulator::start();
    // A fault that passes: the machine asks the hand-made client to try again.
    emulator.fault(Fault::status(503).retry_after(std::time::Duration::ZERO));
    let variables = printed(&emulator);
    let output = run(env!("CARGO_BIN_EXE_custom_stack"), &[], &variables);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let shown = text(&output.stdout);
    assert!(
        shown.starts_with("a token of ") && shown.ends_with("good for 3599 s\n"),
        "{shown}"
    );
    assert_eq!(emulator.token_requests().len(), 2);
    assert!(
        emulator.token_requests().iter().all(|request| request.lints.is_empty()),
        "{:?}",
        emulator.token_requests()
    );
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_no_text_is_not_taken_for_unset() {
    use std::os::unix::ffi::OsStrExt;

    let id = "535fb089-9ff3-47b6-9bfb-4f1264799865";
    for (program, name, arguments) in [
        (env!("CARGO_BIN_EXE_async_daemon"), "AZURE_AUTHORITY_HOST", &[][..]),
        (env!("CARGO_BIN_EXE_azure_sql"), "AZURE_AUTHORITY_HOST", &[][..]),
        (env!("CARGO_BIN_EXE_blocking_daemon"), "AZURE_AUTHORITY_HOST", &[][..]),
        (env!("CARGO_BIN_EXE_custom_stack"), "AZURE_AUTHORITY_HOST", &[][..]),
        (
            env!("CARGO_BIN_EXE_office365_collector"),
            "AZURE_AUTHORITY_HOST",
            &["--once"][..],
        ),
        (
            env!("CARGO_BIN_EXE_daemon_certificate"),
            "AZURE_AUTHORITY_HOST",
            &[][..],
        ),
        (
            env!("CARGO_BIN_EXE_daemon_secret"),
            "AZURE_AUTHORITY_HOST",
            &["--op", "getUsers"][..],
        ),
        (
            env!("CARGO_BIN_EXE_grpc_client"),
            "AZURE_AUTHORITY_HOST",
            &["https://a.example", "api://a", "a"][..],
        ),
        (env!("CARGO_BIN_EXE_tower_client"), "AZURE_AUTHORITY_HOST", &[][..]),
    ] {
        let output = Command::new(program)
            .args(arguments)
            .env_clear()
            .env("AZURE_TENANTS", id)
            .env(name, std::ffi::OsStr::from_bytes(b"https://canary\xff.example"))
            .output()
            .unwrap();
        let said = text(&output.stderr);
        assert!(
            !output.status.success() && said.contains(&format!("{name} is not UTF-8")),
            "{program}: {said}"
        );
        assert!(!said.contains("canary"), "{said}");
    }
}

#[test]
fn a_daemon_with_a_secret_lists_users_as_the_quickstart_does() {
    let emulator = Emulator::builder()
        .app(App::new("daemon").grant(Emulator::GRAPH, "User.Read.All"))
        .start();
    let output = quickstart(&emulator, &["--op", "getUsers"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let shown = text(&output.stdout);
    let mut lines = shown.splitn(3, '\n');
    assert_eq!(lines.next(), Some("You have selected: getUsers"));
    assert!(lines.next().unwrap().starts_with("request made to web API at: "));
    let answer = lines.next().unwrap().strip_suffix("\n3 users\n").unwrap();
    let answer: serde_json::Value = serde_json::from_str(answer).unwrap();
    assert!(
        answer["@odata.context"].as_str().unwrap().ends_with("/$metadata#users"),
        "{answer}"
    );
    assert!(!answer["value"].as_array().unwrap().is_empty());
}

#[test]
fn a_daemon_reads_its_own_registration_without_a_permission() {
    let emulator = Emulator::builder().app(App::new("identity-dotnet-console-app")).start();
    let object_id = emulator.apps()[0].object_id.clone();
    let output = quickstart(&emulator, &["--op", "getApplication", &object_id]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let shown = text(&output.stdout);
    let answer: serde_json::Value = serde_json::from_str(shown.split_once('\n').unwrap().1).unwrap();
    assert!(
        answer["@odata.context"]
            .as_str()
            .unwrap()
            .ends_with("/$metadata#applications/$entity"),
        "{answer}"
    );
    assert_eq!(answer["id"], object_id.as_str());
    assert_eq!(answer["appId"], emulator.client_id());
    assert_eq!(answer["displayName"], "identity-dotnet-console-app");
    for null in [
        "deletedDateTime",
        "applicationTemplateId",
        "disabledByMicrosoftStatus",
        "description",
        "groupMembershipClaims",
    ] {
        assert_eq!(answer.get(null), Some(&serde_json::Value::Null), "{null}");
    }
}

#[test]
fn a_daemon_without_consent_is_told_what_the_api_said() {
    let emulator = Emulator::builder()
        .app(App::new("daemon").request(Emulator::GRAPH, "User.Read.All"))
        .start();
    let output = quickstart(&emulator, &["--op", "getUsers"]);
    assert!(!output.status.success());
    let shown = text(&output.stderr);
    assert!(
        shown.contains("Insufficient privileges to complete the operation."),
        "{shown}"
    );
    assert!(
        !shown.contains(emulator.client_secret()) && !shown.contains("eyJ"),
        "{shown}"
    );
}

#[test]
fn a_daemon_with_a_certificate_prints_what_graph_says() {
    let (app, path) = with_certificate();
    let emulator = Emulator::builder().app(app).start();
    let variables = [
        ("AZURE_TENANT_ID", emulator.tenant_id()),
        ("AZURE_CLIENT_ID", emulator.client_id()),
        ("AZURE_CLIENT_CERTIFICATE_PATH", path.to_str().unwrap()),
        ("AZURE_AUTHORITY_HOST", emulator.base_url()),
    ];
    let output = run(env!("CARGO_BIN_EXE_daemon_certificate"), &[], &variables);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let shown = text(&output.stdout);
    let result = shown.strip_prefix("Graph API call result: ").unwrap();
    let result: serde_json::Value = serde_json::from_str(result.strip_suffix("\n3 users\n").unwrap()).unwrap();
    assert_eq!(result["value"].as_array().unwrap().len(), 3);
}

/// Every example that reads users, with an argument list that reads them once.
const READERS: [(&str, &[&str]); 4] = [
    (env!("CARGO_BIN_EXE_async_daemon"), &["1"]),
    (env!("CARGO_BIN_EXE_blocking_daemon"), &["1"]),
    (env!("CARGO_BIN_EXE_daemon_secret"), &["--op", "getUsers"]),
    (env!("CARGO_BIN_EXE_tower_client"), &[]),
];

#[test]
fn all_users_are_read_not_the_first_page_only() {
    let users = (0..250).map(|number| User::new(format!("User{number:03} Test")));
    let (app, path) = with_certificate();
    let emulator = Emulator::builder()
        .tenant(users.fold(Tenant::new("contoso.example"), Tenant::user))
        .app(App::new("daemon").grant(Emulator::GRAPH, "User.Read.All"))
        .app(app)
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
    let variables = [
        ("AZURE_TENANT_ID", emulator.tenant_id()),
        ("AZURE_CLIENT_ID", emulator.apps()[1].client_id.as_str()),
        ("AZURE_CLIENT_CERTIFICATE_PATH", path.to_str().unwrap()),
        ("AZURE_AUTHORITY_HOST", emulator.base_url()),
    ];
    let output = run(env!("CARGO_BIN_EXE_daemon_certificate"), &[], &variables);
    assert!(
        text(&output.stdout).ends_with("\n250 users\n"),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn the_token_does_not_follow_a_link_to_another_origin() {
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

/// Both daemons that run in rounds, with three rounds.
const DAEMONS: [&str; 2] = [
    env!("CARGO_BIN_EXE_async_daemon"),
    env!("CARGO_BIN_EXE_blocking_daemon"),
];

/// Two tenants, and an application that an administrator of each consented to.
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

/// Three rounds through both tenants: what was printed, and what was told beside it.
fn three_rounds(daemon: &str, emulator: &Emulator, secret: &str) -> (Output, Vec<String>, String) {
    let variables = [
        ("AZURE_TENANTS", "contoso.example,fabrikam.example"),
        ("AZURE_CLIENT_ID", emulator.client_id()),
        ("AZURE_CLIENT_SECRET", secret),
        ("AZURE_AUTHORITY_HOST", emulator.base_url()),
    ];
    emulator.clear_requests();
    let output = run(daemon, &["3", "0"], &variables);
    let (printed, told) = (text(&output.stdout), text(&output.stderr));
    let mut lines: Vec<String> = printed.lines().map(str::to_owned).collect();
    lines.sort_unstable();
    assert!(
        !printed.contains("eyJ") && !told.contains("eyJ") && !told.contains(secret),
        "{told}"
    );
    (output, lines, told)
}

#[test]
fn a_daemon_asks_once_for_each_tenant_however_often_it_calls() {
    let emulator = two_tenants(App::new("daemon").grant(Emulator::GRAPH, "User.Read.All"));
    for daemon in DAEMONS {
        let (output, lines, told) = three_rounds(daemon, &emulator, emulator.client_secret());
        assert!(output.status.success(), "{told}");
        let (contoso, fabrikam) = ("contoso.example: 3 users", "fabrikam.example: 2 users");
        let kept = "tokens: 2 from the service, 4 from the cache";
        assert_eq!(lines, [contoso, contoso, contoso, fabrikam, fabrikam, fabrikam, kept]);
        assert_eq!(told, "");
        assert_eq!((emulator.token_requests().len(), emulator.requests().len()), (2, 8));
    }
}

#[test]
fn a_daemon_goes_on_after_what_passes() {
    let emulator = two_tenants(App::new("daemon").grant(Emulator::GRAPH, "User.Read.All"));
    for daemon in DAEMONS {
        for (fault, tokens) in [(503, 2), (401, 3)] {
            emulator.fault(Fault::status(fault).on("/v1.0/users"));
            let (output, lines, told) = three_rounds(daemon, &emulator, emulator.client_secret());
            assert!(output.status.success(), "{told}");
            assert!(
                told.contains(": not now: Graph answered ") && told.lines().count() == 1,
                "{told}"
            );
            assert_eq!(
                lines.iter().filter(|line| line.ends_with(" users")).count(),
                5,
                "{lines:?}"
            );
            assert_eq!(
                emulator.token_requests().len(),
                tokens,
                "a token that Graph refuses is used no more"
            );
        }
    }
}

#[test]
fn a_daemon_gives_up_a_tenant_that_never_will_and_serves_the_others() {
    let emulator = two_tenants(
        App::new("daemon")
            .grant(Emulator::GRAPH, "User.Read.All")
            .only_in("contoso.example"),
    );
    for daemon in DAEMONS {
        let (output, lines, told) = three_rounds(daemon, &emulator, emulator.client_secret());
        assert!(!output.status.success());
        assert_eq!(
            lines.iter().filter(|line| *line == "contoso.example: 3 users").count(),
            3,
            "{lines:?}"
        );
        assert!(told.contains("fabrikam.example: given up: AADSTS700016"), "{told}");
        assert!(told.contains("consent"), "what to do: {told}");
        assert_eq!(emulator.token_requests().len(), 2);

        let (output, _, told) = three_rounds(daemon, &emulator, "canary8Q~secret");
        assert!(!output.status.success());
        assert!(told.contains("contoso.example: given up: AADSTS7000215"), "{told}");
    }
}

#[test]
fn azure_sql_gets_a_token_whose_audience_has_its_slash_however_the_server_spells_it() {
    let government = "https://database.usgovcloudapi.net/";
    let emulator = Emulator::builder()
        .app(App::new("daemon"))
        .api(Api::new(government))
        .start();
    let variables = printed(&emulator);
    let program = env!("CARGO_BIN_EXE_azure_sql");
    for audience in [Emulator::AZURE_SQL, government] {
        for spn in [audience, audience.trim_end_matches('/')] {
            let output = run(program, &[spn], &variables);
            assert!(output.status.success(), "{}", text(&output.stderr));
            let shown = text(&output.stdout);
            assert!(
                shown.contains(&format!("asked for        {audience}/.default\n")),
                "{shown}"
            );
            assert!(shown.ends_with(&format!("a token for      {audience}\n")), "{shown}");
        }
    }
    emulator.clear_requests();
    let output = run(program, &["https://graph.microsoft.com/"], &variables);
    assert!(!output.status.success() && emulator.requests().is_empty());
}

/// An application with a certificate, and the file that holds it with its key.
fn with_certificate() -> (App, std::path::PathBuf) {
    static CERTIFICATE: std::sync::LazyLock<(String, std::path::PathBuf)> = std::sync::LazyLock::new(|| {
        let key = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).unwrap();
        let pem = rcgen::CertificateParams::new(Vec::new())
            .unwrap()
            .self_signed(&key)
            .unwrap()
            .pem();
        let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("daemon.pem");
        std::fs::write(&path, format!("{}{pem}", key.serialize_pem())).unwrap();
        (pem, path)
    });
    let (pem, path) = &*CERTIFICATE;
    let app = App::new("daemon")
        .without_secrets()
        .certificate_pem(pem.as_str())
        .grant(Emulator::GRAPH, "User.Read.All");
    (app, path.clone())
}

/// The daemon of the quickstart, with the variables that the emulator prints.
fn quickstart(emulator: &Emulator, arguments: &[&str]) -> Output {
    run(env!("CARGO_BIN_EXE_daemon_secret"), arguments, &printed(emulator))
}

/// The variables that `entra emulator` prints.
fn printed(emulator: &Emulator) -> [(&str, &str); 4] {
    [
        ("AZURE_AUTHORITY_HOST", emulator.base_url()),
        ("AZURE_TENANT_ID", emulator.tenant_id()),
        ("AZURE_CLIENT_ID", emulator.client_id()),
        ("AZURE_CLIENT_SECRET", emulator.client_secret()),
    ]
}
