//! Token requests that the official clients were seen to send. Each valid one must be accepted.

use std::collections::BTreeSet;
use std::time::{Duration, UNIX_EPOCH};

use entra_emulator::{Api, App, Emulator, Tenant, TokenVersion, User};
use serde::Deserialize;

use crate::support::assertion::Shape;
use crate::support::{assertion, authorize_url, claims, json_body, post};

/// One captured request. The response of the real service was not captured: `audience` and
/// `rejected` follow the documents.
///
/// `{assertion}` in a body stands for an assertion of the shape that was captured in this case.
/// `{code}`, `{verifier}`, `{refresh_token}`, `{user_assertion}` and `{device_code}` stand for
/// values of a user's earlier sign-in.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Capture {
    client: String,
    case: String,
    host: String,
    path: String,
    content_type: String,
    body: String,
    audience: Option<String>,
    error_code: Option<u64>,
    /// True if the request is part of a user's sign-in.
    #[serde(default)]
    user: bool,
}

fn emulator(token_version: TokenVersion) -> Emulator {
    Emulator::builder()
        .frozen_at(UNIX_EPOCH + Duration::from_secs(assertion::NOW))
        .tenant(Tenant::new("contoso.onmicrosoft.com").id("11111111-2222-3333-4444-555555555555"))
        .tenant(Tenant::new("other.example").id("72f988bf-86f1-41af-91ab-2d7cd011db47"))
        .api(
            Api::new("api://cccccccc-0000-0000-0000-dddddddddddd")
                .app_id("cccccccc-0000-0000-0000-dddddddddddd")
                .token_version(token_version),
        )
        .app(
            App::new("captured")
                .client_id("aaaaaaaa-1111-2222-3333-bbbbbbbbbbbb")
                .certificate_pem(assertion::APP)
                .secret("fixed-secret~value")
                .secret("a b+c/d=e&f%g~h.i_j-k*l!m'n(o)p;q:r@s,t$u#v?w[x]y\\z|é"),
        )
        .build()
}

fn captures() -> Vec<Capture> {
    all().into_iter().filter(|capture| !capture.user).collect()
}

fn all() -> Vec<Capture> {
    serde_json::from_str(include_str!("../captures.json")).unwrap()
}

/// Returns an emulator with the same application, a user, an API of the application and consented
/// scopes; the application is confidential or public.
fn with_user(public: bool) -> Emulator {
    let id = "aaaaaaaa-1111-2222-3333-bbbbbbbbbbbb";
    let app = App::new("captured")
        .client_id(id)
        .redirect_uri(REDIRECT)
        .grant_scope(Emulator::GRAPH, "User.Read");
    let app = if public {
        app.public_client()
    } else {
        app.certificate_pem(assertion::APP).secret("fixed-secret~value")
    };
    Emulator::builder()
        .frozen_at(UNIX_EPOCH + Duration::from_secs(assertion::NOW))
        .tenant(
            Tenant::new("contoso.onmicrosoft.com")
                .id("11111111-2222-3333-4444-555555555555")
                .user(User::new("Test User").user_principal_name(USER)),
        )
        .api(Api::new("api://captured").app_id(id).scope("access"))
        .app(app)
        .build()
}

const REDIRECT: &str = "https://app.example/cb";
const USER: &str = "user@contoso.com";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// Returns an authorization code of a sign-in that suits the capture.
fn code(emulator: &Emulator, capture: &Capture, scope: &str) -> String {
    let mut fields = vec![("redirect_uri", REDIRECT)];
    let endpoint = if capture.path.contains("/v2.0/") {
        fields.push(("scope", scope));
        "v2.0/authorize"
    } else {
        fields.push(("resource", "https://graph.microsoft.com"));
        "authorize"
    };
    if capture.body.contains("{verifier}") {
        fields.extend([("code_challenge", CHALLENGE), ("code_challenge_method", "S256")]);
    }
    let redirect = emulator
        .approve(&authorize_url(emulator, endpoint, &fields), USER)
        .unwrap();
    redirect.parameter("code").unwrap()
}

