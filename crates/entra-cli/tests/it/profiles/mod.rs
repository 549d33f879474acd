//! Profiles in `entra.toml`: precedence, valid files, and restrictions on a project's file.

mod hostile;
mod place;
mod project;

use std::fs;
use std::path::Path;

use entra_emulator::Emulator;
use serde_json::Value;

use self::place::Place;
use crate::common::{GRAPH, err, fails, out, set_mode};

const TOKEN: &[&str] = &["token", "--resource", GRAPH];
const SHOW: &[&str] = &["config", "show", "-o", "json"];
const ID: &str = "535fb089-9ff3-47b6-9bfb-4f1264799865";
const OTHER: &str = "11111111-2222-3333-4444-555555555555";

/// Returns the value of a setting, and its source.
#[track_caller]
fn setting<'a>(shown: &'a Value, name: &str) -> (&'a str, &'a str, &'a str) {
    let all = shown["settings"].as_array().unwrap();
    let found = all
        .iter()
        .find(|setting| setting["name"] == name)
        .unwrap_or_else(|| panic!("{name}: {shown}"));
    let text = |value: &'a Value| value.as_str().unwrap_or("");
    (
        text(&found["value"]),
        text(&found["source"]["kind"]),
        text(&found["source"]["name"]),
    )
}

#[test]
fn precedence_is_option_variable_project_user() {
    let place = Place::new();
    let user = place.user(&format!(
        "default_profile = \"a\"\n[profile.a]\ntenant = \"user.example\"\nclient_id = \"{ID}\"\nregion = \"westeurope\"\nendpoint = \"v1\"\n"
    ));
    let project =
        place.project("default_profile = \"a\"\n[profile.a]\ntenant = \"project.example\"\nendpoint = \"v2\"\n");
    let (user, project) = (user.to_str().unwrap(), project.to_str().unwrap());
    let shown = place.shown(&[], &[]);
    assert_eq!(setting(&shown, "tenant"), ("project.example", "profile", project));
    assert_eq!(setting(&shown, "client_id"), (ID, "profile", user));
    assert_eq!(setting(&shown, "region"), ("westeurope", "profile", user));
    assert_eq!(setting(&shown, "endpoint"), ("v2", "profile", project));
    assert_eq!(setting(&shown, "authority_host"), ("public", "default", ""));
    assert_eq!(shown["settings"][0]["source"]["line"], 3);

    let variable = [("AZURE_TENANT_ID", "variable.example")];
    assert_eq!(
        setting(&place.shown(&[], &variable), "tenant"),
        ("variable.example", "variable", "AZURE_TENANT_ID")
    );
    let flag = &["--tenant", "flag.example", "--v1"];
    let shown = place.shown(flag, &variable);
    assert_eq!(setting(&shown, "tenant"), ("flag.example", "flag", "--tenant"));
    assert_eq!(setting(&shown, "endpoint"), ("v1", "flag", "--v1"));
    // An empty setting counts as unset.
    let shown = place.shown(&[], &[("AZURE_TENANT_ID", "")]);
    assert_eq!(setting(&shown, "tenant"), ("project.example", "profile", project));
}

#[test]
fn profile_is_chosen_by_option_variable_or_default() {
    let place = Place::new();
    place.user("default_profile = \"b\"\n[profile.a]\ntenant = \"a.example\"\n[profile.b]\ntenant = \"b.example\"\n[profile.c]\n");
    for (words, variables, name) in [
        (&[][..], &[][..], "b"),
        (&[], &[("ENTRA_PROFILE", "a")], "a"),
        (&["--profile", "b"], &[("ENTRA_PROFILE", "a")], "b"),
        (&["--profile", ""], &[("ENTRA_PROFILE", "a")], "b"),
    ] {
        let shown = place.shown(words, variables);
        assert_eq!(shown["profile"], name, "{words:?}");
        assert_eq!(setting(&shown, "tenant").0, format!("{name}.example"));
    }
    fails(
        &place.run(&["token", "--resource", GRAPH, "--profile", "aa"], &[]),
        3,
        &["no profile aa", "did you mean a"],
    );
    let other = place.run(&["token", "--resource", GRAPH, "--profile", "production"], &[]);
    fails(&other, 3, &["no profile production", "use one of a, b, c"]);
    place.user("default_profile = \"nowhere\"");
    fails(
        &place.run(TOKEN, &[]),
        3,
        &["entra.toml:1: default_profile names the unknown profile nowhere"],
    );
}

