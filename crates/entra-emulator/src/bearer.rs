//! Verification of the emulator's access tokens, for its APIs and for on-behalf-of requests. Each
//! caller converts a [`Flaw`] to its own kind of error.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::AUTHORIZATION;
use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::config::{Tenant, TokenVersion};
use crate::exchange::Exchange;
use crate::state::State;
use crate::state::keys::ALGORITHM;
use crate::state::recorder::Lint;
use crate::time::unix;

/// The application or user that calls an API with an accepted token.
pub(crate) struct Caller<'a> {
    /// The tenant that issued the token.
    pub(crate) tenant: &'a Tenant,
    pub(crate) claims: Claims,
}

/// An access token that this emulator issued and that is valid now. It may be for another API, or
/// revoked.
pub(crate) struct Token<'a> {
    /// The tenant that issued it.
    pub(crate) tenant: &'a Tenant,
    claims: Claims,
}

/// The claims of a verified access token.
#[derive(Deserialize)]
pub(crate) struct Claims {
    aud: String,
    iss: String,
    tid: String,
    exp: u64,
    #[serde(default)]
    nbf: u64,
    appid: Option<String>,
    azp: Option<String>,
    #[serde(default)]
    oid: String,
    #[serde(default)]
    roles: Vec<String>,
    /// The scopes, which only tokens of users contain.
    scp: Option<String>,
    #[serde(default)]
    uti: String,
    #[serde(default)]
    xms_cc: Vec<String>,
    #[serde(default)]
    ver: String,
    #[serde(flatten)]
    others: Map<String, Value>,
}

/// The first flaw of a token, in the order of the checks.
pub(crate) enum Flaw {
    Missing,
    Malformed,
    Signature,
    Expired,
    NotYet,
    Issuer,
    /// The token is for the API with this name.
    Audience(String),
    /// The token was revoked at this time, in seconds since the epoch. `handles_claims` is true if
    /// the client declared that it handles claims challenges.
    Revoked {
        at: u64,
        handles_claims: bool,
    },
}

impl<'a> Caller<'a> {
    /// Verifies the bearer token of a request to an API, which is given by one of its names, and
    /// records the caller.
    ///
    /// # Errors
    /// Returns the token's first flaw.
    pub(crate) fn of(exchange: &mut Exchange<'a>, api: &str) -> Result<Self, Flaw> {
        let text = text(exchange)?;
        let token = Token::verify(exchange, &text)?;
        exchange.event.client_id = Some(token.claims.client_id().to_owned());
        exchange.event.tenant = Some(token.tenant.id.clone());
        token.accept(exchange.state, api)
    }
}

impl<'a> Token<'a> {
    /// Verifies that this emulator issued a token, in an existing tenant, and that it is valid now.
    ///
    /// # Errors
    /// Returns the first flaw in its form, signature, time or issuer.
    pub(crate) fn verify(exchange: &Exchange<'a>, text: &str) -> Result<Self, Flaw> {
        let claims = signed(exchange.state, text)?;
        let now = unix(exchange.now);
        // The tolerance of the real APIs is not documented. Zero tolerance keeps tests exact.
        if claims.exp <= now {
            return Err(Flaw::Expired);
        }
        if claims.nbf > now {
            return Err(Flaw::NotYet);
        }
        let state = exchange.state;
        let tenant = state.directory.tenant(&claims.tid);
        let version = match claims.ver.as_str() {
            "1.0" => TokenVersion::V1,
            "2.0" => TokenVersion::V2,
            _ => return Err(Flaw::Issuer),
        };
        let tenant = tenant.filter(|tenant| state.issuers.is_issuer(&claims.iss, tenant, version));
        Ok(Self {
            tenant: tenant.ok_or(Flaw::Issuer)?,
            claims,
        })
    }

    /// Accepts the token for an API, which is given by one of its names.
    ///
    /// # Errors
    /// Returns an error if the token is for another API or was revoked.
    pub(crate) fn accept(self, state: &State, api: &str) -> Result<Caller<'a>, Flaw> {
        let Self { tenant, claims } = self;
        let app_id = |name: &str| state.directory.api(name).map(|api| &api.app_id);
        let own = app_id(api);
        if own.is_none() || app_id(&claims.aud) != own {
            return Err(Flaw::Audience(claims.aud));
        }
        claims.check_revocation(state)?;
        Ok(Caller { tenant, claims })
    }
}

