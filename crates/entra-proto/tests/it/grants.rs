//! Each ground on which a token is asked for: what is sent, by whom, and what comes back.

use std::cell::Cell;
use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use entra_proto::{
    Application, Authority, Body, CacheKey, ClientAssertion, ClientCredential, ClientSecret, DeviceCodeRequest,
    EndpointVersion, Error, Guid, PendingAuthorization, Redirect, RefreshToken, ResponseProblem, Target, Timestamp,
    TokenRequest, TokenResponse, UserAssertion,
};
use http::{Response, Uri};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use EndpointVersion::{V1, V2};

const NOW: Timestamp = Timestamp::from_secs(1_767_225_600);
const ID: &str = "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa";
const BACK: &str = "https://app.example/cb";
const GRANTS: [&str; 5] = ["client_credentials", "code", "refresh", "on_behalf_of", "device_code"];

fn application(version: EndpointVersion, credential: impl Into<ClientCredential>) -> Application {
    let authority: Authority = "https://login.microsoftonline.com/contoso.com".parse().unwrap();
    Application::new(authority, ID.parse().unwrap(), credential).on(version)
}

fn confidential(version: EndpointVersion) -> Application {
    application(version, ClientSecret::new("s3cret").unwrap())
}

fn public(version: EndpointVersion) -> Application {
    application(version, ClientCredential::Public)
}

fn scopes(text: &str) -> Target {
    Target::scopes(text).unwrap()
}

/// A sign-in, and the request that redeems this code of it.
fn redeemed(app: &Application, target: Target, code: &str) -> Result<(PendingAuthorization, TokenRequest), Error> {
    let (_, pending) = app.authorize(target, BACK.parse().unwrap()).start(&[7; 96])?;
    let query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs([("code", code), ("state", pending.state())])
        .finish();
    let request = pending.redeem(app, &Redirect::from_query(&query).unwrap())?;
    Ok((pending, request))
}

fn started(app: &Application, target: Target, device_code: &str) -> Result<(DeviceCodeRequest, TokenRequest), Error> {
    let request = app.device_code(target)?;
    let body =
        serde_json::json!({ "device_code": device_code, "user_code": "u", "verification_uri": "https://a.example" });
    let authorization = request.decode(&Response::new(Body::from(body.to_string())), NOW)?;
    let poll = request.poll(&authorization)?;
    Ok((request, poll))
}

/// The request of a grant that rests on this text.
fn request(app: &Application, grant: &str, target: Target, text: &str) -> Result<TokenRequest, Error> {
    match grant {
        "client_credentials" => app.client_credentials(target),
        "code" => redeemed(app, target, text).map(|(_, request)| request),
        "refresh" => app.refresh(RefreshToken::new(text).unwrap(), target),
        "on_behalf_of" => app.on_behalf_of(UserAssertion::new(text).unwrap(), target),
        "device_code" => started(app, target, text).map(|(_, poll)| poll),
        other => panic!("{other}"),
    }
}

/// What an independent parser finds in a body.
fn form(body: &Body) -> BTreeMap<String, String> {
    let pairs: Vec<_> = form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    let (count, map) = (pairs.len(), pairs.into_iter().collect::<BTreeMap<_, _>>());
    assert_eq!(map.len(), count, "a parameter stands there twice");
    map
}

fn sent(request: &TokenRequest) -> BTreeMap<String, String> {
    form(request.encode(Guid::from_bytes([7; 16])).body())
}

fn check(request: &TokenRequest, path: &str, expected: &[(&str, &str)]) {
    let http = request.encode(Guid::from_bytes([7; 16]));
    assert_eq!(
        http.uri().to_string(),
        format!("https://login.microsoftonline.com/{path}")
    );
    assert_eq!(http.method(), "POST");
    assert_eq!(http.headers()["content-type"], "application/x-www-form-urlencoded");
    let expected: BTreeMap<String, String> = expected
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    assert_eq!(form(http.body()), expected);
}