#[test]
fn named_profile_without_a_file_is_an_error() {
    let place = Place::new();
    fails(
        &place.run(TOKEN, &[("ENTRA_PROFILE", "x")]),
        3,
        &["no profile x", "entra config init"],
    );
    fails(&place.run(TOKEN, &[]), 3, &["no tenant"]);
}

#[test]
fn application_commands_accept_profiles() {
    let emulator = Emulator::start();
    let place = Place::new();
    let secret = place.write("secret.txt", emulator.client_secret());
    place.user(&format!(
        "[profile.dev]\ntenant = \"{}\"\nclient_id = \"{}\"\nauthority_host = \"{}\"\nsecret_file = \"{}\"\n",
        emulator.tenant_id(),
        emulator.client_id(),
        emulator.base_url(),
        secret.display()
    ));
    let variables = &[("ENTRA_PROFILE", "dev"), ("PATH", "/usr/bin:/bin")];
    let output = place.run(TOKEN, variables);
    assert!(
        output.status.success() && out(&output).starts_with("eyJ"),
        "{}",
        err(&output)
    );
    let output = place.run(
        &[
            "exec",
            "--resource",
            GRAPH,
            "--",
            "sh",
            "-c",
            "echo $ENTRA_ACCESS_TOKEN",
        ],
        variables,
    );
    assert!(
        output.status.success() && out(&output).starts_with("eyJ"),
        "{}",
        err(&output)
    );
    let users = format!("{}/users", emulator.graph_url());
    let output = place.run(&["call", "GET", &users], variables);
    assert!(
        output.status.success() && out(&output).contains("\"value\""),
        "{}",
        err(&output)
    );
    let output = place.run(&["kube-credential", "--profile", "dev"], &[]);
    assert!(
        output.status.success() && out(&output).contains("\"ExecCredential\""),
        "{}",
        err(&output)
    );
    let output = place.run(&["doctor", "--resource", GRAPH], variables);
    assert!(
        output.status.success() && out(&output).contains("entra.toml:2"),
        "{}{}",
        out(&output),
        err(&output)
    );
    let output = place.run(&["doctor", "--profile", "dave", "--resource", GRAPH], &[]);
    assert_eq!(output.status.code(), Some(3));
    assert!(out(&output).contains("no profile dave"), "{}", out(&output));
    let shown = place.shown(&["--profile", "dev"], &[]);
    assert_eq!(setting(&shown, "secret_file").0, secret.to_str().unwrap());
    assert!(!shown.to_string().contains(emulator.client_secret()));
    // A variable's credential overrides the profile's, and is not shown.
    let shown = place.shown(&["--profile", "dev"], &[("AZURE_CLIENT_SECRET", "canary-hunter2")]);
    assert_eq!(
        setting(&shown, "client_secret"),
        ("set", "variable", "AZURE_CLIENT_SECRET")
    );
    assert!(!shown.to_string().contains("canary"));
    for words in [
        &["login", "--device-code"][..],
        &["consent", "--resource", GRAPH],
        &["assertion", "--v1"],
        &["call", "GET", "https://graph.microsoft.com/v1.0/users"],
        &["kube-credential"],
    ] {
        let output = place.run(&[words, &["--profile", "nosuch"]].concat(), &[]);
        fails(&output, 3, &["no profile nosuch"]);
    }
}

