//! The Office 365 Management Activity API's checks and its short walk.

mod support;

use entra_emulator::{Api, App, Emulator, Tenant};
use http::Request;
use serde_json::{Value, json};
use support::{Answer, access_token_of, get, get_as, json_body};

const MANAGE: &str = "https://manage.office.com";
const TYPE: &str = "?contentType=Audit.AzureActiveDirectory";

fn emulator(app: App) -> Emulator {
    Emulator::builder()
        .tenant(Tenant::new("contoso.onmicrosoft.com"))
        .tenant(Tenant::new("other.example"))
        .app(app.secret("s3cret"))
        .build()
}

fn good() -> Emulator {
    emulator(App::new("a").grant(MANAGE, "ActivityFeed.Read"))
}

fn token(emulator: &Emulator, scope: &str) -> String {
    access_token_of(emulator, "s3cret", scope)
}

fn post_as(emulator: &Emulator, path: &str, token: &str) -> Answer {
    let request = Request::post(path).header("authorization", format!("Bearer {token}"));
    emulator.handle(request.body(Vec::new()).unwrap())
}

#[test]
fn list_start_content_records() {
    let emulator = good();
    let token = token(&emulator, "https://manage.office.com/.default");
    let feed = emulator.activity_url();
    let ask = |path: &str| get_as(&emulator, path, &token);
    assert_eq!(json_body(&ask(&format!("{feed}/subscriptions/list"))), json!([]));
    assert_eq!(
        json_body(&ask(&format!("{feed}/subscriptions/content{TYPE}")))["error"]["code"],
        "AF20022"
    );
    let started = json_body(&post_as(
        &emulator,
        &format!("{feed}/subscriptions/start{TYPE}&PublisherIdentifier=x"),
        &token,
    ));
    assert_eq!(
        started,
        json!({"contentType": "Audit.AzureActiveDirectory", "status": "enabled", "webhook": null})
    );
    assert_eq!(json_body(&ask(&format!("{feed}/subscriptions/list"))), json!([started]));
    let spelt = feed.replace("/api/", "/API/").replace("activity/feed", "Activity/Feed");
    assert_eq!(
        json_body(&ask(&format!("{spelt}/Subscriptions/List"))),
        json!([started])
    );
    let content = json_body(&ask(&format!("{feed}/subscriptions/content{TYPE}")));
    let uri = content[0]["contentUri"].as_str().unwrap();
    assert!(uri.contains('$') && content[0]["contentId"].is_string());
    let records = json_body(&ask(uri));
    assert_eq!(records.as_array().unwrap().len(), 3);
    for record in records.as_array().unwrap() {
        assert_eq!(
            (&record["OrganizationId"], &record["Workload"]),
            (&json!(emulator.tenant_id()), &json!("AzureActiveDirectory"))
        );
    }
    assert_eq!(
        post_as(&emulator, &format!("{feed}/subscriptions/stop{TYPE}"), &token).status(),
        200
    );
    assert_eq!(json_body(&ask(&format!("{feed}/subscriptions/list"))), json!([]));
}

/// Every content type has a subscription of its own.
#[test]
fn subscriptions_start_once_and_stop() {
    let emulator = good();
    let token = token(&emulator, "https://manage.office.com/.default");
    let feed = emulator.activity_url();
    let seen = |answer: Answer| {
        let status = answer.status().as_u16();
        let body = json_body(&answer);
        let code = body["error"]["code"].as_str().or_else(|| body["status"].as_str());
        (status, code.unwrap_or_default().to_owned())
    };
    let types = [
        "Audit.AzureActiveDirectory",
        "Audit.Exchange",
        "Audit.SharePoint",
        "Audit.General",
        "DLP.All",
    ];
    for content_type in types {
        let post = |what: &str| {
            seen(post_as(
                &emulator,
                &format!("{feed}/subscriptions/{what}?contentType={content_type}"),
                &token,
            ))
        };
        let content = || {
            get_as(
                &emulator,
                &format!("{feed}/subscriptions/content?contentType={content_type}"),
                &token,
            )
        };
        let refused = |code: &str| (400, code.to_owned());
        let enabled = (200, "enabled".to_owned());
        assert_eq!(seen(content()), refused("AF20022"));
        assert_eq!(post("stop"), refused("AF20022"));
        assert_eq!(post("start"), enabled);
        let uri = json_body(&content())[0]["contentUri"].as_str().unwrap().to_owned();
        for _ in 0..2 {
            assert_eq!(post("start"), refused("AF20024"));
            assert_eq!(content().status(), 200);
        }
        assert_eq!(post("stop").0, 200);
        for _ in 0..2 {
            assert_eq!(seen(content()), refused("AF20023"));
            assert_eq!(seen(get_as(&emulator, &uri, &token)), refused("AF20023"));
            assert_eq!(post("stop"), refused("AF20023"));
        }
        let listed = json_body(&get_as(&emulator, &format!("{feed}/subscriptions/list"), &token));
        assert!(
            listed
                .as_array()
                .unwrap()
                .iter()
                .all(|one| one["contentType"] != content_type)
        );
        assert_eq!(post("start"), enabled);
        assert_eq!(post("start"), refused("AF20024"));
        assert_eq!(content().status(), 200);
        assert_eq!(get_as(&emulator, &uri, &token).status(), 200);
    }
    let listed = json_body(&get_as(&emulator, &format!("{feed}/subscriptions/list"), &token));
    assert_eq!(listed.as_array().unwrap().len(), types.len());
}

