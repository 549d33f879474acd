//! Tokens that Storage rejects, and claims challenges.

use std::sync::Arc;

use azure_core::credentials::TokenCredential as _;
use azure_core::http::{RequestContent, StatusCode};
use azure_storage_blob::{BlobServiceClient, BlobServiceClientOptions};
use entra_proto::managed_identity::{Identity, ManagedIdentity, Source};
use entra_transport::LocalHost;
use tokio::task::JoinSet;

use crate::api::{Api, NOT_BEFORE, PUBLIC, Reply, accept, challenge, unauthorized};
use crate::storage::storage;
use crate::support::{STORAGE, TokenService};

/// Returns an API that rejects this token so, and accepts all others.
fn rejecting(token: &'static str, rejection: impl Fn() -> Reply + Send + Sync + 'static) -> Api {
    Api::start(move |seen| if seen.token == token { rejection() } else { accept(seen) })
}

fn status<T>(result: azure_core::Result<T>) -> Option<StatusCode> {
    result.err().and_then(|error| error.http_status())
}

#[tokio::test]
async fn rejected_upload_is_sent_again_with_a_newer_token() {
    let (token_service, api) = (TokenService::new(), rejecting("t1", unauthorized));
    let blob = storage(&api, &token_service.credential()).blob_client("invoices", "2026");
    let content = RequestContent::from(b"a;b".to_vec());
    blob.upload(content, None).await.unwrap();
    assert!(blob.exists().await.unwrap());
    assert_eq!(api.tokens(), ["t1", "t2", "t2"]);
    let bodies: Vec<_> = api.seen().into_iter().map(|seen| seen.body).collect();
    assert_eq!(bodies, ["a;b", "a;b", ""]);
    assert!(!token_service.forms()[1].contains("nbf"));
}

#[tokio::test]
async fn challenge_gets_a_token_with_the_claims() {
    let (token_service, api) = (TokenService::new(), rejecting("t1", || challenge(PUBLIC, NOT_BEFORE)));
    let blob = storage(&api, &token_service.credential()).blob_client("invoices", "2026");
    assert!(blob.exists().await.unwrap());
    assert_eq!(api.tokens(), ["t1", "t2"]);
    let forms = token_service.forms();
    assert!(forms[1].contains("nbf") && forms[1].contains("cp1"), "{}", forms[1]);

    // A client with its own copy of the rejected token gets the token with claims from the cache.
    let other = storage(&api, &token_service.credential()).blob_client("invoices", "2026");
    assert!(other.exists().await.unwrap());
    assert_eq!(api.tokens()[2..], ["t1", "t2"]);
    assert_eq!(token_service.requests(), 2);
}

#[tokio::test]
async fn challenge_of_another_cloud_changes_nothing() {
    let foreign = "https://login.chinacloudapi.cn/common";
    for authority in [foreign, "https://login.invalid/common", ""] {
        let (token_service, api) = (
            TokenService::new(),
            rejecting("t1", move || challenge(authority, NOT_BEFORE)),
        );
        let blob = storage(&api, &token_service.credential()).blob_client("invoices", "2026");
        assert_eq!(
            status(blob.exists().await),
            Some(StatusCode::Unauthorized),
            "{authority}"
        );
        assert_eq!((api.tokens().len(), token_service.requests()), (1, 1), "{authority}");
    }
}

#[tokio::test]
async fn unreadable_claims_change_nothing() {
    let (token_service, api) = (TokenService::new(), rejecting("t1", || challenge(PUBLIC, "!")));
    let blob = storage(&api, &token_service.credential()).blob_client("invoices", "2026");
    assert_eq!(status(blob.exists().await), Some(StatusCode::Unauthorized));
    assert_eq!((api.tokens().len(), token_service.requests()), (1, 1));
}

#[tokio::test]
async fn caller_gets_the_rejection_if_there_is_no_other_token() {
    let (token_service, api) = (TokenService::new(), rejecting("t1", unauthorized));
    let blob = storage(&api, &token_service.credential()).blob_client("invoices", "2026");
    assert_eq!(token_service.token().await.unwrap(), "t1");
    token_service.fail(
        400,
        r#"{"error":"invalid_grant","error_description":"AADSTS50076: no"}"#,
    );
    assert_eq!(status(blob.exists().await), Some(StatusCode::Unauthorized));
    assert_eq!((api.tokens().len(), token_service.requests()), (1, 2));
}

#[tokio::test]
async fn api_that_rejects_all_tokens_gets_two_per_request() {
    let (token_service, api) = (TokenService::new(), Api::start(|_| unauthorized()));
    let blob = storage(&api, &token_service.credential()).blob_client("invoices", "2026");
    for _ in 0..8 {
        assert_eq!(status(blob.exists().await), Some(StatusCode::Unauthorized));
    }
    assert_eq!(api.tokens()[..2], ["t1", "t2"]);
    assert!(api.tokens().len() <= 16, "{:?}", api.tokens());
    assert!(token_service.requests() < 8, "{}", token_service.requests());
}

#[tokio::test]
async fn one_token_request_serves_all_rejected_requests() {
    let (token_service, api) = (TokenService::new(), rejecting("t1", unauthorized));
    let client = storage(&api, &token_service.credential());
    let mut calls = JoinSet::new();
    for number in 0..32 {
        let blob = client.blob_client("invoices", &number.to_string());
        calls.spawn(async move { blob.exists().await });
    }
    while let Some(exists) = calls.join_next().await {
        assert!(exists.unwrap().unwrap());
    }
    assert_eq!(token_service.requests(), 2);
}

#[tokio::test]
async fn without_the_policy_the_caller_gets_the_rejection() {
    let (token_service, api) = (TokenService::new(), rejecting("t1", unauthorized));
    let options = BlobServiceClientOptions {
        client_options: api.options(),
        ..BlobServiceClientOptions::default()
    };
    let url = "https://contoso.blob.core.windows.net".parse().unwrap();
    let credential: Arc<_> = token_service.credential();
    let client = BlobServiceClient::new(url, Some(credential), Some(options)).unwrap();
    let blob = client.blob_client("invoices", "2026");
    for _ in 0..2 {
        assert_eq!(status(blob.exists().await), Some(StatusCode::Unauthorized));
    }
    assert_eq!((api.tokens(), token_service.requests()), (vec!["t1".to_owned(); 2], 1));
}

#[tokio::test]
async fn managed_identity_serves_the_sdk_by_its_scopes() {
    let identity = ManagedIdentity::new(Identity::system(), LocalHost).with_source(Source::Imds);
    let token_service = TokenService::of(identity);
    let token = token_service.credential().get_token(&[STORAGE], None).await.unwrap();
    assert_eq!(token.token.secret(), "t1");
}
