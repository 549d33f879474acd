//! `entra completions`: the words that a shell offers.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::common::skips::skip;
use crate::common::{err, fails, folder, out, run};

const SHELLS: [&str; 5] = ["bash", "elvish", "fish", "powershell", "zsh"];

fn script(shell: &str) -> String {
    let output = run(&["completions", shell], &[]);
    assert!(output.status.success(), "{}", err(&output));
    assert_eq!(err(&output), "");
    out(&output).to_owned()
}

/// Returns the completions of bash for the last of these words.
fn offered(words: &str) -> Vec<String> {
    offered_in(Path::new(env!("CARGO_TARGET_TMPDIR")), words)
}

/// Returns the completions of bash in this folder.
fn offered_in(folder: &Path, words: &str) -> Vec<String> {
    let script = script("bash");
    let words: Vec<&str> = words.split(' ').collect();
    let quoted: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
    let (last, before) = (quoted.last().unwrap(), &quoted[quoted.len() - 2]);
    // The builtin only works while bash handles a key.
    let program = format!(
        "{script}\ncompopt() {{ :; }}\nCOMP_WORDS=({}); COMP_CWORD={}; _entra entra {last} {before}; printf '%s\\n' \"${{COMPREPLY[@]}}\"\n",
        quoted.join(" "),
        quoted.len() - 1
    );
    let mut bash = Command::new("bash")
        .args(["--noprofile", "--norc"])
        // A locale that is not installed would cause a warning.
        .env("LC_ALL", "C")
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    bash.stdin.take().unwrap().write_all(program.as_bytes()).unwrap();
    let output = bash.wait_with_output().unwrap();
    assert_eq!(err(&output), "");
    out(&output).lines().map(str::to_owned).collect()
}

/// Returns true if bash is installed.
fn has_bash() -> bool {
    let found = Command::new("bash").arg("--version").output().is_ok();
    if !found {
        skip("bash", "there is no bash");
    }
    found
}

#[test]
fn bash_completes_commands_options_and_values() {
    if !has_bash() {
        return;
    }
    for (words, expected) in [
        ("entra tok", &["token"][..]),
        ("entra ten", &["tenants"]),
        ("entra cert n", &["new"]),
        ("entra tenants f", &["forget"]),
        ("entra token --res", &["--resource"]),
        ("entra token --verb", &["--verbose"]),
        ("entra token --flow d", &["device-code"]),
        ("entra token -o h", &["header"]),
        ("entra completions z", &["zsh"]),
        ("entra xyz", &[""]),
    ] {
        assert_eq!(offered(words), expected, "{words}");
    }
}

#[test]
fn bash_offers_files_for_options_that_name_one() {
    if !has_bash() {
        return;
    }
    let folder = folder("completions-files");
    std::fs::create_dir_all(folder.join("my keys")).unwrap();
    std::fs::write(folder.join("my key.pem"), "").unwrap();
    for option in [
        "token --certificate",
        "token --secret-file",
        "token --store-key",
        "emulator --config",
        "cert new --out",
    ] {
        let mut files = offered_in(&folder, &format!("entra {option} my"));
        files.sort();
        assert_eq!(files, ["my key.pem", "my keys"], "{option}");
    }
    for option in ["--tenant", "--scope", "--client-id", "--timeout"] {
        assert_eq!(
            offered_in(&folder, &format!("entra token {option} my")),
            ["my"],
            "{option}"
        );
    }
}

#[test]
fn bash_offers_no_hidden_options() {
    if !has_bash() {
        return;
    }
    assert_eq!(offered("entra token --secret"), ["--secret-file"]);
    assert_eq!(offered("entra token --client-s"), [""]);
    assert_eq!(offered("entra assertion --reg"), [""]);
    assert!(!offered("entra token --flow ").contains(&"password".to_owned()));
}

#[test]
fn no_script_names_a_hidden_option_or_value() {
    for shell in SHELLS {
        let script = script(shell);
        for known in ["token", "resource", "secret-file", "emulator"] {
            assert!(script.contains(known), "{shell}: {known}");
        }
        for hidden in [
            "--secret ",
            "--secret=",
            "'--secret'",
            "-l secret ",
            "client-secret",
            "auth-code obo password",
            "Where people look for it first",
            "Not supported",
        ] {
            assert!(!script.contains(hidden), "{shell}: {hidden}");
        }
    }
}

#[test]
fn unknown_shell_is_rejected() {
    fails(&run(&["completions", "tcsh"], &[]), 2, &["tcsh", "bash"]);
    fails(&run(&["completions"], &[]), 2, &["SHELL"]);
}

#[test]
fn help_names_the_path_of_each_script() {
    let output = run(&["completions", "--help"], &[]);
    for place in [
        "bash-completion/completions/entra",
        "_entra",
        "completions/entra.fish",
        "$PROFILE",
        "rc.elv",
    ] {
        assert!(out(&output).contains(place), "{place}");
    }
}
