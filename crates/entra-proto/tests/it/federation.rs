//! Sources of assertions: the requests they send, the responses they read, and what they hide.

use std::ffi::OsString;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use entra_proto::acquired::AssertionExchange;
use entra_proto::environment::EnvironmentError;
use entra_proto::federation::{AzurePipelines, GitHubActions, HttpSource};
use entra_proto::managed_identity::LocalRoute;
use entra_proto::{Body, ClientCredential, Error, Guid, Timestamp};
use http::{HeaderMap, Request, Response};
use proptest::prelude::*;
use serde_json::json;

const NOW: Timestamp = Timestamp::from_secs(1_767_225_600);
const EXCHANGE: &str = "api://AzureADTokenExchange";
const GITHUB_URL: &str = "https://pipelines.actions.githubusercontent.com/a/_apis/idtoken?api-version=2.0";
const PIPELINES_URI: &str = "https://dev.azure.com/contoso/p/_apis/distributedtask/hubs/build/plans/1/jobs/2/oidctoken";
const CONNECTION: &str = "11111111-2222-3333-4444-555555555555";

fn github() -> GitHubActions {
    GitHubActions::new(GITHUB_URL, "canary-request-token").unwrap()
}

fn pipelines() -> AzurePipelines {
    AzurePipelines::new(PIPELINES_URI, CONNECTION.parse().unwrap(), "canary-access-token").unwrap()
}

fn google() -> HttpSource {
    HttpSource::new("http://169.254.169.254/computeMetadata/v1/instance/service-accounts/default/identity")
        .unwrap()
        .with_audience_parameter("audience")
        .with_header("Metadata-Flavor", "Google")
        .unwrap()
}

fn ci() -> HttpSource {
    HttpSource::new("https://ci.example/token?job=canary-job")
        .unwrap()
        .with_header("X-Job-Token", "canary job token")
        .unwrap()
        .with_pointer("/data/0/jwt")
        .unwrap()
}

fn asked(source: &impl AssertionExchange) -> Request<Body> {
    source.request(EXCHANGE, Guid::from_random([7; 16]))
}

fn shown(headers: &HeaderMap) -> Vec<String> {
    let mut lines: Vec<String> = headers
        .iter()
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .collect();
    lines.sort();
    lines
}

fn response(status: u16, body: impl Into<Vec<u8>>) -> Response<Body> {
    Response::builder().status(status).body(Body::new(body.into())).unwrap()
}

/// A JWT that was issued at this moment and is valid for this time, in seconds.
fn jwt(issued: u64, life: u64) -> String {
    let claims = json!({ "iss": "i", "sub": "s", "aud": EXCHANGE, "iat": issued, "exp": issued + life }).to_string();
    format!("e30.{}.canary", URL_SAFE_NO_PAD.encode(claims))
}

fn in_full(error: &Error) -> String {
    format!("{error} {error:?} {error:#?} {:?}", error.hint())
}

#[test]
fn github_is_asked_for_the_audience() {
    let request = asked(&github());
    assert_eq!(request.method(), "GET");
    assert_eq!(
        request.uri(),
        "https://pipelines.actions.githubusercontent.com/a/_apis/idtoken?api-version=2.0&audience=api%3A%2F%2FAzureADTokenExchange"
    );
    assert_eq!(
        shown(request.headers()),
        ["accept: application/json", "authorization: Bearer canary-request-token"]
    );
    assert!(request.headers()["authorization"].is_sensitive() && request.body().is_empty());
    assert!(LocalRoute::of(&request).is_none());
    let other = asked(&github().with_audience("own & only"));
    assert!(
        other.uri().to_string().ends_with("&audience=own%20%26%20only"),
        "{}",
        other.uri()
    );
}

#[test]
fn azure_pipelines_is_asked_for_the_service_connection() {
    let request = asked(&pipelines());
    assert_eq!(request.method(), "POST");
    assert_eq!(
        request.uri().to_string(),
        format!("{PIPELINES_URI}?api-version=7.1&serviceConnectionId={CONNECTION}")
    );
    assert_eq!(
        shown(request.headers()),
        [
            "authorization: Bearer canary-access-token",
            "content-type: application/json",
            "x-tfs-fedauthredirect: Suppress",
        ]
    );
    assert!(request.headers()["authorization"].is_sensitive() && request.body().is_empty());
}

