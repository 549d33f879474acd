//! Device codes.

use std::time::Duration;

use entra_emulator::{Api, App, Config, Emulator, EmulatorBuilder, Fault, Purpose, Tenant};
use serde_json::{Value, json};

use crate::support::browser::Page;
use crate::support::{Response, claims, error_code, json_body, merge, post};

const GRAPH: &str = "https://graph.microsoft.com";
const URN: &str = "urn:ietf:params:oauth:grant-type:device_code";

fn emulator() -> Emulator {
    let emulator = Emulator::builder()
        .tenant(Tenant::new("contoso.onmicrosoft.com"))
        .tenant(Tenant::new("other.example"))
        .app(
            App::new("Tele<b>vision")
                .public_client()
                .multi_tenant()
                .request_scope(GRAPH, "User.Read"),
        )
        .app(App::new("web").secret("s3cret"))
        .build();
    emulator.clock().freeze();
    emulator
}

fn start(emulator: &Emulator, more: &[(&str, &str)]) -> Response {
    let mut fields = vec![
        ("client_id", emulator.client_id()),
        ("scope", "User.Read openid offline_access"),
    ];
    merge(&mut fields, more);
    post(
        emulator,
        &format!("{}/oauth2/v2.0/devicecode", emulator.authority()),
        &fields,
    )
}

fn poll(emulator: &Emulator, code: &str) -> Response {
    let fields = [
        ("grant_type", URN),
        ("client_id", emulator.client_id()),
        ("device_code", code),
    ];
    post(emulator, &emulator.token_url_v2(), &fields)
}

fn error(response: &Response) -> String {
    json_body(response)["error"].as_str().unwrap_or_default().to_owned()
}

fn codes(body: &Value) -> (String, String) {
    let text = |name: &str| body[name].as_str().unwrap().to_owned();
    (text("device_code"), text("user_code"))
}

#[test]
fn device_is_approved_in_a_browser() {
    let emulator = emulator();
    let body = json_body(&start(&emulator, &[]));
    assert_eq!((&body["expires_in"], &body["interval"]), (&json!(900), &json!(5)));
    let (device_code, user_code) = codes(&body);
    let page_url = body["verification_uri"].as_str().unwrap();
    assert!(body["message"].as_str().unwrap().contains(&user_code) && page_url.ends_with("/devicelogin"));
    assert_eq!(error(&poll(&emulator, &device_code)), "authorization_pending");

    let page = Page::open(&emulator, page_url);
    // As a user types it.
    let typed = format!(" {}-{} ", user_code[..4].to_lowercase(), &user_code[4..]);
    let sign_in = page.press_with(&emulator, "id=\"next\"", &[("user_code", &typed)]);
    let confirm = sign_in.press(&emulator, "data-user=\"alex@contoso");
    assert!(confirm.html.contains("Tele&lt;b&gt;vision") && confirm.html.contains("data-permission=\"User.Read\""));
    let done = confirm.press(&emulator, "id=\"accept\"");
    assert!(done.html.contains("You are signed in") && done.location.is_none());

    let body = json_body(&poll(&emulator, &device_code));
    let token = claims(&body);
    assert_eq!(
        (&token["upn"], &token["scp"], &token["appidacr"]),
        (
            &json!("alex@contoso.onmicrosoft.com"),
            &json!("User.Read openid"),
            &json!("0")
        )
    );
    assert!(body["refresh_token"].is_string() && body["id_token"].is_string());
    assert_eq!(error(&poll(&emulator, &device_code)), "bad_verification_code");
    let purposes: Vec<_> = emulator.requests().iter().filter_map(|event| event.purpose).collect();
    assert_eq!(
        purposes[..3],
        [Purpose::DeviceCode, Purpose::Token, Purpose::DeviceLogin]
    );
    let shown = format!("{:?}", emulator.requests());
    assert!(!shown.contains(&device_code) && !shown.contains(&user_code));
}

#[test]
fn v1_uses_its_own_names() {
    let emulator = emulator();
    let url = format!("{}/oauth2/devicecode", emulator.authority());
    let client = ("client_id", emulator.client_id());
    assert_eq!(error_code(&post(&emulator, &url, &[client])), 900144);
    let body = json_body(&post(&emulator, &url, &[client, ("resource", GRAPH)]));
    assert_eq!((&body["expires_in"], &body["interval"]), (&json!("900"), &json!("5")));
    assert!(body["verification_url"].is_string() && body["verification_uri"].is_null());
    let (device_code, user_code) = codes(&body);
    emulator.approve_device(&user_code, "Adele Vance").unwrap();
    let fields = [
        ("grant_type", "device_code"),
        client,
        ("resource", GRAPH),
        ("code", &device_code),
    ];
    let body = json_body(&post(&emulator, &emulator.token_url_v1(), &fields));
    assert_eq!(
        (&body["resource"], &body["scope"]),
        (&json!(GRAPH), &json!("User.Read"))
    );
}

