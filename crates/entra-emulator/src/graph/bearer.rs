//! Verifying the bearer token of a Graph request against the emulator's own keys, clock and revocations.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::AUTHORIZATION;
use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::clock::unix;
use crate::config::{Tenant, TokenVersion};
use crate::directory::{GRAPH, GRAPH_APP_ID};
use crate::exchange::Exchange;
use crate::graph::Denial;
use crate::keys::ALGORITHM;
use crate::recorder::Lint;

/// The app behind a verified token.
pub(crate) struct Caller<'a> {
    pub(crate) tenant: &'a Tenant,
    pub(crate) client_id: String,
    roles: Vec<String>,
}

impl Caller<'_> {
    /// Whether the token carries one of these roles.
    pub(crate) fn needs(&self, any_of: &[&str]) -> Result<(), Denial> {
        let has = self.roles.iter().any(|role| any_of.contains(&role.as_str()));
        if has { Ok(()) } else { Err(Denial::privileges()) }
    }
}

/// Verifies signature, lifetime, audience, issuer and that it was not revoked, in this order.
pub(crate) fn caller<'a>(exchange: &mut Exchange<'a>) -> Result<Caller<'a>, Denial> {
    if exchange.query.value("access_token").is_some() {
        exchange.lint(Lint::TokenInUrl);
    }
    let header = exchange.header(AUTHORIZATION).unwrap_or_default();
    let token = match header.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
        _ => "",
    };
    if token.is_empty() {
        return Err(Denial::token("Access token is empty."));
    }
    let claims = verify(exchange, token)?;
    let core = exchange.core;
    let now = unix(exchange.now);
    if claims.exp <= now.saturating_sub(LEEWAY) {
        return Err(Denial::token("Lifetime validation failed, the token is expired."));
    }
    if claims.nbf > now + LEEWAY {
        return Err(Denial::token("Lifetime validation failed, the token is not valid yet."));
    }
    let audience = claims.aud.trim_end_matches('/');
    if audience != GRAPH && claims.aud != GRAPH_APP_ID {
        return Err(Denial::token("Access token validation failure. Invalid audience."));
    }
    let tenant = core
        .directory
        .tenant(&claims.tid)
        .filter(|tenant| {
            [TokenVersion::V1, TokenVersion::V2]
                .iter()
                .any(|version| core.issuers.of(tenant, *version) == claims.iss)
        })
        .ok_or_else(|| Denial::token("Access token validation failure. Invalid issuer."))?;
    let client_id = claims.appid.or(claims.azp).unwrap_or_default();
    exchange.event.client_id = Some(client_id.clone());
    exchange.event.tenant = Some(tenant.id.clone());
    if let Some(at) = core.revocations.revoked_at(&client_id, &claims.uti) {
        let can_answer = claims
            .xms_cc
            .iter()
            .any(|capability| capability.eq_ignore_ascii_case("cp1"));
        return Err(if can_answer {
            Denial::claims(at)
        } else {
            Denial::revoked()
        });
    }
    Ok(Caller {
        tenant,
        client_id,
        roles: claims.roles,
    })
}

fn verify(exchange: &Exchange<'_>, token: &str) -> Result<Claims, Denial> {
    let malformed = || Denial::token("IDX14100: JWT is not well formed, there are no three parts of base64url.");
    let (message, signature) = token.rsplit_once('.').ok_or_else(malformed)?;
    let (header, claims) = message.split_once('.').ok_or_else(malformed)?;
    let header: Header = decode(header).ok_or_else(malformed)?;
    let claims: Claims = decode(claims).ok_or_else(malformed)?;
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| malformed())?;
    let invalid = || Denial::token("Access token validation failure. Invalid signature.");
    let published = exchange.core.keys.published();
    let key = published
        .into_iter()
        .find(|key| key.kid == header.kid)
        .filter(|_| header.alg == "RS256")
        .ok_or_else(invalid)?;
    let verifier = (DEFAULT_PROVIDER.verifier_factory)(&ALGORITHM, &key.decoding()).map_err(|_| invalid())?;
    verifier.verify(message.as_bytes(), &signature).map_err(|_| invalid())?;
    Ok(claims)
}

fn decode<T: DeserializeOwned>(part: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    kid: String,
}

#[derive(Deserialize)]
struct Claims {
    aud: String,
    iss: String,
    tid: String,
    exp: u64,
    #[serde(default)]
    nbf: u64,
    appid: Option<String>,
    azp: Option<String>,
    #[serde(default)]
    roles: Vec<String>,
    #[serde(default)]
    uti: String,
    #[serde(default)]
    xms_cc: Vec<String>,
}

/// Seconds an expired token still counts. Graph's own tolerance is not documented; none keeps tests exact.
const LEEWAY: u64 = 0;
