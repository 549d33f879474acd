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
    assert_eq!(
        denied(&format!("{}/nothing", emulator.activity_url()), &good_token).0,
        404
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
