//! The authorization endpoint: who is told what, and where answers go.

use crate::support::browser::Page;
use crate::support::{authorize_url, encode};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use entra_emulator::{Api, App, Emulator, Lint, Tenant, User};
use http::Request;
use proptest::prelude::*;
use serde_json::Value;

const REDIRECT: &str = "https://app.example/cb";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

fn emulator() -> Emulator {
    Emulator::builder()
        .app(
            App::new("web")
                .redirect_uri(REDIRECT)
                .redirect_uri("https://app.example/with?query=1")
                .request_scope("https://graph.microsoft.com", "User.Read"),
        )
        .app(App::new("without redirects"))
        .app(App::new("switched off").redirect_uri(REDIRECT).disabled())
        .build()
}

fn v2(emulator: &Emulator, more: &[(&str, &str)]) -> Page {
    let mut fields = vec![
        ("redirect_uri", REDIRECT),
        ("scope", "openid User.Read"),
        ("state", "s"),
    ];
    fields.extend_from_slice(more);
    Page::open(emulator, &authorize_url(emulator, "v2.0/authorize", &fields))
}

fn v1(emulator: &Emulator, more: &[(&str, &str)]) -> Page {
    let mut fields = vec![
        ("redirect_uri", REDIRECT),
        ("resource", "https://graph.microsoft.com"),
        ("state", "s"),
    ];
    fields.extend_from_slice(more);
    Page::open(emulator, &authorize_url(emulator, "authorize", &fields))
}

fn claims_of(token: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap()).unwrap()
}

#[test]
fn what_concerns_the_client_or_its_redirect_uri_is_told_on_a_page() {
    let emulator = emulator();
    let [_, without, off] = emulator.apps() else { panic!() };
    for (more, code) in [
        (&[("client_id", "-")][..], 900144),
        (&[("client_id", "0f0e0d0c-0b0a-4908-8706-050403020100")], 700016),
        (&[("client_id", "<script>")], 700016),
        (&[("client_id", &without.client_id)], 500113),
        (&[("client_id", &off.client_id)], 7000112),
        (&[("redirect_uri", "https://evil.example/cb")], 50011),
        (&[("redirect_uri", "https://app.example/cb/")], 50011),
        (&[("redirect_uri", "https://app.example/cb/below")], 50011),
        (&[("redirect_uri", "https://app.example/cb?x=1")], 50011),
        (&[("redirect_uri", "-")], 900144),
    ] {
        let page = v2(&emulator, more);
        assert_eq!(
            (page.status, page.aadsts(), page.location.clone()),
            (400, Some(code), None),
            "{more:?}"
        );
        assert!(page.html.contains(&format!("AADSTS{code}: ")), "{}", page.html);
    }
    let url = authorize_url(&emulator, "v2.0/authorize", &[("redirect_uri", REDIRECT)]);
    assert_eq!(Page::open(&emulator, &(url + "&client_id=x")).aadsts(), Some(9000411));
    for (tenant, code) in [("nowhere.example", 90002), ("x", 900023), ("consumers", 90130)] {
        let url = format!("/{tenant}/oauth2/authorize?client_id={}", emulator.client_id());
        assert_eq!(Page::open(&emulator, &url).aadsts(), Some(code), "{tenant}");
    }
}