#[test]
fn a_refresh_token_is_sent_with_what_it_is_to_be_exchanged_for() {
    let target = || Target::resource("https://graph.microsoft.com").unwrap();
    let of = |app: Application| request(&app, "refresh", target(), "0.AX+/=").unwrap();
    let all = [
        ("client_id", ID),
        ("grant_type", "refresh_token"),
        ("refresh_token", "0.AX+/="),
    ];
    let v1 = [("resource", "https://graph.microsoft.com"), ("client_secret", "s3cret")];
    check(
        &of(confidential(V1)),
        "contoso.com/oauth2/token",
        &[&all[..], &v1].concat(),
    );
    let v2 = [(
        "scope",
        "https://graph.microsoft.com/.default openid profile offline_access",
    )];
    check(
        &of(public(V2)),
        "contoso.com/oauth2/v2.0/token",
        &[&all[..], &v2].concat(),
    );
}

#[test]
fn on_behalf_of_a_user_v2_sends_the_scopes_as_they_are_and_v1_the_resource_and_openid() {
    let of = |app: Application, target: &str| request(&app, "on_behalf_of", scopes(target), "us.er.jwt").unwrap();
    let all = [
        ("client_id", ID),
        ("client_secret", "s3cret"),
        ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
        ("requested_token_use", "on_behalf_of"),
        ("assertion", "us.er.jwt"),
    ];
    let v1 = [("resource", "https://graph.microsoft.com"), ("scope", "openid")];
    check(
        &of(confidential(V1), "User.Read"),
        "contoso.com/oauth2/token",
        &[&all[..], &v1].concat(),
    );
    let v2 = [("scope", "User.Read offline_access")];
    check(
        &of(confidential(V2), "User.Read offline_access"),
        "contoso.com/oauth2/v2.0/token",
        &[&all[..], &v2].concat(),
    );
}

#[test]
fn a_code_is_redeemed_where_it_came_from() {
    let app = public(V2).at("https://login.microsoftonline.com/common".parse().unwrap());
    let (_, request) = redeemed(&app, scopes("User.Read"), "0.AX+/=").unwrap();
    let verifier = URL_SAFE_NO_PAD.encode([7; 32]);
    check(
        &request,
        "common/oauth2/v2.0/token",
        &[
            ("client_id", ID),
            ("grant_type", "authorization_code"),
            ("code", "0.AX+/="),
            ("redirect_uri", BACK),
            ("code_verifier", &verifier),
            ("scope", "User.Read openid profile offline_access"),
        ],
    );
}

#[test]
fn of_several_apis_the_code_is_redeemed_for_the_first() {
    for (asked, redeemed_for) in [
        (
            "https://a.example/X https://b.example/Y https://a.example/Z",
            "https://a.example/X https://a.example/Z openid profile offline_access",
        ),
        (
            "openid User.Read https://b.example/Y https://graph.microsoft.com/Mail.Read email",
            "openid User.Read https://graph.microsoft.com/Mail.Read email profile offline_access",
        ),
        ("openid profile", "openid profile offline_access"),
    ] {
        let (_, request) = redeemed(&confidential(V2), scopes(asked), "c").unwrap();
        assert_eq!(sent(&request)["scope"], redeemed_for);
    }
    for grant in ["refresh", "on_behalf_of", "device_code"] {
        let error = request(&confidential(V2), grant, scopes("https://a.example/X User.Read"), "t").unwrap_err();
        assert!(error.to_string().contains("more than one API"), "{grant}: {error}");
        let mixed = request(
            &confidential(V2),
            grant,
            scopes("https://a.example/X https://a.example/.default"),
            "t",
        );
        assert!(mixed.unwrap_err().to_string().contains("one or the other"), "{grant}");
    }
}

