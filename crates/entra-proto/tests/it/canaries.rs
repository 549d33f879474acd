//! Errors never show a value that may be a token or a secret, whichever member of a response or
//! redirect contains it.

use entra_proto::acquire::{RetryPolicy, Step};
use entra_proto::acquired::AcquiredCredential;
use entra_proto::assertion::ClientAssertion;
use entra_proto::authorize::{
    PendingAdminConsent, PendingAuthorization, Redirect, RedirectUri, RefreshToken, UserAssertion,
};
use entra_proto::claims::{Challenge, ClaimsChallenge, ClaimsRequest, UnverifiedClaims};
use entra_proto::endpoint::{Origin, Region};
use entra_proto::environment::{self, Environment};
use entra_proto::report::Report;
use entra_proto::{
    AccessToken, Application, Authority, Body, ClientId, ClientSecret, Cloud, EndpointVersion, Error, Guid, Resource,
    Scope, Scopes, Target, Tenant, Timestamp, TokenResponse,
};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use proptest::prelude::*;
use serde_json::{Value, json};

pub(super) const NOW: Timestamp = Timestamp::from_secs(1_767_225_600);
pub(super) const STATUSES: [u16; 12] = [200, 201, 400, 401, 403, 404, 407, 429, 500, 502, 503, 504];

/// The members of all responses, and some that no response has.
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

/// Members whose values are always secret.
const SECRET_MEMBERS: [&str; 6] = [
    "access_token",
    "refresh_token",
    "id_token",
    "device_code",
    "client_secret",
    "code",
];

/// Generates values that look like the secrets of this protocol.
pub(super) fn secret() -> impl Strategy<Value = String> {
    prop_oneof![
        // A JWT.
        ("[A-Za-z0-9_-]{24}", "[A-Za-z0-9_-]{43}")
            .prop_map(|(claims, signature)| format!("eyJhbGciOiJSUzI1NiJ9.eyJ{claims}.{signature}")),
        // A JWT whose parts are valid labels of a host.
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
        // Parameters and members.
        "[a-z]{12}".prop_map(|text| format!("client_secret=q{text}&x=1")),
        "[a-z]{12}".prop_map(|text| format!("{{\"refresh_token\":\"q{text}\"}}")),
        "[a-z]{12}".prop_map(|text| format!("{{\"access_token\":{{\"value\":[\"q{text}\"]}}}}")),
    ]
}

