//! What the tests of the command share: runs of it, with none of the machine's own variables.

#![allow(dead_code, reason = "each test file uses its own part")]

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use entra_emulator::Emulator;

pub(crate) const GRAPH: &str = "https://graph.microsoft.com";

/// `entra` with these words and variables, and nothing to read.
pub(crate) fn command(words: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_entra"));
    command
        .args(words)
        .env_clear()
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// What comes of it.
pub(crate) fn run(words: &[&str], variables: &[(&str, &str)]) -> Output {
    command(words, variables).output().unwrap()
}

/// What comes of it with this standard input.
pub(crate) fn entra(words: &[&str], variables: &[(&str, &str)], input: &str) -> Output {
    let mut child = command(words, variables).stdin(Stdio::piped()).spawn().unwrap();
    // A command that reads nothing may be gone already.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

/// The variables that name an emulator's first application, and where programs are.
pub(crate) fn variables(emulator: &Emulator) -> [(&'static str, &str); 5] {
    [
        ("AZURE_AUTHORITY_HOST", emulator.base_url()),
        ("AZURE_TENANT_ID", emulator.tenant_id()),
        ("AZURE_CLIENT_ID", emulator.client_id()),
        ("AZURE_CLIENT_SECRET", emulator.client_secret()),
        ("PATH", "/usr/bin:/bin"),
    ]
}

pub(crate) fn out(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

pub(crate) fn err(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

/// A file of this test's own.
pub(crate) fn file(name: &str, text: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, text).unwrap();
    path
}

/// It failed with this code, said these things, and printed no result.
#[track_caller]
pub(crate) fn fails(output: &Output, code: i32, said: &[&str]) {
    assert_eq!(output.status.code(), Some(code), "{}", err(output));
    assert_eq!(out(output), "");
    for text in said {
        assert!(err(output).contains(text), "{text}: {}", err(output));
    }
}
