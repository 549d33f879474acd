//! The command `entra accounts`: lists the stored accounts of users.

use clap::Args;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::files::{print, print_json, tell};
use crate::listing::{Form, ListOutput, Table};
use crate::message::warn;
use crate::store::{Account, StoreSettings};
use crate::terminal::Stream;
use crate::time_format::{put_time, utc};

/// List the stored accounts, with the tenant, the application and the time of each sign-in.
///
/// `entra login` stores an account, and `entra logout` removes it. Tokens are not shown.
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    store: StoreSettings,

    #[command(flatten)]
    output: ListOutput,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let store = arguments.store.open_existing()?;
    let (accounts, unreadable) = store.accounts()?;
    if unreadable > 0 {
        let problem = format!(
            "{unreadable} of the accounts cannot be read: {}",
            store.reason_unreadable()
        );
        warn(
            problem,
            "restore the key, or remove all accounts with `entra logout --all`",
        );
    }
    match arguments.output.form() {
        Form::Json => print_json(&accounts.iter().map(to_json).collect()),
        Form::Table | Form::Text if accounts.is_empty() => {
            if unreadable == 0 {
                tell("no user is signed in; sign in with `entra login`");
            }
            Ok(())
        }
        Form::Table => print(&table(&accounts).fitted(Stream::Out.width())),
        Form::Text => print(&accounts.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")),
    }
}

fn table(accounts: &[Account]) -> Table<5> {
    let rows = accounts.iter().map(|account| {
        [
            account.username.clone(),
            account.tenant.to_string(),
            account.client_id.to_string(),
            utc(account.signed_in_at),
            account.origin.clone(),
        ]
    });
    Table::new(["USER", "TENANT", "APPLICATION", "SIGNED IN", "AUTHORITY"], rows)
}

/// Returns an account as JSON, without its token.
pub(crate) fn to_json(account: &Account) -> Value {
    let mut object = json!({
        "username": account.username,
        "tenant": account.tenant.to_string(),
        "client_id": account.client_id.to_string(),
        "authority_host": account.origin,
        "user_id": account.user_id,
        "public": account.is_public,
    });
    if let Value::Object(members) = &mut object {
        put_time(members, "signed_in", account.signed_in_at);
    }
    object
}
