//! The command `entra logout`: removes stored accounts and their tokens.

use clap::Args;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::files::{excerpt, tell};
use crate::settings::cloud_at;
use crate::store::{AccountFilter, Purpose, StoreSettings};

/// Remove an account that `entra login` stored, with its tokens.
///
/// The account is removed only on this machine; the service is not informed. The session in the
/// browser continues, and copied tokens stay valid until they expire. To revoke all sessions of the
/// user, the user or an administrator calls Microsoft Graph: POST /users/ID/revokeSignInSessions.
#[derive(Args)]
#[command(after_help = "\
Examples:
  entra logout
  entra logout --account megan@contoso.com
  # all accounts and cached tokens
  entra logout --all")]
pub(crate) struct Arguments {
    /// User of the account [default: the only stored account]
    #[arg(long, value_name = "USER")]
    account: Option<String>,

    /// Remove all accounts and all cached tokens, including unreadable ones
    #[arg(long, conflicts_with_all = ["account", "tenant", "client_id", "authority_host"])]
    all: bool,

    /// Only an account in this tenant: its ID or a domain
    #[arg(long, value_name = "TENANT")]
    tenant: Option<String>,

    /// Only an account of this application
    #[arg(long, value_name = "GUID")]
    client_id: Option<String>,

    /// Only an account in this cloud: public, usgovernment, china or an address
    #[arg(long, value_name = "HOST")]
    authority_host: Option<String>,

    #[command(flatten)]
    store: StoreSettings,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    if arguments.all {
        let (accounts, tokens) = arguments.store.open_existing()?.clear(true)?;
        tell(format_args!(
            "accounts removed: {accounts}, cached tokens removed: {tokens}; {NOT_REVOKED}"
        ));
        return Ok(());
    }
    if arguments.account.as_deref().is_some_and(|user| user.trim().is_empty()) {
        return Err(Failure::text(Exit::Usage, "--account is empty").hint("name a user, or omit --account"));
    }
    let cloud = arguments.authority_host.as_deref().map(cloud_at).transpose()?;
    let wanted = AccountFilter {
        user: arguments.account.as_deref().map(|user| user.trim().to_owned()),
        tenant: arguments.tenant.as_deref().map(str::parse).transpose()?,
        client_id: arguments.client_id.as_deref().map(|id| id.trim().parse()).transpose()?,
        origin: cloud.map(|cloud| cloud.origin().to_owned()),
    };
    let store = arguments.store.open_existing()?;
    let account = store.account(&wanted, &AccountFilter::default(), Purpose::Removal)?;
    account.forget(&store)?;
    let user = excerpt(&account.username, 100);
    tell(format_args!(
        "{user} of {} is signed out on this machine; {NOT_REVOKED}",
        account.tenant
    ));
    Ok(())
}

const NOT_REVOKED: &str = "the service revokes nothing: copied tokens stay valid until they expire";