#[test]
fn metadata_service_of_google_responds_with_text() {
    let request = asked(&google());
    assert_eq!(
        request.uri(),
        "http://169.254.169.254/computeMetadata/v1/instance/service-accounts/default/identity?audience=api%3A%2F%2FAzureADTokenExchange"
    );
    assert_eq!(shown(request.headers()), ["metadata-flavor: Google"]);
    assert!(
        LocalRoute::of(&request).is_some(),
        "no proxy, and plain http on the link only"
    );
    let text = format!("{}\n", jwt(NOW.as_secs(), 3600));
    let assertion = google().decode(&response(200, text.clone()), NOW).unwrap();
    assert_eq!(assertion.expose(), text.trim());
    // No service account is attached.
    let error = google().decode(&response(404, "canary"), NOW).unwrap_err();
    assert!(
        error.to_string().contains("status 404") && error.hint().unwrap().contains("identity"),
        "{error}"
    );
}

#[test]
fn assertion_is_read_where_each_service_puts_it() {
    let jwt = jwt(NOW.as_secs(), 300);
    let github = github().decode(&response(200, json!({ "count": 1, "value": jwt }).to_string()), NOW);
    let pipeline = pipelines().decode(&response(200, json!({ "oidcToken": jwt }).to_string()), NOW);
    let ci = ci().decode(&response(201, json!({ "data": [{ "jwt": jwt }] }).to_string()), NOW);
    for assertion in [github, pipeline, ci] {
        let assertion = assertion.unwrap();
        assert_eq!(assertion.expose(), jwt);
        assert_eq!(
            assertion.expires_at().map(Timestamp::as_secs),
            Some(NOW.as_secs() + 300)
        );
    }
}

#[test]
fn expiry_is_cautious_about_the_clocks() {
    let now = NOW.as_secs();
    for (issued, life, expiry) in [
        (now, 300, Some(now + 300)),
        // The local clock is slow: at most the lifetime is left.
        (now + 3600, 300, Some(now + 300)),
        // The platform has cached it, or the local clock is fast.
        (now - 200, 300, Some(now + 100)),
        (now - 3600, 300, Some(now - 3300)),
    ] {
        let body = json!({ "value": jwt(issued, life) }).to_string();
        let assertion = github().decode(&response(200, body), NOW).unwrap();
        assert_eq!(assertion.expires_at().map(Timestamp::as_secs), expiry, "{issued}");
    }
    // Claims of an unknown form do no harm.
    for text in ["a.b.c", "e30.e30.sig"] {
        let assertion = github().decode(&response(200, json!({ "value": text }).to_string()), NOW);
        assert_eq!(assertion.unwrap().expires_at(), None);
    }
}

#[test]
fn hostile_responses_are_errors_that_show_nothing() {
    let check = |error: Error, problem: &str| {
        let shown = in_full(&error);
        assert!(
            shown.contains(problem) && !shown.contains("canary"),
            "{problem}: {shown}"
        );
    };
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    for (body, problem) in [
        ("", "not JSON"),
        ("canary", "not JSON"),
        ("{\"value\": \"canary", "not JSON"),
        (&deep, "not JSON"),
        ("[]", "nothing at"),
        ("{\"canary\": 1}", "nothing at"),
    ] {
        check(github().decode(&response(200, body), NOW).unwrap_err(), problem);
        check(pipelines().decode(&response(200, body), NOW).unwrap_err(), problem);
        check(ci().decode(&response(200, body), NOW).unwrap_err(), problem);
    }
    let huge = "a.b.".to_owned() + &"canary".repeat(20_000);
    for (value, problem) in [
        (json!(7), "no text at"),
        (json!(null), "no text at"),
        (json!(["canary"]), "no text at"),
        (json!({ "canary": "canary" }), "no text at"),
        (json!(""), "not a JWT"),
        (json!("canary"), "not a JWT"),
        (json!("canary.canary.canary.canary.canary"), "not a JWT"),
        (json!("canary.canary.canary\nx: y"), "not a JWT"),
        (json!(huge), "64 KiB"),
    ] {
        let body = json!({ "value": value, "oidcToken": value, "data": [{ "jwt": value }] }).to_string();
        check(github().decode(&response(200, &*body), NOW).unwrap_err(), problem);
        check(pipelines().decode(&response(200, &*body), NOW).unwrap_err(), problem);
        check(ci().decode(&response(200, &*body), NOW).unwrap_err(), problem);
    }
    check(
        google().decode(&response(200, [0xff, 0xfe, b'a']), NOW).unwrap_err(),
        "not a text",
    );
    check(google().decode(&response(200, "canary"), NOW).unwrap_err(), "not a JWT");
    check(
        google().decode(&response(200, "a".repeat(1 << 20)), NOW).unwrap_err(),
        "64 KiB",
    );
}

