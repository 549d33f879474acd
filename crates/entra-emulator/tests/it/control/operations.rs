//! Revocations, approvals, keys and content.

use std::time::Duration;

use entra_emulator::{App, Emulator};
use serde_json::{Value, json};

use crate::support::control::{SCOPE, call, emulator, get_ok, post_error, post_ok, request_token};
use crate::support::{authorize_url, form, get, get_as, json_body, post, token};

#[test]
fn tokens_are_revoked() {
    let emulator = Emulator::builder()
        .app(
            App::new("one")
                .secret("s3cret-1")
                .grant(Emulator::GRAPH, "User.Read.All"),
        )
        .app(
            App::new("two")
                .secret("s3cret-2")
                .grant(Emulator::GRAPH, "User.Read.All"),
        )
        .build();
    let token_of = |name: &str, secret: &str| {
        let client_id = emulator.app(name).unwrap().client_id.clone();
        let fields = [("client_id", client_id.as_str()), ("client_secret", secret), SCOPE];
        let body = json_body(&token(&emulator, "v2.0/token", &form(&emulator, &fields)));
        body["access_token"].as_str().unwrap().to_owned()
    };
    let [one, two] = [token_of("one", "s3cret-1"), token_of("two", "s3cret-2")];
    let status = |token: &str| get_as(&emulator, "/v1.0/users", token).status().as_u16();
    let body = post_ok(&emulator, "/v1/revocations", json!({"app": "one"}));
    assert_eq!(body["revoked"]["app"], emulator.app("one").unwrap().client_id);
    assert_eq!((status(&one), status(&two)), (401, 200));
    post_ok(
        &emulator,
        "/v1/revocations",
        json!({"app": emulator.app("two").unwrap().client_id.to_uppercase()}),
    );
    assert_eq!(status(&two), 401);
    let one = token_of("one", "s3cret-1");
    assert_eq!(status(&one), 200);
    assert_eq!(
        post_ok(&emulator, "/v1/revocations", json!({"all": true}))["revoked"],
        json!({"all": true})
    );
    assert_eq!(status(&one), 401);
    let body = post_ok(&emulator, "/v1/revocations", json!({"user": "Adele Vance"}));
    assert!(
        body["revoked"]["users"][0].as_str().unwrap().starts_with("adele"),
        "{body}"
    );
    let (_, response) = post_error(&emulator, "/v1/revocations", r#"{"app":"three"}"#);
    assert!(response["message"].as_str().unwrap().contains("one, two"), "{response}");
}

#[test]
fn users_accept_and_decline() {
    let emulator = emulator();
    let redirect_uri = ("redirect_uri", "http://localhost:8400");
    let url = authorize_url(
        &emulator,
        "v2.0/authorize",
        &[("scope", "User.Read"), redirect_uri, ("state", "s")],
    );
    let body = post_ok(&emulator, "/v1/approvals", json!({"url": url, "user": "Adele Vance"}));
    assert_eq!(
        (&body["result"], &body["parameters"]["state"]),
        (&json!("redirect"), &json!("s"))
    );
    let code = body["parameters"]["code"].as_str().unwrap();
    assert!(
        body["redirect_url"]
            .as_str()
            .unwrap()
            .starts_with("http://localhost:8400?code=")
    );
    let fields = [("grant_type", "authorization_code"), ("code", code), redirect_uri];
    assert_eq!(token(&emulator, "v2.0/token", &form(&emulator, &fields)).status(), 200);

    let declined = json!({"url": format!("{url}&prompt=consent"), "user": "Adele Vance", "decision": "decline"});
    let body = post_ok(&emulator, "/v1/approvals", declined);
    assert_eq!(body["parameters"]["error"], "access_denied");
    let posted = json!({"url": format!("{url}&response_mode=form_post"), "user": "Adele Vance"});
    let body = post_ok(&emulator, "/v1/approvals", posted);
    assert!(body["body"].as_str().unwrap().contains("code=") && body["parameters"]["code"].is_string());

    let wrong = json!({"url": url.replace("localhost", "elsewhere.example"), "user": "Adele Vance"});
    let (status, response) = post_error(&emulator, "/v1/approvals", &wrong.to_string());
    assert_eq!(
        (status, response["error"].as_str(), response["aadsts"].as_u64()),
        (409, Some("error_page"), Some(50_011))
    );
    let nowhere = json!({"url": "/common/discovery/keys", "user": "Adele Vance"});
    assert_eq!(post_error(&emulator, "/v1/approvals", &nowhere.to_string()).0, 409);
    let (_, response) = post_error(
        &emulator,
        "/v1/approvals",
        &json!({"url": url, "user": "Unknown"}).to_string(),
    );
    assert!(response["expected"].as_str().unwrap().contains("adele"), "{response}");
}

#[test]
fn devices_are_approved_and_declined() {
    let emulator = emulator();
    let start = || {
        let path = emulator.token_url_v2().replace("/token", "/devicecode");
        json_body(&post(
            &emulator,
            &path,
            &[("client_id", emulator.client_id()), ("scope", "User.Read")],
        ))
    };
    let poll = |device: &Value| {
        emulator.clock().advance(Duration::from_secs(30));
        let fields = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
            ("device_code", device["device_code"].as_str().unwrap()),
        ];
        json_body(&token(&emulator, "v2.0/token", &form(&emulator, &fields)))
    };
    let device = start();
    let accepted = json!({"user_code": device["user_code"], "user": "Adele Vance"});
    assert_eq!(
        post_ok(&emulator, "/v1/approvals", accepted),
        json!({"result": "accepted"})
    );
    assert!(poll(&device)["access_token"].is_string());
    let device = start();
    let declined = json!({"user_code": device["user_code"], "decision": "decline"});
    assert_eq!(
        post_ok(&emulator, "/v1/approvals", declined.clone()),
        json!({"result": "declined"})
    );
    assert_eq!(poll(&device)["error"], "authorization_declined");
    let (status, response) = post_error(&emulator, "/v1/approvals", &declined.to_string());
    assert_eq!((status, response["aadsts"].as_u64()), (409, Some(70_018)));
}