#[test]
fn invalid_file_reports_place_and_no_value() {
    let place = Place::new();
    for (text, expected) in [
        ("x", "1:2: not TOML"),
        ("[profile.a]\n  tenant = canary-8Q~value\n", "2:12: not TOML"),
        ("[profile.a]\ntenant = \"canary\ntenant", "3:7: not TOML"),
        ("[profile.a]\n[profile.a]\n", "not TOML: duplicate key"),
        (
            "[profile.a]\ntennant = \"canary.example\"",
            "2:1: tennant is not a setting; did you mean tenant",
        ),
        ("[profile.a]\nclientId = \"canary\"", "did you mean client_id"),
        (
            "[profiles.a]\ntenant = \"x\"",
            "1:2: profiles is not a setting; did you mean profile",
        ),
        ("tenant = \"canary.example\"", "put tenant below a line [profile.NAME]"),
        ("[profile.a]\nscope = \"x\"", "give the API with --scope"),
        (
            "[profile.a]\ntenant = 7",
            "2:10: tenant is an integer; write a text in quotes",
        ),
        (
            "[profile.a]\nsend_certificate_chain = \"canary\"",
            "is a string; write true or false",
        ),
        (
            "[profile.a]\ncapabilities = \"cp1\"",
            "capabilities is a string; write a list",
        ),
        ("[profile.a]\nendpoint = \"v3\"", "use one of v1, v2"),
        ("[profile]\na = 1", "a is an integer; write a table"),
        ("profile = 3", "profile is an integer"),
        ("[profile.\"a b\"]", "the name of the profile is not valid"),
        ("[profile.a]\ntenant = \"  \"", "tenant is empty; remove it"),
        ("[profile.a]\ntenant = \"a\\u0000b\"", "control characters"),
        (
            "[profile.a]\nsecret_file = \"a.txt\"\ncertificate = \"b.pem\"",
            "second credential",
        ),
        // Secrets in all places where users put them.
        (
            "[profile.a]\nclient_secret = \"canary-hunter2\"",
            "2:1: client_secret is not a setting: this file must not contain secrets; write the secret to a file",
        ),
        (
            "[profile.a]\nsecret = \"canary-hunter2\"",
            "this file must not contain secrets",
        ),
        (
            "[profile.a]\ncertificate_password = \"canary-hunter2\"",
            "this file must not contain secrets",
        ),
        (
            "[profile.a]\naccess_token = [\"canary\"]",
            "this file must not contain secrets",
        ),
        (
            "[profile.a]\nsecret_file = \"canaryhunter2\"",
            "secret_file is not a path; write the secret to a file",
        ),
        (
            "[profile.a]\nsecret_file = \"canary8Q~dEfGhIjKlMnOpQrStUvWxYz0123456789\"",
            "looks like a key, a token or a secret",
        ),
        (
            "[profile.a]\ntenant = \"canary8Q~dEfGhIjKlMnOpQrStUvWxYz0123456789\"",
            "looks like a key",
        ),
        (
            "[profile.a]\ncertificate = \"\"\"-----BEGIN PRIVATE KEY-----\ncanary\n\"\"\"",
            "control characters",
        ),
        (
            "\"canary8Q~dEfGhIjKlMnOpQrStUvWxYz0123456789\" = 1",
            "[not shown] is not a setting",
        ),
    ] {
        let path = place.project(text);
        let output = place.run(TOKEN, &[]);
        fails(&output, 3, &[expected, path.to_str().unwrap()]);
        assert!(!err(&output).contains("canary"), "{}", err(&output));
    }
}

