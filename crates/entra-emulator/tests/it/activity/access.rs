//! Tokens, permissions, publishers and quotas.

use std::time::Duration;

use entra_emulator::{ActivityFeed, Api, App, Emulator};
use serde_json::json;

use crate::activity::{MANAGE, PUBLISHER, SCOPE, emulator, good, request_in, seen, token, token_in};
use crate::support::{error_code, get_as, json_body};

#[test]
fn invalid_tokens_are_rejected() {
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
fn token_without_permission_is_rejected() {
    for app in [
        App::new("a").request(MANAGE, "ActivityFeed.Read"),
        App::new("a").grant(MANAGE, "ServiceHealth.Read"),
        App::new("a").grant(MANAGE, "ActivityFeed.ReadDlp"),
    ] {
        let emulator = emulator(app);
        let token = token(&emulator, SCOPE);
        let response = get_as(
            &emulator,
            &format!("{}/subscriptions/list", emulator.activity_url()),
            &token,
        );
        assert_eq!(seen(&response), (401, "AF10001".to_owned()));
        let message = json_body(&response)["error"]["message"].as_str().unwrap().to_owned();
        assert!(message.starts_with("The permission set ("), "{message}");
    }
}

#[test]
fn permission_of_another_api_does_not_count() {
    let app = App::new("a").secret("s3cret").grant("api://other", "ActivityFeed.Read");
    let emulator = Emulator::builder()
        .api(Api::new("api://other").role("ActivityFeed.Read"))
        .app(app)
        .build();
    let token = token(&emulator, "api://other/.default");
    let response = get_as(
        &emulator,
        &format!("{}/subscriptions/list", emulator.activity_url()),
        &token,
    );
    assert_eq!(response.status(), 401);
}

#[test]
fn each_tenant_has_a_quota_per_minute() {
    let emulator = Emulator::builder()
        .tenant_count(2)
        .app(App::new("a").secret("s3cret").grant(MANAGE, "ActivityFeed.Read"))
        .activity(ActivityFeed::new().requests_per_minute(3))
        .build();
    emulator.clock().freeze();
    let tokens = [0, 1].map(|tenant| token_in(&emulator, tenant));
    let send = |tenant: usize, query: &str| {
        let feed = emulator
            .activity_url()
            .replace(emulator.tenant_id(), &emulator.tenants()[tenant].id);
        get_as(&emulator, &format!("{feed}/subscriptions/list{query}"), &tokens[tenant])
    };
    let named = format!("?{}", &PUBLISHER[1..]);
    for _ in 0..3 {
        assert_eq!(send(0, &named).status(), 200);
    }
    let throttled = send(0, &named);
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
    assert_eq!(send(1, &named).status(), 200);
    // Requests without a publisher share one quota.
    assert_eq!([0, 1, 0].map(|tenant| send(tenant, "").status().as_u16()), [200; 3]);
    let throttled = json_body(&send(1, ""))["error"]["message"].as_str().unwrap().to_owned();
    assert!(
        throttled.ends_with("PublisherId=00000000-0000-0000-0000-000000000000"),
        "{throttled}"
    );
    emulator.clock().advance(Duration::from_secs(60));
    assert_eq!([send(0, &named).status(), send(1, "").status()], [200, 200]);
}

#[test]
fn revoked_consent_takes_effect_at_once() {
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
    let list = |tenant: usize, token: &str| {
        let feed = emulator
            .activity_url()
            .replace(emulator.tenant_id(), &emulator.tenants()[tenant].id);
        get_as(&emulator, &format!("{feed}/subscriptions/list"), token)
            .status()
            .as_u16()
    };
    let tokens = [0, 1, 2].map(|tenant| token_in(&emulator, tenant));
    let status = |tenant: usize| request_in(&emulator, tenant).status().as_u16();
    assert_eq!([0, 1, 2].map(|tenant| list(tenant, &tokens[tenant])), [200; 3]);
    emulator.revoke_consent("collector", &emulator.tenants()[2].domain);
    assert_eq!([0, 1, 2].map(|tenant| list(tenant, &tokens[tenant])), [200, 200, 401]);
    assert_eq!((error_code(&request_in(&emulator, 2)), status(1)), (700016, 200));
    // A new consent adds the application again.
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
    assert_eq!(status(2), 200);
    emulator.revoke_consent("collector", &emulator.tenants()[2].id);
    emulator.reset();
    assert_eq!(status(2), 200);
}

#[test]
fn publisher_must_be_a_guid_given_once() {
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
