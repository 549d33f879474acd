//! Managed identities: each source of the emulator, with every client that knows it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::Result;
use crate::acceptance::emulator::Emulator;
use crate::acceptance::{Python, Results, finished, node};
use crate::cargo::output;

/// The clients, as the drivers and the table have them.
pub(super) const PYTHON: &[&str] = &["msal", "az-id", "az-aio"];
pub(super) const NODE: &[&str] = &["js-id", "msal-js"];

/// Values of `entra emulator --managed-identity`.
const SOURCES: &[&str] = &[
    "imds",
    "app-service",
    "app-service-2017",
    "azure-ml",
    "cloud-shell",
    ARC,
    "service-fabric",
];
const ARC: &str = "arc";

/// The only folder whose key files the clients read.
const ARC_TOKENS: &str = "/var/opt/azcmagent/tokens";

impl Results {
    /// Has the clients get tokens from each source, by the variables that the emulator prints.
    pub(super) fn ask_identities(&mut self, entra: &Path, python: &Python, folder: &Path, run: &Path) -> Result<()> {
        let has_node = NODE.iter().any(|name| !self.identities.is_skipped(name));
        for &source in SOURCES {
            let mut more = vec!["--managed-identity", source];
            let mut tokens = None;
            if source == ARC {
                match KeyFolder::create(Path::new(ARC_TOKENS)) {
                    Ok(folder) => tokens = Some(folder),
                    Err(error) => {
                        let reason = format!("Azure Arc needs the folder {ARC_TOKENS}: {error}");
                        self.untested.push((source, reason));
                        continue;
                    }
                }
                more.extend(["--arc-tokens", ARC_TOKENS]);
            }
            let log = run.join(format!("emulator-{source}.log"));
            let emulator = Emulator::start(entra, &run.join("emulator.json"), &more, &log)?;
            let settings = run.join("settings.json");
            let mut commands = vec![(PYTHON, python.script("identities.py", &[]))];
            if has_node {
                commands.push((NODE, node(&folder.join("node"), "identities.mjs")));
            }
            for (names, mut command) in commands {
                let printed = run.join(format!("{source}-{}.jsonl", names[0]));
                emulator.lend_to(&mut command);
                command.arg(&settings).arg(source).args(names);
                self.findings.extend(finished(&mut command, names, &printed)?);
                let mut judge = python.script("judge.py", &[&settings, &printed]);
                emulator.lend_to(&mut judge);
                self.identities.read(&output(judge)?)?;
            }
            // The emulator writes no more files.
            drop(emulator);
            drop(tokens);
        }
        Ok(())
    }
}

/// The folder of the key files. What was not there before is removed at the end: the emulator is
/// killed, and leaves the keys that no client has used.
struct KeyFolder {
    path: PathBuf,
    /// The folders that did not exist, the inner ones first.
    created: Vec<PathBuf>,
    /// The files of others.
    others: Vec<PathBuf>,
}

impl KeyFolder {
    fn create(path: &Path) -> io::Result<Self> {
        let missing = path.ancestors().take_while(|folder| !folder.exists());
        let created = missing.map(Path::to_owned).collect();
        fs::create_dir_all(path)?;
        let path = path.to_owned();
        Ok(Self {
            others: files(&path),
            path,
            created,
        })
    }
}

impl Drop for KeyFolder {
    fn drop(&mut self) {
        for file in files(&self.path) {
            let is_key = file.extension().is_some_and(|extension| extension == "key");
            if is_key && !self.others.contains(&file) {
                let _ = fs::remove_file(file);
            }
        }
        for folder in &self.created {
            // One with files of others stays.
            let _ = fs::remove_dir(folder);
        }
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acceptance::EXPECTED_OF_IDENTITIES;

    #[test]
    fn every_client_and_source_has_expectations() {
        let mut lines = EXPECTED_OF_IDENTITIES.lines().filter(|line| !line.starts_with('#'));
        let clients: Vec<_> = lines.next().unwrap().split('|').map(str::trim).skip(1).collect();
        assert_eq!(clients, [PYTHON, NODE].concat());
        let cases: Vec<_> = lines.filter_map(|line| line.split('|').next()).map(str::trim).collect();
        let sources: Vec<_> = cases.iter().copied().filter(|case| !case.contains(',')).collect();
        assert_eq!(sources, SOURCES);
    }

    #[test]
    fn only_new_folders_and_keys_are_removed() {
        let around = std::env::temp_dir().join(format!("xtask-folder-{}", std::process::id()));
        fs::create_dir(&around).unwrap();
        let inner = around.join("a/b");
        let write = |name: &str| fs::write(inner.join(name), "").unwrap();
        let folder = KeyFolder::create(&inner).unwrap();
        write("new.key");
        drop(folder);
        assert!(around.exists() && !around.join("a").exists());
        fs::create_dir_all(&inner).unwrap();
        write("old.key");
        let folder = KeyFolder::create(&inner).unwrap();
        write("new.key");
        write("new.txt");
        drop(folder);
        let left: Vec<_> = files(&inner);
        assert!(inner.join("old.key").exists() && inner.join("new.txt").exists());
        assert_eq!(left.len(), 2);
        fs::remove_dir_all(&around).unwrap();
    }
}
