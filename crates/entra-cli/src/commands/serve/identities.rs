//! The identities of `entra serve`: their options, and their clients.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, CommandFactory, FromArgMatches, Parser};
use entra_client::observer::{Counters, Event, Observer};
use entra_client::{Chain, Client, ClientBuilder, Policy};
use entra_proto::Cloud;
use entra_serve::Identity;
use entra_transport_hyper::HyperTransport;

use crate::account_tokens::AccountTokens;
use crate::arguments::{ignoring_variables, usage};
use crate::commands::serve::account::SignedIn;
use crate::exit::{Exit, Failure};
use crate::principal_settings::PrincipalSettings;
use crate::requests::{Logged, log_event};
use crate::settings::{Chosen, IdentityId, NetworkSettings};
use crate::source::{Source, Traced};
use crate::store::StoreSettings;

/// The options for the party that tokens are issued to.
#[derive(Args)]
pub(in crate::commands) struct IdentityOptions {
    #[command(flatten)]
    principal: PrincipalSettings,

    /// Give the tokens of a user who signed in with `entra login`: of USER, or of the only matching
    /// account
    #[arg(long, value_name = "USER", num_args = 0..=1, default_missing_value = "")]
    #[arg(conflicts_with_all = ["managed_identity", "chain", "agent"])]
    account: Option<String>,

    #[command(flatten)]
    store: Traced<StoreSettings>,
}

/// The options of one table of a file.
#[derive(Parser)]
#[command(name = "entra serve", no_binary_name = true, disable_help_flag = true)]
struct Table {
    #[command(flatten)]
    options: IdentityOptions,
}

/// What the clients share: the counters, and a transport for each setting of the network.
pub(in crate::commands) struct Shared {
    counters: Arc<Counters>,
    transports: Vec<(Option<PathBuf>, u64, Logged<HyperTransport>)>,
}

impl IdentityOptions {
    /// Returns the definition of the options in a table of a file.
    pub(super) fn of_table() -> clap::Command {
        let mut command = ignoring_variables(Table::command());
        // Variables name the store, which is not an application.
        command = command.mut_arg("store", |store| store.env("ENTRA_STORE"));
        command.mut_arg("store_key", |key| key.env("ENTRA_STORE_KEY"))
    }

    /// Parses the options of a table of a file.
    ///
    /// # Errors
    /// Returns an error that names the option.
    pub(super) fn parse(words: Vec<std::ffi::OsString>) -> Result<Self, Failure> {
        let mut matches = Self::of_table()
            .try_get_matches_from(words)
            .map_err(|error| in_file(&error))?;
        let table = Table::from_arg_matches_mut(&mut matches).map_err(|error| in_file(&error))?;
        let mut options = table.options;
        options.principal.application.settings.use_no_variables();
        Ok(options)
    }

    /// Returns the words for the network, for tables that have none.
    pub(super) fn network_words(&self) -> Vec<(&'static str, std::ffi::OsString)> {
        let network = &self.principal.network;
        let ca_file = network.ca_file().map(|path| ("ca_file", path.as_os_str().to_owned()));
        let timeout = ("timeout", network.timeout().to_string().into());
        ca_file.into_iter().chain([timeout]).collect()
    }

    /// Returns the options for the network.
    pub(in crate::commands) fn network(&self) -> &NetworkSettings {
        &self.principal.network
    }

    /// Returns true for the tokens of a user who signed in.
    pub(in crate::commands) fn is_for_account(&self) -> bool {
        self.account.is_some()
    }

    /// Returns the cloud of the tokens of an application.
    ///
    /// # Errors
    /// Returns an error if its name is invalid, or a project's file must not name it.
    pub(in crate::commands) fn cloud(&self) -> Result<Cloud, Failure> {
        self.principal.cloud()
    }

    /// Returns the variables with the secrets of the credential.
    pub(in crate::commands) fn secret_variables(&self) -> Vec<String> {
        self.principal.application.settings.secret_variables()
    }

    /// Returns the first option of the command line that chooses an identity.
    pub(super) fn flag(&self) -> Option<String> {
        let named = [self.principal.option(), self.account.as_ref().map(|_| "--account")];
        let named = named.into_iter().flatten().next().map(str::to_owned);
        let flag = || {
            self.principal
                .application
                .flags()
                .next()
                .map(|(_, flag)| flag.to_owned())
        };
        named.or_else(flag)
    }

    /// Returns the identity with this name, which acquires its tokens over one of these transports.
    ///
    /// # Errors
    /// Returns an error if a setting is missing or invalid, or a credential cannot be read.
    pub(in crate::commands) fn identity(&self, name: &str, shared: &mut Shared) -> Result<Identity, Failure> {
        let principal = &self.principal;
        let network = &principal.network;
        let transport = shared.transport(self)?;
        if let Some(user) = &self.account {
            let store = self.store.settings.open_existing()?;
            let tokens = AccountTokens::open(store, user, &principal.application, network, one_try())?;
            let command = SignedIn::new(tokens, Duration::from_secs(network.timeout()));
            let chain = Chain::new().with_async_command("the account", command);
            let client = network.async_client_over(&transport, chain, Policy::default());
            return Ok(Identity::new(name, shared.client(client)?));
        }
        for option in ["store", "store_key"] {
            if let Source::Flag(flag) = self.store.source(option) {
                return Err(Failure::text(Exit::Usage, format!("{flag} requires --account")).hint("remove it"));
            }
        }
        if matches!(principal.option(), None | Some("--agent"))
            && let Some(Chosen::Federated(file, _)) = principal.application.settings.federated()?
        {
            // The file is read for each request. It must be there at the start.
            file.assertion()
                .map_err(|error| Failure::of(Exit::Credential, &error))?;
        }
        let client = shared.client(principal.async_client(&transport, Policy::default())?)?;
        let identity = Identity::new(name, principal.of_agent(client)?);
        if let Some(agent) = principal.agent_id()? {
            return Ok(identity.with_client_id(agent));
        }
        Ok(match principal.identity_id()? {
            None => identity,
            Some(IdentityId::Client(id)) => identity.with_client_id(id),
            Some(IdentityId::Object(id)) => identity.with_object_id(id),
            Some(IdentityId::Resource(id)) => identity.with_resource_id(id),
        })
    }
}

impl Shared {
    /// Returns the parts for clients with these counters.
    pub(in crate::commands) fn new(counters: Arc<Counters>) -> Self {
        Self {
            counters,
            transports: Vec::new(),
        }
    }

    /// Builds a client that logs and counts its events.
    fn client(&self, builder: ClientBuilder) -> Result<Client, Failure> {
        let counters = Arc::clone(&self.counters);
        let observed = builder.observer(move |event: &Event<'_>| {
            log_event(event);
            counters.observe(event);
        });
        Ok(observed.build()?)
    }

    fn transport(&mut self, options: &IdentityOptions) -> Result<Logged<HyperTransport>, Failure> {
        let network = &options.principal.network;
        let (ca_file, timeout) = (network.ca_file(), network.timeout());
        let known = self
            .transports
            .iter()
            .find(|known| known.0.as_deref() == ca_file && known.1 == timeout);
        if let Some((.., transport)) = known {
            return Ok(transport.clone());
        }
        let transport = network.async_transport()?;
        self.transports
            .push((ca_file.map(Into::into), timeout, transport.clone()));
        Ok(transport)
    }
}

/// Converts an error of the options of a table.
fn in_file(error: &clap::Error) -> Failure {
    Failure::new(Exit::Configuration, usage(error))
}

/// Returns the policy of a client that caches nothing.
fn one_try() -> Policy {
    crate::commands::token::one_request()
}
