//! Redirects: which ones are accepted, and the state that is stored to validate them.

use entra_proto::authorize::{PendingAdminConsent, PendingAuthorization, Redirect};
use entra_proto::error::{ErrorClass, RedirectProblem};
use entra_proto::report::Report;
use entra_proto::{Application, ClientCredential, EndpointVersion, Error};

use crate::browser::{BACK, TENANT, application, back, common, form, problem, started};

const MAX_REDIRECT: usize = 256 * 1024;

#[test]
fn admin_consent_accepts_valid_redirects() {
    let app = common().with_endpoint_version(EndpointVersion::V1);
    let pending = app.admin_consent(back()).start(&[5; 32]).unwrap().1;
    let state = pending.state().to_owned();
    let accept = |rest: &str| pending.accept(&app, &Redirect::from_query(&format!("state={state}&{rest}")).unwrap());
    let consent = accept(&format!("admin_consent=True&tenant={TENANT}&scope=a+b")).unwrap();
    assert_eq!(
        (consent.tenant.to_string().as_str(), consent.scope.as_deref()),
        (TENANT, Some("a b"))
    );
    assert_eq!(
        accept(&format!("admin_consent=true&tenant={TENANT}")).unwrap().scope,
        None
    );

    for rejection in [
        "error=consent_required&error_description=AADSTS65004%3A+declined",
        "error=permission_denied&error_description=The+admin+canceled+the+request",
        "error=access_denied&error_subcode=cancel",
    ] {
        // An error takes precedence over the other parameters.
        let error = accept(&format!("admin_consent=True&tenant={TENANT}&{rejection}")).unwrap_err();
        let service = error.service().expect("an error response");
        assert_eq!((service.status, service.class()), (0, ErrorClass::Consent), "{error}");
        assert!(format!("{:#}", Report::of(&error)).contains("(by redirect"), "{error}");
    }
    let cancelled = accept("error=access_denied&error_subcode=cancel&error_uri=https%3A%2F%2Fx").unwrap_err();
    let service = cancelled.service().unwrap();
    assert_eq!(
        (service.suberror.as_deref(), service.error_uri.as_deref()),
        (Some("cancel"), Some("https://x"))
    );
    let tenant = format!("tenant={TENANT}");
    assert_eq!(problem(accept(&tenant)), RedirectProblem::NoConsent);
    assert_eq!(
        problem(accept(&format!("{tenant}&admin_consent=False"))),
        RedirectProblem::NoConsent
    );
    assert_eq!(problem(accept("admin_consent=True")), RedirectProblem::NoTenant);
    assert_eq!(
        problem(accept("admin_consent=True&tenant=contoso.com")),
        RedirectProblem::NoTenant
    );

    // A sample in the documents has state=state=12345, which is another state than the one sent.
    let doubled = Redirect::from_query(&format!("admin_consent=True&{tenant}&state=state={state}")).unwrap();
    assert_eq!(problem(pending.accept(&app, &doubled)), RedirectProblem::WrongState);
    let none = Redirect::from_query(&format!("admin_consent=True&{tenant}")).unwrap();
    assert_eq!(problem(pending.accept(&app, &none)), RedirectProblem::NoState(None));

    let text = pending.expose();
    let stored: PendingAdminConsent = text.parse().unwrap();
    assert_eq!(stored.expose(), text);
    let redirect = Redirect::from_query(&format!("state={state}&admin_consent=True&{tenant}")).unwrap();
    assert_eq!(
        stored.accept(&app, &redirect).unwrap(),
        pending.accept(&app, &redirect).unwrap()
    );
    for bad in [
        String::new(),
        state.clone(),
        format!("{}A", *text),
        text.replace("&state=", "&state=%2B"),
        text.replace("&state=", "&stale="),
        text.replace("authority=https", "authority=http"),
        text.replace("client_id=", "client_id=x"),
        text.replace(&state, &format!("{}+", &state[1..])),
    ] {
        let error = bad.parse::<PendingAdminConsent>().expect_err(&bad).to_string();
        assert_eq!(error, "pending consent is not the text that expose returned");
    }
}

