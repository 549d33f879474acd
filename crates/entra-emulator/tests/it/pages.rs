//! The pages, as a browser and an attacker use them.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use entra_emulator::{Api, App, Emulator, Tenant, User};

use crate::support::browser::{Page, attribute};
use crate::support::{authorize_url, get, json_body, post};

const REDIRECT: &str = "https://app.example:8443/cb";
const EVIL: &str = "\"><script>alert('x')</script><b a=\"&";

fn emulator() -> Emulator {
    let emulator = Emulator::builder()
        .tenant(
            Tenant::new("evil.example")
                .user(
                    User::new(format!("Zoe {EVIL}"))
                        .user_principal_name(format!("zoe{EVIL}@x"))
                        .admin(),
                )
                .user(User::new("Alex Wilber"))
                .user(User::new("Megan Bowen")),
        )
        .api(Api::new("api://orders").scope("read<i>").role("all<i>"))
        .app(
            App::new(format!("app {EVIL}"))
                .redirect_uri(REDIRECT)
                .request_scope("api://orders", "read<i>")
                .request("api://orders", "all<i>"),
        )
        .build();
    emulator.clock().freeze();
    emulator
}

fn url(emulator: &Emulator, more: &[(&str, &str)]) -> String {
    let mut fields = vec![
        ("redirect_uri", REDIRECT),
        ("resource", "api://orders"),
        ("state", EVIL),
    ];
    fields.extend_from_slice(more);
    authorize_url(emulator, "authorize", &fields)
}

/// Returns every page by name, with true if its form leads to an application.
fn pages(emulator: &Emulator) -> Vec<(&'static str, Page, bool)> {
    let sign_in = Page::open(
        emulator,
        &url(emulator, &[("login_hint", EVIL), ("domain_hint", "evil.example")]),
    );
    let sign_in = if sign_in.html.contains("data-user") {
        sign_in
    } else {
        Page::open(emulator, &url(emulator, &[("login_hint", EVIL)]))
    };
    let consent = Page::open(emulator, &url(emulator, &[])).press(emulator, "data-user=");
    let by_form = Page::open(
        emulator,
        &url(emulator, &[("response_mode", "form_post"), ("prompt", "admin_consent")]),
    )
    .press(emulator, "data-user=")
    .press(emulator, "id=\"accept\"");
    let error = Page::open(emulator, &url(emulator, &[("redirect_uri", EVIL)]));
    let device = Page::open(emulator, "/devicelogin");
    let bad_code = device.press_with(emulator, "id=\"next\"", &[("user_code", EVIL)]);
    let client = [("client_id", emulator.client_id()), ("scope", "api://orders/read<i>")];
    let waiting = json_body(&post(emulator, "/common/oauth2/v2.0/devicecode", &client));
    let user_code = waiting["user_code"].as_str().unwrap();
    let for_device = device.press_with(emulator, "id=\"next\"", &[("user_code", user_code)]);
    let device_consent = for_device.press(emulator, "data-user=");
    let done = device_consent.press(emulator, "id=\"accept\"");
    vec![
        ("sign-in", sign_in, true),
        ("consent", consent, true),
        ("form post", by_form, true),
        ("error", error, false),
        ("device", device, false),
        ("device again", bad_code, false),
        ("sign-in for a device", for_device, false),
        ("consent for a device", device_consent, false),
        ("device is approved", done, false),
    ]
}

#[test]
fn request_values_do_not_become_markup() {
    let emulator = emulator();
    for (name, page, _) in pages(&emulator) {
        assert!(page.html.starts_with("<!DOCTYPE html>\n<html lang=\"en\">"), "{name}");
        for bad in ["<script", "<b ", "alert('x')", "<i>", "onclick", "javascript:"] {
            assert!(!page.html.contains(bad), "{name}: {bad}\n{}", page.html);
        }
    }
}

