//! Strategies of proptest for property tests of a stack that embeds the protocol: valid and hostile
//! inputs.
//!
//! The valid ones generate values of this crate's types, with a preference for spellings that often
//! cause failures. The hostile ones generate texts and responses that a stack must survive.
//!
//! ```
//! use entra_proto::strategies::{application, hostile_response, target};
//! use entra_proto::{Guid, Timestamp, TokenResponse};
//! use proptest::prelude::*;
//!
//! let inputs = (application(), target(), hostile_response());
//! proptest!(|((application, target, response) in inputs)| {
//!     // A scope of a single permission is for users, and an error here.
//!     if let Ok(request) = application.client_credentials(target) {
//!         let sent = request.encode(Guid::from_random([7; 16]));
//!         prop_assert_eq!(sent.method(), "POST");
//!     }
//!     // Your driver in the place of this line: it must neither panic nor hang.
//!     let read = TokenResponse::decode(
//!         response.status(),
//!         response.headers(),
//!         response.body().as_bytes(),
//!         Timestamp::from_secs(1_767_225_600),
//!     );
//!     if let Ok(token) = read {
//!         prop_assert!(!token.access_token.expose().is_empty());
//!     }
//! });
//! ```

use http::header::{CONTENT_TYPE, HeaderName, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::managed_identity::Identity;
use crate::{
    Application, Authority, Body, ClientId, ClientSecret, Cloud, EndpointVersion, Guid, Resource, Scope, Scopes,
    Target, Tenant,
};

/// Generates a tenant: an ID, a domain, or one of the names for several tenants.
pub fn tenant() -> impl Strategy<Value = Tenant> {
    let id = any::<[u8; 16]>().prop_map(|bytes| Guid::from_bytes(bytes).to_string());
    let domain = "[A-Za-z0-9]{1,20}(\\.[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?){1,3}";
    let named = prop_oneof![Just("common"), Just("organizations"), Just("consumers")].prop_map(str::to_owned);
    prop_oneof![4 => id, 4 => domain, 1 => named].prop_filter_map("no tenant", |text| text.parse().ok())
}

/// Generates the audience of an API, with the slashes and colons that occur in scopes.
pub fn resource() -> impl Strategy<Value = Resource> {
    let url = "(https://|api://|spn:|)[a-z0-9.\\-]{1,20}(/[!-~]{0,10}){0,3}/{0,3}";
    let any = "[!-~]{1,40}";
    prop_oneof![3 => url, 1 => any].prop_filter_map("no resource", |text| text.parse().ok())
}

/// Generates a scope: `/.default` of an API, or a single permission.
pub fn scope() -> impl Strategy<Value = Scope> {
    let named = "(https://|api://)[a-z.]{1,8}/{1,2}[A-Za-z.]{1,8}";
    prop_oneof![
        3 => resource().prop_map(|resource| Scope::default_for(&resource)),
        1 => named.prop_filter_map("no scope", |text| text.parse().ok()),
    ]
}

/// Generates one to three scopes.
pub fn scopes() -> impl Strategy<Value = Scopes> {
    vec(scope(), 1..4).prop_filter_map("no scopes", |scopes| Scopes::try_from(scopes).ok())
}

/// Generates a target: a resource, or scopes.
pub fn target() -> impl Strategy<Value = Target> {
    prop_oneof![resource().prop_map(Target::from), scopes().prop_map(Target::from)]
}

/// Generates the managed identity of a request: system-assigned, or by one of its three IDs.
pub fn identity() -> impl Strategy<Value = Identity> {
    let guid = || any::<[u8; 16]>().prop_map(Guid::from_bytes);
    let resource_id = "/[!-~]{1,60}";
    prop_oneof![
        Just(Identity::system()),
        guid().prop_map(|id| Identity::client_id(id.into())),
        guid().prop_map(Identity::object_id),
        resource_id.prop_filter_map("no resource ID", |id| Identity::resource_id(&id).ok()),
    ]
}

/// Generates a version of the endpoints.
pub fn endpoint_version() -> impl Strategy<Value = EndpointVersion> {
    prop_oneof![Just(EndpointVersion::V1), Just(EndpointVersion::V2)]
}

/// Generates a client secret, with characters that forms escape.
pub fn client_secret() -> impl Strategy<Value = ClientSecret> {
    let text = prop_oneof!["\\PC{1,40}", "[+%&= ~\u{0}\r\n:;\u{e9}]{1,20}"];
    text.prop_filter_map("white space alone", |text| ClientSecret::new(text).ok())
}

/// Generates an application with a secret, in one tenant of one of Microsoft's clouds.
pub fn application() -> impl Strategy<Value = Application> {
    let cloud = prop_oneof![Just(Cloud::Public), Just(Cloud::UsGovernment), Just(Cloud::China)];
    let id = any::<[u8; 16]>().prop_map(|bytes| ClientId::from(Guid::from_bytes(bytes)));
    (cloud, tenant(), id, client_secret(), endpoint_version()).prop_filter_map(
        "no authority",
        |(cloud, tenant, id, secret, version)| {
            let authority = Authority::new(cloud, tenant).ok()?;
            Some(Application::new(authority, id, secret).with_endpoint_version(version))
        },
    )
}

/// Generates a text for any input: nearly valid, in other scripts, with control characters, or
/// long.
pub fn hostile_text() -> impl Strategy<Value = String> {
    let pieces = prop_oneof![
        "(https?|api|spn|javascript|file)(:|://|:///)",
        "[ -~]{0,12}",
        "\\PC{0,12}",
        "[\u{0}-\u{1f}\u{7f}\u{200b}\u{202e}\u{feff}]{1,4}",
        "(%[0-9a-fA-F]{2}|%|&|=|\\+|;|#|\\?|@|\\.\\.|/\\.default|//){1,4}",
        "[a-z0-9]{1,8}(\\.[a-z0-9-]{0,8}){0,4}",
        "[{}\\[\\]\",:]{1,8}",
    ];
    prop_oneof![
        8 => vec(pieces, 0..8).prop_map(|pieces| pieces.concat()),
        1 => ("\\PC", 1_usize..70_000).prop_map(|(character, times)| character.repeat(times)),
    ]
}

/// Generates a response with a bearer token, as the service writes it on either endpoint.
pub fn token_response() -> impl Strategy<Value = Response<Body>> {
    let token = "[A-Za-z0-9_-]{1,200}(\\.[A-Za-z0-9_-]{1,200}){0,2}";
    let lifetime = prop_oneof![
        (1_u32..100_000).prop_map(|seconds| seconds.to_string()),
        Just("\"3599\"".to_owned())
    ];
    let refresh = proptest::option::of(1_u32..50_000);
    (token, lifetime, refresh).prop_map(|(token, lifetime, refresh)| {
        let refresh = refresh.map_or_else(String::new, |seconds| format!(r#","refresh_in":{seconds}"#));
        let body = format!(r#"{{"token_type":"Bearer","expires_in":{lifetime}{refresh},"access_token":"{token}"}}"#);
        response(StatusCode::OK, body.into_bytes(), Vec::new())
    })
}

/// Generates an error response of the service, with an AADSTS code.
pub fn error_response() -> impl Strategy<Value = Response<Body>> {
    let status = prop_oneof![Just(400_u16), Just(401), Just(403), Just(429), Just(500), Just(503)];
    let error = "invalid_(client|grant|request|scope|resource)|unauthorized_client|temporarily_unavailable|interaction_required";
    let headers = proptest::option::of((0_u32..600).prop_map(|seconds| (RETRY_AFTER, seconds.to_string())));
    (status, error, 10_000_u32..10_000_000, "[ !#-\\[\\]-~]{0,60}", headers).prop_map(
        |(status, error, code, text, headers)| {
            let body = format!(
                r#"{{"error":"{error}","error_description":"AADSTS{code}: {text}","error_codes":[{code}],"timestamp":"2026-01-01 00:00:00Z"}}"#
            );
            response(status_of(status), body.into_bytes(), headers.into_iter().collect())
        },
    )
}

/// Generates a response that a stack must survive: any status, meaningful headers, and a body that
/// is nearly JSON, nearly a token, or arbitrary.
pub fn hostile_response() -> impl Strategy<Value = Response<Body>> {
    let member = "access_token|token_type|expires_in|expires_on|refresh_in|refresh_token|id_token|error|error_codes|error_description|claims|scope|client_id|code|message|correlationId";
    let value = prop_oneof![
        "[\\[\\]{}\",:0-9eE+.\\-a-z]{0,20}",
        "-?[0-9]{1,400}",
        "[0-9]{1,5}e[0-9]{1,4}",
        "\"\\PC{0,20}\"",
    ];
    let members = vec((member, value), 0..6).prop_map(|members| {
        let members: Vec<String> = members
            .iter()
            .map(|(name, value)| format!("\"{name}\":{value}"))
            .collect();
        format!("{{{}}}", members.join(",")).into_bytes()
    });
    let nested = (1_usize..5_000).prop_map(|depth| "[".repeat(depth).into_bytes());
    let any_bytes = vec(any::<u8>(), 0..300);
    let body = prop_oneof![4 => members, 1 => nested, 2 => any_bytes, 1 => hostile_text().prop_map(String::into_bytes)];
    let names = prop_oneof![
        Just(RETRY_AFTER),
        Just(CONTENT_TYPE),
        Just(http::header::LOCATION),
        Just(http::header::DATE),
        Just(http::header::WWW_AUTHENTICATE),
    ];
    let headers = vec((names, "[ -~]{0,40}|[0-9]{1,40}"), 0..4);
    let hostile =
        (100_u16..1000, body, headers).prop_map(|(status, body, headers)| response(status_of(status), body, headers));
    prop_oneof![6 => hostile, 1 => token_response(), 1 => error_response()]
}

fn status_of(number: u16) -> StatusCode {
    StatusCode::from_u16(number).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

fn response(status: StatusCode, body: Vec<u8>, headers: Vec<(HeaderName, String)>) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().append(name, value);
        }
    }
    response
}
