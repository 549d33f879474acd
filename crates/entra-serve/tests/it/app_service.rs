//! The protocol of App Service.

use entra_serve::Endpoint;
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