#[test]
fn everything_else_is_told_to_the_app() {
    let emulator = emulator();
    for (more, error, code) in [
        (&[("response_type", "token")][..], "unsupported_response_type", 70005),
        (&[("response_type", "code token")], "unsupported_response_type", 70005),
        (&[("response_type", "-")], "invalid_request", 900144),
        (&[("response_mode", "web_message")], "invalid_request", 70007),
        (
            &[("response_type", "code id_token"), ("response_mode", "query")],
            "invalid_request",
            70007,
        ),
        (&[("response_type", "id_token")], "invalid_request", 900144),
        (
            &[("response_type", "id_token"), ("nonce", "n"), ("scope", "User.Read")],
            "unsupported_response_type",
            70005,
        ),
        (&[("prompt", "none")], "login_required", 50058),
        (&[("prompt", "admin_consent")], "invalid_request", 90023),
        (&[("prompt", "maybe")], "invalid_request", 90023),
        (&[("scope", "-")], "invalid_request", 900144),
        (&[("scope", " ")], "invalid_request", 900144),
        (&[("scope", "User.Reed")], "invalid_client", 650053),
        (&[("scope", "api://nowhere/read")], "invalid_resource", 500011),
        (
            &[("scope", "https://graph.microsoft.com/.default Mail.Read")],
            "invalid_scope",
            70011,
        ),
        (
            &[("resource", "https://graph.microsoft.com")],
            "invalid_request",
            901002,
        ),
        (&[("claims", "{")], "invalid_request", 9002313),
        (&[("code_challenge", "short")], "invalid_request", 501491),
        (&[("code_challenge_method", "S256")], "invalid_request", 50147),
        (
            &[("code_challenge", CHALLENGE), ("code_challenge_method", "S512")],
            "invalid_request",
            50149,
        ),
    ] {
        let page = v2(&emulator, more);
        let location = page
            .location
            .clone()
            .unwrap_or_else(|| panic!("{more:?} {}", page.html));
        assert!(location.starts_with(REDIRECT), "{location}");
        assert_eq!(page.parameter("error").as_deref(), Some(error), "{more:?}");
        assert!(
            page.parameter("error_description")
                .unwrap()
                .starts_with(&format!("AADSTS{code}: ")),
            "{location}"
        );
        assert_eq!(page.parameter("state").as_deref(), Some("s"));
        assert_eq!(page.parameter("code"), None);
    }
    assert!(
        v2(&emulator, &[("response_type", "id_token")])
            .location
            .unwrap()
            .contains("cb#error=")
    );
}

#[test]
fn version_one_reads_resource_and_is_lenient_about_redirects() {
    let emulator = emulator();
    for (more, goes_to) in [
        (&[("redirect_uri", "-")][..], REDIRECT),
        (
            &[("redirect_uri", "https://app.example/cb/below")],
            "https://app.example/cb/below",
        ),
        (&[("scope", "whatever")], REDIRECT),
        (&[("resource", "-")], REDIRECT),
    ] {
        let mut fields = vec![("redirect_uri", REDIRECT), ("resource", "https://graph.microsoft.com")];
        fields.extend_from_slice(more);
        let url = authorize_url(&emulator, "authorize", &fields);
        let redirect = emulator.approve(&url, "Adele Vance").unwrap();
        assert!(
            redirect.url.starts_with(&format!("{goes_to}?code=")),
            "{}",
            redirect.url
        );
    }
    let unknown = v1(&emulator, &[("resource", "https://nowhere.example")]);
    assert_eq!(unknown.parameter("error").as_deref(), Some("invalid_resource"));
    let unlisted = authorize_url(
        &emulator,
        "authorize",
        &[("redirect_uri", REDIRECT), ("resource", "https://manage.office.com")],
    );
    let redirect = emulator.approve(&unlisted, "Adele Vance").unwrap();
    assert!(
        redirect
            .parameter("error_description")
            .unwrap()
            .starts_with("AADSTS650057: ")
    );
    assert!(v1(&emulator, &[("redirect_uri", "https://app.example/cb/../x")]).aadsts() == Some(50011));
}

