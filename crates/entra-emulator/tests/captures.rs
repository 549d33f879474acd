//! Token requests that the official clients were seen to send. Each good one has to be accepted.

mod support;

use std::collections::BTreeSet;
use std::time::{Duration, UNIX_EPOCH};

use entra_emulator::{Api, App, Emulator, Tenant, TokenVersion};
use serde::Deserialize;
use support::assertion::Shape;
use support::{assertion, claims, json_body};

/// One captured request. What the real service answers was not captured: `audience` and `refused` are what the
/// documents say.
///
/// `{assertion}` in a body stands for an assertion of the shape that was seen in this case.
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
    refused: Option<u64>,
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
    serde_json::from_str(include_str!("captures.json")).unwrap()
}

#[test]
fn good_requests_of_the_official_clients_are_accepted() {
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
        match (capture.audience, capture.refused) {
            (Some(audience), None) => {
                assert_eq!(response.status(), 200, "{name}: {body}");
                assert_eq!(claims(&body)["aud"], audience, "{name}");
                accepted.insert(capture.client);
            }
            (None, Some(code)) => assert_eq!(body["error_codes"][0], code, "{name}: {body}"),
            _ => panic!("{name} has to say what must come of it"),
        }
    }
    assert_eq!((accepted.len(), signed), (4, 5), "{accepted:?}");
}

#[test]
fn apis_of_version_two_get_their_app_id_as_audience() {
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
fn the_request_id_is_found_wherever_a_client_puts_it() {
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
