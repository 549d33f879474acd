//! The Office 365 Management Activity API: access, subscriptions, and every error code.

use std::time::{Duration, UNIX_EPOCH};

use crate::support::{Answer, access_token_of, get, get_as, json_body};
use entra_emulator::{ActivityFeed, Api, App, Config, ContentType, Emulator, EmulatorBuilder, Fault, Lint, Tenant};
use http::Request;
use serde_json::{Value, json};

const MANAGE: &str = "https://manage.office.com";
const SCOPE: &str = "https://manage.office.com/.default";
const TYPE: &str = "?contentType=Audit.AzureActiveDirectory";
const PUBLISHER: &str = "&PublisherIdentifier=46b472a7-c68e-4adf-8ade-3db49497518e";

fn emulator(app: App) -> Emulator {
    Emulator::builder()
        .tenant(Tenant::new("contoso.onmicrosoft.com"))
        .tenant(Tenant::new("other.example"))
        .app(app.secret("s3cret"))
        .build()
}

fn good() -> Emulator {
    emulator(
        App::new("a")
            .grant(MANAGE, "ActivityFeed.Read")
            .grant(MANAGE, "ActivityFeed.ReadDlp"),
    )
}

fn token(emulator: &Emulator, scope: &str) -> String {
    access_token_of(emulator, "s3cret", scope)
}

fn post_with(emulator: &Emulator, path: &str, token: &str, body: &str) -> Answer {
    let request = Request::post(path).header("authorization", format!("Bearer {token}"));
    emulator.handle(request.body(body.as_bytes().to_vec()).unwrap())
}

fn post_as(emulator: &Emulator, path: &str, token: &str) -> Answer {
    post_with(emulator, path, token, "")
}

/// The status with the code of an error, or with the status of a subscription.
fn seen(answer: &Answer) -> (u16, String) {
    let body: Value = serde_json::from_slice(answer.body()).unwrap_or_default();
    let code = body["error"]["code"].as_str().or_else(|| body["status"].as_str());
    (answer.status().as_u16(), code.unwrap_or_default().to_owned())
}

#[test]
fn list_start_content_records() {
    let emulator = good();
    let token = token(&emulator, SCOPE);
    let feed = emulator.activity_url();
    let ask = |path: &str| get_as(&emulator, path, &token);
    assert_eq!(json_body(&ask(&format!("{feed}/subscriptions/list"))), json!([]));
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
    assert_eq!(json_body(&ask(&format!("{feed}/subscriptions/list"))), json!([started]));
    let lints = emulator.requests().pop().unwrap().lints;
    assert_eq!(lints, [Lint::MissingPublisherIdentifier]);
    let spelt = feed.replace("/api/", "/API/").replace("activity/feed", "Activity/Feed");
    assert_eq!(
        json_body(&ask(&format!("{spelt}/Subscriptions/List"))),
        json!([started])
    );
    let content = json_body(&ask(&format!("{feed}/subscriptions/content{TYPE}")));
    let uri = content[0]["contentUri"].as_str().unwrap();
    assert!(uri.contains('$') && uri.ends_with(content[0]["contentId"].as_str().unwrap()));
    let records = json_body(&ask(&format!("{uri}?{}", &PUBLISHER[1..])));
    assert_eq!(records.as_array().unwrap().len(), 3);
    for record in records.as_array().unwrap() {
        assert_eq!(
            (&record["OrganizationId"], &record["Workload"]),
            (&json!(emulator.tenant_id()), &json!("AzureActiveDirectory"))
        );
    }
    let stopped = post_as(&emulator, &format!("{feed}/subscriptions/stop{TYPE}"), &token);
    assert_eq!((stopped.status().as_u16(), stopped.body().len()), (200, 0));
    assert_eq!(json_body(&ask(&format!("{feed}/subscriptions/list"))), json!([]));
}

