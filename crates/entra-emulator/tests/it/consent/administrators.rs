//! Consent for a whole tenant.

use entra_emulator::{App, Emulator, Tenant};
use serde_json::json;

use crate::consent::{CLIENT, CUSTOMER, REDIRECT, app_token, authorize, office};
use crate::support::browser::Page;
use crate::support::{claims, encode};

#[test]
fn consent_for_all_users_is_marked() {
    let emulator = office();
    let url = authorize(&[("prompt", "admin_consent"), ("state", "x y&z")]);
    let redirect = emulator.approve(&url, "admin@contoso.onmicrosoft.com").unwrap();
    assert_eq!(redirect.parameter("admin_consent").as_deref(), Some("True"));
    assert_eq!(redirect.parameter("state").as_deref(), Some("x y&z"));
    // Megan is not asked again.
    let back = Page::open(&emulator, &authorize(&[])).press(&emulator, "data-user=\"megan@contoso");
    assert!(back.parameter("code").is_some());
    // Without that prompt, the response does not contain it, and the consent is only the user's.
    let emulator = office();
    let redirect = emulator
        .approve(&authorize(&[]), "admin@contoso.onmicrosoft.com")
        .unwrap();
    assert_eq!(redirect.parameter("admin_consent"), None);
    let page = Page::open(&emulator, &authorize(&[])).press(&emulator, "data-user=\"megan@contoso");
    assert_eq!(page.aadsts(), Some(90094));
    let rejected = emulator.approve(&url, "megan@contoso.onmicrosoft.com").unwrap_err();
    assert_eq!(rejected.aadsts, Some(90094));
}

#[test]
fn administrator_may_consent_for_the_organization() {
    let emulator = office();
    let consent = Page::open(&emulator, &authorize(&[])).press(&emulator, "data-user=\"admin@");
    assert!(consent.html.contains("id=\"organization\""));
    consent.press_with(&emulator, "id=\"accept\"", &[("organization", "yes")]);
    let back = Page::open(&emulator, &authorize(&[])).press(&emulator, "data-user=\"megan@contoso");
    assert!(back.parameter("code").is_some());
}

#[test]
fn v1_admin_consent_grants_roles() {
    let emulator = office();
    let url = format!(
        "/common/adminconsent?{}",
        encode(&[("client_id", CLIENT), ("redirect_uri", REDIRECT), ("state", "12345")])
    );
    let redirect = emulator.approve(&url, "admin@contoso.onmicrosoft.com").unwrap();
    assert_eq!(redirect.parameter("admin_consent").as_deref(), Some("True"));
    assert_eq!(redirect.parameter("tenant").as_deref(), Some(CUSTOMER));
    assert_eq!(redirect.parameter("state").as_deref(), Some("12345"));
    assert_eq!(
        claims(&app_token(&emulator, CUSTOMER).1)["roles"],
        json!(["ActivityFeed.Read", "ServiceHealth.Read"])
    );
    let rejected = emulator.approve(&url, "megan@contoso.onmicrosoft.com").unwrap_err();
    assert_eq!(rejected.aadsts, Some(90094));
    // A path below a registered URI is accepted by authorize only.
    let url = format!(
        "/common/adminconsent?{}",
        encode(&[
            ("client_id", CLIENT),
            ("redirect_uri", "http://www.mycompany.com/myapp/x")
        ])
    );
    assert_eq!(Page::open(&emulator, &url).aadsts(), Some(50011));
}

