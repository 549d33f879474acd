//! Commands of cargo, and the parts of their output that chores use.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::Result;

/// Returns a cargo command at the root of the workspace, without input.
///
/// `cargo run` tells this process about the package `xtask` through the environment. Passed on,
/// that would look like a change to every build script that watches such a variable, and big C
/// libraries would be built again: so it is taken out.
pub(crate) fn cargo<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(tells_of_this_package) {
            command.env_remove(name);
        }
    }
    command.current_dir(root()).stdin(Stdio::null()).args(args);
    command
}

/// The command that builds the documentation of all our crates. It is the same for each stage, so
/// that the second finds it built.
pub(crate) fn document() -> Command {
    let mut command = cargo(["doc", "--workspace", "--no-deps", "--all-features"]);
    command.env("RUSTDOCFLAGS", "-D warnings");
    command
}

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    let mut xtask = env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    xtask.pop();
    xtask
}

/// Runs `command` with its output passed on. Returns true if it succeeds.
pub(crate) fn passes(mut command: Command) -> Result<bool> {
    Ok(command.status()?.success())
}

/// Returns the output of `command`.
///
/// # Errors
/// Where it does not start or does not end well; the error holds what it wrote to its standard
/// error.
pub(crate) fn output(mut command: Command) -> Result<String> {
    let output = command.output()?;
    if output.status.success() {
        Ok(String::from_utf8(output.stdout)?)
    } else {
        let shown: Vec<_> = command.get_args().map(|arg| arg.to_string_lossy()).collect();
        let program = Path::new(command.get_program())
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy();
        let said = String::from_utf8_lossy(&output.stderr);
        let said = said.trim();
        Err(format!("`{program} {}` failed: {said}", shown.join(" ")).into())
    }
}

/// The result of [`fetch`].
#[derive(Debug, PartialEq)]
pub(crate) enum Fetched {
    All,
    /// The lock file does not fit the manifest.
    Stale(String),
    /// A package is neither on this machine nor reachable.
    Unreachable(String),
}

/// Fetches the packages that the lock file beside `manifest` names, for one platform or for all.
pub(crate) fn fetch(manifest: &Path, platform: Option<&str>) -> Result<Fetched> {
    let mut command = cargo(["fetch", "--quiet", "--locked", "--manifest-path"]);
    command.arg(manifest);
    if let Some(platform) = platform {
        command.args(["--target", platform]);
    }
    let output = command.output()?;
    if output.status.success() {
        return Ok(Fetched::All);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Ok(not_fetched(&said, manifest))
}

fn not_fetched(said: &str, manifest: &Path) -> Fetched {
    let manifest = manifest.display();
    if said.contains("because --locked was passed") || said.contains("--locked was passed to prevent") {
        return Fetched::Stale(format!(
            "its Cargo.lock is out of date: `cargo update --workspace --manifest-path {manifest}`, then commit it"
        ));
    }
    let why = said.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or("");
    Fetched::Unreachable(format!("the packages of {manifest} cannot be fetched: {why}"))
}

/// The platform that this compiler builds for.
pub(crate) fn host() -> Result<String> {
    let mut command = Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    command.arg("-vV");
    let text = output(command)?;
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.ok_or("`rustc -vV` names no host")?.to_owned())
}

/// Returns true if cargo has the subcommand `name` on this machine.
pub(crate) fn has(name: &str) -> bool {
    output(cargo([name, "--version"])).is_ok()
}

/// The unique packages of the tree of `package`, itself among them, as `name vX.Y.Z ..` in
/// alphabetical order.
///
/// It counts as `cargo tree .. --prefix none | sed 's/ (\*)//' | sort -u` does.
pub(crate) fn tree(package: &str, edges: &str, options: &[&str]) -> Result<Vec<String>> {
    let args = ["tree", "--package", package, "--edges", edges, "--prefix", "none"];
    let text = output(cargo(args.iter().chain(options)))?;
    Ok(unique_packages(&text))
}

fn unique_packages(tree: &str) -> Vec<String> {
    let mut packages: Vec<String> = tree.lines().map(|line| line.replacen(" (*)", "", 1)).collect();
    packages.sort_unstable();
    packages.dedup();
    packages
}

fn tells_of_this_package(name: &str) -> bool {
    const PREFIXES: [&str; 4] = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_"];
    PREFIXES.iter().any(|prefix| name.starts_with(prefix)) || name == "CARGO_PRIMARY_PACKAGE" || name == "OUT_DIR"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stale_lock_differs_from_a_missing_network() {
        let manifest = Path::new("a/Cargo.toml");
        let stale = "error: cannot update the lock file /w/Cargo.lock because --locked was passed to prevent this\n";
        let stale_before =
            "error: the lock file /w/Cargo.lock needs to be updated but --locked was passed to prevent this\n";
        for said in [stale, stale_before] {
            assert!(matches!(not_fetched(said, manifest), Fetched::Stale(_)), "{said}");
        }
        let offline = "error: failed to download from `https://a/`\n\nCaused by:\n  could not resolve host\n";
        assert_eq!(
            not_fetched(offline, manifest),
            Fetched::Unreachable("the packages of a/Cargo.toml cannot be fetched: could not resolve host".to_owned())
        );
    }

    #[test]
    fn a_package_counts_once_however_often_it_is_drawn() {
        let tree = "a v1.0.0\nb v2.0.0 (proc-macro)\nc v1.0.0\nb v2.0.0 (proc-macro) (*)\nc v1.0.0\nc v2.0.0\n";
        assert_eq!(
            unique_packages(tree),
            ["a v1.0.0", "b v2.0.0 (proc-macro)", "c v1.0.0", "c v2.0.0"]
        );
    }

    #[test]
    fn facts_of_this_package_are_not_passed_on() {
        for name in [
            "CARGO_BUILD_JOBS",
            "CARGO_TARGET_DIR",
            "CARGO_HOME",
            "CARGO_PROFILE_DEV_DEBUG",
            "PATH",
        ] {
            assert!(!tells_of_this_package(name), "{name}");
        }
        for name in [
            "CARGO_PKG_NAME",
            "CARGO_MANIFEST_DIR",
            "CARGO_PRIMARY_PACKAGE",
            "OUT_DIR",
        ] {
            assert!(tells_of_this_package(name), "{name}");
        }
    }
}
