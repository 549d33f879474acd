//! ID tokens (OpenID Connect Core 1.0, section 2), always signed.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

use crate::certificate::sha256;
use crate::config::{Tenant, TokenVersion, User};
use crate::exchange::Exchange;
use crate::protocol::token::mint::{Opaque, in_order, sign};
use crate::state::recorder::Endpoint;
use crate::state::session::Session;
use crate::state::session::subject;
use crate::time::unix;

/// Issues an ID token. The endpoint decides its version. If the same response contains a code, the
/// token contains its hash (`c_hash`, section 3.3.2.11).
pub(crate) fn mint(
    exchange: &Exchange<'_>,
    endpoint: Endpoint,
    session: &Session,
    tenant: &Tenant,
    user: &User,
    code: Option<&str>,
) -> String {
    let state = exchange.state;
    let now = unix(exchange.now);
    let version = match endpoint {
        Endpoint::V1 => TokenVersion::V1,
        Endpoint::V2 => TokenVersion::V2,
    };
    let not_before = now.saturating_sub(300);
    let opaque = Opaque::draw(state);
    let name = &user.user_principal_name;
    let claims = json!({
        "aud": session.client_id,
        "iss": exchange.issuer(tenant, version),
        "iat": not_before,
        "nbf": not_before,
        "exp": now + state.token_lifetime,
        "name": user.display_name,
        "oid": user.id,
        "rh": opaque.rh,
        "sub": subject(state.seed, &session.client_id, user),
        "tid": tenant.id,
        "uti": opaque.uti,
    });
    let own = match version {
        TokenVersion::V1 => {
            let (given, family) = user.names();
            json!({
                "amr": ["pwd"], "family_name": family, "given_name": given, "ipaddr": "127.0.0.1",
                "unique_name": name, "upn": name, "ver": "1.0",
            })
        }
        TokenVersion::V2 => json!({"preferred_username": name, "ver": "2.0"}),
    };
    let mut claims: Map<String, Value> = [claims, own]
        .into_iter()
        .filter_map(|part| match part {
            Value::Object(part) => Some(part),
            _ => None,
        })
        .flatten()
        .collect();
    let mut put = |name: &str, value: Value| claims.insert(name.to_owned(), value);
    if let Some(nonce) = &session.nonce {
        put("nonce", json!(nonce));
    }
    if session.auth_time {
        put("auth_time", json!(session.signed_in));
    }
    if let Some(code) = code {
        let hash = sha256(code.as_bytes());
        put(
            "c_hash",
            json!(URL_SAFE_NO_PAD.encode(hash.get(..16).unwrap_or_default())),
        );
    }
    let key = state.keys.signing();
    let x5t = (version == TokenVersion::V1).then_some(key.kid);
    sign(key, x5t, &in_order(claims))
}
