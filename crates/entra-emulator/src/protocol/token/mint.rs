//! Access tokens: app-only tokens and tokens of users.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::config::{Api, App, Tenant, TokenVersion};
use crate::exchange::Exchange;
use crate::protocol::token::client_auth::Proof;
use crate::protocol::token::federated::FICINFO;
use crate::protocol::token::request::RequestedClaims;
use crate::protocol::token::user;
use crate::seed::Generator;
use crate::state::State;
use crate::state::directory::agents;
use crate::state::keys::{ALGORITHM, Key};
use crate::state::session::subject;
use crate::time::unix;
use crate::well_known::TOKEN_EXCHANGE_APP_ID;

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

/// The times of a token that is issued now, in seconds since the epoch.
pub(crate) struct Validity {
    pub(crate) not_before: u64,
    pub(crate) expires_on: u64,
}

impl Validity {
    /// Returns the validity of a token. It starts five minutes ago, so that slightly slow clocks
    /// accept the token at once, or later if the client responds to a claims challenge that
    /// requests a later time.
    pub(crate) fn new(exchange: &Exchange<'_>, requested_not_before: Option<u64>) -> Self {
        Self::lasting(exchange, requested_not_before, exchange.state.token_lifetime)
    }

    /// Returns the validity of a token with this lifetime in seconds.
    pub(crate) fn lasting(exchange: &Exchange<'_>, requested_not_before: Option<u64>, lifetime: u64) -> Self {
        let now = unix(exchange.now);
        let requested = requested_not_before.unwrap_or_default().min(now);
        Self {
            not_before: now.saturating_sub(BACKDATED).max(requested),
            expires_on: now + lifetime,
        }
    }
}

/// Issues an app-only access token.
pub(crate) fn app_token(exchange: &Exchange<'_>, grant: &Grant<'_>) -> Token {
    let validity = Validity::new(exchange, grant.requested.not_before);
    let claims = app_claims(exchange, grant, &validity);
    issue(exchange, grant.api, &validity, &claims)
}

/// Issues the token of a blueprint for one of its agents, which the agent presents as its
/// assertion.
pub(crate) fn agent_assertion(exchange: &Exchange<'_>, grant: &Grant<'_>, agent: &str) -> Token {
    let validity = Validity::new(exchange, grant.requested.not_before);
    let mut claims = app_claims(exchange, grant, &validity);
    for (name, value) in [
        ("idtyp", json!("app")),
        (
            "sub",
            json!(agents::subject(&grant.tenant.id, &grant.app.client_id, agent)),
        ),
        ("xms_act_fct", json!("3 9")),
        (FICINFO, json!(FICINFO_VALUE)),
        ("xms_idrel", json!("7 26")),
        ("xms_sub_fct", json!("3 9")),
    ] {
        claims.insert(name.to_owned(), value);
    }
    issue(exchange, grant.api, &validity, &in_order(claims))
}