/// Returns a member of the response to the redemption of a code.
fn redeemed(emulator: &Emulator, capture: &Capture, scope: &str, name: &str) -> String {
    let fields = [
        ("grant_type", "authorization_code"),
        ("client_id", emulator.client_id()),
        ("client_secret", "fixed-secret~value"),
        ("redirect_uri", REDIRECT),
        ("code", &code(emulator, capture, scope)),
    ];
    let path = capture.path.split('?').next().unwrap();
    let body = json_body(&post(emulator, path, &fields));
    body[name].as_str().unwrap_or_else(|| panic!("{body}")).to_owned()
}

#[test]
fn captured_requests_with_a_user_are_accepted() {
    let scope = "User.Read openid profile offline_access";
    let (mut device_code, mut seen) = (String::new(), BTreeSet::new());
    let (confidential, public) = (with_user(false), with_user(true));
    for capture in all().into_iter().filter(|capture| capture.user) {
        let name = format!("{} {}", capture.client, capture.case);
        let is_public = capture.case.contains("device") || capture.case == "ropc";
        let emulator = if is_public { &public } else { &confidential };
        let mut sent = capture.body.clone();
        let mut fill = |name: &str, value: &dyn Fn() -> String| {
            if sent.contains(name) {
                sent = sent.replace(name, &value());
                seen.insert(name.to_owned());
            }
        };
        fill("{device_code}", &|| device_code.clone());
        fill("{code}", &|| code(emulator, &capture, scope));
        fill("{verifier}", &|| VERIFIER.to_owned());
        fill("{refresh_token}", &|| {
            redeemed(emulator, &capture, scope, "refresh_token")
        });
        fill("{user_assertion}", &|| {
            redeemed(emulator, &capture, "api://captured/access", "access_token")
        });
        fill("{assertion}", &|| assertion::Draft::new(emulator).sign());
        let request = http::Request::post(format!("https://{}{}", capture.host, capture.path))
            .header("content-type", &capture.content_type);
        let response = emulator.handle(request.body(sent.into_bytes()).unwrap());
        let body = json_body(&response);
        match (&capture.audience, capture.error_code) {
            (Some(audience), None) => {
                assert_eq!(response.status(), 200, "{name}: {body}");
                assert_eq!(claims(&body)["aud"], *audience, "{name}");
                // The scopes of OpenID Connect, which differ between clients, follow.
                let scp = claims(&body)["scp"].as_str().unwrap().to_owned();
                assert_eq!(scp.split(' ').next(), Some("User.Read"), "{name}");
                let has_info = capture.body.contains("client_info=1");
                assert_eq!(body["client_info"].is_string(), has_info, "{name}");
            }
            (None, Some(code)) => assert_eq!(body["error_codes"][0], code, "{name}: {body}"),
            _ => {
                device_code = body["device_code"].as_str().expect(&name).to_owned();
                emulator
                    .approve_device(body["user_code"].as_str().unwrap(), USER)
                    .unwrap();
            }
        }
    }
    assert_eq!(seen.len(), 6, "{seen:?}");
}

