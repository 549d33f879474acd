use clap::Args;
use entra_emulator::Config;

use crate::failure::Failure;
use crate::files::{print_secret, tell};

/// Print a configuration to start from, or the JSON Schema of configurations.
///
/// The example has the format that `entra emulator --config` reads: a daemon with a secret that may use Microsoft Graph and an API, a web
/// application, a multi-tenant application, and a public client. Its secrets are examples, to be replaced. Values that are left out are
/// generated.
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

/// JSON has no comments.
const EXPLANATION: &str = "\
What the example has, for `entra emulator --config FILE`:
  seed       what every ID, secret and key that is left out is made from
  tenants    directories and their users; the first is in the lines that the emulator prints
  apis       your own APIs; Microsoft Graph and others are always there
  apps       daemon: a secret, and application permissions that are granted
             web: redirect URIs, and delegated permissions that users consent to
             saas: registered in one tenant, and waiting for the consent of others
             command-line: a public client, without a secret
  issuers    entra, origin or a URL, as for --issuer: see `entra emulator --help`
`entra emulator config --schema` describes each member.";