#[test]
fn consent_must_match_application_authority_and_tenant() {
    const OTHER: &str = "72f988bf-86f1-41af-91ab-2d7cd011db47";
    const PERSONAL: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";
    let at = |tenant: &str| {
        application(&format!("https://login.microsoftonline.com/{tenant}")).with_endpoint_version(EndpointVersion::V1)
    };
    let accept = |started: &Application, now: &Application, tenant: &str, more: &[(&str, &str)]| {
        let pending = started.admin_consent(back()).start(&[5; 32]).unwrap().1;
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs([
            ("admin_consent", "True"),
            ("tenant", tenant),
            ("state", pending.state()),
        ]);
        query.extend_pairs(more);
        let stored: PendingAdminConsent = pending.expose().parse().unwrap();
        stored.accept(now, &Redirect::from_query(&query.finish()).unwrap())
    };
    let started = at("common");
    for other in [
        at("organizations"),
        started
            .clone()
            .with_authority("https://login.microsoftonline.us/common".parse().unwrap()),
        Application::new(
            started.authority().clone(),
            TENANT.parse().unwrap(),
            ClientCredential::Public,
        ),
    ] {
        let error = accept(&started, &other, TENANT, &[]).unwrap_err().to_string();
        assert!(
            error.contains("admin consent was started for another application or authority"),
            "{error}"
        );
    }
    // The version and the credential do not matter.
    assert!(
        accept(
            &started,
            &started.clone().with_endpoint_version(EndpointVersion::V2),
            TENANT,
            &[]
        )
        .is_ok()
    );

    let issuer = format!("https://login.microsoftonline.com/{TENANT}/v2.0");
    assert!(accept(&started, &started, TENANT, &[("iss", &issuer)]).is_ok());
    for (tenant, iss) in [
        ("common", "https://login.evil.example/x"),
        ("common", ""),
        (OTHER, &*issuer),
    ] {
        let app = at(tenant);
        for more in [&[("iss", iss)][..], &[("iss", iss), ("error", "access_denied")]] {
            assert_eq!(
                problem(accept(&app, &app, TENANT, more)),
                RedirectProblem::WrongIssuer(iss.into())
            );
        }
    }

    for (requested, tenant, good) in [
        (TENANT, TENANT, true),
        (TENANT, OTHER, false),
        ("contoso.com", OTHER, true),
        ("common", OTHER, true),
        ("organizations", OTHER, true),
        ("organizations", PERSONAL, false),
    ] {
        let app = at(requested);
        match accept(&app, &app, tenant, &[]) {
            Ok(consent) => assert!(good && consent.tenant.to_string() == tenant, "{requested} {tenant}"),
            rejected if tenant == PERSONAL => {
                assert!(!good, "{requested} {tenant}: {rejected:?}");
                let error = rejected.unwrap_err().to_string();
                assert!(error.contains("personal Microsoft accounts"), "{error}");
            }
            rejected => {
                assert!(!good, "{requested} {tenant}: {rejected:?}");
                assert_eq!(problem(rejected), RedirectProblem::WrongTenant(tenant.parse().unwrap()));
            }
        }
    }
}

#[test]
fn state_takes_precedence_over_errors_and_errors_over_codes() {
    let app = common();
    let pending = started(&app);
    let redeem = |query: &str| pending.redeem(&app, &Redirect::from_query(query).unwrap());
    let state = format!("state={}", pending.state());
    for (query, class, code) in [
        (
            "error=access_denied&error_description=AADSTS65004%3A+User+declined",
            ErrorClass::Consent,
            Some(65_004),
        ),
        (
            "error=login_required&error_description=AADSTS50058%3A+x",
            ErrorClass::Interaction,
            Some(50_058),
        ),
        ("error=interaction_required", ErrorClass::Interaction, None),
        ("error=temporarily_unavailable", ErrorClass::Transient, None),
        ("error=invalid_resource", ErrorClass::Scope, None),
        (
            "error=something_new&error_uri=https%3A%2F%2Fx",
            ErrorClass::Unknown,
            None,
        ),
    ] {
        let error = redeem(&format!("{state}&{query}&code=c&admin_consent=True")).unwrap_err();
        let service = error.service().expect("an error response");
        assert_eq!(
            (service.class(), service.codes.first().copied()),
            (class, code),
            "{error}"
        );
    }
    assert_eq!(
        problem(redeem(&format!("{state}x&error=access_denied"))),
        RedirectProblem::WrongState
    );
    assert_eq!(problem(redeem("state=&code=c")), RedirectProblem::WrongState);
    assert_eq!(problem(redeem("code=c")), RedirectProblem::NoState(None));
    assert_eq!(
        problem(redeem("error=access_denied")),
        RedirectProblem::NoState(Some("access_denied".into()))
    );
    assert_eq!(problem(redeem(&state)), RedirectProblem::NoCode);
    // An empty `error` counts as absent.
    assert!(redeem(&format!("{state}&error=&code=c")).is_ok());
    for code in ["", "a+b", "a%0Ab", "%C3%A9"] {
        assert_eq!(
            problem(redeem(&format!("{state}&code={code}"))),
            RedirectProblem::InvalidCode,
            "{code}"
        );
    }
    for app in [
        common().with_authority("https://login.microsoftonline.com/organizations".parse().unwrap()),
        common().with_authority("https://login.microsoftonline.us/common".parse().unwrap()),
        Application::new(
            "https://login.microsoftonline.com/common".parse().unwrap(),
            TENANT.parse().unwrap(),
            ClientCredential::Public,
        ),
    ] {
        let error = pending
            .redeem(&app, &Redirect::from_query(&format!("{state}&code=c")).unwrap())
            .unwrap_err();
        assert!(
            error.to_string().contains("another application or authority"),
            "{error}"
        );
    }
    // The credential and the version do not matter: the version is that of the sign-in.
    let request = pending.redeem(
        &app.clone().with_endpoint_version(EndpointVersion::V1),
        &Redirect::from_query(&format!("{state}&code=c")).unwrap(),
    );
    assert_eq!(request.unwrap().application().version(), EndpointVersion::V2);
}

