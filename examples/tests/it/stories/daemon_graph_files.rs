//! `daemon_graph`: the configuration files of the samples, used unchanged, and invalid files.

use std::fs;
use std::path::Path;
use std::process::Output;

use entra_emulator::{App, Emulator};

use crate::stories::daemon_graph::assert_no_secret;
use crate::stories::support::{folder, run_in, text};

const PROGRAM: &str = env!("CARGO_BIN_EXE_daemon_graph");

/// Returns each sample with the name of its file and the file's contents.
fn files(
    authority: &str,
    tenant: &str,
    id: &str,
    secret: &str,
    object_id: &str,
) -> [(&'static str, &'static str, String); 4] {
    [
        (
            "dotnet",
            "Program.cs",
            format!(
                "using Microsoft.Identity.Client;\n\nvar config = new {{\n    // Full directory URL\n    Authority = \" {authority}/{tenant}\",\n    ClientId = \"{id}\",\n    ClientSecret = \"{secret}\",\n    ClientObjectId = \"{object_id}\"\n}};\nConsole.WriteLine(config.ClientId);\n"
            ),
        ),
        (
            "node",
            ".env",
            format!(
                "# Credentials\nTENANT_ID={tenant}\nCLIENT_ID={id}\nCLIENT_SECRET={secret}\n\n# Endpoints\nAAD_ENDPOINT={authority}/\nGRAPH_ENDPOINT=https://graph.microsoft.com/\n"
            ),
        ),
        (
            "python",
            "parameters.json",
            format!(
                "{{\n  \"authority\": \"{authority}/{tenant}\",\n  \"client_id\": \"{id}\",\n  \"scope\": [ \"https://graph.microsoft.com/.default\" ],\n  \"secret\": \"{secret}\",\n  \"endpoint\": \"https://graph.microsoft.com/v1.0/users\"\n}}\n"
            ),
        ),
        (
            "java",
            "application.properties",
            format!(
                "AUTHORITY={}/{tenant}/\nCLIENT_ID={id}\nSECRET={secret}\nSCOPE=https://graph.microsoft.com/.default\n",
                authority.replace("http:", "http\\:")
            ),
        ),
    ]
}

fn with_users() -> (Emulator, [(&'static str, &'static str, String); 4]) {
    let app = App::new("daemon").grant(Emulator::GRAPH, "User.Read.All");
    let emulator = Emulator::builder().app(app).start();
    let files = files(
        emulator.base_url(),
        emulator.tenant_id(),
        emulator.client_id(),
        emulator.client_secret(),
        &emulator.apps()[0].object_id,
    );
    (emulator, files)
}

fn run_with(folder: &Path, sample: &str) -> Output {
    run_in(folder, PROGRAM, &["--like", sample], &[])
}

#[test]
fn file_of_each_sample_is_enough() {
    let (_emulator, files) = with_users();
    let folder = folder("files");
    for (sample, name, contents) in &files {
        for (form, contents) in [
            ("as it is", contents.clone()),
            ("of Windows", format!("\u{feff}{}", contents.replace('\n', "\r\n"))),
            ("without an end", contents.trim_end().to_owned()),
            ("without slashes", contents.replace("/\n", "\n")),
        ] {
            fs::write(folder.join(name), contents).unwrap();
            let output = run_with(&folder, sample);
            let stderr = text(&output.stderr);
            assert!(output.status.success(), "{sample} {form}: {stderr}");
            assert!(
                stderr.contains(&format!("note: configuration from {name}\n")),
                "{stderr}"
            );
            let warns = stderr.contains("warning: Authority (Program.cs, line 5) begins or ends with white space");
            assert_eq!(warns, *sample == "dotnet", "{stderr}");
        }
        let other = folder.join("other");
        fs::rename(folder.join(name), &other).unwrap();
        let output = run_in(&folder, PROGRAM, &["--like", sample, "--config", "other"], &[]);
        assert!(output.status.success(), "{sample}: {}", text(&output.stderr));
    }
}

#[test]
fn names_of_the_sample_are_read_from_the_environment() {
    let (emulator, _) = with_users();
    let folder = folder("environment");
    let variables = [
        ("TENANT_ID", emulator.tenant_id()),
        ("CLIENT_ID", emulator.client_id()),
        ("CLIENT_SECRET", emulator.client_secret()),
        ("AAD_ENDPOINT", emulator.base_url()),
        ("GRAPH_ENDPOINT", emulator.base_url()),
    ];
    let output = run_in(&folder, PROGRAM, &["--like", "node"], &variables);
    assert!(output.status.success(), "{}", text(&output.stderr));
    // A value that the sample cuts off is cut off here as well, with a warning.
    fs::write(folder.join(".env"), "CLIENT_SECRET=canary#x\n").unwrap();
    let output = run_in(&folder, PROGRAM, &["--like", "node"], &variables);
    assert!(
        text(&output.stderr).contains("warning: line 1: the value ends at #"),
        "{}",
        text(&output.stderr)
    );
    assert_no_secret(&output, "canary");
    // A file without the secret, as recommended, and the secret in a variable.
    fs::write(folder.join(".env"), "CLIENT_SECRET=\n").unwrap();
    let output = run_in(&folder, PROGRAM, &["--like", "node"], &variables);
    assert!(output.status.success(), "{}", text(&output.stderr));
}

#[test]
fn remaining_placeholders_are_named() {
    let folder = folder("placeholders");
    let files = files(
        "https://login.microsoftonline.com",
        "Enter_the_Tenant_Id_Here",
        "Enter_the_Application_Id_Here",
        "Enter_the_Client_Secret_Here",
        "Enter the client Object ID obtained from the Microsoft Entra admin center",
    );
    for (sample, name, contents) in files {
        fs::write(folder.join(name), contents).unwrap();
        let output = run_with(&folder, sample);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr.contains("are still placeholders of the sample"), "{stderr}");
        for placeholder in [
            "Enter_the_Tenant_Id_Here",
            "Enter_the_Application_Id_Here",
            "Enter_the_Client_Secret_Here",
        ] {
            assert!(stderr.contains(placeholder), "{sample}: {stderr}");
        }
    }
}