/// Every content type has a subscription of its own.
#[test]
fn subscriptions_start_once_and_stop() {
    let emulator = good();
    let token = token(&emulator, SCOPE);
    let feed = emulator.activity_url();
    for content_type in ContentType::ALL.map(ContentType::as_str) {
        let url = |what: &str| format!("{feed}/subscriptions/{what}?contentType={content_type}");
        let post = |what: &str| seen(&post_as(&emulator, &url(what), &token));
        let content = || get_as(&emulator, &url("content"), &token);
        let refused = |code: &str| (400, code.to_owned());
        let enabled = (200, "enabled".to_owned());
        assert_eq!(seen(&content()), refused("AF20022"));
        assert_eq!(
            seen(&get_as(&emulator, &url("notifications"), &token)),
            refused("AF20022")
        );
        assert_eq!(post("stop"), refused("AF20022"));
        assert_eq!(post("start"), enabled);
        let uri = json_body(&content())[0]["contentUri"].as_str().unwrap().to_owned();
        for _ in 0..2 {
            assert_eq!(post("start"), refused("AF20024"));
            assert_eq!(content().status(), 200);
        }
        assert_eq!(json_body(&get_as(&emulator, &url("notifications"), &token)), json!([]));
        assert_eq!(post("stop").0, 200);
        for _ in 0..2 {
            assert_eq!(seen(&content()), refused("AF20023"));
            assert_eq!(
                seen(&get_as(&emulator, &url("notifications"), &token)),
                refused("AF20023")
            );
            assert_eq!(seen(&get_as(&emulator, &uri, &token)), refused("AF20023"));
            assert_eq!(post("stop"), refused("AF20023"));
        }
        let listed = json_body(&get_as(&emulator, &format!("{feed}/subscriptions/list"), &token));
        let mut listed = listed.as_array().unwrap().iter();
        assert!(listed.all(|one| one["contentType"] != content_type));
        assert_eq!(post("start"), enabled);
        assert_eq!(post("start"), refused("AF20024"));
        assert_eq!(content().status(), 200);
        assert_eq!(get_as(&emulator, &uri, &token).status(), 200);
    }
    let listed = json_body(&get_as(&emulator, &format!("{feed}/subscriptions/list"), &token));
    assert_eq!(listed.as_array().unwrap().len(), 5);
}

#[test]
fn content_of_the_time_of_a_stop_is_gone() {
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
    // Another application was not stopped. The ID is that of the content in between.
    let hidden = after[2].replace("301299000003", "301299000002");
    assert_eq!(seen(&get_as(&emulator, &hidden, &token)).1, "AF20050");
}

#[test]
fn a_changed_webhook_starts_a_subscription_anew() {
    let emulator = good();
    let token = token(&emulator, SCOPE);
    let url = format!("{}/subscriptions/start{TYPE}{PUBLISHER}", emulator.activity_url());
    let start = |body: &str| {
        let answer = post_with(&emulator, &url, &token, body);
        (answer.status().as_u16(), json_body(&answer))
    };
    let refused = |body: &str, code: &str| {
        let (status, answer) = start(body);
        assert_eq!((status, &answer["error"]["code"]), (400, &json!(code)), "{body}");
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

    // What is wrong with a webhook leaves everything as it was.
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
        refused(&body, code);
    }
    assert_eq!(start("{}"), (200, plain.clone()));
    for same in ["", "{}", "null", " ", "{\"webhook\": null}", &webhook("", "", "")] {
        refused(same, "AF20024");
    }
    let first = webhook(hook, "secret", "");
    assert_eq!(start(&first), (200, shown(hook, json!("secret"), Value::Null)));
    let lints = emulator.requests().pop().unwrap().lints;
    assert_eq!(lints, [Lint::WebhookNeverCalled]);
    refused(&first, "AF20024");
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
        refused(&webhook(address, "", ""), "AF20021");
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
        refused(&body, "AF20024");
    }
    // Without a webhook the old one is removed.
    assert_eq!(start(""), (200, plain));
    refused("", "AF20024");
}