#[test]
fn frequent_polling_slows_down() {
    let emulator = emulator();
    let (device_code, user_code) = codes(&json_body(&start(&emulator, &[])));
    let wait = |seconds| {
        emulator.clock().advance(Duration::from_secs(seconds));
        error(&poll(&emulator, &device_code))
    };
    assert_eq!(wait(0), "authorization_pending");
    assert_eq!(wait(5), "authorization_pending");
    assert_eq!(wait(4), "slow_down");
    assert_eq!(wait(9), "slow_down", "the interval is now 10 s");
    assert_eq!(wait(14), "slow_down", "the interval is now 15 s");
    assert_eq!(wait(20), "authorization_pending");
    emulator.approve_device(&user_code, "Adele Vance").unwrap();
    assert_eq!(wait(0), "", "the tokens are returned at once");
}

#[test]
fn declined_and_expired_codes_are_reported() {
    let emulator = emulator();
    let (device_code, user_code) = codes(&json_body(&start(&emulator, &[])));
    emulator.decline_device(&user_code).unwrap();
    assert_eq!(error(&poll(&emulator, &device_code)), "authorization_declined");
    assert_eq!(
        emulator.approve_device(&user_code, "Adele Vance").unwrap_err().aadsts,
        Some(70018)
    );
    let (device_code, user_code) = codes(&json_body(&start(&emulator, &[])));
    let sign_in =
        Page::open(&emulator, "/devicelogin").press_with(&emulator, "id=\"next\"", &[("user_code", &user_code)]);
    emulator.clock().advance(Duration::from_secs(899));
    assert_eq!(error(&poll(&emulator, &device_code)), "authorization_pending");
    let confirm = sign_in.press(&emulator, "data-user=\"adele@contoso");
    emulator.clock().advance(Duration::from_secs(1));
    assert_eq!(error(&poll(&emulator, &device_code)), "expired_token");
    assert_eq!(error_code(&poll(&emulator, &device_code)), 70020);
    assert_eq!(
        emulator.approve_device(&user_code, "Adele Vance").unwrap_err().aadsts,
        Some(70019)
    );
    assert_eq!(confirm.press(&emulator, "id=\"accept\"").aadsts(), Some(70019));
    assert_eq!(error(&poll(&emulator, "made up")), "bad_verification_code");
    assert_eq!(
        emulator.approve_device("AAAAAAAAA", "Adele Vance").unwrap_err().aadsts,
        Some(70018)
    );
}

#[test]
fn device_code_is_bound_to_its_client() {
    let emulator = emulator();
    let (device_code, user_code) = codes(&json_body(&start(&emulator, &[])));
    let send = |fields: &[(&str, &str)]| error_code(&post(&emulator, &emulator.token_url_v2(), fields));
    let web = emulator.app("web").unwrap();
    let grant = ("grant_type", URN);
    let code = ("device_code", device_code.as_str());
    assert_eq!(send(&[grant, code, ("client_id", &web.client_id)]), 7000218);
    assert_eq!(
        send(&[grant, code, ("client_id", &web.client_id), ("client_secret", "s3cret")]),
        70018
    );
    assert_eq!(
        send(&[
            grant,
            code,
            ("client_id", emulator.client_id()),
            ("client_secret", "s3cret")
        ]),
        700025
    );
    assert_eq!(send(&[grant, ("client_id", emulator.client_id())]), 900144);
    // The device used the endpoint of one tenant, so users of other tenants are not offered.
    assert_eq!(
        emulator
            .approve_device(&user_code, "adele@other.example")
            .unwrap_err()
            .aadsts,
        Some(50034)
    );
    for (more, code) in [
        (&[("client_id", "-")][..], 900144),
        (&[("client_id", "0f0e0d0c-0b0a-4908-8706-050403020100")], 700016),
        (&[("scope", "-")], 900144),
        (&[("scope", "User.Reed")], 650053),
        (&[("resource", GRAPH)], 901002),
    ] {
        assert_eq!(error_code(&start(&emulator, more)), code, "{more:?}");
    }
}

