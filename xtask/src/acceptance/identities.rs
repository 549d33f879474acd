//! Managed identities: each source of the emulator, with every client that knows it, and each
//! protocol of `entra serve` in front of the emulator.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

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

/// The protocols of `entra serve`, each with the lines of a shell that leave a program only the
/// variables of that protocol.
const SERVED: &[(&str, &str)] = &[
    ("serve", "unset AZURE_POD_IDENTITY_AUTHORITY_HOST"),
    ("serve-imds", "unset IDENTITY_ENDPOINT IDENTITY_HEADER"),
    (
        "serve-2017",
        "export MSI_ENDPOINT=$IDENTITY_ENDPOINT MSI_SECRET=$IDENTITY_HEADER; \
         unset IDENTITY_ENDPOINT IDENTITY_HEADER AZURE_POD_IDENTITY_AUTHORITY_HOST",
    ),
];

/// The only folder whose key files the clients read.
const ARC_TOKENS: &str = "/var/opt/azcmagent/tokens";

impl Results {
    /// Has the clients get tokens from each source, by the variables that the emulator prints.
    pub(super) fn ask_identities(&mut self, entra: &Path, python: &Python, folder: &Path, run: &Path) -> Result<()> {
        let clients = Clients {
            python,
            node: NODE
                .iter()
                .any(|name| !self.identities.is_skipped(name))
                .then(|| folder.join("node")),
            run,
        };
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
            self.ask_source(&clients, source, &emulator, |client| client)?;
            // The emulator writes no more files.
            drop(emulator);
            drop(tokens);
        }
        self.ask_server(entra, &clients)
    }

    /// Has the clients get tokens from `entra serve`, which gets them from the emulator.
    fn ask_server(&mut self, entra: &Path, clients: &Clients<'_>) -> Result<()> {
        let log = clients.run.join("emulator-serve.log");
        let config = clients.run.join("emulator.json");
        let emulator = Emulator::start(entra, &config, &["--managed-identity", "imds"], &log)?;
        for &(source, lines) in SERVED {
            self.ask_source(clients, source, &emulator, |client| {
                let mut server = Command::new(entra);
                server.args(["serve", "--imds", "--config"]);
                server.arg(clients.run.join("serve.toml"));
                server.args(["--", "/bin/sh", "-c", &format!("{lines}; exec \"$@\""), "sh"]);
                server.arg(client.get_program()).args(client.get_args());
                server
            })?;
        }
        Ok(())
    }

    /// Has the clients get tokens, each by a command that `wrap` makes.
    fn ask_source(
        &mut self,
        clients: &Clients<'_>,
        source: &str,
        emulator: &Emulator,
        wrap: impl Fn(Command) -> Command,
    ) -> Result<()> {
        let settings = clients.run.join("settings.json");
        for (names, mut client) in clients.commands() {
            let printed = clients.run.join(format!("{source}-{}.jsonl", names[0]));
            client.arg(&settings).arg(source).args(names);
            let mut command = wrap(client);
            emulator.lend_to(&mut command);
            self.findings.extend(finished(&mut command, names, &printed)?);
            let mut judge = clients.python.script("judge.py", &[&settings, &printed]);
            emulator.lend_to(&mut judge);
            self.identities.read(&output(judge)?)?;
        }
        Ok(())
    }
}

/// The clients that can run here.
struct Clients<'a> {
    python: &'a Python,
    /// The folder of the clients for Node, if they are installed.
    node: Option<PathBuf>,
    /// The folder of the settings and the output.
    run: &'a Path,
}

impl Clients<'_> {
    /// Returns the command of each language, with the names of its clients.
    fn commands(&self) -> Vec<(&'static [&'static str], Command)> {
        let python = (PYTHON, self.python.script("identities.py", &[]));
        let node = self.node.as_ref().map(|folder| (NODE, node(folder, "identities.mjs")));
        [Some(python), node].into_iter().flatten().collect()
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
        let served = SERVED.iter().map(|(source, _)| *source);
        assert_eq!(sources, SOURCES.iter().copied().chain(served).collect::<Vec<_>>());
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
