//! Messages about settings that are almost right.

use entra_emulator::Emulator;

use crate::common::{self, GRAPH, entra, err, fails, out, run, variables};

/// Returns these variables with one of them replaced by another.
fn with<'a>(all: &[(&'a str, &'a str)], name: &str, other: &'a str, value: &'a str) -> Vec<(&'a str, &'a str)> {
    let kept = all.iter().copied().filter(|pair| pair.0 != name);
    kept.chain([(other, value)]).collect()
}

#[test]
fn doubtful_secret_is_a_warning() {
    let emulator = Emulator::start();
    let all = variables(&emulator);
    let secret = emulator.client_secret();
    for (value, expected) in [
        (format!("{secret}\n"), "line end"),
        (format!(" {secret}"), "white space"),
        (format!("\"{secret}\""), "quotation marks"),
        (format!("'{secret}'"), "quotation marks"),
        ("aaaabbbb-0000-cccc-1111-dddd2222eeee".to_owned(), "the ID of a secret"),
    ] {
        let variables = with(&all, "AZURE_CLIENT_SECRET", "AZURE_CLIENT_SECRET", &value);
        let output = run(&["token", "--resource", GRAPH], &variables);
        fails(&output, 5, &["from AZURE_CLIENT_SECRET: it ", expected, "entra doctor"]);
        assert!(!err(&output).contains(secret), "{}", err(&output));
    }
    let file = common::file("blank-secret", &format!("{secret} "));
    let words = ["token", "--resource", GRAPH, "--secret-file", file.to_str().unwrap()];
    fails(&run(&words, &all[..3]), 5, &["blank-secret: it ", "white space"]);
    let output = run(&["token", "--resource", GRAPH], &all);
    assert!(
        output.status.success() && !err(&output).contains("warning"),
        "{}",
        err(&output)
    );
}

#[test]
fn empty_or_misspelt_variable_is_named() {
    let emulator = Emulator::start();
    let all = variables(&emulator);
    for (name, other, value, expected) in [
        (
            "AZURE_CLIENT_SECRET",
            "AZURE_CLIENT_SECRET",
            "",
            "AZURE_CLIENT_SECRET is set and empty",
        ),
        (
            "AZURE_TENANT_ID",
            "AZURE_TENANT_ID",
            "",
            "AZURE_TENANT_ID is set and empty",
        ),
        ("AZURE_TENANT_ID", "AZURE_TENANT", "contoso.com", "AZURE_TENANT is set"),
        (
            "AZURE_TENANT_ID",
            "AZURE_TENNANT_ID",
            "contoso.com",
            "AZURE_TENNANT_ID is set",
        ),
        ("AZURE_CLIENT_ID", "AZURE_CLIENT", "x", "AZURE_CLIENT is set"),
        ("AZURE_CLIENT_ID", "ARM_CLIENT_ID", "x", "ARM_CLIENT_ID is set"),
        (
            "AZURE_CLIENT_SECRET",
            "AZURE_SECRET",
            "canary-secret",
            "AZURE_SECRET is set",
        ),
        (
            "AZURE_CLIENT_SECRET",
            "AZURE_CLIENT_SERCET",
            "canary-secret",
            "AZURE_CLIENT_SERCET is set",
        ),
    ] {
        let variables = with(&all, name, other, value);
        let output = run(&["token", "--resource", GRAPH], &variables);
        assert!(err(&output).contains(expected), "{expected}: {}", err(&output));
        let output = run(&["doctor", "--resource", GRAPH], &variables);
        assert!(out(&output).contains(expected), "{expected}: {}", out(&output));
        assert!(!out(&output).contains("canary"), "{}", out(&output));
    }
}

#[cfg(unix)]
#[test]
fn variable_that_is_not_utf8_is_an_error() {
    use std::os::unix::ffi::OsStrExt;

    let emulator = Emulator::start();
    let bytes = std::ffi::OsStr::from_bytes(b"a\xffb");
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
    let made = common::command(&["cert", "new", "--name", "not-utf8"], &[])
        .current_dir(folder)
        .output();
    assert!(made.unwrap().status.code().is_some());
    for (name, code) in [
        ("AZURE_TENANT_ID", 3),
        ("AZURE_CLIENT_ID", 3),
        ("AZURE_AUTHORITY_HOST", 3),
        ("AZURE_CLIENT_SECRET", 4),
        ("AZURE_CLIENT_SEND_CERTIFICATE_CHAIN", 3),
        ("AZURE_CLIENT_CERTIFICATE_PASSWORD", 4),
    ] {
        for command in ["token", "doctor"] {
            let mut words = vec![command, "--resource", GRAPH];
            if name.contains("CHAIN") || name.contains("PASSWORD") {
                words.extend(["--certificate", "not-utf8.pem"]);
            }
            let output = common::command(&words, &variables(&emulator))
                .env(name, bytes)
                .current_dir(folder)
                .output();
            let output = output.unwrap();
            let shown = format!("{}{}", out(&output), err(&output));
            assert!(shown.contains(&format!("{name} is not UTF-8")), "{shown}");
            assert_eq!(output.status.code(), Some(code), "{name}: {shown}");
        }
    }
    assert_eq!(
        emulator.request_count(),
        emulator
            .requests()
            .iter()
            .filter(|request| !request.is_token_request())
            .count() as u64
    );
}

#[test]
fn token_is_decoded_from_json_of_other_commands() {
    let emulator = Emulator::start();
    let token = run(&["token", "--resource", GRAPH, "-o", "json"], &variables(&emulator));
    let output = entra(&["decode"], &[], out(&token));
    assert!(out(&output).contains(GRAPH), "{}", err(&output));
    assert!(err(&output).contains("member access_token"), "{}", err(&output));
}

#[test]
fn text_in_utf16_is_read() {
    let emulator = Emulator::start();
    let utf16 = |text: &str| -> Vec<u8> {
        let units = "\u{feff}".encode_utf16().chain(text.encode_utf16());
        units.flat_map(u16::to_le_bytes).collect()
    };
    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("utf16-secret");
    std::fs::write(&file, utf16(&format!("{}\r\n", emulator.client_secret()))).unwrap();
    let words = ["token", "--resource", GRAPH, "--secret-file", file.to_str().unwrap()];
    let output = run(&words, &variables(&emulator)[..3]);
    assert!(output.status.success(), "{}", err(&output));
    std::fs::write(&file, [0xff, 0xfe, b'a']).unwrap();
    fails(
        &run(&words, &variables(&emulator)[..3]),
        4,
        &["not UTF-8 or UTF-16 text"],
    );
}

#[test]
fn misspelt_authority_variable_is_reported() {
    let variables = [
        ("AZURE_TENANT_ID", "contoso.com"),
        ("AZURE_AUTHORITY", "https://login.microsoftonline.us"),
    ];
    let output = run(&["assertion"], &variables);
    assert!(err(&output).contains("AZURE_AUTHORITY is set"), "{}", err(&output));
    let output = run(
        &["doctor", "--timeout", "1", "--region", "nowhere"],
        &[&variables[..], &[("HTTPS_PROXY", "http://127.0.0.1:1")]].concat(),
    );
    assert!(out(&output).contains("AZURE_AUTHORITY is set"), "{}", out(&output));
}
