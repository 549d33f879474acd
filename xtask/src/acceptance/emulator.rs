//! The emulator as a process of its own, which ends with this one.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::Result;

/// `entra emulator` with TLS.
pub(super) struct Emulator {
    child: Child,
    /// Without a reader of what it prints it would end.
    _printed: BufReader<ChildStdout>,
    host: String,
    ca: PathBuf,
}

impl Emulator {
    /// Starts the program `entra` with a configuration and a kind of issuer. The log of its
    /// requests is `log`.
    pub(super) fn start(entra: &Path, config: &Path, issuer: &str, log: &Path) -> Result<Self> {
        let ca = log.with_extension("ca.pem");
        let mut child = Command::new("/bin/sh")
            .args(["-c", KEEPER, "sh"])
            .arg(entra)
            .args(["emulator", "--tls", "--issuer", issuer, "--config"])
            .arg(config)
            .arg("--ca-out")
            .arg(&ca)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(log)?)
            .spawn()?;
        let mut printed = BufReader::new(child.stdout.take().ok_or("the emulator has no standard output")?);
        let host = address(&mut printed)?;
        let failed = || format!("the emulator did not start: {}", log.display());
        Ok(Self {
            child,
            _printed: printed,
            host: host.ok_or_else(failed)?,
            ca,
        })
    }

    /// Has `command` use the emulator, and nothing that this machine has set for others.
    pub(super) fn lend_to(&self, command: &mut Command) {
        for name in FOREIGN {
            command.env_remove(name).env_remove(name.to_lowercase());
        }
        command.env("AZURE_AUTHORITY_HOST", &self.host);
        for name in ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"] {
            command.env(name, &self.ca);
        }
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // The end of its input ends it.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// The address with TLS, once all is printed that programs read.
fn address(printed: &mut impl BufRead) -> Result<Option<String>> {
    let mut host = None;
    for line in printed.lines() {
        let line = line?;
        let Some((name, value)) = line.strip_prefix("export ").and_then(|line| line.split_once('=')) else {
            continue;
        };
        match name {
            "AZURE_AUTHORITY_HOST" => host = Some(value.trim_matches('\'').to_owned()),
            LAST => return Ok(host),
            _ => {}
        }
    }
    Ok(None)
}

/// A shell that ends the command at the end of its input, which comes with the end of this process,
/// however that ends.
const KEEPER: &str = r#"trap : HUP INT TERM; "$@" </dev/null & exec >&- 2>&-; read -r _; kill -KILL $!"#;

/// The last variable that the emulator prints.
const LAST: &str = "NODE_EXTRA_CA_CERTS";

/// Variables that would lead a client elsewhere.
const FOREIGN: &[&str] = &[
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "AZURE_TENANT_ID",
    "AZURE_CLIENT_ID",
    "AZURE_CLIENT_SECRET",
    "AZURE_CLIENT_CERTIFICATE_PATH",
    "AZURE_FEDERATED_TOKEN_FILE",
    "AZURE_REGIONAL_AUTHORITY_NAME",
    "MSAL_FORCE_REGION",
    "SSL_CERT_DIR",
    "CURL_CA_BUNDLE",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_is_found_once_all_is_printed() {
        let printed =
            "# The emulator\nexport AZURE_AUTHORITY_HOST='https://127.0.0.1:1'\nexport NODE_EXTRA_CA_CERTS=/ca\n";
        let found = |text: &str| address(&mut text.as_bytes()).unwrap();
        assert_eq!(found(printed).as_deref(), Some("https://127.0.0.1:1"));
        assert_eq!(found(&printed.replace("export NODE_EXTRA_CA_CERTS=/ca\n", "")), None);
        assert_eq!(found(""), None);
    }
}
