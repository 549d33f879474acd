use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use entra_emulator::{Config, Emulator, EmulatorBuilder};

use crate::exit::{Exit, Failure};
use crate::files::{print, read_text};

/// Run an Entra on loopback until it is stopped.
///
/// Prints its addresses, its tenant and applications, and the variables that other programs (this one's `token` among them) read;
/// then one line a request, on standard error. Its keys and secrets are public: nothing but a test may trust its tokens.
#[derive(Args)]
#[command(after_help = "\
Examples:
  entra emulator --port 8400
  entra emulator --config emulator.json --tls --ca-out ca.pem
  AZURE_AUTHORITY_HOST=http://127.0.0.1:8400 entra token --resource https://graph.microsoft.com")]
pub(crate) struct Arguments {
    /// The port on 127.0.0.1 for plain http; 0 takes a free one
    #[arg(long, default_value_t = 0)]
    port: u16,

    /// Listen with TLS as well, with a certificate of a CA made on the spot
    #[arg(long)]
    tls: bool,

    /// The port for TLS; 0 takes a free one
    #[arg(long, default_value_t = 0, requires = "tls")]
    tls_port: u16,

    /// Write the CA's certificate (PEM) to this file
    #[arg(long, value_name = "FILE", requires = "tls", default_value = "entra-emulator-ca.pem")]
    ca_out: PathBuf,

    /// What all made-up values are derived from [default: what the configuration says, or 0]
    #[arg(long)]
    seed: Option<u64>,

    /// Tenants, applications and APIs, as JSON
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut builder = match &arguments.config {
        Some(path) => EmulatorBuilder::from(read_config(path)?),
        None => Emulator::builder(),
    };
    if let Some(seed) = arguments.seed {
        builder = builder.seed(seed);
    }
    if arguments.tls {
        builder = builder.tls_port(arguments.tls_port);
    }
    let emulator = builder
        .port(arguments.port)
        .on_request(|event| eprintln!("{event}"))
        .try_start()
        .map_err(|error| Failure::new(Exit::Configuration, error))?;
    if let Some(pem) = emulator.ca_pem() {
        std::fs::write(&arguments.ca_out, pem)
            .map_err(|error| Failure::text(Exit::Configuration, format!("{}: {error}", arguments.ca_out.display())))?;
    }
    print(&describe(&emulator, &arguments.ca_out))?;
    // Until somebody stops it.
    loop {
        std::thread::park();
    }
}

fn read_config(path: &Path) -> Result<Config, Failure> {
    let text = read_text(path, MAX_CONFIG, Exit::Configuration)?;
    Config::from_json(&text).map_err(|error| Failure::text(Exit::Configuration, format!("{}: {error}", path.display())))
}

fn describe(emulator: &Emulator, ca: &Path) -> String {
    let mut text = format!("# An Entra on loopback: {}", emulator.base_url());
    if let Some(url) = emulator.tls_url() {
        let _ = write!(text, "\n# with TLS: {url}, by the CA in {}", ca.display());
    }
    for tenant in emulator.tenants() {
        let _ = write!(text, "\n# tenant {} ({})", tenant.domain, tenant.id);
    }
    for app in emulator.apps() {
        let secret = app
            .secrets
            .iter()
            .flatten()
            .next()
            .map_or("none", |secret| secret.value.as_str());
        let _ = write!(
            text,
            "\n# application {}: client id {}, secret {secret}",
            app.name, app.client_id
        );
    }
    for api in emulator.apis() {
        let _ = write!(text, "\n# API {}", api.identifiers.join(" = "));
    }
    let host = emulator.tls_url().unwrap_or_else(|| emulator.base_url());
    for (name, value) in [
        ("AZURE_AUTHORITY_HOST", host),
        ("AZURE_TENANT_ID", emulator.tenant_id()),
        ("AZURE_CLIENT_ID", emulator.client_id()),
        ("AZURE_CLIENT_SECRET", emulator.client_secret()),
    ] {
        let _ = write!(text, "\nexport {name}={}", quoted(value));
    }
    if emulator.tls_url().is_some() {
        let _ = write!(text, "\nexport SSL_CERT_FILE={}", quoted(&ca.display().to_string()));
    }
    text
}

/// A word as a shell reads it.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._~/:".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

/// How long a configuration may be, in bytes.
const MAX_CONFIG: u64 = 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_back_what_was_quoted() {
        assert_eq!(quoted("http://127.0.0.1:80"), "http://127.0.0.1:80");
        assert_eq!(quoted("a b'c~"), "'a b'\\''c~'");
        assert_eq!(quoted(""), "''");
    }
}
