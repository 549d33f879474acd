//! The caller that a valid token names.

use entra_proto::{EndpointVersion, Timestamp};
use entra_validate::{Acting, Agents, Permissions, Principal, Rejection, Rule};
use serde_json::json;

use crate::support::*;

#[test]
fn daemon_is_an_application() {
    for (forge, version) in [(daemon(), EndpointVersion::V2), (daemon_v1(), EndpointVersion::V1)] {
        let principal = validate(&api(), &forge.sign()).unwrap();
        let Principal::App(app) = &principal else {
            panic!("{principal:?}")
        };
        assert!(app.is_declared && !principal.is_user());
        assert_eq!(
            (principal.tenant(), principal.object_id()),
            (guid(TENANT), guid(OBJECT))
        );
        assert_eq!(
            (app.application, principal.application()),
            (guid(DAEMON).into(), guid(DAEMON).into())
        );
        assert_eq!(
            principal.roles().collect::<Vec<_>>(),
            ["ToDoList.Read.All", "ToDoList.ReadWrite.All"]
        );
        assert_eq!((principal.scopes().count(), principal.version()), (0, version));
        assert_eq!(principal.issued_at(), Timestamp::from_secs(NOW - 60));
        assert_eq!(principal.expires_at(), Timestamp::from_secs(NOW + 3840));
    }
}

#[test]
fn application_is_recognized_without_idtyp() {
    let principal = validate(&api(), &daemon().without("idtyp").sign()).unwrap();
    assert!(
        matches!(&principal, Principal::App(app) if !app.is_declared),
        "{principal:?}"
    );
}

#[test]
fn user_has_scopes_and_roles() {
    let token = user().with("roles", json!(["Admin"])).sign();
    let principal = validate(&api(), &token).unwrap();
    assert!(matches!(&principal, Principal::User(user) if user.application == guid(DAEMON).into()));
    assert!(principal.is_user());
    assert_eq!(
        principal.scopes().collect::<Vec<_>>(),
        ["ToDoList.Read", "ToDoList.ReadWrite"]
    );
    assert_eq!(principal.roles().collect::<Vec<_>>(), ["Admin"]);
    assert!(!format!("{principal:?}").contains("ada@"));
}

#[test]
fn agents_are_recognized_by_their_facets() {
    const BLUEPRINT: &str = "44445555-eeee-6666-ffff-777700008888";
    let agent = |forge: Forge, actor: &str, subject: &str| {
        let token = forge
            .with("xms_act_fct", actor)
            .with("xms_sub_fct", subject)
            .with("xms_par_app_azp", BLUEPRINT)
            .sign();
        match validate(&api(), &token).unwrap() {
            Principal::Agent(agent) => Some((agent.acting, agent.blueprint, agent.application)),
            Principal::App(_) | Principal::User(_) => None,
            other => panic!("{other:?}"),
        }
    };
    let is = |acting| Some((acting, Some(guid(BLUEPRINT).into()), guid(DAEMON).into()));
    assert_eq!(agent(daemon(), "11 3", "2 11"), is(Acting::Itself));
    assert_eq!(agent(daemon(), "3 11", ""), is(Acting::Itself));
    assert_eq!(agent(user(), "9 3 11", "13"), is(Acting::AsOwnUser));
    assert_eq!(agent(user(), "11", "1 2"), is(Acting::ForUser));
    // Unknown numbers are tolerated, in any order.
    assert_eq!(agent(user(), "99 11 4711 3", "1000000 13 2"), is(Acting::AsOwnUser));
    // Numbers are compared as a whole: neither 111 nor 1 1 is 11.
    assert_eq!(agent(daemon(), "111 1 1", "113"), None);
    assert_eq!(agent(user(), "3", "5"), None);
}

#[test]
fn agents_need_permissions_of_their_kind() {
    let itself = daemon().with("xms_act_fct", "11");
    let roles_of_a_user = user()
        .with("scp", "Other")
        .with("roles", json!(["ToDoList.Read.All"]))
        .with("xms_act_fct", "11");
    assert!(validate(&api(), &itself.sign()).is_ok());
    assert!(matches!(
        validate(&api(), &roles_of_a_user.sign()),
        Err(Rejection::Permissions { .. })
    ));
}

#[test]
fn relations_are_numbers_in_any_order() {
    let relations = |value: serde_json::Value| {
        let principal = validate(&api(), &daemon().with("xms_idrel", value).sign()).unwrap();
        principal.relations().collect::<Vec<_>>()
    };
    assert_eq!(relations(json!("14 7")), [7, 14]);
    assert_eq!(relations(json!("7 4711 x 7")), [7]);
    assert_eq!(relations(json!(7)), [7]);
    assert_eq!(relations(json!(null)), [0; 0]);
    assert_eq!(validate(&api(), &daemon().sign()).unwrap().relations().count(), 0);
}