/// Returns the parts of a secret that must not be shown: every run of ten characters, except names.
pub(super) fn traces(secret: &str) -> Vec<String> {
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

pub(super) fn check(what: &str, error: &Error, traces: &[String]) {
    let service = error.service();
    let hint = service.and_then(|service| service.hint());
    let report = Report::of(error);
    let text = format!("{error} {error:?} {error:#?} {service:?} {hint:?} {report} {report:#} {report:?}");
    let message = service.map(|service| format!("{} {:?}", service.message(), service.ids()));
    for trace in traces {
        assert!(!text.contains(trace.as_str()), "{what}\n{trace}\n{text}");
        assert!(!message.as_ref().is_some_and(|message| message.contains(trace.as_str())));
    }
}

/// Nests a value in every JSON type, to a few levels.
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

/// Wraps members in every form of body that servers send.
pub(super) fn body(members: &Value, way: u8) -> String {
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

pub(super) fn application(version: EndpointVersion) -> Application {
    let authority: Authority = "https://login.microsoftonline.com/contoso.com".parse().unwrap();
    let secret = ClientSecret::new("own-secret-of-the-request").unwrap();
    Application::new(authority, Guid::from_bytes([0xaa; 16]).into(), secret).with_endpoint_version(version)
}

/// Decodes a response as each endpoint does, and checks each error.
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
    fn no_response_error_shows_a_secret(
        secret in secret(),
        members in proptest::collection::vec((0..MEMBERS.len(), any::<u8>()), 1..4),
        way in any::<u8>(),
        status in 0..STATUSES.len(),
    ) {
        let mut object = serde_json::Map::new();
        for (member, way) in members {
            // In a claims request, `access_token` is the token that the claims are for.
            if MEMBERS[member] == "claims" && ClaimsRequest::parse(&secret).is_ok() {
                continue;
            }
            object.insert(MEMBERS[member].to_owned(), nested(&secret, way));
        }
        read_everywhere(STATUSES[status], &body(&Value::Object(object), way), &traces(&secret));
    }

    /// A short secret is recognized only by the name of its member.
    #[test]
    fn no_response_error_shows_a_named_secret(
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
    fn no_parser_error_shows_a_secret(secret in secret(), way in 0usize..20) {
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
            14 => format!("https://contoso.b2clogin.com/{secret}/B2C_1_a"),
            15 => format!("https://contoso.b2clogin.com/contoso.com/{secret}"),
            16 => format!("https://{secret}.ciamlogin.com/x/y"),
            17 => format!("https://a.example/cb?code={secret}"),
            18 => format!("{secret}.example"),
            19 => format!("https://graph.microsoft.com/{secret}"),
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
            Authority::from_setting(&text).err(),
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
        // A text that parses as a scope or a resource may be rejected later, in combination with
        // others.
        for target in [Target::scopes(&text), Target::resource(&text), Target::scopes(&format!("{text} openid a.b/.default"))] {
            let Ok(target) = target else {
                errors.push(target.err());
                continue;
            };
            errors.push(target.audience().err());
            errors.push(app.client_credentials(target.clone()).err());
            errors.push(app.device_code(target.clone()).err());
            let back: RedirectUri = "https://a.example/cb".parse().unwrap();
            errors.push(app.authorize(target.clone(), back.clone()).start(&[7; 96]).err());
            errors.push(app.admin_consent(back).with_target(target.clone()).start(&[7; 32]).err());
            errors.push(app.refresh(RefreshToken::new("rt").unwrap(), target.clone()).err());
            errors.push(app.on_behalf_of(UserAssertion::new("a").unwrap(), target).err());
        }
        // The client secret belongs to another variable than the one that contains it here.
        for variable in [environment::TENANT_ID, environment::CLIENT_ID, environment::AUTHORITY_HOST] {
            let read = Environment::read(|name| Some(if name == variable { text.as_str() } else { "contoso.com" }.into()));
            if let Err(error) = read {
                let shown = format!("{error} {error:?} {:?} {:#}", error.hint(), Report::of(&error));
                for trace in &traces {
                    prop_assert!(!shown.contains(trace.as_str()), "{text}\n{trace}\n{shown}");
                }
            }
        }
        for error in errors.into_iter().flatten() {
            check(&text, &error, &traces);
        }
    }

    /// The error of a nested request names its target, which may contain a misplaced secret.
    #[test]
    fn no_leg_error_shows_a_secret(secret in secret(), way in 0usize..6) {
        let traces = traces(&secret);
        let text = match way {
            0 => secret,
            1 => format!("api://{secret}"),
            2 => format!("{secret}/.default"),
            3 => format!("https://{secret}/"),
            4 => format!("https://graph.microsoft.com/{secret}"),
            _ => format!("openid {secret}/.default"),
        };
        for (target, version) in [
            (Target::resource(&text), EndpointVersion::V1),
            (Target::resource(&text), EndpointVersion::V2),
            (Target::scopes(&text), EndpointVersion::V2),
        ] {
            let Ok(inner) = target.and_then(|target| application(version).client_credentials(target)) else { continue };
            let authority: Authority = "https://login.microsoftonline.com/contoso.com".parse().unwrap();
            let credential = AcquiredCredential::of_token(inner).unwrap();
            let app = Application::new(authority, Guid::from_bytes([0xbb; 16]).into(), credential);
            let outer = app.client_credentials(Target::resource("https://graph.microsoft.com").unwrap()).unwrap();
            let Step::Exchange(exchange) = outer.start(RetryPolicy::default(), Guid::from_random([7; 16]), NOW).unwrap() else {
                panic!("a secret does not need a signature")
            };
            let leg = exchange.leg().expect("another request waits");
            for trace in &traces {
                prop_assert!(!format!("{leg} {leg:?}").contains(trace.as_str()), "{leg}");
            }
            let response = Response::builder().status(400).body(Body::default()).unwrap();
            check(&text, &exchange.respond(&response, NOW).unwrap_err(), &traces);
        }
    }

    /// The headers of a response are as untrusted as its body.
    #[test]
    fn no_header_error_shows_a_secret(
        secret in secret(),
        (name, way) in (0usize..8, 0usize..6),
        status in 0..STATUSES.len(),
        body in 0usize..4,
    ) {
        const NAMES: [&str; 8] = [
            "location", "content-type", "retry-after", "date", "www-authenticate", "x-ms-request-id", "client-request-id",
            "set-cookie",
        ];
        const BODIES: [&str; 4] = ["", "x", r#"{"error":"invalid_client"}"#, r#"{"access_token":1}"#];
        let traces = traces(&secret);
        let value = match way {
            0 => secret,
            1 => format!("https://{secret}/"),
            2 => format!("https://{secret}.example/{secret}?{secret}#{secret}"),
            3 => format!("https://user:{secret}@a.example/"),
            4 => format!("text/html; charset={secret}"),
            _ => format!("application/{secret}"),
        };
        let Ok(header) = HeaderValue::from_str(&value) else { return Ok(()) };
        let headers = HeaderMap::from_iter([(NAMES[name].parse().unwrap(), header)]);
        let status = StatusCode::from_u16(STATUSES[status]).unwrap();
        let error = TokenResponse::decode(status, &headers, BODIES[body].as_bytes(), NOW).unwrap_err();
        check(&value, &error, &traces);
        let shown = format!("{:?} {:?}", Challenge::parse_all(&headers), ClaimsChallenge::find(&headers));
        for trace in &traces {
            prop_assert!(!shown.contains(trace.as_str()), "{value}\n{shown}");
        }
    }

    #[test]
    fn no_redirect_error_shows_a_secret(
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
