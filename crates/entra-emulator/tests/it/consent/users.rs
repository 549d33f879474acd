//! Users who consent, decline, or may not consent.

use entra_emulator::{App, Emulator, Lint, Purpose, Tenant};
use serde_json::{Value, json};

use crate::consent::{CLIENT, CUSTOMER, MANAGE, REDIRECT, app_token, authorize, office};
use crate::support::browser::Page;
use crate::support::{claims, encode, get_as, json_body, post};

#[test]
fn office_365_consent_walkthrough_works() {
    let emulator = office();
    // Before the consent, the application is unknown to the customer.
    let (status, body) = app_token(&emulator, CUSTOMER);
    assert_eq!((status, &body["error_codes"]), (400, &json!([700016])));

    // The administrator opens the consent URL, signs in, reads and accepts.
    let url = format!(
        "https://login.windows.net/common/oauth2/authorize?response_type=code&resource=https%3A%2F%2Fmanage.office.com&client_id={CLIENT}&redirect_uri=http%3A%2F%2Fwww.mycompany.com%2Fmyapp%2F"
    );
    let sign_in = Page::open(&emulator, &url);
    assert_eq!(sign_in.status, 200);
    let consent = sign_in.press(&emulator, "data-user=\"admin@contoso.onmicrosoft.com\"");
    assert!(consent.html.contains("Activity watcher") && consent.html.contains("Office 365 Management APIs"));
    let permissions: Vec<String> = consent.tags("li");
    let shown = |name: &str, kind: &str| {
        let wanted = format!("data-permission=\"{name}\" data-kind=\"{kind}\"");
        permissions.iter().any(|tag| tag.contains(&wanted))
    };
    for name in ["ActivityFeed.Read", "ServiceHealth.Read"] {
        assert!(
            shown(name, "application") && shown(name, "delegated"),
            "{permissions:?}"
        );
    }
    assert!(shown("ActivityReports.Read", "delegated") && !shown("ActivityReports.Read", "application"));
    let back = consent.press(&emulator, "id=\"accept\"");
    let location = back.location.clone().unwrap();
    assert!(
        location.starts_with("http://www.mycompany.com/myapp/?code="),
        "{location}"
    );
    let code = back.parameter("code").unwrap();

    // The application does not know the tenant yet, so it uses `common`.
    let response = post(
        &emulator,
        "https://login.windows.net/common/oauth2/token",
        &[
            ("resource", MANAGE),
            ("client_id", CLIENT),
            ("redirect_uri", REDIRECT),
            ("client_secret", "s3cret"),
            ("grant_type", "authorization_code"),
            ("code", &code),
        ],
    );
    assert_eq!(response.status(), 200);
    let body = json_body(&response);
    assert_eq!(
        body["scope"],
        "ActivityFeed.Read ActivityReports.Read ServiceHealth.Read"
    );
    assert_eq!(
        (&body["token_type"], &body["expires_in"]),
        (&json!("Bearer"), &json!("3599"))
    );
    assert_eq!(body["resource"], MANAGE);
    let number = |name: &str| body[name].as_str().unwrap().parse::<u64>().unwrap();
    assert_eq!(number("expires_on") - number("not_before"), 3_900);
    assert!(body["refresh_token"].is_string() && body["id_token"].is_string());
    let token = claims(&body);
    for (name, value) in [
        ("aud", json!(MANAGE)),
        ("iss", json!(format!("https://sts.windows.net/{CUSTOMER}/"))),
        ("ver", json!("1.0")),
        ("tid", json!(CUSTOMER)),
        ("amr", json!(["pwd"])),
        ("upn", json!("admin@contoso.onmicrosoft.com")),
        ("unique_name", json!("admin@contoso.onmicrosoft.com")),
        ("given_name", json!("John")),
        ("family_name", json!("Doe")),
        ("appid", json!(CLIENT)),
        ("appidacr", json!("1")),
        ("acr", json!("1")),
        (
            "scp",
            json!("ActivityFeed.Read ActivityReports.Read ServiceHealth.Read"),
        ),
    ] {
        assert_eq!(token[name], value, "{name}");
    }
    assert!(token["roles"].is_null() && token["idp"].is_null());
    assert_ne!(token["sub"], token["oid"]);

    // From now on, the application gets app-only tokens for that tenant.
    let (status, body) = app_token(&emulator, token["tid"].as_str().unwrap());
    assert_eq!(status, 200, "{body}");
    let own = claims(&body);
    assert_eq!(own["roles"], json!(["ActivityFeed.Read", "ServiceHealth.Read"]));
    assert_eq!((&own["tid"], &own["scp"]), (&json!(CUSTOMER), &Value::Null));
    assert_eq!(own["sub"], own["oid"]);

    // The API accepts either token.
    for token in [
        body["access_token"].as_str().unwrap(),
        json_body(&response)["access_token"].as_str().unwrap(),
    ] {
        let path = format!("/api/v1.0/{CUSTOMER}/activity/feed/subscriptions/list");
        assert_eq!(json_body(&get_as(&emulator, &path, token)), json!([]));
    }
}