#[test]
fn a_device_flow_speaks_the_words_of_its_endpoint() {
    let target = || Target::resource("https://graph.microsoft.com").unwrap();
    let (start, poll) = started(&public(V1), target(), "dc-1").unwrap();
    let http = start.encode(Guid::from_bytes([7; 16]));
    assert_eq!(
        http.uri(),
        "https://login.microsoftonline.com/contoso.com/oauth2/devicecode"
    );
    assert_eq!(
        form(http.body()).into_iter().collect::<Vec<_>>(),
        [
            ("client_id".into(), ID.into()),
            ("resource".into(), "https://graph.microsoft.com".to_owned()),
        ]
    );
    // v1 knows the code by both names.
    let resource = ("resource", "https://graph.microsoft.com");
    let both = [
        ("client_id", ID),
        ("grant_type", "device_code"),
        ("code", "dc-1"),
        ("device_code", "dc-1"),
        resource,
    ];
    check(&poll, "contoso.com/oauth2/token", &both);

    let (start, poll) = started(&confidential(V2), target(), "dc-1").unwrap();
    let http = start.encode(Guid::from_bytes([7; 16]));
    assert_eq!(
        http.uri(),
        "https://login.microsoftonline.com/contoso.com/oauth2/v2.0/devicecode"
    );
    assert_eq!(http.method(), "POST");
    let scope = "https://graph.microsoft.com/.default openid profile offline_access";
    assert_eq!(
        form(http.body()).into_iter().collect::<Vec<_>>(),
        [("client_id".into(), ID.into()), ("scope".into(), scope.to_owned()),]
    );
    let grant = "urn:ietf:params:oauth:grant-type:device_code";
    let v2 = [
        ("client_id", ID),
        ("grant_type", grant),
        ("device_code", "dc-1"),
        ("scope", scope),
        ("client_secret", "s3cret"),
    ];
    check(&poll, "contoso.com/oauth2/v2.0/token", &v2);
}

/// The official clients do the same: a region has a token endpoint for applications alone.
#[test]
fn a_region_is_for_the_application_itself_and_no_user() {
    for version in [V1, V2] {
        let app = confidential(version);
        let region = app.authority().with_region("westeurope".parse().unwrap()).unwrap();
        let regional = app.clone().at(region);
        for grant in GRANTS {
            let target = || scopes("https://a.example/.default");
            let asked = |app: &Application| {
                let request = request(app, grant, target(), "t").unwrap();
                request.encode(Guid::from_bytes([7; 16])).uri().to_string()
            };
            let host = if grant == "client_credentials" {
                "https://westeurope.login.microsoft.com/"
            } else {
                "https://login.microsoftonline.com/"
            };
            assert!(asked(&regional).starts_with(host), "{grant}: {}", asked(&regional));
            assert_eq!(asked(&regional) == asked(&app), grant != "client_credentials");
        }
    }
}

#[test]
fn a_public_client_proves_nothing_and_is_no_daemon_and_no_api() {
    for version in [V1, V2] {
        let app = public(version);
        for grant in ["code", "refresh", "device_code"] {
            let request = request(&app, grant, scopes("User.Read"), "t").unwrap();
            let http = request.encode(Guid::from_bytes([7; 16]));
            assert!(http.headers().get("authorization").is_none());
            assert!(
                !sent(&request)
                    .keys()
                    .any(|name| name.starts_with("client_") && name != "client_id"),
                "{grant}"
            );
        }
        for grant in ["client_credentials", "on_behalf_of"] {
            let error = request(&app, grant, scopes("https://a.example/.default"), "t")
                .unwrap_err()
                .to_string();
            assert!(
                error.contains("prove who it is") && error.contains("certificate or a client secret"),
                "{error}"
            );
        }
    }
}

#[test]
fn the_password_grant_is_refused_and_says_what_to_use() {
    let error = public(V2).password().unwrap_err();
    assert!(!error.is_retryable());
    let text = error.to_string();
    assert!(
        text.contains("password is not supported") && text.contains("device code or a browser"),
        "{text}"
    );
}

