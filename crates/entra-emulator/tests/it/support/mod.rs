//! Helpers that the tests share.

pub(crate) mod assertion;
pub(crate) mod browser;
pub(crate) mod control;
#[cfg(feature = "tls")]
pub(crate) mod skips;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use entra_emulator::Emulator;
use http::Request;
use serde_json::Value;

pub(crate) type Response = http::Response<Vec<u8>>;

/// Encodes a form.
pub(crate) fn encode(fields: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish()
}

/// Adds or replaces fields. The value `-` removes one.
pub(crate) fn merge<'a>(fields: &mut Vec<(&'a str, &'a str)>, more: &[(&'a str, &'a str)]) {
    for (name, value) in more {
        fields.retain(|(known, _)| known != name);
        if *value != "-" {
            fields.push((name, value));
        }
    }
}

/// Returns a valid client-credentials form of the first application, merged with these fields.
pub(crate) fn form(emulator: &Emulator, more: &[(&str, &str)]) -> String {
    let mut fields = vec![
        ("grant_type", "client_credentials"),
        ("client_id", emulator.client_id()),
        ("client_secret", emulator.client_secret()),
    ];
    merge(&mut fields, more);
    encode(&fields)
}

/// Posts a form body to an endpoint below `/{tenant}/oauth2/`.
pub(crate) fn token(emulator: &Emulator, endpoint: &str, body: &str) -> Response {
    let path = format!("{}/oauth2/{endpoint}", emulator.authority());
    let request = Request::post(path).header("content-type", "application/x-www-form-urlencoded");
    emulator.handle(request.body(body.as_bytes().to_vec()).unwrap())
}

pub(crate) fn post(emulator: &Emulator, path: &str, fields: &[(&str, &str)]) -> Response {
    let request = Request::post(path).header("content-type", "application/x-www-form-urlencoded");
    emulator.handle(request.body(encode(fields).into_bytes()).unwrap())
}

pub(crate) fn get(emulator: &Emulator, path: &str) -> Response {
    emulator.handle(Request::get(path).body(Vec::new()).unwrap())
}

/// Returns the body of a document that must exist.
pub(crate) fn document(emulator: &Emulator, url: &str) -> Value {
    let response = get(emulator, url);
    assert_eq!(response.status(), 200, "{url}");
    json_body(&response)
}

pub(crate) fn get_as(emulator: &Emulator, path: &str, token: &str) -> Response {
    let request = Request::get(path).header("authorization", format!("Bearer {token}"));
    emulator.handle(request.body(Vec::new()).unwrap())
}

/// Returns a token of the first application for this scope.
pub(crate) fn access_token(emulator: &Emulator, scope: &str) -> String {
    let body = json_body(&token(emulator, "v2.0/token", &form(emulator, &[("scope", scope)])));
    body["access_token"].as_str().expect("a token").to_owned()
}

pub(crate) fn json_body(response: &Response) -> Value {
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

/// Returns the authorize URL of the first application, merged with these parameters.
pub(crate) fn authorize_url(emulator: &Emulator, endpoint: &str, more: &[(&str, &str)]) -> String {
    let mut fields = vec![("client_id", emulator.client_id()), ("response_type", "code")];
    merge(&mut fields, more);
    format!("{}/oauth2/{endpoint}?{}", emulator.authority(), encode(&fields))
}

/// Returns the token response of a sign-in of this user at the first application. `version` is a
/// part of the path: `v2.0/`, or empty for v1.
pub(crate) fn sign_in(emulator: &Emulator, version: &str, user: &str, more: &[(&str, &str)]) -> Value {
    let redirect = ("redirect_uri", REDIRECT);
    let parameters = [&[redirect][..], more].concat();
    let url = authorize_url(emulator, &format!("{version}authorize"), &parameters);
    let redirected = emulator.approve(&url, user).unwrap();
    let code = redirected.parameter("code").expect("a code");
    let fields = [("grant_type", "authorization_code"), ("code", &code), redirect];
    json_body(&token(emulator, &format!("{version}token"), &form(emulator, &fields)))
}

/// The redirect URI of applications with users.
pub(crate) const REDIRECT: &str = "https://app.example/cb";

/// Returns the AADSTS code of an error response, or 0 for a success.
pub(crate) fn error_code(response: &Response) -> u64 {
    json_body(response)["error_codes"][0].as_u64().unwrap_or(0)
}

/// Returns an app-only token of the first application, which has this secret.
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
