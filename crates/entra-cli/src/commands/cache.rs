//! The command `entra cache`: manages the cached access tokens.

use clap::{Args, Subcommand};

use crate::failure::Failure;
use crate::files::tell;
use crate::store::StoreSettings;

/// Manage the access tokens that `entra token --cache` and `entra token --account` cache.
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Remove all cached access tokens
    ///
    /// Accounts are not removed: use `entra logout` for them.
    Clear {
        #[command(flatten)]
        store: StoreSettings,
    },
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let Command::Clear { store } = &arguments.command;
    let (_, tokens) = store.open_existing()?.clear(false)?;
    tell(format_args!("cached tokens removed: {tokens}"));
    Ok(())
}
