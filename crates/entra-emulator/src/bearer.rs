//! Verifying the emulator's own access tokens, as the APIs behind it and on-behalf-of requests get them.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::AUTHORIZATION;
use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::clock::unix;
use crate::config::Tenant;
use crate::core::Core;
use crate::exchange::Exchange;
use crate::keys::ALGORITHM;
use crate::recorder::Lint;

/// What an access token says, once it was verified.
#[derive(Deserialize)]
pub(crate) struct Claims {
    pub(crate) aud: String,
    iss: String,
    tid: String,
    exp: u64,
    #[serde(default)]
    nbf: u64,
    appid: Option<String>,
    azp: Option<String>,
    #[serde(default)]
    pub(crate) oid: String,
    #[serde(default)]
    pub(crate) roles: Vec<String>,
    /// Only tokens of users have it.
    pub(crate) scp: Option<String>,
    #[serde(default)]
    uti: String,
    #[serde(default)]
    xms_cc: Vec<String>,
}

/// What is wrong with a token, in the order in which it is looked for.
pub(crate) enum Flaw {
    Missing,
    Malformed,
    Signature,
    Expired,
    NotYet,
    Issuer,
    /// At this time, in seconds since the epoch; whether the client said that it can answer a claims challenge.
    Revoked {
        at: u64,
        can_answer: bool,
    },
}

impl Claims {
    /// The client the token was issued to.
    pub(crate) fn client_id(&self) -> &str {
        self.appid.as_deref().or(self.azp.as_deref()).unwrap_or_default()
    }

    /// Whether an app role or a scope of the token is one of these.
    pub(crate) fn has_any(&self, names: &[&str]) -> bool {
        self.permissions().iter().any(|held| names.contains(held))
    }

    /// Its app roles and scopes.
    pub(crate) fn permissions(&self) -> Vec<&str> {
        let scopes = self.scp.iter().flat_map(|scopes| scopes.split(' '));
        self.roles.iter().map(String::as_str).chain(scopes).collect()
    }

    /// Checks that neither the token was revoked nor the consent of its tenant.
    ///
    /// # Errors
    /// [`Flaw::Revoked`].
    pub(crate) fn check_revocation(&self, core: &Core) -> Result<(), Flaw> {
        if core.is_withdrawn(self.client_id(), &self.tid) {
            return Err(Flaw::Revoked {
                at: unix(core.clock.now()),
                can_answer: false,
            });
        }
        match core.revocations.revoked_at(self.client_id(), &self.uti) {
            None => Ok(()),
            Some(at) => Err(Flaw::Revoked {
                at,
                can_answer: self
                    .xms_cc
                    .iter()
                    .any(|capability| capability.eq_ignore_ascii_case("cp1")),
            }),
        }
    }
}

/// The bearer token of a request.
///
/// # Errors
/// [`Flaw::Missing`].
pub(crate) fn token(exchange: &mut Exchange<'_>) -> Result<String, Flaw> {
    if exchange.query.value("access_token").is_some() {
        exchange.lint(Lint::TokenInUrl);
    }
    let header = exchange.header(AUTHORIZATION).unwrap_or_default();
    match header.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") && !token.trim().is_empty() => {
            Ok(token.trim().to_owned())
        }
        _ => Err(Flaw::Missing),
    }
}

/// Verifies signature and lifetime.
///
/// # Errors
/// What is wrong with it first.
pub(crate) fn verify(exchange: &Exchange<'_>, token: &str) -> Result<Claims, Flaw> {
    let (message, signature) = token.rsplit_once('.').ok_or(Flaw::Malformed)?;
    let (header, claims) = message.split_once('.').ok_or(Flaw::Malformed)?;
    let header: Header = decode(header).ok_or(Flaw::Malformed)?;
    let claims: Claims = decode(claims).ok_or(Flaw::Malformed)?;
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| Flaw::Malformed)?;
    let published = exchange.core.keys.published();
    let key = published
        .into_iter()
        .find(|key| key.kid == header.kid)
        .filter(|_| header.alg == "RS256")
        .ok_or(Flaw::Signature)?;
    let verifier = (DEFAULT_PROVIDER.verifier_factory)(&ALGORITHM, &key.decoding()).map_err(|_| Flaw::Signature)?;
    verifier
        .verify(message.as_bytes(), &signature)
        .map_err(|_| Flaw::Signature)?;
    let now = unix(exchange.now);
    // APIs' own tolerance is not documented; none keeps tests exact.
    if claims.exp <= now {
        return Err(Flaw::Expired);
    }
    if claims.nbf > now {
        return Err(Flaw::NotYet);
    }
    Ok(claims)
}

/// The tenant whose token it is.
///
/// # Errors
/// [`Flaw::Issuer`].
pub(crate) fn tenant<'a>(core: &'a Core, claims: &Claims) -> Result<&'a Tenant, Flaw> {
    core.directory
        .tenant(&claims.tid)
        .filter(|tenant| core.issuers.is_issuer(&claims.iss, tenant))
        .ok_or(Flaw::Issuer)
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