#[test]
fn v2_admin_consent_grants_the_scope() {
    let emulator = office();
    let url = |tenant: &str, scope: &str| {
        let fields = [
            ("client_id", CLIENT),
            ("redirect_uri", REDIRECT),
            ("state", "s"),
            ("scope", scope),
        ];
        format!("/{tenant}/v2.0/adminconsent?{}", encode(&fields))
    };
    let all = url("organizations", "https://manage.office.com/.default");
    let redirect = emulator.decline(&all, "admin@contoso.onmicrosoft.com").unwrap();
    // The pitfall of the documents: `admin_consent=True` in addition to the error.
    assert_eq!(redirect.parameter("admin_consent").as_deref(), Some("True"));
    assert_eq!(redirect.parameter("error").as_deref(), Some("consent_required"));
    assert!(
        redirect
            .parameter("error_description")
            .unwrap()
            .starts_with("AADSTS65004: ")
    );
    assert_eq!(
        (redirect.parameter("tenant"), redirect.parameter("error_subcode")),
        (None, None)
    );
    assert_eq!(app_token(&emulator, CUSTOMER).0, 400);

    let redirect = emulator.approve(&all, "admin@contoso.onmicrosoft.com").unwrap();
    assert_eq!(redirect.parameter("error"), None);
    assert_eq!(redirect.parameter("tenant").as_deref(), Some(CUSTOMER));
    assert!(
        redirect
            .parameter("scope")
            .unwrap()
            .contains("https://manage.office.com/ActivityFeed.Read")
    );
    assert_eq!(
        claims(&app_token(&emulator, CUSTOMER).1)["roles"],
        json!(["ActivityFeed.Read", "ServiceHealth.Read"])
    );

    // Named scopes grant no app roles.
    let emulator = office();
    let one = url("contoso.onmicrosoft.com", "https://manage.office.com/ActivityFeed.Read");
    emulator.approve(&one, "admin@contoso.onmicrosoft.com").unwrap();
    assert!(claims(&app_token(&emulator, CUSTOMER).1)["roles"].is_null());

    assert_eq!(
        Page::open(&emulator, &url("common", "https://manage.office.com/.default")).aadsts(),
        Some(90130)
    );
    let without = Page::open(&emulator, &url("organizations", ""));
    assert!(
        without
            .parameter("error_description")
            .unwrap()
            .starts_with("AADSTS900144: ")
    );
}

#[test]
fn regular_user_cannot_consent_for_the_organization() {
    let emulator = Emulator::builder()
        .tenant(Tenant::new("contoso.onmicrosoft.com"))
        .app(
            App::new("a")
                .client_id(CLIENT)
                .redirect_uri(REDIRECT)
                .request_scope("https://graph.microsoft.com", "User.Read"),
        )
        .build();
    let fields = [
        ("client_id", CLIENT),
        ("response_type", "code"),
        ("redirect_uri", REDIRECT),
        ("scope", "User.Read"),
    ];
    let url = format!("/common/oauth2/v2.0/authorize?{}", encode(&fields));
    let open = |user: &str| Page::open(&emulator, &url).press(&emulator, &format!("data-user=\"{user}@"));
    // The page of a regular user has no such box, so a form with it is hand-made.
    let page = open("alex");
    assert!(!page.html.contains("id=\"organization\""));
    let back = page.press_with(&emulator, "id=\"accept\"", &[("organization", "yes")]);
    assert!(back.parameter("code").is_some());
    assert!(open("megan").html.contains("id=\"accept\""));
    assert!(open("alex").parameter("code").is_some());
}

#[test]
fn admin_consent_requires_a_redirect_uri() {
    let emulator = office();
    let fields = [("client_id", CLIENT), ("scope", "https://manage.office.com/.default")];
    for endpoint in ["/common/adminconsent", "/organizations/v2.0/adminconsent"] {
        let page = Page::open(&emulator, &format!("{endpoint}?{}", encode(&fields)));
        assert_eq!((page.aadsts(), page.location), (Some(900144), None), "{endpoint}");
    }
}

#[test]
fn consent_page_lists_every_permission() {
    let emulator = office();
    let open = |scope: &str| {
        let fields = [("client_id", CLIENT), ("redirect_uri", REDIRECT), ("scope", scope)];
        let url = format!("/organizations/v2.0/adminconsent?{}", encode(&fields));
        Page::open(&emulator, &url).press(&emulator, "data-user=\"admin@contoso")
    };
    for (scope, shown, granted) in [
        (
            "openid offline_access https://manage.office.com/ActivityFeed.Read",
            &["openid", "offline_access", "ActivityFeed.Read"][..],
            "https://manage.office.com/ActivityFeed.Read openid offline_access",
        ),
        ("openid profile", &["openid", "profile"], "openid profile"),
    ] {
        let page = open(scope);
        let names: Vec<String> = page
            .tags("li")
            .iter()
            .filter_map(|tag| crate::support::browser::attribute(tag, "data-permission"))
            .collect();
        assert_eq!(names, shown);
        // Consent for all users is not on behalf of one user.
        assert!(page.html.contains("for every user of") && !page.html.contains("on your behalf"));
        let back = page.press(&emulator, "id=\"accept\"");
        assert_eq!(back.parameter("scope").as_deref(), Some(granted));
    }
    // With nothing to list, the page does not mention a list.
    let nothing = Emulator::builder()
        .app(App::new("a").client_id(CLIENT).redirect_uri(REDIRECT))
        .build();
    let fields = [("client_id", CLIENT), ("redirect_uri", REDIRECT)];
    let page = Page::open(&nothing, &format!("/common/adminconsent?{}", encode(&fields)))
        .press(&nothing, "data-user=\"adele@");
    assert!(page.html.contains("may be used by every user") && !page.html.contains("these permissions"));
}
