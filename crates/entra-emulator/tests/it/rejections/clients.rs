//! Tenants, clients and their credentials.

use std::time::{Duration, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use entra_emulator::{Api, App, Emulator, Lint, Secret, Tenant};
use http::Request;

use crate::rejections::{RESOURCE, SCOPE, raw_rejects, rejected, v2_rejects};
use crate::support::{encode, form, json_body, post, token};

#[test]
fn unknown_tenants_are_rejected() {
    let emulator = Emulator::builder().build();
    let body = form(&emulator, &[SCOPE, RESOURCE]);
    for (tenant, code) in [
        ("11111111-1111-1111-1111-111111111111", 90002),
        ("fabrikam.onmicrosoft.com", 90002),
        ("unknown.ciamlogin.com", 90002),
        ("contoso", 900023),
        ("%7Btenant%7D", 900023),
        ("a..b", 900023),
        ("-a.example", 900023),
        ("common", 50059),
        ("organizations", 50059),
        ("consumers", 9001023),
        ("9188040d-6c67-4c5b-b112-36a304b66dad", 9001023),
    ] {
        for endpoint in ["token", "v2.0/token"] {
            let request = Request::post(format!("/{tenant}/oauth2/{endpoint}"))
                .header("content-type", "application/x-www-form-urlencoded");
            raw_rejects(&emulator, request, &body, code);
        }
    }
}

#[test]
fn unknown_and_disabled_apps_are_rejected() {
    let emulator = Emulator::builder()
        .tenant(Tenant::new("one.example"))
        .tenant(Tenant::new("two.example"))
        .app(App::new("good").secret("s"))
        .app(App::new("off").secret("s").disabled())
        .app(App::new("new").secret("s").unprovisioned())
        .app(App::new("elsewhere").secret("s").only_in("two.example"))
        .build();
    let id = |name: &str| emulator.app(name).unwrap().client_id.clone();
    for (client_id, code) in [
        ("00000000-0000-0000-0000-000000000000".to_owned(), 700038),
        ("22222222-2222-2222-2222-222222222222".to_owned(), 700016),
        ("not a guid".to_owned(), 700016),
        (id("off"), 7000112),
        (id("new"), 7000229),
        (id("elsewhere"), 700016),
    ] {
        let fields = [SCOPE, ("client_id", &client_id), ("client_secret", "s")];
        rejected(&token(&emulator, "v2.0/token", &form(&emulator, &fields)), code);
    }
    for missing in ["-", ""] {
        let body = rejected(
            &token(
                &emulator,
                "v2.0/token",
                &form(&emulator, &[SCOPE, ("client_id", missing)]),
            ),
            900144,
        );
        assert!(body["error_description"].as_str().unwrap().contains("'client_id'"));
    }
    let two = [
        ("grant_type", "client_credentials"),
        ("client_id", &id("elsewhere")),
        ("client_secret", "s"),
        SCOPE,
    ];
    assert_eq!(post(&emulator, "/two.example/oauth2/v2.0/token", &two).status(), 200);
}

#[test]
fn invalid_secrets_are_rejected() {
    let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
    let emulator = Emulator::builder()
        .frozen_at(at(1_000))
        .app(
            App::new("a")
                .secret(Secret::new("always").id("33333333-3333-3333-3333-333333333333"))
                .secret(Secret::new("old").ends(at(1_000)))
                .secret(Secret::new("young").starts(at(1_001))),
        )
        .app(App::new("other").secret("others"))
        .app(App::new("bare").without_secrets())
        .build();
    let send = |secret: &str| {
        token(
            &emulator,
            "v2.0/token",
            &form(&emulator, &[SCOPE, ("client_secret", secret)]),
        )
    };
    assert_eq!(send("always").status(), 200);
    for (secret, code) in [
        ("wrong", 7000215),
        ("ALWAYS", 7000215),
        ("always ", 7000215),
        ("others", 7000215),
        ("33333333-3333-3333-3333-333333333333", 7000215),
        ("old", 7000222),
        ("young", 7000222),
        ("", 7000218),
        ("-", 7000218),
    ] {
        rejected(&send(secret), code);
    }
    let text = json_body(&send("33333333-3333-3333-3333-333333333333"))["error_description"].to_string();
    assert!(text.contains("client secret value, not the client secret ID"), "{text}");
    let lints = emulator.requests().pop().unwrap().lints;
    assert!(lints.contains(&Lint::SecretId), "{lints:?}");

    emulator.clock().set(at(999));
    assert_eq!(send("old").status(), 200, "it was valid a second ago");
    emulator.clock().set(at(1_001));
    assert_eq!(send("young").status(), 200, "it is valid now");
    let bare = emulator.app("bare").unwrap().client_id.clone();
    let fields = [SCOPE, ("client_id", &bare), ("client_secret", "always")];
    rejected(&token(&emulator, "v2.0/token", &form(&emulator, &fields)), 7000215);
}

#[test]
fn secrets_in_the_url_are_never_used() {
    let emulator = Emulator::builder().build();
    let body = form(&emulator, &[SCOPE, ("client_secret", "-")]);
    let secret = encode(&[("client_secret", emulator.client_secret())]);
    let request = Request::post(format!("{}?{secret}", emulator.token_url_v2()))
        .header("content-type", "application/x-www-form-urlencoded");
    raw_rejects(&emulator, request, &body, 7000218);
    let everything = format!("{}?{}", emulator.token_url_v2(), form(&emulator, &[SCOPE]));
    let request = Request::post(everything).header("content-type", "application/x-www-form-urlencoded");
    raw_rejects(&emulator, request, "", 900144);
    assert!(
        emulator
            .requests()
            .iter()
            .all(|event| event.lints.contains(&Lint::SecretInUrl))
    );
    assert!(!format!("{:?}", emulator.requests()).contains(emulator.client_secret()));
}

#[test]
fn malformed_assertions_are_rejected() {
    let jwt = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJhIn0.c2lnbmF0dXJl";
    let kind = (
        "client_assertion_type",
        "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
    );
    v2_rejects(&[("client_secret", "-"), kind, ("client_assertion", jwt)], 90014);
    for garbage in ["x", "a.b.c", "header.payload.signature", "....", "e30.e30"] {
        v2_rejects(&[("client_secret", "-"), kind, ("client_assertion", garbage)], 50027);
    }
    v2_rejects(&[("client_secret", "-"), ("client_assertion", jwt)], 900144);
    for other in [
        "urn:ietf:params:oauth:client-assertion-type:saml2-bearer",
        "jwt-bearer",
        "JWT",
    ] {
        let kind = ("client_assertion_type", other);
        v2_rejects(&[("client_secret", "-"), kind, ("client_assertion", jwt)], 90011);
    }
    v2_rejects(&[kind, ("client_assertion", jwt)], 90023);
}

#[test]
fn required_assignment_is_enforced() {
    let api = || {
        Api::new("api://strict")
            .role("Read")
            .role("Write")
            .assignment_required()
    };
    let send = |app: App| {
        let emulator = Emulator::builder().api(api()).app(app).build();
        token(
            &emulator,
            "v2.0/token",
            &form(&emulator, &[("scope", "api://strict/.default")]),
        )
    };
    rejected(&send(App::new("a").request("api://strict", "Read")), 501051);
    assert_eq!(send(App::new("a").grant("api://strict", "Read")).status(), 200);
}

fn basic(name: &str, secret: &str) -> String {
    let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    format!(
        "Basic {}",
        STANDARD.encode(format!("{}:{}", encode(name), encode(secret)))
    )
}

#[test]
fn basic_authentication_is_form_decoded() {
    let secret = "a+b%20c:d e&é=";
    let emulator = Emulator::builder().app(App::new("a").secret(secret)).build();
    let body = form(&emulator, &[SCOPE, ("client_secret", "-"), ("client_id", "-")]);
    let send = |authorization: &str, body: &str| {
        let request = Request::post(emulator.token_url_v2())
            .header("content-type", "application/x-www-form-urlencoded")
            .header("authorization", authorization);
        emulator.handle(request.body(body.as_bytes().to_vec()).unwrap())
    };
    let good = basic(emulator.client_id(), secret);
    assert_eq!(send(&good, &body).status(), 200);
    assert_eq!(emulator.requests()[0].client_id.as_deref(), Some(emulator.client_id()));
    assert_eq!(
        send(
            &good.replace("Basic", "basic"),
            &form(&emulator, &[SCOPE, ("client_secret", "-")])
        )
        .status(),
        200
    );

    let wrong = send(&basic(emulator.client_id(), "wrong"), &body);
    rejected(&wrong, 7000215);
    assert!(
        wrong.headers()["www-authenticate"]
            .to_str()
            .unwrap()
            .starts_with("Basic realm=")
    );
    // Not form-encoded before base64: `+` and `%20` are decoded to spaces.
    let raw = format!(
        "Basic {}",
        STANDARD.encode(format!("{}:{secret}", emulator.client_id()))
    );
    rejected(&send(&raw, &body), 7000215);
    rejected(&send(&good, &form(&emulator, &[SCOPE])), 90023);
    let other = form(
        &emulator,
        &[
            SCOPE,
            ("client_secret", "-"),
            ("client_id", "22222222-2222-2222-2222-222222222222"),
        ],
    );
    rejected(&send(&good, &other), 90023);
    for broken in ["Basic", "Basic !", "Basic YQ==", "Basic "] {
        let response = send(broken, &body);
        assert_eq!(response.status(), 400, "{broken}: {response:?}");
    }
    let body = rejected(&send(&basic(emulator.client_id(), ""), &body), 7000218);
    assert!(body["error_description"].as_str().unwrap().contains("client_secret"));
    assert!(!format!("{:?}", emulator.requests()).contains(&good[6..]));
}

#[test]
fn only_basic_gets_a_challenge() {
    let emulator = Emulator::builder().build();
    let response = token(
        &emulator,
        "v2.0/token",
        &form(&emulator, &[SCOPE, ("client_secret", "wrong")]),
    );
    rejected(&response, 7000215);
    assert!(!response.headers().contains_key("www-authenticate"));
}
