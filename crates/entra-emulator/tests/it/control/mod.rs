//! The control API, operation by operation.

use std::time::Duration;

use entra_emulator::{App, Cut, Delivery, Emulator, Fault};
use serde_json::{Value, json};

use crate::support::control::{SCOPE, ask, call, emulator, refused, shown, told};
use crate::support::{Answer, access_token, authorize_url, form, get, get_as, json_body, post, token};

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
    let expected = json!({"now_at": "2030-01-02T03:04:05Z", "now_on": 1_893_553_445, "frozen": true});
    assert_eq!(set(json!({"frozen": true, "set": "2030-01-02T03:04:05Z"})), expected);
    assert_eq!(set(json!({"set": "2030-01-02T04:04:05.25+01:00"})), expected);
    assert_eq!(set(json!({"set": 1_893_553_440, "advance_seconds": 5})), expected);
    assert_eq!(shown(&emulator, "/v1/clock"), expected);
    assert_eq!(set(json!({"advance_seconds": 3600}))["now_at"], "2030-01-02T04:04:05Z");
    assert_eq!(set(json!({"set": "1970-01-01T00:00:00Z"}))["now_on"], 0);
    assert_eq!(
        set(json!({"set": 253_402_300_799_u64}))["now_at"],
        "9999-12-31T23:59:59Z"
    );
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
fn numbers_may_be_written_as_floats() {
    let emulator = emulator();
    let set = |body: Value| told(&emulator, "/v1/clock", body)["now_on"].clone();
    assert_eq!(set(json!({"advance_seconds": 3600.0})), 1_700_003_600);
    assert_eq!(set(json!({"advance_seconds": -0.0})), 1_700_003_600);
    assert_eq!(set(json!({"set": 1_700_000_000.75})), 1_700_000_000);
    told(
        &emulator,
        "/v1/faults",
        json!({"status": 429.0, "retry_after": 2.0, "times": 1.0}),
    );
    assert_eq!(ask(&emulator).status(), 429);
    told(&emulator, "/v1/faults", json!({"date_skew": -60.0}));
    assert_eq!(ask(&emulator).headers()["date"], "Tue, 14 Nov 2023 22:12:20 GMT");
}

#[test]
fn a_clock_beyond_the_year_9999_can_be_stopped() {
    let emulator = Emulator::builder().build();
    let last = json!({"now_at": "9999-12-31T23:59:59Z", "now_on": 253_402_300_799_u64, "frozen": true});
    let beyond = Duration::from_secs(253_402_300_800);
    emulator.clock().set(std::time::SystemTime::UNIX_EPOCH + beyond);
    assert_eq!(told(&emulator, "/v1/clock", json!({"frozen": true})), last);
    assert_eq!(told(&emulator, "/v1/clock", json!({"set": 5}))["now_on"], 5);
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
        (&clock["now_on"], &clock["frozen"]),
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

#[test]
fn content_is_published_and_consent_withdrawn() {
    let emulator = emulator();
    let tenant = emulator.tenant_id().to_owned();
    let published = told(
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
        assert_eq!(refused(&emulator, "/v1/activity", &body.to_string()).0, 400, "{body}");
    }
    assert_eq!(ask(&emulator).status(), 200);
    assert_eq!(
        refused(&emulator, "/v1/revocations", r#"{"all": true, "tenant": "x"}"#).0,
        400
    );
    told(
        &emulator,
        "/v1/revocations",
        json!({"app": emulator.client_id(), "tenant": tenant}),
    );
    assert_eq!(crate::support::refusal(&ask(&emulator)), 700016);
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