#[test]
fn api_may_reject_or_require_agents() {
    let as_agent = |forge: Forge| forge.with("xms_act_fct", "3 11").with("xms_sub_fct", "2");
    let own_user = user().with("xms_sub_fct", "13");
    let callers = [
        (daemon(), false),
        (user(), false),
        (as_agent(daemon()), true),
        (as_agent(user()), true),
        (own_user, true),
    ];
    for (policy, accepts_agents, accepts_others) in [
        (Agents::Accept, true, true),
        (Agents::Reject, false, true),
        (Agents::Require, true, false),
    ] {
        let api = api().with_agents(policy);
        for (forge, is_agent) in &callers {
            let outcome = validate(&api, &forge.sign());
            let is_accepted = if *is_agent { accepts_agents } else { accepts_others };
            assert_eq!(outcome.is_ok(), is_accepted, "{policy:?} {is_agent}");
            match outcome {
                Ok(principal) => assert_eq!(principal.agent().is_some(), *is_agent),
                Err(rejection) => {
                    assert_eq!(
                        (rejection.status().as_u16(), rejection.error()),
                        (403, Some("insufficient_scope"))
                    );
                    assert_eq!(rejection.rule(), Some(Rule::Caller));
                    let hint = rejection.hint().unwrap();
                    assert!(
                        rejection.to_string().contains("agent") && hint.contains("agent"),
                        "{rejection}"
                    );
                }
            }
        }
    }
    // The list of callers applies to agents as well.
    let other = api()
        .with_agents(Agents::Require)
        .with_callers([guid(OBJECT).into()])
        .unwrap();
    assert!(matches!(
        validate(&other, &as_agent(daemon()).sign()),
        Err(Rejection::Caller { .. })
    ));
}

#[test]
fn route_checks_its_own_permissions() {
    let daemon = validate(&api(), &daemon().sign()).unwrap();
    let user = validate(&api(), &user().sign()).unwrap();
    let write = Permissions::any_of(["ToDoList.ReadWrite"], ["ToDoList.ReadWrite.All"]).unwrap();
    assert!(write.check(&daemon).is_ok() && write.check(&user).is_ok());
    let apps = Permissions::any_of([""; 0], ["ToDoList.ReadWrite.All", "ToDoList.Read"]).unwrap();
    assert!(apps.check(&daemon).is_ok());
    let rejection = apps.check(&user).unwrap_err();
    assert_eq!(
        (rejection.status().as_u16(), rejection.error()),
        (403, Some("insufficient_scope"))
    );
    let other = Permissions::any_of(["ToDoList.Read.All"], ["ToDoList.Read"]).unwrap();
    assert!(other.check(&daemon).is_err() && other.check(&user).is_err());
}

#[test]
fn claims_challenge_is_only_for_capable_clients() {
    let revoked = Timestamp::from_secs(NOW);
    for capabilities in [json!(["cp1"]), json!("CP1"), json!(["protapp", "cp1"])] {
        let principal = validate(&api(), &daemon().with("xms_cc", capabilities).sign()).unwrap();
        assert!(principal.takes_claims_challenges());
        let rejection = principal.issued_since(revoked).unwrap_err();
        assert_eq!(
            (rejection.status().as_u16(), rejection.error()),
            (401, Some("insufficient_claims"))
        );
    }
    for capabilities in [json!(["cp2"]), json!([]), json!(null), json!(1)] {
        let principal = validate(&api(), &daemon().with("xms_cc", capabilities).sign()).unwrap();
        let rejection = principal.issued_since(revoked).unwrap_err();
        assert_eq!(
            (rejection.status().as_u16(), rejection.error()),
            (401, Some("invalid_token"))
        );
    }
    let principal = validate(&api(), &daemon().sign()).unwrap();
    assert!(principal.issued_since(Timestamp::from_secs(NOW - 60)).is_ok());
    // A token without a time of issue counts as issued too early.
    let undated = validate(&api(), &daemon().without("iat").without("nbf").sign()).unwrap();
    assert!(undated.issued_since(Timestamp::from_secs(1)).is_err());
}

#[test]
fn authentication_context_is_satisfied_or_challenged() {
    let token = user()
        .with("acrs", json!(["p1", "c1"]))
        .with("xms_cc", json!(["cp1"]))
        .sign();
    let principal = validate(&api(), &token).unwrap();
    assert!(principal.satisfies("c1").is_ok() && principal.satisfies("p1").is_ok());
    let Err(Rejection::Claims {
        claims,
        is_understood: true,
    }) = principal.satisfies("c2")
    else {
        panic!("it is challenged");
    };
    assert_eq!(
        claims.as_str(),
        r#"{"access_token":{"acrs":{"essential":true,"value":"c2"}}}"#
    );
}