#[test]
fn encoding_and_size_of_files_are_limited() {
    let place = Place::new();
    let path = place.project("");
    fs::write(
        &path,
        "\u{feff}default_profile = \"a\"\r\n[profile.a]\r\ntenant = \"bom.example\"\r\n",
    )
    .unwrap();
    assert_eq!(setting(&place.shown(&[], &[]), "tenant").0, "bom.example");
    fs::write(&path, b"default_profile = \"\xff\xfe\"").unwrap();
    fails(&place.run(TOKEN, &[]), 3, &["not UTF-8 or UTF-16 text"]);
    fs::write(&path, "#".repeat(70_000)).unwrap();
    fails(&place.run(TOKEN, &[]), 3, &["longer than 65536 bytes"]);
    for deep in [
        "[".repeat(60_000),
        format!("a = {}", "{b=".repeat(20_000)),
        "a.".repeat(30_000),
    ] {
        fs::write(&path, deep).unwrap();
        fails(&place.run(TOKEN, &[]), 3, &["entra.toml"]);
    }
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    fails(&place.run(TOKEN, &[]), 3, &["entra.toml: not a file"]);
}

#[test]
#[cfg(unix)]
fn links_and_pipes_do_not_block() {
    let place = Place::new();
    let path = place.project("");
    fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink(&path, &path).unwrap();
    fails(&place.run(TOKEN, &[]), 3, &["entra.toml", "broken link"]);
    fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
    fails(&place.run(TOKEN, &[]), 3, &["entra.toml: not a file"]);
    fs::remove_file(&path).unwrap();
    assert!(
        std::process::Command::new("mkfifo")
            .arg(&path)
            .status()
            .unwrap()
            .success()
    );
    fails(&place.run(TOKEN, &[]), 3, &["entra.toml: not a file"]);
    fs::remove_file(&path).unwrap();
    // A link to a file with secrets is read, and its content is not repeated.
    let key = place.write("key", "canary-hunter2-canary\n");
    std::os::unix::fs::symlink(key, &path).unwrap();
    let output = place.run(TOKEN, &[]);
    fails(&output, 3, &["not TOML"]);
    assert!(!err(&output).contains("canary"), "{}", err(&output));
    // The user's file determines authorities, so other users must not be able to write to it.
    fs::remove_file(&path).unwrap();
    set_mode(&place.user(""), 0o666);
    fails(
        &place.run(TOKEN, &[]),
        3,
        &["every user of this machine can write to it"],
    );
}

#[test]
fn project_file_is_searched_up_to_the_repository() {
    let place = Place::new();
    place.write("work/entra.toml", "[profile.above]\n");
    let output = place.run(&["config", "show", "--profile", "above"], &[]);
    fails(&output, 3, &["no profile above"]);
    // Outside of a repository, the search ends below the home folder.
    fs::create_dir_all(place.home.path().join("work/plain/deep")).unwrap();
    let output = place.run_in("work/plain/deep", &["config", "show", "--profile", "above"], &[]);
    assert!(output.status.success(), "{}", err(&output));
    place.write("entra.toml", "[profile.home]\n");
    fs::remove_file(place.home.path().join("work/entra.toml")).unwrap();
    let output = place.run_in("work/plain/deep", &["config", "show", "--profile", "home"], &[]);
    fails(&output, 3, &["no profile home"]);
}

#[test]
fn profile_certificate_has_its_key_and_password() {
    let place = Place::new();
    place.user(
        "[profile.a]\ncertificate = \"a.pem\"\ncertificate_key = \"a.key\"\nalgorithm = \"RS256\"\nsend_certificate_chain = true\n",
    );
    let shown = place.shown(&["--profile", "a"], &[]);
    assert!(
        setting(&shown, "certificate_key").0.ends_with(".config/entra/a.key"),
        "{shown}"
    );
    assert_eq!(setting(&shown, "algorithm").0, "rs256");
    assert_eq!(setting(&shown, "send_certificate_chain").0, "true");
    let variable = [("AZURE_CLIENT_SEND_CERTIFICATE_CHAIN", "false")];
    let shown = place.shown(&["--profile", "a"], &variable);
    assert_eq!(setting(&shown, "send_certificate_chain").0, "false");
    // An option for another certificate does not use the profile's key.
    let shown = place.shown(&["--profile", "a", "--certificate", "other.pem"], &[]);
    assert_eq!(setting(&shown, "certificate"), ("other.pem", "flag", "--certificate"));
    assert_eq!(setting(&shown, "certificate_key"), ("", "default", ""));
    let missing = place.run(
        &[
            "assertion",
            "--profile",
            "a",
            "--tenant",
            "x.example",
            "--client-id",
            OTHER,
        ],
        &[],
    );
    fails(&missing, 4, &["a.pem"]);
}

