//! Access tokens: app-only tokens and tokens of users.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::config::{Api, App, Tenant, TokenVersion};
use crate::exchange::Exchange;
use crate::protocol::token::client_auth::Proof;
use crate::protocol::token::request::RequestedClaims;
use crate::protocol::token::user;
use crate::seed::Generator;
use crate::state::State;
use crate::state::keys::{ALGORITHM, Key};
use crate::state::session::subject;
use crate::time::unix;

/// The facts that determine an access token, beside the time and the key.
pub(crate) struct Grant<'a> {
    pub(crate) tenant: &'a Tenant,
    pub(crate) app: &'a App,
    pub(crate) api: &'a Api,
    /// The resource as requested.
    pub(crate) resource: &'a str,
    pub(crate) roles: Vec<String>,
    pub(crate) proof: Proof,
    pub(crate) requested: RequestedClaims,
}

/// A signed access token with the times of its response: durations in seconds, and points in time
/// in seconds since the epoch.
pub(crate) struct Token {
    pub(crate) text: String,
    pub(crate) expires_in: u64,
    pub(crate) refresh_in: Option<u64>,
    pub(crate) expires_on: u64,
    pub(crate) not_before: u64,
}

/// Issues the token that the API accepts. The API's setting decides the format, not the endpoint.
pub(crate) fn mint(exchange: &Exchange<'_>, grant: &Grant<'_>) -> Token {
    let (state, now) = (exchange.state, unix(exchange.now));
    let key = state.keys.signing();
    // The token is valid from five minutes ago, so that slightly slow clocks accept it at once. It
    // is valid from a later time if the client responds to a claims challenge that requests that
    // time.
    let asked = grant.requested.not_before.unwrap_or_default().min(now);
    let (not_before, expires_on) = (now.saturating_sub(300).max(asked), now + state.token_lifetime);
    let text = match grant.api.token_version {
        TokenVersion::V1 => sign(
            key,
            Some(key.kid),
            &V1Claims::new(exchange, grant, not_before, expires_on),
        ),
        TokenVersion::V2 => sign(key, None, &V2Claims::new(exchange, grant, not_before, expires_on)),
    };
    Token {
        text,
        expires_in: state.token_lifetime - 1,
        refresh_in: state.refresh_in,
        expires_on,
        not_before,
    }
}

/// Issues an access token on behalf of a user.
pub(crate) fn sign_user_token(
    exchange: &Exchange<'_>,
    grant: &user::Grant<'_>,
    api: &Api,
    resource: &str,
    scp: &[String],
) -> Token {
    let (state, now) = (exchange.state, unix(exchange.now));
    let key = state.keys.signing();
    let asked = grant.requested.not_before.unwrap_or_default().min(now);
    let (not_before, expires_on) = (now.saturating_sub(300).max(asked), now + state.token_lifetime);
    let claims = user_claims(exchange, grant, api, resource, scp, not_before);
    let x5t = (api.token_version == TokenVersion::V1).then_some(key.kid);
    Token {
        text: sign(key, x5t, &claims),
        expires_in: state.token_lifetime - 1,
        refresh_in: state.refresh_in,
        expires_on,
        not_before,
    }
}

/// Returns the claims of an app-only token that is issued now.
pub(crate) fn app_claims(exchange: &Exchange<'_>, grant: &Grant<'_>) -> Value {
    let now = unix(exchange.now);
    let (not_before, expires_on) = (now.saturating_sub(300), now + exchange.state.token_lifetime);
    let claims = match grant.api.token_version {
        TokenVersion::V1 => serde_json::to_value(V1Claims::new(exchange, grant, not_before, expires_on)),
        TokenVersion::V2 => serde_json::to_value(V2Claims::new(exchange, grant, not_before, expires_on)),
    };
    claims.expect("claims of strings and numbers are JSON")
}

