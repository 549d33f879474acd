//! The settings of an API: those that would accept every caller by accident are errors.

use std::time::Duration;

use entra_proto::{Cloud as Named, EndpointVersion};
use entra_validate::{Api, Audience, MAX_SKEW, Permissions, ResourceMetadata, Tenants};

use crate::support::*;

#[test]
fn empty_permission_set_is_an_error() {
    let none: [&str; 0] = [];
    let error = Permissions::any_of(none, none).unwrap_err();
    assert!(error.hint().unwrap().contains("any_granted"), "{error}");
    for blank in ["", " ", "a b", "a\tb", "a\"b", "a\\b", "\u{e9}", "a\u{0}"] {
        assert!(Permissions::any_of([blank], ["Good"]).is_err(), "{blank:?}");
        assert!(Permissions::any_of(["Good"], ["Good", blank]).is_err(), "{blank:?}");
    }
    assert!(Permissions::any_of(["x".repeat(251)], none).is_err());
    assert!(Permissions::any_of(["user_impersonation"], none).is_ok());
    assert!(Permissions::any_of(none, ["ToDoList.Read.All"]).is_ok());
}

#[test]
fn empty_tenants_and_callers_are_errors() {
    let permissions = Permissions::any_granted();
    let audience = Audience::app(guid(API).into());
    assert!(Api::new(audience.clone(), Tenants::any_of([]), permissions.clone()).is_err());
    assert!(Api::new(audience, Tenants::Any, permissions).is_ok());
    assert!(api().with_callers([]).is_err());
}

#[test]
fn audience_of_graph_is_an_error() {
    let none: [&str; 0] = [];
    assert!(Audience::any_of(none).is_err());
    for wrong in [
        "",
        " ",
        "a b",
        "a\n",
        "https://graph.microsoft.com",
        "https://graph.microsoft.com/",
        "00000003-0000-0000-c000-000000000000",
    ] {
        assert!(Audience::new(wrong).is_err(), "{wrong:?}");
        assert!(Audience::any_of([API, wrong]).is_err(), "{wrong:?}");
    }
    let several = Audience::any_of([format!("spn:{API}"), "https://api.contoso.com/".to_owned()]).unwrap();
    assert!(several.accepts("https://api.contoso.com/") && !several.accepts("https://api.contoso.com"));
    assert!(!several.accepts(API) && !several.accepts(""));
}

#[test]
fn skew_is_bounded() {
    assert!(api().with_skew(MAX_SKEW).is_ok());
    assert!(api().with_skew(MAX_SKEW + Duration::from_secs(1)).is_err());
}

#[test]
fn metadata_address_does_not_depend_on_tokens() {
    use EndpointVersion::{V1, V2};
    let one = api();
    assert_eq!(
        one.metadata_url(V1),
        format!("https://login.microsoftonline.com/{TENANT}/.well-known/openid-configuration")
    );
    assert_eq!(
        one.metadata_url(V2),
        format!("https://login.microsoftonline.com/{TENANT}/v2.0/.well-known/openid-configuration")
    );
    for several in [
        api_for(Tenants::Any),
        api_for(Tenants::any_of([guid(TENANT), guid(OTHER_TENANT)])),
    ] {
        assert_eq!(
            several.metadata_url(V2),
            "https://login.microsoftonline.com/common/v2.0/.well-known/openid-configuration"
        );
    }
    let own_keys = api().with_signing_keys_of(guid(API).into());
    assert!(
        own_keys
            .metadata_url(V2)
            .ends_with(&format!("/openid-configuration?appid={API}"))
    );
}

#[test]
fn external_tenant_requires_one_tenant() {
    let external = || Named::at("https://contoso.ciamlogin.com").unwrap();
    assert!(api_for(Tenants::Any).with_cloud(external()).is_err());
    assert!(api_for(Tenants::any_of([guid(TENANT)])).with_cloud(external()).is_err());
    let api = api().with_cloud(external()).unwrap();
    assert_eq!(
        api.metadata_url(EndpointVersion::V2),
        format!("https://contoso.ciamlogin.com/{TENANT}/v2.0/.well-known/openid-configuration")
    );
}

#[test]
fn texts_of_challenges_cannot_break_the_header() {
    for wrong in ["a\"b", "a\\b", "a\nb", "\u{e9}", &"x".repeat(2000)] {
        assert!(api().with_realm(wrong).is_err(), "{wrong:?}");
        assert!(api().with_challenge_scope(wrong).is_err(), "{wrong:?}");
        assert!(
            api()
                .with_resource_metadata(&format!("https://api.contoso.com/{wrong}"))
                .is_err(),
            "{wrong:?}"
        );
    }
    for wrong in [
        "",
        "api.contoso.com",
        "http://api.contoso.com/x",
        "ftp://api.contoso.com",
        "https://user@api.contoso.com/x",
        "/relative",
        "https://api.contoso.com/#x",
        "javascript:alert(1)",
    ] {
        assert!(api().with_resource_metadata(wrong).is_err(), "{wrong:?}");
        assert!(ResourceMetadata::new(wrong, &api()).is_err(), "{wrong:?}");
    }
    assert!(
        api()
            .with_resource_metadata("http://127.0.0.1:8080/.well-known/oauth-protected-resource")
            .is_ok()
    );
}

#[test]
fn protected_resource_document_names_its_issuers() {
    let several = api_for(Tenants::any_of([guid(TENANT), guid(OTHER_TENANT)]));
    let document = ResourceMetadata::new("https://api.contoso.com/mcp", &several)
        .unwrap()
        .with_name("To do")
        .with_scopes(["api://x/Call"]);
    assert_eq!(
        serde_json::to_value(&document).unwrap(),
        serde_json::json!({
            "resource": "https://api.contoso.com/mcp",
            "authorization_servers": [
                format!("https://login.microsoftonline.com/{TENANT}/v2.0"),
                format!("https://login.microsoftonline.com/{OTHER_TENANT}/v2.0"),
            ],
            "scopes_supported": ["api://x/Call"],
            "bearer_methods_supported": ["header"],
            "resource_name": "To do",
        })
    );
}

#[test]
fn duplicate_permission_counts_once() {
    let permissions = Permissions::any_of(["A.Read", "A.Write", "A.Read"], ["B.All", "B.All"]).unwrap();
    assert_eq!(permissions.scopes().collect::<Vec<_>>(), ["A.Read", "A.Write"]);
    assert_eq!(permissions.roles().collect::<Vec<_>>(), ["B.All"]);
    for (permissions, problem) in [
        (permissions, "scopes A.Read A.Write; roles B.All"),
        (Permissions::any_of([""; 0], ["B.All"]).unwrap(), "roles B.All"),
        (Permissions::any_of(["A.Read"], [""; 0]).unwrap(), "scopes A.Read"),
    ] {
        let rejection = entra_validate::Rejection::Permissions { needed: permissions };
        let expected = format!("the caller has none of the required permissions: {problem}");
        assert_eq!(rejection.problem().to_string(), expected);
    }
}
