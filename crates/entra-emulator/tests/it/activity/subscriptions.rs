//! Subscriptions, and the content that they list.

use std::time::{Duration, UNIX_EPOCH};

use entra_emulator::{ContentType, Lint};
use serde_json::{Value, json};

use crate::activity::{PUBLISHER, SCOPE, TYPE, good, post_as, post_with, seen, token};
use crate::support::{get_as, json_body};

#[test]
fn subscription_leads_to_records() {
    let emulator = good();
    let token = token(&emulator, SCOPE);
    let feed = emulator.activity_url();
    let send = |path: &str| get_as(&emulator, path, &token);
    assert_eq!(json_body(&send(&format!("{feed}/subscriptions/list"))), json!([]));
    let started = json_body(&post_as(
        &emulator,
        &format!("{feed}/subscriptions/start{TYPE}{PUBLISHER}"),
        &token,
    ));
    assert_eq!(
        started,
        json!({"contentType": "Audit.AzureActiveDirectory", "status": "enabled", "webhook": null})
    );
    assert!(emulator.requests().pop().unwrap().lints.is_empty());
    assert_eq!(
        json_body(&send(&format!("{feed}/subscriptions/list"))),
        json!([started])
    );
    let lints = emulator.requests().pop().unwrap().lints;
    assert_eq!(lints, [Lint::MissingPublisherIdentifier]);
    let spelt = feed.replace("/api/", "/API/").replace("activity/feed", "Activity/Feed");
    assert_eq!(
        json_body(&send(&format!("{spelt}/Subscriptions/List"))),
        json!([started])
    );
    let content = json_body(&send(&format!("{feed}/subscriptions/content{TYPE}")));
    let uri = content[0]["contentUri"].as_str().unwrap();
    assert!(uri.contains('$') && uri.ends_with(content[0]["contentId"].as_str().unwrap()));
    let records = json_body(&send(&format!("{uri}?{}", &PUBLISHER[1..])));
    assert_eq!(records.as_array().unwrap().len(), 3);
    for record in records.as_array().unwrap() {
        assert_eq!(
            (&record["OrganizationId"], &record["Workload"]),
            (&json!(emulator.tenant_id()), &json!("AzureActiveDirectory"))
        );
    }
    let stopped = post_as(&emulator, &format!("{feed}/subscriptions/stop{TYPE}"), &token);
    assert_eq!((stopped.status().as_u16(), stopped.body().len()), (200, 0));
    assert_eq!(json_body(&send(&format!("{feed}/subscriptions/list"))), json!([]));
}

/// Each content type has its own subscription.
#[test]
fn subscriptions_start_once_and_stop() {
    let emulator = good();
    let token = token(&emulator, SCOPE);
    let feed = emulator.activity_url();
    for content_type in ContentType::ALL.map(ContentType::as_str) {
        let url = |what: &str| format!("{feed}/subscriptions/{what}?contentType={content_type}");
        let post = |what: &str| seen(&post_as(&emulator, &url(what), &token));
        let content = || get_as(&emulator, &url("content"), &token);
        let rejected = |code: &str| (400, code.to_owned());
        let enabled = (200, "enabled".to_owned());
        assert_eq!(seen(&content()), rejected("AF20022"));
        assert_eq!(
            seen(&get_as(&emulator, &url("notifications"), &token)),
            rejected("AF20022")
        );
        assert_eq!(post("stop"), rejected("AF20022"));
        assert_eq!(post("start"), enabled);
        let uri = json_body(&content())[0]["contentUri"].as_str().unwrap().to_owned();
        for _ in 0..2 {
            assert_eq!(post("start"), rejected("AF20024"));
            assert_eq!(content().status(), 200);
        }
        assert_eq!(json_body(&get_as(&emulator, &url("notifications"), &token)), json!([]));
        assert_eq!(post("stop").0, 200);
        for _ in 0..2 {
            assert_eq!(seen(&content()), rejected("AF20023"));
            assert_eq!(
                seen(&get_as(&emulator, &url("notifications"), &token)),
                rejected("AF20023")
            );
            assert_eq!(seen(&get_as(&emulator, &uri, &token)), rejected("AF20023"));
            assert_eq!(post("stop"), rejected("AF20023"));
        }
        let listed = json_body(&get_as(&emulator, &format!("{feed}/subscriptions/list"), &token));
        let mut listed = listed.as_array().unwrap().iter();
        assert!(listed.all(|one| one["contentType"] != content_type));
        assert_eq!(post("start"), enabled);
        assert_eq!(post("start"), rejected("AF20024"));
        assert_eq!(content().status(), 200);
        assert_eq!(get_as(&emulator, &uri, &token).status(), 200);
    }
    let listed = json_body(&get_as(&emulator, &format!("{feed}/subscriptions/list"), &token));
    assert_eq!(listed.as_array().unwrap().len(), 5);
}

