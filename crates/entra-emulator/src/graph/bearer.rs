//! Verifying the bearer token of a Graph request against the emulator's own keys, clock and revocations.

use crate::bearer::{self, Claims, Flaw};
use crate::clock::unix;
use crate::config::Tenant;
use crate::exchange::Exchange;
use crate::graph::Denial;
use crate::well_known::{GRAPH, GRAPH_APP_ID};

/// The app behind a verified token, and the user if there is one.
pub(crate) struct Caller<'a> {
    pub(crate) tenant: &'a Tenant,
    pub(crate) client_id: String,
    /// The object id of the user, for a token of one.
    pub(crate) user: Option<String>,
    claims: Claims,
}

impl Caller<'_> {
    /// Whether the token carries one of these, as a role or as a scope.
    pub(crate) fn needs(&self, any_of: &[&str]) -> Result<(), Denial> {
        if self.claims.has_any(any_of) {
            Ok(())
        } else {
            Err(Denial::privileges())
        }
    }
}

/// Verifies signature, lifetime, audience, issuer and that it was not revoked, in this order, and counts the request.
pub(crate) fn caller<'a>(exchange: &mut Exchange<'a>) -> Result<Caller<'a>, Denial> {
    let token = bearer::token(exchange)?;
    let claims = bearer::verify(exchange, &token)?;
    let audience = claims.aud.trim_end_matches('/');
    if audience != GRAPH && claims.aud != GRAPH_APP_ID {
        return Err(Denial::token("Access token validation failure. Invalid audience."));
    }
    let tenant = bearer::tenant(exchange.core, &claims)?;
    let client_id = claims.client_id().to_owned();
    exchange.event.client_id = Some(client_id.clone());
    exchange.event.tenant = Some(tenant.id.clone());
    claims.check_revocation(exchange.core)?;
    if let Some(most) = exchange.core.graph_requests_per_minute {
        let by = format!("{} {client_id}", tenant.id);
        let quota = &exchange.core.graph_quota;
        quota.take(&by, most, unix(exchange.now)).map_err(Denial::throttled)?;
    }
    Ok(Caller {
        tenant,
        client_id,
        user: claims.scp.is_some().then(|| claims.oid.clone()),
        claims,
    })
}

impl From<Flaw> for Denial {
    fn from(flaw: Flaw) -> Self {
        match flaw {
            Flaw::Missing => Self::token("Access token is empty."),
            Flaw::Malformed => Self::token("IDX14100: JWT is not well formed, there are no three parts of base64url."),
            Flaw::Signature => Self::token("Access token validation failure. Invalid signature."),
            Flaw::Expired => Self::token("Lifetime validation failed, the token is expired."),
            Flaw::NotYet => Self::token("Lifetime validation failed, the token is not valid yet."),
            Flaw::Issuer => Self::token("Access token validation failure. Invalid issuer."),
            Flaw::Revoked { at, can_answer: true } => Self::claims(at),
            Flaw::Revoked { can_answer: false, .. } => Self::revoked(),
        }
    }
}
