//! Certificates, passwords and federated tokens, from a file to a token.

use entra_emulator::{App, Emulator};
use serde_json::Value;

use crate::common::{GRAPH, command, entra, entra_in, err, fails, folder, out, variables};

#[test]
fn emulator_accepts_a_new_certificate() {
    let folder = folder("registered");
    let made = command(&["cert", "new", "--name", "app"], &[])
        .current_dir(&folder)
        .output();
    let made = made.unwrap();
    assert!(made.status.success(), "{}", err(&made));
    let pem = std::fs::read_to_string(folder.join("app.crt")).unwrap();
    let emulator = Emulator::builder().certificate_pem(pem).start();
    let key = folder.join("app.pem");
    let words = ["token", "--resource", GRAPH, "--certificate", key.to_str().unwrap()];
    let output = entra(&words, &variables(&emulator), "");
    assert!(
        output.status.success() && out(&output).starts_with("eyJ"),
        "{}",
        err(&output)
    );
}

#[test]
fn new_certificate_is_registered_and_gets_a_token() {
    let folder = folder("certificate");
    let output = entra_in(&folder, &["cert", "new", "--name", "daemon", "--days", "10"], &[]);
    assert!(output.status.success(), "{}", err(&output));
    assert!(
        err(&output).contains("warning") || out(&output).contains("in 10 days"),
        "{}",
        out(&output)
    );
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = |name| std::fs::metadata(folder.join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode("daemon.pem"), 0o600);
    }
    assert!(
        !std::fs::read_to_string(folder.join("daemon.crt"))
            .unwrap()
            .contains("PRIVATE KEY")
    );
    // No file is overwritten, and no partial file is left.
    std::fs::write(folder.join("taken.crt"), "").unwrap();
    fails(
        &entra_in(&folder, &["cert", "new", "--name", "taken"], &[]),
        1,
        &["taken.crt"],
    );
    assert!(!folder.join("taken.pem").exists());
    std::fs::write(folder.join("kept.pem"), "").unwrap();
    fails(
        &entra_in(&folder, &["cert", "new", "--name", "kept"], &[]),
        1,
        &["kept.pem"],
    );
    assert!(!folder.join("kept.crt").exists());
    let twice = entra_in(&folder, &["keycredentials", "daemon.pem", "daemon.pem"], &[]);
    assert_eq!(out(&twice).matches("customKeyIdentifier").count(), 1);
    fails(
        &entra_in(
            &folder,
            &[
                "token",
                "--resource",
                GRAPH,
                "--certificate",
                "daemon.pem",
                "--secret-file",
                "x",
            ],
            &[],
        ),
        2,
        &["cannot be used"],
    );
    fails(
        &entra_in(&folder, &["cert", "new", "--name", "daemon"], &[]),
        1,
        &["daemon.crt"],
    );

    let inspected = entra_in(&folder, &["cert", "inspect", "daemon.pem", "-o", "json"], &[]);
    let inspected: Value = serde_json::from_str(out(&inspected)).unwrap();
    assert_eq!(
        (&inspected["subject"], &inspected["key_bits"]),
        (&"CN=daemon".into(), &2048.into())
    );

    // The printed entry has the format of the manifest of an app registration.
    let listed = entra_in(&folder, &["keycredentials", "daemon.pem"], &[]);
    let listed: Value = serde_json::from_str(out(&listed)).unwrap();
    let entry = &listed["keyCredentials"][0];
    assert_eq!(entry["customKeyIdentifier"], inspected["custom_key_identifier"]);
    assert_eq!(
        (&entry["type"], &entry["usage"]),
        (&"AsymmetricX509Cert".into(), &"Verify".into())
    );
    std::fs::write(
        folder.join("manifest.json"),
        r#"{"id": 1, "keyCredentials": [], "z": null}"#,
    )
    .unwrap();
    let merged = entra_in(
        &folder,
        &["keycredentials", "daemon.pem", "--manifest", "manifest.json"],
        &[],
    );
    let merged: Value = serde_json::from_str(out(&merged)).unwrap();
    assert_eq!(
        (&merged["keyCredentials"][0]["key"], &merged["id"]),
        (&entry["key"], &1.into())
    );

    let pem = std::fs::read_to_string(folder.join("daemon.crt")).unwrap();
    let app = App::new("daemon").without_secrets().certificate_pem(pem.as_str());
    let emulator = Emulator::builder().app(app).start();
    let path = ("AZURE_CLIENT_CERTIFICATE_PATH", "daemon.pem");
    let with_variable = [&variables(&emulator)[..3], &[path]].concat();
    for (words, variables) in [
        (&["--certificate", "daemon.pem"][..], &variables(&emulator)[..3]),
        (&["--v1"], &with_variable),
        (&["--send-certificate-chain", "--algorithm", "rs256"], &with_variable),
    ] {
        let words = [&["token", "--resource", GRAPH], words].concat();
        let output = entra_in(&folder, &words, variables);
        assert!(output.status.success(), "{}", err(&output));
    }
    let shown = entra_in(&folder, &["assertion", "--show"], &with_variable);
    let x5t = inspected["x5t_s256"].as_str().unwrap();
    assert!(
        out(&shown).contains("PS256") && out(&shown).contains(x5t),
        "{}",
        out(&shown)
    );
    let bare = entra_in(&folder, &["assertion"], &with_variable);
    assert_eq!(out(&bare).trim_end().split('.').count(), 3);
}

