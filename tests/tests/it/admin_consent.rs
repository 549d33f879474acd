//! Consents of administrators to applications without users.

use std::sync::Arc;

use entra_client::blocking::ConsentFlow;
use entra_emulator::{App, Emulator, Tenant};
use entra_proto::authorize::{Redirect, RedirectUri};
use entra_proto::{ClientSecret, EndpointVersion, Target};

use super::consent::{ADMIN, CLIENT_ID, ItsClock, OFFICE, application, came_back, client, code};
use EndpointVersion::{V1, V2};

/// The emulator with an application that has application permissions alone, and its client on
/// `common`.
fn daemon_alone() -> Arc<Emulator> {
    let app = App::new("daemon")
        .client_id(CLIENT_ID)
        .home("mycompany.example")
        .multi_tenant()
        .secret("a-secret")
        .redirect_uri("https://app.example/cb")
        .request(OFFICE, "ActivityFeed.Read");
    let emulator = Emulator::builder()
        .tenant(Tenant::new("mycompany.example"))
        .tenant(Tenant::new("contoso.onmicrosoft.com"))
        .tenant(Tenant::new("live.example").id("9188040d-6c67-4c5b-b112-36a304b66dad"))
        .app(app);
    Arc::new(emulator.start())
}

/// The redirect of an administrator of this name who consents.
fn consents(emulator: &Arc<Emulator>, url: &str, user: &str) -> Redirect {
    came_back(&emulator.approve(url, user).unwrap())
}

#[test]
fn a_consent_to_application_permissions_alone_names_the_tenant() {
    for version in [V1, V2] {
        for tenant in ["common", "organizations", "contoso.onmicrosoft.com"] {
            let emulator = daemon_alone();
            let contoso = emulator.tenants()[1].id.clone();
            let secret = ClientSecret::new("a-secret").unwrap();
            let client = client(
                &emulator,
                application(&emulator, "daemon", tenant, secret).with_endpoint_version(version),
            );
            let office = Target::resource(OFFICE).unwrap();
            let uri: RedirectUri = "https://app.example/cb".parse().unwrap();
            let flow = ConsentFlow::new(&client, office.clone(), uri.clone()).unwrap();
            let (url, pending) = flow.start().unwrap();
            let finished = flow.finish(&pending, &consents(&emulator, &url, ADMIN));
            if version == V2 {
                // One user has consented to nothing: the application's own token has no role.
                assert!(code(&finished.unwrap_err(), 65_001));
                let page = ConsentFlow::admin_page(&client.tenant(organization(tenant)), office.clone(), uri).unwrap();
                let (url, pending) = page.start().unwrap();
                page.finish(&pending, &consents(&emulator, &url, ADMIN)).unwrap();
                let (url, pending) = flow.start().unwrap();
                let consent = flow.finish(&pending, &consents(&emulator, &url, ADMIN)).unwrap();
                assert_eq!(consent.tenant.to_string(), contoso);
            } else {
                let consent = finished.unwrap();
                assert_eq!(
                    (consent.tenant.to_string(), consent.is_verified()),
                    (contoso.clone(), true)
                );
                assert_eq!(consent.username().as_deref(), Some(ADMIN));
                assert!(consent.sign_in.is_none());
            }
            let contoso: entra_proto::Guid = contoso.parse().unwrap();
            assert_eq!(client.tenant(contoso).roles(&office).unwrap(), ["ActivityFeed.Read"]);
            // Nothing is cached but the application's own tokens.
            assert!(client.cache_entries() <= 2, "{}", client.cache_entries());
        }
    }
}

/// The tenant that the v2 admin-consent page takes.
fn organization(tenant: &str) -> entra_proto::Tenant {
    tenant.replace("common", "organizations").parse().unwrap()
}

#[tokio::test]
async fn an_async_client_learns_the_tenant_as_well() {
    let emulator = daemon_alone();
    let contoso = emulator.tenants()[1].id.clone();
    let secret = ClientSecret::new("a-secret").unwrap();
    let app = application(&emulator, "daemon", "common", secret).with_endpoint_version(V1);
    let transport = entra_transport_hyper::HyperTransport::builder().allow_plain_loopback(true);
    let client = entra_client::Client::builder(app, transport.build().unwrap())
        .clock(ItsClock(Arc::clone(&emulator)))
        .build()
        .unwrap();
    let office = Target::resource(OFFICE).unwrap();
    let uri = "https://app.example/cb".parse().unwrap();
    let flow = entra_client::ConsentFlow::new(&client, office.clone(), uri).unwrap();
    let (url, pending) = flow.start().unwrap();
    let consent = flow.finish(&pending, &consents(&emulator, &url, ADMIN)).await.unwrap();
    assert_eq!(consent.tenant.to_string(), contoso);
    assert_eq!(
        client.tenant(consent.tenant).roles(&office).await.unwrap(),
        ["ActivityFeed.Read"]
    );
}

#[test]
fn a_personal_account_connects_nothing() {
    let emulator = daemon_alone();
    for version in [V1, V2] {
        let secret = ClientSecret::new("a-secret").unwrap();
        let client = client(
            &emulator,
            application(&emulator, "daemon", "common", secret).with_endpoint_version(version),
        );
        let office = Target::resource(OFFICE).unwrap();
        let flow = ConsentFlow::new(&client, office, "https://app.example/cb".parse().unwrap()).unwrap();
        let (url, pending) = flow.start().unwrap();
        assert!(
            flow.finish(&pending, &consents(&emulator, &url, "adele@live.example"))
                .is_err()
        );
        assert_eq!(client.cache_entries(), 0);
    }
}
