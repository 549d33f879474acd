//! The command `entra keycredentials`: prints the entries that register certificates.

use std::path::PathBuf;

use clap::Args;
use entra_credential::KeyCredential;
use entra_proto::Guid;

use crate::certificate::PasswordSettings;
use crate::exit::{Exit, Failure};
use crate::files::{name_of, print_json_text, read_text};
use crate::time_format::now;

/// Print the manifest entries that register certificates for an application.
///
/// Prints the list keyCredentials in the format of Microsoft Graph and of the manifest in the
/// portal. With --manifest, prints the given manifest with the certificates added: existing entries
/// stay, a registered certificate is not added again, and new entries have the format of that
/// manifest. An application can have several certificates, as during a rollover. Private keys are
/// not needed.
#[derive(Args)]
#[command(after_help = "\
Examples:
  entra keycredentials daemon.crt
  entra keycredentials new.crt \\
    --manifest manifest.json > uploaded.json")]
pub(crate) struct Arguments {
    /// Files with one certificate each, in PEM, DER (.cer) or PFX format; private keys in them are
    /// ignored
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    /// Add the certificates to this manifest, as downloaded from the portal; "-" is standard input
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,

    #[command(flatten)]
    password: PasswordSettings,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut entries = Vec::new();
    for file in &arguments.files {
        let files = arguments.password.read(file, None, false)?;
        let certificate = files.certificate()?;
        files.tell_warnings(certificate.warnings(now()));
        let mut id = [0; 16];
        getrandom::fill(&mut id).map_err(|error| Failure::text(Exit::Credential, error))?;
        entries.push(certificate.key_credential(Guid::from_random(id)));
    }
    let (name, manifest) = match &arguments.manifest {
        Some(path) => (
            name_of(path),
            read_text(path, "the manifest", MAX_MANIFEST, Exit::Configuration)?,
        ),
        None => (
            "the list".to_owned(),
            String::from("{\n  \"keyCredentials\": []\n}").into(),
        ),
    };
    let merged = KeyCredential::merge(&manifest, &entries)
        .map_err(|error| Failure::new(Exit::Configuration, error).context(name))?;
    print_json_text(merged.trim_end())
}

/// The longest manifest, in bytes.
const MAX_MANIFEST: u64 = 1024 * 1024;
