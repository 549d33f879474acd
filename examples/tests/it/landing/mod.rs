//! The landing page of the emulator in a browser, if one is installed: it updates automatically,
//! works without scripts, fits every screen and holds no secret.

use entra_emulator::{Api, App, Emulator, Fault, Secret, Tenant, TokenVersion, User};
use entra_proto::Body;
use entra_transport::BlockingTransport;
use entra_transport_ureq::UreqTransport;
use http::Request;

use crate::support::chromium::{Page, in_browser};

const SECRET: &str = "canary-secret-1";
const SCOPE: &str = "https://graph.microsoft.com/.default";

/// Starts an emulator with something of every kind, and with names of the greatest length.
fn emulator() -> Emulator {
    let long = "x".repeat(120);
    Emulator::builder()
        .tenant(
            Tenant::new("contoso.onmicrosoft.com")
                .user(User::new("Adele Vance").admin())
                .user(User::new(format!("Megan {long}"))),
        )
        .tenant(Tenant::new("fabrikam.example").external())
        .api(
            Api::new("api://orders")
                .token_version(TokenVersion::V2)
                .role("Orders.Read.All")
                .role(format!("Orders.{long}"))
                .scope("Orders.Read"),
        )
        .app(
            App::new("nightly-report")
                .secret(SECRET)
                .secret(Secret::new("canary-secret-2").ends(std::time::UNIX_EPOCH))
                .redirect_uri("https://app.example/callback")
                .redirect_uri(format!("https://app.example/{long}"))
                .grant(Emulator::GRAPH, "User.Read.All")
                .grant_in("contoso.onmicrosoft.com", "api://orders", "Orders.Read.All")
                .request_scope("api://orders", "Orders.Read"),
        )
        .app(
            App::new(format!("saas-{long}"))
                .multi_tenant()
                .home("contoso.onmicrosoft.com"),
        )
        .app(App::new("phone").public_client())
        .start()
}

fn send(request: Request<Body>) -> u16 {
    let transport = UreqTransport::builder().allow_plain_loopback(true).build().unwrap();
    transport.send(request).unwrap().status().as_u16()
}

fn get(emulator: &Emulator, path: &str) -> u16 {
    let url = format!("{}{path}", emulator.base_url());
    send(Request::get(url).body(Body::default()).unwrap())
}

fn request_token(emulator: &Emulator, tenant: &str, client_id: &str, secret: &str) -> u16 {
    let form = form_urlencoded::Serializer::new(String::new())
        .extend_pairs([
            ("grant_type", "client_credentials"),
            ("client_id", client_id),
            ("client_secret", secret),
            ("scope", SCOPE),
        ])
        .finish();
    let url = format!("{}/{tenant}/oauth2/v2.0/token", emulator.base_url());
    let request = Request::post(url).header("content-type", "application/x-www-form-urlencoded");
    send(request.body(form.into_bytes().into()).unwrap())
}

async fn assert_without_secrets(page: &Page) {
    let source = page.source().await;
    assert!(!source.contains("canary"), "{source}");
}

#[test]
fn page_updates_after_a_rejected_request() {
    let emulator = emulator();
    in_browser(true, async |page| {
        page.open(emulator.base_url()).await;
        assert!(
            page.text("#requests")
                .await
                .contains("There have been no requests yet.")
        );
        page.find("#live:not(:empty)").await;
        assert_eq!(page.text("#live").await, "This page updates automatically.");

        let (tenant, client_id) = (emulator.tenant_id(), emulator.client_id());
        assert_eq!(request_token(&emulator, tenant, client_id, "canary-wrong"), 401);
        let row = page.text("#requests tbody.wrong").await;
        for expected in [
            "POST",
            "nightly-report",
            "401",
            "AADSTS7000215",
            "Wrong: Invalid client secret provided.",
            "To do: Send the value of one of the application's secrets",
            "no client-request-id",
        ] {
            assert!(row.contains(expected), "{expected}: {row}");
        }
        // The text for screen readers.
        let announced = page.text("#live").await;
        assert!(
            announced.starts_with("A new request: POST /") && announced.ends_with("401 AADSTS7000215"),
            "{announced}"
        );

        // The secret instead of the tenant and of the client ID.
        request_token(&emulator, SECRET, client_id, SECRET);
        request_token(&emulator, tenant, SECRET, client_id);
        page.find("#requests tbody:nth-of-type(3)").await;
        assert_without_secrets(page).await;
        assert_eq!(emulator.request_count(), 3, "the page's own requests are not counted");
        assert_eq!(page.complaints().await, Vec::<String>::new());
    });
}

#[test]
fn page_reports_that_the_emulator_is_gone() {
    let emulator = emulator();
    in_browser(true, async |page| {
        page.open(emulator.base_url()).await;
        assert_eq!(get(&emulator, "/nothing"), 404);
        page.find("#requests tbody.wrong").await;
        drop(emulator);
        loop {
            let announced = page.text("#live").await;
            if announced.contains("The emulator does not respond.") {
                break;
            }
        }
        assert!(page.text("#requests tbody.wrong").await.contains("/nothing"));
    });
}

#[test]
fn page_works_without_scripts() {
    let emulator = emulator();
    in_browser(false, async |page| {
        page.open(emulator.base_url()).await;
        assert!(page.text("main noscript").await.contains("every ten seconds"));
        assert_eq!(get(&emulator, "/nothing"), 404);
        // Automatically, after a while.
        let row = page.text("#requests tbody.wrong").await;
        assert!(row.contains("/nothing") && row.contains("Compare the path"), "{row}");
        assert_eq!(get(&emulator, "/nothing-else"), 404);
        page.click("main noscript a").await;
        page.find("#requests tbody:nth-of-type(2)").await;
        assert_without_secrets(page).await;
        assert_eq!(page.complaints().await, Vec::<String>::new());
    });
}

#[test]
fn page_fits_every_screen_in_light_and_dark() {
    let emulator = emulator();
    let (tenant, client_id) = (emulator.tenant_id(), emulator.client_id());
    assert_eq!(request_token(&emulator, tenant, client_id, "canary-wrong"), 401);
    assert_eq!(request_token(&emulator, tenant, client_id, SECRET), 200);
    request_token(&emulator, SECRET, client_id, tenant);
    get(&emulator, "/v1.0/users");
    get(&emulator, "/v1.0/groups?$top=5");
    get(&emulator, &format!("/{}", "long".repeat(100)));
    emulator.fault(Fault::status(503));
    assert_eq!(get(&emulator, "/common/discovery/keys"), 503);
    in_browser(true, async |page| {
        page.open(emulator.base_url()).await;
        for width in [320, 400, 704, 1200] {
            for (is_dark, scheme) in [(false, "light"), (true, "dark")] {
                page.resize(width, is_dark).await;
                let (needed, _) = page.size().await;
                assert!(needed <= u64::from(width), "{needed} of {width} px");
                if [400, 1200].contains(&width) {
                    page.keep_picture(&format!("landing-{width}-{scheme}")).await;
                }
            }
        }
        assert_without_secrets(page).await;
    });
    let empty = Emulator::start();
    in_browser(true, async |page| {
        page.open(empty.base_url()).await;
        page.resize(400, false).await;
        assert!(page.size().await.0 <= 400);
        page.keep_picture("landing-empty").await;
    });
}