#[test]
fn an_expired_webhook_is_shown_and_can_be_renewed() {
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

/// Each code with a request that leads to it.
#[test]
fn every_error_code_can_be_reached() {
    let emulator = Emulator::builder()
        .tenant(Tenant::new("contoso.onmicrosoft.com"))
        .tenant(Tenant::new("other.example"))
        .tenant(Tenant::new("customers.example").external())
        .app(App::new("a").secret("s3cret").grant(MANAGE, "ActivityFeed.Read"))
        .activity(ActivityFeed::new().contents(8).span(Duration::from_secs(7 * 86_400)))
        .frozen_at(UNIX_EPOCH + Duration::from_secs(1_700_000_000))
        .build();
    let token_in = |tenant: usize| {
        let url = emulator
            .token_url_v2()
            .replace(emulator.tenant_id(), &emulator.tenants()[tenant].id);
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", emulator.client_id()),
            ("client_secret", "s3cret"),
            ("scope", SCOPE),
        ];
        let body = json_body(&crate::support::post(&emulator, &url, &form));
        body["access_token"]
            .as_str()
            .unwrap_or_else(|| panic!("{body}"))
            .to_owned()
    };
    let token = token_in(0);
    let feed = emulator.activity_url();
    let feed_of = |tenant: &str| feed.replace(emulator.tenant_id(), tenant);
    let start =
        |query: &str, body: &str| post_with(&emulator, &format!("{feed}/subscriptions/start{query}"), &token, body);
    let ask = |path: &str| get_as(&emulator, &format!("{feed}/{path}"), &token);
    let content = |query: &str| ask(&format!("subscriptions/content?contentType=Audit.Exchange{query}"));
    let language = |languages: &[&str]| {
        let request = Request::get(format!("{feed}/resources/dlpSensitiveTypes"));
        let request = request.header("authorization", format!("Bearer {token}"));
        let request = languages.iter().fold(request, |request, language| {
            request.header("accept-language", *language)
        });
        emulator.handle(request.body(Vec::new()).unwrap())
    };
    let mut reached = std::collections::BTreeSet::new();
    let mut check = |code: &str, status: u16, answer: Answer| {
        assert_eq!(
            seen(&answer),
            (status, code.to_owned()),
            "{}",
            String::from_utf8_lossy(answer.body())
        );
        reached.insert(code.to_owned());
    };

    check("AF10001", 401, get(&emulator, &format!("{feed}/subscriptions/list")));
    check("AF10001", 401, start("?contentType=DLP.All", ""));
    check("AF20001", 400, start("", ""));
    check("AF20002", 400, ask("subscriptions/list?PublisherIdentifier=x"));
    check("AF20002", 400, start("?contentType=Audit.Exchange", "[]"));
    let webhook = json!({"webhook": {"address": "https://a.example", "expiration": "2001-01-01T00:00:00Z"}});
    check(
        "AF20003",
        400,
        start("?contentType=Audit.Exchange", &webhook.to_string()),
    );
    let other = feed_of(&emulator.tenants()[1].id);
    check(
        "AF20010",
        400,
        get_as(&emulator, &format!("{other}/subscriptions/list"), &token),
    );
    let unknown = feed_of("11111111-2222-3333-4444-555555555555");
    check(
        "AF20011",
        400,
        get_as(&emulator, &format!("{unknown}/subscriptions/list"), &token),
    );
    let customers = feed_of(&emulator.tenants()[2].id);
    check(
        "AF20012",
        400,
        get_as(&emulator, &format!("{customers}/subscriptions/list"), &token_in(2)),
    );
    let domain = feed_of(emulator.domain());
    check(
        "AF20013",
        400,
        get_as(&emulator, &format!("{domain}/subscriptions/list"), &token),
    );
    check("AF20020", 400, start("?contentType=Audit.Nothing", ""));
    let webhook = json!({"webhook": {"address": "http://a.example"}});
    check(
        "AF20021",
        400,
        start("?contentType=Audit.Exchange", &webhook.to_string()),
    );
    check("AF20022", 400, content(""));
    check("enabled", 200, start("?contentType=Audit.SharePoint", ""));
    check("AF20024", 400, start("?contentType=Audit.SharePoint", ""));
    check(
        "",
        200,
        post_as(
            &emulator,
            &format!("{feed}/subscriptions/stop?contentType=Audit.SharePoint"),
            &token,
        ),
    );
    check(
        "AF20023",
        400,
        ask("subscriptions/content?contentType=Audit.SharePoint"),
    );
    check("enabled", 200, start("?contentType=Audit.Exchange", ""));
    check("AF20002", 400, content("&startTime=yesterday&endTime=2023-11-14"));
    check("AF20030", 400, content("&startTime=2023-11-14"));
    check("AF20055", 400, content("&startTime=2023-11-01&endTime=2023-11-02"));
    check(
        "AF20055",
        400,
        content("&startTime=2023-11-13&endTime=2023-11-14T00:01"),
    );
    check("AF20031", 400, content("&nextPage=x"));
    check("AF20052", 400, ask("audit/nothing"));
    let first = json_body(&content("&startTime=2023-11-08&endTime=2023-11-09"))[0]["contentId"]
        .as_str()
        .unwrap()
        .to_owned();
    check("", 200, ask(&format!("audit/{first}")));
    check(
        "AF20050",
        400,
        ask(&format!("audit/{}", first.replace("301299000", "301299999"))),
    );
    check("AF20053", 400, language(&["en, de"]));
    check("AF20053", 400, language(&["en", "de"]));
    check("AF20054", 400, language(&["e n"]));
    check("", 200, language(&["es"]));
    emulator.fault(Fault::activity("AF50000"));
    check("AF50000", 500, ask("subscriptions/list"));
    emulator.fault(Fault::activity("af429").on("/subscriptions"));
    check("AF429", 403, ask("subscriptions/list"));
    emulator.clock().advance(Duration::from_secs(2 * 86_400));
    let token = token_in(0);
    check(
        "AF20051",
        400,
        get_as(&emulator, &format!("{feed}/audit/{first}"), &token),
    );
    assert_eq!(
        reached.iter().filter(|code| code.starts_with("AF")).count(),
        23,
        "{reached:?}"
    );
}

