//! Certificates: creation, display, registration and use.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use entra_emulator::{App, Emulator};
use serde_json::Value;

use crate::common::{self, GRAPH, entra, entra_in, err, fails, folder, out, set_mode, variables};

/// Returns a folder with `daemon.pem` (key and certificate), `daemon.crt`, `daemon.key` and
/// `daemon.cer` (DER).
fn made(name: &str) -> std::path::PathBuf {
    let folder = folder(name);
    let output = entra_in(&folder, &["cert", "new", "--name", "daemon"], &[]);
    assert!(output.status.success(), "{}", err(&output));
    let pem = std::fs::read_to_string(folder.join("daemon.pem")).unwrap();
    let (key, _) = pem.split_at(pem.find("-----BEGIN CERTIFICATE").unwrap());
    std::fs::write(folder.join("daemon.key"), key).unwrap();
    set_mode(&folder.join("daemon.key"), 0o600);
    std::fs::write(folder.join("daemon.cer"), STANDARD.decode(body(&folder)).unwrap()).unwrap();
    folder
}

/// Returns the base64 of `daemon.crt`.
fn body(folder: &Path) -> String {
    let pem = std::fs::read_to_string(folder.join("daemon.crt")).unwrap();
    pem.lines().filter(|line| !line.starts_with('-')).collect()
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn certificate_without_its_key_is_shown_and_registered() {
    let folder = made("public");
    let whole = entra_in(&folder, &["cert", "inspect", "daemon.pem", "-o", "json"], &[]);
    let whole = json(out(&whole));
    assert_eq!(whole["private_key"], "in the file");
    for name in ["daemon.crt", "daemon.cer"] {
        let shown = entra_in(&folder, &["cert", "inspect", name, "-o", "json"], &[]);
        assert_eq!(err(&shown), "");
        let mut shown = json(out(&shown));
        assert_eq!(shown["private_key"], "not in the file");
        shown["private_key"] = whole["private_key"].clone();
        assert_eq!(shown, whole);

        let text = entra_in(&folder, &["cert", "inspect", name], &[]);
        let sha256 = whole["sha256"].as_str().unwrap();
        assert_eq!(sha256.len(), 64);
        assert!(out(&text).contains(sha256), "{}", out(&text));

        let listed = entra_in(&folder, &["keycredentials", name], &[]);
        assert_eq!(err(&listed), "");
        let entry = json(out(&listed))["keyCredentials"][0].clone();
        assert_eq!((&entry["key"], entry.get("value")), (&body(&folder).into(), None));
        assert!(
            entry["startDateTime"]
                .as_str()
                .is_some_and(|moment| moment.ends_with('Z'))
        );
    }
    // An encrypted key is not needed either.
    let sealed = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/encrypted_aes256.pem");
    let sealed = sealed.to_str().unwrap();
    let shown = entra_in(&folder, &["cert", "inspect", sealed, "-o", "json"], &[]);
    let key = json(out(&shown))["private_key"].as_str().unwrap().to_owned();
    assert!(key.contains("encrypted"), "{key}");
    let listed = entra_in(&folder, &["keycredentials", sealed], &[]);
    assert!(listed.status.success(), "{}", err(&listed));
}

#[test]
fn key_credential_has_the_manifest_format() {
    let folder = made("manifests");
    for (manifest, member) in [
        (r#"{"api": {}, "keyCredentials": []}"#, "key"),
        (
            r#"{"keyCredentials": [{"keyId": "x", "key": null, "startDateTime": "2026-01-01T00:00:00Z"}]}"#,
            "key",
        ),
        (r#"{"replyUrlsWithType": [], "keyCredentials": []}"#, "value"),
        (
            r#"{"keyCredentials": [{"keyId": "x", "value": null, "startDate": "2026-01-01T00:00:00Z"}]}"#,
            "value",
        ),
    ] {
        std::fs::write(folder.join("manifest.json"), manifest).unwrap();
        let merged = entra_in(
            &folder,
            &["keycredentials", "daemon.crt", "--manifest", "manifest.json"],
            &[],
        );
        let merged = json(out(&merged));
        let entry = merged["keyCredentials"].as_array().unwrap().last().unwrap();
        assert_eq!(entry[member], body(&folder), "{manifest}");
        assert!(entry.get("key").is_none() || entry.get("value").is_none());
    }
}

#[test]
fn key_and_certificate_in_two_files_are_combined() {
    let folder = made("two-files");
    let pem = std::fs::read_to_string(folder.join("daemon.crt")).unwrap();
    let app = App::new("daemon").without_secrets().certificate_pem(pem.as_str());
    let emulator = Emulator::builder().app(app).start();
    let bare = &variables(&emulator)[..3];
    let path = |name| [bare, &[("AZURE_CLIENT_CERTIFICATE_PATH", name)]].concat();
    // Options override the variables of other credentials.
    let secret = [&path("daemon.crt")[..], &[("AZURE_CLIENT_SECRET", "wrong")]].concat();
    for (words, variables) in [
        (
            &["--certificate", "daemon.crt", "--certificate-key", "daemon.key"][..],
            bare,
        ),
        (
            &["--certificate", "daemon.cer", "--certificate-key", "daemon.pem"],
            bare,
        ),
        (&["--certificate-key", "daemon.key"], &path("daemon.crt")),
        (&["--certificate-key", "daemon.key"], &secret),
    ] {
        let words = [&["token", "--resource", GRAPH], words].concat();
        let output = entra_in(&folder, &words, variables);
        assert!(output.status.success(), "{}", err(&output));
    }
    let inspected = entra_in(
        &folder,
        &[
            "cert",
            "inspect",
            "daemon.crt",
            "--certificate-key",
            "daemon.key",
            "-o",
            "json",
        ],
        &[],
    );
    assert_eq!(json(out(&inspected))["private_key"], "in the file");

    let token = |words: &[&str], variables: &[(&str, &str)]| {
        entra_in(&folder, &[&["token", "--resource", GRAPH], words].concat(), variables)
    };
    fails(
        &token(&["--certificate-key", "daemon.key"], bare),
        4,
        &["is set without a certificate", "--certificate"],
    );
    fails(
        &token(&[], &path("daemon.crt")),
        4,
        &["no private key", "--certificate-key"],
    );
    fails(
        &token(&["--certificate-key", "daemon.key", "--secret-file", "x"], bare),
        2,
        &["cannot be used"],
    );
    fails(
        &token(
            &["--certificate-key", "daemon.key", "--federated-token-file", "x"],
            bare,
        ),
        2,
        &["cannot be used"],
    );
    fails(
        &token(&["--certificate-key", "daemon.cer"], &path("daemon.crt")),
        4,
        &[
            "daemon.crt and daemon.cer: neither contains a private key",
            "--certificate-key",
        ],
    );
    // The key of another certificate is reported.
    assert!(
        entra_in(&folder, &["cert", "new", "--name", "other"], &[])
            .status
            .success()
    );
    std::fs::write(folder.join("other.key"), {
        let pem = std::fs::read_to_string(folder.join("other.pem")).unwrap();
        pem.split_at(pem.find("-----BEGIN CERTIFICATE").unwrap()).0.to_owned()
    })
    .unwrap();
    for words in [
        &[
            "token",
            "--resource",
            GRAPH,
            "--certificate",
            "daemon.crt",
            "--certificate-key",
            "other.key",
        ][..],
        &["cert", "inspect", "daemon.crt", "--certificate-key", "other.key"],
    ] {
        fails(
            &entra_in(&folder, words, bare),
            4,
            &["daemon.crt and other.key", "belongs to none"],
        );
    }

    // The doctor checks both, and shows the certificate if the key is missing.
    let doctor = |words: &[&str], variables: &[(&str, &str)]| {
        let output = entra_in(
            &folder,
            &[&["doctor", "--resource", GRAPH, "-o", "json"], words].concat(),
            variables,
        );
        let report = json(out(&output));
        let check = |name: &str| {
            report["checks"]
                .as_array()
                .unwrap()
                .iter()
                .find(|it| it["check"] == name)
                .unwrap()
                .clone()
        };
        (check("certificate"), check("credential"))
    };
    let (certificate, credential) = doctor(&["--certificate-key", "daemon.key"], &path("daemon.crt"));
    assert_eq!(certificate["status"], "ok", "{certificate}");
    assert!(
        credential["found"]
            .as_str()
            .unwrap()
            .contains("with the key in daemon.key"),
        "{credential}"
    );
    let (certificate, _) = doctor(&[], &path("daemon.cer"));
    let (found, fix) = (certificate["found"].as_str().unwrap(), common::hints(&certificate));
    assert_eq!(certificate["status"], "fail");
    assert!(
        found.contains("holds no private key") && found.contains("CN=daemon"),
        "{found}"
    );
    assert!(fix.contains("--certificate-key"), "{fix}");
    assert_eq!(certificate["details"]["sha256"].as_str().unwrap().len(), 64);
}

#[test]
#[cfg(unix)]
fn private_key_readable_by_others_warns() {
    let folder = made("exposed");
    let pem = std::fs::read_to_string(folder.join("daemon.crt")).unwrap();
    let emulator = Emulator::builder()
        .app(App::new("daemon").certificate_pem(pem.as_str()))
        .start();
    let variables = &variables(&emulator)[..3];
    let token = ["token", "--resource", GRAPH, "--certificate", "daemon.pem"];
    let split = [
        "token",
        "--resource",
        GRAPH,
        "--certificate",
        "daemon.crt",
        "--certificate-key",
        "daemon.key",
    ];
    let doctor = ["doctor", "--resource", GRAPH, "--certificate", "daemon.pem"];
    let inspect = ["cert", "inspect", "daemon.pem"];
    for mode in [0o600, 0o400, 0o700] {
        set_mode(&folder.join("daemon.pem"), mode);
        for words in [&token[..], &split, &inspect] {
            let output = entra_in(&folder, words, variables);
            assert!(!err(&output).contains("chmod"), "{mode:o}: {}", err(&output));
        }
        assert!(!out(&entra_in(&folder, &doctor, variables)).contains("chmod"));
    }
    for (mode, access) in [
        (0o644, "readable"),
        (0o640, "readable"),
        (0o604, "readable"),
        (0o666, "readable and writable"),
        (0o620, "writable"),
    ] {
        set_mode(&folder.join("daemon.pem"), mode);
        set_mode(&folder.join("daemon.key"), mode);
        for (words, advice) in [
            (&token[..], "chmod 600 daemon.pem"),
            (&split, "chmod 600 daemon.key"),
            (&inspect, "chmod 600 daemon.pem"),
        ] {
            let output = entra_in(&folder, words, variables);
            assert!(output.status.success());
            let expected = format!("{access} by others (mode {mode:o})");
            assert!(
                err(&output).contains(&expected) && err(&output).contains(advice),
                "{}",
                err(&output)
            );
        }
        let output = entra_in(&folder, &doctor, variables);
        assert!(output.status.success());
        assert!(
            out(&output).contains("warn     certificate") && out(&output).contains("chmod 600"),
            "{}",
            out(&output)
        );
    }
    // The target of a link counts, and a certificate without a key is public.
    std::os::unix::fs::symlink("daemon.pem", folder.join("link.pem")).unwrap();
    set_mode(&folder.join("daemon.pem"), 0o600);
    assert_eq!(err(&entra_in(&folder, &["cert", "inspect", "link.pem"], &[])), "");
    assert_eq!(err(&entra_in(&folder, &["cert", "inspect", "daemon.crt"], &[])), "");
    // A pipe has no permissions to check.
    let pem = std::fs::read_to_string(folder.join("daemon.pem")).unwrap();
    let piped = entra(&["cert", "inspect", "-"], &[], &pem);
    assert_eq!((err(&piped), piped.status.code()), ("", Some(0)));
}

#[test]
fn certificate_is_written_to_the_given_path() {
    let folder = folder("cert-new");
    std::fs::create_dir(folder.join("my keys")).unwrap();
    let new = |words: &[&str]| entra_in(&folder, &[&["cert", "new"], words].concat(), &[]);
    let output = new(&["--name", "daemon", "--out", "my keys"]);
    assert!(output.status.success(), "{}", err(&output));
    assert!(
        err(&output).contains("entra keycredentials 'my keys/daemon.crt'"),
        "{}",
        err(&output)
    );
    let output = new(&["--name", "a name: with/anything", "--out", "my keys/service.pem"]);
    assert!(output.status.success(), "{}", err(&output));
    assert!(out(&output).contains("CN=a name: with/anything"), "{}", out(&output));
    for name in ["daemon.pem", "daemon.crt", "service.pem", "service.crt"] {
        assert!(folder.join("my keys").join(name).exists(), "{name}");
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(folder.join("my keys/service.pem"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    fails(&new(&["--name", "daemon", "--out", "my keys"]), 1, &["daemon.crt"]);
    fails(&new(&["--name", "daemon", "--out", "none/"]), 1, &["none/daemon.crt"]);
    assert!(!folder.join("none").exists());
    fails(&new(&["--name", ""]), 2, &["the name is empty"]);
    fails(&new(&["--name", "a:b"]), 2, &["a:b", "colon", "--out"]);
    fails(&new(&["--name", "a/b"]), 2, &["slash", "--out"]);
    fails(&new(&["--name", "nul"]), 2, &["Windows device"]);
    fails(&new(&["--out", "key.crt"]), 2, &[".pem"]);
    assert!(!folder.join("key.crt").exists());
}

#[test]
fn standard_input_is_named_in_errors() {
    let folder = made("standard-input");
    for words in [
        &["cert", "inspect", "-"][..],
        &["keycredentials", "daemon.crt", "--manifest", "-"],
    ] {
        fails(
            &entra_in(&folder, words, &[]),
            if words[0] == "cert" { 4 } else { 3 },
            &["standard input: "],
        );
    }
}

#[test]
fn missing_password_names_its_settings() {
    let folder = folder("password-advice");
    let pfx = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/pyca.pfx");
    let output = entra_in(&folder, &["cert", "inspect", pfx.to_str().unwrap()], &[]);
    fails(
        &output,
        4,
        &["AZURE_CLIENT_CERTIFICATE_PASSWORD", "--certificate-password-file"],
    );
}
