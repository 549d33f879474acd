//! A short run of every fuzz target, where the tool for it can be had. Their corpora are replayed
//! by plain tests always.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::Result;
use crate::cargo::{Fetched, cargo, fetch, has, host, passes, root};
use crate::skips::missing;
use crate::verdict::Verdict;

/// The run time of each target.
const SECONDS: u32 = 20;

pub(crate) fn check() -> Result<Verdict> {
    if !has("fuzz") {
        return Ok(missing("cargo-fuzz", "cargo install cargo-fuzz --locked"));
    }
    // libfuzzer-sys compiles C++.
    let compiler = env::var("CXX").unwrap_or_else(|_| "c++".to_owned());
    if !starts(&compiler) {
        return Ok(missing("c++", "apt-get install g++"));
    }
    let (host, folders) = (host()?, folders(&root())?);
    for folder in &folders {
        match fetch(&folder.join("Cargo.toml"), Some(&host))? {
            Fetched::All => {}
            Fetched::Stale(why) => return Ok(Verdict::Failed(vec![why])),
            Fetched::Unreachable(why) => return Ok(Verdict::Skipped(why)),
        }
    }
    let mut failed = Vec::new();
    for folder in folders {
        for target in targets(&folder)? {
            if !passes(run(&folder, &target)?)? {
                failed.push(format!("{target} in {}", folder.display()));
            }
        }
    }
    Ok(if failed.is_empty() {
        Verdict::Passed
    } else {
        Verdict::Failed(failed)
    })
}

/// Returns true if there is such a program. `CXX` may hold arguments after its name.
fn starts(program: &str) -> bool {
    let mut words = program.split_whitespace();
    let mut command = Command::new(words.next().unwrap_or_default());
    command.args(words).arg("--version").stdin(Stdio::null());
    command.output().is_ok_and(|output| output.status.success())
}

/// One target, begun from its corpus. What it finds beside goes to a folder of its own: the corpus
/// is kept small by hand.
fn run(folder: &Path, target: &str) -> Result<Command> {
    let found = root().join("target").join("fuzz").join("found").join(target);
    fs::create_dir_all(&found)?;
    let mut command = cargo(["fuzz", "run", "--fuzz-dir"]);
    command
        .arg(folder)
        .arg("--target-dir")
        .arg(root().join("target").join("fuzz"));
    command
        .arg(target)
        .arg(found)
        .arg(folder.with_file_name("tests").join("corpora").join(target));
    command.args(["--", &format!("-max_total_time={SECONDS}"), "-verbosity=0"]);
    // A stable compiler has the sanitizers, but accepts their flags only with this variable.
    command.env("RUSTC_BOOTSTRAP", "1");
    // `cargo fuzz` has no `--locked`. Everything is fetched, and without a network the lock file
    // stays as it is.
    command.env("CARGO_NET_OFFLINE", "true");
    Ok(command)
}

/// The folder `fuzz` of every crate that has one.
fn folders(root: &Path) -> Result<Vec<PathBuf>> {
    let crates = fs::read_dir(root.join("crates"))?.collect::<std::io::Result<Vec<_>>>()?;
    let mut folders: Vec<_> = crates
        .iter()
        .map(|entry| entry.path().join("fuzz"))
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    Ok(folders)
}

/// The targets of a folder, by the names of their files.
fn targets(folder: &Path) -> Result<Vec<String>> {
    let files = fs::read_dir(folder.join("fuzz_targets"))?.collect::<std::io::Result<Vec<_>>>()?;
    let stems = files
        .iter()
        .filter_map(|file| Some(file.path().file_stem()?.to_str()?.to_owned()));
    let mut targets: Vec<_> = stems.collect();
    targets.sort();
    Ok(targets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_has_a_corpus_and_a_lock_file() {
        for folder in folders(&root()).unwrap() {
            assert!(folder.join("Cargo.lock").is_file(), "{}", folder.display());
            for target in targets(&folder).unwrap() {
                let corpus = folder.with_file_name("tests").join("corpora").join(&target);
                assert!(corpus.is_dir(), "{}", corpus.display());
            }
        }
    }

    #[test]
    fn compiler_is_recognised_with_its_arguments() {
        assert!(starts("rustc") && starts("rustc --edition=2024"));
        assert!(!starts("no-such-compiler") && !starts(""));
    }

    #[test]
    fn every_target_of_the_crates_that_have_some_is_found() {
        let folders = folders(&root()).unwrap();
        for (crate_name, expected) in [
            ("entra-credential", &["pem", "pfx"][..]),
            ("entra-proto", &["challenge", "identity", "redirect", "response"]),
            ("entra-validate", &["bearer", "discovery", "jwks", "token"]),
        ] {
            let folder = folders
                .iter()
                .find(|path| path.ends_with(format!("{crate_name}/fuzz")))
                .unwrap();
            let targets = targets(folder).unwrap();
            assert!(
                expected.iter().all(|name| targets.iter().any(|target| target == name)),
                "{targets:?}"
            );
        }
    }
}
