use std::fs;
use std::path::{Path as FilePath, PathBuf};

use crate::Result;
use crate::cargo::tree;
use crate::source::{Path, Source};
use crate::workspace::Workspace;

/// What keeps entra-proto from being data in, data out: a crate in its tree that does IO, reads a clock or draws random bytes,
/// or code of its own that does.
pub(crate) fn check(workspace: &Workspace) -> Result<Vec<String>> {
    let proto = workspace
        .member(PURE)
        .ok_or_else(|| format!("there is no crate {PURE}"))?;
    let mut findings = Vec::new();
    for package in tree(PURE, "normal", &["--all-features", "--target", "all"])? {
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

/// The files of Rust below `folder` but those of modules that exist in tests only.
fn files(folder: &FilePath) -> Result<Vec<(PathBuf, Source)>> {
    let mut found = Vec::new();
    let mut tests_only = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let source = Source::read(&fs::read_to_string(&path)?);
                let below = folder_of_modules(&path);
                tests_only.extend(source.test_modules.iter().map(|module| below.join(module)));
                found.push((path, source));
            }
        }
    }
    found.retain(|(path, _)| !tests_only.iter().any(|module| belongs_to(path, module)));
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(found)
}

/// Whether `file` holds the module whose path without extension is `module`, or one below it.
fn belongs_to(file: &FilePath, module: &FilePath) -> bool {
    file.starts_with(module) || file == module.with_extension("rs")
}

/// Where the modules that `file` declares have their files.
fn folder_of_modules(file: &FilePath) -> PathBuf {
    let is_root = file.file_stem().is_some_and(|stem| stem == "lib" || stem == "mod");
    if is_root {
        file.with_file_name("")
    } else {
        file.with_extension("")
    }
}

/// What `code` does that pure code must not, as `line: what`.
fn impure_code(code: &Source) -> Vec<String> {
    let mut findings = Vec::new();
    for word in ["async", "await"] {
        findings.extend(
            code.lines_with(word)
                .into_iter()
                .map(|line| (line, format!("`{word}`: it waits for nobody"))),
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
        // What it was built for is no question to the environment.
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

    #[test]
    fn a_module_has_a_file_or_a_folder() {
        let module = FilePath::new("src/acquire/tests");
        for file in [
            "src/acquire/tests.rs",
            "src/acquire/tests/mod.rs",
            "src/acquire/tests/device.rs",
        ] {
            assert!(belongs_to(FilePath::new(file), module), "{file}");
        }
        for file in ["src/acquire.rs", "src/tests.rs", "src/acquire/tests2.rs"] {
            assert!(!belongs_to(FilePath::new(file), module), "{file}");
        }
    }

    #[test]
    fn modules_have_their_files_beside_a_root_and_below_others() {
        assert_eq!(folder_of_modules(FilePath::new("src/lib.rs")), FilePath::new("src/"));
        assert_eq!(
            folder_of_modules(FilePath::new("src/a/mod.rs")),
            FilePath::new("src/a/")
        );
        assert_eq!(folder_of_modules(FilePath::new("src/a.rs")), FilePath::new("src/a"));
    }
}
