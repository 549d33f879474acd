//! Arbitrary bytes as the headers of a request, one for each line, and as texts of a challenge.
//! `cargo xtask fuzz` starts with `tests/corpora/bearer`.

#![no_main]

use std::sync::LazyLock;

use entra_proto::claims::{Challenge, ClaimsRequest};
use entra_validate::{Api, Audience, Permissions, Rejection, Tenants, bearer_token};
use http::header::{AUTHORIZATION, HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use libfuzzer_sys::fuzz_target;

static API: LazyLock<Api> = LazyLock::new(|| {
    let audience = Audience::new("api://x").expect("the settings are valid");
    Api::new(audience, Tenants::Any, Permissions::any_granted()).expect("the settings are valid")
});

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let mut headers = HeaderMap::new();
    for value in bytes
        .split(|byte| *byte == b'\n')
        .take(10)
        .filter_map(|line| HeaderValue::from_bytes(line).ok())
    {
        headers.append(AUTHORIZATION, value);
    }
    for query in [None, Some(&*text)] {
        match bearer_token(&headers, query) {
            Ok(token) => {
                assert!(headers.len() == 1 && !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic()))
            }
            Err(rejection) => assert!(matches!(rejection.status().as_u16(), 400 | 401)),
        }
    }
    challenges(&text);
});

/// Checks that the texts in a challenge are parsed back unchanged.
fn challenges(text: &str) {
    let claims = ClaimsRequest::capabilities(&["cp1"]);
    for rejection in [
        Rejection::NoToken,
        Rejection::UnknownKey,
        Rejection::Claims {
            claims,
            is_understood: true,
        },
    ] {
        if let Ok(api) = API.clone().with_realm(text) {
            assert_eq!(written(&api, &rejection).realm(), Some(text));
        }
        if let Ok(api) = API.clone().with_resource_metadata(text) {
            assert_eq!(written(&api, &rejection).param("resource_metadata"), Some(text));
        }
    }
    if let Ok(api) = API.clone().with_challenge_scope(text) {
        assert_eq!(written(&api, &Rejection::NoToken).param("scope"), Some(text));
    }
}

fn written(api: &Api, rejection: &Rejection) -> Challenge {
    let value = api.www_authenticate(rejection).expect("a header can hold the challenge");
    let mut challenges = Challenge::parse_all(&HeaderMap::from_iter([(WWW_AUTHENTICATE, value)]));
    assert_eq!(challenges.len(), 1);
    challenges.pop().expect("there is one challenge")
}
