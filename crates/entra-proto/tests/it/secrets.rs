//! Secrets never appear in `Debug`, `Display` or an error of any public type.

use std::fmt::Debug;

use entra_proto::acquire::RetryPolicy;
use entra_proto::assertion::ClientAssertion;
use entra_proto::authorize::{
    IdToken, PendingAdminConsent, PendingAuthorization, Redirect, RedirectUri, RefreshToken, UserAssertion,
};
use entra_proto::device::DeviceCode;
use entra_proto::{
    AccessToken, Application, Authority, Body, ClientCredential, ClientId, ClientSecret, Cloud, EndpointVersion, Error,
    Guid, Target, Timestamp, TokenRequest, TokenResponse,
};
use http::{HeaderMap, Response, StatusCode};

/// The canary in memory, in a form, in Basic authentication and in base64.
const CANARY: &str = "canary/se+cret";
const TRACES: [&str; 5] = ["canary", "se+cret", "se%2Bcret", "Y2FuYXJ5", "canary%2Fse"];

fn check(what: &str, shown: &str) {
    for trace in TRACES {
        assert!(!shown.contains(trace), "{what}: {shown}");
    }
}

fn check_debug(what: &str, value: &impl Debug) {
    check(what, &format!("{value:?} {value:#?}"));
}

#[test]
fn no_rendered_value_contains_a_secret() {
    let authority: Authority = "https://login.microsoftonline.com/contoso.com".parse().unwrap();
    let id: ClientId = Guid::from_bytes([0xaa; 16]).into();
    let secret = ClientSecret::new(CANARY).unwrap();
    let target = Target::resource("https://graph.microsoft.com").unwrap();
    let assertion = ClientAssertion::new("canary.canary.canary").unwrap();
    check_debug("secret", &secret);
    check_debug("assertion", &assertion);
    for credential in [
        ClientCredential::Secret(secret.clone()),
        ClientCredential::BasicSecret(secret),
        ClientCredential::Assertion(assertion),
    ] {
        check_debug("credential", &credential);
        let app = Application::new(authority.clone(), id, credential);
        check_debug("application", &app);
        let request = app.client_credentials(target.clone()).unwrap();
        check_debug("request", &request);
        check("cache key", request.cache_key().as_str());
        let http = request.encode(Guid::from_bytes([7; 16]));
        check_debug("http request", &http);
        check("uri", &http.uri().to_string());
        check_debug(
            "step",
            &request.start(
                RetryPolicy::default(),
                Guid::from_bytes([7; 16]),
                Timestamp::from_secs(1),
            ),
        );
    }
    check_debug("body", &Body::from(CANARY.to_owned()));
}

