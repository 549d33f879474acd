//! The protocol of App Service.

use bytes::Bytes;
use entra_client::Client;
use entra_proto::{Application, ClientSecret};
use entra_serve::{AccessKey, AllowedResources, Caller, Endpoint, Identities, Identity};
use entra_transport::{Body, Response, transport_fn};
use http::Request;
use serde_json::Value;

/// Returns an endpoint whose token service issues the token `t`.
fn endpoint(key: &AccessKey) -> Endpoint {
    let transport = transport_fn(|_| async {
        let body = r#"{"access_token":"t","expires_in":3599,"token_type":"Bearer"}"#;
        Ok(Response::new(Body::from(body.to_owned())))
    });
    let authority = "https://login.microsoftonline.com/contoso.onmicrosoft.com"
        .parse()
        .unwrap();
    let client_id = CLIENT_ID.parse().unwrap();
    let app = Application::new(authority, client_id, ClientSecret::new("s3cret").unwrap());
    let identities = Identities::new(Identity::new("default", Client::new(app, transport)));
    let resources = AllowedResources::new(["https://graph.microsoft.com"]).unwrap();
    Endpoint::builder(identities, resources)
        .app_service(key.clone())
        .build()
}

async fn ask(endpoint: &Endpoint, key: &str, query: &str) -> (u16, Value) {
    let request = Request::get(format!("{}?{query}", Endpoint::APP_SERVICE_PATH))
        .header("x-identity-header", key)
        .body(Bytes::new())
        .unwrap();
    let caller = Caller::tcp(1, "127.0.0.1:50000".parse().unwrap());
    let response = endpoint.respond(&request, &caller).await;
    let body = serde_json::from_slice(response.body()).unwrap();
    (response.status().as_u16(), body)
}

#[tokio::test]
async fn token_has_every_member_that_clients_read() {
    let key = AccessKey::random().unwrap();
    let endpoint = endpoint(&key);
    let query = "api-version=2019-08-01&resource=https://graph.microsoft.com/";
    let (status, body) = ask(&endpoint, key.expose(), query).await;
    assert_eq!(status, 200, "{body}");
    assert_eq!(body["access_token"], "t");
    assert_eq!(body["client_id"], CLIENT_ID);
    assert_eq!(body["resource"], "https://graph.microsoft.com/");
    for number in ["expires_in", "expires_on", "not_before"] {
        body[number].as_str().unwrap().parse::<u64>().unwrap();
    }
}

#[tokio::test]
async fn refusals_name_their_reason() {
    let key = AccessKey::random().unwrap();
    let endpoint = endpoint(&key);
    for (key, query, status, reason) in [
        (
            "wrong",
            "api-version=2019-08-01&resource=https://graph.microsoft.com",
            401,
            "X-IDENTITY-HEADER",
        ),
        (key.expose(), "api-version=2019-08-01", 400, "resource"),
        (key.expose(), "resource=https://graph.microsoft.com", 400, "api-version"),
        (
            key.expose(),
            "api-version=2019-08-01&resource=https://vault.azure.net",
            403,
            "resource",
        ),
        (
            key.expose(),
            "api-version=2019-08-01&resource=https://graph.microsoft.com&client_id=00000000-0000-0000-0000-000000000001",
            400,
            "identity",
        ),
    ] {
        let (actual, body) = ask(&endpoint, key, query).await;
        assert_eq!(actual, status, "{query}: {body}");
        assert!(body["message"].as_str().unwrap().contains(reason), "{body}");
        assert_eq!(body.get("access_token"), None);
    }
}

const CLIENT_ID: &str = "535fb089-9ff3-47b6-9bfb-4f1264799865";
