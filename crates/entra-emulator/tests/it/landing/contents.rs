//! The contents of the landing page.

use std::time::{Duration, UNIX_EPOCH};

use entra_emulator::{Api, App, Emulator, Fault, FederatedCredential, Secret, Tenant, User};
use http::Request;

use crate::landing::{CANARY, hostile, page};
use crate::support::{form, get, json_body, token};

#[test]
fn page_shows_the_registrations() {
    let app = App::new("nightly-report")
        .secret(Secret::new(CANARY).id("0d6f0a6a-7f11-4c8c-9a36-7c9a1b003f5e"))
        .certificate_pem(include_str!("../../certificates/app.crt"))
        .redirect_uri("https://app.example/cb")
        .grant(Emulator::GRAPH, "User.Read.All")
        .request(Emulator::OFFICE_MANAGEMENT, "ActivityFeed.Read")
        .request_scope("api://orders", "Orders.Read");
    let emulator = Emulator::builder()
        .api(Api::new("api://orders").scope("Orders.Read").role("Orders.Read.All"))
        .app(app)
        .app(App::new("phone").public_client())
        .build();
    let html = page(&emulator);
    let user = &emulator.tenants()[0].users.as_ref().unwrap()[0];
    for shown in [
        emulator.tenant_id(),
        emulator.domain(),
        &user.user_principal_name,
        &user.id,
        "All Employees",
        &emulator.tenants()[0].groups.as_ref().unwrap()[1].id,
        &emulator.tenants()[0].managed_devices.as_ref().unwrap()[0].name,
        "open elevation request",
        "nightly-report",
        emulator.client_id(),
        "https://app.example/cb",
        "secret <span class=\"dim\">0d6f0a6a-7f11-4c8c-9a36-7c9a1b003f5e</span>",
        "certificate <span class=\"dim\">",
        "api://orders",
        "Orders.Read.All",
        "requested, not granted",
        "public client",
        &format!("http://localhost/{}/oauth2/v2.0/token", emulator.tenant_id()),
        "export AZURE_CLIENT_ID=",
        "There have been no requests yet",
    ] {
        assert!(html.contains(shown), "{shown}\n{html}");
    }
    let state = html
        .split("<code>User.Read.All</code>")
        .nth(1)
        .unwrap()
        .split("</tr>")
        .next()
        .unwrap();
    assert!(state.contains("granted") && !state.contains("not granted"), "{state}");
    // A consent is visible at once.
    let url = format!(
        "{}?client_id={}&redirect_uri=https://app.example/cb",
        emulator.authority() + "/adminconsent",
        emulator.client_id()
    );
    emulator.approve(&url, &user.user_principal_name).unwrap();
    let html = page(&emulator);
    assert!(
        !html.contains("requested, not granted") && html.contains("granted for all users"),
        "{html}"
    );
}

#[test]
fn page_shows_errors_and_advice() {
    let emulator = Emulator::builder().app(App::new("daemon").secret("right")).build();
    token(
        &emulator,
        "v2.0/token",
        &form(
            &emulator,
            &[
                ("client_secret", "wrong-one"),
                ("scope", "https://graph.microsoft.com/.default"),
                ("Scope", "x"),
            ],
        ),
    );
    let html = page(&emulator);
    for shown in [
        "<b class=\"status\">401</b> AADSTS7000215",
        "<strong>Wrong:</strong> Invalid client secret provided.",
        "<strong>To do:</strong> Send the value of one of the application&#39;s secrets",
        "<li>parameter &quot;Scope&quot; in the wrong case: names are case-sensitive",
        "<td role=\"cell\">daemon<br>",
        "client_credentials",
        "The only request",
    ] {
        assert!(html.contains(shown), "{shown}\n{html}");
    }
    // A fault is not attributed to the client, and a correct request shows no error.
    emulator.fault(Fault::status(503));
    get(&emulator, "/common/discovery/keys");
    get(&emulator, "/common/discovery/keys");
    let html = page(&emulator);
    let rows: Vec<&str> = html.split("<tbody role=\"rowgroup\" class=").skip(1).collect();
    assert!(
        rows[0].starts_with("\"fine\"") && !rows[0].contains("Wrong:"),
        "{}",
        rows[0]
    );
    assert!(
        rows[1].starts_with("\"fault\"") && rows[1].contains("fault <em>status</em>"),
        "{}",
        rows[1]
    );
    assert!(rows[2].starts_with("\"wrong\""), "{}", rows[2]);
    for i in 0..60 {
        get(&emulator, &format!("/nothing-{i}"));
    }
    let html = page(&emulator);
    assert!(html.contains("The last 50 of 63 requests") && html.contains("nothing-59") && !html.contains("nothing-9<"));
    assert!(html.contains("Compare the path with the endpoints on this page."));
    emulator.clear_requests();
    assert!(page(&emulator).contains("The list of requests was cleared."));
}

#[test]
fn omitted_lints_are_counted() {
    let emulator = Emulator::builder().build();
    let fields: Vec<String> = (0..25).map(|i| format!("p{i}=x")).collect();
    token(&emulator, "v2.0/token", &fields.join("&"));
    let html = page(&emulator);
    assert!(
        html.contains("&quot;p9&quot;") && !html.contains("&quot;p10&quot;") && html.contains("<li>and 16 more</li>"),
        "{html}"
    );
}

