//! Tokens of users: their ID tokens, cache keys and tenants.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use entra_proto::assertion::ClientAssertion;
use entra_proto::authorize::RefreshToken;
use entra_proto::cache::CacheKey;
use entra_proto::error::ResponseProblem;
use entra_proto::{
    Application, Authority, Body, ClientCredential, ClientSecret, EndpointVersion, Error, Guid, Target, TokenResponse,
};
use http::Response;

use super::grants::{GRANTS, ID, NOW, application, confidential, public, redeemed, request, scopes};
use EndpointVersion::{V1, V2};

fn id_token(claims: &str) -> String {
    let part = |json: &str| URL_SAFE_NO_PAD.encode(json);
    format!("{}.{}.", part(r#"{"typ":"JWT","alg":"none"}"#), part(claims))
}

fn token_response(id_token: Option<&str>) -> Response<Body> {
    let mut body = serde_json::json!({ "access_token": "t", "expires_in": 3599, "token_type": "Bearer" });
    if let Some(id_token) = id_token {
        body["id_token"] = id_token.into();
    }
    Response::new(Body::from(body.to_string()))
}

#[test]
fn id_token_for_a_code_must_belong_to_the_sign_in() {
    let app = confidential(V2);
    let (_, code) = redeemed(&app, scopes("User.Read"), "c").unwrap();
    let nonce = URL_SAFE_NO_PAD.encode([7; 32]);
    let right = id_token(&format!(r#"{{"sub":"me","nonce":"{nonce}"}}"#));
    let token = code.decode(&token_response(Some(&right)), NOW).unwrap();
    assert_eq!(token.id_token.unwrap().claims().unwrap().subject(), Some("me"));
    // The ID token may be missing, because the verifier proves the code.
    assert!(code.decode(&token_response(None), NOW).unwrap().id_token.is_none());
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
        match code.decode(&token_response(Some(&wrong)), NOW) {
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
    // On v1 the nonce may be missing, but not different.
    let app = confidential(V1);
    let (_, code) = redeemed(&app, Target::resource("https://manage.office.com").unwrap(), "c").unwrap();
    assert!(
        code.decode(&token_response(Some(&id_token(r#"{"sub":"me"}"#))), NOW)
            .is_ok()
    );
    for wrong in [r#"{"nonce":"x"}"#, r#"{"nonce":7}"#, r#"{"nonce":null}"#] {
        assert!(
            code.decode(&token_response(Some(&id_token(wrong))), NOW).is_err(),
            "{wrong}"
        );
    }
    assert!(code.decode(&token_response(Some("canary")), NOW).is_err());
    // The other grants request no nonce.
    for grant in ["refresh", "on_behalf_of", "device_code"] {
        let request = request(&app, grant, scopes("User.Read"), "t").unwrap();
        assert!(
            request
                .decode(&token_response(Some(&id_token(r#"{"sub":"me"}"#))), NOW)
                .is_ok(),
            "{grant}"
        );
    }
}

#[test]
fn user_token_responses_of_v1_and_v2_are_decoded() {
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

    // A refresh token that cannot be sent is ignored, and the access token is still accepted.
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
fn key_depends_on_everything_that_changes_a_users_token() {
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
            "{grant}: the position of the secret"
        );
        let other_tenant = app
            .clone()
            .with_authority("https://login.microsoftonline.com/fabrikam.com".parse().unwrap());
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
            key(
                &app.clone().with_endpoint_version(V1),
                grant,
                "User.Read Mail.Read",
                "text",
            ),
            key(
                &app.clone().with_capabilities(&["cp1"]),
                grant,
                "User.Read Mail.Read",
                "text",
            ),
            key(&other_tenant, grant, "User.Read Mail.Read", "text"),
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
    // Different grants with the same text have different keys.
    let mut keys: Vec<CacheKey> = GRANTS
        .iter()
        .map(|grant| key(&app, grant, "https://a.example/.default", "text"))
        .collect();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), GRANTS.len());
    // Scopes that are added automatically make no difference if they are named.
    assert_eq!(
        key(&app, "refresh", "User.Read", "t"),
        key(&app, "refresh", "offline_access openid profile User.Read", "t")
    );
}

#[test]
fn token_without_a_tenant_is_an_error() {
    let error = confidential(V2)
        .refresh(RefreshToken::new("rt").unwrap(), scopes("User.Read"))
        .unwrap()
        .decode(&token_response(None), NOW)
        .unwrap()
        .tenant_id()
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "tenant is named neither by the ID token nor by the access token"
    );
}

#[test]
fn id_token_of_another_tenant_is_rejected() {
    let (one, other) = (
        "11111111-2222-3333-4444-555555555555",
        "66666666-2222-3333-4444-555555555555",
    );
    let personal = "9188040d-6c67-4c5b-b112-36a304b66dad";
    for (requested, signed_in, fits) in [
        (one, one, true),
        (one, other, false),
        ("organizations", personal, false),
        ("common", personal, true),
        ("contoso.com", other, true),
    ] {
        let authority = format!("https://login.microsoftonline.com/{requested}")
            .parse::<Authority>()
            .unwrap();
        let app = Application::new(authority, ID.parse().unwrap(), ClientSecret::new("s3cret").unwrap())
            .with_endpoint_version(V1);
        for grant in GRANTS.into_iter().filter(|grant| *grant != "client_credentials") {
            let Ok(request) = request(&app, grant, Target::resource("https://a.example").unwrap(), "text") else {
                continue;
            };
            let id_token = id_token(&format!(r#"{{"tid":"{signed_in}"}}"#));
            let body = format!(r#"{{"access_token":"t","expires_in":3599,"id_token":"{id_token}"}}"#);
            let decoded = request.decode(&Response::new(Body::from(body)), NOW);
            assert_eq!(decoded.is_ok(), fits, "{grant} {requested} {signed_in}: {decoded:?}");
        }
    }
}
