//! `entra man`: manual pages.

use std::fs;
use std::process::{Command, Stdio};

use crate::common::skips::skip;
use crate::common::{entra_in, err, fails, folder, out, run};

fn page(words: &[&str]) -> String {
    let output = run(&[&["man"], words].concat(), &[]);
    assert!(output.status.success(), "{}", err(&output));
    assert_eq!(err(&output), "");
    out(&output).to_owned()
}

#[test]
fn each_command_has_a_page() {
    for (words, title, section) in [
        (&[][..], ".TH ENTRA 1", ".SH SUBCOMMANDS"),
        (&["token"], ".TH ENTRA-TOKEN 1", "https://graph.microsoft.com"),
        (&["cert"], ".TH ENTRA-CERT 1", "entra\\-cert\\-new(1)"),
        (
            &["cert", "new"],
            ".TH ENTRA-CERT-NEW 1",
            "entra keycredentials daemon.crt",
        ),
    ] {
        let page = page(words);
        assert!(page.contains(title), "{words:?}: {page}");
        for part in [".SH NAME", ".SH SYNOPSIS", ".SH DESCRIPTION", ".SH OPTIONS", section] {
            assert!(page.contains(part), "{part}: {page}");
        }
    }
}

#[test]
fn pages_omit_hidden_options() {
    let page = page(&["token"]);
    assert!(page.contains("\\-\\-secret\\-file"));
    for hidden in ["\\-\\-secret\\fR", "client\\-secret", "Not supported"] {
        assert!(!page.contains(hidden), "{hidden}");
    }
}

#[test]
fn pages_list_the_variables_of_options() {
    let canary = ("AZURE_TENANT_ID", "canary.example");
    let output = run(&["man", "token"], &[canary]);
    for variable in [
        "AZURE_TENANT_ID",
        "AZURE_CLIENT_ID",
        "AZURE_AUTHORITY_HOST",
        "ENTRA_STORE",
    ] {
        let named = format!("\\fB{variable}\\fR environment variable");
        assert!(out(&output).contains(&named), "{variable}: {}", out(&output));
    }
    assert!(!out(&output).contains("canary"), "{}", out(&output));
}

#[test]
fn unknown_command_has_no_page() {
    fails(&run(&["man", "tokn"], &[]), 2, &["no command tokn", "entra --help"]);
    fails(
        &run(&["man", "cert", "old"], &[]),
        2,
        &["entra cert has no command old"],
    );
    fails(&run(&["man", "token", "--out", "x"], &[]), 2, &["--out"]);
}

#[test]
fn all_pages_are_written_and_replaced() {
    let folder = folder("man-pages");
    let write = || {
        let output = entra_in(&folder, &["man", "--out", "a/man1"], &[]);
        assert!(output.status.success(), "{}", err(&output));
        assert_eq!(out(&output), "");
    };
    write();
    let pages = || {
        let entries = fs::read_dir(folder.join("a/man1")).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    let first = pages();
    for name in ["entra.1", "entra-token.1", "entra-cert-new.1", "entra-tenants-list.1"] {
        assert!(first.iter().any(|page| page == name), "{name}: {first:?}");
    }
    assert!(!first.iter().any(|name| name.contains("help")), "{first:?}");
    let token = folder.join("a/man1/entra-token.1");
    fs::write(&token, "old").unwrap();
    write();
    assert_eq!(pages(), first);
    assert_eq!(fs::read_to_string(&token).unwrap(), page(&["token"]));
}

#[test]
#[cfg(unix)]
fn page_is_not_written_through_a_link() {
    let folder = folder("man-link");
    fs::create_dir(folder.join("man1")).unwrap();
    fs::write(folder.join("other"), "precious").unwrap();
    std::os::unix::fs::symlink("../other", folder.join("man1/entra.1")).unwrap();
    let output = entra_in(&folder, &["man", "--out", "man1"], &[]);
    assert!(output.status.success(), "{}", err(&output));
    assert_eq!(fs::read_to_string(folder.join("other")).unwrap(), "precious");
    assert!(fs::symlink_metadata(folder.join("man1/entra.1")).unwrap().is_file());
}

#[test]
fn groff_formats_a_page_without_warnings() {
    let folder = folder("man-groff");
    let path = folder.join("entra-token.1");
    fs::write(&path, page(&["token"])).unwrap();
    let groff = Command::new("groff")
        .args(["-man", "-Tutf8", "-ww"])
        .arg(&path)
        .stdin(Stdio::null())
        .output();
    let Ok(output) = groff else {
        // Systems without manual pages have no groff.
        return skip("groff", "there is no groff");
    };
    assert!(output.status.success());
    assert_eq!(err(&output), "");
    assert!(
        out(&output).contains("entra token --flow device-code --scope User.Read"),
        "{}",
        out(&output)
    );
}
