//! Arbitrary requests in any order: each gets a response, no redirect leaves the registered URIs,
//! and no value becomes markup.

use std::collections::BTreeMap;

use entra_emulator::{App, Emulator};
use http::{HeaderValue, Method, Request};
use proptest::prelude::*;

use crate::support::Response;

const REDIRECT: &str = "https://app.example/cb";

/// A request as a template: `{name}` stands for the value of this name in an earlier response.
#[derive(Clone, Debug)]
struct Draft {
    method: &'static str,
    path: String,
    fields: Vec<(String, Vec<u8>)>,
    in_body: bool,
    header: (&'static str, Vec<u8>),
}

fn emulator() -> Emulator {
    Emulator::builder()
        .recorded_requests(8)
        .app(
            App::new("web")
                .secret("s3cret")
                .redirect_uri(REDIRECT)
                .redirect_uri("myapp://auth")
                .request_scope(Emulator::GRAPH, "User.Read"),
        )
        .app(
            App::new("native")
                .public_client()
                .multi_tenant()
                .redirect_uri("http://localhost"),
        )
        .build()
}

fn paths() -> impl Strategy<Value = String> {
    let tenant = prop_oneof![
        4 => Just("common".to_owned()),
        4 => Just("contoso.onmicrosoft.com".to_owned()),
        1 => "[a-z.%/-]{0,12}",
        1 => Just("contoso.ciamlogin.com".to_owned()),
    ];
    let end = prop::sample::select(vec![
        "oauth2/authorize",
        "oauth2/authorize",
        "oauth2/v2.0/authorize",
        "oauth2/v2.0/authorize",
        "oauth2/token",
        "oauth2/v2.0/token",
        "oauth2/devicecode",
        "oauth2/v2.0/devicecode",
        "adminconsent",
        "v2.0/adminconsent",
        "discovery/instance",
        "v2.0/.well-known/openid-configuration",
        "oauth2/logout",
    ]);
    prop_oneof![
        6 => (tenant, end).prop_map(|(tenant, end)| format!("/{tenant}/{end}")),
        3 => Just("/signin".to_owned()),
        2 => Just("/devicelogin".to_owned()),
        1 => Just("/v1.0/me".to_owned()),
        1 => "/api/v1[.]0/[a-z0-9.-]{0,9}/activity/feed/(subscriptions/(list|start|stop|content)|audit/[a-z$%]{0,9})",
        1 => "/[a-z0-9/%._-]{0,20}",
    ]
}

fn fields() -> impl Strategy<Value = Vec<(String, Vec<u8>)>> {
    let known: Vec<(&str, Vec<&str>)> = vec![
        ("client_id", vec!["{web}", "{native}", "<script>"]),
        ("client_secret", vec!["s3cret", "wrong"]),
        (
            "response_type",
            vec!["code", "code id_token", "id_token", "token", "code "],
        ),
        ("response_mode", vec!["query", "fragment", "form_post", "web_message"]),
        (
            "scope",
            vec![
                "openid User.Read",
                "openid offline_access https://graph.microsoft.com/.default",
                ".default",
                "/.default",
                "a/b/c",
            ],
        ),
        (
            "resource",
            vec!["https://graph.microsoft.com", "https://manage.office.com", "\r\n"],
        ),
        (
            "state",
            vec!["\"><script>alert(1)</script>", "\r\nset-cookie: a=b", "s"],
        ),
        ("nonce", vec!["n", "'\"<"]),
        ("prompt", vec!["none", "consent", "admin_consent", "login"]),
        ("login_hint", vec!["adele@contoso.onmicrosoft.com", "\"><script>"]),
        ("domain_hint", vec!["contoso.onmicrosoft.com", "organizations"]),
        ("code_challenge", vec!["dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"]),
        ("code_challenge_method", vec!["plain", "S256"]),
        ("code_verifier", vec!["dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"]),
        (
            "claims",
            vec![
                "{}",
                "{\"access_token\":{\"nbf\":{\"value\":18446744073709551615}}}",
                "[[[[",
            ],
        ),
        (
            "grant_type",
            vec![
                "authorization_code",
                "refresh_token",
                "device_code",
                "password",
                "client_credentials",
                "urn:ietf:params:oauth:grant-type:jwt-bearer",
            ],
        ),
        ("requested_token_use", vec!["on_behalf_of"]),
        ("code", vec!["{code}", "x"]),
        ("device_code", vec!["{device_code}"]),
        ("refresh_token", vec!["{refresh_token}"]),
        ("assertion", vec!["{access_token}", "{id_token}", "a.b.c"]),
        ("transaction", vec!["{transaction}"]),
        ("user", vec!["{user}", "a.b", "."]),
        ("decision", vec!["accept", "cancel", "other"]),
        ("organization", vec!["yes"]),
        ("user_code", vec!["{user_code}", "<b>"]),
        ("username", vec!["adele@contoso.onmicrosoft.com"]),
        ("password", vec!["x"]),
        ("contentType", vec!["Audit.General", "x"]),
        ("max_age", vec!["0"]),
        ("client_info", vec!["1"]),
    ];
    let known = prop::sample::select(known).prop_flat_map(|(name, values)| {
        (
            Just(name.to_owned()),
            prop::sample::select(values).prop_map(|value| value.as_bytes().to_vec()),
        )
    });
    let redirect =
        prop::sample::select(REDIRECTS.to_vec()).prop_map(|uri| ("redirect_uri".to_owned(), uri.as_bytes().to_vec()));
    let any = prop_oneof![
        2 => redirect,8 => known, 1 => ("[a-z_]{1,12}", prop::collection::vec(any::<u8>(), 0..40))];
    prop::collection::vec(any, 0..12)
}

/// Registered URIs, and typical attacks on them.
const REDIRECTS: &[&str] = &[
    REDIRECT,
    "https://app.example/cb/below",
    "https://evil.example",
    "https://app.example@evil.example/cb",
    "https://app.example\\@evil.example",
    "javascript:alert(1)",
    "HTTPS://APP.EXAMPLE/cb",
    "http://localhost:8400",
    "http://localhost:8400@evil.example",
    "http://[::1]/",
    "https://app.example/cb#x",
    "https://app.exampl\u{435}/cb",
    "myapp://auth",
    "//evil.example/cb",
    "https://app.example/cb\r\nx: y",
    "https://app.example/cb/..;/x",
    "https://app.example/cb/%2e%2e/x",
];

/// Returns the fields that a request of this kind requires, so that it passes the first checks.
/// Random fields replace some of them.
fn base(path: &str) -> Vec<(&'static str, &'static str)> {
    if path.ends_with("authorize") || path.ends_with("adminconsent") || path.ends_with("devicecode") {
        vec![
            ("client_id", "{web}"),
            ("redirect_uri", REDIRECT),
            ("response_type", "code"),
            ("scope", "openid offline_access User.Read"),
            ("state", "\"><script>alert(1)</script>"),
        ]
    } else if path.ends_with("token") {
        vec![
            ("client_id", "{web}"),
            ("client_secret", "s3cret"),
            ("code", "{code}"),
            ("grant_type", "authorization_code"),
            ("redirect_uri", REDIRECT),
        ]
    } else if path == "/signin" {
        vec![
            ("transaction", "{transaction}"),
            ("user", "{user}"),
            ("decision", "accept"),
        ]
    } else {
        vec![("user_code", "{user_code}")]
    }
}

fn drafts() -> impl Strategy<Value = Vec<Draft>> {
    let method =
        prop_oneof![6 => Just("GET"), 8 => Just("POST"), 1 => Just("HEAD"), 1 => Just("OPTIONS"), 1 => Just("TRACE")];
    let header = (
        prop::sample::select(vec![
            "host",
            "authorization",
            "content-type",
            "client-request-id",
            "return-client-request-id",
        ]),
        prop_oneof![
            Just(b"application/x-www-form-urlencoded".to_vec()),
            Just(b"evil.example".to_vec()),
            Just(b"Bearer {access_token}".to_vec()),
            Just(b"Basic Og==".to_vec()),
            prop::collection::vec(any::<u8>(), 0..30),
        ],
    );
    let one = (method, paths(), fields(), 0..4_usize, any::<bool>(), header).prop_map(
        |(method, path, extra, dropped, is_complete, header)| {
            let mut fields: Vec<(String, Vec<u8>)> = Vec::new();
            if is_complete {
                fields = base(&path)
                    .into_iter()
                    .map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()))
                    .collect();
                for (name, value) in extra.into_iter().take(dropped) {
                    fields.retain(|(known, _)| *known != name);
                    fields.push((name, value));
                }
            } else {
                fields.extend(extra);
            }
            let in_body = method != "GET";
            Draft {
                method,
                path,
                fields,
                in_body,
                header,
            }
        },
    );
    prop::collection::vec(one, 1..8)
}

