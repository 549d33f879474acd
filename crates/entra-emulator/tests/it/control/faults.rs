//! Faults.

use std::time::Duration;

use entra_emulator::{Cut, Delivery, Fault};
use serde_json::{Value, json};

use crate::support::control::{call, emulator, get_ok, post_error, post_ok, request_token};
use crate::support::{Response, authorize_url, json_body};

#[test]
fn every_fault_member_has_its_effect() {
    let emulator = emulator();
    let apply = |fault: Value| {
        post_ok(&emulator, "/v1/faults", fault);
        let response = request_token(&emulator);
        assert_eq!(request_token(&emulator).status(), 200, "a fault applies once");
        response
    };
    let header = |response: &Response, name: &str| response.headers()[name].to_str().unwrap().to_owned();
    let delivery = |response: &Response| response.extensions().get::<Delivery>().cloned().unwrap();

    let response = apply(json!({"status": 429, "retry_after": 7, "path": "/token"}));
    assert_eq!(
        (response.status().as_u16(), header(&response, "retry-after")),
        (429, "7".to_owned())
    );
    let response = apply(json!({"status": 503, "retry_after_date": 60}));
    assert_eq!(header(&response, "retry-after"), "Tue, 14 Nov 2023 22:14:20 GMT");
    let response = apply(json!({"aadsts": 90033, "retry_after": 1}));
    assert_eq!(
        (response.status().as_u16(), crate::support::error_code(&response)),
        (503, 90033)
    );
    let response = apply(json!({"status": 503, "body": "<html>", "content_type": "text/html"}));
    assert_eq!(
        (response.status().as_u16(), response.body().as_slice()),
        (503, &b"<html>"[..])
    );
    assert_eq!(header(&response, "content-type"), "text/html");
    let response = apply(json!({"json": {"access_token": 5}}));
    assert_eq!(
        (response.status().as_u16(), json_body(&response)),
        (200, json!({"access_token": 5}))
    );
    let response = apply(json!({"json": null}));
    assert_eq!(response.body().as_slice(), b"null");
    let response = apply(json!({"body_base64": "//79AA=="}));
    assert_eq!(response.body().as_slice(), [0xff, 0xfe, 0xfd, 0]);
    let response = apply(json!({"redirect": "http://elsewhere.example/"}));
    assert_eq!(
        (response.status().as_u16(), header(&response, "location")),
        (302, "http://elsewhere.example/".to_owned())
    );
    assert_eq!(apply(json!({"redirect": "/", "status": 308})).status(), 308);
    let response = apply(json!({"reset": true, "latency_ms": 5}));
    assert_eq!(
        (delivery(&response).cut, delivery(&response).latency),
        (Cut::Reset, Some(Duration::from_millis(5)))
    );
    let response = apply(json!({"latency_ms": 2000}));
    assert_eq!(
        (response.status().as_u16(), delivery(&response).latency),
        (200, Some(Duration::from_secs(2)))
    );
    let response = apply(json!({"truncate": 9}));
    assert_eq!(
        (response.body().as_slice(), delivery(&response).cut),
        (&b"{\"token_t"[..], Cut::After(9))
    );
    let response = apply(json!({"huge": 70000}));
    assert_eq!((response.body().len(), response.body()[0]), (70_000, b' '));
    assert_eq!(delivery(&apply(json!({"endless": true}))).cut, Cut::Endless);
    assert_eq!(apply(json!({"body": "ab", "huge": 5})).body().as_slice(), b"ababa");
    let response = apply(json!({"date_skew": -3600}));
    assert_eq!(header(&response, "date"), "Tue, 14 Nov 2023 21:13:20 GMT");
    assert_eq!(
        header(&apply(json!({"date_skew": 3600})), "date"),
        "Tue, 14 Nov 2023 23:13:20 GMT"
    );
    assert_eq!(
        header(&apply(json!({"content_type": "text/plain"})), "content-type"),
        "text/plain"
    );
}

#[test]
fn fault_paths_are_case_insensitive() {
    let emulator = emulator();
    post_ok(
        &emulator,
        "/v1/faults",
        json!({"status": 503, "path": "/OAuth2/v2.0/TOKEN"}),
    );
    assert_eq!(request_token(&emulator).status(), 503);
    assert_eq!(request_token(&emulator).status(), 200);
}

#[test]
fn approval_reports_an_applied_fault() {
    let emulator = emulator();
    let url = authorize_url(
        &emulator,
        "v2.0/authorize",
        &[("scope", "User.Read"), ("redirect_uri", "http://localhost:8400")],
    );
    let approval = json!({"url": url, "user": "Adele Vance"}).to_string();
    for fault in [json!({"status": 503}), json!({"aadsts": 90033})] {
        post_ok(&emulator, "/v1/faults", fault);
        let (status, response) = post_error(&emulator, "/v1/approvals", &approval);
        let message = response["message"].as_str().unwrap();
        assert_eq!((status, &response["page_status"]), (409, &json!(503)));
        assert!(
            message.contains("a fault applied") && message.contains("path"),
            "{message}"
        );
    }
    post_ok(&emulator, "/v1/faults", json!({"status": 503, "path": "/token"}));
    assert_eq!(
        post_ok(&emulator, "/v1/approvals", json!({"url": url, "user": "Adele Vance"}))["result"],
        "redirect"
    );
}

#[test]
fn pending_faults_are_listed_and_deleted() {
    let emulator = emulator();
    let first = post_ok(
        &emulator,
        "/v1/faults",
        json!({"status": 503, "times": 2, "path": "/token", "retry_after": 1}),
    );
    post_ok(
        &emulator,
        "/v1/faults",
        json!({"json": {"a": 1}, "times": "always", "date_skew": -5, "truncate": 3}),
    );
    emulator.fault(Fault::body(vec![0xff]).on("/x"));
    let expected = json!({"name": "status", "path": "/token", "times": 2, "status": 503, "retry_after": 1});
    assert_eq!(first["fault"], expected);
    assert_eq!(request_token(&emulator).status(), 503);
    let faults = get_ok(&emulator, "/v1/faults");
    assert_eq!(faults["faults"][0]["times"], 1);
    assert_eq!(
        faults["faults"][1],
        json!({
            "name": "truncated", "path": null, "times": "always", "status": 200, "body": "{\"a\":1}", "body_bytes": 7,
            "date_skew": -5, "truncate": 3,
        })
    );
    assert_eq!(faults["faults"][2]["body_bytes"], 1);
    assert_eq!(call(&emulator, "DELETE", "/v1/faults", None).status(), 200);
    assert_eq!(request_token(&emulator).status(), 200);

    for _ in 0..256 {
        post_ok(&emulator, "/v1/faults", json!({"status": 500, "path": "/x"}));
    }
    let (status, response) = post_error(&emulator, "/v1/faults", r#"{"status":500}"#);
    assert_eq!((status, response["error"].as_str()), (409, Some("too_many_faults")));
}

#[test]
fn one_in_applies_to_a_fraction() {
    let emulator = emulator();
    let added = post_ok(
        &emulator,
        "/v1/faults",
        json!({"status": 503, "one_in": 5, "times": "always"}),
    );
    assert_eq!(added["fault"]["one_in"], 5);
    let struck = (0..200).filter(|_| request_token(&emulator).status() == 503).count();
    assert!((20..60).contains(&struck), "{struck}");
}
