//! The order of JSON members is that of the real services: programs print responses unchanged, and
//! users compare them with the documents.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use entra_emulator::{App, Emulator, Tenant, User};
use http::Request;

use crate::support::{access_token, authorize_url, get, get_as, json_body, post};

fn emulator() -> Emulator {
    let app = App::new("a").redirect_uri("https://app.example/cb");
    let app = [
        (Emulator::GRAPH, "User.Read.All"),
        (Emulator::GRAPH, "Organization.Read.All"),
        (Emulator::OFFICE_MANAGEMENT, "ActivityFeed.Read"),
        (Emulator::MANAGED_DESKTOP, "MmdSupport.ReadWrite"),
    ]
    .into_iter()
    .fold(app, |app, (api, role)| app.grant(api, role));
    let tenant = Tenant::new("contoso.example");
    Emulator::builder()
        .seed(7)
        .tenant(tenant.user(User::new("Adele Vance")).user(User::new("Alex Wilber")))
        .app(app.grant_scope(Emulator::GRAPH, "User.Read"))
        .build()
}

/// Checks that a text has these members in this order.
fn assert_order(text: &str, names: &[&str]) {
    let mut rest = text;
    for name in names {
        let name = format!("\"{name}\":");
        let at = rest.find(&name);
        let at = at.unwrap_or_else(|| panic!("{name} is missing or out of order: {text}"));
        rest = &rest[at + name.len()..];
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn api_responses_have_the_documented_order() {
    let emulator = emulator();
    for (path, names) in [
        (
            "/v1.0/users?$top=1",
            &[
                "@odata.context",
                "@odata.nextLink",
                "value",
                "businessPhones",
                "displayName",
                "id",
            ][..],
        ),
        (
            "/v1.0/organization",
            &["@odata.context", "value", "id", "displayName", "verifiedDomains"],
        ),
        (
            "/v1.0/groups",
            &["error", "code", "message", "innerError", "request-id", "date"],
        ),
    ] {
        let response = get_as(
            &emulator,
            path,
            &access_token(&emulator, "https://graph.microsoft.com/.default"),
        );
        assert_order(&text(response.body()), names);
    }
    let desktop = emulator.managed_desktop_url();
    let token = access_token(&emulator, &format!("{}/.default", Emulator::MANAGED_DESKTOP));
    let devices = get_as(&emulator, &format!("{desktop}/devices"), &token);
    let name = json_body(&devices)["value"][0]["name"].as_str().unwrap().to_owned();
    for (path, names) in [
        (
            "/devices?$top=1",
            &[
                "@odata.context",
                "@odata.nextLink",
                "value",
                "name",
                "intuneId",
                "manufacturer",
            ][..],
        ),
        (&format!("/devices/{name}"), &["@odata.context", "name", "intuneId"]),
        (
            &format!("/devices/{name}/elevationDetails"),
            &["@odata.context", "tenantId", "deviceName", "status", "viewedBy"],
        ),
        (
            "/users",
            &["@odata.context", "value", "name", "upn", "email", "groups", "devices"],
        ),
        ("/devices/none", &["error", "code", "message"]),
    ] {
        assert_order(
            &text(get_as(&emulator, &format!("{desktop}{path}"), &token).body()),
            names,
        );
    }
    let feed = emulator.activity_url();
    let token = access_token(&emulator, &format!("{}/.default", Emulator::OFFICE_MANAGEMENT));
    let start = Request::post(format!("{feed}/subscriptions/start?contentType=Audit.General"))
        .header("authorization", format!("Bearer {token}"));
    let body = br#"{"webhook":{"address":"https://hook.example/","authId":"a","expiration":""}}"#;
    let started = emulator.handle(start.body(body.to_vec()).unwrap());
    let names = [
        "contentType",
        "status",
        "webhook",
        "status",
        "address",
        "authId",
        "expiration",
    ];
    assert_order(&text(started.body()), &names);
    for (path, names) in [
        (
            "/subscriptions/content?contentType=Audit.General",
            &[
                "contentType",
                "contentId",
                "contentUri",
                "contentCreated",
                "contentExpiration",
            ][..],
        ),
        ("/subscriptions/content", &["error", "code", "message"]),
        ("/resources/dlpSensitiveTypes", &["id", "name"]),
    ] {
        assert_order(&text(get_as(&emulator, &format!("{feed}{path}"), &token).body()), names);
    }
}

#[test]
fn tokens_and_claims_have_the_order_of_the_service() {
    let emulator = emulator();
    let redirect = ("redirect_uri", "https://app.example/cb");
    for (authorize, token_url, id_claims) in [
        (
            "authorize",
            emulator.token_url_v1(),
            &["aud", "iss", "iat", "nbf", "exp", "amr", "family_name", "ver"][..],
        ),
        (
            "v2.0/authorize",
            emulator.token_url_v2(),
            &["aud", "iss", "iat", "nbf", "exp", "name", "nonce", "oid", "ver"],
        ),
    ] {
        let more = [redirect, ("scope", "openid User.Read"), ("nonce", "n")];
        let url = authorize_url(&emulator, authorize, &more);
        let code = emulator
            .approve(&url, "Adele Vance")
            .unwrap()
            .parameter("code")
            .unwrap();
        let fields = [
            ("grant_type", "authorization_code"),
            ("client_id", emulator.client_id()),
            ("client_secret", emulator.client_secret()),
            redirect,
            ("code", &code),
            ("resource", Emulator::GRAPH),
        ];
        let fields = if authorize == "authorize" {
            &fields[..]
        } else {
            &fields[..5]
        };
        let response = post(&emulator, &token_url, fields);
        let body = text(response.body());
        assert_order(
            &body,
            &["token_type", "scope", "expires_in", "access_token", "id_token"],
        );
        for (name, names) in [
            (
                "access_token",
                &[
                    "aud", "iss", "iat", "nbf", "exp", "acr", "aio", "amr", "appid", "scp", "ver",
                ][..],
            ),
            ("id_token", id_claims),
        ] {
            let token = json_body(&response)[name].as_str().unwrap().to_owned();
            let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
            assert_order(&text(&claims), names);
        }
    }
    let path = format!("/{}/v2.0/.well-known/openid-configuration", emulator.tenant_id());
    let names = ["token_endpoint", "jwks_uri", "issuer", "authorization_endpoint"];
    assert_order(&text(get(&emulator, &path).body()), &names);
}
