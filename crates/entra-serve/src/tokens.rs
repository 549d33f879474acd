//! Tokens from the caches of the identities, and the reasons to reject a request.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use entra_client::{Client, Error, Token, TokenOptions};
use entra_proto::{Target, Tenant, Timestamp};

use crate::ask::{Ask, Party};
use crate::identity::{Identities, Identity};
use crate::resources::AllowedResources;

/// The tokens of a server.
#[derive(Debug)]
pub(crate) struct Tokens {
    pub(crate) identities: Identities,
    pub(crate) resources: AllowedResources,
    /// True if a request may name another tenant than that of the identity.
    pub(crate) any_tenant: bool,
}

/// A token with the identity that it was issued to.
pub(crate) struct Issued<'a> {
    pub(crate) token: Token,
    /// The time of the response.
    pub(crate) now: Timestamp,
    pub(crate) identity: &'a Identity,
    /// True if nothing was requested for it.
    pub(crate) is_cached: bool,
    /// The places of the identity and the API in their lists. `None` for a token of another tenant
    /// or party, or with claims.
    pub(crate) place: Option<(usize, usize)>,
}

/// The reason why a request gets no token.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The request is malformed: what is wrong with it.
    Malformed(Cow<'static, str>),
    /// The body is longer than the protocol allows.
    TooLong,
    /// No program of this machine sends such a request: how that shows.
    Untrusted(&'static str),
    /// The secret of the protocol is missing or wrong: the header that carries it.
    WrongKey(&'static str),
    /// The method is another one: the value of `Allow`.
    Method(&'static str),
    /// The API is not on the list.
    NotAllowed,
    /// No identity has the ID that the request names.
    UnknownIdentity,
    /// The tenant is another one than that of the identity, and those are not allowed.
    OtherTenant,
    /// The client has no token.
    Failed(Error),
    /// The client has taken too long.
    TooSlow,
}

impl Tokens {
    /// Returns the token that a request asks for. If it is cached, nothing is awaited.
    pub(crate) async fn issue(&self, ask: &Ask) -> Result<Issued<'_>, Refusal> {
        let resource = self.resources.find(&ask.target).ok_or(Refusal::NotAllowed)?;
        let chosen = self.identities.choose(&ask.identity);
        let (place, identity) = chosen.ok_or(Refusal::UnknownIdentity)?;
        let named = ask.tenant.as_ref();
        let may_name = self.any_tenant || ask.is_own_tenant;
        if !may_name && named.is_some_and(|tenant| !is_tenant_of(identity, tenant)) {
            return Err(Refusal::OtherTenant);
        }
        let other = client_for(identity, ask);
        let client = other.as_ref().unwrap_or_else(|| identity.client());
        let target = self.resources.spelled(&ask.target, resource);
        let plain = ask.claims.is_none() && !ask.force_refresh;
        let cached = if plain { client.cached(&target) } else { None };
        let is_cached = cached.is_some();
        let token = match cached {
            Some(token) => token,
            None => tokio::time::timeout(LONGEST_REQUEST, request(client, &target, ask))
                .await
                .map_err(|_| Refusal::TooSlow)?
                .map_err(Refusal::Failed)?,
        };
        Ok(Issued {
            token,
            now: now(),
            identity,
            is_cached,
            place: (other.is_none() && ask.claims.is_none()).then_some((place, resource)),
        })
    }
}

/// Returns the handle to an identity's client for the tenant and the party of a request, if those
/// are not the identity's own.
fn client_for(identity: &Identity, ask: &Ask) -> Option<Client> {
    let mut other = None;
    let own = identity.client();
    if let Some(tenant) = &ask.tenant {
        other = Some(own.tenant(tenant.clone()));
    }
    if let Some(agent) = ask.agent {
        other = Some(other.as_ref().unwrap_or(own).agent(agent));
    }
    let client = other.as_ref().unwrap_or(own);
    match &ask.party {
        Party::Itself => other,
        Party::AgentUser(user) => Some(client.agent_user(user.clone())),
        Party::OnBehalfOf(assertion) => Some(client.on_behalf_of(assertion)),
        Party::Vouched(path) => Some(client.vouching_for(path)),
    }
}

/// Returns true if this is the tenant of the identity, by the name that the identity has for it.
fn is_tenant_of(identity: &Identity, tenant: &Tenant) -> bool {
    let authority = identity.client().authority();
    authority.is_ok_and(|authority| authority.tenant() == tenant)
}

async fn request(client: &Client, target: &Target, ask: &Ask) -> Result<Token, Error> {
    let mut options = TokenOptions::default().with_force_refresh(ask.force_refresh);
    if let Some(claims) = &ask.claims {
        options = options.with_claims(claims.clone());
    }
    client.token_with(target, &options).await
}

/// Returns the time of day.
fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    Timestamp::from_epoch(since_epoch.unwrap_or_default())
}

/// The longest time of a request. The client's own limits are shorter, mostly. It completes the
/// request after this time, too, for the next caller.
const LONGEST_REQUEST: Duration = Duration::from_secs(60);
