//! An API asks on behalf of whoever called it.

use std::time::Duration;

use entra_proto::Target;
use entra_proto::error::ErrorClass;

use crate::support::people::{TENANT, assertion, of_tenant, rotating};
use crate::support::{Answer, Service, Stage, api, pass, seconds};

#[tokio::test(start_paused = true)]
async fn an_api_asks_on_behalf_of_its_caller() {
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
    // It is renewed on the same ground while that holds.
    pass(seconds(3600)).await;
    stage
        .client
        .acquire_on_behalf_of(&assertion("the-callers"), &target)
        .await
        .unwrap();
    assert_eq!(stage.service.seen(1).value("assertion"), Some("the-callers"));
}

/// An API for every tenant asks in the one that its caller is of.
#[tokio::test(start_paused = true)]
async fn without_a_tenant_of_its_own_the_callers_tenant_is_asked() {
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
    // Two names of one tenant, one token.
    assert_eq!(stage.service.requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_one_user_is_remembered_for_him_alone() {
    let challenge = r#"{\"access_token\":{\"polids\":{\"essential\":true}}}"#;
    let refusal = format!(
        r#"{{"error":"interaction_required","error_codes":[50079],"error_description":"AADSTS50079: enrol","claims":"{challenge}"}}"#
    );
    let stage = Stage::new(Service::new(move |_, seen| {
        let good = seen.value("assertion") == Some("good");
        let answer = if good {
            Answer::Token("t", 3600, "")
        } else {
            Answer::refusal(400, &refusal)
        };
        (Duration::ZERO, answer)
    }));
    let bad = stage.client.on_behalf_of(&assertion("bad"));
    let error = bad.token(&api("graph")).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Interaction);
    assert_eq!(
        error.service().unwrap().claims.as_deref(),
        Some(&*challenge.replace('\\', ""))
    );
    assert!(bad.token(&api("graph")).await.unwrap_err().is_remembered());
    stage
        .client
        .acquire_on_behalf_of(&assertion("good"), &api("graph"))
        .await
        .unwrap();
    assert_eq!(stage.service.requests(), 2);
}