/// Returns the claims of an access token on behalf of a user.
pub(crate) fn user_claims(
    exchange: &Exchange<'_>,
    grant: &user::Grant<'_>,
    api: &Api,
    resource: &str,
    scp: &[String],
    not_before: u64,
) -> Map<String, Value> {
    let state = exchange.state;
    let expires_on = unix(exchange.now) + state.token_lifetime;
    let opaque = Opaque::draw(state);
    let mut claims = user::about(state, api.token_version, grant.user);
    let (client, class) = (&grant.app.client_id, grant.proof.class());
    let own = match api.token_version {
        TokenVersion::V1 => json!({"aud": resource, "appid": client, "appidacr": class, "ver": "1.0"}),
        TokenVersion::V2 => {
            json!({"aud": api.app_id, "azp": client, "azpacr": class, "ver": "2.0", "xms_ftd": opaque.xms_ftd})
        }
    };
    let shared = json!({
        "iss": exchange.issuer(grant.tenant, api.token_version),
        "iat": not_before,
        "nbf": not_before,
        "exp": expires_on,
        "aio": opaque.aio,
        "rh": opaque.rh,
        "scp": scp.join(" "),
        "sub": subject(state.seed, &api.app_id, grant.user),
        "tid": grant.tenant.id,
        "uti": opaque.uti,
    });
    for part in [own, shared] {
        if let Value::Object(part) = part {
            claims.extend(part);
        }
    }
    if wants(api, "idtyp") {
        claims.insert("idtyp".to_owned(), json!("user"));
    }
    let capabilities = &grant.requested.capabilities;
    if !capabilities.is_empty() && wants(api, "xms_cc") {
        claims.insert("xms_cc".to_owned(), json!(capabilities));
    }
    // Each context is treated as if its policy had been satisfied.
    if !grant.requested.contexts.is_empty() {
        claims.insert("acrs".to_owned(), json!(grant.requested.contexts));
    }
    in_order(claims)
}

/// Sorts claims in the order of the service: those of RFC 7519 first, then all others by name.
pub(super) fn in_order(mut claims: Map<String, Value>) -> Map<String, Value> {
    let first = FIRST
        .iter()
        .filter_map(|name| claims.shift_remove_entry(*name))
        .collect();
    claims.sort_keys();
    let mut ordered: Map<String, Value> = first;
    ordered.extend(claims);
    ordered
}

/// The claims of a v1 app-only token.
#[derive(Serialize)]
struct V1Claims<'a> {
    aud: &'a str,
    iss: String,
    iat: u64,
    nbf: u64,
    exp: u64,
    aio: String,
    appid: &'a str,
    appidacr: &'static str,
    idp: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    idtyp: Option<&'static str>,
    oid: String,
    rh: String,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    roles: &'a [String],
    sub: String,
    tid: &'a str,
    uti: String,
    ver: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    xms_cc: Option<&'a [String]>,
}

impl<'a> V1Claims<'a> {
    fn new(exchange: &Exchange<'_>, grant: &'a Grant<'_>, not_before: u64, expires_on: u64) -> Self {
        let state = exchange.state;
        let issuer = exchange.issuer(grant.tenant, TokenVersion::V1);
        let (oid, opaque) = (principal(state, grant), Opaque::draw(state));
        Self {
            aud: grant.resource,
            iss: issuer.clone(),
            iat: not_before,
            nbf: not_before,
            exp: expires_on,
            aio: opaque.aio,
            appid: &grant.app.client_id,
            appidacr: grant.proof.class(),
            idp: issuer,
            idtyp: idtyp(grant),
            sub: oid.clone(),
            oid,
            rh: opaque.rh,
            roles: &grant.roles,
            tid: &grant.tenant.id,
            uti: opaque.uti,
            ver: "1.0",
            xms_cc: capabilities(grant),
        }
    }
}

/// The claims of a v2 app-only token.
#[derive(Serialize)]
struct V2Claims<'a> {
    aud: &'a str,
    iss: String,
    iat: u64,
    nbf: u64,
    exp: u64,
    aio: String,
    azp: &'a str,
    azpacr: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    idtyp: Option<&'static str>,
    oid: String,
    rh: String,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    roles: &'a [String],
    sub: String,
    tid: &'a str,
    uti: String,
    ver: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    xms_cc: Option<&'a [String]>,
    xms_ftd: String,
}