#[test]
fn answers_take_the_way_that_was_asked_for() {
    let emulator = emulator();
    let url = |mode: &str, kind: &str| {
        let fields = [
            ("redirect_uri", REDIRECT),
            ("scope", "openid User.Read"),
            ("state", "s"),
            ("nonce", "n"),
            ("response_mode", mode),
            ("response_type", kind),
        ];
        authorize_url(&emulator, "v2.0/authorize", &fields)
    };
    for (mode, kind, start) in [
        ("query", "code", "https://app.example/cb?code="),
        ("-", "code", "https://app.example/cb?code="),
        ("fragment", "code", "https://app.example/cb#code="),
        ("-", "id_token code", "https://app.example/cb#code="),
        ("-", "id_token", "https://app.example/cb#id_token="),
    ] {
        let redirect = emulator.approve(&url(mode, kind), "Adele Vance").unwrap();
        assert!(redirect.url.starts_with(start), "{mode} {kind} {}", redirect.url);
        assert!(redirect.parameter("session_state").is_some() && redirect.parameter("iss").is_none());
    }
    let redirect = emulator
        .approve(&url("form_post", "code id_token"), "Adele Vance")
        .unwrap();
    assert_eq!(redirect.url, REDIRECT);
    assert!(redirect.body.is_some() && !format!("{redirect:?}").contains(&redirect.parameter("code").unwrap()));
    let token = claims_of(&redirect.parameter("id_token").unwrap());
    assert_eq!(
        (&token["nonce"], &token["aud"]),
        (&Value::from("n"), &Value::from(emulator.client_id()))
    );
    let digest = aws_lc_rs::digest::digest(
        &aws_lc_rs::digest::SHA256,
        redirect.parameter("code").unwrap().as_bytes(),
    );
    assert_eq!(token["c_hash"], URL_SAFE_NO_PAD.encode(&digest.as_ref()[..16]));
    // A registered query stays, and more is added to it.
    let fields = [
        ("redirect_uri", "https://app.example/with?query=1"),
        ("scope", "openid"),
    ];
    let redirect = emulator
        .approve(&authorize_url(&emulator, "v2.0/authorize", &fields), "Adele Vance")
        .unwrap();
    assert!(
        redirect.url.starts_with("https://app.example/with?query=1&code="),
        "{}",
        redirect.url
    );
}

#[test]
fn the_state_comes_back_byte_for_byte() {
    let emulator = emulator();
    for (sent, back) in [
        ("%FF%00%0D%0A", "%FF%00%0D%0A"),
        ("a+b%20c", "a+b+c"),
        ("st%C3%A9%3Cscript%3E%26%3D%23", "st%C3%A9%3Cscript%3E%26%3D%23"),
        ("state=12345", "state%3D12345"),
    ] {
        let url = authorize_url(
            &emulator,
            "v2.0/authorize",
            &[("redirect_uri", REDIRECT), ("scope", "openid")],
        );
        let url = format!("{url}&state={sent}");
        let redirect = emulator.approve(&url, "Adele Vance").unwrap();
        assert!(redirect.url.ends_with(&format!("&state={back}")), "{}", redirect.url);
        let refused = emulator.decline(&url, "Adele Vance").unwrap();
        assert!(refused.url.ends_with(&format!("&state={back}")), "{}", refused.url);
    }
    let redirect = emulator.approve(
        &authorize_url(
            &emulator,
            "v2.0/authorize",
            &[("redirect_uri", REDIRECT), ("scope", "openid")],
        ),
        "Adele Vance",
    );
    assert_eq!(redirect.unwrap().parameter("state"), None);
}

#[test]
fn a_request_may_come_by_post() {
    let emulator = emulator();
    let body = encode(&[
        ("client_id", emulator.client_id()),
        ("response_type", "code"),
        ("scope", "openid"),
        ("redirect_uri", REDIRECT),
        ("state", "s"),
    ]);
    let page = Page::post(&emulator, &emulator.authorize_url_v2(), &body);
    let back = page.press(&emulator, "data-user=\"adele@");
    assert_eq!(back.parameter("state").as_deref(), Some("s"));
    let request = Request::post(emulator.authorize_url_v2()).body(body.into_bytes());
    assert_eq!(Page::of(&emulator.handle(request.unwrap())).aadsts(), Some(9002313));
    for method in ["OPTIONS", "PUT", "DELETE", "PROPFIND"] {
        let request = Request::builder().method(method).uri(emulator.authorize_url_v2());
        let answer = emulator.handle(request.body(Vec::new()).unwrap());
        assert_eq!(
            (answer.status().as_u16(), answer.headers()["allow"].to_str().unwrap()),
            (405, "GET, HEAD, POST"),
            "{method}"
        );
    }
    // Whatever can be read can be asked for without its body (RFC 9110, section 9.1).
    let url = authorize_url(
        &emulator,
        "v2.0/authorize",
        &[("redirect_uri", REDIRECT), ("scope", "openid")],
    );
    for (url, status) in [
        (url.as_str(), 200),
        (&*(url.clone() + "&prompt=none"), 302),
        (&emulator.authorize_url_v2(), 400),
        ("/devicelogin", 200),
        ("/signin", 405),
    ] {
        let answer = emulator.handle(Request::head(url).body(Vec::new()).unwrap());
        assert_eq!(answer.status(), status, "{url}");
    }
}

