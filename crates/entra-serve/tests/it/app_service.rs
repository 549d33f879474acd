//! The protocol of App Service.

use std::sync::atomic::Ordering;

use entra_serve::Endpoint;
use http::Request;
use serde_json::Value;

use crate::support::{CLIENT_ID, Served, TOKEN, get};

async fn ask(served: &Served, key: &str, query: &str) -> (u16, Value) {
    let request = get(&format!("{}?{query}", Endpoint::APP_SERVICE_PATH)).header("x-identity-header", key);
    served.send(request, "").await
}

#[tokio::test]
async fn token_has_every_member_that_clients_read() {
    let served = Served::new();
    let query = "api-version=2019-08-01&resource=https://graph.microsoft.com/";
    let (status, body) = ask(&served, served.key.expose(), query).await;
    assert_eq!(status, 200, "{body}");
    assert_eq!(body["access_token"], TOKEN);
    assert_eq!(body["client_id"], CLIENT_ID);
    assert_eq!(body["resource"], "https://graph.microsoft.com/");
    for number in ["expires_in", "expires_on", "not_before"] {
        body[number].as_str().unwrap().parse::<u64>().unwrap();
    }
}

#[tokio::test]
async fn refusals_name_their_reason() {
    let served = Served::new();
    let key = served.key.expose();
    let unknown =
        "api-version=2019-08-01&resource=https://graph.microsoft.com&client_id=00000000-0000-0000-0000-000000000001";
    for (key, query, status, reason) in [
        (
            "wrong",
            "api-version=2019-08-01&resource=https://graph.microsoft.com",
            401,
            "X-IDENTITY-HEADER",
        ),
        (key, "api-version=2019-08-01", 400, "resource"),
        (key, "resource=https://graph.microsoft.com", 400, "api-version"),
        (
            key,
            "api-version=2019-08-01&resource=https://vault.azure.net",
            403,
            "resource",
        ),
        (key, unknown, 400, "identity"),
    ] {
        let (actual, body) = ask(&served, key, query).await;
        assert_eq!(actual, status, "{query}: {body}");
        assert!(body["message"].as_str().unwrap().contains(reason), "{body}");
        assert_eq!(body.get("access_token"), None);
    }
}

#[tokio::test]
async fn version_of_2017_has_its_header_and_its_date() {
    let served = Served::new();
    let key = served.key.expose();
    let query = "api-version=2017-09-01&resource=https://graph.microsoft.com";
    for path in ["/msi/token", "/msi/token/"] {
        for id in [
            "",
            "&clientid=",
            &format!("&clientid={CLIENT_ID}"),
            &format!("&client_id={CLIENT_ID}"),
        ] {
            let request = get(&format!("{path}?{query}{id}")).header("secret", key);
            let (status, body) = served.send(request, "").await;
            assert_eq!(status, 200, "{id}: {body}");
            assert_eq!(body["access_token"], TOKEN);
            let date = body["expires_on"].as_str().unwrap();
            assert!(date.ends_with(" +00:00") && date.split('/').count() == 3, "{date}");
        }
    }
    // Clients of Azure Machine Learning send the same request with one more header.
    let request = get(&format!("/msi/token?{query}"))
        .header("secret", key)
        .header("metadata", "true");
    let (_, body) = served.send(request, "").await;
    body["expires_on"].as_str().unwrap().parse::<u64>().unwrap();
}

#[tokio::test]
async fn versions_do_not_share_headers() {
    let served = Served::new();
    let key = served.key.expose();
    let uri = |version| format!("/msi/token?api-version={version}&resource=https://graph.microsoft.com");
    for (request, expected) in [
        (get(&uri("2017-09-01")).header("x-identity-header", key), 400),
        (get(&uri("2019-08-01")).header("secret", key), 400),
        (
            get(&uri("2019-08-01"))
                .header("secret", "x")
                .header("x-identity-header", key),
            401,
        ),
        (
            get(&uri("2019-08-01"))
                .header("x-identity-header", "")
                .header("secret", key),
            401,
        ),
        (get(&uri("2017-09-01")).header("secret", key).header("secret", key), 401),
        (get(&uri("2017-09-01")).header("secret", "wrong"), 401),
    ] {
        let (status, body) = served.send(request, "").await;
        assert_eq!(status, expected, "{body}");
        assert_eq!(body["statusCode"], expected);
        assert!(!body.to_string().contains(key));
    }
}

#[tokio::test]
async fn failures_of_the_service_have_the_advice() {
    let served = Served::with_response(401, crate::support::WRONG_SECRET);
    let (status, body) = ask(&served, served.key.expose(), GRAPH).await;
    assert_eq!(status, 400, "{body}");
    assert!(body["message"].as_str().unwrap().contains("AADSTS7000215"), "{body}");
}

#[tokio::test]
async fn other_methods_are_named() {
    let served = Served::new();
    let request = Request::post(format!("/msi/token?{GRAPH}"))
        .header("host", "localhost")
        .header("x-identity-header", served.key.expose())
        .body(bytes::Bytes::new())
        .unwrap();
    let response = served.endpoint.respond(&request, &crate::support::local()).await;
    assert_eq!(response.status(), 405);
    assert_eq!(response.headers()["allow"], "GET");
}

const GRAPH: &str = "api-version=2019-08-01&resource=https://graph.microsoft.com";

#[tokio::test]
async fn every_spelling_of_an_api_has_one_token() {
    let served = Served::new();
    let key = served.key.expose();
    for resource in [
        "https://graph.microsoft.com",
        "https://GRAPH.microsoft.com",
        "https%3A%2F%2Fgraph.Microsoft.com",
    ] {
        let query = format!("api-version=2019-08-01&resource={resource}");
        let (status, body) = ask(&served, key, &query).await;
        assert_eq!(status, 200, "{resource}: {body}");
        let query = format!("{query}//");
        assert_eq!(ask(&served, key, &query).await.0, 403, "{resource}");
    }
    assert_eq!(served.requests.load(Ordering::Relaxed), 1);
    let scopes = r#"{"scopes":["HTTPS://graph.microsoft.COM/.default"]}"#;
    let azd = Request::post("/token?api-version=2023-07-12-preview")
        .header("host", "localhost")
        .header("authorization", format!("Bearer {key}"));
    assert_eq!(served.send(azd, scopes).await.1["status"], "success");
    assert_eq!(served.requests.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn every_name_of_an_id_chooses_the_identity() {
    let served = Served::new();
    let key = served.key.expose();
    let other = "00000000-0000-0000-0000-000000000001";
    for name in [
        "client_id",
        "Client_ID",
        "clientid",
        "object_id",
        "principal_id",
        "mi_res_id",
        "MSI_RES_ID",
    ] {
        let query = format!("resource=https://graph.microsoft.com&{name}={other}");
        let (status, body) = ask(&served, key, &format!("api-version=2019-08-01&{query}")).await;
        assert_eq!(status, 400, "{name}: {body}");
        let imds = format!("{}?api-version=2018-02-01&{query}", Endpoint::IMDS_PATH);
        let (status, body) = served.send(get(&imds).header("metadata", "true"), "").await;
        assert_eq!(status, 400, "{name}: {body}");
    }
}