#[test]
fn consent_adds_the_app_to_the_users_tenant() {
    let emulator = emulator();
    let fields = [("client_id", emulator.client_id()), ("scope", "User.Read")];
    let (device_code, user_code) = codes(&json_body(&post(&emulator, "/common/oauth2/v2.0/devicecode", &fields)));
    let send = || {
        let fields = [
            ("grant_type", "device_code"),
            ("client_id", emulator.client_id()),
            ("device_code", &device_code),
        ];
        post(&emulator, "/common/oauth2/v2.0/token", &fields)
    };
    assert_eq!(error(&send()), "authorization_pending");
    emulator.approve_device(&user_code, "megan@other.example").unwrap();
    assert_eq!(claims(&json_body(&send()))["tid"], emulator.tenants()[1].id);
}

#[test]
fn user_code_is_decided_once() {
    let emulator = emulator();
    for (first, second) in [("accept", "accept"), ("accept", "cancel"), ("cancel", "accept")] {
        let (device_code, user_code) = codes(&json_body(&start(&emulator, &[])));
        let page = |user: &str| {
            Page::open(&emulator, "/devicelogin")
                .press_with(&emulator, "id=\"next\"", &[("user_code", &user_code)])
                .press(&emulator, &format!("data-user=\"{user}@contoso"))
        };
        // Two users entered the code before either of them decided.
        let (alex, adele) = (page("alex"), page("adele"));
        assert_eq!(alex.press(&emulator, &format!("id=\"{first}\"")).aadsts(), None);
        let late = adele.press(&emulator, &format!("id=\"{second}\""));
        assert_eq!(late.aadsts(), Some(70018), "{first} {second}");
        let response = poll(&emulator, &device_code);
        if first == "accept" {
            assert_eq!(claims(&json_body(&response))["upn"], "alex@contoso.onmicrosoft.com");
        } else {
            assert_eq!(error(&response), "authorization_declined");
        }
    }
}

#[test]
fn user_without_consent_right_cannot_approve() {
    let emulator = Emulator::builder()
        .api(Api::new("api://orders").admin_scope("write"))
        .app(
            App::new("Television")
                .public_client()
                .request_scope("api://orders", "write"),
        )
        .build();
    emulator.clock().freeze();
    let (device_code, user_code) = codes(&json_body(&start(&emulator, &[("scope", "api://orders/write")])));
    let page = emulator.approve_device(&user_code, "Alex Wilber").unwrap_err();
    assert_eq!(page.aadsts, Some(90094));
    assert_eq!(error(&poll(&emulator, &device_code)), "authorization_pending");
    // Neither does a response that is not from a page.
    emulator.fault(Fault::body("a cache's own page"));
    assert!(emulator.approve_device(&user_code, "Adele Vance").is_err());
    emulator.approve_device(&user_code, "Adele Vance").unwrap();
    emulator.clock().advance(Duration::from_secs(5));
    assert_eq!(claims(&json_body(&poll(&emulator, &device_code)))["scp"], "write");
}

#[test]
fn device_consent_is_for_one_user() {
    let emulator = emulator();
    let (_, user_code) = codes(&json_body(&start(&emulator, &[])));
    // The page has no box for the organization, so a form with it is hand-made.
    let confirm = Page::open(&emulator, "/devicelogin")
        .press_with(&emulator, "id=\"next\"", &[("user_code", &user_code)])
        .press(&emulator, "data-user=\"adele@contoso");
    assert!(!confirm.html.contains("id=\"organization\""));
    confirm.press_with(&emulator, "id=\"accept\"", &[("organization", "yes")]);
    let (_, user_code) = codes(&json_body(&start(&emulator, &[])));
    let confirm = Page::open(&emulator, "/devicelogin")
        .press_with(&emulator, "id=\"next\"", &[("user_code", &user_code)])
        .press(&emulator, "data-user=\"alex@contoso");
    assert!(confirm.html.contains("data-permission=\"User.Read\""));
}

