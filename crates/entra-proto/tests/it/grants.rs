//! The requests of each grant: their parameters, their credential, their endpoint.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use entra_proto::authorize::{PendingAuthorization, Redirect, RefreshToken, UserAssertion};
use entra_proto::device::DeviceCodeRequest;
use entra_proto::report::Report;
use entra_proto::{
    Application, Authority, Body, ClientCredential, ClientSecret, EndpointVersion, Error, Guid, Target, Timestamp,
    TokenRequest,
};
use http::Response;

use EndpointVersion::{V1, V2};

pub(super) const NOW: Timestamp = Timestamp::from_secs(1_767_225_600);
pub(super) const ID: &str = "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa";
const BACK: &str = "https://app.example/cb";
pub(super) const GRANTS: [&str; 5] = ["client_credentials", "code", "refresh", "on_behalf_of", "device_code"];

pub(super) fn application(version: EndpointVersion, credential: impl Into<ClientCredential>) -> Application {
    let authority: Authority = "https://login.microsoftonline.com/contoso.com".parse().unwrap();
    Application::new(authority, ID.parse().unwrap(), credential).with_endpoint_version(version)
}

pub(super) fn confidential(version: EndpointVersion) -> Application {
    application(version, ClientSecret::new("s3cret").unwrap())
}

pub(super) fn public(version: EndpointVersion) -> Application {
    application(version, ClientCredential::Public)
}

pub(super) fn scopes(text: &str) -> Target {
    Target::scopes(text).unwrap()
}

/// Returns a sign-in, and the request that redeems this code.
pub(super) fn redeemed(
    app: &Application,
    target: Target,
    code: &str,
) -> Result<(PendingAuthorization, TokenRequest), Error> {
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

/// Returns the request of a grant that is based on this text.
pub(super) fn request(app: &Application, grant: &str, target: Target, text: &str) -> Result<TokenRequest, Error> {
    match grant {
        "client_credentials" => app.client_credentials(target),
        "code" => redeemed(app, target, text).map(|(_, request)| request),
        "refresh" => app.refresh(RefreshToken::new(text).unwrap(), target),
        "on_behalf_of" => app.on_behalf_of(UserAssertion::new(text).unwrap(), target),
        "device_code" => started(app, target, text).map(|(_, poll)| poll),
        other => panic!("{other}"),
    }
}

/// Parses a body with an independent parser.
pub(super) fn form(body: &Body) -> BTreeMap<String, String> {
    let pairs: Vec<_> = form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    let (count, map) = (pairs.len(), pairs.into_iter().collect::<BTreeMap<_, _>>());
    assert_eq!(map.len(), count, "duplicate parameter");
    map
}

pub(super) fn sent(request: &TokenRequest) -> BTreeMap<String, String> {
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
fn refresh_token_is_sent_with_its_target() {
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
fn on_behalf_of_requests_of_both_versions() {
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
fn code_is_redeemed_at_its_authority() {
    let app = public(V2).with_authority("https://login.microsoftonline.com/common".parse().unwrap());
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
fn code_is_redeemed_for_the_first_of_several_apis() {
    for (requested, redeemed_for) in [
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
        let (_, request) = redeemed(&confidential(V2), scopes(requested), "c").unwrap();
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
        assert!(
            format!("{:#}", Report::from(mixed.unwrap_err())).contains("one or the other"),
            "{grant}"
        );
    }
}

#[test]
fn device_flow_requests_of_both_versions() {
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
    // v1 accepts the code under both names.
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

/// The official clients do the same: regional token endpoints issue app-only tokens only.
#[test]
fn region_is_used_for_app_only_tokens_only() {
    for version in [V1, V2] {
        let app = confidential(version);
        let region = app.authority().with_region("westeurope".parse().unwrap()).unwrap();
        let regional = app.clone().with_authority(region);
        for grant in GRANTS {
            let target = || scopes("https://a.example/.default");
            let uri = |app: &Application| {
                let request = request(app, grant, target(), "t").unwrap();
                request.encode(Guid::from_bytes([7; 16])).uri().to_string()
            };
            let host = if grant == "client_credentials" {
                "https://westeurope.login.microsoft.com/"
            } else {
                "https://login.microsoftonline.com/"
            };
            assert!(uri(&regional).starts_with(host), "{grant}: {}", uri(&regional));
            assert_eq!(uri(&regional) == uri(&app), grant != "client_credentials");
        }
    }
}

#[test]
fn public_client_sends_no_credential() {
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
            let error = request(&app, grant, scopes("https://a.example/.default"), "t").unwrap_err();
            let error = format!("{:#}", Report::from(error));
            assert!(
                error.contains("grant requires one") && error.contains("certificate or a client secret"),
                "{error}"
            );
        }
    }
}