/// Returns the claims that identify an agent identity or an agent's user account.
pub(crate) fn agent_claims(blueprint: &str, is_user: bool) -> Map<String, Value> {
    // Each claim is an unordered list of numbers: 11 is an agent identity, 13 an agent's user
    // account.
    let (subject, idtyp) = if is_user { ("13 1", "user") } else { ("3 11", "app") };
    [
        ("xms_act_fct", json!("9 11 3")),
        ("xms_sub_fct", json!(subject)),
        ("xms_tnt_fct", json!("3 2")),
        ("xms_idrel", json!(if is_user { "1 16" } else { "7 2" })),
        ("xms_par_app_azp", json!(blueprint)),
        ("idtyp", json!(idtyp)),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into_iter()
    .collect()
}

/// Issues an access token on behalf of a user.
pub(crate) fn user_token(
    exchange: &Exchange<'_>,
    grant: &user::Grant<'_>,
    api: &Api,
    resource: &str,
    scp: &[String],
) -> Token {
    let validity = Validity::new(exchange, grant.requested.not_before);
    let claims = user_claims(exchange, grant, api, resource, scp, &validity);
    issue(exchange, api, &validity, &claims)
}

/// Issues the token that the API accepts. The API's setting decides the format, not the endpoint.
fn issue(exchange: &Exchange<'_>, api: &Api, validity: &Validity, claims: &Map<String, Value>) -> Token {
    let state = exchange.state;
    let key = state.keys.signing();
    let x5t = (api.token_version == TokenVersion::V1).then_some(key.kid);
    Token {
        text: sign(key, x5t, claims),
        expires_in: state.token_lifetime - 1,
        refresh_in: state.refresh_in,
        expires_on: validity.expires_on,
        not_before: validity.not_before,
    }
}

/// Returns the claims of an app-only token.
pub(crate) fn app_claims(exchange: &Exchange<'_>, grant: &Grant<'_>, validity: &Validity) -> Map<String, Value> {
    let Grant { tenant, app, api, .. } = grant;
    let mut claims = common_claims(exchange, tenant, app, grant.proof, api, grant.resource, validity);
    let mut put = |name: &str, value: Value| claims.insert(name.to_owned(), value);
    if api.token_version == TokenVersion::V1 {
        put("idp", json!(exchange.issuer(tenant, TokenVersion::V1)));
    }
    let oid = principal(exchange.state, grant);
    put("oid", json!(oid));
    put("sub", json!(oid));
    if !grant.roles.is_empty() {
        put("roles", json!(grant.roles));
    }
    if grant.proof == Proof::Federated && api.app_id == TOKEN_EXCHANGE_APP_ID {
        put(FICINFO, json!(FICINFO_VALUE));
    }
    if let Some(blueprint) = &app.agent_of {
        claims.extend(agent_claims(blueprint, false));
    }
    add_optional_claims(&mut claims, api, "app", &grant.requested);
    in_order(claims)
}

/// Returns the claims of an access token on behalf of a user.
pub(crate) fn user_claims(
    exchange: &Exchange<'_>,
    grant: &user::Grant<'_>,
    api: &Api,
    resource: &str,
    scp: &[String],
    validity: &Validity,
) -> Map<String, Value> {
    let state = exchange.state;
    let mut claims = common_claims(exchange, grant.tenant, grant.app, grant.proof, api, resource, validity);
    claims.extend(user::about(state, api.token_version, grant.user));
    let mut put = |name: &str, value: Value| claims.insert(name.to_owned(), value);
    put("scp", json!(scp.join(" ")));
    put("sub", json!(subject(state.seed, &api.app_id, grant.user)));
    // Each context is treated as if its policy had been satisfied.
    if !grant.requested.contexts.is_empty() {
        put("acrs", json!(grant.requested.contexts));
    }
    if let (Some(blueprint), Some(_)) = (&grant.app.agent_of, &grant.user.agent) {
        claims.extend(agent_claims(blueprint, true));
    }
    add_optional_claims(&mut claims, api, "user", grant.requested);
    in_order(claims)
}

/// Returns the claims that the tokens of apps and of users have in common.
fn common_claims(
    exchange: &Exchange<'_>,
    tenant: &Tenant,
    app: &App,
    proof: Proof,
    api: &Api,
    resource: &str,
    validity: &Validity,
) -> Map<String, Value> {
    let opaque = Opaque::draw(exchange.state);
    let (client, class) = (&app.client_id, proof.class());
    let of_version = match api.token_version {
        TokenVersion::V1 => json!({"aud": resource, "appid": client, "appidacr": class, "ver": "1.0"}),
        TokenVersion::V2 => {
            json!({"aud": api.app_id, "azp": client, "azpacr": class, "ver": "2.0", "xms_ftd": opaque.xms_ftd})
        }
    };
    let of_all = json!({
        "iss": exchange.issuer(tenant, api.token_version),
        "iat": validity.not_before,
        "nbf": validity.not_before,
        "exp": validity.expires_on,
        "aio": opaque.aio,
        "rh": opaque.rh,
        "tid": tenant.id,
        "uti": opaque.uti,
    });
    members([of_version, of_all])
}

/// Adds the optional claims that the API lists: the kind of token (`idtyp`), and the client
/// capabilities that the client sent (`xms_cc`).
fn add_optional_claims(claims: &mut Map<String, Value>, api: &Api, idtyp: &str, requested: &RequestedClaims) {
    let lists = |claim: &str| api.optional_claims.iter().any(|optional| optional == claim);
    if lists("idtyp") {
        claims.insert("idtyp".to_owned(), json!(idtyp));
    }
    if !requested.capabilities.is_empty() && lists("xms_cc") {
        claims.insert("xms_cc".to_owned(), json!(requested.capabilities));
    }
}

/// Returns the members of several JSON objects.
pub(super) fn members(objects: [Value; 2]) -> Map<String, Value> {
    objects
        .into_iter()
        .filter_map(|object| match object {
            Value::Object(members) => Some(members),
            _ => None,
        })
        .flatten()
        .collect()
}

/// Sorts claims in the order of the service: those of RFC 7519 first, then all others by name.
pub(crate) fn in_order(mut claims: Map<String, Value>) -> Map<String, Value> {
    let first = FIRST
        .iter()
        .filter_map(|name| claims.shift_remove_entry(*name))
        .collect();
    claims.sort_keys();
    let mut ordered: Map<String, Value> = first;
    ordered.extend(claims);
    ordered
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
    // An agent identity lives in one tenant.
    if home == Some(&grant.tenant.id) || grant.app.agent_of.is_some() {
        return grant.app.service_principal_id.clone();
    }
    Generator::named(
        state.seed,
        &format!("principal {} {}", grant.app.client_id, grant.tenant.id),
    )
    .guid()
}

/// The number of seconds by which tokens are valid before they are issued.
const BACKDATED: u64 = 300;

/// The value of [`FICINFO`], which only the service can read.
const FICINFO_VALUE: &str = "CAAQABgAIAAoAjAA";

const FIRST: [&str; 5] = ["aud", "iss", "iat", "nbf", "exp"];

/// Signs a token with RS256. v1 tokens repeat the key ID as `x5t`.
pub(crate) fn sign(key: &Key, x5t: Option<&str>, claims: &impl Serialize) -> String {
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
