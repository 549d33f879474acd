//! Clients of Storage: the tokens that they send, and the token requests that they cause.

use std::sync::Arc;
use std::time::Duration;

use azure_core::http::RequestContent;
use azure_storage_blob::{BlobServiceClient, BlobServiceClientOptions};
use entra_azure_core::{EntraCredential, ReplaceRejected};
use tokio::task::JoinSet;

use crate::api::Api;
use crate::support::TokenService;

/// Returns a client of Storage, with the policy for rejected tokens.
pub(crate) fn storage(api: &Api, credential: &Arc<EntraCredential>) -> BlobServiceClient {
    let mut options = BlobServiceClientOptions {
        client_options: api.options(),
        ..BlobServiceClientOptions::default()
    };
    let policies = &mut options.client_options.per_call_policies;
    policies.push(Arc::new(ReplaceRejected::new(credential)));
    let url = "https://contoso.blob.core.windows.net".parse().unwrap();
    BlobServiceClient::new(url, Some(Arc::clone(credential) as _), Some(options)).unwrap()
}

#[tokio::test]
async fn requests_of_all_clients_share_one_token_request() {
    let (token_service, api) = (TokenService::new(), Api::accepting_all());
    // Half of the clients have a credential of their own: the cache is the client's.
    let shared = token_service.credential();
    let clients: Vec<_> = (0..8)
        .map(|number| match number % 2 {
            0 => storage(&api, &shared),
            _ => storage(&api, &token_service.credential()),
        })
        .collect();
    let mut calls = JoinSet::new();
    for number in 0..64 {
        let blob = clients[number % 8].blob_client("invoices", &number.to_string());
        calls.spawn(async move { blob.exists().await });
    }
    while let Some(exists) = calls.join_next().await {
        assert!(exists.unwrap().unwrap());
    }
    assert_eq!(api.tokens(), vec!["t1"; 64]);
    let forms = token_service.forms();
    assert_eq!(forms.len(), 1);
    assert!(
        forms[0].contains("scope=https%3A%2F%2Fstorage.azure.com%2F.default"),
        "{}",
        forms[0]
    );
}

#[tokio::test]
async fn body_of_an_upload_arrives() {
    let (token_service, api) = (TokenService::new(), Api::accepting_all());
    let blob = storage(&api, &token_service.credential()).blob_client("invoices", "2026");
    let content = RequestContent::from(b"a;b".to_vec());
    blob.upload(content, None).await.unwrap();
    let seen = api.seen();
    assert_eq!((&*seen[0].path, &*seen[0].body), ("/invoices/2026?", "a;b"));
}

#[tokio::test]
async fn renewed_token_is_used_afterwards() {
    let (token_service, api) = (TokenService::new(), Api::accepting_all());
    // The SDK asks for the next token five minutes before the end: for this one, always.
    token_service.script(|script| script.lifetime = 300);
    let blob = storage(&api, &token_service.credential()).blob_client("invoices", "2026");
    for seconds in [100, 200, 1] {
        assert!(blob.exists().await.unwrap());
        token_service.clock.advance(Duration::from_secs(seconds));
    }
    assert!(blob.exists().await.unwrap());
    assert_eq!(api.tokens(), ["t1", "t1", "t2", "t2"]);
    assert_eq!(token_service.requests(), 2);
}

#[tokio::test]
async fn outage_of_the_token_service_leaves_the_token() {
    let (token_service, api) = (TokenService::new(), Api::accepting_all());
    token_service.script(|script| script.lifetime = 300);
    let blob = storage(&api, &token_service.credential()).blob_client("invoices", "2026");
    assert!(blob.exists().await.unwrap());
    token_service.fail(503, "");
    token_service.clock.advance(Duration::from_secs(250));
    assert!(blob.exists().await.unwrap());
    assert_eq!((api.tokens(), token_service.requests()), (vec!["t1".to_owned(); 2], 2));
}
