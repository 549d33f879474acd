//! Faults.

use std::time::Duration;

use entra_emulator::{Cut, Delivery, Fault};
use serde_json::{Value, json};

use crate::support::control::{ask, call, emulator, refused, shown, told};
use crate::support::{Answer, authorize_url, json_body};

#[test]
fn every_fault_can_be_told() {
    let emulator = emulator();
    let strike = |fault: Value| {
        told(&emulator, "/v1/faults", fault);
        let answer = ask(&emulator);
        assert_eq!(ask(&emulator).status(), 200, "it strikes once");
        answer
    };
    let header = |answer: &Answer, name: &str| answer.headers()[name].to_str().unwrap().to_owned();
    let delivery = |answer: &Answer| answer.extensions().get::<Delivery>().cloned().unwrap();

    let answer = strike(json!({"status": 429, "retry_after": 7, "path": "/token"}));
    assert_eq!(
        (answer.status().as_u16(), header(&answer, "retry-after")),
        (429, "7".to_owned())
    );
    let answer = strike(json!({"status": 503, "retry_after_date": 60}));
    assert_eq!(header(&answer, "retry-after"), "Tue, 14 Nov 2023 22:14:20 GMT");
    let answer = strike(json!({"aadsts": 90033, "retry_after": 1}));
    assert_eq!(
        (answer.status().as_u16(), crate::support::refusal(&answer)),
        (503, 90033)
    );
    let answer = strike(json!({"status": 503, "body": "<html>", "content_type": "text/html"}));
    assert_eq!(
        (answer.status().as_u16(), answer.body().as_slice()),
        (503, &b"<html>"[..])
    );
    assert_eq!(header(&answer, "content-type"), "text/html");
    let answer = strike(json!({"json": {"access_token": 5}}));
    assert_eq!(
        (answer.status().as_u16(), json_body(&answer)),
        (200, json!({"access_token": 5}))
    );
    let answer = strike(json!({"json": null}));
    assert_eq!(answer.body().as_slice(), b"null");
    let answer = strike(json!({"body_base64": "//79AA=="}));
    assert_eq!(answer.body().as_slice(), [0xff, 0xfe, 0xfd, 0]);
    let answer = strike(json!({"redirect": "http://elsewhere.example/"}));
    assert_eq!(
        (answer.status().as_u16(), header(&answer, "location")),
        (302, "http://elsewhere.example/".to_owned())
    );
    assert_eq!(strike(json!({"redirect": "/", "status": 308})).status(), 308);
    let answer = strike(json!({"reset": true, "latency_ms": 5}));
    assert_eq!(
        (delivery(&answer).cut, delivery(&answer).latency),
        (Cut::Reset, Some(Duration::from_millis(5)))
    );
    let answer = strike(json!({"latency_ms": 2000}));
    assert_eq!(
        (answer.status().as_u16(), delivery(&answer).latency),
        (200, Some(Duration::from_secs(2)))
    );
    let answer = strike(json!({"truncate": 9}));
    assert_eq!(
        (answer.body().as_slice(), delivery(&answer).cut),
        (&b"{\"token_t"[..], Cut::After(9))
    );
    let answer = strike(json!({"huge": 70000}));
    assert_eq!((answer.body().len(), answer.body()[0]), (70_000, b' '));
    assert_eq!(delivery(&strike(json!({"endless": true}))).cut, Cut::Endless);
    assert_eq!(strike(json!({"body": "ab", "huge": 5})).body().as_slice(), b"ababa");
    let answer = strike(json!({"date_skew": -3600}));
    assert_eq!(header(&answer, "date"), "Tue, 14 Nov 2023 21:13:20 GMT");
    assert_eq!(
        header(&strike(json!({"date_skew": 3600})), "date"),
        "Tue, 14 Nov 2023 23:13:20 GMT"
    );
    assert_eq!(
        header(&strike(json!({"content_type": "text/plain"})), "content-type"),
        "text/plain"
    );
}

#[test]
fn faults_strike_paths_in_any_case() {
    let emulator = emulator();
    told(
        &emulator,
        "/v1/faults",
        json!({"status": 503, "path": "/OAuth2/v2.0/TOKEN"}),
    );
    assert_eq!(ask(&emulator).status(), 503);
    assert_eq!(ask(&emulator).status(), 200);
}

#[test]
fn an_approval_that_a_fault_strikes_says_so() {
    let emulator = emulator();
    let url = authorize_url(
        &emulator,
        "v2.0/authorize",
        &[("scope", "User.Read"), ("redirect_uri", "http://localhost:8400")],
    );
    let approval = json!({"url": url, "user": "Adele Vance"}).to_string();
    for fault in [json!({"status": 503}), json!({"aadsts": 90033})] {
        told(&emulator, "/v1/faults", fault);
        let (status, answer) = refused(&emulator, "/v1/approvals", &approval);
        let message = answer["message"].as_str().unwrap();
        assert_eq!((status, &answer["page_status"]), (409, &json!(503)));
        assert!(
            message.contains("a fault struck") && message.contains("path"),
            "{message}"
        );
    }
    told(&emulator, "/v1/faults", json!({"status": 503, "path": "/token"}));
    assert_eq!(
        told(&emulator, "/v1/approvals", json!({"url": url, "user": "Adele Vance"}))["result"],
        "redirect"
    );
}

#[test]
fn waiting_faults_are_listed_and_removed() {
    let emulator = emulator();
    let first = told(
        &emulator,
        "/v1/faults",
        json!({"status": 503, "times": 2, "path": "/token", "retry_after": 1}),
    );
    told(
        &emulator,
        "/v1/faults",
        json!({"json": {"a": 1}, "times": "always", "date_skew": -5, "truncate": 3}),
    );
    emulator.fault(Fault::body(vec![0xff]).on("/x"));
    let expected = json!({"name": "status", "path": "/token", "times": 2, "status": 503, "retry_after": 1});
    assert_eq!(first["fault"], expected);
    assert_eq!(ask(&emulator).status(), 503);
    let faults = shown(&emulator, "/v1/faults");
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
    assert_eq!(ask(&emulator).status(), 200);

    for _ in 0..256 {
        told(&emulator, "/v1/faults", json!({"status": 500, "path": "/x"}));
    }
    let (status, answer) = refused(&emulator, "/v1/faults", r#"{"status":500}"#);
    assert_eq!((status, answer["error"].as_str()), (409, Some("too_many_faults")));
}

#[test]
fn a_fault_strikes_one_of_many() {
    let emulator = emulator();
    let added = told(
        &emulator,
        "/v1/faults",
        json!({"status": 503, "one_in": 5, "times": "always"}),
    );
    assert_eq!(added["fault"]["one_in"], 5);
    let struck = (0..200).filter(|_| ask(&emulator).status() == 503).count();
    assert!((20..60).contains(&struck), "{struck}");
}