#[test]
fn headers_restrict_the_pages() {
    let emulator = emulator();
    for (name, page, leads_to_app) in pages(&emulator) {
        let style = page
            .html
            .split_once("<style>")
            .unwrap()
            .1
            .split_once("</style>")
            .unwrap()
            .0;
        let hash = STANDARD.encode(digest(&SHA256, style.as_bytes()));
        assert!(
            page.policy.contains("default-src 'none'; ")
                && page.policy.contains(&format!("style-src 'sha256-{hash}'; ")),
            "{name}"
        );
        assert!(
            page.policy.contains("frame-ancestors 'none'; base-uri 'none'"),
            "{name}"
        );
        // Chromium applies it to the whole chain of redirects after a form, and the redirects of an
        // application are unknown.
        let actions = page.policy.split("form-action ").nth(1);
        let actions = actions.and_then(|rest| rest.split(';').next());
        assert_eq!(actions, (!leads_to_app).then_some("'self'"), "{name}");
        assert!(
            !page.html.contains(" style=") && !page.policy.contains("unsafe"),
            "{name}"
        );
    }
    let response = get(&emulator, &url(&emulator, &[]));
    for (name, value) in [
        ("content-type", "text/html; charset=utf-8"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cache-control", "no-store, no-cache"),
        ("x-frame-options", "DENY"),
    ] {
        assert_eq!(response.headers()[name], value);
    }
}

#[test]
fn redirect_uris_of_every_kind_work() {
    for uri in [
        "https://APP.example:8443/cb;x=1",
        "http://[::1]:8400/cb",
        "http://127.0.0.1:8400",
        "myapp+x.y://auth",
        "urn:ietf:wg:oauth:2.0:oob",
    ] {
        let emulator = Emulator::builder().app(App::new("a").redirect_uri(uri)).build();
        let fields = [("redirect_uri", uri), ("scope", "openid")];
        let page = Page::open(&emulator, &authorize_url(&emulator, "v2.0/authorize", &fields));
        let back = page.press(&emulator, "data-user=");
        assert!(back.location.is_some_and(|location| location.starts_with(uri)), "{uri}");
    }
}

/// A browser normalizes values: a lone carriage return becomes a line feed.
#[test]
fn form_post_preserves_state() {
    let emulator = emulator();
    let state = "a\rb\nc\r\nd\te";
    let page = Page::open(
        &emulator,
        &url(&emulator, &[("response_mode", "form_post"), ("state", state)]),
    )
    .press(&emulator, "id=\"cancel\"");
    assert!(!page.html.contains('\r'));
    let fields = page.tags("input");
    let field = fields.iter().find(|tag| tag.contains("name=\"state\"")).unwrap();
    assert!(!field.contains('\n'), "{field}");
    assert_eq!(attribute(field, "value").as_deref(), Some(state));
}

#[test]
fn sign_in_completes_once_and_expires() {
    let emulator = emulator();
    let sign_in = Page::open(&emulator, &url(&emulator, &[]));
    let consent = sign_in.press(&emulator, "data-user=");
    let back = consent.press(&emulator, "id=\"accept\"");
    assert!(back.parameter("code").is_some());
    assert_eq!(back.parameter("state").as_deref(), Some(EVIL));
    let again = consent.press(&emulator, "id=\"accept\"");
    assert_eq!((again.aadsts(), again.location), (Some(50089), None));
    let again = sign_in.press(&emulator, "data-user=");
    assert_eq!((again.aadsts(), again.location), (Some(50089), None));
    assert!(again.html.contains("Go back to the app and start again"));

    let late = Page::open(&emulator, &url(&emulator, &[]));
    emulator.clock().advance(Duration::from_secs(900));
    assert_eq!(late.press(&emulator, "data-user=").aadsts(), Some(50089));
    for forged in [
        "",
        "transaction=",
        "transaction=x&user=a.b",
        "decision=accept",
        "transaction=x&decision=cancel",
    ] {
        let page = Page::post(&emulator, "/signin", forged);
        assert_eq!((page.aadsts(), page.location), (Some(50089), None), "{forged}");
    }
    let response = get(&emulator, "/signin");
    assert_eq!(
        (response.status().as_u16(), &response.headers()["allow"]),
        (405, &"POST".parse().unwrap())
    );
    assert!(Page::of(&response).html.contains("Go back to the app and start again"));
    // A body that is not a form is invalid here, too.
    for path in ["/signin", "/devicelogin"] {
        let request = http::Request::post(path).header("content-type", "application/json");
        let page = Page::of(&emulator.handle(request.body(b"{}".to_vec()).unwrap()));
        assert_eq!((page.status, page.aadsts()), (400, Some(9002313)), "{path}");
    }
}

/// The consent page is the response to a form, which a browser posts again to reload the page.
#[test]
fn reloading_the_consent_page_keeps_the_sign_in() {
    let emulator = emulator();
    let sign_in = Page::open(&emulator, &url(&emulator, &[]));
    sign_in.press(&emulator, "data-user=\"zoe");
    let reloaded = sign_in.press(&emulator, "data-user=\"zoe");
    assert!(reloaded.html.contains("id=\"accept\""));
    // A user who goes back can choose another account. Each page is about its own user, whichever
    // was shown last.
    let of_alex = sign_in.press(&emulator, "data-user=\"alex");
    assert!(of_alex.html.contains("<p class=\"who\">alex@") && reloaded.html.contains("<p class=\"who\">zoe"));
    let back = reloaded.press_with(&emulator, "id=\"accept\"", &[("organization", "yes")]);
    assert!(back.parameter("code").is_some());
    // Only one of the pages can be submitted.
    for page in [&of_alex, &reloaded] {
        assert_eq!(page.press(&emulator, "id=\"accept\"").aadsts(), Some(50089));
    }
    assert_eq!(sign_in.press(&emulator, "data-user=\"zoe").aadsts(), Some(50089));
    // Cancelling on the first page ends the sign-in as well.
    let sign_in = Page::open(&emulator, &url(&emulator, &[("prompt", "consent")]));
    let consent = sign_in.press(&emulator, "data-user=\"zoe");
    let back = sign_in.press(&emulator, "id=\"cancel\"");
    assert_eq!(back.parameter("error").as_deref(), Some("access_denied"));
    assert_eq!(consent.press(&emulator, "id=\"accept\"").aadsts(), Some(50089));
}

#[test]
fn consent_cannot_be_skipped() {
    let emulator = emulator();
    let consent = Page::open(&emulator, &url(&emulator, &[("prompt", "consent")])).press(&emulator, "data-user=");
    let transaction = attribute(&consent.tags("input")[0], "value").unwrap();
    // The form of the sign-in page, posted to the consent page, decides nothing.
    let user = &emulator.tenants()[0].users.as_ref().unwrap()[0];
    let body = crate::support::encode(&[
        ("transaction", &transaction),
        ("user", &format!("{}.{}", emulator.tenant_id(), user.id)),
    ]);
    let page = Page::post(&emulator, "/signin", &body);
    assert_eq!((page.aadsts(), page.location), (Some(9002313), None));
}

#[test]
fn open_pages_are_bounded_in_number() {
    let emulator = emulator();
    let first = Page::open(&emulator, &url(&emulator, &[]));
    let second = Page::open(&emulator, &url(&emulator, &[]));
    for _ in 0..999 {
        Page::open(&emulator, &url(&emulator, &[]));
    }
    assert_eq!(first.press(&emulator, "data-user=").aadsts(), Some(50089));
    assert!(second.press(&emulator, "data-user=").html.contains("id=\"accept\""));
    let long = url(&emulator, &[("nonce", &"n".repeat(70_000))]);
    let request =
        http::Request::post("/common/oauth2/authorize").header("content-type", "application/x-www-form-urlencoded");
    let query = long.split_once('?').unwrap().1.as_bytes().to_vec();
    assert_eq!(
        Page::of(&emulator.handle(request.body(query).unwrap())).aadsts(),
        Some(9002313)
    );
}

#[test]
fn pages_work_with_assistive_technology() {
    let emulator = emulator();
    for (name, page, _) in pages(&emulator) {
        assert_eq!(page.html.matches("<h1").count(), 1, "{name}");
        assert!(page.html.contains("<main") && page.html.contains("<title>"), "{name}");
        let inputs = page
            .tags("input")
            .into_iter()
            .filter(|tag| !tag.contains("type=\"hidden\""));
        for input in inputs {
            let id = attribute(&input, "id").expect("an id");
            assert!(page.html.contains(&format!("<label for=\"{id}\"")), "{name} {input}");
        }
        if !page.tags("form").is_empty() {
            assert_eq!(page.html.matches(" autofocus").count(), 1, "{name}");
        }
    }
}
