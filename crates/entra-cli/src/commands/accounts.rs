use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::files::{print, print_json, tell};
use crate::message::warn;
use crate::moment::put_moment;
use crate::store::{Account, StoreSettings};

/// The users who are signed in: a line each, with user, tenant, application and time.
///
/// `entra login` signs users in, `entra logout` removes a sign-in. No token is ever shown here.
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    store: StoreSettings,

    /// What to print
    #[arg(short, long, value_enum, ignore_case = true, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// A line for each
    Text,
    /// As JSON
    Json,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let store = arguments.store.look()?;
    let (accounts, unreadable) = store.accounts()?;
    if unreadable > 0 {
        let problem = format!(
            "{unreadable} of the sign-ins cannot be opened: {}",
            store.why_unreadable()
        );
        warn(
            problem,
            "restore the key, or remove all sign-ins with `entra logout --all`",
        );
    }
    match arguments.output {
        Output::Json => print_json(&accounts.iter().map(to_json).collect()),
        Output::Text if accounts.is_empty() => {
            if unreadable == 0 {
                tell("no user is signed in; sign in with `entra login`");
            }
            Ok(())
        }
        Output::Text => print(&accounts.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")),
    }
}

/// An account without its token.
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
        put_moment(members, "signed_in", account.signed_in_at);
    }
    object
}
