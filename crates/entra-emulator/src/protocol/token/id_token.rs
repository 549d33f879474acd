//! ID tokens (OpenID Connect Core 1.0, section 2), always signed.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::certificate::sha256;
use crate::config::{Tenant, TokenVersion, User};
use crate::exchange::Exchange;
use crate::protocol::token::mint::{Opaque, Validity, in_order, members, sign};
use crate::state::recorder::Endpoint;
use crate::state::session::{Session, subject};

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
    let version = endpoint.token_version();
    let validity = Validity::new(exchange, None);
    let opaque = Opaque::draw(state);
    let name = &user.user_principal_name;
    let claims = json!({
        "aud": session.client_id,
        "iss": exchange.issuer(tenant, version),
        "iat": validity.not_before,
        "nbf": validity.not_before,
        "exp": validity.expires_on,
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
    let mut claims = members([claims, own]);
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
