//! `entra lint` with hostile files, names and arguments.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::common::{entra, err, fails, folder, out, run};

const WRONG: &str = "grant_type=client_credential";

/// Returns the line, column and rule of each finding in a file with these bytes.
#[track_caller]
fn found(name: &str, bytes: &[u8]) -> Vec<(u64, u64, String)> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    let output = run(&["lint", path.to_str().unwrap(), "-o", "json"], &[]);
    let report: Value = serde_json::from_str(out(&output)).unwrap_or_else(|_| panic!("{}", err(&output)));
    let findings = report["findings"].as_array().unwrap().iter();
    findings
        .map(|finding| {
            let number = |name: &str| finding[name].as_u64().unwrap();
            (
                number("line"),
                number("column"),
                finding["rule"].as_str().unwrap().to_owned(),
            )
        })
        .collect()
}

#[track_caller]
fn is_found_at(line: u64, column: u64, bytes: &[u8]) {
    assert_eq!(found("x.txt", bytes), [(line, column, "grant-type".to_owned())]);
}

fn utf16(text: &str, unit: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(unit).collect()
}

#[test]
fn text_of_any_encoding_is_read() {
    let text = format!("x\n{WRONG}\n");
    is_found_at(2, 12, text.as_bytes());
    is_found_at(2, 12, format!("\u{feff}{text}").as_bytes());
    is_found_at(2, 14, format!("x\n\u{e9}\u{1f980}{WRONG}").as_bytes());
    is_found_at(2, 13, &[b"x\n\xe9".as_slice(), WRONG.as_bytes()].concat());
    is_found_at(2, 12, &utf16(&format!("\u{feff}{text}"), u16::to_le_bytes));
    is_found_at(2, 12, &utf16(&format!("\u{feff}{text}"), u16::to_be_bytes));
    is_found_at(2, 12, &utf16(&text, u16::to_le_bytes));
    is_found_at(2, 12, &utf16(&text, u16::to_be_bytes));
    // An odd number of bytes, and an incomplete character.
    let broken = [utf16(&format!("\u{feff}{text}"), u16::to_le_bytes), vec![0, 0xd8, b'x']].concat();
    is_found_at(2, 12, &broken);
}

#[test]
fn all_line_ends_are_counted() {
    is_found_at(3, 12, format!("a\r\n\r\n{WRONG}\r\nb").as_bytes());
    is_found_at(3, 12, format!("a\r\r{WRONG}\rb").as_bytes());
    is_found_at(3, 12, format!("a\n\n{WRONG}\nb").as_bytes());
    is_found_at(4, 12, format!("a\r\n\r\r{WRONG}").as_bytes());
}

#[test]
fn long_lines_are_checked_completely() {
    let before = "\u{e9} ".repeat(100_000);
    is_found_at(2, 200_012, format!("\n{before}{WRONG} {before}").as_bytes());
    let allowed = format!("{before}{WRONG} {before} # entra-lint: allow grant-type");
    assert_eq!(found("x.txt", allowed.as_bytes()), []);
}

#[test]
fn named_binary_files_are_reported() {
    let folder = folder("lint_binary");
    let path = folder.join("program");
    fs::write(&path, [b"\x7fELF\0\0".as_slice(), WRONG.as_bytes()].concat()).unwrap();
    let output = run(&["lint", path.to_str().unwrap()], &[]);
    assert!(
        output.status.success() && err(&output).contains("program is binary"),
        "{}",
        err(&output)
    );
    let output = run(&["lint", folder.to_str().unwrap()], &[]);
    assert!(
        output.status.success() && !err(&output).contains("binary"),
        "{}",
        err(&output)
    );
    // A single NUL byte in a text does not make it binary.
    let text = [b"a".repeat(9000).as_slice(), b"\0\n", WRONG.as_bytes()].concat();
    is_found_at(2, 12, &text);
}

#[test]
fn too_long_files_are_skipped_and_reported() {
    let folder = folder("lint_long");
    let path = folder.join("long.txt");
    let file = fs::File::create(&path).unwrap();
    fs::write(&path, "x\n".repeat(10_000)).unwrap();
    file.set_len(50 * 1024 * 1024).unwrap();
    fs::write(folder.join("a.txt"), WRONG).unwrap();
    let output = run(&["lint", folder.to_str().unwrap()], &[]);
    assert_eq!(output.status.code(), Some(11));
    assert!(err(&output).contains("in 1 of 1 file"), "{}", err(&output));
    assert!(
        err(&output).contains("long.txt is longer than 4 MiB"),
        "{}",
        err(&output)
    );
}

