//! Graph accepts only valid tokens with consent.

use std::time::{Duration, UNIX_EPOCH};

use entra_emulator::{App, Emulator, Tenant, User};
use http::StatusCode;
use serde_json::{Value, json};

use crate::support::{access_token, get, get_as, json_body, post};

const GRAPH: &str = "https://graph.microsoft.com/.default";

#[test]
fn users_are_listed_with_the_granted_permission() {
    let emulator = Emulator::builder().seed(7).build();
    for scope in [
        GRAPH,
        "https://graph.microsoft.com//.default",
        "00000003-0000-0000-c000-000000000000/.default",
    ] {
        let response = get_as(&emulator, "/v1.0/users", &access_token(&emulator, scope));
        assert_eq!(response.status(), 200, "{scope}");
        let body = json_body(&response);
        assert_eq!(
            body["@odata.context"],
            "https://graph.microsoft.com/v1.0/$metadata#users"
        );
        assert_eq!(body["value"].as_array().unwrap().len(), 3);
        assert_eq!(body["value"][0]["displayName"], "Adele Vance");
        assert_eq!(body["value"][0]["userPrincipalName"], "adele@contoso.onmicrosoft.com");
        assert_eq!(body.get("@odata.nextLink"), None);
    }
}

#[test]
fn pages_are_followed_by_their_link() {
    let mut tenant = Tenant::new("contoso.onmicrosoft.com");
    for number in 0..7 {
        tenant = tenant.user(User::new(format!("User{number} Test")));
    }
    let emulator = Emulator::builder().tenant(tenant).build();
    let token = access_token(&emulator, GRAPH);
    let (mut names, mut pages) = (Vec::new(), 0);
    let mut next = Some("http://127.0.0.1/v1.0/users?$top=3&$select=displayName,id".to_owned());
    while let Some(link) = next {
        let body = json_body(&get_as(&emulator, &link, &token));
        for user in body["value"].as_array().unwrap() {
            assert_eq!(user.as_object().unwrap().len(), 2);
            names.push(user["displayName"].as_str().unwrap().to_owned());
        }
        next = body
            .get("@odata.nextLink")
            .map(|link| link.as_str().unwrap().to_owned());
        pages += 1;
    }
    let expected: Vec<String> = (0..7).map(|number| format!("User{number} Test")).collect();
    assert_eq!((names, pages), (expected, 3));
}

#[test]
fn invented_skip_tokens_are_rejected() {
    let emulator = Emulator::builder().build();
    let token = access_token(&emulator, GRAPH);
    for skip_token in [
        "x",
        "RFN0000000100000000",
        "RFN%C3%A9%C3%A9%C3%A9%C3%A9%C3%A9%C3%A9%C3%A9%C3%A9",
    ] {
        let response = get_as(&emulator, &format!("/v1.0/users?$skiptoken={skip_token}"), &token);
        assert_eq!(response.status(), 400, "{skip_token}");
        assert_eq!(json_body(&response)["error"]["code"], "Request_BadRequest");
    }
}

#[test]
fn missing_consent_is_status_403() {
    let emulator = Emulator::builder()
        .frozen_at(UNIX_EPOCH + Duration::from_secs(1_700_000_000))
        .app(App::new("forgot admin consent").request(Emulator::GRAPH, "User.Read.All"))
        .build();
    let response = get_as(&emulator, "/v1.0/users", &access_token(&emulator, GRAPH));
    assert_eq!(response.status(), 403);
    assert!(!response.headers().contains_key("www-authenticate"));
    let request_id = response.headers()["request-id"].to_str().unwrap();
    // The order matters: programs print the body unchanged, and documents show this order.
    assert_eq!(
        std::str::from_utf8(response.body()).unwrap(),
        format!(
            "{{\"error\":{{\"code\":\"Authorization_RequestDenied\",\
             \"message\":\"Insufficient privileges to complete the operation.\",\
             \"innerError\":{{\"request-id\":\"{request_id}\",\"date\":\"2023-11-14T22:13:20\"}}}}}}"
        )
    );
}