#[test]
fn rejected_request_names_the_missing_permission() {
    for status in [401, 403] {
        let error = github().decode(&response(status, "canary"), NOW).unwrap_err();
        assert!(error.to_string().contains(&status.to_string()));
        assert!(error.hint().unwrap().contains("id-token: write") && !in_full(&error).contains("canary"));
    }
    let error = github().decode(&response(500, "canary"), NOW).unwrap_err();
    assert_eq!((error.hint(), in_full(&error).contains("canary")), (None, false));
}

#[test]
fn sign_in_page_of_azure_pipelines_means_an_unmapped_token() {
    let page = "\r\n<!DOCTYPE html><title>canary</title>";
    for (status, body) in [(203, page), (203, ""), (401, ""), (200, page), (404, page)] {
        let error = pipelines().decode(&response(status, body), NOW).unwrap_err();
        assert!(
            error.hint().unwrap().contains("SYSTEM_ACCESSTOKEN"),
            "{status}: {error}"
        );
        assert!(!in_full(&error).contains("canary"));
    }
    assert!(pipelines().redirect_hint().unwrap().contains("SYSTEM_ACCESSTOKEN"));
    for status in [400, 403, 404] {
        let error = pipelines().decode(&response(status, "{}"), NOW).unwrap_err();
        assert!(error.hint().unwrap().contains("same stage"), "{status}");
    }
}

#[test]
fn refusal_of_azure_pipelines_names_its_traces() {
    let edge = "Ref A: 0123456789ABCDEF0123456789ABCDEF Ref B: AMS231020512019 Ref C: 2026-01-01T00:00:00Z";
    let answer = |e2eid: &str, edge: &str| {
        let mut answer = response(403, "{}");
        answer.headers_mut().insert("x-vss-e2eid", e2eid.parse().unwrap());
        answer.headers_mut().insert("x-msedge-ref", edge.parse().unwrap());
        pipelines().decode(&answer, NOW).unwrap_err().to_string()
    };
    let error = answer(CONNECTION, edge);
    assert!(
        error.ends_with(&format!("status 403 (x-vss-e2eid: {CONNECTION}, x-msedge-ref: {edge})")),
        "{error}"
    );
    // The service may repeat anything, such as the token of the request.
    for value in [
        "canary-access-token",
        "Ref A: canary_access",
        &format!("Ref A: canary{}", "x".repeat(40)),
    ] {
        let error = answer(value, value);
        assert!(!error.contains("canary"), "{error}");
    }
}

#[test]
fn sources_are_read_from_variables() {
    let lookup = |name: &str| -> Option<OsString> {
        let value = match name {
            "ACTIONS_ID_TOKEN_REQUEST_URL" => GITHUB_URL,
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN" => "canary-request-token\n",
            "SYSTEM_OIDCREQUESTURI" => PIPELINES_URI,
            "SYSTEM_ACCESSTOKEN" => "canary-access-token",
            "AZURESUBSCRIPTION_SERVICE_CONNECTION_ID" => CONNECTION,
            "AZURESUBSCRIPTION_TENANT_ID" => "contoso.com",
            "AZURESUBSCRIPTION_CLIENT_ID" => "aaaabbbb-0000-cccc-1111-dddd2222eeee",
            _ => return None,
        };
        Some(value.into())
    };
    let same = |one: Request<Body>, other: Request<Body>| {
        assert_eq!((one.uri(), one.headers()), (other.uri(), other.headers()));
    };
    same(asked(&GitHubActions::read(lookup).unwrap()), asked(&github()));
    same(asked(&AzurePipelines::read(lookup).unwrap()), asked(&pipelines()));
    let other: Guid = "66666666-7777-8888-9999-000000000000".parse().unwrap();
    let of_other = asked(&AzurePipelines::read_for(other, lookup).unwrap());
    assert!(of_other.uri().to_string().ends_with(&other.to_string()));

    let (tenant, client_id) = AzurePipelines::application(lookup).unwrap();
    assert_eq!(
        (tenant.to_string(), client_id.to_string()),
        ("contoso.com".to_owned(), "aaaabbbb-0000-cccc-1111-dddd2222eeee".into())
    );
    let own = |name: &str| {
        (name == "AZURE_TENANT_ID")
            .then(|| "own.example".into())
            .or_else(|| lookup(name))
    };
    assert_eq!(AzurePipelines::application(own).unwrap().0.to_string(), "own.example");
}

