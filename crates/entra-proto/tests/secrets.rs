//! No secret in `Debug`, `Display` or an error of any public type.

use std::fmt::Debug;

use entra_proto::{
    AccessToken, Application, Authority, Body, ClientAssertion, ClientCredential, ClientId, ClientSecret, Cloud, Guid,
    RetryPolicy, Target, Timestamp, TokenResponse,
};
use http::{HeaderMap, StatusCode};

/// As it stands in memory, and as it stands in a form, in Basic authentication and in base64.
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
fn nothing_that_is_rendered_holds_a_secret() {
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
fn no_answer_gives_its_token_away() {
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
fn input_that_may_be_a_secret_by_mistake_is_not_repeated() {
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
