//! Shared parts of the tests: runs of the command without the machine's own variables.

#![cfg_attr(not(unix), allow(dead_code, reason = "other systems run fewer tests"))]

pub(crate) mod server;
#[cfg(unix)]
pub(crate) mod session;
pub(crate) mod skips;
#[cfg(unix)]
pub(crate) mod terminal;
pub(crate) mod waiting;
#[cfg(unix)]
pub(crate) mod webdriver;

use std::io::Write;
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use entra_emulator::Emulator;

pub(crate) const GRAPH: &str = "https://graph.microsoft.com";

/// The variables of an application at an authority to which no connection is possible.
pub(crate) const UNREACHABLE: [(&str, &str); 3] = [
    ("AZURE_TENANT_ID", "contoso.com"),
    ("AZURE_CLIENT_ID", "535fb089-9ff3-47b6-9bfb-4f1264799865"),
    ("AZURE_AUTHORITY_HOST", "http://127.0.0.1:1"),
];

/// Returns `entra` with these words and variables, and an empty standard input.
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

/// Runs `entra` with an empty standard input.
pub(crate) fn run(words: &[&str], variables: &[(&str, &str)]) -> Output {
    command(words, variables).output().unwrap()
}

/// Runs `entra` with this standard input.
pub(crate) fn entra(words: &[&str], variables: &[(&str, &str)], input: &str) -> Output {
    let mut child = command(words, variables).stdin(Stdio::piped()).spawn().unwrap();
    // A command that does not read its input may have ended already.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

/// Returns the hints in the JSON of a failure or of a check, one per line.
#[track_caller]
pub(crate) fn hints(object: &serde_json::Value) -> String {
    let hints = object["hints"].as_array().unwrap_or_else(|| panic!("{object}"));
    let hints: Vec<&str> = hints.iter().map(|hint| hint.as_str().unwrap()).collect();
    hints.join("\n")
}

/// A process that ends with its test, even if the test fails.
pub(crate) struct Running(Option<Child>);

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        Self(Some(command.spawn().unwrap()))
    }

    /// Starts `entra` as a server. A shell kills it when this process ends, even by a signal.
    #[cfg(unix)]
    pub(crate) fn serve(words: &[&str]) -> Self {
        let script = r#"trap : HUP INT TERM; "$@" </dev/null & exec >&- 2>&-; read -r _; kill -KILL $!"#;
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", script, "sh", env!("CARGO_BIN_EXE_entra")])
            .args(words)
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Self::start(&mut command)
    }

    /// Waits for the end of the process.
    pub(crate) fn output(mut self) -> Output {
        self.0.take().unwrap().wait_with_output().unwrap()
    }
}

impl Deref for Running {
    type Target = Child;

    fn deref(&self) -> &Child {
        self.0.as_ref().unwrap()
    }
}

impl DerefMut for Running {
    fn deref_mut(&mut self) -> &mut Child {
        self.0.as_mut().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let Some(mut child) = self.0.take() else { return };
        // The shell of a server ends at the end of its input.
        if child.stdin.take().is_none() {
            let _ = child.kill();
        }
        let _ = child.wait();
    }
}

/// Returns the variables for an emulator's first application, and PATH.
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

/// Returns a temporary folder that only this user can change, whatever the umask is.
pub(crate) fn private_folder() -> tempfile::TempDir {
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
    builder.tempdir().unwrap()
}

/// Writes a file for one test, with the permissions that a private key requires.
pub(crate) fn file(name: &str, text: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, text).unwrap();
    set_mode(&path, 0o600);
    path
}

/// Sets the mode of a file on systems with file modes.
pub(crate) fn set_mode(path: &Path, mode: u32) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    #[cfg(not(unix))]
    let _ = (path, mode);
}

/// Creates an empty folder for one test.
pub(crate) fn folder(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(&path).unwrap();
    path
}

/// Runs `entra` in a folder.
pub(crate) fn entra_in(folder: &Path, words: &[&str], variables: &[(&str, &str)]) -> Output {
    command(words, variables).current_dir(folder).output().unwrap()
}

/// Asserts that a run failed with this exit code and these texts, and printed no result.
#[track_caller]
pub(crate) fn fails(output: &Output, code: i32, texts: &[&str]) {
    assert_eq!(output.status.code(), Some(code), "{}", err(output));
    assert_eq!(out(output), "");
    for text in texts {
        assert!(err(output).contains(text), "{text}: {}", err(output));
    }
}
