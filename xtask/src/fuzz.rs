//! A short run of every fuzz target, where the tool for it can be had. Their corpora are replayed by plain tests always.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Result;
use crate::cargo::{cargo, has, passes, root};
use crate::stage::Verdict;

/// How long each target runs.
const SECONDS: u32 = 20;

pub(crate) fn check() -> Result<Verdict> {
    if !has("fuzz") {
        return Ok(Verdict::Skipped(
            "`cargo fuzz` is not here, `cargo install cargo-fuzz` brings it".to_owned(),
        ));
    }
    let mut failed = Vec::new();
    for folder in folders(&root())? {
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

/// One target, begun from its corpus. What it finds beside goes to a folder of its own: the corpus is kept small by hand.
fn run(folder: &Path, target: &str) -> Result<Command> {
    let found = root().join("target").join("fuzz").join("found").join(target);
    fs::create_dir_all(&found)?;
    let mut command = cargo(["fuzz", "run", "--fuzz-dir"]);
    command
        .arg(folder)
        .arg("--target-dir")
        .arg(root().join("target").join("fuzz"));
    command.arg(target).arg(found).arg(folder.join("corpus").join(target));
    command.args(["--", &format!("-max_total_time={SECONDS}"), "-verbosity=0"]);
    // A stable compiler has the sanitizers and keeps their flags for nightly ones, unless it is told so.
    command.env("RUSTC_BOOTSTRAP", "1");
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
    fn every_target_of_the_crates_that_have_some_is_found() {
        let folders = folders(&root()).unwrap();
        for (crate_name, expected) in [
            ("entra-credential", &["pem", "pfx"][..]),
            ("entra-proto", &["answer", "challenge", "redirect"]),
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
