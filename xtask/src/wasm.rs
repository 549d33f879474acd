//! The crates that do no IO, compiled for a machine without any.

use std::process::Command;

use crate::cargo::{cargo, output, passes};
use crate::error::Result;
use crate::skips::missing;
use crate::verdict::Verdict;

/// Checks the crates that do no IO for WebAssembly, whose standard library has no files, sockets,
/// clocks and threads.
pub(crate) fn check() -> Result<Verdict> {
    if !has_target() {
        return Ok(missing(TARGET, "rustup target add wasm32-unknown-unknown"));
    }
    for (package, options) in CRATES {
        let mut command = cargo(["check", "--quiet", "--target", TARGET, "--package", package]);
        command.args(*options);
        if !passes(command)? {
            return Ok(Verdict::Failed(vec![format!(
                "{package} does not compile for {TARGET}: something in it does IO"
            )]));
        }
    }
    Ok(Verdict::Passed)
}

/// Tells whether the standard library for the target is on this machine, however it came there.
fn has_target() -> bool {
    let mut command = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    command.args(["--print", "target-libdir", "--target", TARGET]);
    output(command).is_ok_and(|folder| std::path::Path::new(folder.trim()).is_dir())
}

const TARGET: &str = "wasm32-unknown-unknown";

/// Without cryptography and transports, which are built of C and do IO.
const CRATES: &[(&str, &[&str])] = &[("entra-proto", &[]), ("entra-validate", &["--no-default-features"])];