/// The values of earlier responses that later requests may use.
struct Known(BTreeMap<&'static str, String>);

impl Known {
    fn fill(&self, text: &[u8]) -> Vec<u8> {
        match std::str::from_utf8(text) {
            Ok(text) => self
                .0
                .iter()
                .fold(text.to_owned(), |text, (name, value)| {
                    text.replace(&format!("{{{name}}}"), value)
                })
                .into_bytes(),
            Err(_) => text.to_vec(),
        }
    }

    fn learn(&mut self, response: &Response) {
        let body = String::from_utf8_lossy(response.body());
        let after = |mark: &str| Some(body.split_once(mark)?.1.split('"').next()?.to_owned());
        for (name, mark) in [
            ("transaction", "name=\"transaction\" value=\""),
            ("user", "name=\"user\" value=\""),
        ] {
            self.0.extend(after(mark).map(|value| (name, value)));
        }
        for name in ["device_code", "user_code", "refresh_token", "access_token", "id_token"] {
            self.0
                .extend(after(&format!("\"{name}\":\"")).map(|value| (name, value)));
        }
        if let Some(location) = response.headers().get("location") {
            let location = location.to_str().unwrap();
            let code = location
                .split_once("code=")
                .and_then(|(_, code)| code.split('&').next());
            self.0.extend(code.map(|code| ("code", code.to_owned())));
        }
    }
}

fn request(draft: &Draft, known: &Known) -> Option<Request<Vec<u8>>> {
    let mut encoded = form_urlencoded::Serializer::new(String::new());
    for (name, value) in &draft.fields {
        let value = known.fill(value);
        // Bytes that are not UTF-8 cannot pass through the serializer.
        match String::from_utf8(value) {
            Ok(value) => encoded.append_pair(name, &value),
            Err(error) => encoded.append_pair(
                name,
                &error
                    .as_bytes()
                    .iter()
                    .map(|byte| format!("%{byte:02x}"))
                    .collect::<String>(),
            ),
        };
    }
    let encoded = encoded.finish();
    let (uri, body) = if draft.in_body {
        (draft.path.clone(), encoded.into_bytes())
    } else {
        (format!("{}?{encoded}", draft.path), Vec::new())
    };
    let mut request = Request::builder()
        .method(Method::from_bytes(draft.method.as_bytes()).unwrap())
        .uri(uri);
    if draft.in_body {
        request = request.header("content-type", "application/x-www-form-urlencoded");
    }
    if let Ok(value) = HeaderValue::from_bytes(&known.fill(&draft.header.1)) {
        request = request.header(draft.header.0, value);
    }
    request.body(body).ok()
}

fn check(response: &Response) -> Result<(), TestCaseError> {
    let status = response.status().as_u16();
    prop_assert!(status < 500 || status == 501, "{status}");
    if let Some(location) = response.headers().get("location") {
        let location = location.to_str().unwrap();
        let is_own = [
            "https://app.example/cb",
            "HTTPS://APP.EXAMPLE/cb",
            "myapp://auth",
            "http://localhost:8400",
            "http://localhost",
        ]
        .iter()
        .filter_map(|own| location.strip_prefix(own))
        .any(|rest| rest.is_empty() || rest.starts_with(['?', '#', '/']));
        prop_assert!(is_own && !location.contains(".."), "{location}");
    }
    prop_assert!(!response.headers().contains_key("set-cookie"));
    if response.headers()["content-type"]
        .to_str()
        .unwrap()
        .starts_with("text/html")
        && status != 302
    {
        let html = String::from_utf8(response.body().clone()).unwrap();
        let policy = response.headers()["content-security-policy"].to_str().unwrap();
        // Only the landing page has a script, its own, which its policy names by hash. The response
        // to HEAD has the policy but no page.
        let scripts = usize::from(!html.is_empty() && policy.contains("; script-src 'sha256-"));
        prop_assert!(
            html.matches("<script").count() == scripts && !html.contains("action=\"javascript"),
            "{html}"
        );
        let after = policy.strip_prefix("default-src 'none'; style-src 'sha256-");
        let rest = after.and_then(|after| after.split_once("'; ")).map(|(_, rest)| rest);
        let known = [
            "frame-ancestors 'none'; base-uri 'none'",
            "form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
        ];
        let of_landing =
            "; connect-src 'self'; img-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'";
        let is_known =
            |rest: &str| known.contains(&rest) || rest.starts_with("script-src 'sha256-") && rest.ends_with(of_landing);
        prop_assert!(rest.is_some_and(is_known), "{}", policy);
    }
    prop_assert!(response.body().len() < 64 * 1024);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 1_024,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn arbitrary_requests_are_handled_safely(drafts in drafts()) {
        let emulator = emulator();
        let [web, native] = emulator.apps() else { panic!() };
        let ids = [("web", web.client_id.clone()), ("native", native.client_id.clone())];
        let mut known = Known(ids.into_iter().collect());
        for draft in &drafts {
            let Some(request) = request(draft, &known) else { continue };
            let response = emulator.handle(request);
            check(&response)?;
            known.learn(&response);
        }
    }
}
