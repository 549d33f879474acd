//! What the options and the configuration file say, with the credentials read.

use std::sync::Arc;

use entra_client::Error;
use entra_client::observer::Counters;
use entra_proto::Target;
use entra_serve::{AccessKey, AllowedResources, Endpoint, EndpointBuilder, Identities, Identity, Sidecar};

use crate::commands::serve::apis;
use crate::commands::serve::arguments::Arguments;
use crate::commands::serve::config::ConfigFile;
use crate::commands::serve::identities::{IdentityOptions, Shared};
use crate::commands::serve::options::ServerOptions;
use crate::exit::{Exit, Failure};
use crate::sanitize::shown;

/// What a server does: its options, its identities and the APIs.
pub(super) struct Plan {
    pub(super) options: ServerOptions,
    pub(super) identities: Identities,
    pub(super) resources: AllowedResources,
    /// The variables with the secrets of the identities.
    pub(super) secret_variables: Vec<String>,
    sidecar: Option<Sidecar>,
    counters: Arc<Counters>,
}

impl Plan {
    /// Reads the configuration file and the credentials.
    ///
    /// # Errors
    /// Returns an error if a setting is missing or invalid, or a credential cannot be read.
    pub(super) fn load(arguments: &Arguments, counters: &Arc<Counters>) -> Result<Self, Failure> {
        let own = &arguments.identity;
        let file = arguments.config.as_deref();
        let file = file
            .map(|path| ConfigFile::read(path, &own.network_words()))
            .transpose()?;
        let file = file.unwrap_or_default();
        let (named, apis) = (file.identities, file.apis);
        let options = arguments.server.clone().over(file.options);
        options.check()?;
        if options.resources.is_empty() {
            return Err(
                Failure::text(Exit::Usage, "no resource: programs would get no tokens").hint(match arguments.config {
                    Some(_) => "name each API in the file, such as resources = [\"https://graph.microsoft.com\"]",
                    None => "name each API, such as --resource https://graph.microsoft.com",
                }),
            );
        }
        if !options.sidecar && !apis.is_empty() {
            let problem = "the tables of APIs have no effect without the routes of the sidecar";
            let failure = Failure::text(Exit::Configuration, problem);
            let failure = failure.hint("write sidecar = true, or remove the tables [api.NAME]");
            return Err(match &arguments.config {
                Some(path) => failure.context(shown(path)),
                None => failure,
            });
        }
        let resources = AllowedResources::new(&options.resources).map_err(Failure::from)?;
        let mut shared = Shared::new(Arc::clone(counters));
        let identities = match named.split_first() {
            None => Identities::new(own.identity(ONLY, &mut shared)?),
            Some(_) if let Some(flag) = own.flag() => {
                let problem = format!("{flag} has no effect beside the identities of the configuration file");
                return Err(Failure::text(Exit::Usage, problem).hint("remove it, or the tables [identity.NAME]"));
            }
            Some((default, others)) => {
                let mut identity = |named: &super::config::Named| {
                    let identity = named.options.identity(&named.name, &mut shared);
                    identity.map_err(|failure| failure.context(&named.place))
                };
                let mut identities = Identities::new(identity(default)?);
                for other in others {
                    identities = identities.with(identity(other)?).map_err(Failure::from)?;
                }
                identities
            }
        };
        let sidecar = options.sidecar.then(|| apis::sidecar(apis, &identities, own.network()));
        let of_file = named.iter().map(|named| &named.options);
        let all = of_file.chain([own]).flat_map(IdentityOptions::secret_variables);
        let plan = Self {
            secret_variables: all.collect(),
            options,
            identities,
            resources,
            sidecar: sidecar.transpose()?,
            counters: Arc::clone(counters),
        };
        // The APIs are checked with the rest, and not only when the server starts.
        let _ = plan.builder()?;
        Ok(plan)
    }

    /// Returns the settings of the endpoint, which its clients use with this key.
    ///
    /// # Errors
    /// Returns an error if an API of the sidecar names an unknown identity or resource.
    pub(super) fn settings(&self, key: &AccessKey) -> Result<EndpointBuilder, Failure> {
        let mut builder = self.builder()?.app_service(key.clone());
        if self.options.azd {
            builder = builder.azd(key.clone());
        }
        Ok(builder)
    }

    /// Returns the settings without the protocols that have a key.
    fn builder(&self) -> Result<EndpointBuilder, Failure> {
        let options = &self.options;
        let mut builder = Endpoint::builder(self.identities.clone(), self.resources.clone())
            .counters(Arc::clone(&self.counters))
            .remote_callers(options.allow_remote);
        if options.imds {
            builder = builder.imds();
        }
        if let Some(sidecar) = &self.sidecar {
            builder = builder.sidecar(sidecar.clone()).map_err(Failure::from)?;
        }
        if options.any_user {
            builder = builder.any_user();
        }
        if options.any_tenant {
            builder = builder.any_tenant();
        }
        for name in &options.names {
            builder = builder.host(name);
        }
        Ok(builder)
    }

    /// Requests the tokens of all identities for all APIs. Returns the failures with the name of
    /// the identity and the API.
    pub(super) async fn prefetch(&self) -> Vec<(String, Error)> {
        let mut requests = tokio::task::JoinSet::new();
        for identity in self.identities.iter() {
            for resource in self.resources.iter() {
                requests.spawn(request(identity.clone(), resource.to_owned()));
            }
        }
        requests.join_all().await.into_iter().flatten().collect()
    }
}

async fn request(identity: Identity, resource: String) -> Option<(String, Error)> {
    let target = Target::resource(&resource).expect("it is on the list");
    let error = identity.client().token(&target).await.err()?;
    Some((format!("{} for {resource}", identity.name()), error))
}

/// The name of the identity of the command line.
const ONLY: &str = "default";
