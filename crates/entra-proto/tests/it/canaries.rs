//! No error shows a value that may be a token or a secret, whatever member of a response or redirect it came in.

use entra_proto::{
    AccessToken, Application, Authority, Body, Challenge, ClaimsRequest, ClientAssertion, ClientCredential, ClientId,
    ClientSecret, Cloud, EndpointVersion, Error, Guid, Origin, PendingAdminConsent, PendingAuthorization, Redirect,
    RedirectUri, RefreshToken, Region, Resource, Scope, Scopes, Target, Tenant, Timestamp, TokenResponse,
    UnverifiedClaims, UserAssertion,
};
use http::{HeaderMap, Response, StatusCode};
use proptest::prelude::*;
use serde_json::{Value, json};

const NOW: Timestamp = Timestamp::from_secs(1_767_225_600);

const STATUSES: [u16; 12] = [200, 201, 400, 401, 403, 404, 407, 429, 500, 502, 503, 504];

/// Every member of every response, and some that no response has.
const MEMBERS: [&str; 32] = [
    "access_token",
    "refresh_token",
    "id_token",
    "device_code",
    "user_code",
    "verification_uri",
    "verification_uri_complete",
    "code",
    "state",
    "token_type",
    "expires_in",
    "expires_on",
    "refresh_in",
    "ext_expires_in",
    "scope",
    "resource",
    "client_info",
    "foci",
    "message",
    "interval",
    "error",
    "error_description",
    "error_codes",
    "suberror",
    "claims",
    "correlation_id",
    "trace_id",
    "timestamp",
    "error_uri",
    "password_change_url",
    "canary_member",
    "client_secret",
];

/// Members whose value is a secret whatever it looks like.
const SECRET_MEMBERS: [&str; 6] = [
    "access_token",
    "refresh_token",
    "id_token",
    "device_code",
    "client_secret",
    "code",
];

/// Values that look like the secrets of this protocol. The traces of each are parts that no text may hold.
fn secret() -> impl Strategy<Value = String> {
    prop_oneof![
        // A JWT.
        ("[A-Za-z0-9_-]{24}", "[A-Za-z0-9_-]{43}")
            .prop_map(|(claims, signature)| format!("eyJhbGciOiJSUzI1NiJ9.eyJ{claims}.{signature}")),
        // One whose parts are labels of a host.
        ("[a-zA-Z0-9]{12}", "[a-z][a-zA-Z0-9]{19}")
            .prop_map(|(claims, signature)| format!("eyJhbGciOi.eyJ{claims}.{signature}")),
        // An opaque refresh token or code.
        "[A-Za-z0-9_-]{120}".prop_map(|text| format!("1.AXAA{text}")),
        // A client secret.
        "[A-Za-z0-9_-]{34}".prop_map(|text| format!("Kx78Q~{text}")),
        // A key in base64.
        "[A-Za-z0-9+/]{86}".prop_map(|text| format!("MIIEvQ{text}==")),
        // A PEM block.
        "[A-Za-z0-9+/]{64}".prop_map(|text| format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----")),
        // Parameters.
        "[a-z]{12}".prop_map(|text| format!("client_secret=q{text}&x=1")),
        "[a-z]{12}".prop_map(|text| format!("{{\"refresh_token\":\"q{text}\"}}")),
        "[a-z]{12}".prop_map(|text| format!("{{\"access_token\":{{\"value\":[\"q{text}\"]}}}}")),
    ]
}

/// The parts of a secret that must not be seen: every run of ten characters that is neither ours nor a name.
fn traces(secret: &str) -> Vec<String> {
    let own = [
        "BEGIN",
        "PRIVATE",
        "KEY",
        "client_secret",
        "refresh_token",
        "access_token",
        "value",
        "eyJhbGciOi",
    ];
    secret
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|part| part.len() >= 10 && !own.iter().any(|own| part.contains(own)))
        .map(|part| part.chars().take(10).collect())
        .collect()
}

