//! Fetches the clients and keeps them under `target/acceptance` while their lists stay the same.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::Result;
use crate::cargo::{Fetched, cargo, fetch, passes};
use crate::skips::missing;
use crate::verdict::Verdict;

/// A program that is ready to run, or the verdict where there can be none.
type Installed = std::result::Result<PathBuf, Verdict>;

/// The Python of a virtual environment in `folder` that holds what `requirements` lists.
///
/// A complete one holds a copy of the list.
pub(super) fn python(requirements: &Path, folder: &Path) -> Result<Installed> {
    let python = folder.join(if cfg!(windows) {
        "Scripts/python.exe"
    } else {
        "bin/python"
    });
    let mut version = Command::new(&python);
    version.arg("--version");
    // The Python that it was made of may be gone since.
    if is_current(requirements, folder) && said(version).is_ok() {
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
    // Wheels only: no setup script runs, and none needs a compiler.
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
        return Ok(Err(not_fetched("Python", &why)));
    }
    note_current(requirements, folder)?;
    Ok(Ok(python))
}

/// The folder with the packages for Node and a copy of the scripts: modules look for packages
/// beside themselves.
pub(super) fn node(scripts: &Path, folder: &Path) -> Result<Installed> {
    for program in ["node", "npm"] {
        let mut command = Command::new(program);
        command.arg("--version");
        if said(command).is_err() {
            return Ok(Err(missing("node", "apt-get install nodejs npm")));
        }
    }
    let lock = scripts.join("package-lock.json");
    let is_current = is_current(&lock, folder);
    fs::create_dir_all(folder)?;
    for entry in fs::read_dir(scripts)? {
        let entry = entry?;
        fs::copy(entry.path(), folder.join(entry.file_name()))?;
    }
    if is_current {
        return Ok(Ok(folder.to_owned()));
    }
    // An installation that fails half-way leaves the packages of no list.
    let _ = fs::remove_file(folder.join(NOTE));
    let mut install = Command::new("npm");
    install
        .current_dir(folder)
        .args(["ci", "--ignore-scripts", "--fetch-retries=1"]);
    if let Err(why) = said(install) {
        // The lock file does not fit the list of packages.
        if why.contains("npm ci") {
            return Ok(Err(Verdict::Failed(vec![why])));
        }
        return Ok(Err(not_fetched("Node", &why)));
    }
    note_current(&lock, folder)?;
    Ok(Ok(folder.to_owned()))
}

/// The driver of the clients for Rust, built in `folder`.
pub(super) fn rust(manifest: &Path, folder: &Path) -> Result<Installed> {
    match fetch(manifest, None)? {
        Fetched::All => {}
        Fetched::Stale(why) => return Ok(Err(Verdict::Failed(vec![why]))),
        Fetched::Unreachable(why) => return Ok(Err(Verdict::Skipped(why))),
    }
    let mut build = cargo(["build", "--quiet", "--locked", "--manifest-path"]);
    build.arg(manifest).arg("--target-dir").arg(folder);
    if !passes(build)? {
        // One of the clients signs with the system's OpenSSL.
        let mut headers = Command::new("pkg-config");
        headers.args(["--exists", "openssl"]);
        return Ok(Err(if said(headers).is_ok() {
            Verdict::Failed(vec!["the clients for Rust do not build".to_owned()])
        } else {
            missing("libssl-dev", "apt-get install libssl-dev pkg-config")
        }));
    }
    let program = folder.join("debug/acceptance");
    Ok(Ok(program.with_extension(std::env::consts::EXE_EXTENSION)))
}

/// Returns true if `folder` was filled from this list.
fn is_current(list: &Path, folder: &Path) -> bool {
    let installed = fs::read(folder.join(NOTE));
    installed.is_ok_and(|installed| fs::read(list).is_ok_and(|list| list == installed))
}

fn note_current(list: &Path, folder: &Path) -> Result<()> {
    fs::copy(list, folder.join(NOTE))?;
    Ok(())
}

fn not_fetched(language: &str, why: &str) -> Verdict {
    Verdict::Skipped(format!("the packages for {language} cannot be fetched: {why}"))
}

/// Runs `command` without showing its output. The error is the line that says what went wrong.
fn said(mut command: Command) -> std::result::Result<(), String> {
    let output = command.stdin(Stdio::null()).output();
    let output = output.map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
    Err(reason(&text))
}

fn reason(text: &str) -> String {
    let lines = || text.lines().map(str::trim).filter(|line| !line.is_empty());
    // npm says what is wrong first, after a few codes; pip says it last.
    let npm = lines()
        .filter_map(|line| line.strip_prefix("npm error").or_else(|| line.strip_prefix("npm ERR!")))
        .map(str::trim)
        .find(|line| line.split_whitespace().count() > 3);
    npm.or_else(|| lines().rfind(|line| line.to_lowercase().starts_with("error")))
        .or_else(|| lines().next_back())
        .unwrap_or("it does not say why")
        .to_owned()
}

/// The copy of the list that a folder was filled by.
const NOTE: &str = "installed.txt";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folder_is_current_while_its_list_stays_the_same() {
        let folder = std::env::temp_dir().join(format!("xtask-install-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let list = folder.join("list");
        fs::write(&list, "a==1").unwrap();
        assert!(!is_current(&list, &folder));
        note_current(&list, &folder).unwrap();
        assert!(is_current(&list, &folder));
        fs::write(&list, "a==2").unwrap();
        assert!(!is_current(&list, &folder));
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn reason_is_what_the_tool_calls_an_error() {
        let pip = "WARNING: Retrying\nERROR: No matching distribution found for msal==1.39.0\n\nnotice: update pip\n";
        assert_eq!(reason(pip), "ERROR: No matching distribution found for msal==1.39.0");
        let npm = "npm error code ENOTFOUND\nnpm error syscall connect\nnpm error\nnpm error request to https://r.example/ failed\nnpm error A complete log of this run is in x\n";
        assert_eq!(reason(npm), "request to https://r.example/ failed");
        assert_eq!(
            reason(&npm.replace("npm error", "npm ERR!")),
            "request to https://r.example/ failed"
        );
        assert_eq!(reason("first\nlast\n"), "last");
        assert!(!reason("").is_empty());
    }
}
