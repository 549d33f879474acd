//! `daemon_graph`: the credentials of the samples.

use std::fs;

use entra_emulator::Emulator;

use super::daemon_graph::{PROGRAM, assert_no_secret, pages};
use crate::stories::support::{certificate, certified, folder, run, run_in, text};

#[test]
fn certificate_works_in_each_form_of_the_samples() {
    let emulator = Emulator::builder().app(certified()).start();
    let folder = folder("certificates");
    let made = certificate();
    fs::write(folder.join("server.pem"), &made.key_pem).unwrap();
    fs::write(folder.join("both.pem"), format!("{}{}", made.key_pem, made.pem)).unwrap();
    fs::write(folder.join("key.der"), &made.key_der).unwrap();
    fs::write(folder.join("cert.pem"), &made.pem).unwrap();
    fs::write(folder.join("cert.der"), &made.der).unwrap();
    let thumbprint = entra_credential::Thumbprints::of(&made.der).sha1_hex();
    let authority = format!("{}/{}", emulator.base_url(), emulator.tenant_id());
    let id = emulator.client_id();

    for (key, thumbprint) in [("server.pem", &thumbprint), ("both.pem", &thumbprint.to_lowercase())] {
        let parameters = serde_json::json!({
            "authority": authority, "client_id": id, "scope": ["https://graph.microsoft.com/.default"],
            "thumbprint": thumbprint, "private_key_file": key, "endpoint": "https://graph.microsoft.com/v1.0/users",
        });
        fs::write(folder.join("parameters.json"), parameters.to_string()).unwrap();
        let output = run_in(&folder, PROGRAM, &["--like", "python"], &[]);
        assert!(output.status.success(), "{key}: {}", text(&output.stderr));
        assert_eq!(pages("python", &output)[0]["value"].as_array().unwrap().len(), 3);
    }
    for certificate in ["cert.pem", "cert.der"] {
        let properties = format!(
            "AUTHORITY={authority}/\nCLIENT_ID={id}\nKEY_PATH=key.der\nCERT_PATH={certificate}\nSCOPE=https://graph.microsoft.com/.default\n"
        );
        fs::write(folder.join("application.properties"), properties).unwrap();
        let output = run_in(&folder, PROGRAM, &["--like", "java"], &[]);
        assert!(output.status.success(), "{certificate}: {}", text(&output.stderr));
        assert_eq!(pages("java", &output).len(), 1);
    }
    let path = folder.join("both.pem");
    let variables = [
        ("AZURE_AUTHORITY_HOST", emulator.base_url()),
        ("AZURE_TENANT_ID", emulator.tenant_id()),
        ("AZURE_CLIENT_ID", id),
        ("AZURE_CLIENT_CERTIFICATE_PATH", path.to_str().unwrap()),
    ];
    let output = run(PROGRAM, &["--like", "node"], &variables);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(
        emulator.token_requests().iter().all(|request| request.lints.is_empty()),
        "{:?}",
        emulator.token_requests()
    );
}

#[test]
fn contradictory_credential_is_rejected() {
    let folder = folder("contradictions");
    let made = certificate();
    fs::write(folder.join("both.pem"), format!("{}{}", made.key_pem, made.pem)).unwrap();
    let real = entra_credential::Thumbprints::of(&made.der).sha1_hex();
    for (member, value, expected) in [
        (
            "thumbprint",
            "00".repeat(20),
            format!("hint: write {real}, and register that certificate"),
        ),
        (
            "secret",
            "canary8Q~secret".to_owned(),
            "both secret (parameters.json) and private_key_file (parameters.json) are set\nhint: keep".to_owned(),
        ),
    ] {
        let mut parameters = serde_json::json!({
            "authority": "https://login.microsoftonline.com/contoso.example", "private_key_file": "both.pem",
            "client_id": "535fb089-9ff3-47b6-9bfb-4f1264799865",
        });
        parameters[member] = value.into();
        fs::write(folder.join("parameters.json"), parameters.to_string()).unwrap();
        let output = run_in(&folder, PROGRAM, &["--like", "python"], &[]);
        assert_eq!(output.status.code(), Some(1));
        assert!(text(&output.stderr).contains(&expected), "{}", text(&output.stderr));
        assert_no_secret(&output, "canary8Q~secret");
    }
}