#[test]
fn pending_device_is_not_an_error() {
    let emulator = Emulator::builder()
        .app(
            App::new("tv")
                .public_client()
                .request_scope(Emulator::GRAPH, "User.Read"),
        )
        .build();
    let client = ("client_id", emulator.client_id());
    let waiting = json_body(&crate::support::post(
        &emulator,
        "/common/oauth2/v2.0/devicecode",
        &[client, ("scope", "User.Read")],
    ));
    let fields = [
        client,
        ("grant_type", "device_code"),
        ("device_code", waiting["device_code"].as_str().unwrap()),
    ];
    crate::support::post(&emulator, &emulator.token_url_v2(), &fields);
    let html = page(&emulator);
    assert!(
        html.contains("class=\"waiting\"") && html.contains("<strong>Waiting:</strong>") && !html.contains("Wrong:"),
        "{html}"
    );
    for hidden in ["device_code", "user_code"] {
        assert!(!html.contains(waiting[hidden].as_str().unwrap()), "{hidden}");
    }
}

#[test]
fn page_is_rebuilt_only_after_a_change() {
    let emulator = Emulator::builder().build();
    emulator.clock().freeze();
    let send = |tag: &str| emulator.handle(Request::get("/").header("if-none-match", tag).body(Vec::new()).unwrap());
    let tag = |response: &http::Response<Vec<u8>>| response.headers()["etag"].to_str().unwrap().to_owned();
    let first = tag(&send("\"other\""));
    for known in [first.clone(), format!("\"a\", W/{first}")] {
        let same = send(&known);
        assert_eq!(
            (same.status().as_u16(), same.body().len(), tag(&same)),
            (304, 0, first.clone())
        );
    }
    get(&emulator, "/common/discovery/keys");
    let changed = send(&first);
    assert_eq!(changed.status(), 200);
    emulator.clear_requests();
    assert_eq!(send(&tag(&changed)).status(), 200);
    emulator.reset();
    assert_eq!(send(&first).status(), 200);
    // So is the page of an application whose secrets are replaced at one moment, by the clock
    // alone.
    let (now, later) = (UNIX_EPOCH + Duration::from_secs(1_800_000_000), Duration::from_secs(60));
    let app = App::new("a").secret(Secret::new("x").ends(now + later));
    let rotated = Emulator::builder()
        .frozen_at(now)
        .app(app.secret(Secret::new("y").starts(now + later)))
        .build();
    let before = tag(&get(&rotated, "/"));
    rotated.clock().advance(later);
    assert_ne!(tag(&get(&rotated, "/")), before);
    // Another emulator at the same address has another version.
    assert_ne!(tag(&get(&Emulator::builder().build(), "/")), first);
}

#[test]
fn page_of_a_large_configuration_is_bounded() {
    let mut builder = Emulator::builder();
    for i in 0..300 {
        builder = builder.tenant(Tenant::new(format!("t{i}.example")).user(User::new(format!("U{i}"))));
        let mut app = App::new(format!("app{i}"));
        for j in 0..30 {
            app = app
                .redirect_uri(format!("https://{j}.example/"))
                .secret(format!("secret-{j}"));
        }
        builder = builder.app(app.grant(Emulator::GRAPH, "User.Read.All"));
        builder = builder.api(Api::new(format!("api://a{i}")).role(format!("R{i}")));
    }
    let html = page(&builder.build());
    assert!(html.len() < 200_000, "{}", html.len());
    for more in [
        "And 295 more tenants.",
        "And 280 more applications.",
        "and 20 more</span>",
    ] {
        assert!(html.contains(more), "{more}");
    }
}

#[test]
fn page_works_with_assistive_technology_and_without_scripts() {
    let emulator = hostile();
    token(&emulator, "v2.0/token", "");
    let html = page(&emulator);
    assert!(html.starts_with("<!DOCTYPE html>\n<html lang=\"en\">") && html.contains("<title>"));
    assert_eq!((html.matches("<h1").count(), html.matches("<main").count()), (1, 1));
    assert_eq!(html.matches("<table").count(), html.matches("<caption>").count());
    assert!(html.contains("role=\"status\" aria-live=\"polite\""));
    // Everything is updated, because another emulator may have started at the same address.
    assert_eq!(html.matches("<section").count(), html.matches(" data-live>").count());
    assert!(html.contains("<noscript><meta http-equiv=\"refresh\"") && html.contains("<a href=\"/\">Reload now</a>"));
    for target in html.split("<a href=\"#").skip(1) {
        let id = target.split('"').next().unwrap();
        assert!(html.contains(&format!(" id=\"{id}\"")), "{id}");
    }
}

#[test]
fn page_shows_federated_credentials_and_agents() {
    let credential = FederatedCredential::new("https://issuer.example", "repo:contoso/app:<i>").name("main-branch");
    let tags = FederatedCredential::matching("", "claims['sub'] matches 'tag:*'");
    let app = App::new("support").without_secrets().blueprint();
    let emulator = Emulator::builder()
        .second_issuer()
        .app(app.federated_credential(credential).federated_credential(tags))
        .app(App::new("agent-one").agent_of("support"))
        .build();
    let html = page(&emulator);
    for shown in [
        "federated credential main-branch",
        "https://issuer.example",
        "repo:contoso/app:&lt;i&gt;",
        "claims[&#39;sub&#39;] matches &#39;tag:*&#39;",
        "api://AzureADTokenExchange",
        "agent identity of support",
        "blueprint of agent identities",
        emulator.second_issuer_url().unwrap(),
    ] {
        assert!(html.contains(shown), "{shown}\n{html}");
    }
}