#[test]
fn interval_is_configurable() {
    let app = || App::new("television").public_client().request_scope(GRAPH, "User.Read");
    let config = |seconds: u64| {
        let json = format!(r#"{{"device_interval": {seconds}, "apps": [{{"public_client": true}}]}}"#);
        Config::from_json(&json)
    };
    assert!(config(0).is_err() && config(901).is_err());
    for (emulator, seconds) in [
        (
            Emulator::builder()
                .app(app())
                .device_interval(Duration::from_secs(1))
                .build(),
            1,
        ),
        (
            Emulator::builder().app(app()).device_interval(Duration::ZERO).build(),
            1,
        ),
        (EmulatorBuilder::from(config(900).unwrap()).build(), 900),
    ] {
        let body = json_body(&start(&emulator, &[("scope", "openid")]));
        assert_eq!(body["interval"], json!(seconds));
    }
    let emulator = Emulator::builder()
        .app(app())
        .device_interval(Duration::from_secs(1))
        .build();
    emulator.clock().freeze();
    let (device_code, _) = codes(&json_body(&start(&emulator, &[])));
    for (milliseconds, response) in [
        (0, "authorization_pending"),
        (1000, "authorization_pending"),
        (999, "slow_down"),
    ] {
        emulator.clock().advance(Duration::from_millis(milliseconds));
        assert_eq!(error(&poll(&emulator, &device_code)), response);
    }
}

#[test]
fn device_code_is_redeemed_in_the_users_tenant() {
    let emulator = emulator();
    let fields = [("client_id", emulator.client_id()), ("scope", "User.Read")];
    let waiting = json_body(&post(&emulator, "/common/oauth2/v2.0/devicecode", &fields));
    let (device_code, user_code) = codes(&waiting);
    emulator.approve_device(&user_code, "megan@other.example").unwrap();
    let send = |tenant: &str| {
        let fields = [
            ("grant_type", URN),
            ("client_id", emulator.client_id()),
            ("device_code", &device_code),
        ];
        post(&emulator, &format!("/{tenant}/oauth2/v2.0/token"), &fields)
    };
    assert_eq!(error_code(&send("contoso.onmicrosoft.com")), 70018);
    // The error did not use up the code.
    assert_eq!(
        claims(&json_body(&send("other.example")))["tid"],
        emulator.tenants()[1].id
    );
}

#[test]
fn concurrent_polls_yield_tokens_once() {
    let emulator = emulator();
    for _ in 0..4 {
        let (device_code, user_code) = codes(&json_body(&start(&emulator, &[])));
        emulator.approve_device(&user_code, "Adele Vance").unwrap();
        let start = std::sync::Barrier::new(4);
        let responses: Vec<u64> = std::thread::scope(|scope| {
            let send = || {
                start.wait();
                error_code(&poll(&emulator, &device_code))
            };
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(send)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let redeemed = responses.iter().filter(|code| **code == 0).count();
        assert_eq!(redeemed, 1, "{responses:?}");
    }
}

#[test]
fn device_code_is_valid_on_both_versions() {
    let emulator = emulator();
    let send = |url: String, device_code: &str, more: &[(&str, &str)]| {
        let mut fields = vec![
            ("grant_type", URN),
            ("client_id", emulator.client_id()),
            ("device_code", device_code),
        ];
        fields.extend_from_slice(more);
        post(&emulator, &url, &fields)
    };
    let url = format!("{}/oauth2/devicecode", emulator.authority());
    let fields = [("client_id", emulator.client_id()), ("resource", GRAPH)];
    let (of_v1, user_code) = codes(&json_body(&post(&emulator, &url, &fields)));
    emulator.approve_device(&user_code, "Adele Vance").unwrap();
    let (of_v2, user_code) = codes(&json_body(&start(&emulator, &[])));
    emulator.approve_device(&user_code, "Adele Vance").unwrap();
    // Neither version knows the other's parameter, so it must be sent again.
    assert_eq!(error_code(&send(emulator.token_url_v2(), &of_v1, &[])), 900144);
    assert_eq!(error_code(&send(emulator.token_url_v1(), &of_v2, &[])), 900144);
    let v2 = json_body(&send(emulator.token_url_v2(), &of_v1, &[("scope", "User.Read openid")]));
    assert_eq!(
        (&v2["scope"], &v2["expires_in"]),
        (&json!("User.Read openid"), &json!(3599))
    );
    assert!(v2["id_token"].is_string() && v2["refresh_token"].is_null());
    let v1 = json_body(&send(emulator.token_url_v1(), &of_v2, &[("resource", GRAPH)]));
    assert_eq!((&v1["resource"], &v1["expires_in"]), (&json!(GRAPH), &json!("3599")));
}

#[test]
fn device_waits_in_a_tenant_without_the_app() {
    let emulator = emulator();
    let at = |endpoint: &str, fields: &[(&str, &str)]| {
        let path = format!("/other.example/oauth2/v2.0/{endpoint}");
        json_body(&post(&emulator, &path, fields))
    };
    let client = ("client_id", emulator.client_id());
    let (device_code, user_code) = codes(&at("devicecode", &[client, ("scope", "User.Read")]));
    let poll = [("grant_type", URN), client, ("device_code", device_code.as_str())];
    assert_eq!(at("token", &poll)["error"], "authorization_pending");
    emulator.approve_device(&user_code, "megan@other.example").unwrap();
    assert_eq!(claims(&at("token", &poll))["tid"], emulator.tenants()[1].id);
}