fn check(what: &str, error: &Error, traces: &[String]) {
    let service = error.service();
    let hint = service.and_then(|service| service.hint());
    let text = format!("{error} {error:?} {error:#?} {service:?} {hint:?}");
    let message = service.map(|service| format!("{} {}", service.message(), service.problem()));
    for trace in traces {
        assert!(!text.contains(trace.as_str()), "{what}\n{trace}\n{text}");
        assert!(!message.as_ref().is_some_and(|message| message.contains(trace.as_str())));
    }
}

/// A value in every JSON type, nested to a few levels.
fn nested(secret: &str, way: u8) -> Value {
    match way % 9 {
        0 => json!(secret),
        1 => json!([secret]),
        2 => json!({ "a": secret }),
        3 => json!({ secret: 1 }),
        4 => json!({ "access_token": secret }),
        5 => json!([[{ "error_description": { "b": [secret, 1] } }]]),
        6 => json!(format!("AADSTS50013: the assertion '{secret}' is bad. Trace ID: x")),
        7 => json!(json!({ "refresh_token": secret }).to_string()),
        _ => json!([null, true, 1.5, secret]),
    }
}

/// A body around a value, in every form in which servers send one.
fn body(members: &Value, way: u8) -> String {
    let json = members.to_string();
    match way % 7 {
        0 | 1 => json,
        2 => format!("<html><body>Bad gateway: {json}</body></html>"),
        3 => json.get(..json.len() - 2).unwrap_or(&json).to_owned(),
        4 => json!(json).to_string(),
        5 => format!("[{json}]"),
        _ => format!("upstream said {json}"),
    }
}

fn application(version: EndpointVersion) -> Application {
    let authority: Authority = "https://login.microsoftonline.com/contoso.com".parse().unwrap();
    let secret = ClientSecret::new("own-secret-of-the-request").unwrap();
    Application::new(authority, Guid::from_bytes([0xaa; 16]).into(), secret).on(version)
}