/// The URLs that the clients open in a browser, in their format.
#[test]
fn authorize_urls_of_the_official_clients_are_accepted() {
    let emulator = with_user(false);
    let host = "https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555/oauth2/v2.0/authorize";
    for (query, body) in [
        (
            "client_id=aaaaaaaa-1111-2222-3333-bbbbbbbbbbbb&scope=User.Read%20openid%20profile%20offline_access&redirect_uri=https%3A%2F%2Fapp.example%2Fcb&client-request-id=0f0e0d0c-0b0a-4908-8706-050403020100&response_mode=query&client_info=1&clidata=1&state=st&claims=%7B%22id_token%22%3A%7B%22signin_state%22%3A%7B%22essential%22%3Afalse%7D%7D%7D&x-client-SKU=msal.js.node&response_type=code",
            false,
        ),
        (
            "client_id=aaaaaaaa-1111-2222-3333-bbbbbbbbbbbb&response_type=code&redirect_uri=https%3A%2F%2Fapp.example%2Fcb&scope=User.Read+offline_access+openid+profile&state=st&response_mode=form_post&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256&nonce=n&client_info=1&claims=%7B%22id_token%22%3A%7B%22auth_time%22%3A%7B%22essential%22%3Atrue%7D%7D%7D&max_age=0",
            true,
        ),
        (
            "client_id=aaaaaaaa-1111-2222-3333-bbbbbbbbbbbb&response_type=code&redirect_uri=https%3A%2F%2Fapp.example%2Fcb&scope=User.Read+offline_access+openid+profile&state=st",
            false,
        ),
    ] {
        let redirect = emulator.approve(&format!("{host}?{query}"), USER).unwrap();
        assert!(redirect.parameter("code").is_some(), "{query}");
        assert_eq!(
            (redirect.parameter("state").as_deref(), redirect.body.is_some()),
            (Some("st"), body)
        );
        assert_eq!(
            redirect.parameter("client_info").is_some(),
            query.contains("client_info")
        );
    }
}

#[test]
fn captured_requests_without_a_user_are_accepted() {
    let emulator = emulator(TokenVersion::V1);
    let (mut accepted, mut signed, shapes) = (BTreeSet::new(), 0, Shape::all());
    for capture in captures() {
        let name = format!("{} {}", capture.client, capture.case);
        let request = http::Request::post(format!("https://{}{}", capture.host, capture.path))
            .header("content-type", &capture.content_type);
        let mut sent = capture.body.clone();
        if sent.contains("{assertion}") {
            let shape = shapes
                .iter()
                .find(|shape| (&shape.client, &shape.case) == (&capture.client, &capture.case));
            sent = sent.replace("{assertion}", &shape.expect("a shape").sign(&emulator));
            signed += 1;
        }
        let response = emulator.handle(request.body(sent.into_bytes()).unwrap());
        let body = json_body(&response);
        match (capture.audience, capture.error_code) {
            (Some(audience), None) => {
                assert_eq!(response.status(), 200, "{name}: {body}");
                assert_eq!(claims(&body)["aud"], audience, "{name}");
                accepted.insert(capture.client);
            }
            (None, Some(code)) => assert_eq!(body["error_codes"][0], code, "{name}: {body}"),
            _ => panic!("{name} must have an audience or an error"),
        }
    }
    assert_eq!((accepted.len(), signed), (4, 5), "{accepted:?}");
}

#[test]
fn v2_apis_get_their_app_id_as_audience() {
    let emulator = emulator(TokenVersion::V2);
    for capture in captures()
        .into_iter()
        .filter(|capture| capture.body.contains("cccccccc") && capture.audience.is_some())
    {
        let request = http::Request::post(capture.path).header("content-type", &capture.content_type);
        let response = emulator.handle(request.body(capture.body.into_bytes()).unwrap());
        assert_eq!(
            claims(&json_body(&response))["aud"],
            "cccccccc-0000-0000-0000-dddddddddddd"
        );
    }
}

#[test]
fn request_id_is_read_from_query_and_body() {
    let emulator = emulator(TokenVersion::V1);
    let id = "0f0e0d0c-0b0a-4908-8706-050403020100";
    let capture = captures()
        .into_iter()
        .find(|capture| capture.client == "azure-msal-node")
        .unwrap();
    let without_query = capture.path.split('?').next().unwrap();
    for (path, body) in [(capture.path.as_str(), ""), (without_query, capture.body.as_str())] {
        let request = http::Request::post(path).header("content-type", &capture.content_type);
        let wrong = body.replace("fixed-secret", "wrong");
        let response = emulator.handle(request.body(wrong.into_bytes()).unwrap());
        assert_eq!(json_body(&response)["correlation_id"], id, "{path}");
    }
}