impl Claims {
    /// Returns the client to which the token was issued.
    pub(crate) fn client_id(&self) -> &str {
        self.appid.as_deref().or(self.azp.as_deref()).unwrap_or_default()
    }

    /// Returns the object ID of the token's user, if there is one.
    pub(crate) fn user(&self) -> Option<&str> {
        self.scp.as_ref().map(|_| self.oid.as_str())
    }

    pub(crate) fn has_role(&self, name: &str) -> bool {
        self.roles.iter().any(|role| role == name)
    }

    pub(crate) fn has_scope(&self, name: &str) -> bool {
        self.scopes().any(|scope| scope == name)
    }

    /// Returns the app roles and the scopes.
    pub(crate) fn permissions(&self) -> impl Iterator<Item = &str> {
        self.roles.iter().map(String::as_str).chain(self.scopes())
    }

    fn scopes(&self) -> impl Iterator<Item = &str> {
        self.scp.iter().flat_map(|scopes| scopes.split(' '))
    }

    /// Returns whether one of these names is an app role or a scope of the token.
    pub(crate) fn has_any(&self, names: &[&str]) -> bool {
        self.permissions().any(|held| names.contains(&held))
    }

    /// Checks that neither the token nor the tenant's consent was revoked.
    fn check_revocation(&self, state: &State) -> Result<(), Flaw> {
        if state.is_withdrawn(self.client_id(), &self.tid) {
            return Err(Flaw::Revoked {
                at: unix(state.clock.now()),
                handles_claims: false,
            });
        }
        match state.revocations.revoked_at(self.client_id(), self.user(), &self.uti) {
            None => Ok(()),
            Some(at) => Err(Flaw::Revoked {
                at,
                handles_claims: self
                    .xms_cc
                    .iter()
                    .any(|capability| capability.eq_ignore_ascii_case("cp1")),
            }),
        }
    }
}

/// Returns the bearer token of a request.
fn text(exchange: &mut Exchange<'_>) -> Result<String, Flaw> {
    if exchange.query.value("access_token").is_some() {
        exchange.lint(Lint::TokenInUrl);
    }
    // If there are several headers, a server and its proxies may use different ones.
    if exchange.headers.get_all(AUTHORIZATION).iter().nth(1).is_some() {
        return Err(Flaw::Malformed);
    }
    let header = exchange.header(AUTHORIZATION).unwrap_or_default();
    match header.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") && !token.trim().is_empty() => {
            Ok(token.trim().to_owned())
        }
        _ => Err(Flaw::Missing),
    }
}

/// Returns the claims of a token that was signed with one of the published keys.
fn signed(state: &State, token: &str) -> Result<Claims, Flaw> {
    let (message, signature) = token.rsplit_once('.').ok_or(Flaw::Malformed)?;
    let (header, claims) = message.split_once('.').ok_or(Flaw::Malformed)?;
    let header: Header = decode(header).ok_or(Flaw::Malformed)?;
    if header.typ.is_some_and(|typ| !typ.eq_ignore_ascii_case("JWT")) {
        return Err(Flaw::Malformed);
    }
    let claims: Claims = decode(claims).ok_or(Flaw::Malformed)?;
    // A second tenant in another letter case, meant for readers that ignore case.
    if claims.others.keys().any(|name| name.eq_ignore_ascii_case("tid")) {
        return Err(Flaw::Malformed);
    }
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| Flaw::Malformed)?;
    let published = state.keys.published();
    let key = published
        .into_iter()
        .find(|key| key.kid == header.kid)
        .filter(|_| header.alg == "RS256" && header.crit.is_none())
        .ok_or(Flaw::Signature)?;
    let verifier = (DEFAULT_PROVIDER.verifier_factory)(&ALGORITHM, &key.decoding()).map_err(|_| Flaw::Signature)?;
    verifier
        .verify(message.as_bytes(), &signature)
        .map_err(|_| Flaw::Signature)?;
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
    /// Parameters that a reader must understand (RFC 7515, section 4.1.11). None is supported here.
    crit: Option<Value>,
    typ: Option<String>,
}
