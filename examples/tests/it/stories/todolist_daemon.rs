//! `todolist_daemon` and `todolist_api` together: the behaviour and output of the quickstart's
//! samples.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use entra_emulator::{App, Emulator, Fault};
use serde_json::{Value, json};

use crate::stories::daemon_graph::assert_no_secret;
use crate::stories::support::{certificate, folder, printed, run_in, text};
use crate::stories::todolist_api::{self, Server, emulator, emulator_with, published};

const DAEMON: &str = env!("CARGO_BIN_EXE_todolist_daemon");
const SCOPE: &str = "api://22223333-cccc-4444-dddd-5555eeee6666";

/// The output in the document, with `OWNER` for each random user.
const DOTNET: &str = "\
Posting a to-do...
Retrieving to-do's from server...
To-do data:
ID: 1
User ID: OWNER
Message: Bake bread
Posting a second to-do...
Retrieving to-do's from server...
To-do data:
ID: 1
User ID: OWNER
Message: Bake bread
ID: 2
User ID: OWNER
Message: Butter bread
Deleting a to-do...
Retrieving to-do's from server...
To-do data:
ID: 2
User ID: OWNER
Message: Butter bread
Editing a to-do...
Retrieving to-do's from server...
To-do data:
ID: 2
User ID: OWNER
Message: Eat bread
Deleting remaining to-do...
Retrieving to-do's from server...
There are no to-do's in server
";

/// The JSON in the document: the members of an array, with `OWNER` for each random user.
const NODE: &str = r#"{
    "id": 1,
    "owner": "OWNER",
    "description": "Pick up grocery"
},
{
    "id": 2,
    "owner": "OWNER",
    "description": "Finish invoice report"
},
{
    "id": 3,
    "owner": "OWNER",
    "description": "Water plants"
}
"#;

/// Replaces every GUID by `OWNER`.
fn masked(shown: &str) -> String {
    let mut masked = String::new();
    for line in shown.lines() {
        let guid = line
            .split(['"', ' '])
            .find(|word| word.parse::<entra_proto::Guid>().is_ok());
        masked += &guid.map_or_else(|| line.to_owned(), |guid| line.replace(guid, "OWNER"));
        masked.push('\n');
    }
    masked
}

/// Asserts that the list of the Node sample is that of the document.
fn assert_node(shown: &str) {
    let rest = shown.strip_prefix("request made to web API at: ").unwrap();
    let (_, array) = rest.split_once(" GMT+0000 (Coordinated Universal Time)\n").unwrap();
    assert_eq!(
        serde_json::from_str::<Value>(array).unwrap().as_array().unwrap().len(),
        3
    );
    let members = array.strip_prefix("[\n").unwrap().strip_suffix("]\n").unwrap();
    let members: String = members
        .lines()
        .map(|line| format!("{}\n", line.strip_prefix("    ").unwrap()))
        .collect();
    assert_eq!(masked(&members), NODE);
}

/// Runs the API of the example while the daemon runs, like the command in the header.
fn both(emulator: &Emulator, folder: &Path, api: &[&str], daemon: &[&str]) -> Output {
    fs::write(folder.join("api.json"), published("appsettings.json")).unwrap();
    Command::new(todolist_api::PROGRAM)
        .args(["--config", "api.json", "--listen", "127.0.0.1:0"])
        .args(api)
        .args(["--", DAEMON])
        .args(daemon)
        .env_clear()
        .envs(printed(emulator))
        .current_dir(folder)
        .output()
        .unwrap()
}

/// Returns the variables of the daemon: those of the emulator, and the API.
fn variables<'a>(emulator: &'a Emulator, endpoint: &'a str) -> Vec<(&'a str, &'a str)> {
    let api = [("API_ENDPOINT", endpoint), ("SCOPES", SCOPE)];
    printed(emulator).into_iter().chain(api).collect()
}

