//! The emulator as a process of its own, which ends with this one.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::Result;

/// `entra emulator` with TLS.
pub(super) struct Emulator {
    child: Child,
    /// Without a reader of what it prints it would end.
    _printed: BufReader<ChildStdout>,
    variables: Vec<(String, String)>,
}

impl Emulator {
    /// Starts the program `entra` with a configuration and more options. The log of its requests is
    /// `log`.
    pub(super) fn start(entra: &Path, config: &Path, more: &[&str], log: &Path) -> Result<Self> {
        let ca = log.with_extension("ca.pem");
        let mut child = Command::new("/bin/sh")
            .args(["-c", KEEPER, "sh"])
            .arg(entra)
            .args(["emulator", "--tls"])
            .args(more)
            .arg("--config")
            .arg(config)
            .arg("--ca-out")
            .arg(&ca)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(log)?)
            .spawn()?;
        let mut printed = BufReader::new(child.stdout.take().ok_or("the emulator has no standard output")?);
        let variables = variables(&mut printed)?;
        let failed = || format!("the emulator did not start: {}", log.display());
        Ok(Self {
            child,
            _printed: printed,
            variables: variables.ok_or_else(failed)?,
        })
    }

    /// Has `command` use the emulator, and nothing that this machine has set for others.
    pub(super) fn lend_to(&self, command: &mut Command) {
        for name in FOREIGN {
            command.env_remove(name).env_remove(name.to_lowercase());
        }
        let lent = self
            .variables
            .iter()
            .filter(|(name, _)| !NOT_LENT.contains(&name.as_str()));
        command.envs(lent.map(|(name, value)| (name, value)));
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // The end of its input ends it.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// The variables that are printed, once all of them are.
fn variables(printed: &mut impl BufRead) -> Result<Option<Vec<(String, String)>>> {
    let mut variables = Vec::new();
    for line in printed.lines() {
        let line = line?;
        let Some((name, value)) = line.strip_prefix("export ").and_then(|line| line.split_once('=')) else {
            continue;
        };
        variables.push((name.to_owned(), value.trim_matches('\'').to_owned()));
        if name == LAST {
            return Ok(Some(variables));
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
    "AZURE_POD_IDENTITY_AUTHORITY_HOST",
    "AZUREPS_HOST_ENVIRONMENT",
    "DEFAULT_IDENTITY_CLIENT_ID",
    "IDENTITY_API_VERSION",
    "IDENTITY_ENDPOINT",
    "IDENTITY_HEADER",
    "IDENTITY_SERVER_THUMBPRINT",
    "IMDS_ENDPOINT",
    "MSAL_FORCE_REGION",
    "MSI_ENDPOINT",
    "MSI_SECRET",
    "SSL_CERT_DIR",
    "CURL_CA_BUNDLE",
];

/// Variables of the emulator that name one of its applications. The cases choose their own.
const NOT_LENT: &[&str] = &[
    "AZURE_TENANT_ID",
    "AZURE_CLIENT_ID",
    "AZURE_CLIENT_SECRET",
    "AZURE_FEDERATED_TOKEN_FILE",
    "CURL_CA_BUNDLE",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_found_once_all_is_printed() {
        let printed =
            "# The emulator\nexport AZURE_AUTHORITY_HOST='https://127.0.0.1:1'\nexport NODE_EXTRA_CA_CERTS=/ca\n";
        let found = |text: &str| variables(&mut text.as_bytes()).unwrap();
        let expected = [
            ("AZURE_AUTHORITY_HOST", "https://127.0.0.1:1"),
            ("NODE_EXTRA_CA_CERTS", "/ca"),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(found(printed), Some(expected.to_vec()));
        assert_eq!(found(&printed.replace("export NODE_EXTRA_CA_CERTS=/ca\n", "")), None);
        assert_eq!(found(""), None);
    }
}
