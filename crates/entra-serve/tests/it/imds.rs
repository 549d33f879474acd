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

#[cfg(target_os = "linux")]
#[tokio::test]
async fn only_the_own_user_gets_tokens_without_a_key() {
    use entra_proto::{Application, ClientSecret};
    use entra_serve::{AllowedResources, Endpoint, Identities, Identity, Limits, Listener, Server};
    use entra_transport::{Body, Response, transport_fn};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let transport = transport_fn(|_| async {
        let body = format!(r#"{{"access_token":"{TOKEN}","expires_in":3599}}"#);
        Ok(Response::new(Body::from(body)))
    });
    let authority = "https://login.microsoftonline.com/contoso.com".parse().unwrap();
    let secret = ClientSecret::new("s3cret").unwrap();
    let app = Application::new(authority, CLIENT_ID.parse().unwrap(), secret);
    let identity = Identity::new("default", entra_client::Client::new(app, transport));
    let resources = AllowedResources::new(["https://graph.microsoft.com"]).unwrap();
    let endpoint = Endpoint::builder(Identities::new(identity), resources).imds().build();
    let uri = format!("{PATH}?api-version=2018-02-01&resource=https://graph.microsoft.com");

    // No process is known.
    let request = get(&uri).header("metadata", "true").body(bytes::Bytes::new()).unwrap();
    let response = endpoint.respond(&request, &crate::support::local()).await;
    assert_eq!(response.status(), 403);

    // The process of this test.
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.address().unwrap();
    let server = Server::new(vec![listener], Limits::default());
    let server = tokio::spawn(server.run(endpoint, std::future::pending()));
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let head = format!("GET {uri} HTTP/1.1\r\nHost: {address}\r\nMetadata: true\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).await.unwrap();
    assert!(response.starts_with("HTTP/1.1 200"), "{response}");
    assert!(response.contains(TOKEN));
    server.abort();
}
