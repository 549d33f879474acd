//! Federated credentials: assertions of other issuers.

mod configured;
mod fetched;
mod matched;
mod verified;

use entra_emulator::{App, Emulator, EmulatorBuilder, FederatedCredential};
use http::Response;
use serde_json::json;

use crate::support::assertion::{Draft, NOW, builder, send};

/// The issuer of the assertions of most tests.
pub(crate) const ISSUER: &str = "https://token.actions.githubusercontent.com";
pub(crate) const SUBJECT: &str = "repo:contoso/app:ref:refs/heads/main";
pub(crate) const AUDIENCE: &str = "api://AzureADTokenExchange";

/// Returns the key set that holds the key of the drafts.
pub(crate) fn jwks() -> serde_json::Value {
    json!({"keys": [
        {"kty": "EC", "kid": "other", "crv": "P-256", "x": "AA", "y": "AA"},
        {"kty": "RSA", "use": "sig", "kid": "key-1", "n": MODULUS, "e": "AQAB"},
    ]})
}

/// Returns an emulator whose application has these credentials.
pub(crate) fn with(credentials: impl IntoIterator<Item = FederatedCredential>) -> EmulatorBuilder {
    let app = credentials
        .into_iter()
        .fold(App::new("daemon").without_secrets(), App::federated_credential);
    builder(app).issuer_keys(ISSUER, jwks())
}

pub(crate) fn emulator() -> Emulator {
    with([FederatedCredential::new(ISSUER, SUBJECT)]).build()
}

/// Returns an assertion that the application of [`emulator`] authenticates with.
pub(crate) fn draft(emulator: &Emulator) -> Draft {
    let mut draft = Draft::new(emulator);
    draft.header = json!({"alg": "RS256", "typ": "JWT", "kid": "key-1"});
    draft.claims = json!({
        "iss": ISSUER,
        "sub": SUBJECT,
        "aud": AUDIENCE,
        "jti": "0f0e0d0c-0b0a-4908-8706-050403020100",
        "nbf": NOW,
        "iat": NOW,
        "exp": NOW + 300,
    });
    draft
}

pub(crate) fn sent(emulator: &Emulator, change: impl FnOnce(Draft) -> Draft) -> Response<Vec<u8>> {
    send(emulator, &change(draft(emulator)).sign())
}

/// The modulus of the key of the drafts, in base64url.
const MODULUS: &str = "1kk5e50zM9LG6mcn936URyYbJCjT3jTNLXSFi_bbb-F4pnIJopr076x31BBwS5iesWC-O_wYy3ypGvVYCybW3Kl0SsSWvRGPhX2qAUr-DkzVDDl4mbTqpr8-xeyW3zktG1iqgkiPVPNWcBryikeyGEz7Z7u3Z_vE376KYmbhowFHvJS0fDt3Ty0sm4gvCQnJbEBhsjCdt1YrFKBzHKDnSDya8zSIjvenfffn6Ae3hvavnUJ4Xobsn0LbXb3C-E3bvRR1Ui8WsdiUknyuGpiYNzqVFi4VMrU2jM7E-C0K5v812czVB1TN-sILOjpdfyM78jf_p6nuyhhwfl6RPzn4pw";
