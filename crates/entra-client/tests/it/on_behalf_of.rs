//! The on-behalf-of flow: an API acquires tokens for the user who called it.

use std::time::Duration;

use entra_proto::Target;
use entra_proto::error::ErrorClass;

use crate::support::users::{TENANT, assertion, of_tenant, rotating};
use crate::support::{Reply, Service, Stage, api, pass, seconds};

#[tokio::test(start_paused = true)]
async fn on_behalf_of_request_has_the_documented_parameters() {
    let stage = Stage::new(rotating());
    let (callers, target) = (assertion("the-callers"), Target::scopes("User.Read").unwrap());
    stage.client.acquire_on_behalf_of(&callers, &target).await.unwrap();
    let seen = stage.service.seen(0);
    for (name, value) in [
        ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
        ("requested_token_use", "on_behalf_of"),
        ("assertion", "the-callers"),
        ("scope", "User.Read"),
        ("client_secret", "canary-secret"),
    ] {
        assert_eq!(seen.value(name), Some(value), "{name}");
    }
    // The token is refreshed with the same assertion while that is valid.
    pass(seconds(3600)).await;
    stage
        .client
        .acquire_on_behalf_of(&assertion("the-callers"), &target)
        .await
        .unwrap();
    assert_eq!(stage.service.seen(1).value("assertion"), Some("the-callers"));
}

/// An API for all tenants requests the token in the tenant of its caller.
#[tokio::test(start_paused = true)]
async fn tenant_of_the_caller_is_used_without_a_specific_one() {
    let stage = Stage::new(rotating());
    for (tenant, asked) in [
        ("organizations", TENANT),
        ("common", TENANT),
        ("fabrikam.com", "fabrikam.com"),
    ] {
        let client = stage.client.tenant(tenant.parse::<entra_proto::Tenant>().unwrap());
        client
            .acquire_on_behalf_of(&assertion(of_tenant()), &api("graph"))
            .await
            .unwrap();
        let seen = stage.service.seen(stage.service.requests() - 1);
        assert_eq!(seen.path, format!("/{asked}/oauth2/v2.0/token"));
    }
    // Two names of one tenant share one token.
    assert_eq!(stage.service.requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn rejection_of_one_user_is_cached_for_that_user_alone() {
    let challenge = r#"{\"access_token\":{\"polids\":{\"essential\":true}}}"#;
    let rejection = format!(
        r#"{{"error":"interaction_required","error_codes":[50079],"error_description":"AADSTS50079: enrol","claims":"{challenge}"}}"#
    );
    let stage = Stage::new(Service::new(move |_, seen| {
        let good = seen.value("assertion") == Some("good");
        let reply = if good {
            Reply::Token("t", 3600, "")
        } else {
            Reply::body(400, &rejection)
        };
        (Duration::ZERO, reply)
    }));
    let bad = stage.client.on_behalf_of(&assertion("bad"));
    let error = bad.token(&api("graph")).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Interaction);
    assert_eq!(
        error.service().unwrap().claims.as_deref(),
        Some(&*challenge.replace('\\', ""))
    );
    assert!(bad.token(&api("graph")).await.unwrap_err().is_cached());
    stage
        .client
        .acquire_on_behalf_of(&assertion("good"), &api("graph"))
        .await
        .unwrap();
    assert_eq!(stage.service.requests(), 2);
}
