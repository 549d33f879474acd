//! The caller of a Graph request, and the errors for rejected tokens.

use crate::api::graph::denial::Denial;
use crate::bearer::{self, Claims, Flaw};
use crate::config::Tenant;
use crate::exchange::Exchange;
use crate::time::unix;
use crate::well_known::GRAPH_APP_ID;

/// The application behind a verified token, and the user if there is one.
pub(crate) struct Caller<'a> {
    pub(crate) tenant: &'a Tenant,
    pub(crate) client_id: String,
    /// The object ID of the user, if the token is a user's.
    pub(crate) user: Option<String>,
    claims: Claims,
}

impl Caller<'_> {
    /// Checks that the token carries one of these permissions, as a role or as a scope.
    ///
    /// # Errors
    /// Returns status 403 if it carries none of them.
    pub(crate) fn needs(&self, any_of: &[&str]) -> Result<(), Denial> {
        if self.claims.has_any(any_of) {
            Ok(())
        } else {
            Err(Denial::privileges())
        }
    }

    /// Checks that the token is a user's and carries this scope.
    ///
    /// # Errors
    /// Returns status 403 if it does not.
    pub(crate) fn needs_scope(&self, name: &str) -> Result<(), Denial> {
        if self.claims.has_scope(name) {
            Ok(())
        } else {
            Err(Denial::privileges())
        }
    }
}

/// Verifies the token of a request, and counts the request against the quota.
pub(crate) fn caller<'a>(exchange: &mut Exchange<'a>) -> Result<Caller<'a>, Denial> {
    let bearer::Caller { tenant, claims } = bearer::Caller::of(exchange, GRAPH_APP_ID)?;
    let client_id = claims.client_id().to_owned();
    if let Some(most) = exchange.state.graph_requests_per_minute {
        let by = format!("{} {client_id}", tenant.id);
        let quota = &exchange.state.graph_quota;
        quota.take(&by, most, unix(exchange.now)).map_err(Denial::throttled)?;
    }
    Ok(Caller {
        tenant,
        client_id,
        user: claims.user().map(str::to_owned),
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
            Flaw::Audience(_) => Self::token("Access token validation failure. Invalid audience."),
            Flaw::Revoked {
                at,
                handles_claims: true,
            } => Self::claims(at),
            Flaw::Revoked {
                handles_claims: false, ..
            } => Self::revoked(),
        }
    }
}
