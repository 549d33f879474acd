//! What a browser brings back: which of it is believed, and what must be kept for that.

use entra_proto::authorize::{MAX_REDIRECT, PendingAdminConsent, PendingAuthorization, Redirect};
use entra_proto::error::{ErrorClass, RedirectProblem};
use entra_proto::report::Report;
use entra_proto::{Application, ClientCredential, EndpointVersion, Error};

use crate::browser::{BACK, TENANT, application, back, common, form, problem, started};

#[test]
fn a_consent_is_a_consent_where_nothing_refuses_it() {
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

    for refused in [
        "error=consent_required&error_description=AADSTS65004%3A+declined",
        "error=permission_denied&error_description=The+admin+canceled+the+request",
        "error=access_denied&error_subcode=cancel",
    ] {
        // What stands beside the error does not undo it.
        let error = accept(&format!("admin_consent=True&tenant={TENANT}&{refused}")).unwrap_err();
        let service = error.service().expect("a refusal");
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

    // One sample of the documents writes state=state=12345: that is another state than the one sent.
    let doubled = Redirect::from_query(&format!("admin_consent=True&{tenant}&state=state={state}")).unwrap();
    assert_eq!(problem(pending.accept(&app, &doubled)), RedirectProblem::WrongState);
    let none = Redirect::from_query(&format!("admin_consent=True&{tenant}")).unwrap();
    assert_eq!(problem(pending.accept(&app, &none)), RedirectProblem::NoState(None));

    let text = pending.expose();
    let kept: PendingAdminConsent = text.parse().unwrap();
    assert_eq!(kept.expose(), text);
    let redirect = Redirect::from_query(&format!("state={state}&admin_consent=True&{tenant}")).unwrap();
    assert_eq!(
        kept.accept(&app, &redirect).unwrap(),
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
        assert_eq!(error, "kept consent is not the text that was given to be kept");
    }
}

#[test]
fn a_consent_is_of_the_application_the_authority_and_the_tenant_that_were_asked() {
    const OTHER: &str = "72f988bf-86f1-41af-91ab-2d7cd011db47";
    const PERSONAL: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";
    let at = |tenant: &str| {
        application(&format!("https://login.microsoftonline.com/{tenant}")).with_endpoint_version(EndpointVersion::V1)
    };
    let accept = |asked: &Application, now: &Application, tenant: &str, more: &[(&str, &str)]| {
        let pending = asked.admin_consent(back()).start(&[5; 32]).unwrap().1;
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs([
            ("admin_consent", "True"),
            ("tenant", tenant),
            ("state", pending.state()),
        ]);
        query.extend_pairs(more);
        let kept: PendingAdminConsent = pending.expose().parse().unwrap();
        kept.accept(now, &Redirect::from_query(&query.finish()).unwrap())
    };
    let asked = at("common");
    for other in [
        at("organizations"),
        asked
            .clone()
            .with_authority("https://login.microsoftonline.us/common".parse().unwrap()),
        Application::new(
            asked.authority().clone(),
            TENANT.parse().unwrap(),
            ClientCredential::Public,
        ),
    ] {
        let error = accept(&asked, &other, TENANT, &[]).unwrap_err().to_string();
        assert!(
            error.contains("admin consent was started for another application or authority"),
            "{error}"
        );
    }
    // A version and a credential make no other application.
    assert!(
        accept(
            &asked,
            &asked.clone().with_endpoint_version(EndpointVersion::V2),
            TENANT,
            &[]
        )
        .is_ok()
    );

    let issuer = format!("https://login.microsoftonline.com/{TENANT}/v2.0");
    assert!(accept(&asked, &asked, TENANT, &[("iss", &issuer)]).is_ok());
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

    for (asked, tenant, good) in [
        (TENANT, TENANT, true),
        (TENANT, OTHER, false),
        ("contoso.com", OTHER, true),
        ("common", OTHER, true),
        ("organizations", OTHER, true),
        ("organizations", PERSONAL, false),
    ] {
        let app = at(asked);
        match accept(&app, &app, tenant, &[]) {
            Ok(consent) => assert!(good && consent.tenant.to_string() == tenant, "{asked} {tenant}"),
            refused if tenant == PERSONAL => {
                assert!(!good, "{asked} {tenant}: {refused:?}");
                let error = refused.unwrap_err().to_string();
                assert!(error.contains("personal Microsoft accounts"), "{error}");
            }
            refused => {
                assert!(!good, "{asked} {tenant}: {refused:?}");
                assert_eq!(problem(refused), RedirectProblem::WrongTenant(tenant.parse().unwrap()));
            }
        }
    }
}

#[test]
fn a_refusal_counts_before_the_code_beside_it_and_a_wrong_state_before_both() {
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
        let service = error.service().expect("a refusal");
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
    // An empty error is none.
    assert!(redeem(&format!("{state}&error=&code=c")).is_ok());
    for code in ["", "a+b", "a%0Ab", "%C3%A9"] {
        assert_eq!(
            problem(redeem(&format!("{state}&code={code}"))),
            RedirectProblem::UnfitCode,
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
    // Another credential or version is no other application: the version is that of the sign-in.
    let request = pending.redeem(
        &app.clone().with_endpoint_version(EndpointVersion::V1),
        &Redirect::from_query(&format!("{state}&code=c")).unwrap(),
    );
    assert_eq!(request.unwrap().application().version(), EndpointVersion::V2);
}

#[test]
fn an_issuer_that_is_named_must_be_the_one_that_was_asked() {
    let issuer = format!("https://login.microsoftonline.com/{TENANT}/v2.0");
    let elsewhere = "https://login.evil.example/x/v2.0";
    for (authority, iss, good) in [
        ("common", issuer.as_str(), true),
        (TENANT, issuer.as_str(), true),
        ("72f988bf-86f1-41af-91ab-2d7cd011db47", issuer.as_str(), false),
        ("common", elsewhere, false),
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
    // An error keeps no more of it than a line.
    let app = common();
    let pending = started(&app);
    // An issuer that is no URL may be a token.
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
fn every_way_back_brings_the_same_code() {
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
    // What is no name of Entra's may be a code that was handed in alone.
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
fn a_kept_sign_in_that_was_tampered_with_is_none() {
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
        assert_eq!(error, "kept sign-in is not the text that was given to be kept");
    }
}