#[test]
fn dotnet_prints_the_text_of_the_document() {
    let (emulator, folder) = (emulator(), folder("todolist-dotnet"));
    let output = both(&emulator, &folder, &[], &["--like", "dotnet"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(masked(&text(&output.stdout)), DOTNET);
    assert_no_secret(&output, emulator.client_secret());
    assert!(emulator.token_requests().iter().all(|request| request.lints.is_empty()));
    assert_eq!(emulator.token_requests().len(), 1);
}

#[test]
fn node_prints_the_json_of_the_document() {
    let (emulator, folder) = (emulator(), folder("todolist-node"));
    // The second run finds no more to-dos than the first.
    for _ in 0..2 {
        let output = both(&emulator, &folder, &["--sample-data"], &["--like", "node"]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        assert_node(&text(&output.stdout));
        assert_no_secret(&output, emulator.client_secret());
    }
}

#[test]
fn api_exits_with_the_code_of_its_command() {
    let (emulator, folder) = (emulator(), folder("todolist-ends"));
    let output = both(&emulator, &folder, &[], &["--like", "node", "--op", "getUsers"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains("hint: write --op getToDos"),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn files_of_the_samples_are_read_unchanged() {
    let (emulator, folder) = (emulator(), folder("todolist-files"));
    let server = Server::start(&emulator, &folder, &published("appsettings.json"), &["--sample-data"]);
    let base = server.endpoint.strip_suffix("api/todolist").unwrap();
    // An external tenant is named by its host, which is in the path here.
    let authority = format!("{}/contoso.ciamlogin.com/", emulator.base_url());

    let env = format!(
        "# as in the sample\nNODE_TLS_REJECT_UNAUTHORIZED='0'\nCLIENT_ID={}\nAUTHORITY={authority}\nCLIENT_SECRET='{}'\nAPI_ENDPOINT={}\nSCOPES={SCOPE}\n",
        emulator.client_id(),
        emulator.client_secret(),
        server.endpoint,
    );
    fs::write(folder.join(".env"), env).unwrap();
    let output = run_in(&folder, DAEMON, &["--like", "node"], &[]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_node(&text(&output.stdout));
    assert!(text(&output.stderr).contains("warning: NODE_TLS_REJECT_UNAUTHORIZED=0 has no effect"));

    let settings = |authority: Value, section: &str| {
        let mut azure = json!({
            "ClientId": emulator.client_id(),
            "ClientCredentials": [{"SourceType": "ClientSecret", "ClientSecret": emulator.client_secret()}]
        });
        azure
            .as_object_mut()
            .unwrap()
            .extend(authority.as_object().unwrap().clone());
        json!({
            "AzureAd": azure,
            section: {"BaseUrl": base, "RelativePath": "api/todolist", "RequestAppToken": true, "Scopes": [format!("{SCOPE}/.default")]}
        })
        .to_string()
    };
    for (authority, section) in [
        (json!({"Authority": authority}), "DownstreamApi"),
        (
            json!({"Instance": format!("{}/", emulator.base_url()), "TenantId": emulator.tenant_id()}),
            "ToDoApi",
        ),
    ] {
        fs::write(folder.join("client.json"), settings(authority, section)).unwrap();
        let output = run_in(&folder, DAEMON, &["--like", "dotnet", "--config", "client.json"], &[]);
        assert!(output.status.success(), "{section}: {}", text(&output.stderr));
        assert!(
            text(&output.stdout).ends_with("Message: Water plants\n"),
            "{}",
            text(&output.stdout)
        );
        assert_no_secret(&output, emulator.client_secret());
    }
}

#[test]
fn certificate_replaces_the_secret() {
    let app = App::new("ciam-daemon-app")
        .without_secrets()
        .certificate_pem(certificate().pem.as_str())
        .grant(SCOPE, "ToDoList.Read.All")
        .grant(SCOPE, "ToDoList.ReadWrite.All");
    let emulator = emulator_with(|config| config.apps[0] = app);
    let folder = folder("todolist-certificate");
    let server = Server::start(&emulator, &folder, &published("appsettings.json"), &["--sample-data"]);
    let made = certificate();
    fs::write(folder.join("app.pem"), format!("{}{}", made.key_pem, made.pem)).unwrap();
    fs::write(folder.join("app.key"), &made.key_pem).unwrap();
    let thumbprint =
        entra_credential::ClientCertificate::read(format!("{}{}", made.key_pem, made.pem).as_bytes(), None);
    let thumbprint = thumbprint.unwrap().thumbprints().sha1_hex();
    let common = [
        ("AZURE_AUTHORITY_HOST", emulator.base_url()),
        ("AZURE_TENANT_ID", emulator.tenant_id()),
        ("AZURE_CLIENT_ID", emulator.client_id()),
        ("API_ENDPOINT", &server.endpoint),
        ("SCOPES", SCOPE),
    ];
    let settings =
        json!({"AzureAd": {"ClientCredentials": [{"SourceType": "Path", "CertificateDiskPath": "app.pem"}]}});
    fs::write(folder.join("client.json"), settings.to_string()).unwrap();
    let output = run_in(
        &folder,
        DAEMON,
        &["--like", "dotnet", "--config", "client.json"],
        &common,
    );
    assert!(output.status.success(), "{}", text(&output.stderr));

    let node = [
        ("CERT_THUMBPRINT", thumbprint.as_str()),
        ("CERT_PRIVATE_KEY_FILE", "app.key"),
    ];
    let output = run_in(&folder, DAEMON, &["--like", "node"], &[&common[..], &node].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_node(&text(&output.stdout));
    assert_no_secret(&output, "PRIVATE KEY");
}

#[test]
fn failures_end_the_daemon_with_a_hint() {
    let emulator = emulator_with(|config| {
        let granted = &mut config.apps[0].granted;
        granted.retain(|granted| granted.role == "ToDoList.Read.All");
    });
    let folder = folder("todolist-failures");
    let server = Server::start(
        &emulator,
        &folder,
        &published("appsettings.json"),
        &["--data", "f.sqlite"],
    );
    let run = |like: &str, changes: &[(&str, &str)]| {
        let variables = [&variables(&emulator, &server.endpoint)[..], changes].concat();
        fs::create_dir_all(folder.join("empty")).unwrap();
        let output = run_in(&folder.join("empty"), DAEMON, &["--like", like], &variables);
        assert_eq!(output.status.code(), Some(1), "{changes:?}: {}", text(&output.stderr));
        assert_no_secret(&output, emulator.client_secret());
        (text(&output.stdout), text(&output.stderr))
    };
    // The application may read, but not write.
    let (shown, stderr) = run("dotnet", &[]);
    assert_eq!(shown, "Posting a to-do...\n");
    assert!(
        stderr.contains("returned 403 Forbidden") && stderr.contains("grant consent"),
        "{stderr}"
    );

    let (shown, stderr) = run("node", &[("CLIENT_SECRET", "canary8Q~secret")]);
    assert!(
        shown.starts_with("ServerError: invalid_client: AADSTS7000215"),
        "{shown}"
    );
    assert!(stderr.contains("\nhint: ") && !stderr.contains("canary"), "{stderr}");
    // A token for another API.
    let (shown, stderr) = run("node", &[("SCOPES", "api://other")]);
    assert!(
        shown.contains("AADSTS500011") || shown.contains("status code 401"),
        "{shown}{stderr}"
    );

    for (name, value) in [
        ("API_ENDPOINT", "http://todo.contoso.example/api/todolist"),
        ("API_ENDPOINT", "localhost:44351"),
        ("API_ENDPOINT", ""),
        ("SCOPES", "api://Enter_the_Web_Api_Application_Id_Here"),
        ("SCOPES", "https://graph.microsoft.com"),
        ("SCOPES", ""),
        ("AZURE_CLIENT_ID", "Enter_the_Application_Id_Here"),
        ("AZURE_TENANT_ID", ""),
        ("AZURE_CLIENT_SECRET", ""),
    ] {
        emulator.clear_requests();
        for like in ["dotnet", "node"] {
            let (shown, stderr) = run(like, &[(name, value)]);
            assert_eq!(shown, "", "{name}={value}");
            assert!(
                stderr.contains("error: ") && stderr.contains("\nhint: "),
                "{name}={value}: {stderr}"
            );
        }
        assert!(emulator.requests().is_empty(), "{name}={value}");
    }
}

#[test]
fn post_is_repeated_only_if_it_was_not_carried_out() {
    let (emulator, folder) = (emulator(), folder("todolist-twice"));
    fs::create_dir_all(&folder).unwrap();
    for (status, posts) in [(500, 1), (502, 1), (503, 2), (429, 2)] {
        emulator.clear_requests();
        emulator.clear_faults();
        // The emulator stands in for an API that is busy once.
        let fault = Fault::status(status).retry_after(std::time::Duration::ZERO);
        emulator.fault(fault.on("/api/todolist"));
        let endpoint = format!("{}/api/todolist", emulator.base_url());
        let variables = variables(&emulator, &endpoint);
        let output = run_in(&folder, DAEMON, &["--like", "dotnet"], &variables);
        assert_eq!(output.status.code(), Some(1));
        let requests = emulator.requests();
        let count = requests
            .iter()
            .filter(|request| request.path == "/api/todolist")
            .count();
        assert_eq!(count, posts, "{status}: {}", text(&output.stderr));
    }
}

#[test]
fn api_with_a_certificate_is_called_over_https() {
    let (emulator, folder) = (emulator(), folder("todolist-https"));
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let certificate = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = certificate.self_signed(&key).unwrap().pem();
    fs::write(folder.join("api.crt"), certificate).unwrap();
    fs::write(folder.join("api.key"), key.serialize_pem()).unwrap();
    let tls = ["--tls-cert", "api.crt", "--tls-key", "api.key"];
    let server = Server::start_at("localhost:0", &emulator, &folder, &published("appsettings.json"), &tls);
    assert!(server.endpoint.starts_with("https://localhost:"), "{}", server.endpoint);
    // The folder of the API has a configuration with the same name.
    let empty = folder.join("empty");
    fs::create_dir(&empty).unwrap();
    let variables = variables(&emulator, &server.endpoint);
    let trusted = folder.join("api.crt");
    let trust = [("SSL_CERT_FILE", trusted.to_str().unwrap())];
    let output = run_in(
        &empty,
        DAEMON,
        &["--like", "dotnet"],
        &[&variables[..], &trust].concat(),
    );
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(masked(&text(&output.stdout)), DOTNET);
    // The published Node sample would accept any certificate.
    let untrusting = [&variables[..], &[("NODE_TLS_REJECT_UNAUTHORIZED", "0")]].concat();
    let output = run_in(&empty, DAEMON, &["--like", "node"], &untrusting);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("certificate"), "{}", text(&output.stderr));
}
