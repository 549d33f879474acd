//! Tests that this machine cannot run.

use std::io::{Write, stderr};
use std::net::TcpListener;

/// Returns true if this machine has IPv6. Otherwise, reports the test as skipped.
///
/// # Panics
/// Panics if `CI` is set, unless `ipv6` is named in `CI_NOT_INSTALLED`.
pub(crate) fn has_ipv6() -> bool {
    let is_there = TcpListener::bind("[::1]:0").is_ok();
    if !is_there {
        skip("ipv6", "this machine has no IPv6");
    }
    is_there
}

/// Reports a test that cannot run without `need`.
fn skip(need: &str, why: &str) {
    let variable = |name| std::env::var(name).unwrap_or_default();
    assert!(!is_error(need, &variable("CI"), &variable("CI_NOT_INSTALLED")), "{why}");
    let test = std::thread::current().name().unwrap_or_default().to_owned();
    // Not with `eprintln!`, whose output the test harness captures.
    let _ = writeln!(stderr(), "{test}: SKIPPED: {why}");
}

/// Returns true if a skip is an error: in CI, unless CI could not provide `need`.
fn is_error(need: &str, ci: &str, not_installed: &str) -> bool {
    !ci.is_empty() && !not_installed.split_whitespace().any(|name| name == need)
}

#[test]
fn skip_is_an_error_in_ci() {
    assert!(is_error("ipv6", "true", ""));
    assert!(is_error("ipv6", "true", "node ipv6x"));
    assert!(!is_error("ipv6", "true", "node ipv6"));
    assert!(!is_error("ipv6", "", ""));
}
