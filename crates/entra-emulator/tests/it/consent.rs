//! Consent, as the documents tell it: who may give it, what it gives, and how a refusal comes back.

use crate::support::assertion::Draft;
use crate::support::browser::Page;
use crate::support::{claims, encode, get_as, json_body, post};
use entra_emulator::{App, Emulator, Lint, Purpose, Tenant, User};
use serde_json::{Value, json};

const MANAGE: &str = "https://manage.office.com";
const CLIENT: &str = "a6099727-6b7b-482c-b509-1df309acc563";
const CUSTOMER: &str = "41463f53-8812-40f4-890f-865bf6e35190";
const REDIRECT: &str = "http://www.mycompany.com/myapp/";

/// The app of the Office 365 document, registered at home, and a customer whose administrator has not heard of it.
fn office() -> Emulator {
    Emulator::builder()
        .tenant(Tenant::new("mycompany.example"))
        .tenant(
            Tenant::new("contoso.onmicrosoft.com")
                .id(CUSTOMER)
                .user(
                    User::new("John Doe")
                        .user_principal_name("admin@contoso.onmicrosoft.com")
                        .admin(),
                )
                .user(User::new("Megan Bowen")),
        )
        .app(
            App::new("Activity watcher")
                .client_id(CLIENT)
                .secret("s3cret")
                .multi_tenant()
                .redirect_uri(REDIRECT)
                .request(MANAGE, "ServiceHealth.Read")
                .request(MANAGE, "ActivityFeed.Read")
                .request_scope(MANAGE, "ActivityFeed.Read")
                .request_scope(MANAGE, "ActivityReports.Read")
                .request_scope(MANAGE, "ServiceHealth.Read"),
        )
        .build()
}

fn authorize(more: &[(&str, &str)]) -> String {
    let mut fields = vec![
        ("response_type", "code"),
        ("resource", MANAGE),
        ("client_id", CLIENT),
        ("redirect_uri", REDIRECT),
    ];
    for (name, value) in more {
        fields.retain(|(known, _)| known != name);
        if *value != "-" {
            fields.push((name, value));
        }
    }
    format!("/common/oauth2/authorize?{}", encode(&fields))
}

fn app_token(emulator: &Emulator, tenant: &str) -> (u16, Value) {
    let answer = post(
        emulator,
        &format!("/{tenant}/oauth2/token"),
        &[
            ("grant_type", "client_credentials"),
            ("client_id", CLIENT),
            ("client_secret", "s3cret"),
            ("resource", MANAGE),
        ],
    );
    (answer.status().as_u16(), json_body(&answer))
}

