//! The errors of operations without a token.

use entra_client::{Error, Report};
use entra_object_store::EntraCredentialProvider;
use entra_proto::Tenant;
use entra_proto::error::ErrorClass;
use object_store::ObjectStoreExt as _;
use object_store::path::Path;

use crate::blob_service::BlobService;
use crate::support::{TokenService, store};

const WRONG_SECRET: &str = r#"{"error":"invalid_client","error_codes":[7000215],"error_description":"AADSTS7000215: Invalid client secret provided. Trace ID: 11111111-2222-3333-4444-555555555555"}"#;

#[tokio::test]
async fn wrong_secret_reaches_the_user_with_its_code() {
    let (token_service, blob_service) = (TokenService::new(), BlobService::start());
    *token_service.failure.lock().unwrap() = Some((401, WRONG_SECRET));
    let provider = token_service.provider();
    let store = store(&blob_service, &provider);
    let error = store.put(&Path::from("a"), "x".into()).await.unwrap_err();

    let text = error.to_string();
    let cause = Error::find(&error).expect("the client's error is in the chain");
    let hint = cause.hint().expect("the code has a hint");
    for part in ["no token for https://storage.azure.com", "AADSTS7000215", hint] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    assert!(!text.contains("s3cret") && !format!("{error:?}").contains("s3cret"));
    assert_eq!((cause.class(), cause.is_retryable()), (ErrorClass::Credential, false));
    assert!(format!("{:?}", Report::of(&error)).contains("\n  hint: "));
    assert_eq!(blob_service.tokens(), [""; 0]);

    // The failure is cached, so that the next operations fail at once.
    let error = store.get(&Path::from("a")).await.unwrap_err();
    assert!(Error::find(&error).unwrap().is_cached());
    assert_eq!(token_service.requests(), 1);
}

#[tokio::test]
async fn outage_is_told_from_a_wrong_secret() {
    let (token_service, blob_service) = (TokenService::new(), BlobService::start());
    *token_service.failure.lock().unwrap() = Some((503, ""));
    let store = store(&blob_service, &token_service.provider());
    let error = store.get(&Path::from("a")).await.unwrap_err();
    assert!(Error::find(&error).unwrap().is_retryable());
}

#[tokio::test]
async fn provider_for_no_tenant_is_an_error() {
    let token_service = TokenService::new();
    let tenant: Tenant = "organizations".parse().unwrap();
    let error = EntraCredentialProvider::new(&token_service.client.tenant(tenant)).unwrap_err();
    assert!(error.hint().is_some(), "{error}");
    assert_eq!(token_service.requests(), 0);
}

#[tokio::test]
async fn debug_of_a_provider_shows_no_token() {
    let token_service = TokenService::new();
    let provider = token_service.provider();
    let blob_service = BlobService::start();
    let path = Path::from("a");
    store(&blob_service, &provider).put(&path, "x".into()).await.unwrap();
    let shown = format!("{provider:?}");
    assert!(
        shown.contains("https://storage.azure.com") && !shown.contains("t1"),
        "{shown}"
    );
}
