//! What the tests share.

pub(crate) mod assertion;
pub(crate) mod browser;
pub(crate) mod control;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use entra_emulator::Emulator;
use http::{Request, Response};
use serde_json::Value;

pub(crate) type Answer = Response<Vec<u8>>;

/// Encodes a form.
pub(crate) fn encode(fields: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish()
}

/// A good client-credentials form of the first app, plus these fields. A field given again replaces; `-` removes it.
pub(crate) fn form(emulator: &Emulator, more: &[(&str, &str)]) -> String {
    let mut fields = vec![
        ("grant_type", "client_credentials"),
        ("client_id", emulator.client_id()),
        ("client_secret", emulator.client_secret()),
    ];
    for (name, value) in more {
        fields.retain(|(known, _)| known != name);
        if *value != "-" {
            fields.push((name, value));
        }
    }
    encode(&fields)
}

/// Posts a form body to an endpoint below `/{tenant}/oauth2/`.
pub(crate) fn token(emulator: &Emulator, endpoint: &str, body: &str) -> Answer {
    let path = format!("{}/oauth2/{endpoint}", emulator.authority());
    let request = Request::post(path).header("content-type", "application/x-www-form-urlencoded");
    emulator.handle(request.body(body.as_bytes().to_vec()).unwrap())
}

pub(crate) fn post(emulator: &Emulator, path: &str, fields: &[(&str, &str)]) -> Answer {
    let request = Request::post(path).header("content-type", "application/x-www-form-urlencoded");
    emulator.handle(request.body(encode(fields).into_bytes()).unwrap())
}

pub(crate) fn get(emulator: &Emulator, path: &str) -> Answer {
    emulator.handle(Request::get(path).body(Vec::new()).unwrap())
}

/// The body of a document that has to be there.
pub(crate) fn document(emulator: &Emulator, url: &str) -> Value {
    let response = get(emulator, url);
    assert_eq!(response.status(), 200, "{url}");
    json_body(&response)
}

pub(crate) fn get_as(emulator: &Emulator, path: &str, token: &str) -> Answer {
    let request = Request::get(path).header("authorization", format!("Bearer {token}"));
    emulator.handle(request.body(Vec::new()).unwrap())
}

/// A token of the first app for this scope.
pub(crate) fn access_token(emulator: &Emulator, scope: &str) -> String {
    let body = json_body(&token(emulator, "v2.0/token", &form(emulator, &[("scope", scope)])));
    body["access_token"].as_str().expect("a token").to_owned()
}

pub(crate) fn json_body(response: &Answer) -> Value {
    serde_json::from_slice(response.body()).expect("a JSON body")
}

pub(crate) fn claims(body: &Value) -> Value {
    part(body, 1)
}

pub(crate) fn header(body: &Value) -> Value {
    part(body, 0)
}

fn part(body: &Value, at: usize) -> Value {
    let token = body["access_token"]
        .as_str()
        .unwrap_or_else(|| panic!("no token in {body}"));
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(at).unwrap()).unwrap()).unwrap()
}

/// The v2 authorize URL of the first app with these parameters besides its client id. `-` removes one.
pub(crate) fn authorize_url(emulator: &Emulator, endpoint: &str, more: &[(&str, &str)]) -> String {
    let mut fields = vec![("client_id", emulator.client_id()), ("response_type", "code")];
    for (name, value) in more {
        fields.retain(|(known, _)| known != name);
        if *value != "-" {
            fields.push((name, value));
        }
    }
    format!("{}/oauth2/{endpoint}?{}", emulator.authority(), encode(&fields))
}

/// The refusal's number, or 0 for a success.
pub(crate) fn refusal(response: &Answer) -> u64 {
    json_body(response)["error_codes"][0].as_u64().unwrap_or(0)
}

/// An app-only token of the first app, which has this secret.
pub(crate) fn access_token_of(emulator: &Emulator, secret: &str, scope: &str) -> String {
    let fields = [
        ("grant_type", "client_credentials"),
        ("client_id", emulator.client_id()),
        ("client_secret", secret),
        ("scope", scope),
    ];
    let body = json_body(&post(emulator, &emulator.token_url_v2(), &fields));
    body["access_token"]
        .as_str()
        .unwrap_or_else(|| panic!("{body}"))
        .to_owned()
}
