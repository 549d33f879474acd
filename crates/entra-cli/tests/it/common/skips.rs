//! Tests that this machine cannot run.

use std::io::{Write, stderr};

/// Reports a test that cannot run for want of `need`. It is an error where CI is set, unless `.ci/run` could not provide it
/// and names it in `CI_NOT_INSTALLED`.
pub(crate) fn skip(need: &str, why: &str) {
    let variable = |name| std::env::var(name).unwrap_or_default();
    let is_excused = variable("CI_NOT_INSTALLED").split_whitespace().any(|name| name == need);
    assert!(variable("CI").is_empty() || is_excused, "{why}");
    let test = std::thread::current().name().unwrap_or_default().to_owned();
    // Not by `eprintln!`, which the test harness keeps to itself.
    let _ = writeln!(stderr(), "{test}: SKIPPED: {why}");
}