#[test]
fn app_reads_its_own_registration() {
    let emulator = Emulator::builder()
        .app(App::new("identity-console-app"))
        .app(App::new("other"))
        .build();
    let token = access_token(&emulator, GRAPH);
    let own = &emulator.apps()[0];
    assert_eq!(emulator.object_id(), own.object_id);
    let by_app_id = format!("/v1.0/applications(appId='{}')", own.client_id);
    for path in [format!("/v1.0/applications/{}", own.object_id), by_app_id] {
        let body = json_body(&get_as(&emulator, &path, &token));
        assert_eq!(
            body["@odata.context"],
            "https://graph.microsoft.com/v1.0/$metadata#applications/$entity"
        );
        assert_eq!(
            (&body["appId"], &body["id"]),
            (&json!(own.client_id), &json!(own.object_id))
        );
        assert_eq!(
            (&body["displayName"], &body["deletedDateTime"]),
            (&json!("identity-console-app"), &Value::Null)
        );
        assert!(!body.to_string().contains(emulator.client_secret()));
    }
    for path in [
        "applications",
        &format!("applications/{}", emulator.apps()[1].object_id),
        "applications/unknown",
        "users",
    ] {
        assert_eq!(
            get_as(&emulator, &format!("/v1.0/{path}"), &token).status(),
            403,
            "{path}"
        );
    }
}