/// Reads a response as every endpoint's, and checks each error.
fn read_everywhere(status: u16, body: &str, traces: &[String]) {
    let status = StatusCode::from_u16(status).unwrap();
    let target = || Target::scopes("User.Read").unwrap();
    let response = || {
        let response = Response::builder()
            .status(status)
            .header("content-type", "application/json");
        response.body(Body::from(body.to_owned())).unwrap()
    };
    if let Err(error) = TokenResponse::decode(status, &HeaderMap::new(), body.as_bytes(), NOW) {
        check(body, &error, traces);
    }
    let app = application(EndpointVersion::V2);
    let start = app.device_code(target()).unwrap();
    if let Err(error) = start.decode(&response(), NOW) {
        check(body, &error, traces);
    }
    for request in [
        app.refresh(RefreshToken::new("own-refresh-token").unwrap(), target())
            .unwrap(),
        app.on_behalf_of(UserAssertion::new("own-assertion").unwrap(), target())
            .unwrap(),
    ] {
        if let Err(error) = request.decode(&response(), NOW) {
            check(body, &error, traces);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn no_response_gives_a_secret_away(
        secret in secret(),
        members in proptest::collection::vec((0..MEMBERS.len(), any::<u8>()), 1..4),
        way in any::<u8>(),
        status in 0..STATUSES.len(),
    ) {
        let mut object = serde_json::Map::new();
        for (member, way) in members {
            object.insert(MEMBERS[member].to_owned(), nested(&secret, way));
        }
        read_everywhere(STATUSES[status], &body(&Value::Object(object), way), &traces(&secret));
    }

    /// A short secret is known by the name of its member alone.
    #[test]
    fn no_response_gives_a_named_secret_away(
        text in "q[a-z]{11}",
        member in 0..SECRET_MEMBERS.len(),
        outer in 0..MEMBERS.len(),
        (way, nesting) in (any::<u8>(), any::<u8>()),
        status in 0..STATUSES.len(),
    ) {
        let named = json!({ SECRET_MEMBERS[member]: text });
        let inner = match nesting % 4 {
            0 => named.clone(),
            1 => json!([named]),
            2 => json!(named.to_string()),
            _ => json!(format!("{}={text}&x=1", SECRET_MEMBERS[member])),
        };
        let members = if nesting & 16 == 0 { json!({ MEMBERS[outer]: inner }) } else { named };
        let text = text.chars().take(10).collect();
        read_everywhere(STATUSES[status], &body(&members, way), &[text]);
    }

    #[test]
    fn no_parser_repeats_a_secret(secret in secret(), way in 0usize..14) {
        let traces = traces(&secret);
        let text = match way {
            0 => secret,
            1 => format!(" {secret}\n"),
            2 => format!("\"{secret}\""),
            3 => format!("https://login.microsoftonline.com/{secret}"),
            4 => format!("https://login.microsoftonline.com/contoso.com/{secret}"),
            5 => format!("https://user:{secret}@login.microsoftonline.com/contoso.com"),
            6 => format!("http://a.example/{secret}"),
            7 => format!("{secret}/.default"),
            8 => format!("{secret},https://graph.microsoft.com/.default"),
            9 => format!("['{secret}']"),
            10 => format!("https://{secret}/"),
            12 => format!("https://login.microsoftonline.com/{secret}/oauth2/x"),
            13 => format!("https://{secret}/contoso.com/x"),
            _ => format!("api://{secret}/"),
        };
        let app = application(EndpointVersion::V2);
        let mut errors: Vec<Option<Error>> = vec![
            text.parse::<Guid>().err(),
            text.parse::<ClientId>().err(),
            text.parse::<Tenant>().err(),
            text.parse::<Authority>().err(),
            text.parse::<Cloud>().err(),
            text.parse::<Origin>().err(),
            text.parse::<Region>().err(),
            text.parse::<Scope>().err(),
            text.parse::<Scopes>().err(),
            text.parse::<Resource>().err(),
            text.parse::<RedirectUri>().err(),
            RedirectUri::over_plain_http(&text).err(),
            Authority::loopback(&text).err(),
            Cloud::at(&text).err(),
            Cloud::loopback(&text).err(),
            Cloud::from_setting(&text).err(),
            ClaimsRequest::parse(&text).err(),
            UnverifiedClaims::decode(&text).err(),
            AccessToken::new(text.as_str()).err(),
            ClientAssertion::new(text.as_str()).err(),
            UserAssertion::new(text.as_str()).err(),
            RefreshToken::new(text.as_str()).err(),
            ClientSecret::new(text.as_str()).err(),
        ];
        // What is read as a scope or a resource may be refused later, for what is asked with it.
        for target in [Target::scopes(&text), Target::resource(&text), Target::scopes(&format!("{text} openid a.b/.default"))] {
            let Ok(target) = target else {
                errors.push(target.err());
                continue;
            };
            errors.push(target.audience().err());
            errors.push(app.client_credentials(target.clone()).err());
            errors.push(app.device_code(target.clone()).err());
            let back: RedirectUri = "https://a.example/cb".parse().unwrap();
            errors.push(app.authorize(target, back).start(&[7; 96]).err());
        }
        for error in errors.into_iter().flatten() {
            check(&text, &error, &traces);
        }
    }

    #[test]
    fn no_redirect_gives_a_secret_away(
        secret in secret(),
        names in proptest::collection::vec(0usize..12, 1..5),
        (with_state, way) in (any::<bool>(), any::<u8>()),
    ) {
        const PARAMETERS: [&str; 12] = [
            "code", "state", "id_token", "access_token", "error", "error_description", "error_subcode", "error_uri", "iss",
            "tenant", "admin_consent", "unknown",
        ];
        let app = application(EndpointVersion::V2);
        let request = app.authorize(Target::scopes("User.Read").unwrap(), "https://a.example/cb".parse().unwrap());
        let (_, pending) = request.start(&[7; 96]).unwrap();
        let consent = application(EndpointVersion::V1).admin_consent("https://a.example/cb".parse().unwrap());
        let (_, consent) = consent.start(&[7; 32]).unwrap();
        let mut query = form_urlencoded::Serializer::new(String::new());
        for name in names {
            query.append_pair(PARAMETERS[name], &secret);
        }
        if with_state {
            query.append_pair("state", pending.state());
        }
        let query = match way % 4 {
            0 => query.finish(),
            1 => query.finish().replace("%22", "\""),
            2 => secret.clone(),
            _ => format!("{}&error=access_denied", query.finish()),
        };
        let traces = traces(&secret);
        for redirect in [
            Redirect::from_query(&query),
            Redirect::from_fragment(&query),
            Redirect::from_form(query.as_bytes()),
            Redirect::from_url(&format!("https://a.example/cb?{query}")),
            Redirect::from_url(&format!("https://a.example/cb#{query}")),
        ] {
            match redirect {
                Ok(redirect) => {
                    for outcome in [pending.redeem(&app, &redirect).map(drop), consent.accept(&app, &redirect).map(drop)] {
                        if let Err(error) = outcome {
                            check(&query, &error, &traces);
                        }
                    }
                }
                Err(error) => check(&query, &error, &traces),
            }
        }
        for error in [
            query.parse::<PendingAuthorization>().err(),
            query.parse::<PendingAdminConsent>().err(),
        ].into_iter().flatten() {
            check(&query, &error, &traces);
        }
    }
}

#[test]
fn a_member_that_holds_a_secret_must_be_a_string() {
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
    // What is null is missing.
    let body = br#"{"access_token":"t","expires_in":3599,"refresh_token":null,"id_token":null}"#;
    let token = TokenResponse::decode(StatusCode::OK, &HeaderMap::new(), body, NOW).unwrap();
    assert!(token.refresh_token.is_none() && token.id_token.is_none());
}

#[test]
fn an_error_that_is_no_text_is_not_shown_and_keeps_its_codes() {
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
fn the_services_message_stays_readable() {
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
fn a_public_client_reads_the_same_responses() {
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

/// Signs in a secret would divide it, if the parts that look random were replaced first.
#[test]
fn the_requests_own_secret_is_blotted_out_in_one_piece() {
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

/// A header may hold a token as well as a body may.
#[test]
fn no_header_gives_a_secret_away() {
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
fn members_of_digits_and_bodies_in_utf_16_stay_hidden() {
    let digits = "411111111111111111111111";
    let body = format!(r#"{{"error":"x","timestamp":"{digits}","trace_id":"{digits}","suberror":"{digits}"}}"#);
    let read = |body: &[u8]| TokenResponse::decode(StatusCode::BAD_REQUEST, &HeaderMap::new(), body, NOW).unwrap_err();
    check(&body, &read(body.as_bytes()), &[digits.to_owned()]);
    let timestamp = br#"{"error":"x","timestamp":"2026-01-01 00:00:00Z"}"#;
    assert!(read(timestamp).to_string().contains("at 2026-01-01 00:00:00Z"));
    for body in ["opaque canary", "{\"access_token\":\"canary\"}"] {
        for to_bytes in [u16::to_le_bytes, u16::to_be_bytes] {
            let wide: Vec<u8> = body.encode_utf16().flat_map(to_bytes).collect();
            let error = read(&wide).to_string();
            assert!(
                error.starts_with("the service refused without a reason (status 400"),
                "{error}"
            );
        }
    }
    let page = b"<html><td>AADSTS50011: The redirect URI is wrong.</td><td>other</td></html>";
    assert!(
        read(page)
            .to_string()
            .starts_with("AADSTS50011: The redirect URI is wrong; ")
    );
}

/// Claims are passed on to callers, so a token in them would be as well.
#[test]
fn claims_with_a_token_in_them_are_not_kept() {
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
fn a_page_with_a_token_in_its_address_is_not_kept() {
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
fn a_token_type_that_is_not_a_string_is_an_error() {
    for kind in ["[\"Bearer\"]", "{}", "1", "true", "{\"eyJhbGciOiJSUzI1NiJ9.a.b\":1}"] {
        let body = format!(r#"{{"access_token":"t","expires_in":3599,"token_type":{kind}}}"#);
        let error = TokenResponse::decode(StatusCode::OK, &HeaderMap::new(), body.as_bytes(), NOW).expect_err(kind);
        assert!(error.to_string().contains("of type \"?\""), "{error}");
    }
}
