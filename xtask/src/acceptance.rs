use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::Result;
use crate::cargo::{cargo, passes};
use crate::skips::missing;
use crate::stage::Verdict;
use crate::workspace::Workspace;

/// Runs Microsoft's own clients for Python against the emulator. What each of them does there, `acceptance/accept.py` says.
pub(crate) fn check(workspace: &Workspace) -> Result<Verdict> {
    let scripts = workspace.root.join("xtask/acceptance");
    let folder = workspace.target.join("acceptance");
    fs::create_dir_all(&folder)?;
    let python = match environment(&scripts.join("requirements.txt"), &folder.join("venv"))? {
        Ok(python) => python,
        Err(verdict) => return Ok(verdict),
    };
    let Some(entra) = build()? else {
        return Ok(Verdict::Failed(vec!["the command `entra` does not build".to_owned()]));
    };
    let mut command = Command::new(python);
    // Without -B it would leave its bytecode among the sources.
    command.arg("-B").arg(scripts.join("accept.py")).args([entra, folder]);
    passes(quiet(command)).map(Verdict::of_tool)
}

/// The Python of a virtual environment in `folder` that holds what `requirements` lists, or the verdict where there can be none.
///
/// One that is complete holds a copy of the list, and is taken again while the list stays the same.
fn environment(requirements: &Path, folder: &Path) -> Result<std::result::Result<PathBuf, Verdict>> {
    let python = folder.join(if cfg!(windows) {
        "Scripts/python.exe"
    } else {
        "bin/python"
    });
    let installed = folder.join("installed.txt");
    let wanted = fs::read(requirements)?;
    let mut version = Command::new(&python);
    version.arg("--version");
    // The Python that it was made of may be gone since.
    if fs::read(&installed).is_ok_and(|list| list == wanted) && said(version).is_ok() {
        return Ok(Ok(python));
    }
    for module in ["ensurepip", "venv"] {
        let mut command = Command::new("python3");
        command.args(["-c", &format!("import {module}")]);
        if said(command).is_err() {
            return Ok(Err(missing("python3-venv", "apt-get install python3-venv")));
        }
    }
    let mut create = Command::new("python3");
    create.args(["-m", "venv", "--clear"]).arg(folder);
    if let Err(why) = said(create) {
        let why = format!("no virtual environment can be made: {why}");
        return Ok(Err(Verdict::Skipped(why)));
    }
    let mut install = Command::new(&python);
    // Wheels only: nobody's setup script runs here, and no compiler is asked for.
    install
        .args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--no-input",
        ])
        .args([
            "--only-binary",
            ":all:",
            "--retries",
            "1",
            "--timeout",
            "20",
            "--requirement",
        ])
        .arg(requirements);
    if let Err(why) = said(install) {
        let why = format!("the packages cannot be fetched: {why}");
        return Ok(Err(Verdict::Skipped(why)));
    }
    fs::write(installed, wanted)?;
    Ok(Ok(python))
}

/// Builds the command `entra` and says where it is.
fn build() -> Result<Option<PathBuf>> {
    let mut command = cargo([
        "build",
        "--quiet",
        "--package",
        "entra-cli",
        "--message-format",
        "json-render-diagnostics",
    ]);
    let output = command.stderr(Stdio::inherit()).output()?;
    let messages = String::from_utf8(output.stdout)?;
    Ok(executable(&messages, "entra").filter(|_| output.status.success()))
}

/// Where cargo's messages, a line of JSON each, say that the program `name` was put.
fn executable(messages: &str, name: &str) -> Option<PathBuf> {
    let message = |line| serde_json::from_str::<Value>(line).ok();
    let built = |message: Value| {
        let path = message["executable"].as_str().map(PathBuf::from);
        path.filter(|_| message["target"]["name"] == name)
    };
    messages.lines().filter_map(message).find_map(built)
}

/// Runs `command` in silence. The error is the last thing it called one, or its last line.
fn said(command: Command) -> std::result::Result<(), String> {
    let output = quiet(command).output().map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
    Err(reason(&text))
}

fn reason(text: &str) -> String {
    let lines = || text.lines().map(str::trim).filter(|line| !line.is_empty());
    let error = lines().rfind(|line| line.to_lowercase().starts_with("error"));
    error
        .or_else(|| lines().next_back())
        .unwrap_or("it does not say why")
        .to_owned()
}

fn quiet(mut command: Command) -> Command {
    command.stdin(Stdio::null());
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_found_among_what_else_was_built() {
        let messages = r#"{"reason":"compiler-artifact","target":{"name":"entra_cli"},"executable":null}
            {"reason":"compiler-artifact","target":{"name":"other"},"executable":"/t/other"}
            {"reason":"compiler-artifact","target":{"name":"entra"},"executable":"/t/entra"}
            {"reason":"build-finished","success":true}"#;
        assert_eq!(executable(messages, "entra"), Some("/t/entra".into()));
        assert_eq!(executable(messages, "entra_cli"), None);
        assert_eq!(executable("no JSON", "entra"), None);
    }

    #[test]
    fn the_reason_is_what_the_tool_calls_an_error() {
        let pip = "WARNING: Retrying\nERROR: No matching distribution found for msal==1.39.0\n\nnotice: update pip\n";
        assert_eq!(reason(pip), "ERROR: No matching distribution found for msal==1.39.0");
        assert_eq!(reason("first\nlast\n"), "last");
        assert!(!reason("").is_empty());
    }
}
