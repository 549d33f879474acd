//! What a browser brings back: which of it is believed, and what must be kept for that.

use entra_proto::{
    Application, Authority, ClaimsRequest, ClientCredential, EndpointVersion, Error, ErrorClass, MAX_REDIRECT,
    PendingAdminConsent, PendingAuthorization, Redirect, RedirectProblem, Target,
};
use proptest::prelude::*;

use crate::browser::{BACK, ID, TENANT, application, back, common, form, graph, problem, started};

#[test]
fn a_consent_is_a_consent_where_nothing_refuses_it() {
    let app = common().on(EndpointVersion::V1);
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
        assert!(error.to_string().contains("(by redirect"), "{error}");
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
    let at = |tenant: &str| application(&format!("https://login.microsoftonline.com/{tenant}")).on(EndpointVersion::V1);
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
            .at("https://login.microsoftonline.us/common".parse().unwrap()),
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
    assert!(accept(&asked, &asked.clone().on(EndpointVersion::V2), TENANT, &[]).is_ok());

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
        common().at("https://login.microsoftonline.com/organizations".parse().unwrap()),
        common().at("https://login.microsoftonline.us/common".parse().unwrap()),
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
        &app.clone().on(EndpointVersion::V1),
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

fn target() -> impl Strategy<Value = Target> {
    let resource = "(https://|api://)[a-z0-9.]{1,12}(/[!-$&-Z^-~]{0,6}){0,2}/{0,2}";
    let scopes = proptest::collection::vec(
        "(https://|api://)[a-z.]{1,8}/{1,2}[A-Za-z.+&=]{1,8}|openid|User.Read",
        1..4,
    );
    prop_oneof![
        resource.prop_filter_map("no resource", |text: String| Target::resource(&text).ok()),
        scopes.prop_filter_map("no scopes", |scopes| Target::scopes(&scopes.join(" ")).ok()),
    ]
}

fn sign_in() -> impl Strategy<Value = (Application, PendingAuthorization)> {
    let authority = prop_oneof![
        Just("https://login.microsoftonline.com/common".parse::<Authority>().unwrap()),
        Just("https://login.partner.microsoftonline.cn/contoso.com".parse().unwrap()),
        Just(Authority::loopback("http://127.0.0.1:8080/41463f53-8812-40f4-890f-865bf6e35190").unwrap()),
    ];
    let version = prop_oneof![Just(EndpointVersion::V1), Just(EndpointVersion::V2)];
    let claims = proptest::option::of("[a-z]{0,5}\\PC{0,9}");
    let uri = "[a-z0-9/?&=%.]{0,20}";
    let bytes = proptest::collection::vec(any::<u8>(), 96);
    (authority, version, target(), claims, uri, bytes).prop_filter_map(
        "cannot be asked for",
        |(authority, version, target, claims, uri, bytes)| {
            let app = Application::new(authority, ID.parse().unwrap(), ClientCredential::Public).on(version);
            let mut request = app.authorize(target, format!("https://a.example/{uri}").parse().ok()?);
            if let Some(name) = claims {
                let claims = serde_json::json!({ name: { "essential": true } }).to_string();
                request = request.claims(ClaimsRequest::parse(&claims).unwrap());
            }
            let (_, pending) = request.start(&bytes.try_into().unwrap()).ok()?;
            Some((app, pending))
        },
    )
}

/// One change of a text: a character flipped in case or replaced, inserted or left out.
fn mutated(text: &str, at: usize, kind: u8, with: char) -> String {
    let mut characters: Vec<char> = text.chars().collect();
    let at = at % characters.len();
    match kind % 4 {
        0 => characters[at] = with,
        1 => characters.insert(at, with),
        2 => drop(characters.remove(at)),
        _ => {
            characters[at] = if characters[at].is_ascii_lowercase() {
                characters[at].to_ascii_uppercase()
            } else {
                characters[at].to_ascii_lowercase()
            }
        }
    }
    characters.into_iter().collect()
}

/// A redirect with these parameters, by the way that the number chooses.
fn redirect(way: u8, pairs: &[(&str, &str)]) -> Result<Redirect, Error> {
    let text = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish();
    match way % 4 {
        0 => Redirect::from_query(&text),
        1 => Redirect::from_fragment(&text),
        2 => Redirect::from_form(text.as_bytes()),
        _ => Redirect::from_url(&format!("{BACK}?{text}")),
    }
}

fn is_refused(app: &Application, pending: &PendingAuthorization, consent: &PendingAdminConsent, redirect: &Redirect) {
    let redeemed = pending.redeem(app, redirect).map(drop);
    let accepted = consent.accept(app, redirect).map(drop);
    for outcome in [redeemed, accepted] {
        assert!(
            matches!(&outcome, Err(Error::Redirect(error)) if matches!(error.problem, RedirectProblem::NoState(_) | RedirectProblem::WrongState)),
            "{outcome:?}"
        );
    }
}

proptest! {
    #[test]
    fn a_kept_sign_in_comes_back_as_it_was((app, pending) in sign_in()) {
        let kept: PendingAuthorization = pending.expose().parse().unwrap();
        prop_assert_eq!(kept.expose(), pending.expose());
        prop_assert_eq!(format!("{:?}", kept), format!("{:?}", pending));
        let redirect = redirect(0, &[("code", "c"), ("state", pending.state())]).unwrap();
        let (one, other) = (pending.redeem(&app, &redirect).unwrap(), kept.redeem(&app, &redirect).unwrap());
        prop_assert_eq!(form(&one), form(&other));
        prop_assert_eq!(one.cache_key(), other.cache_key());
    }

    #[test]
    fn a_redirect_that_nobody_started_is_refused_whatever_is_in_it(
        bytes in proptest::collection::vec(any::<u8>(), 0..120),
        text in "\\PC{0,60}|(code|state|error|iss|tenant|admin_consent|[a-z]{0,4}|%[0-9a-f]{0,2}|[=&?#;+]){0,20}",
        way in any::<u8>(),
    ) {
        let app = common();
        let (pending, consent) = (started(&app), app.clone().on(EndpointVersion::V1).admin_consent(back()).start(&[9; 32]).unwrap().1);
        let read = [
            Redirect::from_form(&bytes),
            Redirect::from_query(&text),
            Redirect::from_fragment(&text),
            Redirect::from_url(&text),
            redirect(way, &[("code", &text), ("state", &text), ("tenant", TENANT), ("admin_consent", "True")]),
        ];
        for redirect in read.into_iter().flatten() {
            is_refused(&app, &pending, &consent, &redirect);
        }
    }

    #[test]
    fn a_redirect_whose_state_is_almost_right_is_refused(
        (at, kind, with) in (any::<usize>(), any::<u8>(), "[A-Za-z0-9_\\- =%\u{0}\u{e9}]"),
        (from, to) in (0usize..43, 0usize..43),
        (way, bytes) in (any::<u8>(), proptest::collection::vec(any::<u8>(), 96)),
    ) {
        let app = common();
        let pending = app.authorize(graph(), back()).start(&bytes.try_into().unwrap()).unwrap().1;
        let state = pending.state().to_owned();
        let consent: PendingAdminConsent = pending.expose().parse().unwrap();
        let others = [
            mutated(&state, at, kind, with.chars().next().unwrap()),
            state[from.min(to)..from.max(to)].to_owned(),
            state.to_ascii_uppercase(),
            state.to_ascii_lowercase(),
            format!("{state}{state}"),
            format!("state={state}"),
            format!(" {state}"),
            format!("{state}="),
            format!("{state}\0"),
            started(&app).state().to_owned(),
        ];
        for other in others.iter().filter(|other| **other != state) {
            let pairs = [("code", "c"), ("state", other), ("tenant", TENANT), ("admin_consent", "True")];
            is_refused(&app, &pending, &consent, &redirect(way, &pairs).unwrap());
            let twice = [("state", other.as_str()), ("code", "c"), ("state", &state)];
            prop_assert_eq!(problem(redirect(way, &twice)), RedirectProblem::Duplicate("state".into()));
        }
        // It was the state alone that was wrong.
        let pairs = [("code", "c"), ("state", &state), ("tenant", TENANT), ("admin_consent", "True")];
        let genuine = redirect(way, &pairs).unwrap();
        prop_assert!(pending.redeem(&app, &genuine).is_ok() && consent.accept(&app, &genuine).is_ok());
    }

    #[test]
    fn no_kept_text_makes_the_parser_panic_or_talk(
        text in "\\PC{0,80}|canary[a-z=&%]{0,40}",
        (at, kind, with) in (any::<usize>(), any::<u8>(), any::<char>()),
    ) {
        let genuine = started(&common()).expose();
        for text in [text, mutated(&genuine, at, kind, with)] {
            match text.parse::<PendingAuthorization>() {
                Ok(pending) => {
                    let shown = format!("{pending:?}");
                    prop_assert!(!shown.contains(pending.state()), "{}", shown);
                    prop_assert!(pending.expose().parse::<PendingAuthorization>().is_ok());
                }
                Err(error) => prop_assert_eq!(error.to_string(), "kept sign-in is not the text that was given to be kept"),
            }
            let _ = text.parse::<PendingAdminConsent>().map_err(|error| assert!(!error.to_string().contains("canary")));
        }
    }
}
