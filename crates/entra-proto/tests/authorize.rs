//! The way through a browser: what its URLs say, and which redirects are believed.

use std::collections::BTreeMap;

use entra_proto::{
    Application, Authority, ClaimsRequest, ClientCredential, ClientSecret, CodeVerifier, EndpointVersion, Error,
    ErrorClass, Guid, MAX_REDIRECT, PendingAdminConsent, PendingAuthorization, Prompt, Redirect, RedirectProblem,
    RedirectUri, ResponseMode, Target, TokenRequest,
};
use proptest::prelude::*;

const ID: &str = "2d4d11a2-f814-46a7-890a-274a72a7309e";
const TENANT: &str = "41463f53-8812-40f4-890f-865bf6e35190";
const BACK: &str = "https://www.mycompany.com/myapp/";

fn application(authority: &str) -> Application {
    let authority: Authority = authority.parse().unwrap();
    Application::new(authority, ID.parse().unwrap(), ClientSecret::new("s3cret").unwrap())
}

fn common() -> Application {
    application("https://login.microsoftonline.com/common")
}

fn back() -> RedirectUri {
    BACK.parse().unwrap()
}

fn graph() -> Target {
    Target::scopes("User.Read").unwrap()
}

/// Another random byte in each of the three thirds.
fn random(seed: u8) -> [u8; 96] {
    std::array::from_fn(|at| seed.wrapping_mul(31).wrapping_add(at as u8))
}

fn started(app: &Application) -> PendingAuthorization {
    app.authorize(graph(), back()).start(&random(1)).unwrap().1
}

/// The address and the parameters of a URL, by an independent parser.
fn read(url: &str) -> (String, BTreeMap<String, String>) {
    let (address, query) = url.split_once('?').unwrap();
    let pairs: Vec<_> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let (count, map) = (pairs.len(), pairs.into_iter().collect::<BTreeMap<_, _>>());
    assert_eq!(map.len(), count, "a parameter stands there twice: {url}");
    (address.to_owned(), map)
}

fn form(request: &TokenRequest) -> BTreeMap<String, String> {
    let http = request.encode(Guid::from_bytes([7; 16]));
    let body = String::from_utf8(http.body().as_bytes().to_vec()).unwrap();
    read(&format!("?{body}")).1
}

fn problem<T: std::fmt::Debug>(result: Result<T, Error>) -> RedirectProblem {
    match result {
        Err(Error::Redirect(error)) => error.problem.clone(),
        other => panic!("{other:?}"),
    }
}

/// What is the same for every sign-in is compared, what is random is taken out and handed back.
fn split(mut parameters: BTreeMap<String, String>) -> (BTreeMap<String, String>, [String; 3]) {
    let random = ["state", "nonce", "code_challenge"].map(|name| parameters.remove(name).expect(name));
    (parameters, random)
}

