//! The command `entra emulator config`: prints an example configuration or the JSON Schema.

use clap::Args;
use entra_emulator::Config;

use crate::failure::Failure;
use crate::files::{print_secret, tell};

/// Print an example configuration for `entra emulator --config`, or the JSON Schema.
///
/// The example defines a daemon with a secret that can use Microsoft Graph and an API, a web
/// application, a multi-tenant application, and a public client. Replace its secrets. Omitted
/// values are generated.
#[derive(Args)]
#[command(after_help = "\
Examples:
  entra emulator config --example > emulator.json
  entra emulator --config emulator.json
  # without a file:
  entra emulator config --example |
    entra emulator --config -
  # for editors, with \"$schema\": \"emulator.schema.json\"
  # as the first member of emulator.json:
  entra emulator config --schema > emulator.schema.json")]
#[group(required = true, multiple = false)]
pub(crate) struct Arguments {
    /// Print an example with the common kinds of applications
    #[arg(long)]
    example: bool,

    /// Print the JSON Schema (2020-12), which describes each member
    #[arg(long)]
    schema: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    if arguments.schema {
        return print_secret(Config::SCHEMA.trim_end());
    }
    print_secret(Config::EXAMPLE.trim_end())?;
    tell(EXPLANATION);
    Ok(())
}

/// The explanation of the example on standard error, because JSON has no comments.
const EXPLANATION: &str = "\
The members of the example, for `entra emulator --config FILE`:
  seed       the seed for every omitted ID, secret and key
  tenants    tenants and their users; the emulator prints the first tenant
  apis       your own APIs; Microsoft Graph and others are always present
  apps       daemon: a secret and granted application permissions
             web: redirect URIs and delegated permissions that users consent to
             saas: registered in one tenant; other tenants have not consented yet
             command-line: a public client without a secret
  machine    the managed identities of the machine under a workload
  issuers    entra, origin or a URL, as for --issuer: see `entra emulator --help`
`entra emulator config --schema` describes each member.";
