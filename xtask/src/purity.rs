//! The proof that entra-proto is data in, data out.

use crate::Result;
use crate::cargo::tree;
use crate::modules::files;
use crate::source::{Path, Source};
use crate::workspace::Workspace;

/// Returns the dependencies and the code of entra-proto that do I/O, read a clock or draw random
/// bytes.
pub(crate) fn check(workspace: &Workspace) -> Result<Vec<String>> {
    let proto = workspace
        .member(PURE)
        .ok_or_else(|| format!("there is no crate {PURE}"))?;
    let mut findings = Vec::new();
    // Its one feature is for tests: it brings proptest, which draws random numbers.
    for package in tree(PURE, "normal", &["--target", "all"])? {
        findings.extend(impure_crate(&package));
    }
    let source = proto.folder.join("src");
    for (file, code) in files(&source)? {
        let shown = file.strip_prefix(&workspace.root).unwrap_or(&file).display();
        findings.extend(impure_code(&code).iter().map(|finding| format!("{shown}:{finding}")));
    }
    Ok(findings)
}

fn impure_crate(package: &str) -> Option<String> {
    let name = package.split(' ').next()?;
    IMPURE_CRATES.contains(&name).then(|| {
        format!("{PURE} depends on {name}: `cargo tree -p {PURE} -e normal --all-features -i {name}` shows why")
    })
}

/// Returns the impure operations of `code`, as `line: operation`.
fn impure_code(code: &Source) -> Vec<String> {
    let mut findings = Vec::new();
    for word in ["async", "await"] {
        findings.extend(
            code.lines_with(word)
                .into_iter()
                .map(|line| (line, format!("`{word}`: pure code does not wait"))),
        );
    }
    for path in code.paths() {
        findings.extend(impure_path(&path).map(|finding| (path.line, finding)));
    }
    findings.sort();
    findings.dedup();
    findings
        .into_iter()
        .map(|(line, finding)| format!("{line}: {finding}"))
        .collect()
}

fn impure_path(path: &Path) -> Option<String> {
    let segments: Vec<&str> = path.segments.iter().map(String::as_str).collect();
    let why = match segments[..] {
        [
            "std" | "core",
            "net",
            "IpAddr" | "Ipv4Addr" | "Ipv6Addr" | "AddrParseError",
            ..,
        ] => return None,
        // The target platform is known at build time.
        ["std", "env", "consts", ..] => return None,
        ["std" | "core", "net", ..] => "of `std::net` only the types of an IP address are data",
        ["std", "fs" | "env" | "process" | "thread" | "os", ..] if !path.bang => "it does no IO",
        ["std", "*"] => "import by name, so that it can be seen what is used",
        [_, .., "now"] => "it has no clock: the time is an argument",
        [.., "elapsed"] => "it has no clock: the time is an argument",
        _ => return None,
    };
    Some(format!("`{}`: {why}", segments.join("::")))
}

const PURE: &str = "entra-proto";

const IMPURE_CRATES: &[&str] = &[
    "async-trait",
    "aws-lc-rs",
    "aws-lc-sys",
    "getrandom",
    "hyper",
    "mio",
    "rand",
    "reqwest",
    "ring",
    "rustls",
    "socket2",
    "tokio",
    "ureq",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(code: &str) -> Vec<String> {
        impure_code(&Source::read(code))
    }

    #[test]
    fn io_is_found_however_it_is_named() {
        for code in [
            "use std::fs;",
            "use std::{fmt, fs::File};",
            "let x = std::fs::read(p);",
            "let x = ::std::env::var(\"X\");",
            "use std::env;",
            "std::process::exit(1);",
            "std::thread::sleep(d);",
            "use std::net::TcpStream;",
            "use std::net::{self, Ipv4Addr};",
            "use std::net::{Ipv4Addr, ToSocketAddrs};",
            "use std::os::unix::net::UnixStream;",
            "use std::*;",
            "let now = SystemTime::now();",
            "let now = std::time::Instant::now();",
            "use std::time::SystemTime as Clock;\nlet now = Clock::now();",
            "let age = then.elapsed();",
            "async fn f() {}",
            "let f = async move { 1 };",
            "f().await",
        ] {
            assert_eq!(findings(code).len(), 1, "{code}: {:?}", findings(code));
        }
    }

    #[test]
    fn pure_code_passes() {
        for code in [
            "use std::net::{Ipv4Addr, Ipv6Addr};",
            "use std::time::{Duration, SystemTime};\nfn f(now: SystemTime) { g(now) }",
            "const VERSION: &str = env!(\"CARGO_PKG_VERSION\");",
            "const OS: &str = std::env::consts::OS;",
            "const VERSION: &str = std::env!(\"CARGO_PKG_VERSION\");",
            "/// `std::fs` and `SystemTime::now()` are for others; async too.\nfn f() {}",
            "let s = \"std::fs async .await\"; // std::net::TcpStream",
            "fn f() {}\n#[cfg(test)]\nmod tests { use std::fs; fn now() { SystemTime::now(); } }",
            "let environment = fs::x;",
            "let now = self.now;",
        ] {
            assert_eq!(findings(code), [""; 0], "{code}");
        }
    }

    #[test]
    fn code_after_a_test_item_still_counts() {
        let findings = findings("#[cfg(test)]\nmod scenario;\n\nuse std::fs;\n");
        assert_eq!(findings, ["4: `std::fs`: it does no IO"]);
        assert_eq!(
            self::findings("struct S {\n    #[cfg(test)]\n    a: u8\n}\nuse std::fs;\nfn f() {}").len(),
            1
        );
    }

    #[test]
    fn a_crate_is_known_by_its_whole_name() {
        assert!(impure_crate("tokio v1.45.0").is_some());
        assert!(impure_crate("getrandom v0.4.0 (proc-macro)").is_some());
        assert!(impure_crate("httpdate v1.0.3").is_none());
        assert!(impure_crate("tokio-like v1.0.0").is_none());
    }
}