fn map<const N: usize>(pairs: [(&str, &str); N]) -> BTreeMap<String, String> {
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

/// The consent URL of the Office 365 Management APIs' document, with what makes it safe and asks an administrator.
#[test]
fn on_v1_an_administrator_is_asked_for_a_resource() {
    let app = application("https://login.windows.net/common").on(EndpointVersion::V1);
    let target = Target::resource("https://manage.office.com").unwrap();
    let plain = RedirectUri::over_plain_http("http://www.mycompany.com/myapp/").unwrap();
    let request = app.authorize(target, plain).prompt(Prompt::AdminConsent);
    let (url, pending) = request.start(&random(1)).unwrap();
    let (address, parameters) = read(&url);
    assert_eq!(address, "https://login.microsoftonline.com/common/oauth2/authorize");
    let (fixed, [state, nonce, challenge]) = split(parameters);
    let expected = map([
        ("client_id", ID),
        ("response_type", "code"),
        ("redirect_uri", "http://www.mycompany.com/myapp/"),
        ("response_mode", "query"),
        ("resource", "https://manage.office.com"),
        ("code_challenge_method", "S256"),
        ("prompt", "admin_consent"),
    ]);
    assert_eq!(fixed, expected);
    assert!([&state, &nonce, &challenge].iter().all(|text| text.len() == 43));
    assert_eq!(state, pending.state());

    // The document's redirect, and the code that it brings, on the endpoint that was asked.
    let redirect = format!(
        "http://www.mycompany.com/myapp/?code=AAABAAAAvPM1KaPlrEqdFSB&state={state}&session_state=x&admin_consent=True"
    );
    let request = pending.redeem(&app, &Redirect::from_url(&redirect).unwrap()).unwrap();
    let http = request.encode(Guid::from_bytes([7; 16]));
    assert_eq!(http.uri(), "https://login.microsoftonline.com/common/oauth2/token");
    let form = form(&request);
    let verifier = CodeVerifier::new(&form["code_verifier"]).unwrap();
    assert_eq!(verifier.challenge(), challenge);
    let expected = map([
        ("grant_type", "authorization_code"),
        ("client_id", ID),
        ("client_secret", "s3cret"),
        ("code", "AAABAAAAvPM1KaPlrEqdFSB"),
        ("redirect_uri", "http://www.mycompany.com/myapp/"),
        ("resource", "https://manage.office.com"),
        ("code_verifier", verifier.expose()),
    ]);
    assert_eq!(form, expected);
}

#[test]
fn on_v2_scopes_of_several_apis_are_asked_for_and_every_wish_is_in_the_url() {
    let app = application("https://login.microsoftonline.us/contoso.com").with_capabilities(&["cp1"]);
    let target = Target::scopes("https://a.example/Read User.Read openid").unwrap();
    let claims = ClaimsRequest::parse(r#"{"id_token":{"auth_time":{"essential":true}}}"#).unwrap();
    let request = app
        .authorize(target, "https://a.example/cb?x=1&y=a+b".parse().unwrap())
        .response_mode(ResponseMode::FormPost)
        .prompt(Prompt::SelectAccount)
        .login_hint("jane+doe@contoso.com")
        .domain_hint("contoso.com&x")
        .claims(claims);
    let (url, pending) = request.start(&random(1)).unwrap();
    let (address, parameters) = read(&url);
    assert_eq!(
        address,
        "https://login.microsoftonline.us/contoso.com/oauth2/v2.0/authorize"
    );
    let with_capabilities =
        r#"{"access_token":{"xms_cc":{"values":["cp1"]}},"id_token":{"auth_time":{"essential":true}}}"#;
    let expected = map([
        ("client_id", ID),
        ("response_type", "code"),
        ("redirect_uri", "https://a.example/cb?x=1&y=a+b"),
        ("response_mode", "form_post"),
        (
            "scope",
            "https://a.example/Read User.Read openid profile offline_access",
        ),
        ("code_challenge_method", "S256"),
        ("prompt", "select_account"),
        ("login_hint", "jane+doe@contoso.com"),
        ("domain_hint", "contoso.com&x"),
        ("claims", with_capabilities),
    ]);
    assert_eq!(split(parameters).0, expected);

    // One token is for one API: the first one's. The claims go along.
    let query = format!("code=c&state={}", pending.state());
    let form = form(&pending.redeem(&app, &Redirect::from_query(&query).unwrap()).unwrap());
    assert_eq!(form["scope"], "https://a.example/Read openid profile offline_access");
    assert_eq!(form["claims"], with_capabilities);
    assert_eq!(form["redirect_uri"], "https://a.example/cb?x=1&y=a+b");

    let capabilities_alone = app.authorize(graph(), back()).start(&random(1)).unwrap().0;
    assert_eq!(
        read(&capabilities_alone).1["claims"],
        r#"{"access_token":{"xms_cc":{"values":["cp1"]}}}"#
    );
}

#[test]
fn every_prompt_and_mode_has_its_word() {
    let app = common();
    for (prompt, word) in [
        (Prompt::Login, "login"),
        (Prompt::SelectAccount, "select_account"),
        (Prompt::Consent, "consent"),
        (Prompt::None, "none"),
    ] {
        let url = app
            .authorize(graph(), back())
            .prompt(prompt)
            .start(&random(1))
            .unwrap()
            .0;
        assert_eq!(read(&url).1["prompt"], word);
    }
    for (mode, word) in [
        (ResponseMode::Query, "query"),
        (ResponseMode::Fragment, "fragment"),
        (ResponseMode::FormPost, "form_post"),
    ] {
        let url = app
            .authorize(graph(), back())
            .response_mode(mode)
            .start(&random(1))
            .unwrap()
            .0;
        assert_eq!(read(&url).1["response_mode"], word);
    }
}

#[test]
fn state_nonce_and_verifier_are_three_and_come_of_the_random_bytes_alone() {
    let of = |random: &[u8; 96]| {
        let (url, pending) = common().authorize(graph(), back()).start(random).unwrap();
        let query = format!("code=c&state={}", pending.state());
        let request = pending
            .redeem(&common(), &Redirect::from_query(&query).unwrap())
            .unwrap();
        let [state, nonce, challenge] = split(read(&url).1).1;
        (url, [state, nonce, form(&request)["code_verifier"].clone(), challenge])
    };
    let (url, base) = of(&random(1));
    assert_eq!(of(&random(1)), (url, base.clone()));
    for (index, text) in base.iter().enumerate() {
        assert!(base[..index].iter().all(|other| other != text));
    }
    // Each third decides one of them, and all of its bytes count.
    for at in 0..96 {
        let mut changed = random(1);
        changed[at] ^= 0x80;
        let (_, other) = of(&changed);
        for part in 0..3 {
            assert_eq!(other[part] != base[part], part == at / 32, "byte {at}, part {part}");
        }
        assert_eq!(other[3] != base[3], at / 32 == 2);
    }
    assert_eq!(CodeVerifier::new(base[2].as_str()).unwrap().challenge(), base[3]);
}

#[test]
fn what_the_service_would_refuse_is_not_sent_out() {
    let refusal = |result: Result<(String, PendingAuthorization), Error>| match result {
        Err(Error::Input(error)) => error.to_string(),
        other => panic!("{other:?}"),
    };
    let (v1, v2) = (common().on(EndpointVersion::V1), common());
    let error = refusal(
        v2.authorize(graph(), back())
            .prompt(Prompt::AdminConsent)
            .start(&random(1)),
    );
    assert!(error.contains("Application::admin_consent"), "{error}");
    let long = |length: usize| {
        format!("{BACK}{}", "x".repeat(length - BACK.len()))
            .parse::<RedirectUri>()
            .unwrap()
    };
    assert!(refusal(v1.authorize(graph(), long(256)).start(&random(1))).contains("255"));
    assert!(v1.authorize(graph(), long(255)).start(&random(1)).is_ok());
    assert!(v2.authorize(graph(), long(2048)).start(&random(1)).is_ok());
    let several = Target::scopes("https://a.example/X https://b.example/Y").unwrap();
    assert!(refusal(v1.authorize(several.clone(), back()).start(&random(1))).contains("more than one API"));
    assert!(v2.authorize(several, back()).start(&random(1)).is_ok());
    let mixed = Target::scopes("https://a.example/.default https://a.example/X").unwrap();
    for app in [&v1, &v2] {
        assert!(refusal(app.authorize(mixed.clone(), back()).start(&random(1))).contains("one or the other"));
    }
    assert!(
        refusal(
            v1.authorize(Target::scopes("openid").unwrap(), back())
                .start(&random(1))
        )
        .contains("names no API")
    );
}

#[test]
fn both_admin_consent_pages_have_their_url() {
    let v1 = common().on(EndpointVersion::V1);
    let (url, pending) = v1.admin_consent(back()).start(&[5; 32]).unwrap();
    let (address, parameters) = read(&url);
    assert_eq!(address, "https://login.microsoftonline.com/common/adminconsent");
    let expected = map([("client_id", ID), ("redirect_uri", BACK), ("state", pending.state())]);
    assert_eq!(parameters, expected);

    let v2 = application("https://login.microsoftonline.com/organizations");
    let scope = "https://graph.microsoft.com/.default";
    let request = v2.admin_consent(back()).target(Target::scopes(scope).unwrap());
    let (url, pending) = request.start(&[6; 32]).unwrap();
    let (address, parameters) = read(&url);
    assert_eq!(
        address,
        "https://login.microsoftonline.com/organizations/v2.0/adminconsent"
    );
    let expected = map([
        ("client_id", ID),
        ("redirect_uri", BACK),
        ("state", pending.state()),
        ("scope", scope),
    ]);
    assert_eq!(parameters, expected);
    let resource = v2
        .admin_consent(back())
        .target(Target::resource("https://graph.microsoft.com").unwrap());
    assert_eq!(resource.start(&[6; 32]).unwrap().0, url);
    assert_ne!(resource.start(&[7; 32]).unwrap().0, url);

    for (request, text) in [
        (v2.admin_consent(back()), "which API"),
        (common().admin_consent(back()).target(graph()), "organizations"),
        (v1.admin_consent(back()).target(graph()), "leave the target out"),
    ] {
        let error = request.start(&[5; 32]).unwrap_err().to_string();
        assert!(error.contains(text), "{error}");
    }
}

#[test]
fn a_consent_is_a_consent_where_nothing_refuses_it() {
    let pending = common()
        .on(EndpointVersion::V1)
        .admin_consent(back())
        .start(&[5; 32])
        .unwrap()
        .1;
    let state = pending.state().to_owned();
    let accept = |rest: &str| pending.accept(&Redirect::from_query(&format!("state={state}&{rest}")).unwrap());
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
    assert_eq!(problem(pending.accept(&doubled)), RedirectProblem::WrongState);
    let none = Redirect::from_query(&format!("admin_consent=True&{tenant}")).unwrap();
    assert_eq!(problem(pending.accept(&none)), RedirectProblem::NoState(None));

    let kept: PendingAdminConsent = state.parse().unwrap();
    let redirect = Redirect::from_query(&format!("state={state}&admin_consent=True&{tenant}")).unwrap();
    assert_eq!(kept.accept(&redirect).unwrap(), pending.accept(&redirect).unwrap());
    for bad in [
        String::new(),
        format!("{state}A"),
        state[1..].to_owned(),
        format!("{}+", &state[1..]),
    ] {
        assert!(bad.parse::<PendingAdminConsent>().is_err(), "{bad}");
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
    let long = format!("code=c&state={}&iss={}", pending.state(), "x".repeat(10_000));
    let error = pending.redeem(&app, &Redirect::from_query(&long).unwrap()).unwrap_err();
    assert!(
        matches!(&error, Error::Redirect(error) if matches!(&error.problem, RedirectProblem::WrongIssuer(text) if text.len() == 200))
    );
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
    let accepted = consent.accept(redirect).map(drop);
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
        let consent: PendingAdminConsent = state.parse().unwrap();
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
        prop_assert!(pending.redeem(&app, &genuine).is_ok() && consent.accept(&genuine).is_ok());
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
