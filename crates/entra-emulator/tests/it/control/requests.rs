//! Recorded requests.

use entra_emulator::{App, Emulator};
use serde_json::json;

use crate::support::control::{SCOPE, call, emulator, get_ok, post_ok, request_token};
use crate::support::{access_token, form, get_as, post, token};

#[test]
fn requests_are_numbered_and_described() {
    let emulator = emulator();
    assert_eq!(get_ok(&emulator, "/v1/requests"), json!({"count": 0, "requests": []}));
    request_token(&emulator);
    token(
        &emulator,
        "token",
        &form(&emulator, &[("resource", "https://nowhere.example")]),
    );
    post_ok(&emulator, "/v1/faults", json!({"status": 429}));
    request_token(&emulator);
    let body = get_ok(&emulator, "/v1/requests");
    assert_eq!(body["count"], 3);
    let [good, bad, struck] = [&body["requests"][0], &body["requests"][1], &body["requests"][2]];
    let path = format!("/{}/oauth2/v2.0/token", emulator.tenant_id());
    assert_eq!(
        *good,
        json!({
            "number": 1, "received_at": "2023-11-14T22:13:20Z", "received_on": 1_700_000_000, "channel": "memory",
            "method": "POST", "path": path, "purpose": "token", "endpoint": "v2", "tenant": emulator.tenant_id(),
            "client_id": emulator.client_id(), "grant": "client_credentials", "target": SCOPE.1, "status": 200,
            "aadsts": null, "problem": null, "lints": ["no client-request-id"], "fault": null,
        })
    );
    assert_eq!(
        (&bad["endpoint"], &bad["aadsts"], &bad["status"]),
        (&json!("v1"), &json!(500_011), &json!(400))
    );
    assert!(
        bad["problem"]
            .as_str()
            .unwrap()
            .contains("https://nowhere.example was not found")
    );
    assert_eq!((&struck["fault"], &struck["status"]), (&json!("status"), &json!(429)));

    let after = |number: &str| {
        let body = get_ok(&emulator, &format!("/v1/requests?after={number}"));
        let requests = body["requests"].as_array().unwrap();
        requests
            .iter()
            .map(|request| request["number"].as_u64().unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!((after("0"), after("2"), after("3")), (vec![1, 2, 3], vec![3], vec![]));
    assert!(after(&u64::MAX.to_string()).is_empty());
    assert_eq!(call(&emulator, "DELETE", "/v1/requests", None).status(), 200);
    assert_eq!(get_ok(&emulator, "/v1/requests"), json!({"count": 3, "requests": []}));
    request_token(&emulator);
    assert_eq!(after("3"), [4]);
}

#[test]
fn secrets_and_tokens_are_not_shown() {
    let emulator = Emulator::builder()
        .app(
            App::new("a")
                .secret("canary~1")
                .secret("cn2")
                .grant(Emulator::GRAPH, "User.Read.All"),
        )
        .build();
    let bearer = access_token(&emulator, SCOPE.1);
    for path in [
        "/canary~1/oauth2/v2.0/token",
        "/%63anary~1/oauth2/v2.0/token",
        "/%2563anary~1/x",
        "/cn2/oauth2/v2.0/token",
        &format!("/{bearer}/oauth2/token"),
        "/abc8Q~kD93jfKEl20sPq81canaryvQwT4uYbNhGcR/x",
        "/x?client_secret=canary-3",
    ] {
        get_as(&emulator, path, &bearer);
        post(
            &emulator,
            path,
            &[("client_secret", "canary-4"), ("client_id", "canary-4")],
        );
    }
    for fields in [
        &[SCOPE, ("client_id", "canary~1")][..],
        &[SCOPE, ("grant_type", "canary~1")],
        &[SCOPE, ("canary~1", "x")],
        &[("scope", "canary~1/.default")],
        &[("scope", &bearer)],
        &[SCOPE, ("client_secret", "canary-5"), ("client_id", "x canary-5")],
        &[
            ("grant_type", "refresh_token"),
            ("refresh_token", "canary-6-of-some-length"),
            SCOPE,
        ],
    ] {
        token(&emulator, "v2.0/token", &form(&emulator, fields));
    }
    let text = get_ok(&emulator, "/v1/requests").to_string();
    assert!(!text.contains("canary") && !text.contains("/cn2/"), "{text}");
    for part in bearer.split('.') {
        assert!(!text.contains(part), "{text}");
    }
    assert!(text.contains("[not shown]"));
}
