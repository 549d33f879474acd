//! The protocol of the Azure Developer CLI.

use entra_serve::Endpoint;
use http::Request;
use serde_json::{Value, json};

use crate::support::{Served, TOKEN, WRONG_SECRET};

fn post(authorization: &str) -> http::request::Builder {
    Request::post(format!("{}?api-version=2023-07-12-preview", Endpoint::AZD_PATH))
        .header("host", "127.0.0.1:41564")
        .header("content-type", "application/json")
        .header("authorization", authorization)
}

async fn ask(served: &Served, body: &Value) -> (u16, Value) {
    let authorization = format!("Bearer {}", served.key.expose());
    served.send(post(&authorization), &body.to_string()).await
}

#[tokio::test]
async fn token_has_the_documented_shape() {
    let served = Served::new();
    for body in [
        json!({ "scopes": ["https://graph.microsoft.com/.default"] }),
        json!({ "scopes": ["https://graph.microsoft.com/.default"], "tenantId": "" }),
        json!({ "scopes": ["https://graph.microsoft.com/.default"], "tenantId": null, "claims": null }),
        json!({ "scopes": ["https://database.windows.net//.default"], "tenantId": "Contoso.onmicrosoft.com" }),
    ] {
        let (status, response) = ask(&served, &body).await;
        assert_eq!(status, 200, "{response}");
        let expires_on = response["expiresOn"].as_str().unwrap();
        assert!(expires_on.ends_with('Z') && expires_on.contains('T'), "{expires_on}");
        assert_eq!(
            response,
            json!({ "status": "success", "token": TOKEN, "expiresOn": expires_on })
        );
    }
}

#[tokio::test]
async fn failures_have_status_200_so_that_the_client_reads_them() {
    let served = Served::new();
    for (body, reason) in [
        (json!({}), "scopes"),
        (json!({ "scopes": [] }), "scope"),
        (json!({ "scopes": ["https://vault.azure.net/.default"] }), "resource"),
        (
            json!({ "scopes": ["https://graph.microsoft.com/.default", "https://vault.azure.net/.default"] }),
            "",
        ),
        (
            json!({ "scopes": ["https://graph.microsoft.com/.default"], "tenantId": "../evil" }),
            "tenant",
        ),
        (
            json!({ "scopes": ["https://graph.microsoft.com/.default"], "tenantId": "fabrikam.com" }),
            "other tenants",
        ),
    ] {
        let (status, response) = ask(&served, &body).await;
        assert_eq!(status, 200, "{response}");
        assert_eq!(response["status"], "error", "{body}: {response}");
        assert_eq!(response["code"], "GetTokenError");
        assert!(response["message"].as_str().unwrap().contains(reason), "{response}");
    }
    let rejected = Served::with_response(401, WRONG_SECRET);
    let (status, response) = ask(
        &rejected,
        &json!({ "scopes": ["https://graph.microsoft.com/.default"] }),
    )
    .await;
    assert_eq!(status, 200);
    assert!(
        response["message"].as_str().unwrap().contains("AADSTS7000215"),
        "{response}"
    );
    let expired =
        r#"{"error":"interaction_required","error_description":"AADSTS50076: MFA is required.","error_codes":[50076]}"#;
    let signed_out = Served::with_response(400, expired);
    let (_, response) = ask(
        &signed_out,
        &json!({ "scopes": ["https://graph.microsoft.com/.default"] }),
    )
    .await;
    assert_eq!(response["code"], "NotSignedInError", "{response}");
}

#[tokio::test]
async fn requests_without_the_key_get_nothing() {
    let served = Served::new();
    let key = served.key.expose();
    let body = json!({ "scopes": ["https://graph.microsoft.com/.default"] }).to_string();
    let wrong = [
        post("Bearer wrong"),
        post(key),
        post(&format!("Basic {key}")),
        post(&format!("Bearer {key}x")),
        post("Bearer "),
        post(&format!("Bearer {key}")).header("authorization", format!("Bearer {key}")),
    ];
    for request in wrong {
        let (status, response) = served.send(request, &body).await;
        assert_eq!(status, 401, "{response}");
        assert_eq!(response.get("token"), None);
        assert!(!response.to_string().contains(key));
    }
    let (status, _) = served.send(post(&format!("bearer {key}")), &body).await;
    assert_eq!(status, 200);
}
