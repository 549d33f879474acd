//! The configuration file of `entra serve`.

use std::fs;

use entra_emulator::Emulator;

use super::{Served, is_token};
use crate::common::{GRAPH, err, fails, file, out, private_folder, run, set_mode, variables};

#[test]
fn options_of_the_command_line_precede_those_of_the_file() {
    let emulator = Emulator::start();
    let folder = private_folder();
    let path = folder.path().join("serve.toml");
    fs::write(
        &path,
        format!(
            "resources = \"{GRAPH}\"\nport = 0\nimds = true\nkey_file = \"key\"\nenv_file = 'e'\nany_tenant = false\n"
        ),
    )
    .unwrap();
    let config = path.to_str().unwrap();
    let served = Served::start(&["--config", config], &variables(&emulator));
    let client = served.client();
    is_token(&client.ask(), GRAPH);
    let imds = format!("/metadata/identity/oauth2/token?api-version=2018-02-01&resource={GRAPH}");
    is_token(&client.get(&imds, &[("Metadata", "true")]), GRAPH);
    // Relative paths start at the folder of the file.
    let env = fs::read_to_string(folder.path().join("e")).unwrap();
    assert!(env.contains(&fs::read_to_string(folder.path().join("key")).unwrap().trim().to_owned()));
    drop(served);

    let words = ["--config", config, "--resource", Emulator::OFFICE_MANAGEMENT];
    let served = Served::start(&words, &variables(&emulator));
    assert_eq!(served.client().ask().0, 403);
}

#[test]
fn printed_example_has_only_known_keys() {
    let output = run(&["serve", "--print-config"], &[]);
    assert!(output.status.success());
    // Every commented line of the example is a setting, too.
    let is_setting = |line: &str| {
        let line = line.strip_prefix("# ").unwrap_or(line);
        line.starts_with('[') || line.split_once(" = ").is_some_and(|(key, _)| !key.contains(' '))
    };
    let text: String = out(&output)
        .lines()
        .map(|line| match is_setting(line) {
            true => format!("{}\n", line.strip_prefix("# ").unwrap_or(line)),
            false => format!("{line}\n"),
        })
        .collect();
    assert!(
        text.contains("\n[identity.machine]\n") && text.contains("\nazd = true"),
        "{text}"
    );
    let path = file("serve-example.toml", &text);
    let output = run(&["serve", "--config", path.to_str().unwrap(), "--check"], &[]);
    // The first file that it names does not exist.
    fails(&output, 4, &["identity daemon", "daemon.pem"]);
}

#[test]
fn mistakes_in_the_file_are_explained() {
    let good = format!("resources = [\"{GRAPH}\"]\n");
    for (text, texts) in [
        ("resource = []".to_owned(), &[":1:1:", "did you mean resources"][..]),
        (format!("{good}prot = 1"), &[":2:1:", "did you mean port"]),
        (format!("{good}tenant = \"contoso.com\""), &["[identity.NAME]"]),
        (format!("{good}port = \"x\""), &["--port"]),
        (format!("{good}port = 70000"), &["--port"]),
        (format!("{good}imds = 1"), &[":2:8:", "true or false"]),
        (format!("{good}resources = []"), &["not TOML", "remove one of the two"]),
        (format!("{good}check = true"), &["check is not a setting"]),
        (format!("{good}[identity.\"a b\"]"), &["name of the identity"]),
        (
            format!("{good}[identity.a]\nclientid = \"x\""),
            &["did you mean client_id"],
        ),
        (
            format!("{good}[identity.a]\nclient_secret = \"s3cret-canary\""),
            &["must not contain secrets"],
        ),
        (
            format!("{good}[identity.a]\nsecret_file = \"Canary8Q~sdfghjklqwertyuiop1234567890zx\""),
            &["secret"],
        ),
        (
            format!("{good}[identity.a]\ndefault = true\n[identity.b]\ndefault = true"),
            &["second identity"],
        ),
        (format!("{good}[identity.a]\nendpoint = \"v3\""), &["use one of v1, v2"]),
        (
            format!("{good}[identity]\na = 1"),
            &["a table such as [identity.contoso]"],
        ),
        (
            format!("{good}[api.graph]\nbase_url = \"https://graph.microsoft.com\""),
            &["sidecar = true"],
        ),
        (
            format!("{good}[api.graph]\nbase_uri = \"https://graph.microsoft.com\""),
            &["did you mean base_url"],
        ),
        (format!("{good}[api.graph]\nbase_url = \"ftp://a\""), &["base_url"]),
        ("\0".to_owned(), &["not TOML"]),
    ] {
        let path = file("serve-mistakes.toml", &text);
        let output = run(&["serve", "--config", path.to_str().unwrap(), "--check"], &[]);
        fails(&output, 3, &["serve-mistakes.toml"]);
        fails(&output, 3, texts);
        assert!(!err(&output).to_lowercase().contains("canary"), "{}", err(&output));
    }
}

#[test]
fn file_that_every_user_can_change_is_not_used() {
    let path = file("serve-open.toml", &format!("resources = [\"{GRAPH}\"]"));
    set_mode(&path, 0o666);
    let output = run(&["serve", "--config", path.to_str().unwrap(), "--check"], &[]);
    fails(&output, 3, &["every user", "chmod"]);
}

#[test]
fn apis_of_the_sidecar_are_served() {
    let emulator = Emulator::start();
    let text = format!(
        "resources = [\"{GRAPH}\"]\nsidecar = true\n[api.graph]\nbase_url = \"{GRAPH}/v1.0\"\n\
         scopes = [\"{GRAPH}/.default\"]\nrequest_app_token = true\nheaders = {{ x-test = \"1\" }}\n"
    );
    let path = file("serve-sidecar.toml", &text);
    let served = Served::start(&["--config", path.to_str().unwrap()], &variables(&emulator));
    let client = served.client();
    let (status, body) = client.get("/AuthorizationHeaderUnauthenticated/graph", &[]);
    assert_eq!(status, 200, "{body}");
    assert!(
        body["authorizationHeader"].as_str().unwrap().starts_with("Bearer eyJ"),
        "{body}"
    );
    assert_eq!(client.get("/AuthorizationHeaderUnauthenticated/other", &[]).0, 400);
    let other = text.replacen(GRAPH, "https://vault.azure.net", 1);
    let path = file("serve-sidecar-wrong.toml", &other);
    let output = run(
        &["serve", "--config", path.to_str().unwrap(), "--check"],
        &variables(&emulator),
    );
    fails(&output, 3, &["graph", "allowed resources"]);
}
