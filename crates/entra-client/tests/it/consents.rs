//! The conclusions from a consent: the tenant that it connects, and what does not prove one.

use std::time::Duration;

use entra_client::{Client, Consent, ConsentFlow, Error, blocking};
use entra_proto::authorize::Redirect;
use entra_proto::error::ErrorClass;
use entra_proto::{Application, EndpointVersion, Guid, Target, Tenant};

use crate::support::users::{TENANT, blocking_client, jwt, of_tenant, uri};
use crate::support::{Reply, Seen, Service, Stage, api, secret};

const OTHER: &str = "66666666-2222-3333-4444-555555555555";
const PERSONAL: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";

/// Returns a service for an application without delegated permissions, which rejects the code for
/// the API. `identity` is the tenant that the ID token names if the code can be redeemed for one,
/// and `roles` are those of the app-only token of any tenant.
fn without_delegated(identity: Option<&'static str>, roles: &'static str) -> Service {
    let rejected = || Reply::body(400, r#"{"error":"invalid_grant","error_codes":[65001]}"#);
    let token = |claims: String, more: &'static str| Reply::Token(jwt(&claims), 3600, more);
    Service::new(move |_, seen: &Seen| {
        let is_code = seen.value("grant_type") == Some("authorization_code");
        let is_identity = seen.value("scope").is_some_and(|scope| scope.starts_with("openid"));
        let reply = match (is_code, is_identity, identity) {
            (false, ..) => {
                let requested = seen.path.split('/').nth(1).unwrap().parse::<Guid>();
                let tenant = requested.map_or_else(|_| TENANT.to_owned(), |id| id.to_string());
                token(format!(r#"{{"tid":"{tenant}","roles":[{roles}]}}"#), "")
            }
            (true, true, Some(tenant)) => token(
                format!(r#"{{"tid":"{tenant}","upn":"admin@contoso.com"}}"#),
                r#","refresh_token":"rt""#,
            ),
            _ => rejected(),
        };
        (Duration::ZERO, reply)
    })
}

/// Returns the client info `{"uid":"1","utid":tenant}`.
fn client_info(tenant: &str) -> String {
    let token = jwt(&format!(r#"{{"uid":"1","utid":"{tenant}"}}"#));
    token.split('.').nth(1).unwrap().to_owned()
}

fn application(tenant: &str) -> Application {
    let authority = format!("https://login.microsoftonline.com/{tenant}").parse().unwrap();
    Application::new(authority, Guid::from_bytes([0xaa; 16]).into(), secret())
        .with_endpoint_version(EndpointVersion::V1)
}

fn target() -> Target {
    Target::resource("https://manage.office.com").unwrap()
}

fn redirect(state: &str, more: &str) -> Redirect {
    Redirect::from_query(&format!("code=c&state={state}{more}")).unwrap()
}

/// Finishes the same consent with both clients, which must agree.
async fn finish(service: &Service, tenant: &str, more: &str) -> Result<Consent, Error> {
    let client: Client = Stage::with(service.clone(), |builder| builder).client;
    let client = client.tenant(tenant.parse::<Tenant>().unwrap());
    let flow = ConsentFlow::new(&client, api("graph"), uri()).unwrap();
    let (_, pending) = flow.start().unwrap();
    let finished = flow.finish(&pending, &redirect(pending.state(), more)).await;

    let other: blocking::Client = blocking_client(application(tenant), service);
    let flow = blocking::ConsentFlow::new(&other, target(), uri()).unwrap();
    let (_, pending) = flow.start().unwrap();
    let same = flow.finish(&pending, &redirect(pending.state(), more));
    let summary = |finished: &Result<Consent, Error>| match finished {
        Ok(consent) => Ok((consent.tenant, consent.is_verified(), consent.username())),
        Err(error) => Err(error.class()),
    };
    assert_eq!(summary(&finished), summary(&same));
    // Nothing is cached of a user without a part in the consent, and here no app-only token either.
    let unproved = |finished: &Result<Consent, Error>| match finished {
        Ok(consent) => consent.sign_in.is_none() && more.contains("admin_consent=True"),
        Err(error) => error.class() == ErrorClass::Tenant,
    };
    if unproved(&finished) {
        assert!(client.cache_entries() + other.cache_entries() == 0, "{tenant} {more}");
    }
    finished
}

#[tokio::test(start_paused = true)]
async fn rejected_code_still_proves_the_tenant() {
    for roles in [r#""ActivityFeed.Read""#, ""] {
        let service = without_delegated(Some(TENANT), roles);
        for (more, consented) in [("&admin_consent=True", true), ("", !roles.is_empty())] {
            let finished = finish(&service, "common", more).await;
            assert_eq!(finished.is_ok(), consented, "{roles} {more}");
            let Ok(consent) = finished else {
                assert_eq!(finished.unwrap_err().class(), ErrorClass::Consent);
                continue;
            };
            assert_eq!(
                (consent.tenant.to_string(), consent.is_verified()),
                (TENANT.to_owned(), true)
            );
            assert_eq!(consent.username().as_deref(), Some("admin@contoso.com"));
            assert!(consent.sign_in.is_none());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn tenant_of_the_redirect_needs_an_app_only_token() {
    let named = format!("&client_info={}", client_info(OTHER));
    let granted = without_delegated(None, r#""ActivityFeed.Read""#);
    let consent = finish(&granted, "common", &named).await.unwrap();
    assert_eq!(
        (consent.tenant.to_string(), consent.is_verified()),
        (OTHER.to_owned(), false)
    );
    let nothing = without_delegated(None, "");
    assert!(finish(&nothing, "common", &named).await.is_err());
    // Without its name there is no tenant, whatever else the redirect says.
    assert!(finish(&granted, "common", "&admin_consent=True").await.is_err());
    // A specific tenant that was requested takes precedence.
    let by_domain = finish(&granted, "contoso.com", &named).await.unwrap();
    assert_eq!(by_domain.tenant.to_string(), TENANT);
    let by_id = finish(&granted, TENANT, &named).await.unwrap();
    assert_eq!(by_id.tenant.to_string(), TENANT);
}

#[tokio::test(start_paused = true)]
async fn proof_is_requested_again_after_a_rejection() {
    for tenant in ["contoso.com", TENANT] {
        let service = || {
            Service::new(move |n, seen: &Seen| {
                let rejected = || Reply::body(400, r#"{"error":"invalid_grant","error_codes":[65001]}"#);
                let is_code = seen.value("grant_type") == Some("authorization_code");
                let granted = Reply::Token(jwt(&format!(r#"{{"tid":"{TENANT}","roles":["R"]}}"#)), 3600, "");
                (Duration::ZERO, if n == 0 || is_code { rejected() } else { granted })
            })
        };
        let client: Client = Stage::with(service(), |builder| builder).client;
        let client = client.tenant(tenant.parse::<Tenant>().unwrap());
        assert!(client.roles(&api("graph")).await.is_err());
        let flow = ConsentFlow::new(&client, api("graph"), uri()).unwrap();
        let (_, pending) = flow.start().unwrap();
        let consent = flow.finish(&pending, &redirect(pending.state(), "")).await.unwrap();
        assert_eq!(consent.tenant.to_string(), TENANT);

        let client: blocking::Client = blocking_client(application(tenant), &service());
        assert!(client.roles(&target()).is_err());
        let flow = blocking::ConsentFlow::new(&client, target(), uri()).unwrap();
        let (_, pending) = flow.start().unwrap();
        let consent = flow.finish(&pending, &redirect(pending.state(), "")).unwrap();
        assert_eq!(consent.tenant.to_string(), TENANT);
    }
}

#[tokio::test(start_paused = true)]
async fn missing_response_is_not_a_missing_consent() {
    let named = format!("&client_info={}&admin_consent=True", client_info(OTHER));
    let rejected = || Reply::body(400, r#"{"error":"invalid_grant","error_codes":[65001]}"#);
    let busy = || Reply::body(503, r#"{"error":"temporarily_unavailable"}"#);
    // The request for the proof gets no response.
    for tenant in ["common", "contoso.com"] {
        let service = Service::new(move |_, seen: &Seen| {
            let is_code = seen.value("grant_type") == Some("authorization_code");
            (Duration::ZERO, if is_code { rejected() } else { busy() })
        });
        let more = named.replace("&admin_consent=True", "");
        let error = finish(&service, tenant, &more).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Transient, "{tenant}: {error}");
    }
    // The redemption for the identity gets none: the browser's statement is not used instead.
    let service = Service::new(move |_, seen: &Seen| {
        let is_identity = seen.value("scope").is_some_and(|scope| scope.starts_with("openid"));
        (Duration::ZERO, if is_identity { busy() } else { rejected() })
    });
    let error = finish(&service, "common", &named).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Transient, "{error}");
}

#[tokio::test(start_paused = true)]
async fn personal_accounts_and_other_tenants_are_rejected() {
    let granted = r#""ActivityFeed.Read""#;
    for (service, tenant, more) in [
        (without_delegated(Some(PERSONAL), granted), "common", String::new()),
        (without_delegated(Some(PERSONAL), granted), "contoso.com", String::new()),
        (
            without_delegated(Some(OTHER), granted),
            TENANT,
            "&admin_consent=True".to_owned(),
        ),
        (
            without_delegated(None, granted),
            "common",
            format!("&client_info={}", client_info(PERSONAL)),
        ),
        (
            Service::always(Reply::Token(
                jwt(&format!(r#"{{"tid":"{PERSONAL}"}}"#)),
                3600,
                r#","refresh_token":"rt""#,
            )),
            "common",
            String::new(),
        ),
        (
            Service::always(Reply::Token(of_tenant(), 3600, "")),
            OTHER,
            String::new(),
        ),
        (
            Service::always(Reply::Token(jwt(&format!(r#"{{"tid":"{PERSONAL}"}}"#)), 3600, "")),
            "organizations",
            String::new(),
        ),
    ] {
        let error = finish(&service, tenant, &more).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Tenant, "{tenant} {more}: {error}");
    }
}

#[tokio::test(start_paused = true)]
async fn device_code_signs_in_to_no_other_tenant() {
    let device = r#"{"device_code":"d","user_code":"U","verification_uri":"https://a.example",
        "interval":5,"expires_in":900}"#;
    let service = Service::new(move |n, _: &Seen| {
        let reply = match n {
            0 => Reply::body(200, device),
            _ => Reply::Token(of_tenant(), 3600, r#","refresh_token":"rt""#),
        };
        (Duration::ZERO, reply)
    });
    let stage = Stage::new(service);
    let other = stage.client.tenant(OTHER.parse::<Guid>().unwrap());
    let error = other
        .device_code(&Target::scopes("User.Read").unwrap(), |_| {})
        .await
        .unwrap_err();
    assert_eq!(
        (error.class(), stage.client.cache_entries() == 0),
        (ErrorClass::Tenant, true),
        "{error}"
    );
}