#[test]
fn asking_for_all_again_asks_nobody_who_agreed_to_some_of_it() {
    let emulator = Emulator::builder()
        .api(Api::new("api://orders").scope("read").scope("list"))
        .app(
            App::new("a")
                .redirect_uri(REDIRECT)
                .request_scope("api://orders", "read")
                .request_scope("api://orders", "list")
                .request_scope("https://graph.microsoft.com", "User.Read"),
        )
        .build();
    let open = |scope: &str, prompt: &str| {
        let fields = [("redirect_uri", REDIRECT), ("scope", scope), ("prompt", prompt)];
        Page::open(&emulator, &authorize_url(&emulator, "v2.0/authorize", &fields))
            .press(&emulator, "data-user=\"alex@")
    };
    let first = open("api://orders/read", "-");
    first.press(&emulator, "id=\"accept\"");
    // One scope of this API was agreed to, so there is a token; of the other API there is none yet.
    assert!(open("api://orders/.default", "-").parameter("code").is_some());
    assert!(
        open("https://graph.microsoft.com/.default", "-")
            .html
            .contains("data-permission=\"list\"")
    );
    assert!(
        open("api://orders/.default", "consent")
            .html
            .contains("data-permission=\"User.Read\"")
    );
}

#[test]
fn a_scope_said_again_is_one() {
    let emulator = emulator();
    let page = v2(
        &emulator,
        &[("scope", &"openid User.Read ".repeat(50)), ("prompt", "consent")],
    );
    let consent = page.press(&emulator, "data-user=\"alex@");
    assert_eq!(consent.html.matches("Sign you in").count(), 1);
    let many: String = (0..=128)
        .map(|slashes| format!("https://graph.microsoft.com{}/User.Read ", "/".repeat(slashes)))
        .collect();
    let refused = v2(&emulator, &[("scope", &many)]);
    assert!(
        refused
            .parameter("error_description")
            .unwrap()
            .starts_with("AADSTS70011: ")
    );
}

