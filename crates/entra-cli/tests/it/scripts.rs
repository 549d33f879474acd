//! The scripts of `examples/emulator`, each run as a process that starts `entra`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::common::skips::skip;
use crate::common::{Running, err, out};

/// Runs a script and checks what it saw. Without its interpreter the test is skipped, which is an
/// error where CI has installed one.
fn passes(script: &str, interpreter: &str, needed: &[&str], checks: usize) {
    for program in [&[interpreter], needed].concat() {
        if !is_installed(program) {
            let problem = format!("{script} needs {program}");
            // `.ci/run` installs Python for this test.
            let need = if program == "python3" { "python3-venv" } else { program };
            skip(need, &problem);
            return;
        }
    }
    // Symbolic links, so that the archive of this crate contains the scripts.
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts").join(script);
    let mut command = Command::new(interpreter);
    command
        .arg(path)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("ENTRA", env!("CARGO_BIN_EXE_entra"))
        // Requests to loopback addresses must bypass the proxy.
        .envs(["http_proxy", "HTTP_PROXY", "ALL_PROXY"].map(|name| (name, "http://127.0.0.1:9")))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let output = Running::start(&mut command).output();
    assert!(output.status.success(), "{}\n{}", out(&output), err(&output));
    let passed = out(&output).lines().filter(|line| line.starts_with("ok ")).count();
    assert_eq!(passed, checks, "{}", out(&output));
    assert!(err(&output).contains(" 429 [fault: status]"), "{}", err(&output));
}

fn is_installed(program: &str) -> bool {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let found: Option<PathBuf> = std::env::split_paths(&folders)
        .map(|folder| folder.join(program))
        .find(|path| path.is_file());
    found.is_some()
}

#[test]
fn python_script_handles_429_and_expiry() {
    passes("retry_and_expiry.py", "python3", &[], 6);
}

#[test]
fn node_script_handles_429_and_expiry() {
    passes("retry_and_expiry.mjs", "node", &[], 6);
}

#[test]
fn curl_script_handles_429_and_expiry() {
    passes("retry_and_expiry.sh", "bash", &["curl"], 6);
}
