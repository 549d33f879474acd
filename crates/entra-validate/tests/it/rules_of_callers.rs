//! Rules about the caller: tenant, principal, permissions.

use entra_proto::ClientId;
use entra_validate::{Permissions, Rule, Tenants};
use serde_json::json;

use super::rules::{fails, fails_at};
use crate::support::*;

#[test]
fn bound_token_is_rejected() {
    fails(Rule::Binding, &daemon().with("cnf", json!({"kid": "x"})));
    fails(Rule::Binding, &daemon().with("cnf", json!(null)));
}

#[test]
fn tenant_is_one_of_those_accepted() {
    let foreign = daemon()
        .with("tid", OTHER_TENANT)
        .with("iss", format!("https://login.microsoftonline.com/{OTHER_TENANT}/v2.0"));
    fails(Rule::Tenant, &foreign);
    let some = api_for(Tenants::any_of([guid(TENANT)]));
    fails_at(Rule::Tenant, &some, &Cloud::new(), &foreign.sign());
    let both = api_for(Tenants::any_of([guid(TENANT), guid(OTHER_TENANT)]));
    validate(&both, &foreign.sign()).unwrap();
    validate(&api_for(Tenants::Any), &foreign.sign()).unwrap();
}

#[test]
fn principal_is_named_without_contradiction() {
    for claim in ["azp", "oid"] {
        fails(Rule::Principal, &daemon().without(claim));
        for wrong in [json!("x"), json!(null), json!(OBJECT.to_uppercase())] {
            fails(Rule::Principal, &daemon().with(claim, wrong));
        }
    }
    // v1 uses another claim for the application: that of the other version does not count.
    fails(Rule::Principal, &daemon().without("azp").with("appid", DAEMON));
    let v1 = validate(&api(), &daemon_v1().without("appid").with("azp", DAEMON).sign());
    assert_eq!(v1.unwrap_err().rule(), Some(Rule::Principal));
    for idtyp in [json!("device"), json!("App"), json!(""), json!(null), json!(["app"])] {
        fails(Rule::Principal, &daemon().with("idtyp", idtyp));
    }
    fails(Rule::Principal, &daemon().with("scp", "ToDoList.Read"));
    for roles in [
        json!("ToDoList.Read.All"),
        json!({"0": "ToDoList.Read.All"}),
        json!([1]),
        json!(["a\nb"]),
        json!([""]),
        json!(null),
    ] {
        fails(Rule::Principal, &daemon().with("roles", roles));
    }
    for scp in [json!(["ToDoList.Read"]), json!(null), json!(1)] {
        fails(Rule::Principal, &user().with("scp", scp));
    }
}

#[test]
fn id_token_is_rejected() {
    // An ID token of an application that is both the client and the API: the roles are those of the
    // user, and the audience is correct.
    let id_token = user()
        .without("scp")
        .without("azp")
        .with("nonce", "n")
        .with("roles", json!(["ToDoList.Read.All"]));
    fails(Rule::Principal, &id_token);
    // Roles of a user must not pass for those of an application, even if there is azp.
    fails(Rule::Principal, &id_token.with("azp", DAEMON));
}

#[test]
fn token_without_scope_and_role_is_rejected() {
    for any in [api(), any_granted()] {
        fails_at(Rule::Grants, &any, &Cloud::new(), &daemon().without("roles").sign());
        fails_at(
            Rule::Grants,
            &any,
            &Cloud::new(),
            &daemon().with("roles", json!([])).sign(),
        );
        fails_at(Rule::Grants, &any, &Cloud::new(), &user().without("scp").sign());
        fails_at(Rule::Grants, &any, &Cloud::new(), &user().with("scp", "  ").sign());
    }
}

fn any_granted() -> entra_validate::Api {
    let audience = entra_validate::Audience::app(guid(API).into());
    entra_validate::Api::new(audience, Tenants::One(guid(TENANT)), Permissions::any_granted()).unwrap()
}

#[test]
fn callers_must_be_listed_and_declared() {
    let listed = api().with_callers([guid(DAEMON).into()]).unwrap();
    validate(&listed, &daemon().sign()).unwrap();
    validate(&listed, &user().sign()).unwrap();
    let other: ClientId = guid(OBJECT).into();
    let others = api().with_callers([other]).unwrap();
    fails_at(Rule::Caller, &others, &Cloud::new(), &daemon().sign());
    fails_at(Rule::Caller, &others, &Cloud::new(), &user().sign());
    // Without idtyp, the token may belong to a user of the application.
    let undeclared = daemon().without("idtyp").sign();
    validate(&api(), &undeclared).unwrap();
    fails_at(Rule::Caller, &listed, &Cloud::new(), &undeclared);
    let rejection = validate(&listed, &undeclared).unwrap_err();
    assert!(rejection.hint().unwrap().contains("idtyp"), "{:?}", rejection.hint());
}

#[test]
fn scopes_are_for_users_and_roles_for_applications() {
    fails(
        Rule::Permissions,
        &daemon().with("roles", json!(["ToDoList.Other.All"])),
    );
    // The name of the other kind, a part of a name, or another letter case does not count.
    fails(Rule::Permissions, &daemon().with("roles", json!(["ToDoList.Read"])));
    fails(
        Rule::Permissions,
        &daemon().with(
            "roles",
            json!([
                "todolist.read.all",
                "ToDoList.Read.All.More",
                "ToDoList.Read.All ToDoList"
            ]),
        ),
    );
    fails(Rule::Permissions, &user().with("scp", "ToDoList.Read.All"));
    fails(
        Rule::Permissions,
        &user().with("scp", "ToDoList.read ToDoList.ReadWrite"),
    );
    // A user whose role has the name of a permission of applications.
    let promoted = user().with("scp", "Other").with("roles", json!(["ToDoList.Read.All"]));
    fails(Rule::Permissions, &promoted);
    validate(&any_granted(), &promoted.sign()).unwrap();
    let declared = user()
        .without("scp")
        .with("idtyp", "user")
        .with("roles", json!(["ToDoList.Read.All"]));
    fails(Rule::Permissions, &declared);
    fails_at(Rule::Permissions, &any_granted(), &Cloud::new(), &declared.sign());
}
