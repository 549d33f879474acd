use std::ffi::OsStr;
use std::process::Command;

/// Runs an ignored test of this binary in a process of its own, with these variables and no others about proxies and roots.
///
/// # Panics
/// If the test fails, or there is none of this name.
pub fn run_with(variables: &[(&str, &OsStr)], test: &str) {
    let mut command = Command::new(std::env::current_exe().expect("a test has a file"));
    for (name, _) in std::env::vars_os() {
        let known = name.to_string_lossy().to_ascii_lowercase();
        if known.ends_with("_proxy") || known.starts_with("ssl_cert_") {
            command.env_remove(name);
        }
    }
    let ended = command
        .args(["--exact", test, "--ignored"])
        .envs(variables.iter().copied())
        .output()
        .expect("a test can be run");
    let said = String::from_utf8_lossy(&ended.stdout);
    assert!(ended.status.success() && said.contains("1 passed"), "{said}");
}
