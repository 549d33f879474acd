//! The protocol of the instance metadata service.

use std::sync::atomic::Ordering;

use serde_json::Value;

use crate::support::{CLIENT_ID, OBJECT_ID, RESOURCE_ID, Served, TOKEN, WRONG_SECRET, get};

async fn ask(served: &Served, path: &str, query: &str) -> (u16, Value) {
    served
        .send(get(&format!("{path}?{query}")).header("metadata", "true"), "")
        .await
}

#[tokio::test]
async fn every_client_spelling_gets_the_token() {
    let served = Served::new();
    let graph = "resource=https%3A%2F%2Fgraph.microsoft.com";
    for (path, query) in [
        (PATH, format!("api-version=2018-02-01&{graph}")),
        (PATH, format!("api-version=2019-08-01&{graph}")),
        (
            "/METADATA/identity/oauth2/token",
            format!("api-version=2018-02-01&{graph}"),
        ),
        (PATH, format!("{graph}&api-version=2018-02-01&client_id={CLIENT_ID}")),
        (
            PATH,
            format!("{graph}&api-version=2018-02-01&client_id={}", CLIENT_ID.to_uppercase()),
        ),
        (PATH, format!("{graph}&api-version=2018-02-01&object_id={OBJECT_ID}")),
        (PATH, format!("{graph}&api-version=2018-02-01&msi_res_id={RESOURCE_ID}")),
        (PATH, format!("{graph}&api-version=2018-02-01&mi_res_id={RESOURCE_ID}")),
        // An empty ID names none, as unset variables of scripts do.
        (PATH, format!("{graph}&api-version=2018-02-01&client_id=")),
    ] {
        let (status, body) = ask(&served, path, &query).await;
        assert_eq!(status, 200, "{query}: {body}");
        assert_eq!(body["access_token"], TOKEN);
        assert_eq!(body["token_type"], "Bearer");
    }
    assert_eq!(served.requests.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn refusals_have_the_codes_of_the_service() {
    let served = Served::new();
    let version = "api-version=2018-02-01";
    let graph = format!("{version}&resource=https://graph.microsoft.com");
    for (query, status, code) in [
        (version.to_owned(), 400, "invalid_request"),
        ("resource=https://graph.microsoft.com".into(), 400, "invalid_request"),
        (
            "api-version=2017-01-01&resource=https://graph.microsoft.com".into(),
            400,
            "invalid_request",
        ),
        (
            "api-version=latest&resource=https://graph.microsoft.com".into(),
            400,
            "invalid_request",
        ),
        (
            format!("{version}&resource=https://vault.azure.net"),
            403,
            "access_denied",
        ),
        (
            format!("{graph}&client_id=00000000-0000-0000-0000-000000000001"),
            400,
            "invalid_request",
        ),
        (format!("{graph}&client_id=me"), 400, "invalid_request"),
        (
            format!("{graph}&client_id={CLIENT_ID}&object_id={OBJECT_ID}"),
            400,
            "invalid_request",
        ),
        (
            format!("{graph}&client_id={CLIENT_ID}&client_id={CLIENT_ID}"),
            400,
            "invalid_request",
        ),
        (format!("{graph}&resource=x"), 400, "invalid_request"),
    ] {
        let (actual, body) = ask(&served, PATH, &query).await;
        assert_eq!(
            (actual, body["error"].as_str()),
            (status, Some(code)),
            "{query}: {body}"
        );
        assert!(!body["error_description"].as_str().unwrap().is_empty());
    }
    assert_eq!(served.requests.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn header_is_required_once() {
    let served = Served::new();
    let uri = format!("{PATH}?api-version=2018-02-01&resource=https://graph.microsoft.com");
    for request in [
        get(&uri),
        get(&uri).header("metadata", "false"),
        get(&uri).header("metadata", ""),
        get(&uri).header("metadata", "true, true"),
        get(&uri).header("metadata", "true").header("metadata", "true"),
    ] {
        let (status, body) = served.send(request, "").await;
        assert_eq!(
            (status, body["error"].as_str()),
            (400, Some("bad_request_102")),
            "{body}"
        );
    }
    let request = get(&uri).header("metadata", "True");
    assert_eq!(served.send(request, "").await.0, 200);
}

#[tokio::test]
async fn failures_of_the_service_keep_their_advice() {
    let query = "api-version=2018-02-01&resource=https://graph.microsoft.com";
    let missing = r#"{"error":"invalid_resource","error_description":"AADSTS500011: The resource principal was not found.","error_codes":[500011]}"#;
    for (response, status, code, aadsts) in [
        (WRONG_SECRET, 401, "invalid_client", "AADSTS7000215"),
        (missing, 400, "invalid_resource", "AADSTS500011"),
    ] {
        let served = Served::with_response(400, response);
        let (actual, body) = ask(&served, PATH, query).await;
        assert_eq!((actual, body["error"].as_str()), (status, Some(code)), "{body}");
        let text = body["error_description"].as_str().unwrap();
        assert!(text.contains(aadsts), "{text}");
        assert!(!text.contains("s3cret"), "{text}");
    }
}

const PATH: &str = entra_serve::Endpoint::IMDS_PATH;