#[test]
fn app_with_permission_reads_others() {
    let app = App::new("a").grant(Emulator::GRAPH, "Application.Read.All");
    let emulator = Emulator::builder().app(app).app(App::new("b")).build();
    let token = access_token(&emulator, GRAPH);
    let path = format!("/v1.0/applications/{}", emulator.apps()[1].object_id);
    assert_eq!(json_body(&get_as(&emulator, &path, &token))["displayName"], "b");
    assert_eq!(
        json_body(&get_as(&emulator, "/v1.0/applications", &token))["value"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    assert_eq!(get_as(&emulator, "/v1.0/applications/unknown", &token).status(), 404);
}

#[test]
fn invalid_tokens_get_a_challenge() {
    let emulator = Emulator::builder().build();
    emulator.clock().freeze();
    let good = access_token(&emulator, GRAPH);
    let (head, signature) = good.rsplit_once('.').unwrap();
    let other_key = Emulator::builder()
        .seed(1)
        .tenant(Tenant::new("contoso.onmicrosoft.com").id(emulator.tenant_id()))
        .build();
    let none = format!("eyJhbGciOiJub25lIn0.{}.", head.split('.').nth(1).unwrap());
    for (token, says) in [
        (String::new(), "empty"),
        ("opaque".to_owned(), "not well formed"),
        ("a.b.c".to_owned(), "not well formed"),
        (format!("{head}.AAAA{}", &signature[4..]), "signature"),
        (format!("{head}."), "signature"),
        (none, "signature"),
        (access_token(&other_key, GRAPH), "signature"),
        (
            access_token(&emulator, "https://manage.office.com/.default"),
            "audience",
        ),
        (
            access_token(&emulator, &format!("{}/.default", emulator.api().app_id)),
            "audience",
        ),
    ] {
        let response = get_as(&emulator, "/v1.0/users", &token);
        assert_eq!(response.status(), 401, "{says}");
        assert!(
            response.headers()["www-authenticate"]
                .to_str()
                .unwrap()
                .starts_with("Bearer realm=\"\", authorization_uri=")
        );
        let body = json_body(&response);
        assert_eq!(body["error"]["code"], "InvalidAuthenticationToken");
        assert!(
            body["error"]["message"].as_str().unwrap().contains(says),
            "{says}: {body}"
        );
    }
    assert_eq!(get(&emulator, "/v1.0/users").status(), 401);
}

#[test]
fn tokens_expire_by_the_emulators_clock() {
    let emulator = Emulator::builder().build();
    emulator.clock().freeze();
    let token = access_token(&emulator, GRAPH);
    emulator.clock().advance(Duration::from_secs(3_599));
    assert_eq!(get_as(&emulator, "/v1.0/users", &token).status(), 200);
    emulator.clock().advance(Duration::from_secs(1));
    let response = get_as(&emulator, "/v1.0/users", &token);
    assert_eq!(response.status(), 401);
    assert!(
        json_body(&response)["error"]["message"]
            .as_str()
            .unwrap()
            .contains("expired")
    );
    emulator.clock().set(UNIX_EPOCH);
    assert!(
        json_body(&get_as(&emulator, "/v1.0/users", &token))["error"]["message"]
            .as_str()
            .unwrap()
            .contains("not valid yet")
    );
}

#[test]
fn only_key_replacement_invalidates_old_tokens() {
    let emulator = Emulator::builder().build();
    let old = access_token(&emulator, GRAPH);
    emulator.rotate_signing_key();
    let new = access_token(&emulator, GRAPH);
    assert_ne!(old.split('.').next(), new.split('.').next(), "another key ID");
    assert_eq!(get_as(&emulator, "/v1.0/users", &old).status(), 200);
    assert_eq!(get_as(&emulator, "/v1.0/users", &new).status(), 200);
    emulator.retire_old_signing_keys();
    assert_eq!(get_as(&emulator, "/v1.0/users", &old).status(), 401);
    emulator.replace_signing_key();
    assert_eq!(get_as(&emulator, "/v1.0/users", &new).status(), 401);
}

#[test]
fn one_user_is_found_by_id() {
    let emulator = Emulator::builder().build();
    let token = access_token(&emulator, GRAPH);
    assert_eq!(get_as(&emulator, "/v1.0/users/unknown", &token).status(), 404);
    let id = &emulator.tenants()[0].users.as_ref().unwrap()[1].id;
    assert_eq!(
        json_body(&get_as(&emulator, &format!("/v1.0/users/{id}"), &token))["displayName"],
        "Alex Wilber"
    );
    assert_eq!(get(&emulator, "/v1.0/$metadata").status(), 200);
}

#[test]
fn requests_over_the_quota_are_throttled() {
    let emulator = Emulator::builder()
        .frozen_at(UNIX_EPOCH + Duration::from_secs(1_700_000_000))
        .app(App::new("a").secret("a").grant(Emulator::GRAPH, "User.Read.All"))
        .app(App::new("b").secret("b").grant(Emulator::GRAPH, "User.Read.All"))
        .graph_requests_per_minute(2)
        .build();
    let token = access_token(&emulator, GRAPH);
    let get = || get_as(&emulator, "/v1.0/users", &token);
    // Requests without a valid token are not counted.
    for _ in 0..3 {
        assert_eq!(get_as(&emulator, "/v1.0/users", "x").status(), 401);
    }
    assert_eq!((get().status(), get().status()), (StatusCode::OK, StatusCode::OK));
    emulator.clock().advance(Duration::from_secs(20));
    let response = get();
    assert_eq!(response.status(), 429);
    assert_eq!(response.headers()["retry-after"], "20");
    let error = &json_body(&response)["error"];
    assert_eq!(error["code"], "TooManyRequests");
    assert_eq!(error["innerError"]["status"], "429");
    assert!(error["innerError"]["request-id"].is_string(), "{error}");
    // Each application has its own quota.
    let other = token_of(&emulator, 1, "b");
    assert_eq!(get_as(&emulator, "/v1.0/users", &other).status(), 200);
    emulator.clock().advance(Duration::from_secs(20));
    assert_eq!(get().status(), 200);
    emulator.reset();
    assert_eq!((get().status(), get().status()), (StatusCode::OK, StatusCode::OK));
}

fn token_of(emulator: &Emulator, app: usize, secret: &str) -> String {
    let fields = [
        ("grant_type", "client_credentials"),
        ("client_id", emulator.apps()[app].client_id.as_str()),
        ("client_secret", secret),
        ("scope", GRAPH),
    ];
    let body = json_body(&post(emulator, &emulator.token_url_v2(), &fields));
    body["access_token"].as_str().expect("a token").to_owned()
}
