//! The client that gets the tokens: its credential and early renewal.

use std::collections::HashMap;
use std::error::Error;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use entra_client::observer::EventKind;
use entra_client::{Client, Policy};
use entra_proto::acquired::AcquiredCredential;
use entra_proto::cache::Lifetime;
use entra_proto::managed_identity::{Identity, ManagedIdentity};
use entra_proto::{Application, Authority, ClientCredential, ClientId, ClientSecret, Cloud, Tenant};
use entra_transport::LocalHost;
use entra_transport_hyper::HyperTransport;

use crate::arguments::Arguments;
use crate::common;
use crate::event::{Event, Observers};

/// Builds the client of all tenants. `home` is only its starting point: each tenant has its own
/// tokens.
///
/// # Errors
/// Returns an error if a variable is missing or invalid, or the certificate or the managed identity
/// cannot be used.
pub(crate) fn client(
    arguments: &Arguments,
    cloud: &Cloud,
    client_id: ClientId,
    home: Tenant,
    observers: Observers,
) -> Result<Client, Box<dyn Error>> {
    let authority = Authority::new(cloud.clone(), home)?;
    let app = Application::new(authority, client_id, credential(arguments, cloud)?)
        .with_endpoint_version(arguments.endpoint.into());
    let transport = HyperTransport::builder().for_cloud(cloud).build()?;
    let renewals = Renewals {
        observers,
        tokens: Mutex::default(),
    };
    let client = Client::builder(app, transport)
        .policy(policy(arguments.renew_after))
        .observer(move |event: &entra_client::observer::Event<'_>| {
            if let (EventKind::Acquired, Some(tenant), Some(lifetime)) = (event.kind, event.tenant, event.lifetime) {
                renewals.acquired(tenant, lifetime);
            }
        });
    Ok(client.build()?)
}

/// Returns the credential that redeems authorization codes: the managed identity, the secret, as in
/// the document, or else the certificate.
///
/// # Errors
/// Returns the errors of [`client`].
pub(crate) fn redeemer(arguments: &Arguments, cloud: &Cloud) -> Result<ClientCredential, Box<dyn Error>> {
    if arguments.managed_identity.is_none()
        && let Some(secret) = common::optional("AZURE_CLIENT_SECRET")?
    {
        return Ok(ClientSecret::new(secret)?.into());
    }
    credential(arguments, cloud)
}

/// Returns the managed identity that the command line names, whose tokens are the client assertions
/// of the application; or the certificate, which the document requires; or else the secret.
fn credential(arguments: &Arguments, cloud: &Cloud) -> Result<ClientCredential, Box<dyn Error>> {
    if let Some(client_id) = arguments.managed_identity {
        let identity = ManagedIdentity::new(Identity::client_id(client_id), LocalHost);
        return Ok(AcquiredCredential::of_user_assigned(&identity, cloud)?.into());
    }
    if common::optional("AZURE_CLIENT_CERTIFICATE_PATH")?.is_some() {
        return Ok(common::certificate()?.into());
    }
    let secret = common::optional("AZURE_CLIENT_SECRET")?.ok_or(
        "neither AZURE_CLIENT_CERTIFICATE_PATH nor AZURE_CLIENT_SECRET is set, and --managed-identity is not given",
    )?;
    Ok(ClientSecret::new(secret)?.into())
}

/// Renews each token after this fraction of its lifetime. By default, the client renews a token in
/// its last five minutes, unless it lives for two hours or more. Renewal runs in the background, so
/// that no call waits for it.
fn policy(renew_after: f64) -> Policy {
    let mut policy = Policy::default();
    policy.freshness.refresh_fraction = renew_after;
    policy.freshness.refresh_min_life = Duration::ZERO;
    // Tenants get their tokens one after the other, so their renewals are spread out as well.
    policy.freshness.jitter = 0.0;
    // A token that is renewed late in its life is used until then.
    policy.freshness.margin_fraction = policy.freshness.margin_fraction.min((1.0 - renew_after) / 2.0);
    policy
}

/// Turns the client's token events into events of the collector.
struct Renewals {
    observers: Observers,
    /// The lifetime of each tenant's latest token, with one entry for each tenant.
    tokens: Mutex<HashMap<Tenant, Lifetime>>,
}

impl Renewals {
    fn acquired(&self, tenant: &Tenant, lifetime: Lifetime) {
        let older = {
            let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
            tokens.insert(tenant.clone(), lifetime)
        };
        let event = match older {
            None => Event::TokenAcquired {
                tenant,
                life: lifetime.expires_at.since(lifetime.received_at),
            },
            Some(older) => Event::TokenRenewed {
                tenant,
                after: lifetime.received_at.since(older.received_at),
                left: older.expires_at.since(lifetime.received_at),
            },
        };
        self.observers.notify(&event);
    }
}