#[test]
fn tokens_of_others_are_rejected() {
    let emulator = good();
    let list = format!("{}/subscriptions/list", emulator.activity_url());
    let denied = |token: &str| seen(&get_as(&emulator, &list, token)).0;
    assert_eq!(denied("x"), 401);
    assert_eq!(denied(&token(&emulator, "https://graph.microsoft.com/.default")), 401);
    let token = token(&emulator, SCOPE);
    assert_eq!(denied(&token), 200);
    emulator.revoke_tokens();
    assert_eq!(denied(&token), 401);
}

#[test]
fn a_token_without_the_permission() {
    for app in [
        App::new("a").request(MANAGE, "ActivityFeed.Read"),
        App::new("a").grant(MANAGE, "ServiceHealth.Read"),
        App::new("a").grant(MANAGE, "ActivityFeed.ReadDlp"),
    ] {
        let emulator = emulator(app);
        let token = token(&emulator, SCOPE);
        let answer = get_as(
            &emulator,
            &format!("{}/subscriptions/list", emulator.activity_url()),
            &token,
        );
        assert_eq!(seen(&answer), (401, "AF10001".to_owned()));
        let message = json_body(&answer)["error"]["message"].as_str().unwrap().to_owned();
        assert!(message.starts_with("The permission set ("), "{message}");
    }
}

#[test]
fn a_permission_of_that_name_of_another_api_is_another_one() {
    let app = App::new("a").secret("s3cret").grant("api://other", "ActivityFeed.Read");
    let emulator = Emulator::builder()
        .api(Api::new("api://other").role("ActivityFeed.Read"))
        .app(app)
        .build();
    let token = token(&emulator, "api://other/.default");
    let answer = get_as(
        &emulator,
        &format!("{}/subscriptions/list", emulator.activity_url()),
        &token,
    );
    assert_eq!(answer.status(), 401);
}

