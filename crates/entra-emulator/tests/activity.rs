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
        ("subscriptions/content?contentType=DLP.All&nextPage=2", "nextPage"),
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
    says(
        &start(r#"{"webhook": {"address": "https://app.example/hook"}}"#),
        "webhooks",
    );
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
