use clap::Args;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::files::{excerpt, tell};
use crate::settings::cloud_at;
use crate::store::{AccountFilter, StoreSettings};

/// Remove a sign-in that `entra login` kept, with its tokens.
///
/// It is removed on this machine only: the service is not told. The session in the browser goes on, and a token that was copied before
/// stays valid until it expires. The user or an administrator can revoke all sessions of the user (Microsoft Graph:
/// POST /users/ID/revokeSignInSessions).
#[derive(Args)]
#[command(after_help = "\
Examples:
  entra logout
  entra logout --account megan@contoso.com
  # all sign-ins and cached tokens
  entra logout --all")]
pub(crate) struct Arguments {
    /// The user who signs out [default: the one who is signed in]
    #[arg(long, value_name = "USER")]
    account: Option<String>,

    /// Remove all sign-ins and all cached tokens, unreadable ones too
    #[arg(long, conflicts_with_all = ["account", "tenant", "client_id", "authority_host"])]
    all: bool,

    /// Only a sign-in to this tenant: its ID or a domain
    #[arg(long, value_name = "TENANT")]
    tenant: Option<String>,

    /// Only a sign-in to this application
    #[arg(long, value_name = "GUID")]
    client_id: Option<String>,

    /// Only a sign-in in this cloud: public, usgovernment, china or an address
    #[arg(long, value_name = "HOST")]
    authority_host: Option<String>,

    #[command(flatten)]
    store: StoreSettings,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    if arguments.all {
        let (accounts, tokens) = arguments.store.open_existing()?.clear(true)?;
        tell(format_args!(
            "removed: sign-ins {accounts}, cached tokens {tokens}; {NOT_REVOKED}"
        ));
        return Ok(());
    }
    if arguments.account.as_deref().is_some_and(|user| user.trim().is_empty()) {
        return Err(Failure::text(Exit::Usage, "--account names no user").hint("name the user, or leave --account out"));
    }
    let cloud = arguments.authority_host.as_deref().map(cloud_at).transpose()?;
    let wanted = AccountFilter {
        user: arguments.account.as_deref().map(|user| user.trim().to_owned()),
        tenant: arguments.tenant.as_deref().map(str::parse).transpose()?,
        client_id: arguments.client_id.as_deref().map(|id| id.trim().parse()).transpose()?,
        origin: cloud.map(|cloud| cloud.origin().to_owned()),
    };
    let store = arguments.store.open_existing()?;
    let account = store.account(&wanted, &AccountFilter::default())?;
    account.forget(&store)?;
    let user = excerpt(&account.username, 100);
    tell(format_args!(
        "{user} of {} is signed out here; {NOT_REVOKED}",
        account.tenant
    ));
    Ok(())
}

const NOT_REVOKED: &str = "nothing is revoked at the service: tokens that were copied stay good until they expire";