#[test]
fn signing_keys_are_rotated_and_reset() {
    let emulator = emulator();
    let first = get_ok(&emulator, "/v1/signing-keys");
    let act = |action: &str| post_ok(&emulator, "/v1/signing-keys", json!({"action": action}));
    let rotated = act("rotate");
    assert_eq!(rotated["published"], json!([first["signing"], rotated["signing"]]));
    assert_eq!(
        act("retire"),
        json!({"signing": rotated["signing"], "published": [rotated["signing"]]})
    );
    let replaced = act("replace");
    assert!(replaced["published"] == json!([replaced["signing"]]) && replaced != first);

    post_ok(&emulator, "/v1/faults", json!({"status": 500, "times": "always"}));
    post_ok(&emulator, "/v1/clock", json!({"advance_seconds": 5}));
    get(&emulator, "/");
    let clock = post_ok(&emulator, "/v1/reset", json!({}));
    assert_eq!(
        (&clock["now_on"], &clock["frozen"]),
        (&json!(1_700_000_000), &json!(true))
    );
    assert_eq!(get_ok(&emulator, "/v1/signing-keys"), first);
    assert_eq!(get_ok(&emulator, "/v1/requests"), json!({"count": 0, "requests": []}));
    assert_eq!(get_ok(&emulator, "/v1/faults"), json!({"faults": []}));
    assert_eq!(
        call(&emulator, "POST", "/v1/reset", None).status(),
        200,
        "the body is optional"
    );
}

#[test]
fn content_is_published_and_consent_revoked() {
    let emulator = emulator();
    let tenant = emulator.tenant_id().to_owned();
    let published = post_ok(
        &emulator,
        "/v1/activity",
        json!({"tenant": emulator.domain(), "content_type": "Audit.Exchange", "contents": 2}),
    );
    assert_eq!(
        published,
        json!({"tenant": tenant, "content_type": "Audit.Exchange", "contents": 3})
    );
    for body in [
        json!({"content_type": "Audit.Exchange"}),
        json!({"tenant": "nowhere.example", "content_type": "Audit.Exchange"}),
        json!({"tenant": tenant}),
        json!({"tenant": tenant, "content_type": "Audit.Nothing"}),
        json!({"tenant": tenant, "content_type": "DLP.All", "contents": 0}),
    ] {
        assert_eq!(
            post_error(&emulator, "/v1/activity", &body.to_string()).0,
            400,
            "{body}"
        );
    }
    assert_eq!(request_token(&emulator).status(), 200);
    assert_eq!(
        post_error(&emulator, "/v1/revocations", r#"{"all": true, "tenant": "x"}"#).0,
        400
    );
    post_ok(
        &emulator,
        "/v1/revocations",
        json!({"app": emulator.client_id(), "tenant": tenant}),
    );
    assert_eq!(crate::support::error_code(&request_token(&emulator)), 700016);
}