#[test]
fn second_sign_in_needs_no_consent() {
    let emulator = office();
    emulator
        .approve(&authorize(&[]), "admin@contoso.onmicrosoft.com")
        .unwrap();
    let back = Page::open(&emulator, &authorize(&[])).press(&emulator, "data-user=\"admin@contoso.onmicrosoft.com\"");
    assert!(back.parameter("code").is_some());
    let again = Page::open(&emulator, &authorize(&[("prompt", "consent")]))
        .press(&emulator, "data-user=\"admin@contoso.onmicrosoft.com\"");
    assert!(again.html.contains("id=\"accept\""));
}

#[test]
fn app_roles_require_an_administrator() {
    let emulator = office();
    let page = Page::open(&emulator, &authorize(&[("state", "s")])).press(&emulator, "data-user=\"megan@contoso");
    assert_eq!(
        (page.aadsts(), page.html.contains("id=\"accept\"")),
        (Some(90094), false)
    );
    let error = emulator
        .approve(&authorize(&[]), "megan@contoso.onmicrosoft.com")
        .unwrap_err();
    assert_eq!(error.aadsts, Some(90094));
    let back = page.press(&emulator, "id=\"cancel\"");
    assert_eq!(back.parameter("error").as_deref(), Some("access_denied"));
    assert!(
        back.parameter("error_description")
            .unwrap()
            .starts_with("AADSTS90094: ")
    );
    assert_eq!(back.parameter("state").as_deref(), Some("s"));
    assert_eq!(app_token(&emulator, CUSTOMER).1["error_codes"], json!([700016]));
    // Posting what the page does not offer does not help.
    let page = Page::open(&emulator, &authorize(&[])).press(&emulator, "data-user=\"megan@contoso");
    let transaction = crate::support::browser::attribute(&page.tags("input")[0], "value").unwrap();
    let forged = Page::post(
        &emulator,
        "/signin",
        &format!("transaction={transaction}&decision=accept&organization=yes"),
    );
    assert_eq!((forged.aadsts(), forged.location), (Some(90094), None));
    assert_eq!(app_token(&emulator, CUSTOMER).0, 400);
}

#[test]
fn declined_consent_is_reported() {
    let emulator = office();
    for (url, error) in [
        (authorize(&[("state", "s")]), "access_denied"),
        (
            authorize(&[("state", "s"), ("prompt", "admin_consent")]),
            "access_denied",
        ),
        (
            format!(
                "/common/adminconsent?{}",
                encode(&[("client_id", CLIENT), ("redirect_uri", REDIRECT), ("state", "s")])
            ),
            "permission_denied",
        ),
    ] {
        let redirect = emulator.decline(&url, "admin@contoso.onmicrosoft.com").unwrap();
        assert!(redirect.url.starts_with(REDIRECT));
        assert_eq!(redirect.parameter("error").as_deref(), Some(error), "{url}");
        assert!(
            redirect
                .parameter("error_description")
                .unwrap()
                .starts_with("AADSTS65004: ")
        );
        assert_eq!(redirect.parameter("state").as_deref(), Some("s"));
        assert_eq!(
            (redirect.parameter("code"), redirect.parameter("admin_consent")),
            (None, None)
        );
        assert_eq!(app_token(&emulator, CUSTOMER).0, 400);
    }
    let told = emulator
        .requests()
        .iter()
        .filter(|event| event.aadsts == Some(65004))
        .count();
    assert_eq!(told, 3);
}