#[test]
fn each_tenant_has_a_quota_by_the_minute() {
    let emulator = Emulator::builder()
        .tenant_count(2)
        .app(App::new("a").secret("s3cret").grant(MANAGE, "ActivityFeed.Read"))
        .activity(ActivityFeed::new().requests_per_minute(3))
        .build();
    emulator.clock().freeze();
    let tokens: Vec<String> = (0..2)
        .map(|tenant| {
            let url = emulator
                .token_url_v2()
                .replace(emulator.tenant_id(), &emulator.tenants()[tenant].id);
            let form = [
                ("grant_type", "client_credentials"),
                ("client_id", emulator.client_id()),
                ("client_secret", "s3cret"),
                ("scope", SCOPE),
            ];
            json_body(&crate::support::post(&emulator, &url, &form))["access_token"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    let ask = |tenant: usize, query: &str| {
        let feed = emulator
            .activity_url()
            .replace(emulator.tenant_id(), &emulator.tenants()[tenant].id);
        get_as(&emulator, &format!("{feed}/subscriptions/list{query}"), &tokens[tenant])
    };
    let named = format!("?{}", &PUBLISHER[1..]);
    for _ in 0..3 {
        assert_eq!(ask(0, &named).status(), 200);
    }
    let throttled = ask(0, &named);
    assert_eq!(
        (throttled.status().as_u16(), json_body(&throttled)),
        (
            403,
            json!({"error": {
                "code": "AF429",
                "message": "Too many requests. Method=ListSubscriptions, PublisherId=46b472a7-c68e-4adf-8ade-3db49497518e",
            }})
        )
    );
    assert!(!throttled.headers().contains_key("retry-after"));
    assert_eq!(ask(1, &named).status(), 200);
    // All that name no publisher share one quota.
    assert_eq!([0, 1, 0].map(|tenant| ask(tenant, "").status().as_u16()), [200; 3]);
    let throttled = json_body(&ask(1, ""))["error"]["message"].as_str().unwrap().to_owned();
    assert!(
        throttled.ends_with("PublisherId=00000000-0000-0000-0000-000000000000"),
        "{throttled}"
    );
    emulator.clock().advance(Duration::from_secs(60));
    assert_eq!([ask(0, &named).status(), ask(1, "").status()], [200, 200]);
}

#[test]
fn names_of_sensitive_types_have_a_language() {
    let emulator = good();
    let token = token(&emulator, SCOPE);
    let url = format!("{}/resources/dlpSensitiveTypes", emulator.activity_url());
    for (language, name) in [
        (None, "Credit Card Number"),
        (Some("en-US"), "Credit Card Number"),
        (Some("*"), "Credit Card Number"),
        (Some("de-AT;q=0.5"), "Kreditkartennummer"),
        (Some("ES"), "Número de tarjeta de crédito"),
        (Some("sv"), "Credit Card Number"),
    ] {
        let request = Request::get(&url).header("authorization", format!("Bearer {token}"));
        let request = language
            .into_iter()
            .fold(request, |request, language| request.header("accept-language", language));
        let body = json_body(&emulator.handle(request.body(Vec::new()).unwrap()));
        assert_eq!(
            body[0],
            json!({"id": "50842eb7-edc8-4019-85dd-5a5c1f2bb085", "name": name}),
            "{language:?}"
        );
    }
}

#[test]
fn a_tenant_that_withdraws_its_consent_is_closed_at_once() {
    let app = App::new("collector")
        .secret("s3cret")
        .multi_tenant()
        .consented_everywhere()
        .grant(MANAGE, "ActivityFeed.Read");
    let emulator = Emulator::builder()
        .tenant_count(3)
        .app(
            app.redirect_uri("https://app.example/cb")
                .request_scope(MANAGE, "ActivityFeed.Read"),
        )
        .build();
    let token = |tenant: usize| {
        let url = emulator
            .token_url_v2()
            .replace(emulator.tenant_id(), &emulator.tenants()[tenant].id);
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", emulator.client_id()),
            ("client_secret", "s3cret"),
            ("scope", SCOPE),
        ];
        crate::support::post(&emulator, &url, &form)
    };
    let list = |tenant: usize, token: &str| {
        let feed = emulator
            .activity_url()
            .replace(emulator.tenant_id(), &emulator.tenants()[tenant].id);
        get_as(&emulator, &format!("{feed}/subscriptions/list"), token)
            .status()
            .as_u16()
    };
    let tokens = [0, 1, 2].map(|tenant| json_body(&token(tenant))["access_token"].as_str().unwrap().to_owned());
    assert_eq!([0, 1, 2].map(|tenant| list(tenant, &tokens[tenant])), [200; 3]);
    emulator.revoke_consent("collector", &emulator.tenants()[2].domain);
    assert_eq!([0, 1, 2].map(|tenant| list(tenant, &tokens[tenant])), [200, 200, 401]);
    assert_eq!((crate::support::refusal(&token(2)), token(1).status().as_u16()), (700016, 200));
    // A new consent brings it back.
    let authorize = format!(
        "{}/oauth2/authorize?client_id={}&response_type=code&redirect_uri=https://app.example/cb&resource={MANAGE}&prompt=admin_consent",
        emulator
            .authority()
            .replace(emulator.tenant_id(), &emulator.tenants()[2].id),
        emulator.client_id()
    );
    let administrator = emulator.tenants()[2].users.as_ref().unwrap()[0]
        .user_principal_name
        .clone();
    emulator.approve(&authorize, &administrator).unwrap();
    assert_eq!(token(2).status(), 200);
    emulator.revoke_consent("collector", &emulator.tenants()[2].id);
    emulator.reset();
    assert_eq!(token(2).status(), 200);
}

#[test]
fn what_is_not_emulated_says_so() {
    let emulator = good();
    let token = token(&emulator, SCOPE);
    let feed = emulator.activity_url();
    let says = |answer: &Answer, named: &str| {
        assert_eq!(seen(answer), (501, "not_emulated".to_owned()));
        let body = json_body(answer);
        assert!(
            body["error"]["message"].as_str().unwrap().contains(named),
            "{named}: {body}"
        );
    };
    for (path, named) in [
        ("nothing", "nothing"),
        ("resources/others", "resources/others"),
        ("subscriptions/start", "GET subscriptions/start"),
        ("subscriptions", "subscriptions"),
        ("", "GET"),
        ("subscriptions/list?$top=1", "$top"),
        ("subscriptions/list?contentType=DLP.All", "contentType"),
        ("subscriptions/content?contentType=DLP.All&$filter=x", "$filter"),
        ("subscriptions/list?nextPage=2", "nextPage"),
        ("audit/x?x=1", "'x'"),
    ] {
        says(&get_as(&emulator, &format!("{feed}/{path}"), &token), named);
    }
    says(
        &post_as(&emulator, &format!("{feed}/subscriptions/list"), &token),
        "POST subscriptions/list",
    );
    says(
        &post_as(&emulator, &format!("{feed}/subscriptions/start{TYPE}&x=1"), &token),
        "'x'",
    );
    // None of them subscribed.
    assert_eq!(
        json_body(&get_as(&emulator, &format!("{feed}/subscriptions/list"), &token)),
        json!([])
    );
    let twice = get_as(
        &emulator,
        &format!("{feed}/subscriptions/content{TYPE}&contenttype=DLP.All"),
        &token,
    );
    assert_eq!(seen(&twice).1, "AF20002");
}

#[test]
fn publisher_is_named_once() {
    let emulator = good();
    let token = token(&emulator, SCOPE);
    let list = format!("{}/subscriptions/list", emulator.activity_url());
    let id = emulator.tenant_id();
    for (query, expected) in [
        (String::new(), (200, String::new())),
        ("?PublisherIdentifier=".to_owned(), (200, String::new())),
        (format!("?publisheridentifier={id}"), (200, String::new())),
        (
            format!("?PublisherIdentifier={id}&PublisherIdentifier={id}"),
            (400, "AF20002".to_owned()),
        ),
        (
            format!("?PublisherIdentifier=&PUBLISHERIDENTIFIER={id}"),
            (400, "AF20002".to_owned()),
        ),
        ("?PublisherIdentifier=abc".to_owned(), (400, "AF20002".to_owned())),
    ] {
        assert_eq!(
            seen(&get_as(&emulator, &format!("{list}{query}"), &token)),
            expected,
            "{query}"
        );
    }
}

#[test]
fn limits_of_the_feed_are_named() {
    let json = |member: &str, number: &str| {
        let config = Config::from_json(&format!(r#"{{"activity": {{"{member}": {number}}}}}"#));
        let built = config.and_then(|config| EmulatorBuilder::from(config).try_build().map(drop));
        built.expect_err(member).to_string()
    };
    for (member, most) in [
        ("contents", "1000000"),
        ("records", "10000"),
        ("page_size", "1000"),
        ("duplicate_records", "500"),
        ("duplicate_contents", "1000"),
        ("requests_per_minute", "4294967295"),
    ] {
        for number in ["4294967296", "18446744073709551615"] {
            let message = json(member, number);
            assert!(message.contains(most) && message.contains(member), "{message}");
        }
    }
    assert!(json("contents", "1000001").contains("it is not between 0 and 1000000"));
}