#[test]
fn named_issuer_must_match_the_authority() {
    let issuer = format!("https://login.microsoftonline.com/{TENANT}/v2.0");
    let other = "https://login.evil.example/x/v2.0";
    for (authority, iss, good) in [
        ("common", issuer.as_str(), true),
        (TENANT, issuer.as_str(), true),
        ("72f988bf-86f1-41af-91ab-2d7cd011db47", issuer.as_str(), false),
        ("common", other, false),
        ("common", "", false),
    ] {
        let app = application(&format!("https://login.microsoftonline.com/{authority}"));
        let pending = started(&app);
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs([
                ("code", "c"),
                ("state", pending.state()),
                ("iss", iss),
                ("error", if good { "" } else { "x" }),
            ])
            .finish();
        let outcome = pending.redeem(&app, &Redirect::from_query(&query).unwrap());
        if good {
            assert!(outcome.is_ok(), "{authority} {iss}");
        } else {
            assert_eq!(
                problem(outcome),
                RedirectProblem::WrongIssuer(iss.into()),
                "{authority} {iss}"
            );
        }
    }
    // The error contains a shortened issuer.
    let app = common();
    let pending = started(&app);
    // An issuer that is not a URL may be a token.
    for (iss, length) in [
        (format!("https://a.example/{}", "x/".repeat(1000)), 200),
        ("x".repeat(10_000), 1),
    ] {
        let long = format!("code=c&state={}&iss={iss}", pending.state());
        let error = pending.redeem(&app, &Redirect::from_query(&long).unwrap()).unwrap_err();
        assert!(
            matches!(&error, Error::Redirect(error) if matches!(&error.problem, RedirectProblem::WrongIssuer(text) if text.len() == length))
        );
    }
}

#[test]
fn every_response_mode_yields_the_same_code() {
    let app = common();
    let pending = started(&app);
    let text = format!("code=0.AX%2BY%2F_-~&state={}", pending.state());
    let redirects = [
        Redirect::from_query(&text),
        Redirect::from_query(&format!("?{text}&")),
        Redirect::from_fragment(&format!("#{text}")),
        Redirect::from_form(text.as_bytes()),
        Redirect::from_url(&format!("{BACK}?{text}")),
        Redirect::from_url(&format!("{BACK}?state=of-the-uri#{text}")),
    ];
    for redirect in redirects {
        let request = pending.redeem(&app, &redirect.unwrap()).unwrap();
        assert_eq!(form(&request)["code"], "0.AX+Y/_-~");
    }
    assert_eq!(
        problem(Redirect::from_url(&format!("{BACK}?{text}&code=b"))),
        RedirectProblem::Duplicate("code".into())
    );
    assert_eq!(
        problem(Redirect::from_query(&format!("{text}&state=b"))),
        RedirectProblem::Duplicate("state".into())
    );
    // An unknown parameter name may be a code that was passed without a name.
    assert_eq!(
        problem(Redirect::from_query("canary&canary")),
        RedirectProblem::Duplicate("?".into())
    );
    assert_eq!(
        format!("{:?}", Redirect::from_query("canary").unwrap()),
        r#"Redirect["?"]"#
    );
    assert_eq!(
        problem(Redirect::from_url(&format!("{BACK}?{}", text.replace('&', "&amp;")))),
        RedirectProblem::HtmlEscaped
    );
    assert!(Redirect::from_query(&"a".repeat(MAX_REDIRECT)).is_ok());
    assert_eq!(
        problem(Redirect::from_query(&"a".repeat(MAX_REDIRECT + 1))),
        RedirectProblem::TooLarge
    );
}

#[test]
fn tampered_stored_sign_in_is_rejected() {
    let text = started(&common()).expose();
    assert!(text.parse::<PendingAuthorization>().is_ok());
    let replaced = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        text.replace(from, to)
    };
    for bad in [
        String::new(),
        "state".to_owned(),
        replaced("version=2", "version=3"),
        replaced("authority=https", "authority=http"),
        replaced("login.microsoftonline.com", "user%40login.microsoftonline.com%0a"),
        replaced("&state=", "&state=x"),
        replaced("&nonce=", "&nonce=x"),
        replaced("&nonce=", "&nonse="),
        replaced("&code_verifier=", "&code_verifier=%0a"),
        replaced("&scope=", "&scope=%22"),
        replaced("&redirect_uri=https", "&redirect_uri=javascript"),
        format!("{}&claims=canary", text.as_str()),
        format!("{}&state=canary", text.as_str()),
    ] {
        let error = bad.parse::<PendingAuthorization>().expect_err(&bad).to_string();
        assert_eq!(error, "pending sign-in is not the text that expose returned");
    }
}