#[cfg(unix)]
#[test]
fn pipes_and_loops_do_not_hang() {
    use std::os::unix::fs::symlink;

    let folder = folder("lint_pipes");
    let pipe = folder.join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    symlink(&folder, folder.join("loop")).unwrap();
    symlink("itself", folder.join("itself")).unwrap();
    fs::write(folder.join("a.txt"), WRONG).unwrap();
    let output = run(&["lint", folder.to_str().unwrap()], &[]);
    assert_eq!(out(&output).matches("[grant-type]").count(), 1, "{}", out(&output));
    fails(
        &run(&["lint", pipe.to_str().unwrap()], &[]),
        2,
        &["pipe is a pipe", "standard input"],
    );
    fails(
        &run(&["lint", folder.join("itself").to_str().unwrap()], &[]),
        2,
        &["itself"],
    );
    // A pipe that a shell opened is read.
    let output = entra(&["lint", "/dev/stdin"], &[], WRONG);
    assert_eq!(output.status.code(), Some(11), "{}", err(&output));
}

#[cfg(unix)]
#[test]
fn unreadable_named_file_is_a_failure() {
    use std::os::unix::fs::PermissionsExt;

    let folder = folder("lint_unreadable");
    // Even root cannot read a link to itself.
    let link = folder.join("link.txt");
    std::os::unix::fs::symlink("link.txt", &link).unwrap();
    fails(&run(&["lint", link.to_str().unwrap()], &[]), 2, &["link.txt"]);

    let path = folder.join("closed.txt");
    fs::write(&path, WRONG).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
    if fs::read(&path).is_ok() {
        eprintln!("this user can read every file");
        return;
    }
    fails(
        &run(&["lint", path.to_str().unwrap()], &[]),
        2,
        &["closed.txt", "the permissions of the file"],
    );
    let output = run(&["lint", folder.to_str().unwrap()], &[]);
    assert!(
        output.status.success() && err(&output).contains("closed.txt"),
        "{}",
        err(&output)
    );
}

#[cfg(unix)]
#[test]
fn names_and_values_are_escaped() {
    let folder = folder("lint_names");
    let path = folder.join("a\n\u{1b}[31mb\u{7}\u{202e}.txt");
    fs::write(&path, "grant_type=client_credentia\u{1b}\nscope=x&Scope=y").unwrap();
    for format in ["text", "json"] {
        let output = run(&["lint", folder.to_str().unwrap(), "-o", format], &[]);
        assert_eq!(output.status.code(), Some(11), "{}", err(&output));
        for text in [out(&output), err(&output)] {
            let is_obeyed = |c: char| c.is_control() && c != '\n' || c == '\u{202e}';
            assert!(!text.contains(is_obeyed), "{text:?}");
        }
        let names = out(&output).lines().filter(|line| line.contains("31mb")).count();
        assert!(names > 0, "{}", out(&output));
    }
}

#[test]
fn findings_show_no_secret() {
    const SECRET: &str = "abc8Q~kD93jfKEl20sPq81LmZx7vQwT4uYbNhGcR";
    let v2 = "https://login.microsoftonline.com/contoso.com/oauth2/v2.0/token";
    for text in [
        format!("POST {v2}\n\ngrant_type=client_credentials&scope={SECRET}"),
        format!("POST {v2}\n\ngrant_type=client_credentials&scope=https://graph.microsoft.com/{SECRET}"),
        format!("app.acquire_token_for_client(scopes=[\"https://a.example/?client_secret={SECRET}\"])"),
        format!("{}_{SECRET}_clientId = \" https://a.example\"", &SECRET[5..]),
        format!("grant_type={SECRET}&Scope=x"),
        format!("client_secret = \"{SECRET}\" # {SECRET}"),
        format!("https://user:{SECRET}@login.microsoftonline.com/oauth2/token"),
    ] {
        for format in ["text", "json"] {
            let output = entra(&["lint", "-", "-o", format], &[], &text);
            for part in ["abc8Q~", "kD93jfKEl20", "sPq81LmZx7v"] {
                assert!(
                    !out(&output).contains(part) && !err(&output).contains(part),
                    "{text}: {}",
                    out(&output)
                );
            }
        }
    }
}

