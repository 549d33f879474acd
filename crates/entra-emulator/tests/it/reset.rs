//! `Emulator::reset`, for each kind of state.

use std::time::{Duration, UNIX_EPOCH};

use entra_emulator::{App, Emulator, Fault};
use serde_json::Value;

use crate::support::assertion::{self, Draft, accepted, rejected};
use crate::support::browser::Page;
use crate::support::{access_token, authorize_url, error_code, form, get, get_as, json_body, post, token};

const SCOPE: (&str, &str) = ("scope", "https://graph.microsoft.com/.default");
const OFFICE: &str = "https://manage.office.com";

/// Returns an emulator with an application that has no consent yet.
fn emulator() -> Emulator {
    let web = App::new("web").secret("s3cret").redirect_uri("https://app.example/cb");
    let web = web
        .request_scope(Emulator::GRAPH, "User.Read")
        .grant(OFFICE, "ActivityFeed.Read");
    Emulator::builder()
        .app(web)
        .reject_replayed_assertions()
        .frozen_at(UNIX_EPOCH + Duration::from_secs(1_700_000_000))
        .build()
}

fn keys(emulator: &Emulator) -> Value {
    json_body(&get(emulator, "/common/discovery/keys"))
}

#[test]
fn reset_restores_faults_clock_keys_and_requests() {
    let emulator = emulator();
    let error = || json_body(&token(&emulator, "v2.0/token", "grant_type=x"));
    let (start, published, first) = (emulator.clock().now(), keys(&emulator), error());
    emulator.fault(Fault::status(503).always());
    emulator.clock().advance(Duration::from_secs(60));
    emulator.clock().unfreeze();
    emulator.rotate_signing_key();
    emulator.reset();
    assert_eq!((emulator.request_count(), emulator.requests().len()), (0, 0));
    assert_eq!((emulator.clock().now(), keys(&emulator)), (start, published));
    let requests = emulator.requests();
    assert_eq!((requests[0].index, requests[0].status.as_u16()), (0, 200));
    assert_eq!(error(), first, "IDs are generated as at the start");
}

#[test]
fn reset_deletes_codes_and_refresh_tokens() {
    let emulator = emulator();
    let redirect_uri = ("redirect_uri", "https://app.example/cb");
    let scope = ("scope", "User.Read offline_access");
    let url = authorize_url(&emulator, "v2.0/authorize", &[scope, redirect_uri]);
    let code = || {
        emulator
            .approve(&url, "Adele Vance")
            .unwrap()
            .parameter("code")
            .unwrap()
    };
    let redeem = |code: &str| {
        let code = ("code", code);
        let fields = [("grant_type", "authorization_code"), code, redirect_uri];
        token(&emulator, "v2.0/token", &form(&emulator, &fields))
    };
    let refresh_token = json_body(&redeem(&code()))["refresh_token"].clone();
    let pending = code();
    let device = json_body(&post(
        &emulator,
        &emulator.token_url_v2().replace("/token", "/devicecode"),
        &[("client_id", emulator.client_id()), scope],
    ));
    emulator.reset();
    assert_eq!(error_code(&redeem(&pending)), 9_002_313);
    let refresh = [
        ("grant_type", "refresh_token"),
        ("refresh_token", refresh_token.as_str().unwrap()),
    ];
    let rejected = token(&emulator, "v2.0/token", &form(&emulator, &refresh));
    assert_eq!(rejected.status(), 400, "{:?}", json_body(&rejected));
    assert!(
        emulator
            .approve_device(device["user_code"].as_str().unwrap(), "Adele Vance")
            .is_err()
    );
}

#[test]
fn reset_deletes_consents_and_pending_sign_ins() {
    let emulator = emulator();
    let redirect_uri = ("redirect_uri", "https://app.example/cb");
    let url = authorize_url(&emulator, "v2.0/authorize", &[("scope", "User.Read"), redirect_uri]);
    // The steps are the sign-in page, signing in, and accepting if a consent is needed.
    let steps = || {
        let before = emulator.request_count();
        emulator.approve(&url, "Adele Vance").unwrap();
        emulator.request_count() - before
    };
    assert_eq!([steps(), steps()], [3, 2]);
    let page = Page::open(&emulator, &url);
    emulator.reset();
    let late = page.press(&emulator, "data-user=\"adele");
    assert_eq!(late.aadsts(), Some(50_089));
    assert_eq!(steps(), 3);
}

#[test]
fn reset_deletes_used_assertions() {
    let certified = App::new("daemon").without_secrets().certificate_pem(assertion::APP);
    let emulator = assertion::builder(certified).reject_replayed_assertions().build();
    let draft = Draft::new(&emulator);
    accepted(&draft.send(&emulator));
    rejected(&draft.send(&emulator), 50_012);
    emulator.reset();
    accepted(&draft.send(&emulator));
}

#[test]
fn reset_deletes_revocations_and_subscriptions() {
    let emulator = emulator();
    let issue_some = || (0..5).for_each(|_| drop(access_token(&emulator, SCOPE.1)));
    issue_some();
    let graph = access_token(&emulator, SCOPE.1);
    let office = access_token(&emulator, "https://manage.office.com/.default");
    let feed = format!("{}/subscriptions", emulator.activity_url());
    let list = || json_body(&get_as(&emulator, &format!("{feed}/list"), &office));
    let start = http::Request::post(format!("{feed}/start?contentType=Audit.General"))
        .header("authorization", format!("Bearer {office}"));
    emulator.handle(start.body(Vec::new()).unwrap());
    assert_eq!(list().as_array().unwrap().len(), 1);
    emulator.revoke_tokens();
    assert_eq!(get_as(&emulator, "/v1.0/users", &graph).status(), 401);
    emulator.reset();
    assert_eq!(list(), Value::Array(Vec::new()));
    assert_ne!(get_as(&emulator, "/v1.0/users", &graph).status(), 401);

    // The next revocation applies to a token from before the reset, however many were issued since.
    access_token(&emulator, SCOPE.1);
    emulator.revoke_tokens();
    issue_some();
    issue_some();
    assert_eq!(get_as(&emulator, "/v1.0/users", &graph).status(), 401);
}
