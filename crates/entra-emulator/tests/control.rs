//! The control API: its contract, and what it refuses.

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, UNIX_EPOCH};

use entra_emulator::{App, Cut, Delivery, Emulator, Fault};
use http::Request;
use serde_json::{Value, json};
use support::{Answer, access_token, authorize_url, form, get, get_as, json_body, post, token};

const SCOPE: (&str, &str) = ("scope", "https://graph.microsoft.com/.default");

fn emulator() -> Emulator {
    Emulator::builder()
        .frozen_at(UNIX_EPOCH + Duration::from_secs(1_700_000_000))
        .build()
}

/// A request with the key, and with a body if it is one.
fn call(emulator: &Emulator, method: &str, path: &str, body: Option<&str>) -> Answer {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header("authorization", format!("Bearer {}", emulator.control_key()));
    if body.is_some() {
        request = request.header("content-type", "application/json");
    }
    let body = body.unwrap_or_default().as_bytes().to_vec();
    emulator.handle_control(request.body(body).unwrap())
}

/// What a POST of this JSON answers, which must be a success.
#[track_caller]
fn told(emulator: &Emulator, path: &str, body: Value) -> Value {
    let answer = call(emulator, "POST", path, Some(&body.to_string()));
    assert!(answer.status().is_success(), "{}", json_body(&answer));
    json_body(&answer)
}

/// Status and body of a POST of this text, which must be refused.
#[track_caller]
fn refused(emulator: &Emulator, path: &str, body: &str) -> (u16, Value) {
    let answer = call(emulator, "POST", path, Some(body));
    let body = json_body(&answer);
    assert!(!answer.status().is_success(), "{body}");
    assert!(body["message"].as_str().is_some_and(|text| !text.is_empty()), "{body}");
    (answer.status().as_u16(), body)
}

fn shown(emulator: &Emulator, path: &str) -> Value {
    let answer = call(emulator, "GET", path, None);
    assert_eq!(answer.status(), 200, "{}", json_body(&answer));
    json_body(&answer)
}

fn ask(emulator: &Emulator) -> Answer {
    token(emulator, "v2.0/token", &form(emulator, &[SCOPE]))
}

#[test]
fn nothing_is_answered_without_the_key() {
    let emulator = emulator();
    let key = emulator.control_key().to_owned();
    let swapped = key.chars().rev().collect::<String>();
    let wrong = [
        None,
        Some(String::new()),
        Some("Bearer".to_owned()),
        Some("Bearer ".to_owned()),
        Some(format!("Bearer {swapped}")),
        Some(format!("Bearer {key}x")),
        Some(format!("Bearer {}", &key[..42])),
        Some(format!("Basic {key}")),
        Some(key.clone()),
    ];
    for authorization in wrong {
        for path in ["/v1", "/v1/faults", "/nowhere", "/"] {
            let mut request = Request::post(path).header("content-type", "application/json");
            if let Some(authorization) = &authorization {
                request = request.header("authorization", authorization);
            }
            let answer = emulator.handle_control(request.body(br#"{"status":500}"#.to_vec()).unwrap());
            assert_eq!(answer.status(), 401, "{authorization:?} {path}");
            assert_eq!(answer.headers()["www-authenticate"], "Bearer");
            assert!(!answer.headers().contains_key("access-control-allow-origin"));
            let text = String::from_utf8(answer.body().clone()).unwrap();
            assert!(text.contains("invalid_key") && !text.contains(&key), "{text}");
        }
    }
    let twice = Request::get("/v1")
        .header("authorization", format!("Bearer {key}"))
        .header("authorization", format!("Bearer {key}"));
    assert_eq!(emulator.handle_control(twice.body(Vec::new()).unwrap()).status(), 401);
    assert_eq!(shown(&emulator, "/v1/faults"), json!({"faults": []}));
    assert!(!format!("{emulator:?}").contains(&key));
    assert_ne!(key, self::emulator().control_key(), "it comes from no seed");
}

#[test]
fn a_page_with_another_host_is_turned_away() {
    let emulator = emulator();
    let ask = |uri: &str, hosts: &[&str]| {
        let mut request = Request::get(uri).header("authorization", format!("Bearer {}", emulator.control_key()));
        for host in hosts {
            request = request.header("host", *host);
        }
        emulator
            .handle_control(request.body(Vec::new()).unwrap())
            .status()
            .as_u16()
    };
    assert_eq!(ask("/v1", &["127.0.0.1:8401"]), 200);
    assert_eq!(ask("http://localhost/v1", &[]), 200);
    assert_eq!(ask("/v1", &["evil.example"]), 403);
    assert_eq!(ask("/v1", &["localhost", "evil.example"]), 403);
    assert_eq!(ask("http://evil.example/v1", &["localhost"]), 403);
}

#[test]
fn paths_and_methods_are_listed_where_they_are_wrong() {
    let emulator = emulator();
    let index = shown(&emulator, "/v1");
    assert_eq!(index["version"], "v1");
    for operation in index["operations"].as_array().unwrap() {
        assert!(
            operation["about"].as_str().is_some_and(|text| text.len() > 5),
            "{operation}"
        );
    }
    for path in ["/", "/v2", "/v1/fault", "/v1/faults/1", "//v1"] {
        let answer = call(&emulator, "GET", path, None);
        assert_eq!(answer.status(), 404, "{path}");
        assert_eq!(json_body(&answer)["operations"], index["operations"]);
    }
    for (method, path, allow) in [
        ("PUT", "/v1/faults", "GET, POST, DELETE"),
        ("OPTIONS", "/v1/faults", "GET, POST, DELETE"),
        ("GET", "/v1/reset", "POST"),
        ("DELETE", "/v1/clock", "GET, POST"),
        ("POST", "/v1/requests", "GET, DELETE"),
    ] {
        let answer = call(&emulator, method, path, None);
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["allow"]),
            (405, &allow.parse().unwrap())
        );
        assert!(json_body(&answer)["message"].as_str().unwrap().contains(allow));
    }
    assert_eq!(call(&emulator, "GET", "/v1/faults/", None).status(), 200);
}

