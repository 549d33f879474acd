//! The tokens of managed identities, and the bodies that carry them.

use serde_json::{Map, Value, json};

use crate::aadsts::Rejection;
use crate::config::{App, ManagedIdentity, TokenVersion};
use crate::exchange::Exchange;
use crate::protocol::token::client_auth::Proof;
use crate::protocol::token::mint::{self, Grant, Token, Validity};
use crate::protocol::token::request::RequestedClaims;

/// Issues a token of a managed identity for a resource, and records the identity.
///
/// # Errors
/// Returns AADSTS700016 for a removed identity, 500011 for an unknown resource, and 501051 for an
/// API that demands a role.
pub(super) fn issue(
    exchange: &mut Exchange<'_>,
    (identity, principal): (&ManagedIdentity, &App),
    resource: &str,
    capabilities: Vec<String>,
) -> Result<Token, Rejection> {
    let state = exchange.state;
    exchange.event.client_id = Some(identity.client_id.clone());
    exchange.event.tenant.clone_from(&identity.tenant);
    let tenant = identity.tenant.as_deref().and_then(|id| state.directory.tenant(id));
    let tenant = tenant.unwrap_or_else(|| state.first_tenant());
    // An administrator may have removed the service principal.
    if !state.is_present(principal, tenant) {
        return Err(Rejection::new(700016).with(&identity.client_id).with(&tenant.name));
    }
    let api = state.directory.find_api(resource, &tenant.name)?;
    let roles = state.roles(principal, api, tenant);
    if api.assignment_required && roles.is_empty() {
        let rejection = Rejection::new(501051).with(&identity.client_id).with(&identity.name);
        return Err(rejection.with(&api.app_id).with(&api.name));
    }
    let validity = Validity::lasting(exchange, None, state.identity_lifetime);
    let grant = Grant {
        tenant,
        app: principal,
        api,
        resource,
        roles,
        // The platform authenticates with a certificate.
        proof: Proof::Certificate,
        requested: RequestedClaims {
            capabilities,
            ..RequestedClaims::default()
        },
    };
    let mut claims = mint::app_claims(exchange, &grant, &validity);
    for (name, value) in [
        ("oid", &*identity.object_id),
        ("sub", &*identity.object_id),
        ("idtyp", "app"),
        ("xms_mirid", &*identity.resource_id),
    ] {
        claims.insert(name.to_owned(), json!(value));
    }
    let key = state.keys.signing();
    let x5t = (api.token_version == TokenVersion::V1).then_some(key.kid);
    Ok(Token {
        text: mint::sign(key, x5t, &mint::in_order(claims)),
        expires_in: state.identity_lifetime - 1,
        refresh_in: None,
        expires_on: validity.expires_on,
        not_before: validity.not_before,
    })
}

/// Returns the body of IMDS and Azure Arc, in which every number is a string.
pub(super) fn body(token: &Token, resource: &str) -> Map<String, Value> {
    [
        ("access_token", token.text.clone()),
        ("refresh_token", String::new()),
        ("expires_in", token.expires_in.to_string()),
        ("expires_on", token.expires_on.to_string()),
        ("not_before", token.not_before.to_string()),
        ("resource", resource.to_owned()),
        ("token_type", "Bearer".to_owned()),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), json!(value)))
    .collect()
}