#[test]
fn content_created_while_stopped_is_not_listed() {
    let emulator = good();
    emulator.clock().freeze();
    let token = token(&emulator, SCOPE);
    let feed = emulator.activity_url();
    let subscription = |what: &str| post_as(&emulator, &format!("{feed}/subscriptions/{what}{TYPE}"), &token);
    let publish = || {
        emulator.clock().advance(Duration::from_secs(60));
        emulator.publish_activity(emulator.tenant_id(), ContentType::AzureActiveDirectory, 1);
    };
    let listed = || {
        let list = get_as(&emulator, &format!("{feed}/subscriptions/content{TYPE}"), &token);
        let items = json_body(&list).as_array().unwrap().clone();
        items
            .iter()
            .map(|item| item["contentUri"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    subscription("start");
    publish();
    let before = listed();
    assert_eq!(before.len(), 2, "the generated one and the published one");
    subscription("stop");
    publish();
    emulator.clock().advance(Duration::from_secs(60));
    subscription("start");
    assert_eq!(listed(), before);
    publish();
    let after = listed();
    assert_eq!((after.len(), &after[..2]), (3, &before[..]));
    // The ID is that of the content published while the subscription was stopped.
    let hidden = after[2].replace("301299000003", "301299000002");
    assert_eq!(seen(&get_as(&emulator, &hidden, &token)).1, "AF20050");
}

#[test]
fn changed_webhook_restarts_a_subscription() {
    let emulator = good();
    let token = token(&emulator, SCOPE);
    let url = format!("{}/subscriptions/start{TYPE}{PUBLISHER}", emulator.activity_url());
    let start = |body: &str| {
        let response = post_with(&emulator, &url, &token, body);
        (response.status().as_u16(), json_body(&response))
    };
    let rejected = |body: &str, code: &str| {
        let (status, response) = start(body);
        assert_eq!((status, &response["error"]["code"]), (400, &json!(code)), "{body}");
    };
    let webhook = |address: &str, auth_id: &str, expiration: &str| {
        json!({"webhook": {"address": address, "authId": auth_id, "expiration": expiration}}).to_string()
    };
    let hook = "https://app.example/hook";
    let shown = |address: &str, auth_id: Value, expiration: Value| {
        let webhook = json!({"status": "enabled", "address": address, "authId": auth_id, "expiration": expiration});
        json!({"contentType": "Audit.AzureActiveDirectory", "status": "enabled", "webhook": webhook})
    };
    let plain = json!({"contentType": "Audit.AzureActiveDirectory", "status": "enabled", "webhook": null});

    // An invalid webhook changes nothing.
    for (body, code) in [
        (webhook("http://app.example/hook", "", ""), "AF20021"),
        (webhook("http://127.0.0.1/hook", "", ""), "AF20021"),
        (webhook("app.example", "", ""), "AF20021"),
        (webhook(&format!("https://{}", "x".repeat(5_000)), "", ""), "AF20021"),
        (webhook(hook, &"x".repeat(5_000), ""), "AF20002"),
        (webhook(hook, "a\r\nb: c", ""), "AF20002"),
        (webhook(hook, "", "tomorrow"), "AF20002"),
        (webhook(hook, "", "2001-01-01T00:00:00Z"), "AF20003"),
        ("{\"webhook\": 1}".to_owned(), "AF20002"),
        (format!("{{\"webhook\": [\"{hook}\", null, null]}}"), "AF20002"),
        ("[null]".to_owned(), "AF20002"),
        ("{\"webhook\": {\"address\": 1}}".to_owned(), "AF20002"),
        ("[".repeat(100_000), "AF20002"),
        ("webhook=1".to_owned(), "AF20002"),
    ] {
        rejected(&body, code);
    }
    assert_eq!(start("{}"), (200, plain.clone()));
    for same in ["", "{}", "null", " ", "{\"webhook\": null}", &webhook("", "", "")] {
        rejected(same, "AF20024");
    }
    let first = webhook(hook, "secret", "");
    assert_eq!(start(&first), (200, shown(hook, json!("secret"), Value::Null)));
    let lints = emulator.requests().pop().unwrap().lints;
    assert_eq!(lints, [Lint::WebhookNeverCalled]);
    rejected(&first, "AF20024");
    for address in [
        "http://app.example/hook",
        "https://",
        "https:///hook",
        "https://[",
        "https://a b",
        "https://app.example:/hook",
        "https://app.example:99999/hook",
        "https://user@app.example/hook",
    ] {
        rejected(&webhook(address, "", ""), "AF20021");
    }
    let list = get_as(
        &emulator,
        &format!("{}/subscriptions/list", emulator.activity_url()),
        &token,
    );
    assert_eq!(json_body(&list), json!([shown(hook, json!("secret"), Value::Null)]));
    for (address, auth_id, expiration) in [
        ("https://app.example/other", "secret", ""),
        ("https://app.example/other", "other", ""),
        ("https://app.example/other", "other", "2999-01-01T00:00:00Z"),
        ("https://app.example/other", "other", "2999-01-01T00:00:00"),
        ("https://app.example/other", "other", "2999-01-01"),
        ("https://app.example/other", "other", "2999-01-01T00:00"),
        ("https://app.example/other", "other", "2999-01-01T00:00:00+01:00"),
    ] {
        let body = webhook(address, auth_id, expiration);
        assert_eq!(start(&body).0, 200);
        rejected(&body, "AF20024");
    }
    // A start without a webhook removes the old one.
    assert_eq!(start(""), (200, plain));
    rejected("", "AF20024");
}

#[test]
fn expired_webhook_can_be_renewed() {
    let emulator = good();
    emulator.clock().freeze();
    emulator.clock().set(UNIX_EPOCH + Duration::from_secs(1_700_000_000));
    let token = || token(&emulator, SCOPE);
    let feed = emulator.activity_url();
    let start = |expiration: &str| {
        let body = json!({"webhook": {"address": "https://app.example", "expiration": expiration}}).to_string();
        seen(&post_with(
            &emulator,
            &format!("{feed}/subscriptions/start{TYPE}"),
            &token(),
            &body,
        ))
    };
    assert_eq!(start("2023-11-15T00:00:00Z").1, "enabled");
    emulator.clock().advance(Duration::from_secs(86_400));
    let list = json_body(&get_as(&emulator, &format!("{feed}/subscriptions/list"), &token()));
    assert_eq!(
        (&list[0]["status"], &list[0]["webhook"]["status"]),
        (&json!("enabled"), &json!("expired"))
    );
    assert_eq!(start("2023-11-15T00:00:00Z").1, "AF20003");
    assert_eq!(start("").1, "enabled");
    let list = json_body(&get_as(&emulator, &format!("{feed}/subscriptions/list"), &token()));
    assert_eq!(list[0]["webhook"]["status"], "enabled");
}