#[test]
fn missing_variable_has_advice() {
    let read = |set: &[(&str, &str)], name: &str| -> Option<OsString> {
        set.iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value.into())
    };
    let github = |set: &[(&str, &str)]| GitHubActions::read(|name| read(set, name)).unwrap_err();
    let pipelines = |set: &[(&str, &str)]| AzurePipelines::read(|name| read(set, name)).unwrap_err();
    let (uri, token) = (
        ("SYSTEM_OIDCREQUESTURI", PIPELINES_URI),
        ("SYSTEM_ACCESSTOKEN", "canary"),
    );
    for (error, variable, advice) in [
        (github(&[]), GitHubActions::REQUEST_URL, "id-token: write"),
        (
            github(&[
                (GitHubActions::REQUEST_URL, GITHUB_URL),
                (GitHubActions::REQUEST_TOKEN, " "),
            ]),
            GitHubActions::REQUEST_TOKEN,
            "id-token: write",
        ),
        (pipelines(&[]), AzurePipelines::REQUEST_URI, "job of Azure Pipelines"),
        (pipelines(&[uri]), AzurePipelines::ACCESS_TOKEN, "$(System.AccessToken)"),
        (
            pipelines(&[uri, token]),
            AzurePipelines::SERVICE_CONNECTION_ID,
            "AzureCLI",
        ),
    ] {
        assert!(
            matches!(error, EnvironmentError::Unset { variable: unset, .. } if unset == variable),
            "{error:?}"
        );
        assert!(error.hint().unwrap().contains(advice), "{error}: {:?}", error.hint());
    }
    for (url, token) in [
        ("http://evil.example/canary", "t"),
        (GITHUB_URL, "canary canary"),
        (GITHUB_URL, "canary\u{e9}"),
    ] {
        let error = github(&[(GitHubActions::REQUEST_URL, url), (GitHubActions::REQUEST_TOKEN, token)]);
        let shown = format!("{error} {error:?} {:?}", error.hint());
        assert!(
            matches!(error, EnvironmentError::Invalid { .. }) && !shown.contains("canary"),
            "{shown}"
        );
        assert!(shown.starts_with("ACTIONS_ID_TOKEN_REQUEST_"), "{shown}");
    }
}

#[test]
fn secrets_of_sources_are_never_shown() {
    let credentials: [ClientCredential; 3] = [github().into(), pipelines().into(), ci().into()];
    let mut shown = format!("{:?} {:?} {:?} {credentials:?}", github(), pipelines(), ci());
    for request in [asked(&github()), asked(&pipelines()), asked(&ci())] {
        shown += &format!("{:?}", request.headers());
    }
    for name in [github().name(), pipelines().name(), ci().name()] {
        shown += name;
    }
    assert!(!shown.contains("canary"), "{shown}");
    let error = HttpSource::new("https://ci.example/")
        .unwrap()
        .with_header("x", "canary\n")
        .unwrap_err();
    assert!(!in_full(&error).contains("canary"), "{error:?}");
}

#[test]
fn inputs_of_an_http_source_are_checked() {
    let source = || HttpSource::new("https://ci.example/").unwrap();
    for name in ["", "a b", "host", "Content-Length", "transfer-encoding", "é"] {
        assert!(source().with_header(name, "v").is_err(), "{name}");
    }
    for pointer in ["value", "$.value", "/a\nb", &format!("/{}", "x".repeat(200))] {
        assert!(source().with_pointer(pointer).is_err(), "{pointer}");
    }
    // The whole document may be a JSON string.
    let whole = source().with_pointer("").unwrap();
    assert_eq!(
        whole.decode(&response(200, "\"a.b.c\""), NOW).unwrap().expose(),
        "a.b.c"
    );
    let page = source().decode(&response(200, "<html>canary</html>"), NOW).unwrap_err();
    assert!(
        page.to_string().contains("web page") && !in_full(&page).contains("canary"),
        "{page}"
    );
}

proptest! {
    #[test]
    fn any_response_is_read_without_a_panic(status in 200_u16..600, body in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = github().decode(&response(status, body.clone()), NOW);
        let _ = pipelines().decode(&response(status, body.clone()), NOW);
        let _ = ci().decode(&response(status, body.clone()), NOW);
        let _ = google().decode(&response(status, body), NOW);
    }

    #[test]
    fn any_audience_arrives_unchanged(audience in ".{0,100}") {
        let request = github().with_audience(&audience).request("", Guid::from_random([7; 16]));
        let query = request.uri().query().unwrap().to_owned();
        let pairs: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        prop_assert_eq!(&pairs[1], &("audience".to_owned(), audience));
        prop_assert_eq!(pairs.len(), 2);
    }
}