#[test]
fn init_writes_a_valid_file_once() {
    let place = Place::new();
    let init = &[
        "config",
        "init",
        "contoso",
        "--tenant",
        "contoso.com",
        "--client-id",
        ID,
    ];
    let output = place.run_in("work/app", init, &[]);
    assert!(output.status.success(), "{}", err(&output));
    let shown = place.shown(&[], &[]);
    assert_eq!(
        (shown["profile"].as_str(), setting(&shown, "tenant").0),
        (Some("contoso"), "contoso.com")
    );
    assert_eq!(setting(&shown, "client_id").0, ID);
    let path = place.home.path().join("work/app/entra.toml");
    let text = fs::read_to_string(&path).unwrap();
    // Each comment is a valid setting; only one credential can be active.
    let is_other = |line: &&str| !line.contains("certificate = ") && !line.contains("federated");
    let settings = text.lines().filter(is_other).map(|line| match line.strip_prefix("# ") {
        Some(setting) if setting.contains(" = ") => setting,
        _ => line,
    });
    fs::write(&path, settings.collect::<Vec<_>>().join("\n")).unwrap();
    let shown = place.shown(&[], &[]);
    assert_eq!(setting(&shown, "region").0, "westeurope", "{shown}");
    assert!(setting(&shown, "secret_file").0.ends_with("work/app/secret.txt"));
    fs::write(&path, &text).unwrap();
    let output = place.run_in("work/app", init, &[]);
    fails(&output, 1, &["already exists", "--force"]);
    let output = place.run_in("work/app", &[init, &["--force"][..]].concat(), &[]);
    assert!(output.status.success(), "{}", err(&output));
    assert_eq!(fs::read_to_string(&path).unwrap(), text);

    let output = place.run(&["config", "init", "--user"], &[]);
    assert!(output.status.success(), "{}", err(&output));
    let output = place.run(&["config", "path"], &[]);
    let paths: Vec<&Path> = out(&output).lines().map(Path::new).collect();
    assert_eq!(paths.len(), 2, "{paths:?}");
    assert!(paths[0].ends_with("work/app/entra.toml") && paths[1].ends_with(".config/entra/entra.toml"));
    for wrong in [
        &["config", "init", "a b"][..],
        &["config", "init", "x", "--tenant", "a b"],
    ] {
        assert!(!place.run_in("work", wrong, &[]).status.success());
        assert!(!place.home.path().join("work/entra.toml").exists());
    }
}

#[test]
fn settings_are_shown_in_columns() {
    let place = Place::new();
    let path = place.project("[profile.a]\ntenant = \"contoso.com\"\n");
    let output = place.run(
        &["config", "show", "--profile", "a", "-o", "text"],
        &[("AZURE_CLIENT_SECRET", "canary-hunter2")],
    );
    let expected = format!(
        "profile         a\ntenant          contoso.com  from {}:2\nclient_id       not set\nauthority_host  public       the default\n\
         endpoint        v2           the default\nregion          not set\ncapabilities    not set\n\
         client_secret   set          from AZURE_CLIENT_SECRET\n",
        path.display()
    );
    assert_eq!(out(&output), expected, "{}", err(&output));
    // An unusable setting is shown with a warning.
    place.project("[profile.a]\nauthority_host = \"https://login.evil.test\"\n");
    let output = place.run(&["config", "show", "--profile", "a"], &[]);
    assert!(
        output.status.success() && out(&output).contains("https://login.evil.test"),
        "{}",
        err(&output)
    );
    assert!(
        err(&output).contains("these settings cannot be used"),
        "{}",
        err(&output)
    );
}
