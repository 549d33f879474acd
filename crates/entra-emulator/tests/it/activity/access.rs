//! Tokens, permissions, publishers and quotas.

use std::time::Duration;

use entra_emulator::{ActivityFeed, Api, App, Emulator};
use serde_json::json;

use crate::activity::{MANAGE, PUBLISHER, SCOPE, emulator, good, seen, token};
use crate::support::{get_as, json_body};

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
    assert_eq!(
        (crate::support::refusal(&token(2)), token(1).status().as_u16()),
        (700016, 200)
    );
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