#[test]
fn hints_choose_the_account() {
    let emulator = Emulator::builder()
        .tenant(Tenant::new("one.example"))
        .tenant(
            Tenant::new("two.example")
                .user(User::new("Zoe Zed"))
                .user(User::new("Alex Wilber")),
        )
        .app(App::new("a").redirect_uri(REDIRECT))
        .build();
    let open = |tenant: &str, more: &[(&str, &str)]| {
        let mut fields = vec![("redirect_uri", REDIRECT), ("scope", "openid")];
        fields.extend_from_slice(more);
        let url = authorize_url(&emulator, "v2.0/authorize", &fields).replace(emulator.tenant_id(), tenant);
        let page = Page::open(&emulator, &url);
        let names: Vec<String> = page
            .tags("button")
            .iter()
            .filter_map(|tag| crate::support::browser::attribute(tag, "data-user"))
            .collect();
        let focused = page.tags("button").into_iter().find(|tag| tag.contains("autofocus"));
        (
            names,
            focused.and_then(|tag| crate::support::browser::attribute(&tag, "data-user")),
        )
    };
    assert_eq!(open("common", &[]).0.len(), 5);
    assert_eq!(open("organizations", &[]).0.len(), 5);
    assert_eq!(open("two.example", &[]).0, ["zoe@two.example", "alex@two.example"]);
    assert_eq!(open("common", &[("domain_hint", "two.example")]).0.len(), 2);
    assert_eq!(
        open("common", &[("login_hint", "ALEX@two.example")]).1.as_deref(),
        Some("alex@two.example")
    );
    assert_eq!(
        open("common", &[("login_hint", "\"><script>")]).1.as_deref(),
        Some("adele@one.example")
    );
    // Of two who share a name, the one who is offered signs in.
    let url = authorize_url(
        &emulator,
        "v2.0/authorize",
        &[
            ("redirect_uri", REDIRECT),
            ("scope", "openid"),
            ("response_type", "id_token"),
            ("nonce", "n"),
        ],
    );
    let redirect = emulator
        .approve(&url.replace(emulator.tenant_id(), "two.example"), "Alex Wilber")
        .unwrap();
    assert_eq!(
        claims_of(&redirect.parameter("id_token").unwrap())["preferred_username"],
        "alex@two.example"
    );
    // A user of another tenant cannot be picked, not even by a form made by hand.
    let url = authorize_url(
        &emulator,
        "v2.0/authorize",
        &[("redirect_uri", REDIRECT), ("scope", "openid")],
    );
    assert_eq!(
        emulator.approve(&url, "zoe@two.example").unwrap_err().aadsts,
        Some(50034)
    );
}

#[test]
fn answers_name_their_issuer_only_when_told_to() {
    let emulator = Emulator::builder()
        .issuer_in_answers()
        .app(App::new("a").redirect_uri(REDIRECT))
        .build();
    let url = authorize_url(
        &emulator,
        "v2.0/authorize",
        &[("redirect_uri", REDIRECT), ("scope", "openid")],
    );
    let redirect = emulator.approve(&url, "Adele Vance").unwrap();
    let issuer = format!("https://login.microsoftonline.com/{}/v2.0", emulator.tenant_id());
    assert_eq!(redirect.parameter("iss"), Some(issuer));
}

#[test]
fn findings() {
    let emulator = emulator();
    let lints = |page: Page| {
        assert!(page.status < 500);
        emulator.requests().pop().unwrap().lints
    };
    assert_eq!(lints(v2(&emulator, &[])), [Lint::MissingPkce]);
    assert_eq!(
        lints(v2(&emulator, &[("state", "-"), ("code_challenge", CHALLENGE)])),
        [Lint::MissingState, Lint::PlainPkce]
    );
    assert_eq!(
        lints(v2(
            &emulator,
            &[("code_challenge", CHALLENGE), ("code_challenge_method", "S256")]
        )),
        []
    );
    assert_eq!(lints(v1(&emulator, &[])), []);
    assert_eq!(
        lints(v1(&emulator, &[("client_secret", "canary")])),
        [Lint::SecretInUrl]
    );
    assert!(!format!("{:?}", emulator.requests()).contains("canary"));
}