#[test]
fn unusable_file_is_reported_without_its_contents() {
    let (emulator, files) = with_users();
    let folder = folder("hostile");
    let secret = emulator.client_secret();
    for (sample, name, contents) in &files {
        let path = folder.join(name);
        let cases: [(&str, Vec<u8>); 4] = [
            (
                "is not UTF-8",
                contents
                    .replace(secret, &format!("{secret}\u{e9}"))
                    .chars()
                    .map(|c| c as u8)
                    .collect(),
            ),
            ("is longer than", vec![b'#'; 100 * 1024 * 1024]),
            ("", format!("canary {secret}").into_bytes()),
            ("", vec![0; 5000]),
        ];
        for (expected, bytes) in cases {
            fs::write(&path, bytes).unwrap();
            let output = run_with(&folder, sample);
            let shown = text(&output.stderr);
            assert_eq!(output.status.code(), Some(1), "{sample} {expected}: {shown}");
            assert!(
                shown.contains(expected) && shown.contains("hint: "),
                "{sample} {expected}: {shown}"
            );
            assert!(!shown.contains("canary"), "{shown}");
            assert_no_secret(&output, secret);
        }
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        let output = run_with(&folder, sample);
        let shown = text(&output.stderr);
        assert!(
            output.status.code() == Some(1) && shown.contains("directory"),
            "{shown}"
        );
        fs::remove_dir(&path).unwrap();
        let output = run_in(&folder, PROGRAM, &["--like", sample, "--config", "missing"], &[]);
        assert!(
            text(&output.stderr).contains("missing: cannot be read"),
            "{}",
            text(&output.stderr)
        );
    }
    assert!(emulator.requests().is_empty());
}

#[test]
fn repeated_setting_causes_a_warning() {
    let (emulator, files) = with_users();
    let folder = folder("twice");
    for (sample, name, contents) in &files {
        let id = emulator.client_id();
        let line = contents
            .lines()
            .find(|line| line.contains(id) && !line.contains("//"))
            .unwrap();
        let wrong = line.replace(id, "00000000-0000-4000-8000-000000000000");
        // The last one takes effect, as in the samples.
        fs::write(folder.join(name), contents.replace(line, &format!("{wrong}\n{line}"))).unwrap();
        let output = run_with(&folder, sample);
        assert!(output.status.success(), "{sample}: {}", text(&output.stderr));
        assert!(
            text(&output.stderr).contains("more than once; the last one is used"),
            "{}",
            text(&output.stderr)
        );
    }
}

#[test]
fn wrong_values_are_reported_with_their_setting() {
    let (emulator, files) = with_users();
    let folder = folder("values");
    let secret = emulator.client_secret();
    let id = emulator.client_id();
    for (sample, name, contents) in &files {
        let client_id = match *sample {
            "dotnet" => "ClientId",
            "python" => "client_id",
            _ => "CLIENT_ID",
        };
        for (wrong, expected) in [
            (contents.replace(id, "not-an-id"), client_id),
            // Swapped.
            (
                contents.replace(id, "?").replace(secret, id).replace('?', secret),
                client_id,
            ),
            (
                contents
                    .replace("http\\:", "http:")
                    .replace(emulator.base_url(), "http://login.microsoftonline.com"),
                "plain http",
            ),
            (
                contents.replace(secret, ""),
                "and neither is AZURE_CLIENT_SECRET\nhint: fill in ",
            ),
        ] {
            fs::write(folder.join(name), wrong).unwrap();
            let output = run_with(&folder, sample);
            let shown = text(&output.stderr);
            assert_eq!(output.status.code(), Some(1), "{sample}: {shown}");
            assert!(shown.contains(expected), "{sample} {expected}: {shown}");
            assert_no_secret(&output, secret);
        }
    }
    assert!(emulator.requests().is_empty());
}

#[test]
fn endpoint_that_must_not_get_the_token_is_rejected() {
    let folder = folder("endpoints");
    for endpoint in [
        "http://graph.microsoft.com/v1.0/users",
        "https://graph.microsoft.com.evil.example/v1.0/users",
        "https://user@graph.microsoft.com/v1.0/users",
        "http://127.0.0.1:1/v1.0/users",
        "graph.microsoft.com/v1.0/users",
    ] {
        let parameters = serde_json::json!({
            "authority": "https://login.microsoftonline.com/contoso.example", "secret": "canary~secret", "endpoint": endpoint,
            "client_id": "535fb089-9ff3-47b6-9bfb-4f1264799865", "scope": ["https://graph.microsoft.com/.default"],
        });
        fs::write(folder.join("parameters.json"), parameters.to_string()).unwrap();
        let output = run_with(&folder, "python");
        let shown = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1));
        assert!(shown.contains("error: endpoint (parameters.json): "), "{shown}");
        assert_no_secret(&output, "canary~secret");
    }
    let env = "TENANT_ID=contoso.example\nCLIENT_ID=535fb089-9ff3-47b6-9bfb-4f1264799865\nCLIENT_SECRET=canary~secret\nGRAPH_ENDPOINT=http://graph.microsoft.com/\n";
    fs::write(folder.join(".env"), env).unwrap();
    let output = run_with(&folder, "node");
    assert!(
        text(&output.stderr).contains("GRAPH_ENDPOINT (.env, line 4): is plain http"),
        "{}",
        text(&output.stderr)
    );
}
