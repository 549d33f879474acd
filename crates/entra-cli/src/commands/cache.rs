use clap::{Args, Subcommand};

use crate::failure::Failure;
use crate::files::tell;
use crate::store::StoreSettings;

/// The access tokens that `entra token --cache` and `entra token --account` keep.
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Remove all cached access tokens; sign-ins stay (`entra logout` removes them)
    Clear {
        #[command(flatten)]
        store: StoreSettings,
    },
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let Command::Clear { store } = &arguments.command;
    let (_, tokens) = store.open_existing()?.clear(false)?;
    tell(format_args!("removed: cached tokens {tokens}"));
    Ok(())
}