#[test]
fn bodies_are_read_strictly() {
    let emulator = emulator();
    for (path, body, error, member) in [
        ("/v1/faults", "", "invalid_json", ""),
        ("/v1/faults", "[]", "invalid_json", ""),
        ("/v1/faults", "null", "invalid_json", ""),
        ("/v1/faults", r#"{"status":429"#, "invalid_json", ""),
        ("/v1/faults", r#"{"status":429}x"#, "invalid_json", ""),
        ("/v1/faults", "\u{feff}{}", "invalid_json", ""),
        ("/v1/faults", "{}", "missing_member", ""),
        ("/v1/faults", r#"{"path":"/token","times":2}"#, "missing_member", ""),
        ("/v1/faults", r#"{"statsu":429}"#, "unknown_member", "statsu"),
        ("/v1/faults", r#"{"Status":429}"#, "unknown_member", "Status"),
        (
            "/v1/faults",
            r#"{"status":429,"status":503}"#,
            "duplicate_member",
            "status",
        ),
        ("/v1/faults", r#"{"status":"429"}"#, "invalid_member", "status"),
        ("/v1/faults", r#"{"status":429.0}"#, "invalid_member", "status"),
        ("/v1/faults", r#"{"status":null}"#, "invalid_member", "status"),
        ("/v1/faults", r#"{"status":101}"#, "invalid_member", "status"),
        ("/v1/faults", r#"{"status":600}"#, "invalid_member", "status"),
        ("/v1/faults", r#"{"status":-1}"#, "invalid_member", "status"),
        (
            "/v1/faults",
            r#"{"status":99999999999999999999999}"#,
            "invalid_member",
            "status",
        ),
        ("/v1/faults", r#"{"aadsts":1}"#, "invalid_member", "aadsts"),
        ("/v1/faults", r#"{"aadsts":"AADSTS90033"}"#, "invalid_member", "aadsts"),
        ("/v1/faults", r#"{"body":{}}"#, "invalid_member", "body"),
        ("/v1/faults", r#"{"body_base64":"%%"}"#, "invalid_member", "body_base64"),
        ("/v1/faults", r#"{"reset":false}"#, "invalid_member", "reset"),
        ("/v1/faults", r#"{"redirect":"a\nb"}"#, "invalid_member", "redirect"),
        (
            "/v1/faults",
            r#"{"redirect":"/","status":200}"#,
            "invalid_member",
            "status",
        ),
        (
            "/v1/faults",
            r#"{"status":429,"content_type":"a\r\nb: c"}"#,
            "invalid_member",
            "content_type",
        ),
        ("/v1/faults", r#"{"status":429,"times":0}"#, "invalid_member", "times"),
        (
            "/v1/faults",
            r#"{"status":429,"times":"forever"}"#,
            "invalid_member",
            "times",
        ),
        ("/v1/faults", r#"{"status":429,"path":""}"#, "invalid_member", "path"),
        (
            "/v1/faults",
            r#"{"status":429,"retry_after":"5"}"#,
            "invalid_member",
            "retry_after",
        ),
        (
            "/v1/faults",
            r#"{"status":429,"retry_after":-5}"#,
            "invalid_member",
            "retry_after",
        ),
        (
            "/v1/faults",
            r#"{"latency_ms":86400000}"#,
            "invalid_member",
            "latency_ms",
        ),
        ("/v1/faults", r#"{"date_skew":1.5}"#, "invalid_member", "date_skew"),
        (
            "/v1/faults",
            r#"{"status":429,"aadsts":90033}"#,
            "conflicting_members",
            "",
        ),
        ("/v1/faults", r#"{"body":"","json":{}}"#, "conflicting_members", ""),
        (
            "/v1/faults",
            r#"{"truncate":1,"endless":true}"#,
            "conflicting_members",
            "",
        ),
        (
            "/v1/faults",
            r#"{"reset":true,"retry_after":1}"#,
            "conflicting_members",
            "",
        ),
        (
            "/v1/faults",
            r#"{"status":429,"retry_after":1,"retry_after_date":1}"#,
            "conflicting_members",
            "",
        ),
        ("/v1/clock", "{}", "missing_member", ""),
        ("/v1/clock", r#"{"advance":5}"#, "unknown_member", "advance"),
        (
            "/v1/clock",
            r#"{"advance_seconds":-5}"#,
            "invalid_member",
            "advance_seconds",
        ),
        (
            "/v1/clock",
            r#"{"advance_seconds":253402300799}"#,
            "invalid_member",
            "advance_seconds",
        ),
        (
            "/v1/clock",
            r#"{"advance_seconds":1,"set":"tomorrow"}"#,
            "invalid_member",
            "set",
        ),
        (
            "/v1/clock",
            r#"{"set":"2026-02-30T00:00:00Z"}"#,
            "invalid_member",
            "set",
        ),
        ("/v1/clock", r#"{"frozen":"yes"}"#, "invalid_member", "frozen"),
        ("/v1/revocations", "{}", "missing_member", ""),
        (
            "/v1/revocations",
            r#"{"all":true,"app":"daemon"}"#,
            "missing_member",
            "",
        ),
        ("/v1/revocations", r#"{"app":"nobody"}"#, "invalid_member", "app"),
        ("/v1/revocations", r#"{"user":"nobody"}"#, "invalid_member", "user"),
        ("/v1/approvals", "{}", "missing_member", ""),
        (
            "/v1/approvals",
            r#"{"url":"not a url","user":"Adele Vance"}"#,
            "invalid_member",
            "url",
        ),
        (
            "/v1/approvals",
            r#"{"url":"/common/oauth2/authorize"}"#,
            "missing_member",
            "user",
        ),
        (
            "/v1/approvals",
            r#"{"user_code":"ABCDEFGHI"}"#,
            "missing_member",
            "user",
        ),
        (
            "/v1/approvals",
            r#"{"user_code":"ABCDEFGHI","decision":"yes"}"#,
            "invalid_member",
            "decision",
        ),
        ("/v1/signing-keys", "{}", "missing_member", ""),
        ("/v1/signing-keys", r#"{"action":"delete"}"#, "invalid_member", "action"),
        ("/v1/reset", r#"{"everything":true}"#, "unknown_member", "everything"),
    ] {
        let (status, answer) = refused(&emulator, path, body);
        assert_eq!(
            (status, answer["error"].as_str()),
            (400, Some(error)),
            "{body}: {answer}"
        );
        if !member.is_empty() {
            assert_eq!(answer["member"], member, "{answer}");
            let message = answer["message"].as_str().unwrap();
            assert!(message.contains(member), "{message}");
            let says_what = answer["expected"].is_string() || answer["expected"].is_array();
            assert!(
                error != "invalid_member" && error != "unknown_member" || says_what,
                "{answer}"
            );
        }
    }
    assert_eq!(shown(&emulator, "/v1/faults"), json!({"faults": []}));
    assert_eq!(shown(&emulator, "/v1/clock")["now_epoch"], 1_700_000_000);
    assert_eq!(ask(&emulator).status(), 200);

    let as_form = Request::post("/v1/faults")
        .header("authorization", format!("Bearer {}", emulator.control_key()))
        .header("content-type", "application/x-www-form-urlencoded");
    let answer = emulator.handle_control(as_form.body(br#"{"status":429}"#.to_vec()).unwrap());
    assert_eq!(answer.status(), 415);
    for (method, path) in [("DELETE", "/v1/faults"), ("GET", "/v1/clock")] {
        assert_eq!(
            json_body(&call(&emulator, method, path, Some("{}")))["error"],
            "unexpected_body"
        );
    }
    for path in [
        "/v1/faults?path=/token",
        "/v1/requests?after=x",
        "/v1/requests?after=1&after=2",
        "/v1/requests?before=1",
    ] {
        assert_eq!(
            json_body(&call(&emulator, "GET", path, None))["error"],
            "invalid_query",
            "{path}"
        );
    }
}

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
    assert_eq!((answer.status().as_u16(), support::refusal(&answer)), (503, 90033));
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
fn requests_are_numbered_and_told_in_words() {
    let emulator = emulator();
    assert_eq!(shown(&emulator, "/v1/requests"), json!({"count": 0, "requests": []}));
    ask(&emulator);
    token(
        &emulator,
        "token",
        &form(&emulator, &[("resource", "https://nowhere.example")]),
    );
    told(&emulator, "/v1/faults", json!({"status": 429}));
    ask(&emulator);
    let body = shown(&emulator, "/v1/requests");
    assert_eq!(body["count"], 3);
    let [good, bad, struck] = [&body["requests"][0], &body["requests"][1], &body["requests"][2]];
    let path = format!("/{}/oauth2/v2.0/token", emulator.tenant_id());
    assert_eq!(
        *good,
        json!({
            "number": 1, "at": "2023-11-14T22:13:20Z", "at_epoch": 1_700_000_000, "channel": "memory",
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
        let body = shown(&emulator, &format!("/v1/requests?after={number}"));
        let requests = body["requests"].as_array().unwrap();
        requests
            .iter()
            .map(|request| request["number"].as_u64().unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!((after("0"), after("2"), after("3")), (vec![1, 2, 3], vec![3], vec![]));
    assert!(after(&u64::MAX.to_string()).is_empty());
    assert_eq!(call(&emulator, "DELETE", "/v1/requests", None).status(), 200);
    assert_eq!(shown(&emulator, "/v1/requests"), json!({"count": 3, "requests": []}));
    ask(&emulator);
    assert_eq!(after("3"), [4]);
}

#[test]
fn no_secret_and_no_whole_token_is_told() {
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
    let text = shown(&emulator, "/v1/requests").to_string();
    assert!(!text.contains("canary") && !text.contains("/cn2/"), "{text}");
    for part in bearer.split('.') {
        assert!(!text.contains(part), "{text}");
    }
    assert!(text.contains("[not shown]"));
}

#[test]
fn the_clock_is_read_and_moved() {
    let emulator = Emulator::builder().build();
    let set = |body: Value| told(&emulator, "/v1/clock", body);
    assert_eq!(shown(&emulator, "/v1/clock")["frozen"], false);
    let expected = json!({"now": "2030-01-02T03:04:05Z", "now_epoch": 1_893_553_445, "frozen": true});
    assert_eq!(set(json!({"frozen": true, "set": "2030-01-02T03:04:05Z"})), expected);
    assert_eq!(set(json!({"set": "2030-01-02T04:04:05.25+01:00"})), expected);
    assert_eq!(set(json!({"set": 1_893_553_440, "advance_seconds": 5})), expected);
    assert_eq!(shown(&emulator, "/v1/clock"), expected);
    assert_eq!(set(json!({"advance_seconds": 3600}))["now"], "2030-01-02T04:04:05Z");
    assert_eq!(set(json!({"set": "1970-01-01T00:00:00Z"}))["now_epoch"], 0);
    assert_eq!(set(json!({"set": 253_402_300_799_u64}))["now"], "9999-12-31T23:59:59Z");
    let (_, answer) = refused(&emulator, "/v1/clock", r#"{"advance_seconds":1}"#);
    assert_eq!(answer["member"], "advance_seconds");
    let (_, answer) = refused(
        &emulator,
        "/v1/clock",
        r#"{"frozen":false,"advance_seconds":1,"set":253402300799}"#,
    );
    assert_eq!(answer["member"], "advance_seconds");
    assert_eq!(
        shown(&emulator, "/v1/clock")["frozen"],
        true,
        "a refused request changes nothing"
    );
    assert_eq!(set(json!({"frozen": false, "set": 100}))["frozen"], false);
}

#[test]
fn an_expired_token_is_refused_after_the_clock_moved() {
    let emulator = emulator();
    let old = access_token(&emulator, SCOPE.1);
    assert_eq!(get_as(&emulator, "/v1.0/users", &old).status(), 200);
    told(&emulator, "/v1/clock", json!({"advance_seconds": 7200}));
    assert_eq!(get_as(&emulator, "/v1.0/users", &old).status(), 401);
    let new = access_token(&emulator, SCOPE.1);
    assert_eq!(get_as(&emulator, "/v1.0/users", &new).status(), 200);
}

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
    let body = told(&emulator, "/v1/revocations", json!({"app": "one"}));
    assert_eq!(body["revoked"]["app"], emulator.app("one").unwrap().client_id);
    assert_eq!((status(&one), status(&two)), (401, 200));
    told(
        &emulator,
        "/v1/revocations",
        json!({"app": emulator.app("two").unwrap().client_id.to_uppercase()}),
    );
    assert_eq!(status(&two), 401);
    let one = token_of("one", "s3cret-1");
    assert_eq!(status(&one), 200);
    assert_eq!(
        told(&emulator, "/v1/revocations", json!({"all": true}))["revoked"],
        json!({"all": true})
    );
    assert_eq!(status(&one), 401);
    let body = told(&emulator, "/v1/revocations", json!({"user": "Adele Vance"}));
    assert!(
        body["revoked"]["users"][0].as_str().unwrap().starts_with("adele"),
        "{body}"
    );
    let (_, answer) = refused(&emulator, "/v1/revocations", r#"{"app":"three"}"#);
    assert!(answer["message"].as_str().unwrap().contains("one, two"), "{answer}");
}

#[test]
fn a_user_accepts_and_declines_over_the_api() {
    let emulator = emulator();
    let redirect_uri = ("redirect_uri", "http://localhost:8400");
    let url = authorize_url(
        &emulator,
        "v2.0/authorize",
        &[("scope", "User.Read"), redirect_uri, ("state", "s")],
    );
    let body = told(&emulator, "/v1/approvals", json!({"url": url, "user": "Adele Vance"}));
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
    let body = told(&emulator, "/v1/approvals", declined);
    assert_eq!(body["parameters"]["error"], "access_denied");
    let posted = json!({"url": format!("{url}&response_mode=form_post"), "user": "Adele Vance"});
    let body = told(&emulator, "/v1/approvals", posted);
    assert!(body["body"].as_str().unwrap().contains("code=") && body["parameters"]["code"].is_string());

    let wrong = json!({"url": url.replace("localhost", "elsewhere.example"), "user": "Adele Vance"});
    let (status, answer) = refused(&emulator, "/v1/approvals", &wrong.to_string());
    assert_eq!(
        (status, answer["error"].as_str(), answer["aadsts"].as_u64()),
        (409, Some("error_page"), Some(50_011))
    );
    let nowhere = json!({"url": "/common/discovery/keys", "user": "Adele Vance"});
    assert_eq!(refused(&emulator, "/v1/approvals", &nowhere.to_string()).0, 409);
    let (_, answer) = refused(
        &emulator,
        "/v1/approvals",
        &json!({"url": url, "user": "Nobody"}).to_string(),
    );
    assert!(answer["expected"].as_str().unwrap().contains("adele"), "{answer}");
}

#[test]
fn a_device_is_let_in_and_turned_away_over_the_api() {
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
        told(&emulator, "/v1/approvals", accepted),
        json!({"result": "accepted"})
    );
    assert!(poll(&device)["access_token"].is_string());
    let device = start();
    let declined = json!({"user_code": device["user_code"], "decision": "decline"});
    assert_eq!(
        told(&emulator, "/v1/approvals", declined.clone()),
        json!({"result": "declined"})
    );
    assert_eq!(poll(&device)["error"], "authorization_declined");
    let (status, answer) = refused(&emulator, "/v1/approvals", &declined.to_string());
    assert_eq!((status, answer["aadsts"].as_u64()), (409, Some(70_018)));
}

#[test]
fn signing_keys_are_rotated_and_reset() {
    let emulator = emulator();
    let first = shown(&emulator, "/v1/signing-keys");
    let act = |action: &str| told(&emulator, "/v1/signing-keys", json!({"action": action}));
    let rotated = act("rotate");
    assert_eq!(rotated["published"], json!([first["signing"], rotated["signing"]]));
    assert_eq!(
        act("retire"),
        json!({"signing": rotated["signing"], "published": [rotated["signing"]]})
    );
    let replaced = act("replace");
    assert!(replaced["published"] == json!([replaced["signing"]]) && replaced != first);

    told(&emulator, "/v1/faults", json!({"status": 500, "times": "always"}));
    told(&emulator, "/v1/clock", json!({"advance_seconds": 5}));
    get(&emulator, "/");
    let clock = told(&emulator, "/v1/reset", json!({}));
    assert_eq!(
        (&clock["now_epoch"], &clock["frozen"]),
        (&json!(1_700_000_000), &json!(true))
    );
    assert_eq!(shown(&emulator, "/v1/signing-keys"), first);
    assert_eq!(shown(&emulator, "/v1/requests"), json!({"count": 0, "requests": []}));
    assert_eq!(shown(&emulator, "/v1/faults"), json!({"faults": []}));
    assert_eq!(
        call(&emulator, "POST", "/v1/reset", None).status(),
        200,
        "a body is not needed"
    );
}

/// Status and body over a socket.
fn over_the_network(url: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(url.trim_start_matches("http://")).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    answer
}

#[test]
fn it_listens_on_a_port_of_its_own_when_asked_to() {
    assert_eq!(Emulator::builder().start().control_url(), None);
    let emulator = Emulator::builder().control(0).start();
    let url = emulator.control_url().unwrap();
    assert!(url.starts_with("http://127.0.0.1:") && url != emulator.base_url());
    let request = |host: &str, key: &str, body: &str| {
        format!(
            "POST /v1/faults HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {key}\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let (key, fault) = (emulator.control_key(), r#"{"status":503}"#);
    let host = url.trim_start_matches("http://");
    for (host, key, body, status) in [
        (host, key, fault, "201"),
        (host, "wrong", fault, "401"),
        ("evil.example", key, fault, "403"),
        (host, key, &"x".repeat(300_000), "413"),
    ] {
        let answer = over_the_network(url, &request(host, key, body));
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")) || status == "413" && answer.is_empty(),
            "{answer}"
        );
    }
    // Neither port answers for the other one, and the control API's requests are not recorded.
    let elsewhere = over_the_network(emulator.base_url(), &request(host, key, fault));
    assert!(elsewhere.starts_with("HTTP/1.1 503 "), "{elsewhere}");
    assert_eq!(emulator.request_count(), 1);
}

#[test]
fn other_machines_reach_it_only_when_said_in_so_many_words() {
    let error = Emulator::builder().control_at("0.0.0.0:0".parse().unwrap()).try_start();
    assert!(error.unwrap_err().to_string().contains("allow_other_machines"));
    let open = Emulator::builder()
        .ip("0.0.0.0".parse().unwrap())
        .allow_other_machines();
    let emulator = open.clone().control(0).start();
    assert!(emulator.control_url().unwrap().starts_with("http://127.0.0.1:"));
    let emulator = open.control_at("0.0.0.0:0".parse().unwrap()).start();
    let request = |key: &str| {
        let request = Request::get("/v1")
            .header("host", "entra:8401")
            .header("authorization", format!("Bearer {key}"));
        emulator
            .handle_control(request.body(Vec::new()).unwrap())
            .status()
            .as_u16()
    };
    assert_eq!((request(emulator.control_key()), request("wrong")), (200, 401));
}