impl<'a> V2Claims<'a> {
    fn new(exchange: &Exchange<'_>, grant: &'a Grant<'_>, not_before: u64, expires_on: u64) -> Self {
        let state = exchange.state;
        let (oid, opaque) = (principal(state, grant), Opaque::draw(state));
        Self {
            aud: &grant.api.app_id,
            iss: exchange.issuer(grant.tenant, TokenVersion::V2),
            iat: not_before,
            nbf: not_before,
            exp: expires_on,
            aio: opaque.aio,
            azp: &grant.app.client_id,
            azpacr: grant.proof.class(),
            idtyp: idtyp(grant),
            sub: oid.clone(),
            oid,
            rh: opaque.rh,
            roles: &grant.roles,
            tid: &grant.tenant.id,
            uti: opaque.uti,
            ver: "2.0",
            xms_cc: capabilities(grant),
            xms_ftd: opaque.xms_ftd,
        }
    }
}

/// The claims that only the service can read.
pub(super) struct Opaque {
    pub(super) aio: String,
    pub(super) rh: String,
    pub(super) uti: String,
    xms_ftd: String,
}

impl Opaque {
    pub(super) fn draw(state: &State) -> Self {
        let mut ids = state.ids();
        Self {
            aio: format!("k2R{}=", ids.opaque(37)),
            rh: format!("1.A{}.", ids.opaque(50)),
            uti: state.revocations.token_id(ids.next()),
            xms_ftd: ids.opaque(86),
        }
    }
}

/// Returns the object ID of the app's service principal, which differs between tenants.
fn principal(state: &State, grant: &Grant<'_>) -> String {
    let home = state.directory.tenants.first().map(|tenant| &tenant.id);
    if home == Some(&grant.tenant.id) {
        return grant.app.service_principal_id.clone();
    }
    Generator::named(
        state.seed,
        &format!("principal {} {}", grant.app.client_id, grant.tenant.id),
    )
    .guid()
}

fn idtyp(grant: &Grant<'_>) -> Option<&'static str> {
    wants(grant.api, "idtyp").then_some("app")
}

/// Returns the client capabilities, which a token contains only if the API lists the claim and the
/// client sent them.
fn capabilities<'a>(grant: &'a Grant<'_>) -> Option<&'a [String]> {
    let sent = grant.requested.capabilities.as_slice();
    (!sent.is_empty() && wants(grant.api, "xms_cc")).then_some(sent)
}

const FIRST: [&str; 5] = ["aud", "iss", "iat", "nbf", "exp"];

fn wants(api: &Api, claim: &str) -> bool {
    api.optional_claims.iter().any(|optional| optional == claim)
}

/// Signs a token with RS256. v1 tokens repeat the key ID as `x5t`.
pub(super) fn sign(key: &Key, x5t: Option<&str>, claims: &impl Serialize) -> String {
    #[derive(Serialize)]
    struct Header<'a> {
        typ: &'static str,
        alg: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        x5t: Option<&'a str>,
        kid: &'a str,
    }
    let header = Header {
        typ: "JWT",
        alg: "RS256",
        x5t,
        kid: key.kid,
    };
    let part = |value: Vec<u8>| URL_SAFE_NO_PAD.encode(value);
    let header = part(serde_json::to_vec(&header).expect("a header of strings is JSON"));
    let mut token = header + "." + &part(serde_json::to_vec(claims).expect("claims of strings and numbers are JSON"));
    // The provider is named explicitly, because the process-wide default may be a different one.
    let signer = (DEFAULT_PROVIDER.signer_factory)(&ALGORITHM, &key.encoding()).expect("an RSA key signs RS256");
    let signature = signer.try_sign(token.as_bytes()).expect("the embedded keys are sound");
    token.push('.');
    token.push_str(&part(signature));
    token
}