#[test]
fn consented_scopes_decide_what_is_asked() {
    let emulator = Emulator::builder()
        .api(Api::new("api://orders").scope("read").admin_scope("write"))
        .app(App::new("a").redirect_uri(REDIRECT))
        .build();
    let url = |scope: &str| {
        authorize_url(
            &emulator,
            "v2.0/authorize",
            &[("redirect_uri", REDIRECT), ("scope", scope)],
        )
    };
    let asks = |scope: &str, user: &str| {
        let page = Page::open(&emulator, &url(scope)).press(&emulator, &format!("data-user=\"{user}@"));
        page.html.contains("id=\"accept\"") || page.aadsts() == Some(90094)
    };
    assert!(
        !asks("openid", "alex"),
        "the app is present, and a sign-in alone asks for nothing"
    );
    assert!(asks("api://orders/read", "alex"));
    emulator.approve(&url("api://orders/READ"), "Alex Wilber").unwrap();
    assert!(!asks("api://orders/read", "alex") && asks("api://orders/read", "megan"));
    assert_eq!(
        emulator
            .approve(&url("api://orders/write"), "Alex Wilber")
            .unwrap_err()
            .aadsts,
        Some(90094)
    );
    emulator.approve(&url("api://orders/write"), "Adele Vance").unwrap();
    assert!(!asks("api://orders/write", "adele") && asks("api://orders/write", "alex"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_query_leads_to_a_place_that_is_not_registered(
        endpoint in r"(common|organizations|contoso\.onmicrosoft\.com)/(oauth2/authorize|oauth2/v2\.0/authorize|adminconsent|v2\.0/adminconsent)",
        redirect in r"https://app\.example/cb[!-~é]{0,4}|https?:/{0,3}[!-~]{0,9}app\.example[!-~]{0,6}/cb|(javascript|data|https|//):?[!-~]{0,20}",
        response_type in "code|id_token|code id_token|token|[ -~]{0,9}",
        mode in "query|fragment|form_post|[a-z]{0,5}",
        scope in r"openid|User\.Read|[ -~]{0,20}",
        rest in r"(&(state|prompt|nonce|claims|login_hint|domain_hint|code_challenge|resource)=[a-z0-9%+.:/-]{0,20}){0,2}",
        is_registered in any::<bool>(),
        user in 0..3_usize,
    ) {
        let emulator = emulator();
        let redirect = if is_registered { REDIRECT } else { &redirect };
        let fields = encode(&[("client_id", emulator.client_id()), ("redirect_uri", redirect), ("response_type", &response_type), ("response_mode", &mode), ("scope", &scope)]);
        let Ok(uri) = format!("/{endpoint}?{fields}{rest}").parse::<http::Uri>() else { return Ok(()) };
        let name = ["Adele Vance", "Alex Wilber", "Megan Bowen"][user];
        let outcomes = [emulator.approve(&uri.to_string(), name), emulator.decline(&uri.to_string(), name)];
        for redirect in outcomes.into_iter().flatten() {
            let after = redirect.url.strip_prefix(REDIRECT);
            let is_below = !endpoint.contains("v2.0") && after.is_some_and(|after| after.starts_with('/') && !after.contains(".."));
            prop_assert!(after.is_some_and(|after| after.is_empty() || after.starts_with(['?', '#'])) || is_below, "{}", redirect.url);
            prop_assert!(!redirect.url.contains(['\r', '\n', ' ', '<', '"']), "{}", redirect.url);
        }
        let page = Page::open(&emulator, &uri.to_string());
        prop_assert!(!page.html.contains("<script"));
    }
}

#[test]
fn request_objects_are_rejected() {
    let emulator = emulator();
    for (name, word) in [
        ("request", "request_not_supported"),
        ("request_uri", "request_uri_not_supported"),
        ("registration", "registration_not_supported"),
    ] {
        let page = v2(&emulator, &[(name, "eyJhbGciOiJub25lIn0.e30.")]);
        let location = page.location.expect("an answer to the app");
        assert!(location.contains(&format!("error={word}&")), "{location}");
        assert_eq!(emulator.requests().last().unwrap().aadsts, Some(901002), "{name}");
    }
}

#[test]
fn unknown_parameters_are_noted() {
    let emulator = emulator();
    let page = v2(
        &emulator,
        &[
            ("redirect_url", "x"),
            ("Login_Hint", "x"),
            ("ui_locales", "de"),
            ("mkt", "de-DE"),
            ("x-client-SKU", "x"),
        ],
    );
    assert_eq!(page.status, 200);
    let requests = emulator.requests();
    let lints: Vec<_> = requests
        .last()
        .unwrap()
        .lints
        .iter()
        .filter(|lint| matches!(lint, Lint::UnknownParameter(_) | Lint::ParameterCase(_)))
        .collect();
    assert_eq!(
        lints,
        [
            &Lint::UnknownParameter("redirect_url".to_owned()),
            &Lint::ParameterCase("Login_Hint".to_owned())
        ]
    );
}