#[test]
fn certificate_password_is_read_from_file_or_variable() {
    let folder = folder("password");
    // A copy of a test vector of entra-credential: an ordinary PFX file.
    let pfx = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/pyca.pfx");
    let pfx = pfx.to_str().unwrap();
    std::fs::write(folder.join("password"), "secret\n").unwrap();
    let output = entra_in(
        &folder,
        &["cert", "inspect", pfx, "--certificate-password-file", "password"],
        &[],
    );
    assert!(out(&output).contains("QJ-Dz9bK9EQaPzi22GR-0i3b9cY"), "{}", err(&output));
    let output = entra_in(
        &folder,
        &["cert", "inspect", pfx],
        &[("AZURE_CLIENT_CERTIFICATE_PASSWORD", "secret")],
    );
    assert!(
        out(&output).contains("CN=MyCompanyName MyAppName Cert"),
        "{}",
        err(&output)
    );
    let output = entra_in(
        &folder,
        &["cert", "inspect", pfx],
        &[("AZURE_CLIENT_CERTIFICATE_PASSWORD", "canary")],
    );
    fails(&output, 4, &["password"]);
    assert!(!err(&output).contains("canary"));
    // A byte order mark is not part of a password, and an empty variable counts as unset.
    std::fs::write(folder.join("marked"), "\u{feff}secret\r\n").unwrap();
    let output = entra_in(
        &folder,
        &["cert", "inspect", pfx, "--certificate-password-file", "marked"],
        &[],
    );
    assert!(output.status.success(), "{}", err(&output));
    // Without a terminal there is no prompt.
    fails(&entra_in(&folder, &["cert", "inspect", pfx], &[]), 4, &["password"]);
    fails(
        &entra_in(
            &folder,
            &["assertion"],
            &[
                ("AZURE_TENANT_ID", "contoso.com"),
                ("AZURE_CLIENT_ID", "11111111-2222-3333-4444-555555555555"),
                ("AZURE_CLIENT_SECRET", "s"),
            ],
        ),
        2,
        &["--certificate"],
    );
}

#[test]
fn federated_token_is_read_from_its_file() {
    let emulator = Emulator::start();
    let folder = folder("federated");
    std::fs::write(folder.join("token"), "eyJh.eyJi.c2ln\n").unwrap();
    let variables = [&variables(&emulator)[..3], &[("AZURE_FEDERATED_TOKEN_FILE", "token")]].concat();
    let output = entra_in(&folder, &["token", "--resource", GRAPH], &variables);
    // The emulator has no second issuer and rejects the assertion; the request is what matters
    // here.
    assert_eq!(output.status.code(), Some(5), "{}", err(&output));
    assert_eq!(
        emulator.token_requests()[0].form_value("client_assertion"),
        Some("eyJh.eyJi.c2ln")
    );
    fails(
        &entra_in(
            &folder,
            &["token", "--resource", GRAPH, "--federated-token-file", "nowhere"],
            &variables,
        ),
        4,
        &["nowhere"],
    );
}
