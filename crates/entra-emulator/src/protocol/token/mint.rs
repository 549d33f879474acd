//! Making access tokens: app-only ones, and those of users.

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
use crate::state::Core;
use crate::state::keys::{ALGORITHM, Key};
use crate::state::session::subject;
use crate::time::unix;

/// Everything an access token depends on besides time and key.
pub(crate) struct Grant<'a> {
    pub(crate) tenant: &'a Tenant,
    pub(crate) app: &'a App,
    pub(crate) api: &'a Api,
    /// The resource as it was asked for.
    pub(crate) resource: &'a str,
    pub(crate) roles: Vec<String>,
    pub(crate) proof: Proof,
    pub(crate) requested: RequestedClaims,
}

/// A signed access token with the times of its response, in seconds (since the epoch where they are points in time).
pub(crate) struct Token {
    pub(crate) text: String,
    pub(crate) expires_in: u64,
    pub(crate) refresh_in: Option<u64>,
    pub(crate) expires_on: u64,
    pub(crate) not_before: u64,
}

/// Makes the token that the API accepts: its own setting decides the format, not the endpoint.
pub(crate) fn mint(exchange: &Exchange<'_>, grant: &Grant<'_>) -> Token {
    let (core, now) = (exchange.core, unix(exchange.now));
    let key = core.keys.signing();
    // Valid from five minutes ago, so that clocks a little behind accept it at once; later for a client that answers a
    // claims challenge, which asks for that.
    let asked = grant.requested.not_before.unwrap_or_default().min(now);
    let (not_before, expires_on) = (now.saturating_sub(300).max(asked), now + core.token_lifetime);
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
        expires_in: core.token_lifetime - 1,
        refresh_in: core.refresh_in,
        expires_on,
        not_before,
    }
}

/// Makes an access token in the name of a user.
pub(crate) fn sign_user_token(
    exchange: &Exchange<'_>,
    grant: &user::Grant<'_>,
    api: &Api,
    resource: &str,
    scp: &[String],
) -> Token {
    let (core, now) = (exchange.core, unix(exchange.now));
    let key = core.keys.signing();
    let asked = grant.requested.not_before.unwrap_or_default().min(now);
    let (not_before, expires_on) = (now.saturating_sub(300).max(asked), now + core.token_lifetime);
    let claims = user_claims(exchange, grant, api, resource, scp, not_before);
    let x5t = (api.token_version == TokenVersion::V1).then_some(key.kid);
    Token {
        text: sign(key, x5t, &claims),
        expires_in: core.token_lifetime - 1,
        refresh_in: core.refresh_in,
        expires_on,
        not_before,
    }
}

/// The claims of an app-only token that is made now.
pub(crate) fn app_claims(exchange: &Exchange<'_>, grant: &Grant<'_>) -> Value {
    let now = unix(exchange.now);
    let (not_before, expires_on) = (now.saturating_sub(300), now + exchange.core.token_lifetime);
    let claims = match grant.api.token_version {
        TokenVersion::V1 => serde_json::to_value(V1Claims::new(exchange, grant, not_before, expires_on)),
        TokenVersion::V2 => serde_json::to_value(V2Claims::new(exchange, grant, not_before, expires_on)),
    };
    claims.expect("claims of strings and numbers are JSON")
}

/// The claims of an access token in the name of a user.
pub(crate) fn user_claims(
    exchange: &Exchange<'_>,
    grant: &user::Grant<'_>,
    api: &Api,
    resource: &str,
    scp: &[String],
    not_before: u64,
) -> Map<String, Value> {
    let core = exchange.core;
    let expires_on = unix(exchange.now) + core.token_lifetime;
    let opaque = Opaque::draw(core);
    let mut claims = user::about(core, api.token_version, grant.user);
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
        "sub": subject(core.seed, &api.app_id, grant.user),
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
    // As if a policy had been satisfied for each of them.
    if !grant.requested.contexts.is_empty() {
        claims.insert("acrs".to_owned(), json!(grant.requested.contexts));
    }
    in_order(claims)
}

/// Claims in the order in which the service writes them: those of RFC 7519 first, then all others by their names.
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
        let core = exchange.core;
        let issuer = exchange.issuer(grant.tenant, TokenVersion::V1);
        let (oid, opaque) = (principal(core, grant), Opaque::draw(core));
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
        let core = exchange.core;
        let (oid, opaque) = (principal(core, grant), Opaque::draw(core));
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

/// The claims that only the service itself can read.
pub(super) struct Opaque {
    pub(super) aio: String,
    pub(super) rh: String,
    pub(super) uti: String,
    xms_ftd: String,
}

impl Opaque {
    pub(super) fn draw(core: &Core) -> Self {
        let mut ids = core.ids();
        Self {
            aio: format!("k2R{}=", ids.opaque(37)),
            rh: format!("1.A{}.", ids.opaque(50)),
            uti: core.revocations.token_id(ids.next()),
            xms_ftd: ids.opaque(86),
        }
    }
}

/// The object id of the app's service principal, which is another one in every tenant.
fn principal(core: &Core, grant: &Grant<'_>) -> String {
    let home = core.directory.tenants.first().map(|tenant| &tenant.id);
    if home == Some(&grant.tenant.id) {
        return grant.app.service_principal_id.clone();
    }
    Generator::named(
        core.seed,
        &format!("principal {} {}", grant.app.client_id, grant.tenant.id),
    )
    .guid()
}

fn idtyp(grant: &Grant<'_>) -> Option<&'static str> {
    wants(grant.api, "idtyp").then_some("app")
}

/// Only for an API that lists the claim, and only what the client said it can do.
fn capabilities<'a>(grant: &'a Grant<'_>) -> Option<&'a [String]> {
    let sent = grant.requested.capabilities.as_slice();
    (!sent.is_empty() && wants(grant.api, "xms_cc")).then_some(sent)
}

const FIRST: [&str; 5] = ["aud", "iss", "iat", "nbf", "exp"];

fn wants(api: &Api, claim: &str) -> bool {
    api.optional_claims.iter().any(|optional| optional == claim)
}

/// Signs by RS256. v1 tokens repeat the key id as `x5t`.
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
    // Through the provider by name: the process-wide default may be anybody's.
    let signer = (DEFAULT_PROVIDER.signer_factory)(&ALGORITHM, &key.encoding()).expect("an RSA key signs RS256");
    let signature = signer.try_sign(token.as_bytes()).expect("the embedded keys are sound");
    token.push('.');
    token.push_str(&part(signature));
    token
}
