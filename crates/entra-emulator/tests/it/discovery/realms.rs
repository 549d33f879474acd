//! User realm discovery.

use entra_emulator::{Emulator, Tenant, User};
use serde_json::{Value, json};

use crate::discovery::tenant;
use crate::support::{document, get, json_body};

#[test]
fn user_realms_name_the_domain() {
    let fabrikam =
        Tenant::new("fabrikam.example").user(User::new("Ann").user_principal_name("ann@Mail.Fabrikam.example"));
    let builder = Emulator::builder().tenant(Tenant::new("contoso.onmicrosoft.com"));
    let emulator = builder.tenant(fabrikam).build();
    let id = emulator.tenant_id();
    for (login, domain) in [
        ("adele@contoso.onmicrosoft.com", "contoso.onmicrosoft.com"),
        ("unknown@CONTOSO.onmicrosoft.com", "contoso.onmicrosoft.com"),
        ("adele%40contoso.onmicrosoft.com", "contoso.onmicrosoft.com"),
        ("a%2Fb@contoso.onmicrosoft.com", "contoso.onmicrosoft.com"),
        ("x@fabrikam.example", "fabrikam.example"),
        ("x@mail.fabrikam.example", "Mail.Fabrikam.example"),
        ("a@b@fabrikam.example", "fabrikam.example"),
    ] {
        for path in [
            "common/UserRealm",
            "common/userrealm",
            "organizations/USERREALM",
            &format!("{id}/UserRealm"),
        ] {
            let one = document(&emulator, &format!("/{path}/{login}?api-version=1.0"));
            let expected = json!({
                "ver": "1.0",
                "account_type": "Managed",
                "domain_name": domain,
                "cloud_instance_name": "microsoftonline.com",
                "cloud_audience_urn": "urn:federation:MicrosoftOnline",
            });
            assert_eq!(one, expected);
            assert_eq!(document(&emulator, &format!("/{path}/{login}")), expected);
            assert_eq!(
                document(&emulator, &format!("/{path}?user={login}&api-version=1.0")),
                expected
            );
            for version in ["2.0", "2.1"] {
                let two = document(&emulator, &format!("/{path}/{login}?api-version={version}"));
                assert_eq!(
                    (&two["NameSpaceType"], &two["DomainName"]),
                    (&json!("Managed"), &json!(domain))
                );
            }
        }
    }
    for login in [
        "a@elsewhere.example",
        "a@sub.contoso.onmicrosoft.com",
        "contoso.onmicrosoft.com",
        "@",
        "%20",
        "a@",
    ] {
        let one = document(&emulator, &format!("/common/UserRealm/{login}?api-version=1.0"));
        assert_eq!(
            (&one["account_type"], &one["domain_name"]),
            (&json!("Unknown"), &Value::Null),
            "{login}"
        );
        let two = document(&emulator, &format!("/common/UserRealm/{login}?api-version=2.1"));
        assert_eq!(two["NameSpaceType"], "Unknown");
    }
    let long = format!("{}@fabrikam.example", "a".repeat(10_000));
    let long = document(&emulator, &format!("/common/UserRealm/{long}?api-version=2.0"));
    assert_eq!(
        (long["Login"].as_str().unwrap().len(), &long["NameSpaceType"]),
        (256, &json!("Managed"))
    );
    assert_eq!(
        get(&emulator, "/common/UserRealm/a@b.example?api-version=9").status(),
        501
    );
    let body = json_body(&get(
        &emulator,
        "/unknown.example/UserRealm/a@b.example?api-version=1.0",
    ));
    assert_eq!(body["error"], "invalid_tenant");
    assert_eq!(get(&emulator, "/common/UserRealm/a@b.example/more").status(), 501);
}

/// adal and MSAL for Go request the realm first, then use the password grant.
#[test]
fn password_is_rejected_after_realm_discovery() {
    let emulator = tenant(Emulator::builder());
    let user = "adele@contoso.onmicrosoft.com";
    let realm = document(&emulator, &format!("/common/UserRealm/{user}?api-version=1.0"));
    assert_eq!(realm["account_type"], "Managed");
    for (path, target) in [
        (
            "oauth2/token?api-version=1.0",
            ("resource", "https://graph.microsoft.com"),
        ),
        (
            "oauth2/v2.0/token",
            ("scope", "User.Read openid profile offline_access"),
        ),
    ] {
        let fields = [
            ("grant_type", "password"),
            ("client_id", emulator.client_id()),
            ("client_secret", emulator.client_secret()),
            ("username", user),
            ("password", "guess"),
            target,
        ];
        for tenant in [emulator.tenant_id(), "organizations"] {
            let response = crate::support::post(&emulator, &format!("/{tenant}/{path}"), &fields);
            assert_eq!(crate::support::error_code(&response), 50126, "{path} {tenant}");
        }
    }
}
