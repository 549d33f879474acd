//! Tokens: the client with its credential, renewed ahead of need.

use std::collections::HashMap;
use std::error::Error;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use entra_client::observer::EventKind;
use entra_client::{Client, Policy};
use entra_proto::cache::Lifetime;
use entra_proto::{Application, Authority, ClientCredential, ClientId, ClientSecret, Cloud, Tenant};
use entra_transport_hyper::HyperTransport;

use crate::arguments::Arguments;
use crate::common;
use crate::event::{Event, Observers};

/// Builds the client of all tenants. `home` is only where it starts from: each tenant has tokens of
/// its own.
///
/// # Errors
/// Returns an error if a variable is missing or wrong, or the certificate cannot be used.
pub(crate) fn client(
    arguments: &Arguments,
    cloud: &Cloud,
    client_id: ClientId,
    home: Tenant,
    observers: Observers,
) -> Result<Client, Box<dyn Error>> {
    let authority = Authority::new(cloud.clone(), home)?;
    let app = Application::new(authority, client_id, credential()?).with_endpoint_version(arguments.endpoint.into());
    let transport = HyperTransport::builder().for_cloud(cloud).build()?;
    let renewals = Renewals {
        observers,
        tokens: Mutex::default(),
    };
    let client = Client::builder(app, transport)
        .policy(policy(arguments.renew_after))
        .observer(move |event: &entra_client::observer::Event<'_>| {
            if let (EventKind::Acquired, Some(lifetime)) = (event.kind, event.lifetime) {
                renewals.acquired(event.tenant, lifetime);
            }
        });
    Ok(client.build()?)
}

/// Returns what redeems authorization codes: the secret, as in the document; without one, the
/// certificate.
///
/// # Errors
/// As for [`client`].
pub(crate) fn redeemer() -> Result<ClientCredential, Box<dyn Error>> {
    match common::optional("AZURE_CLIENT_SECRET")? {
        Some(secret) => Ok(ClientSecret::new(secret)?.into()),
        None => credential(),
    }
}

/// The certificate, which the document demands; without one, the secret.
fn credential() -> Result<ClientCredential, Box<dyn Error>> {
    if common::optional("AZURE_CLIENT_CERTIFICATE_PATH")?.is_some() {
        return Ok(common::certificate()?.into());
    }
    let secret = common::optional("AZURE_CLIENT_SECRET")?
        .ok_or("neither AZURE_CLIENT_CERTIFICATE_PATH nor AZURE_CLIENT_SECRET is set")?;
    Ok(ClientSecret::new(secret)?.into())
}

/// Renews a token once this part of its life is over, whatever its length: by default, the client
/// waits for its last five minutes unless it lives for two hours or more. A renewal runs in the
/// background, so that no call waits for it.
fn policy(renew_after: f64) -> Policy {
    let mut policy = Policy::default();
    policy.freshness.refresh_fraction = renew_after;
    policy.freshness.refresh_min_life = Duration::ZERO;
    // Tenants come to their tokens one after the other, so they do not renew together either.
    policy.freshness.jitter = 0.0;
    // A token that is renewed late in its life is used until then.
    policy.freshness.margin_fraction = policy.freshness.margin_fraction.min((1.0 - renew_after) / 2.0);
    policy
}

/// What the client reports of tokens, turned into events.
struct Renewals {
    observers: Observers,
    /// The life of each tenant's latest token. As many as there are tenants.
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
        self.observers.tell(&event);
    }
}