fn id_token(claims: &str) -> String {
    let part = |json: &str| URL_SAFE_NO_PAD.encode(json);
    format!("{}.{}.", part(r#"{"typ":"JWT","alg":"none"}"#), part(claims))
}

fn answer(id_token: Option<&str>) -> Response<Body> {
    let mut body = serde_json::json!({ "access_token": "t", "expires_in": 3599, "token_type": "Bearer" });
    if let Some(id_token) = id_token {
        body["id_token"] = id_token.into();
    }
    Response::new(Body::from(body.to_string()))
}

#[test]
fn an_id_token_that_comes_for_a_code_must_be_of_the_same_sign_in() {
    let app = confidential(V2);
    let (_, code) = redeemed(&app, scopes("User.Read"), "c").unwrap();
    let nonce = URL_SAFE_NO_PAD.encode([7; 32]);
    let right = id_token(&format!(r#"{{"sub":"me","nonce":"{nonce}"}}"#));
    let token = code.decode(&answer(Some(&right)), NOW).unwrap();
    assert_eq!(token.id_token.unwrap().claims().unwrap().subject(), Some("me"));
    // A server that gives none had none to give; the code was proved by its verifier.
    assert!(code.decode(&answer(None), NOW).unwrap().id_token.is_none());
    for wrong in [
        id_token(r#"{"sub":"me"}"#),
        id_token(r#"{"sub":"me","nonce":""}"#),
        id_token(r#"{"sub":"me","nonce":7}"#),
        id_token(&format!(r#"{{"nonce":"{}"}}"#, nonce.to_ascii_lowercase())),
        id_token(&format!(r#"{{"nonce":"{nonce}x"}}"#)),
        id_token(&format!(r#"{{"nonce":"x","nonce":"{nonce}"}}"#)),
        "canary".to_owned(),
        "a.b.c.d.e".to_owned(),
    ] {
        match code.decode(&answer(Some(&wrong)), NOW) {
            Err(Error::Response(error)) => {
                assert_eq!((&error.problem, error.is_retryable()), (&ResponseProblem::Nonce, false));
                assert!(
                    !error.to_string().contains("canary") && !error.to_string().contains(&nonce),
                    "{error}"
                );
            }
            other => panic!("{other:?}"),
        }
    }
    // v1 need not repeat it, and must not change it.
    let app = confidential(V1);
    let (_, code) = redeemed(&app, Target::resource("https://manage.office.com").unwrap(), "c").unwrap();
    assert!(code.decode(&answer(Some(&id_token(r#"{"sub":"me"}"#))), NOW).is_ok());
    for wrong in [r#"{"nonce":"x"}"#, r#"{"nonce":7}"#, r#"{"nonce":null}"#] {
        assert!(code.decode(&answer(Some(&id_token(wrong))), NOW).is_err(), "{wrong}");
    }
    assert!(code.decode(&answer(Some("canary")), NOW).is_err());
    // Nobody asked for one with the other grants.
    for grant in ["refresh", "on_behalf_of", "device_code"] {
        let request = request(&app, grant, scopes("User.Read"), "t").unwrap();
        assert!(
            request.decode(&answer(Some(&id_token(r#"{"sub":"me"}"#))), NOW).is_ok(),
            "{grant}"
        );
    }
}

#[test]
fn what_comes_with_a_users_token_is_read_on_v1_and_v2() {
    let unsigned = id_token(r#"{"aud":"x","upn":"jane@contoso.com","ver":"1.0","sub":"s","nonce":"n"}"#);
    let v1 = format!(
        r#"{{"expires_in":"3599","token_type":"Bearer","scope":"ActivityFeed.Read","expires_on":"1438290275","not_before":"1438286375","resource":"https://manage.office.com","access_token":"eyJ0eX","refresh_token":"AAABAAA","id_token":"{unsigned}"}}"#
    );
    let decode = |body: &str| {
        TokenResponse::decode(http::StatusCode::OK, &http::HeaderMap::new(), body.as_bytes(), NOW).unwrap()
    };
    let token = decode(&v1);
    assert_eq!(token.resource.as_deref(), Some("https://manage.office.com"));
    assert_eq!(token.refresh_token.unwrap().expose(), "AAABAAA");
    let claims = token.id_token.unwrap().claims().unwrap();
    assert_eq!(
        (claims.username(), claims.subject(), claims.nonce()),
        (Some("jane@contoso.com"), Some("s"), Some("n"))
    );

    let v2 = id_token(r#"{"preferred_username":"jane@contoso.com","unique_name":"old"}"#);
    let token = decode(&format!(
        r#"{{"access_token":"t","expires_in":3599,"scope":"User.Read openid","refresh_token":"0.r","id_token":"{v2}","client_info":"x"}}"#
    ));
    assert_eq!(
        (token.scope.as_deref(), token.refresh_token.unwrap().expose()),
        (Some("User.Read openid"), "0.r")
    );
    assert_eq!(
        token.id_token.unwrap().claims().unwrap().username(),
        Some("jane@contoso.com")
    );

    // What could not be sent back is as good as none, and costs the token nothing.
    for odd in [
        r#""refresh_token":"""#,
        r#""refresh_token":"a b""#,
        r#""refresh_token":null"#,
        r#""refresh_token":"a\n""#,
    ] {
        assert!(
            decode(&format!(r#"{{"access_token":"t","expires_in":1,{odd}}}"#))
                .refresh_token
                .is_none()
        );
    }
    assert!(decode(r#"{"access_token":"t","expires_in":1}"#).id_token.is_none());
}

#[test]
fn whatever_changes_a_users_token_changes_its_key() {
    let app = confidential(V2);
    let key = |app: &Application, grant: &str, target: &str, text: &str| {
        request(app, grant, scopes(target), text).unwrap().cache_key()
    };
    for grant in &GRANTS[1..] {
        let base = key(&app, grant, "User.Read Mail.Read", "text");
        assert_eq!(
            base,
            key(&app, grant, "Mail.Read User.Read Mail.Read", "text"),
            "{grant}: the order of scopes"
        );
        let other_secret = application(V2, ClientSecret::new("other").unwrap());
        assert_eq!(
            base,
            key(&other_secret, grant, "User.Read Mail.Read", "text"),
            "{grant}: the secret's value"
        );
        let in_header = application(V2, ClientCredential::BasicSecret(ClientSecret::new("other").unwrap()));
        assert_eq!(
            base,
            key(&in_header, grant, "User.Read Mail.Read", "text"),
            "{grant}: the secret's place"
        );
        let elsewhere = app
            .clone()
            .at("https://login.microsoftonline.com/fabrikam.com".parse().unwrap());
        let assertion = application(V2, ClientAssertion::new("a.b.c").unwrap());
        let another = Application::new(
            app.authority().clone(),
            Guid::from_bytes([1; 16]).into(),
            ClientSecret::new("s").unwrap(),
        );
        let mut keys = vec![
            base,
            key(&app, grant, "User.Read Mail.Read", "other"),
            key(&app, grant, "User.Read", "text"),
            key(&app.clone().on(V1), grant, "User.Read Mail.Read", "text"),
            key(
                &app.clone().with_capabilities(&["cp1"]),
                grant,
                "User.Read Mail.Read",
                "text",
            ),
            key(&elsewhere, grant, "User.Read Mail.Read", "text"),
            key(&assertion, grant, "User.Read Mail.Read", "text"),
            key(&another, grant, "User.Read Mail.Read", "text"),
            request(&app, grant, scopes("User.Read Mail.Read"), "text")
                .unwrap()
                .with_claims(r#"{"id_token":{}}"#)
                .unwrap()
                .cache_key(),
        ];
        if *grant != "on_behalf_of" {
            keys.push(key(&public(V2), grant, "User.Read Mail.Read", "text"));
        }
        let count = keys.len();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), count, "{grant}");
    }
    // The grants among themselves, where all of them rest on the same text.
    let mut keys: Vec<CacheKey> = GRANTS
        .iter()
        .map(|grant| key(&app, grant, "https://a.example/.default", "text"))
        .collect();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), GRANTS.len());
    // Scopes that come along by themselves may be named or not.
    assert_eq!(
        key(&app, "refresh", "User.Read", "t"),
        key(&app, "refresh", "offline_access openid profile User.Read", "t")
    );
}

fn target() -> impl Strategy<Value = Target> {
    let resource = "(https://|api://|spn:)[a-z0-9.]{1,12}(/[!-~]{0,6}){0,2}/{0,2}";
    let scopes = proptest::collection::vec(
        "(https://|api://)[ab]/{1,2}[A-Za-z.]{1,8}|https://a//?.default|openid|User.Read|offline_access",
        1..4,
    );
    prop_oneof![
        resource.prop_filter_map("no resource", |text: String| Target::resource(&text).ok()),
        scopes.prop_filter_map("no scopes", |scopes| Target::scopes(&scopes.join(" ")).ok()),
    ]
}

/// A secret that a service hands out.
fn issued() -> impl Strategy<Value = String> {
    "[!-~]{12,60}"
}

fn version() -> impl Strategy<Value = EndpointVersion> {
    prop_oneof![Just(V1), Just(V2)]
}

fn grant() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(&GRANTS[..])
}

proptest! {
    #[test]
    fn v1_sends_resource_and_v2_scope_whatever_the_grant(target in target(), version in version(), grant in grant()) {
        let Ok(request) = request(&confidential(version), grant, target, "text") else { return Ok(()) };
        let form = sent(&request);
        match version {
            V1 => {
                // The one scope that v1 is sent is that of its documents, beside an assertion.
                let scope = (grant == "on_behalf_of").then_some("openid");
                prop_assert_eq!(form.get("scope").map(String::as_str), scope);
                prop_assert_eq!(&form["resource"], &*request.target().audience().unwrap());
            }
            V2 => {
                prop_assert!(!form.contains_key("resource"));
                let words: Vec<&str> = form["scope"].split(' ').collect();
                let asks_a_user = !matches!(grant, "client_credentials" | "on_behalf_of");
                let (_, plain) = request.target().on(V2).unwrap();
                prop_assert!(form["scope"].starts_with(&*plain), "{} {}", form["scope"], plain);
                let added = form["scope"][plain.len()..].split_ascii_whitespace().collect::<Vec<_>>();
                prop_assert!(added.iter().all(|word| asks_a_user && ["openid", "profile", "offline_access"].contains(word)));
                if asks_a_user {
                    for wanted in ["openid", "profile", "offline_access"] {
                        prop_assert!(words.contains(&wanted));
                    }
                }
            }
        }
    }

    #[test]
    fn what_a_grant_rests_on_an_independent_parser_reads_back(text in issued(), version in version(), grant in grant(), resource in "(https|api)://[a-z]{1,9}/{0,2}") {
        let target = Target::resource(&resource).unwrap();
        let request = request(&confidential(version), grant, target, &text).unwrap();
        let form = sent(&request);
        // A user's token may come in quotation marks, which no token holds.
        let quoted = text.len() > 1 && ["\"", "'", "`"].iter().any(|quote| text.starts_with(quote) && text.ends_with(quote));
        let bracketed = text.starts_with('<') && text.ends_with('>');
        prop_assume!(!(quoted || bracketed));
        let names: &[&str] = match (grant, version) {
            ("client_credentials", _) => &[],
            ("code", _) => &["code"],
            ("refresh", _) => &["refresh_token"],
            ("on_behalf_of", _) => &["assertion"],
            (_, V1) => &["code", "device_code"],
            (_, V2) => &["device_code"],
        };
        let found: Vec<&str> = form.iter().filter(|(_, value)| **value == text).map(|(name, _)| name.as_str()).collect();
        prop_assert_eq!(&found, names);
        prop_assert_eq!((form["client_id"].as_str(), form["client_secret"].as_str()), (ID, "s3cret"));
        let id = Guid::from_bytes([7; 16]);
        let (once, again) = (request.encode(id), request.encode(id));
        prop_assert_eq!(once.body().as_bytes(), again.body().as_bytes());
        prop_assert_eq!((once.headers(), once.uri()), (again.headers(), again.uri()));
        let key = request.cache_key();
        prop_assert!(!key.as_str().contains(&text) && !key.as_str().contains("s3cret"));
        prop_assert_eq!(key.as_str().lines().count(), if grant == "client_credentials" { 6 } else { 7 });
        let shown = format!("{request:?}");
        prop_assert!(!shown.contains(&text));
    }
}

/// The same scopes in another order, one of them twice. A resource is what it is.
fn shuffled(target: &Target, turn: usize) -> Target {
    let Target::Scopes(scopes) = target else {
        return target.clone();
    };
    let mut words: Vec<&str> = scopes.as_str().split(' ').collect();
    words.push(words[turn % words.len()]);
    words.sort_by_key(|word| {
        word.bytes()
            .fold(turn, |sum, byte| sum.wrapping_mul(31) ^ usize::from(byte))
    });
    Target::scopes(&words.join(" ")).unwrap()
}

/// What is sent, its scopes as a set.
fn wire(request: &TokenRequest) -> (Uri, BTreeMap<String, String>) {
    let http = request.encode(Guid::from_bytes([7; 16]));
    let mut form = form(http.body());
    if let Some(scope) = form.get_mut("scope") {
        let mut scopes: Vec<&str> = scope.split(' ').collect();
        scopes.sort_unstable();
        scopes.dedup();
        *scope = scopes.join(" ");
    }
    (http.uri().clone(), form)
}

/// The second request is drawn from the first, so that many pairs send the same.
#[test]
fn two_requests_share_a_key_exactly_where_they_send_the_same() {
    let change = || proptest::bool::weighted(0.15);
    let pairs = (
        (target(), target(), any::<usize>()),
        (version(), grant(), grant(), issued()),
        (change(), change(), change(), change()),
    );
    let (same, other) = (Cell::new(0), Cell::new(0));
    let law = |((one, another, turn), (version, grant, another_grant, text), changed): (_, (_, _, _, String), _)| {
        let (new_target, new_version, new_grant, new_text) = changed;
        let second = if new_target { another } else { shuffled(&one, turn) };
        let second_version = match version {
            V1 if new_version => V2,
            V2 if new_version => V1,
            kept => kept,
        };
        let second_grant = if new_grant { another_grant } else { grant };
        let second_text = if new_text { format!("{text}x") } else { text.clone() };
        let (Ok(a), Ok(b)) = (
            request(&confidential(version), grant, one, &text),
            request(&confidential(second_version), second_grant, second, &second_text),
        ) else {
            return Ok(());
        };
        let alike = wire(&a) == wire(&b);
        let count = if alike { &same } else { &other };
        count.set(count.get() + 1);
        prop_assert_eq!(
            a.cache_key() == b.cache_key(),
            alike,
            "{} {}",
            a.cache_key().as_str(),
            b.cache_key().as_str()
        );
        Ok(())
    };
    TestRunner::new(Config::with_cases(256)).run(&pairs, law).unwrap();
    let (same, other) = (same.get(), other.get());
    assert!(same > 20 && other > 20, "{same} pairs send the same, {other} do not");
}

#[test]
fn a_token_that_names_no_tenant_says_so_and_asks_for_nothing_that_was_done() {
    let error = confidential(V2)
        .refresh(RefreshToken::new("rt").unwrap(), scopes("User.Read"))
        .unwrap()
        .decode(&answer(None), NOW)
        .unwrap()
        .tenant_id()
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "tenant is named neither by the ID token nor by the access token"
    );
}

#[test]
fn an_id_token_of_another_tenant_is_refused_with_every_grant() {
    let (one, other) = (
        "11111111-2222-3333-4444-555555555555",
        "66666666-2222-3333-4444-555555555555",
    );
    let personal = "9188040d-6c67-4c5b-b112-36a304b66dad";
    for (asked, answered, fits) in [
        (one, one, true),
        (one, other, false),
        ("organizations", personal, false),
        ("common", personal, true),
        ("contoso.com", other, true),
    ] {
        let authority = format!("https://login.microsoftonline.com/{asked}")
            .parse::<Authority>()
            .unwrap();
        let app = Application::new(authority, ID.parse().unwrap(), ClientSecret::new("s3cret").unwrap()).on(V1);
        for grant in GRANTS.into_iter().filter(|grant| *grant != "client_credentials") {
            let Ok(request) = request(&app, grant, Target::resource("https://a.example").unwrap(), "text") else {
                continue;
            };
            let id_token = id_token(&format!(r#"{{"tid":"{answered}"}}"#));
            let body = format!(r#"{{"access_token":"t","expires_in":3599,"id_token":"{id_token}"}}"#);
            let decoded = request.decode(&Response::new(Body::from(body)), NOW);
            assert_eq!(decoded.is_ok(), fits, "{grant} {asked} {answered}: {decoded:?}");
        }
    }
}
