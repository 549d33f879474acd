//! Values that errors showed once, and members that must stay readable.

use super::canaries::{NOW, STATUSES, application, check};
use entra_proto::claims::Challenge;
use entra_proto::report::Report;
use entra_proto::{
    Application, Authority, Body, ClientCredential, ClientSecret, EndpointVersion, Guid, Target, TokenResponse,
};
use http::{HeaderMap, Response, StatusCode};
use serde_json::{Value, json};

#[test]
fn member_with_a_secret_must_be_a_string() {
    let app = application(EndpointVersion::V2);
    let start = app.device_code(Target::scopes("User.Read").unwrap()).unwrap();
    for value in [
        "[\"canary\"]",
        "{\"a\":\"canary\"}",
        "123",
        "1.5",
        "-1",
        "true",
        "false",
        "[]",
        "{}",
    ] {
        for status in STATUSES {
            for member in ["access_token", "refresh_token", "id_token", "device_code"] {
                for others in [
                    r#""expires_in":3599"#,
                    r#""access_token":"t","expires_in":3599"#,
                    r#""error":"invalid_grant""#,
                ] {
                    if others.contains(member) {
                        continue;
                    }
                    let body = format!(r#"{{"{member}":{value},{others}}}"#);
                    let status = StatusCode::from_u16(status).unwrap();
                    let error =
                        TokenResponse::decode(status, &HeaderMap::new(), body.as_bytes(), NOW).expect_err(&body);
                    let text = error.to_string();
                    assert!(text.contains(member) && text.contains("not a string"), "{body} {text}");
                    assert!(!text.contains("canary") && !text.contains("123"), "{text}");
                }
            }
        }
        for member in [
            "device_code",
            "user_code",
            "verification_uri",
            "verification_url",
            "verification_uri_complete",
        ] {
            let mut members = json!({
                "device_code": "d", "user_code": "u", "verification_uri": "https://a.example", "expires_in": 900,
            });
            members[member] = serde_json::from_str(value).unwrap();
            let error = start
                .decode(&Response::new(Body::from(members.to_string())), NOW)
                .expect_err(member);
            assert!(error.to_string().contains(member), "{error}");
            members[member] = Value::Null;
            let _ = start.decode(&Response::new(Body::from(members.to_string())), NOW);
        }
    }
    // Null counts as missing.
    let body = br#"{"access_token":"t","expires_in":3599,"refresh_token":null,"id_token":null}"#;
    let token = TokenResponse::decode(StatusCode::OK, &HeaderMap::new(), body, NOW).unwrap();
    assert!(token.refresh_token.is_none() && token.id_token.is_none());
}

#[test]
fn non_string_error_is_hidden_and_keeps_its_codes() {
    for status in [200, 400, 401, 429, 502] {
        let status = StatusCode::from_u16(status).unwrap();
        let read = |body: &str| TokenResponse::decode(status, &HeaderMap::new(), body.as_bytes(), NOW).unwrap_err();
        let error = read(r#"{"error":{"access_token":"opaque"}}"#);
        assert!(!format!("{error} {:?}", error.service()).contains("opaque"), "{error}");
        let error = read(r#"{"error":{"code":"x","message":"AADSTS700016: opaque"},"error_description":["opaque"]}"#);
        assert_eq!(error.service().unwrap().codes, [700_016]);
        assert!(!format!("{error} {:?}", error.service()).contains("opaque"), "{error}");
    }
}

#[test]
fn message_of_the_service_stays_readable() {
    let read = |body: &str| {
        TokenResponse::decode(StatusCode::UNAUTHORIZED, &HeaderMap::new(), body.as_bytes(), NOW).unwrap_err()
    };
    for message in [
        "AADSTS700016: Application with identifier '535fb089-9ff3-47b6-9bfb-4f1264799865' was not found in the directory 'Contoso'.",
        "AADSTS700027: The key was not found., Thumbprint of key used by client: '661069ADF6B7E7B5C81F1C14D8A4DC4A3B1C1FB1'",
        "AADSTS7000218: The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
        "AADSTS700213: No matching federated identity record found for presented assertion subject 'repo:contoso/App-1:ref:refs/heads/main'.",
    ] {
        let shown = message.trim_end_matches('.').split_once(": ").unwrap().1;
        for body in [
            json!({ "error": "invalid_client", "error_description": message }).to_string(),
            message.to_owned(),
            format!("{{\"error_description\":\"{message}\\r\\nTrace ID: x\",\"acc"),
            format!("<html>{message}</html>"),
        ] {
            let error = read(&body);
            assert!(error.to_string().contains(shown), "{body}\n{error}");
            assert_eq!(error.service().unwrap().codes.len(), 1, "{body}");
        }
    }
}

#[test]
fn public_client_decodes_the_same_responses() {
    let authority: Authority = "https://login.microsoftonline.com/contoso.com".parse().unwrap();
    let app = Application::new(authority, Guid::from_bytes([0xaa; 16]).into(), ClientCredential::Public);
    let request = app.device_code(Target::scopes("User.Read").unwrap()).unwrap();
    let body = r#"{"error":"authorization_declined","error_description":"canary said eyJhbGciOiJSUzI1NiJ9.e.f"}"#;
    let response = Response::builder()
        .status(400)
        .body(Body::from(body.to_owned()))
        .unwrap();
    let error = request.decode(&response, NOW).unwrap_err().to_string();
    assert!(
        error.contains("authorization_declined: canary said [secret]"),
        "{error}"
    );
}

/// The secret contains characters that would split it if random-looking parts were replaced first.
#[test]
fn own_secret_is_redacted_as_a_whole() {
    let secret = "Kx78Q~aB3dE5fG7hJ9kL1mN3pQ5rS7tU9vW1;hunter2,tail";
    let authority: Authority = "https://login.microsoftonline.com/contoso.com".parse().unwrap();
    let id = Guid::from_bytes([0xaa; 16]).into();
    let app = Application::new(authority, id, ClientSecret::new(secret).unwrap());
    let request = app
        .client_credentials(Target::resource("https://graph.microsoft.com").unwrap())
        .unwrap();
    for body in [
        json!({ "error": "invalid_client", "error_description": format!("the secret {secret} is wrong") }).to_string(),
        json!({ "error": secret, "suberror": secret, "error_uri": format!("https://a.example/{secret}") }).to_string(),
        format!("<html>could not pass on {secret}</html>"),
        format!("AADSTS7000215: {secret} is wrong"),
    ] {
        let response = Response::builder().status(401).body(Body::from(body.clone())).unwrap();
        let error = request.decode(&response, NOW).unwrap_err();
        check(&body, &error, &["hunter2".to_owned(), "tail".to_owned()]);
    }
}

/// A header may contain a token, as a body may.
#[test]
fn header_that_contains_a_secret_is_not_shown() {
    for secret in [
        "eyJhbGciOi.eyJhdWQiOiJhIiwic3ViIjoiYiJ9.c2lnbmF0dXJl",
        "Kx78Q~dEfGhIjKlMnOpQrStUvWxYz0123456789",
        "0.AXAAtFtP5fPbjEWGYrAVhqhC1k9Xz2vQ",
    ] {
        let traces: Vec<String> = vec![secret[secret.len() - 12..].to_owned()];
        for (name, value) in [
            ("location", format!("https://{secret}/")),
            ("location", format!("https://{secret}.example/")),
            (
                "location",
                format!("https://{secret}:{secret}@a.example/{secret}?{secret}#{secret}"),
            ),
            ("location", secret.to_owned()),
            ("content-type", secret.to_owned()),
            ("content-type", format!("application/{secret}")),
            ("content-type", format!("text/html; charset={secret}")),
            ("retry-after", secret.to_owned()),
            ("date", secret.to_owned()),
            ("www-authenticate", format!("Bearer error=\"{secret}\"")),
            ("x-ms-request-id", secret.to_owned()),
            ("client-request-id", secret.to_owned()),
        ] {
            let headers = HeaderMap::from_iter([(name.parse().unwrap(), value.parse().unwrap())]);
            for status in [200, 302, 307, 400, 401, 503] {
                for body in ["", "x", r#"{"error":"invalid_client"}"#, r#"{"access_token":1}"#] {
                    let status = StatusCode::from_u16(status).unwrap();
                    let error = TokenResponse::decode(status, &headers, body.as_bytes(), NOW).unwrap_err();
                    check(&value, &error, &traces);
                }
            }
        }
        let headers = HeaderMap::from_iter(
            [
                secret.to_owned(),
                format!("{secret} a=b"),
                format!("Bearer {secret}"),
                format!("Bearer {secret}=x, error=\"{secret}\""),
                format!("Bearer error={secret}, realm=\"{secret}\""),
            ]
            .map(|value| ("www-authenticate".parse().unwrap(), value.parse().unwrap())),
        );
        let shown = format!("{:?}", Challenge::parse_all(&headers)).to_lowercase();
        assert!(!shown.contains(&traces[0].to_lowercase()), "{shown}");
    }
}

#[test]
fn digits_and_utf_16_bodies_stay_hidden() {
    let digits = "411111111111111111111111";
    let body = format!(r#"{{"error":"x","timestamp":"{digits}","trace_id":"{digits}","suberror":"{digits}"}}"#);
    let read = |body: &[u8]| TokenResponse::decode(StatusCode::BAD_REQUEST, &HeaderMap::new(), body, NOW).unwrap_err();
    check(&body, &read(body.as_bytes()), &[digits.to_owned()]);
    let timestamp = br#"{"error":"x","timestamp":"2026-01-01 00:00:00Z"}"#;
    assert!(format!("{:#}", Report::from(read(timestamp))).contains("at 2026-01-01 00:00:00Z"));
    for body in ["opaque canary", "{\"access_token\":\"canary\"}"] {
        for to_bytes in [u16::to_le_bytes, u16::to_be_bytes] {
            let wide: Vec<u8> = body.encode_utf16().flat_map(to_bytes).collect();
            let error = read(&wide).to_string();
            assert!(error.starts_with("the service rejected the request"), "{error}");
        }
    }
    let page = b"<html><td>AADSTS50011: The redirect URI is wrong.</td><td>other</td></html>";
    assert_eq!(read(page).to_string(), "AADSTS50011: The redirect URI is wrong");
}

/// Callers receive the claims, and would receive a token in them.
#[test]
fn claims_that_contain_a_token_are_dropped() {
    let claims = |claims: &str| {
        let body = json!({ "error": "interaction_required", "claims": claims }).to_string();
        let error =
            TokenResponse::decode(StatusCode::BAD_REQUEST, &HeaderMap::new(), body.as_bytes(), NOW).unwrap_err();
        error.service().unwrap().claims.clone()
    };
    let wanted = r#"{"access_token":{"polids":{"essential":true,"values":["9ab03e19-ed42-4168-b6b7-7001fb3e933a"]}}}"#;
    assert_eq!(claims(wanted).as_deref(), Some(wanted));
    let token = "eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJhIn0.c2lnbmF0dXJl";
    for value in [token, &format!("0.AXAAtFtP5fPbjEWGYrAVhqhC1k9Xz2vQ{token}")] {
        assert_eq!(claims(&wanted.replace("9ab03e19", value)), None, "{value}");
        assert_eq!(claims(&wanted.replace("polids", value)), None, "{value}");
    }
}

#[test]
fn error_uri_that_contains_a_token_is_dropped() {
    let page = |page: &str| {
        let body = json!({ "error": "invalid_client", "error_uri": page }).to_string();
        let error =
            TokenResponse::decode(StatusCode::BAD_REQUEST, &HeaderMap::new(), body.as_bytes(), NOW).unwrap_err();
        error.service().unwrap().error_uri.clone()
    };
    let plain = "https://login.microsoftonline.com/error?code=7000215";
    assert_eq!(page(plain).as_deref(), Some(plain));
    let token = "eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJhIn0.c2lnbmF0dXJl";
    for address in [
        format!("{plain}&x={token}"),
        format!("https://a.example/{token}"),
        token.to_owned(),
    ] {
        assert_eq!(page(&address), None, "{address}");
    }
}

#[test]
fn token_type_must_be_a_string() {
    for kind in ["[\"Bearer\"]", "{}", "1", "true", "{\"eyJhbGciOiJSUzI1NiJ9.a.b\":1}"] {
        let body = format!(r#"{{"access_token":"t","expires_in":3599,"token_type":{kind}}}"#);
        let error = TokenResponse::decode(StatusCode::OK, &HeaderMap::new(), body.as_bytes(), NOW).expect_err(kind);
        assert!(error.to_string().contains("of type \"?\""), "{error}");
    }
}