#[test]
fn a_changed_webhook_starts_a_subscription_anew() {
    let emulator = good();
    let token = token(&emulator, "https://manage.office.com/.default");
    let url = format!("{}/subscriptions/start{TYPE}", emulator.activity_url());
    let start = |body: &str| {
        let request = Request::post(&url)
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json");
        let answer = emulator.handle(request.body(body.as_bytes().to_vec()).unwrap());
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
        (webhook("app.example", "", ""), "AF20021"),
        (webhook(&format!("https://{}", "x".repeat(5_000)), "", ""), "AF20021"),
        (webhook(hook, &"x".repeat(5_000), ""), "AF20002"),
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
    assert_eq!(lints, [entra_emulator::Lint::WebhookNeverCalled]);
    refused(&first, "AF20024");
    refused(&webhook("http://app.example/hook", "", ""), "AF20021");
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
fn refusals() {
    let emulator = good();
    let good_token = token(&emulator, "https://manage.office.com/.default");
    let list = format!("{}/subscriptions/list", emulator.activity_url());
    let code = |answer: Answer| {
        (
            answer.status().as_u16(),
            json_body(&answer)["error"]["code"].as_str().unwrap().to_owned(),
        )
    };
    let denied = |path: &str, token: &str| code(get_as(&emulator, path, token));
    assert_eq!(code(get(&emulator, &list)).0, 401);
    assert_eq!(denied(&list, "x").0, 401);
    assert_eq!(
        denied(&list, &token(&emulator, "https://graph.microsoft.com/.default")).0,
        401
    );
    let elsewhere = list.replace(emulator.tenant_id(), &emulator.tenants()[1].id);
    assert_eq!(denied(&elsewhere, &good_token), (400, "AF20010".to_owned()));
    let start = |query: &str| {
        code(post_as(
            &emulator,
            &format!("{}/subscriptions/start{query}", emulator.activity_url()),
            &good_token,
        ))
    };
    assert_eq!(start(""), (400, "AF20001".to_owned()));
    assert_eq!(start("?contentType=Audit.Nothing"), (400, "AF20020".to_owned()));
    assert_eq!(
        denied(&format!("{}/audit/nothing", emulator.activity_url()), &good_token),
        (400, "AF20051".to_owned())
    );
    emulator.revoke_tokens();
    assert_eq!(denied(&list, &good_token).0, 401);
}

#[test]
fn a_token_without_the_permission() {
    for app in [
        App::new("a").request(MANAGE, "ActivityFeed.Read"),
        App::new("a").grant(MANAGE, "ServiceHealth.Read"),
    ] {
        let emulator = emulator(app);
        let token = token(&emulator, "https://manage.office.com/.default");
        let answer = get_as(
            &emulator,
            &format!("{}/subscriptions/list", emulator.activity_url()),
            &token,
        );
        let body: Value = json_body(&answer);
        assert_eq!(
            (answer.status().as_u16(), &body["error"]["code"]),
            (401, &json!("AF10001"))
        );
        assert!(
            body["error"]["message"]
                .as_str()
                .unwrap()
                .starts_with("The permission set (")
        );
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
fn content_is_of_the_window_that_is_asked_for() {
    let emulator = good();
    // 2023-11-14T22:13:20; the content was created an hour before.
    emulator.clock().freeze();
    emulator
        .clock()
        .set(std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000));
    let token = token(&emulator, "https://manage.office.com/.default");
    let feed = emulator.activity_url();
    post_as(&emulator, &format!("{feed}/subscriptions/start{TYPE}"), &token);
    let ask = |window: &str| {
        get_as(
            &emulator,
            &format!("{feed}/subscriptions/content{TYPE}&{window}"),
            &token,
        )
    };
    for (window, found) in [
        ("startTime=2023-11-14&endTime=2023-11-15", 1),
        ("startTime=2023-11-14T21:13&endTime=2023-11-14T22:00", 1),
        ("starttime=2023-11-14T21:13:20&ENDTIME=2023-11-14T21:13:21Z", 1),
        ("startTime=2023-11-14T21:13:21&endTime=2023-11-14T22:00", 0),
        ("startTime=2023-11-14T21:00&endTime=2023-11-14T21:13:20", 0),
        ("startTime=2023-11-08&endTime=2023-11-09", 0),
        ("startTime=&endTime=", 1),
    ] {
        assert_eq!(json_body(&ask(window)).as_array().unwrap().len(), found, "{window}");
    }
    for window in [
        "startTime=2023-11-14",
        "endTime=2023-11-14",
        "startTime=2023-11-14&endTime=2023-11-14",
        "startTime=2023-11-14&endTime=2023-11-15T00:00:01",
        "startTime=2023-11-07&endTime=2023-11-08",
        "startTime=yesterday&endTime=today",
        "startTime=2023-11-14T&endTime=2023-11-15",
        "startTime=2023-13-41&endTime=2023-13-42",
        "startTime=%C3%A9%C3%A9%C3%A9%C3%A9%C3%A9&endTime=2023-11-15",
    ] {
        let answer = ask(window);
        assert_eq!(
            (answer.status().as_u16(), &json_body(&answer)["error"]["code"]),
            (400, &json!("AF20030")),
            "{window}"
        );
    }
}

#[test]
fn what_is_not_emulated_says_so() {
    let emulator = good();
    let token = token(&emulator, "https://manage.office.com/.default");
    let feed = emulator.activity_url();
    let says = |answer: &Answer, named: &str| {
        let body = json_body(answer);
        assert_eq!(
            (answer.status().as_u16(), &body["error"]["code"]),
            (501, &json!("not_emulated")),
            "{body}"
        );
        assert!(
            body["error"]["message"].as_str().unwrap().contains(named),
            "{named}: {body}"
        );
    };
    for (path, named) in [
        ("nothing", "nothing"),
        (
            "subscriptions/notifications?contentType=DLP.All",
            "subscriptions/notifications",
        ),
        ("resources/dlpSensitiveTypes", "resources/dlpSensitiveTypes"),
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
    let start = |body: &str| {
        let request = Request::post(format!("{feed}/subscriptions/start{TYPE}"))
            .header("authorization", format!("Bearer {token}"));
        emulator.handle(request.body(body.as_bytes().to_vec()).unwrap())
    };
    assert_eq!(json_body(&start("[]"))["error"]["code"], "AF20002");
    assert_eq!(json_body(&start("x=1"))["error"]["code"], "AF20002");
    // None of them subscribed.
    assert_eq!(
        json_body(&get_as(&emulator, &format!("{feed}/subscriptions/list"), &token)),
        json!([])
    );
    assert_eq!(start(r#"{"webhook": null}"#).status(), 200);
    let twice = get_as(
        &emulator,
        &format!("{feed}/subscriptions/content{TYPE}&contenttype=DLP.All"),
        &token,
    );
    assert_eq!(json_body(&twice)["error"]["code"], "AF20002");
}

#[test]
fn content_has_pages_that_are_followed_by_their_header() {
    let users = (0..250).map(|number| entra_emulator::User::new(format!("User{number} Test")));
    let emulator = Emulator::builder()
        .tenant(users.fold(Tenant::new("contoso.onmicrosoft.com"), Tenant::user))
        .app(App::new("a").secret("s3cret").grant(MANAGE, "ActivityFeed.Read"))
        .build();
    let token = token(&emulator, "https://manage.office.com/.default");
    let feed = emulator.activity_url();
    post_as(&emulator, &format!("{feed}/subscriptions/start{TYPE}"), &token);
    let mut next = Some(format!("{feed}/subscriptions/content{TYPE}&PublisherIdentifier=x"));
    let mut records = std::collections::BTreeSet::new();
    let mut pages = 0;
    while let Some(page) = next {
        let answer = get_as(&emulator, &page, &token);
        next = answer
            .headers()
            .get("NextPageUri")
            .map(|uri| uri.to_str().unwrap().to_owned());
        assert!(next.as_ref().is_none_or(|next| next.contains("PublisherIdentifier=x")));
        for item in json_body(&answer).as_array().unwrap() {
            for record in json_body(&get_as(&emulator, item["contentUri"].as_str().unwrap(), &token))
                .as_array()
                .unwrap()
            {
                records.insert(record["Id"].as_str().unwrap().to_owned());
            }
        }
        pages += 1;
    }
    assert_eq!((pages, records.len()), (3, 250));
    for made_up in ["x", "na00000003", "na1", "na+0000001", "na99999999999999999999"] {
        let answer = get_as(
            &emulator,
            &format!("{feed}/subscriptions/content{TYPE}&nextPage={made_up}"),
            &token,
        );
        assert_eq!(json_body(&answer)["error"]["code"], "AF20031", "{made_up}");
    }
}