#[test]
fn no_response_shows_its_token() {
    let token = CANARY;
    let shapes = [
        (200, format!(r#"{{"access_token":"{token}","expires_in":3599}}"#)),
        (200, format!(r#"{{"access_token":"{token}","expires_in":-1}}"#)),
        (200, format!(r#"{{"access_token":"{token}","expires_in":"{token}"}}"#)),
        (200, format!(r#"{{"access_token":"{token}","access_token":"{token}"}}"#)),
        (200, format!(r#"{{"access_token":"{token}\n","expires_in":3599}}"#)),
        (200, format!(r#"{{"access_token":"{token}","token_type":"pop"}}"#)),
        (200, format!(r#"{{"access_token":{{"{token}":1}}}}"#)),
        (200, format!(r#"{{"access_token":"{token}"#)),
        (200, format!(r#"["{token}"]"#)),
        (200, token.to_owned()),
        (400, format!(r#"{{"access_token":"{token}","error":"invalid_grant"}}"#)),
        (400, format!(r#"{{"refresh_token":"{token}"}}"#)),
        (500, format!(r#"{{"access_token":"{token}"#)),
        (502, format!(r#"<html>{{"id_token":"{token}"}}</html>"#)),
        (200, format!(r#"{{"access_token":"{token}","error":"server_error"}}"#)),
    ];
    for (status, body) in shapes {
        let status = StatusCode::from_u16(status).unwrap();
        match TokenResponse::decode(status, &HeaderMap::new(), body.as_bytes(), Timestamp::from_secs(1)) {
            Ok(token) => check_debug(&body, &token),
            Err(error) => check(&body, &format!("{error} {error:?} {error:#?}")),
        }
    }
}

#[test]
fn input_that_may_be_a_secret_is_not_repeated() {
    for error in [
        CANARY.parse::<ClientId>().unwrap_err(),
        CANARY.parse::<Guid>().unwrap_err(),
        ClientAssertion::new(CANARY).unwrap_err(),
        Cloud::at(&format!("https://user:{CANARY}@login.microsoftonline.com")).unwrap_err(),
        format!("https://user:{CANARY}@login.microsoftonline.com/contoso.com")
            .parse::<Authority>()
            .unwrap_err(),
    ] {
        check("error", &format!("{error} {error:?}"));
    }
    fn marked(token: &AccessToken) -> bool {
        token.authorization().is_sensitive()
    }
    let body = br#"{"access_token":"canary","expires_in":1}"#;
    let token = TokenResponse::decode(StatusCode::OK, &HeaderMap::new(), body, Timestamp::from_secs(1)).unwrap();
    assert!(marked(&token.access_token));
    check_debug("header", &token.access_token.authorization());
}

/// Returns the spellings in which a secret may be echoed.
fn spellings(secret: &str) -> [String; 5] {
    let encoded: String = form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    [
        secret.to_owned(),
        encoded.replace('+', "%20"),
        encoded.replace("%2F", "%2f").replace("%2B", "%2b"),
        secret.replace('/', "\\/"),
        encoded,
    ]
}

fn check_error(what: &str, error: &Error) {
    check(what, &format!("{error} {error:?} {error:#?} {:?}", error.service()));
}

#[test]
fn no_secret_of_a_user_is_shown() {
    check_debug("refresh token", &RefreshToken::new(CANARY).unwrap());
    check_debug("id token", &IdToken::new(CANARY).unwrap());
    check_debug("user assertion", &UserAssertion::new(CANARY).unwrap());
    check_debug("device code", &DeviceCode::new(CANARY).unwrap());
    let unfit = format!("{CANARY} {CANARY}");
    for error in [
        RefreshToken::new(unfit.as_str()).unwrap_err(),
        IdToken::new(unfit.as_str()).unwrap_err(),
        IdToken::new(CANARY).unwrap().claims().unwrap_err(),
        UserAssertion::new(unfit.as_str()).unwrap_err(),
        DeviceCode::new(unfit.as_str()).unwrap_err(),
        unfit.parse::<PendingAuthorization>().unwrap_err(),
        unfit.parse::<PendingAdminConsent>().unwrap_err(),
        // A redirect that was pasted in place of its URI.
        format!("http://a.example/cb?code={CANARY}")
            .parse::<RedirectUri>()
            .unwrap_err(),
        format!("https://a.example/cb#code={CANARY}")
            .parse::<RedirectUri>()
            .unwrap_err(),
        "https://user:canary@a.example/cb".parse::<RedirectUri>().unwrap_err(),
    ] {
        check_error("error", &error);
    }
}

fn random() -> [u8; 96] {
    std::array::from_fn(|at| at as u8)
}

fn back() -> RedirectUri {
    "https://a.example/cb".parse().unwrap()
}

fn application(version: EndpointVersion) -> Application {
    let authority = "https://login.microsoftonline.com/contoso.com".parse().unwrap();
    Application::new(
        authority,
        Guid::from_bytes([0xaa; 16]).into(),
        ClientSecret::new("s3cret").unwrap(),
    )
    .with_endpoint_version(version)
}

#[test]
fn no_redirect_shows_its_code() {
    let app = application(EndpointVersion::V2);
    let (url, pending) = app
        .authorize(Target::scopes("User.Read").unwrap(), back())
        .start(&random())
        .unwrap();
    check_debug("request", &app.authorize(Target::scopes("User.Read").unwrap(), back()));
    let stored = pending.expose();
    let page = application(EndpointVersion::V1).admin_consent(back());
    // Both are created from the same bytes and have the same state.
    let (_, consent) = page.start(random().first_chunk().unwrap()).unwrap();
    let shown = format!("{pending:?} {consent:?}");
    assert_eq!(consent.state(), pending.state());
    for secret in ["state", "nonce", "code_verifier"] {
        let (_, secret) = form_urlencoded::parse(stored.as_bytes())
            .find(|(name, _)| name == secret)
            .unwrap();
        assert!(!shown.contains(&*secret), "{shown}");
    }
    assert!(
        !url.contains(
            &*form_urlencoded::parse(stored.as_bytes())
                .find(|(name, _)| name == "code_verifier")
                .unwrap()
                .1
        )
    );
    let (state, [.., encoded]) = (pending.state(), spellings(CANARY));
    for spelled in spellings(CANARY) {
        let text: String = form_urlencoded::byte_serialize(spelled.as_bytes()).collect();
        for query in [
            spelled.clone(),
            format!("{spelled}&{spelled}"),
            format!("{spelled}=1&{spelled}=2"),
            format!("code={spelled}"),
            format!("code={spelled}&code={spelled}&state={state}"),
            format!("code={spelled}&state=x"),
            format!("code={spelled}&amp;state={state}"),
            format!("code={spelled}%20&state={state}"),
            format!("code={spelled}%ff&state={state}"),
            format!("id_token={spelled}&state={state}"),
            format!(
                "code={encoded}&state={state}&error=x&error_description={text}&error_uri={text}&error_subcode={text}"
            ),
            format!("code={CANARY}&state={state}&iss=https://login.microsoftonline.com/common")
                .replace(CANARY, &spelled),
        ] {
            for redirect in [
                Redirect::from_query(&query),
                Redirect::from_form(query.as_bytes()),
                Redirect::from_fragment(&query),
                Redirect::from_url(&format!("https://a.example/cb?{query}")),
                Redirect::from_url(&query),
            ] {
                match redirect {
                    Ok(redirect) => {
                        check_debug(&query, &redirect);
                        for outcome in [
                            pending.redeem(&app, &redirect).map(drop),
                            consent.accept(&app, &redirect).map(drop),
                        ] {
                            let error = outcome.expect_err(&query);
                            check_error(&query, &error);
                            assert!(!error.to_string().contains(state), "{error}");
                        }
                    }
                    Err(error) => check_error(&query, &error),
                }
            }
        }
    }
}

#[test]
fn secrets_echoed_by_the_service_are_redacted() {
    let target = || Target::scopes("User.Read").unwrap();
    for version in [EndpointVersion::V1, EndpointVersion::V2] {
        let app = application(version);
        let (_, pending) = app.authorize(target(), back()).start(&random()).unwrap();
        let redirect = form_urlencoded::Serializer::new(String::new())
            .extend_pairs([("code", CANARY), ("state", pending.state())])
            .finish();
        let code = pending.redeem(&app, &Redirect::from_query(&redirect).unwrap()).unwrap();
        let start = app.device_code(target()).unwrap();
        let body = format!(r#"{{"device_code":"{CANARY}","user_code":"u","verification_uri":"https://a.example"}}"#);
        let authorization = start
            .decode(&Response::new(Body::from(body)), Timestamp::from_secs(1))
            .unwrap();
        check_debug("authorization", &authorization);
        check_debug("start", &start);
        let requests: [TokenRequest; 4] = [
            code,
            app.refresh(RefreshToken::new(CANARY).unwrap(), target()).unwrap(),
            app.on_behalf_of(UserAssertion::new(CANARY).unwrap(), target()).unwrap(),
            start.poll(&authorization).unwrap(),
        ];
        for request in requests {
            check_debug("request", &request);
            check("cache key", request.cache_key().as_str());
            let http = request.encode(Guid::from_bytes([7; 16]));
            check("uri", &http.uri().to_string());
            let sent = String::from_utf8(http.body().as_bytes().to_vec()).unwrap();
            check_debug(
                "step",
                &request.clone().start(
                    RetryPolicy::default(),
                    Guid::from_bytes([7; 16]),
                    Timestamp::from_secs(1),
                ),
            );
            for spelled in spellings(CANARY).into_iter().chain([sent.clone()]) {
                let quoted = serde_json::Value::from(spelled.as_str());
                for body in [
                    format!(r#"{{"error":"invalid_grant","error_description":{quoted},"error_codes":[70000]}}"#),
                    format!(
                        r#"{{"error":{quoted},"suberror":{quoted},"claims":{quoted},"error_uri":{quoted},"timestamp":{quoted}}}"#
                    ),
                    format!(r#"{{"access_token":"t","expires_in":1,"token_type":{quoted}}}"#),
                    format!("<html>could not pass on {spelled}</html>"),
                    spelled.clone(),
                    format!("{}{spelled}", "x".repeat(1010)),
                ] {
                    for status in [200, 400, 502] {
                        let response = Response::builder()
                            .status(status)
                            .header("content-type", format!("text/{CANARY}"));
                        let error = request
                            .decode(
                                &response.body(Body::from(body.clone())).unwrap(),
                                Timestamp::from_secs(1),
                            )
                            .unwrap_err();
                        check_error(&body, &error);
                        let verifier =
                            form_urlencoded::parse(sent.as_bytes()).find(|(name, _)| name == "code_verifier");
                        assert!(
                            verifier.is_none_or(|(_, verifier)| !error.to_string().contains(&*verifier)),
                            "{error}"
                        );
                    }
                }
            }
        }
    }
}