#[test]
fn report_has_one_format() {
    let folder = folder("lint_shape");
    let path = folder.join("empty.txt");
    fs::write(&path, "").unwrap();
    for (arguments, files) in [
        (vec!["lint", path.to_str().unwrap(), "-o", "json"], 1),
        (vec!["lint", "-", "-o", "json"], 1),
    ] {
        let output = entra(&arguments, &[], "");
        let report: Value = serde_json::from_str(out(&output)).unwrap();
        assert_eq!(report, serde_json::json!({ "findings": [], "files": files }));
        assert!(output.status.success());
    }
    let output = entra(&["lint", "-", "-o", "json"], &[], WRONG);
    let report: Value = serde_json::from_str(out(&output)).unwrap();
    let members: Vec<&String> = report["findings"][0].as_object().unwrap().keys().collect();
    assert_eq!(members.len(), 7, "{members:?}");
    for name in ["file", "line", "column", "rule", "level", "problem", "hints"] {
        assert!(!report["findings"][0][name].is_null(), "{name}");
    }
    assert_eq!(output.status.code(), Some(11));
    let empty = folder.join("nothing");
    fs::create_dir(&empty).unwrap();
    let output = run(&["lint", empty.to_str().unwrap()], &[]);
    assert!(
        output.status.success() && err(&output).contains("0 files"),
        "{}",
        err(&output)
    );
}

#[test]
fn unknown_rules_and_files_are_reported() {
    for (word, near) in [
        ("granttype", "grant-type"),
        ("secret-in-files", "secret-in-file"),
        ("TLS-OFF", "tls-off"),
    ] {
        let near = format!("did you mean {near}");
        fails(&run(&["lint", "--explain", word], &[]), 2, &["there is no rule", &near]);
        fails(
            &run(&["lint", "--allow", word, "-"], &[]),
            2,
            &["there is no rule", &near],
        );
    }
    fails(&run(&["lint", "--explain", "\u{1b}[2J"], &[]), 2, &["--list"]);
    fails(&run(&["lint"], &[]), 2, &["required"]);
    fails(&run(&["lint", "nosuch.txt"], &[]), 2, &["nosuch.txt", "name a file"]);
}

#[test]
fn folder_search_skips_generated_folders() {
    let folder = folder("lint_folder");
    for name in [
        "a/b/x.txt",
        "a/.env",
        "node_modules/x.txt",
        ".git/x.txt",
        "target/x.txt",
    ] {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, WRONG).unwrap();
    }
    #[cfg(unix)]
    std::os::unix::fs::symlink("/dev/zero", folder.join("zero")).unwrap();
    let output = run(&["lint", folder.to_str().unwrap(), "-o", "json"], &[]);
    let report: Value = serde_json::from_str(out(&output)).unwrap();
    let findings = report["findings"].as_array().unwrap().iter();
    let names: Vec<String> = findings
        .map(|finding| {
            let path = Path::new(finding["file"].as_str().unwrap());
            path.strip_prefix(&folder).unwrap().display().to_string()
        })
        .collect();
    let expected = ["a/.env", "a/b/x.txt"].map(|name| name.replace('/', std::path::MAIN_SEPARATOR_STR));
    assert_eq!(names, expected);
}

/// Runs `entra lint` with a limit of 1 second of processor time: ten times what it needs for the
/// text of the test below, and less than work needs that grows with the square of the text.
fn lint_in_1_second(text: &str) -> Output {
    let entra = env!("CARGO_BIN_EXE_entra");
    let mut command = if cfg!(unix) {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", "ulimit -t 1 && exec \"$@\"", "sh", entra]);
        shell
    } else {
        Command::new(entra)
    };
    command.args(["lint", "-", "-o", "json"]).env_clear();
    let piped = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = piped.spawn().unwrap();
    let _ = child.stdin.take().unwrap().write_all(text.as_bytes());
    child.wait_with_output().unwrap()
}

#[test]
fn hostile_text_does_not_hang_lint() {
    const UNITS: [&str; 34] = [
        "([{",
        ")]}",
        "(\n[\n",
        "scope=",
        "scope='",
        "|scope",
        "|Scope",
        "scope={",
        "/oauth2/token",
        "/oauth2/token\nscope=x\n",
        "scope=x\n/oauth2/token\n",
        "```\n/oauth2/token\n```\nscope=x\n",
        "&amp;client_id",
        ".default",
        "/.default",
        "eyJ",
        " eyJ-",
        "http://",
        "http://a?code=",
        "://login.",
        "://login.\"+",
        "Q~",
        "AAD_ENDPOINT",
        "-----BEGIN",
        "grant_type=",
        "\u{e9}",
        "%2F",
        "verify=",
        "`",
        "&amp;scope&amp;",
        "<a &amp;scope=",
        "\"key\":\"scope\",",
        "<scope>",
        "\r",
    ];
    for unit in UNITS {
        let line = unit.repeat(60_000 / unit.len());
        let text = format!("{line}\n").repeat(2) + &format!("{unit}\n").repeat(2_000);
        let output = lint_in_1_second(&text);
        assert!(matches!(output.status.code(), Some(0 | 11)), "{unit}: {}", err(&output));
        let report: Value = serde_json::from_str(out(&output)).unwrap();
        assert!(report["findings"].as_array().unwrap().len() < 5_000, "{unit}");
    }
}