#[test]
fn consent_requests_are_recorded_with_lints() {
    let emulator = office();
    emulator
        .approve(&authorize(&[]), "admin@contoso.onmicrosoft.com")
        .unwrap();
    let events = emulator.requests();
    let purposes: Vec<Option<Purpose>> = events.iter().map(|event| event.purpose).collect();
    assert_eq!(
        purposes,
        [Some(Purpose::Authorize), Some(Purpose::SignIn), Some(Purpose::SignIn)]
    );
    assert_eq!(events[0].lints, [Lint::MissingState]);
    assert_eq!(
        (events[0].client_id.as_deref(), events[0].target.as_deref()),
        (Some(CLIENT), Some(MANAGE))
    );
    assert!(!events[0].is_token_request());
}

#[test]
fn user_of_another_tenant_sees_an_error_page() {
    let emulator = Emulator::builder()
        .tenant(Tenant::new("home.example"))
        .tenant(Tenant::new("other.example"))
        .app(
            App::new("a")
                .client_id(CLIENT)
                .redirect_uri(REDIRECT)
                .only_in("home.example"),
        )
        .build();
    let page = Page::open(&emulator, &authorize(&[])).press(&emulator, "data-user=\"adele@other.example");
    assert_eq!((page.aadsts(), page.location), (Some(700016), None));
}

#[test]
fn default_scope_requires_registered_permissions() {
    let emulator = office();
    let url = |scope: &str| {
        let fields = [
            ("client_id", CLIENT),
            ("response_type", "code"),
            ("redirect_uri", REDIRECT),
            ("scope", scope),
        ];
        format!("/common/oauth2/v2.0/authorize?{}", encode(&fields))
    };
    let open = |scope: &str| Page::open(&emulator, &url(scope)).press(&emulator, "data-user=\"admin@contoso");
    let rejected = open("https://graph.microsoft.com/.default");
    assert_eq!(rejected.parameter("error").as_deref(), Some("invalid_resource"));
    let why = rejected.parameter("error_description").unwrap();
    assert!(why.starts_with("AADSTS650057: "), "{why}");
    assert!(
        open("https://manage.office.com/.default")
            .html
            .contains("id=\"accept\"")
    );
}

#[test]
fn cancelling_a_page_is_reported_as_cancel() {
    let emulator = office();
    let subcode = |page: &Page| (page.parameter("error"), page.parameter("error_subcode"));
    let cancelled = (Some("access_denied".to_owned()), Some("cancel".to_owned()));
    let sign_in = Page::open(&emulator, &authorize(&[]));
    assert_eq!(subcode(&sign_in.press(&emulator, "id=\"cancel\"")), cancelled);
    for user in ["admin", "megan"] {
        let page = Page::open(&emulator, &authorize(&[])).press(&emulator, &format!("data-user=\"{user}@contoso"));
        assert_eq!(subcode(&page.press(&emulator, "id=\"cancel\"")), cancelled, "{user}");
    }
    let rejected = Page::open(&emulator, &authorize(&[("prompt", "none")]));
    assert_eq!(subcode(&rejected), (Some("login_required".to_owned()), None));
}

#[test]
fn unknown_user_error_names_the_requested_tenant() {
    let emulator = office();
    let url = authorize(&[]).replace("/common/", "/contoso.onmicrosoft.com/");
    let error = emulator.approve(&url, "adele@mycompany.example").unwrap_err();
    assert_eq!(error.aadsts, Some(50034));
    assert!(
        error.message.ends_with(" does not exist in the contoso directory."),
        "{error}"
    );
}

#[test]
fn consent_page_allows_another_account() {
    let emulator = office();
    let url = authorize(&[("prompt", "admin_consent")]);
    let page = Page::open(&emulator, &url).press(&emulator, "data-user=\"megan@contoso");
    assert_eq!(page.aadsts(), Some(90094));
    let accounts = page.press(&emulator, "id=\"another\"");
    let page = accounts.press(&emulator, "data-user=\"admin@contoso");
    let back = page.press(&emulator, "id=\"accept\"");
    assert!(back.parameter("code").is_some(), "{}", back.html);
    assert_eq!(back.parameter("admin_consent").as_deref(), Some("True"));
    // Only that page has this button.
    let forged = Page::open(&emulator, &url)
        .press(&emulator, "data-user=\"admin@contoso")
        .html
        .contains("id=\"another\"");
    assert!(!forged);
}