#[test]
fn the_walk_of_the_office_365_document() {
    let emulator = office();
    // Before anybody consented the app is unknown to the customer.
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

    // The app does not know the tenant yet, so it asks `common`.
    let answer = post(
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
    assert_eq!(answer.status(), 200);
    let body = json_body(&answer);
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

    // From now on the app gets tokens of its own for that tenant.
    let (status, body) = app_token(&emulator, token["tid"].as_str().unwrap());
    assert_eq!(status, 200, "{body}");
    let own = claims(&body);
    assert_eq!(own["roles"], json!(["ActivityFeed.Read", "ServiceHealth.Read"]));
    assert_eq!((&own["tid"], &own["scp"]), (&json!(CUSTOMER), &Value::Null));
    assert_eq!(own["sub"], own["oid"]);

    // And the API takes either.
    for token in [
        body["access_token"].as_str().unwrap(),
        json_body(&answer)["access_token"].as_str().unwrap(),
    ] {
        let path = format!("/api/v1.0/{CUSTOMER}/activity/feed/subscriptions/list");
        assert_eq!(json_body(&get_as(&emulator, &path, token)), json!([]));
    }
}

#[test]
fn a_second_visit_asks_nothing() {
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
fn only_an_administrator_lets_such_an_app_in() {
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
    // Nor by posting what the page does not offer.
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
fn consent_for_everyone_says_so() {
    let emulator = office();
    let url = authorize(&[("prompt", "admin_consent"), ("state", "x y&z")]);
    let redirect = emulator.approve(&url, "admin@contoso.onmicrosoft.com").unwrap();
    assert_eq!(redirect.parameter("admin_consent").as_deref(), Some("True"));
    assert_eq!(redirect.parameter("state").as_deref(), Some("x y&z"));
    // Megan is not asked any more.
    let back = Page::open(&emulator, &authorize(&[])).press(&emulator, "data-user=\"megan@contoso");
    assert!(back.parameter("code").is_some());
    // Without that prompt the answer does not say it, and consent is for the one who gave it.
    let emulator = office();
    let redirect = emulator
        .approve(&authorize(&[]), "admin@contoso.onmicrosoft.com")
        .unwrap();
    assert_eq!(redirect.parameter("admin_consent"), None);
    let page = Page::open(&emulator, &authorize(&[])).press(&emulator, "data-user=\"megan@contoso");
    assert_eq!(page.aadsts(), Some(90094));
    let refused = emulator.approve(&url, "megan@contoso.onmicrosoft.com").unwrap_err();
    assert_eq!(refused.aadsts, Some(90094));
}

#[test]
fn an_administrator_may_tick_the_organization() {
    let emulator = office();
    let consent = Page::open(&emulator, &authorize(&[])).press(&emulator, "data-user=\"admin@");
    assert!(consent.html.contains("id=\"organization\""));
    consent.press_with(&emulator, "id=\"accept\"", &[("organization", "yes")]);
    let back = Page::open(&emulator, &authorize(&[])).press(&emulator, "data-user=\"megan@contoso");
    assert!(back.parameter("code").is_some());
}

#[test]
fn declined_by_the_user() {
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
fn admin_consent_of_version_one() {
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
    let refused = emulator.approve(&url, "megan@contoso.onmicrosoft.com").unwrap_err();
    assert_eq!(refused.aadsts, Some(90094));
    // A path below a registered URI is for authorize alone.
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
fn admin_consent_of_version_two() {
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
    // The trap of the documents: the mark of success beside the error.
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

    // Named scopes give no app roles.
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
fn other_tenants_know_only_what_they_agreed_to() {
    let emulator = Emulator::builder()
        .tenant(Tenant::new("home.example"))
        .tenant(Tenant::new("other.example"))
        .app(
            App::new("a")
                .client_id(CLIENT)
                .secret("s3cret")
                .home("home.example")
                .redirect_uri(REDIRECT)
                .grant(MANAGE, "ActivityFeed.Read")
                .request_scope(MANAGE, "ActivityFeed.Read"),
        )
        .build();
    assert_eq!(app_token(&emulator, "home.example").0, 200);
    assert_eq!(app_token(&emulator, "other.example").1["error_codes"], json!([700016]));
    // It is not for other tenants at all, so nobody can change that.
    assert_eq!(Page::open(&emulator, &authorize(&[])).aadsts(), Some(50194));
    let url = authorize(&[]).replace("/common/", "/other.example/");
    assert_eq!(Page::open(&emulator, &url).aadsts(), Some(700016));
    let url = authorize(&[]).replace("/common/", "/home.example/");
    assert!(emulator.approve(&url, "adele@home.example").is_ok());
}

#[test]
fn what_was_granted_at_home_counts_at_home_only() {
    let emulator = Emulator::builder()
        .tenant(Tenant::new("home.example"))
        .tenant(Tenant::new("other.example"))
        .app(
            App::new("a")
                .client_id(CLIENT)
                .secret("s3cret")
                .multi_tenant()
                .redirect_uri(REDIRECT)
                .grant(MANAGE, "ActivityFeed.Read")
                .grant_scope("https://graph.microsoft.com", "User.Read"),
        )
        .build();
    let fields = [
        ("client_id", CLIENT),
        ("response_type", "code"),
        ("redirect_uri", REDIRECT),
        ("scope", "User.Read"),
    ];
    let url = format!("/other.example/oauth2/v2.0/authorize?{}", encode(&fields));
    // The scope that was granted at home is asked for here.
    assert!(
        Page::open(&emulator, &url)
            .press(&emulator, "data-user=\"megan@")
            .html
            .contains("id=\"accept\"")
    );
    emulator.approve(&url, "megan@other.example").unwrap();
    let roles = |tenant: &str| claims(&app_token(&emulator, tenant).1)["roles"].clone();
    assert_eq!(
        (roles("home.example"), roles("other.example")),
        (json!(["ActivityFeed.Read"]), Value::Null)
    );
}

#[test]
fn a_certificate_authenticates_on_common_as_well() {
    let emulator = Emulator::builder()
        .app(
            App::new("a")
                .client_id(CLIENT)
                .certificate_pem(crate::support::assertion::APP)
                .redirect_uri(REDIRECT)
                .request_scope(MANAGE, "ActivityFeed.Read"),
        )
        .build();
    for (audience, status) in [
        ("https://login.microsoftonline.com/common/oauth2/token", 200),
        (
            &*format!(
                "https://login.microsoftonline.com/{}/oauth2/token",
                emulator.tenant_id()
            ),
            200,
        ),
        ("https://login.microsoftonline.com/other.example/oauth2/token", 401),
    ] {
        let redirect = emulator.approve(&authorize(&[]), "Adele Vance").unwrap();
        let assertion = Draft::new(&emulator).claim("aud", audience).sign();
        let answer = post(
            &emulator,
            "/common/oauth2/token",
            &[
                ("grant_type", "authorization_code"),
                ("code", &redirect.parameter("code").unwrap()),
                ("redirect_uri", REDIRECT),
                ("client_id", CLIENT),
                (
                    "client_assertion_type",
                    "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
                ),
                ("client_assertion", &assertion),
            ],
        );
        assert_eq!(answer.status(), status, "{audience} {}", json_body(&answer));
        if status == 200 {
            assert_eq!(claims(&json_body(&answer))["appidacr"], "2");
        }
    }
}

#[test]
fn requests_are_recorded_with_findings() {
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
fn only_an_administrator_consents_for_the_organization() {
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
    // The page of a plain user offers no such box, so a form that says so is one made by hand.
    let page = open("alex");
    assert!(!page.html.contains("id=\"organization\""));
    let back = page.press_with(&emulator, "id=\"accept\"", &[("organization", "yes")]);
    assert!(back.parameter("code").is_some());
    assert!(open("megan").html.contains("id=\"accept\""));
    assert!(open("alex").parameter("code").is_some());
}

#[test]
fn a_user_of_a_tenant_that_the_app_is_not_for_is_told_on_a_page() {
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
fn all_of_an_api_is_asked_for_only_if_the_registration_lists_it() {
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
    let refused = open("https://graph.microsoft.com/.default");
    assert_eq!(refused.parameter("error").as_deref(), Some("invalid_resource"));
    let why = refused.parameter("error_description").unwrap();
    assert!(why.starts_with("AADSTS650057: "), "{why}");
    assert!(
        open("https://manage.office.com/.default")
            .html
            .contains("id=\"accept\"")
    );
}

#[test]
fn an_app_of_one_tenant_is_for_no_shared_endpoint() {
    let emulator = Emulator::builder()
        .tenant(Tenant::new("home.example"))
        .tenant(Tenant::new("other.example"))
        .app(
            App::new("a")
                .client_id(CLIENT)
                .public_client()
                .home("home.example")
                .redirect_uri(REDIRECT)
                .grant_scope("https://graph.microsoft.com", "User.Read"),
        )
        .build();
    let fields = [
        ("client_id", CLIENT),
        ("response_type", "code"),
        ("redirect_uri", REDIRECT),
        ("scope", "offline_access User.Read"),
    ];
    let authorize = |tenant: &str| format!("/{tenant}/oauth2/v2.0/authorize?{}", encode(&fields));
    let device = |tenant: &str| post(&emulator, &format!("/{tenant}/oauth2/v2.0/devicecode"), &fields);
    let token = |tenant: &str, fields: &[(&str, &str)]| {
        let fields = [&[("client_id", CLIENT)][..], fields].concat();
        json_body(&post(&emulator, &format!("/{tenant}/oauth2/v2.0/token"), &fields))
    };
    let code = emulator.approve(&authorize("home.example"), "Alex Wilber").unwrap();
    let code = code.parameter("code").unwrap();
    let waiting = json_body(&device("home.example"));
    let redeem = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", REDIRECT),
    ];
    let poll = [
        ("grant_type", "device_code"),
        ("device_code", waiting["device_code"].as_str().unwrap()),
    ];
    for shared in ["common", "organizations"] {
        assert_eq!(
            Page::open(&emulator, &authorize(shared)).aadsts(),
            Some(50194),
            "{shared}"
        );
        assert_eq!(json_body(&device(shared))["error_codes"], json!([50194]), "{shared}");
        for grant in [&redeem[..], &poll] {
            assert_eq!(
                token(shared, grant)["error_codes"],
                json!([50194]),
                "{shared} {grant:?}"
            );
        }
    }
    assert_eq!(token("home.example", &poll)["error"], "authorization_pending");
    let body = token("home.example", &redeem);
    let refresh = [
        ("grant_type", "refresh_token"),
        ("refresh_token", body["refresh_token"].as_str().unwrap()),
    ];
    for shared in ["common", "organizations"] {
        assert_eq!(token(shared, &refresh)["error_codes"], json!([50194]), "{shared}");
    }
    assert!(token("home.example", &refresh)["access_token"].is_string());

    // One of several tenants has a home as well, and is for any of them.
    let several = App::new("several")
        .home("home.example")
        .multi_tenant()
        .redirect_uri(REDIRECT);
    let emulator = Emulator::builder()
        .tenant(Tenant::new("home.example"))
        .app(several.client_id(CLIENT).public_client())
        .build();
    assert_eq!(Page::open(&emulator, &authorize("common")).aadsts(), None);
    assert_eq!(post(&emulator, "/common/oauth2/v2.0/devicecode", &fields).status(), 200);
}

#[test]
fn admin_consent_always_names_where_its_answer_goes() {
    let emulator = office();
    let fields = [("client_id", CLIENT), ("scope", "https://manage.office.com/.default")];
    for endpoint in ["/common/adminconsent", "/organizations/v2.0/adminconsent"] {
        let page = Page::open(&emulator, &format!("{endpoint}?{}", encode(&fields)));
        assert_eq!((page.aadsts(), page.location), (Some(900144), None), "{endpoint}");
    }
}

#[test]
fn regional_hosts_explain_their_refusals_themselves() {
    let emulator = office();
    for (host, explained) in [
        ("login.microsoftonline.com", "login.microsoftonline.com"),
        ("westus2.login.microsoft.com", "westus2.login.microsoft.com"),
        ("elsewhere.example", "login.microsoftonline.com"),
    ] {
        let url = format!("https://{host}{}", authorize(&[("prompt", "none")]));
        let uri = Page::open(&emulator, &url).parameter("error_uri").unwrap();
        assert_eq!(uri, format!("https://{explained}/error?code=50058"));
    }
}

#[test]
fn an_administrator_reads_every_permission_that_is_asked() {
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
        // What is agreed to for everyone is not in one's own name.
        assert!(page.html.contains("for every user of") && !page.html.contains("in your name"));
        let back = page.press(&emulator, "id=\"accept\"");
        assert_eq!(back.parameter("scope").as_deref(), Some(granted));
    }
    // Where there is nothing to list, the page speaks of nothing that is listed.
    let nothing = Emulator::builder()
        .app(App::new("a").client_id(CLIENT).redirect_uri(REDIRECT))
        .build();
    let fields = [("client_id", CLIENT), ("redirect_uri", REDIRECT)];
    let page = Page::open(&nothing, &format!("/common/adminconsent?{}", encode(&fields)))
        .press(&nothing, "data-user=\"adele@");
    assert!(page.html.contains("may be used by every user") && !page.html.contains("these permissions"));
}

#[test]
fn whoever_goes_back_from_a_page_is_told_to_have_cancelled() {
    let emulator = office();
    let subcode = |page: &Page| (page.parameter("error"), page.parameter("error_subcode"));
    let cancelled = (Some("access_denied".to_owned()), Some("cancel".to_owned()));
    let sign_in = Page::open(&emulator, &authorize(&[]));
    assert_eq!(subcode(&sign_in.press(&emulator, "id=\"cancel\"")), cancelled);
    for user in ["admin", "megan"] {
        let page = Page::open(&emulator, &authorize(&[])).press(&emulator, &format!("data-user=\"{user}@contoso"));
        assert_eq!(subcode(&page.press(&emulator, "id=\"cancel\"")), cancelled, "{user}");
    }
    let refused = Page::open(&emulator, &authorize(&[("prompt", "none")]));
    assert_eq!(subcode(&refused), (Some("login_required".to_owned()), None));
}

#[test]
fn a_user_who_is_not_offered_is_refused_with_the_tenant_that_was_asked_for() {
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
fn a_user_who_needs_an_administrator_may_sign_in_as_one() {
    let emulator = office();
    let url = authorize(&[("prompt", "admin_consent")]);
    let page = Page::open(&emulator, &url).press(&emulator, "data-user=\"megan@contoso");
    assert_eq!(page.aadsts(), Some(90094));
    let accounts = page.press(&emulator, "id=\"another\"");
    let page = accounts.press(&emulator, "data-user=\"admin@contoso");
    let back = page.press(&emulator, "id=\"accept\"");
    assert!(back.parameter("code").is_some(), "{}", back.html);
    assert_eq!(back.parameter("admin_consent").as_deref(), Some("True"));
    // Only that page offers it.
    let forged = Page::open(&emulator, &url)
        .press(&emulator, "data-user=\"admin@contoso")
        .html
        .contains("id=\"another\"");
    assert!(!forged);
}

#[test]
fn a_wrong_redirect_uri_is_shown_beside_the_registered_ones() {
    let emulator = office();
    let page = Page::open(&emulator, &authorize(&[("redirect_uri", "https://evil.example/")]));
    assert_eq!(page.aadsts(), Some(50011));
    let registered = emulator.apps()[0].redirect_uris.first().cloned().unwrap();
    assert!(page.html.contains(&format!("<li>{registered}</li>")), "{}", page.html);
}
