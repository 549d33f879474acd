//! What the options and the configuration file say, with the credentials read.

use entra_client::Error;
use entra_proto::Target;
use entra_serve::{AccessKey, AllowedResources, Endpoint, Identities, Identity, SetupError};

use crate::commands::serve::Arguments;
use crate::commands::serve::config::ConfigFile;
use crate::commands::serve::identities::Transports;
use crate::commands::serve::options::ServerOptions;
use crate::exit::{Exit, Failure};

/// What a server does: its options, its identities and the APIs.
pub(super) struct Plan {
    pub(super) options: ServerOptions,
    pub(super) identities: Identities,
    pub(super) resources: AllowedResources,
}

impl Plan {
    /// Reads the configuration file and the credentials.
    ///
    /// # Errors
    /// Returns an error if a setting is missing or invalid, or a credential cannot be read.
    pub(super) fn load(arguments: &Arguments) -> Result<Self, Failure> {
        let own = &arguments.identity;
        let file = arguments.config.as_deref();
        let file = file
            .map(|path| ConfigFile::read(path, &own.network_words()))
            .transpose()?;
        let (options, named) = match file {
            Some(file) => (arguments.server.clone().over(file.options), file.identities),
            None => (arguments.server.clone(), Vec::new()),
        };
        options.check()?;
        if options.resources.is_empty() {
            return Err(
                Failure::text(Exit::Usage, "no resource: programs would get no tokens").hint(match arguments.config {
                    Some(_) => "name each API in the file, such as resources = [\"https://graph.microsoft.com\"]",
                    None => "name each API, such as --resource https://graph.microsoft.com",
                }),
            );
        }
        let resources = AllowedResources::new(&options.resources).map_err(setup_failure)?;
        let mut transports = Transports::default();
        let identities = match named.split_first() {
            None => Identities::new(own.identity(ONLY, &mut transports)?),
            Some(_) if let Some(flag) = own.flag() => {
                let problem = format!("{flag} has no effect beside the identities of the configuration file");
                return Err(Failure::text(Exit::Usage, problem).hint("remove it, or the tables [identity.NAME]"));
            }
            Some((default, others)) => {
                let mut identity = |named: &super::config::Named| {
                    let identity = named.options.identity(&named.name, &mut transports);
                    identity.map_err(|failure| failure.context(&named.place))
                };
                let mut identities = Identities::new(identity(default)?);
                for other in others {
                    identities = identities.with(identity(other)?).map_err(setup_failure)?;
                }
                identities
            }
        };
        Ok(Self {
            options,
            identities,
            resources,
        })
    }

    /// Returns the endpoint, which its clients use with this key.
    pub(super) fn endpoint(&self, key: &AccessKey) -> Endpoint {
        let options = &self.options;
        let mut builder = Endpoint::builder(self.identities.clone(), self.resources.clone())
            .app_service(key.clone())
            .remote_callers(options.allow_remote);
        if options.imds {
            builder = builder.imds();
        }
        if options.azd {
            builder = builder.azd(key.clone());
        }
        if options.any_tenant {
            builder = builder.any_tenant();
        }
        for name in &options.names {
            builder = builder.host(name);
        }
        builder.build()
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

/// Converts an error of the library.
pub(super) fn setup_failure(error: SetupError) -> Failure {
    let hint = error.hint().to_owned();
    Failure::of(Exit::Configuration, &error).hint(hint)
}

/// The name of the identity of the command line.
const ONLY: &str = "default";
