//! The tokens in requests, and the responses to rejected requests.

use entra_proto::claims::{Challenge, ClaimsChallenge};
use entra_proto::{Cloud as Named, Timestamp};
use entra_validate::{Rejection, bearer_token};
use http::header::{AUTHORIZATION, HeaderMap, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};

use crate::support::*;

fn headers(values: &[&str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for value in values {
        headers.append(AUTHORIZATION, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    headers
}

#[test]
fn bearer_token_comes_from_one_header() {
    for (value, token) in [
        ("Bearer abc", "abc"),
        ("bearer abc", "abc"),
        ("BEARER   a.b-c_d~e+f/g== ", "a.b-c_d~e+f/g=="),
        ("Bearer\tabc", "abc"),
    ] {
        assert_eq!(bearer_token(&headers(&[value]), None), Ok(token));
        assert_eq!(
            bearer_token(&headers(&[value]), Some("a=b&my_access_token=c")),
            Ok(token)
        );
    }
    for none in [
        &[][..],
        &["Basic abc"],
        &["Bearerabc"],
        &["DPoP abc"],
        &[""],
        &["Negotiate"],
    ] {
        assert_eq!(bearer_token(&headers(none), None), Err(Rejection::NoToken), "{none:?}");
    }
    for bad in [
        &["Bearer a", "Bearer b"][..],
        &["Bearer a", "Basic b"],
        &["Bearer"],
        &["Bearer "],
        &["Bearer a b"],
        &["Bearer a,b"],
        &["Bearer \u{e9}"],
    ] {
        let rejection = bearer_token(&headers(bad), None).unwrap_err();
        assert_eq!(
            (rejection.status().as_u16(), rejection.error()),
            (400, Some("invalid_request")),
            "{bad:?}"
        );
    }
    for query in [
        "access_token=x",
        "a=b&access_token=x",
        "access_token",
        "access%5Ftoken=x",
        "%61ccess%5ftoken",
    ] {
        for request in [&["Bearer a"][..], &[]] {
            assert_eq!(
                bearer_token(&headers(request), Some(query)).unwrap_err().status(),
                400,
                "{query}"
            );
        }
    }
}

fn challenge(api: &entra_validate::Api, rejection: &Rejection) -> (u16, Option<String>) {
    let response: http::Response<String> = api.response(rejection);
    assert!(response.body().is_empty());
    assert_eq!(response.headers()["cache-control"], "no-store");
    let header = response.headers().get(WWW_AUTHENTICATE);
    (
        response.status().as_u16(),
        header.map(|header| header.to_str().unwrap().to_owned()),
    )
}

#[test]
fn responses_follow_rfc_6750() {
    let denied = validate(&api(), &user().with("scp", "Other").sign()).unwrap_err();
    for (rejection, status, header) in [
        (Rejection::NoToken, 401, r#"Bearer realm="""#),
        (
            Rejection::BadRequest { problem: "x" },
            400,
            r#"Bearer realm="", error="invalid_request""#,
        ),
        (Rejection::Issuer, 401, r#"Bearer realm="", error="invalid_token""#),
        (
            Rejection::Malformed { problem: "x" },
            401,
            r#"Bearer realm="", error="invalid_token""#,
        ),
        (
            Rejection::Caller {
                found: guid(DAEMON).into(),
                is_listed: true,
            },
            403,
            r#"Bearer realm="", error="insufficient_scope""#,
        ),
        (
            denied,
            403,
            r#"Bearer realm="", error="insufficient_scope", scope="ToDoList.Read ToDoList.Other""#,
        ),
    ] {
        assert_eq!(
            challenge(&api(), &rejection),
            (status, Some(header.to_owned())),
            "{rejection}"
        );
    }
}

#[test]
fn challenge_names_realm_scope_and_resource_metadata() {
    let metadata = "https://api.contoso.com/.well-known/oauth-protected-resource/mcp";
    let api = api()
        .with_realm("to do")
        .unwrap()
        .with_challenge_scope("api://x/Tools.Call")
        .unwrap()
        .with_resource_metadata(metadata)
        .unwrap();
    let behind = format!(r#"resource_metadata="{metadata}""#);
    let scope = r#"scope="api://x/Tools.Call""#;
    assert_eq!(
        challenge(&api, &Rejection::NoToken),
        (401, Some(format!(r#"Bearer realm="to do", {scope}, {behind}"#)))
    );
    assert_eq!(
        challenge(&api, &Rejection::UnknownKey),
        (
            401,
            Some(format!(r#"Bearer realm="to do", error="invalid_token", {behind}"#))
        )
    );
    let denied = validate(&api, &user().with("scp", "Other").sign()).unwrap_err();
    assert_eq!(
        challenge(&api, &denied),
        (
            403,
            Some(format!(
                r#"Bearer realm="to do", error="insufficient_scope", {scope}, {behind}"#
            ))
        )
    );
}

#[test]
fn outage_is_503_with_a_pause() {
    let rejection = Rejection::KeysUnavailable {
        retry_after: std::time::Duration::from_millis(4_200),
        problem: "x".into(),
    };
    let response: http::Response<String> = api().response(&rejection);
    assert_eq!(
        (response.status().as_u16(), response.headers().get(WWW_AUTHENTICATE)),
        (503, None)
    );
    assert_eq!(response.headers()[RETRY_AFTER], "5");
}

#[test]
fn client_of_this_workspace_reads_the_claims_challenge() {
    let principal = validate(&api(), &daemon().with("xms_cc", serde_json::json!(["cp1"])).sign()).unwrap();
    let rejection = principal.issued_since(Timestamp::from_secs(NOW + 5)).unwrap_err();
    let response: http::Response<String> = api().response(&rejection);
    assert_eq!(response.status(), 401);
    let found = ClaimsChallenge::find_from(response.headers(), &Named::Public).expect("it is one");
    assert_eq!(
        found.claims().as_str(),
        format!(
            r#"{{"access_token":{{"nbf":{{"essential":true,"value":"{}"}}}}}}"#,
            NOW + 5
        )
    );
    assert_eq!(found.challenge().realm(), Some(""));
}

#[test]
fn response_does_not_reveal_the_reason() {
    let tokens = [
        daemon().with("aud", "canary"),
        daemon().with("exp", 1),
        daemon().signed_by(1),
        daemon().header("kid", "canary"),
        daemon().with("iss", "https://canary.example"),
        daemon().without("tid"),
        daemon().with("oid", "canary"),
    ];
    let headers: Vec<_> = tokens
        .iter()
        .map(|forge| challenge(&api(), &validate(&api(), &forge.sign()).unwrap_err()))
        .collect();
    assert!(headers.iter().all(|header| *header == headers[0]), "{headers:?}");
    assert!(!headers[0].1.as_ref().unwrap().contains("canary"));
    let mut map = HeaderMap::new();
    map.insert(WWW_AUTHENTICATE, headers[0].1.as_ref().unwrap().parse().unwrap());
    assert!(Challenge::parse_all(&map)[0].is_invalid_token());
}

#[test]
fn log_texts_name_the_rule_and_omit_the_token() {
    let token = daemon().with("aud", "https://other.example/\u{1b}[31m").sign();
    let rejection = validate(&api(), &token).unwrap_err();
    assert_eq!(
        rejection.to_string(),
        r#"R10 audience: aud is "https://other.example/\u{1b}[31m", which is not this API"#
    );
    let tokens = [
        token,
        daemon().signed_by(1).sign(),
        format!("{}x", daemon().sign()),
        "canary".to_owned(),
    ];
    for token in tokens {
        let rejection = validate(&api(), &token).unwrap_err();
        for text in [
            format!("{rejection}"),
            format!("{rejection:?}"),
            rejection.hint().unwrap().to_owned(),
        ] {
            for part in token.split('.') {
                assert!(!text.contains(part), "{text}");
            }
        }
    }
}
