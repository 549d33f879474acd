//! Skipping of tests that this machine cannot run.

use std::io::{Write, stderr};

/// Reports that the current test is skipped because `need` is missing. Panics if CI is set, unless
/// `.ci/run` could not install `need` and names it in `CI_NOT_INSTALLED`.
pub(crate) fn skip(need: &str, reason: &str) {
    let variable = |name| std::env::var(name).unwrap_or_default();
    let is_excused = variable("CI_NOT_INSTALLED").split_whitespace().any(|name| name == need);
    assert!(variable("CI").is_empty() || is_excused, "{reason}");
    let test = std::thread::current().name().unwrap_or_default().to_owned();
    // The test harness would capture the output of `eprintln!`.
    let _ = writeln!(stderr(), "{test}: SKIPPED: {reason}");
}
