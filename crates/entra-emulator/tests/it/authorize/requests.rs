//! The parameters of a request.

use entra_emulator::{App, Emulator, Lint, Tenant, User};
use http::Request;
use proptest::prelude::*;

use crate::authorize::{CHALLENGE, REDIRECT, claims_of, emulator, v2};
use crate::support::browser::Page;
use crate::support::{authorize_url, encode};

fn v1(emulator: &Emulator, more: &[(&str, &str)]) -> Page {
    let mut fields = vec![
        ("redirect_uri", REDIRECT),
        ("resource", "https://graph.microsoft.com"),
        ("state", "s"),
    ];
    fields.extend_from_slice(more);
    Page::open(emulator, &authorize_url(emulator, "authorize", &fields))
}

#[test]
fn v1_reads_resource_and_allows_redirect_subpaths() {
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
fn requests_may_use_post() {
    let emulator = emulator();
    let body = encode(&[
        ("client_id", emulator.client_id()),
        ("response_type", "code"),
        ("scope", "openid"),
        ("redirect_uri", REDIRECT),
        ("state", "s"),
    ]);
    let page = Page::post(&emulator, &emulator.authorize_url_v2(), &body);
    let recorded = || emulator.requests().pop().unwrap();
    assert_eq!(recorded().form_value("state"), Some("s"));
    let back = page.press(&emulator, "data-user=\"adele@");
    assert!(recorded().form_value("user").is_some());
    assert_eq!(back.parameter("state").as_deref(), Some("s"));
    let request = Request::post(emulator.authorize_url_v2()).body(body.into_bytes());
    assert_eq!(Page::of(&emulator.handle(request.unwrap())).aadsts(), Some(9002313));
    for method in ["OPTIONS", "PUT", "DELETE", "PROPFIND"] {
        let request = Request::builder().method(method).uri(emulator.authorize_url_v2());
        let response = emulator.handle(request.body(Vec::new()).unwrap());
        assert_eq!(
            (
                response.status().as_u16(),
                response.headers()["allow"].to_str().unwrap()
            ),
            (405, "GET, HEAD, POST"),
            "{method}"
        );
    }
    // HEAD is supported wherever GET is (RFC 9110, section 9.1).
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
        let response = emulator.handle(Request::head(url).body(Vec::new()).unwrap());
        assert_eq!(response.status(), status, "{url}");
    }
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
    // Of two users with the same name, the one that the page offers signs in.
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
    // A user of another tenant cannot be chosen, even with a hand-made form.
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
fn mistakes_in_requests_are_recorded() {
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn redirects_go_only_to_registered_uris(
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
        let location = page.location.expect("a redirect to the application");
        assert!(location.contains(&format!("error={word}&")), "{location}");
        assert_eq!(emulator.requests().last().unwrap().aadsts, Some(901002), "{name}");
    }
}

#[test]
fn unknown_parameters_are_recorded() {
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
