//! The errors of requests without a token.

use azure_core::credentials::TokenCredential as _;
use azure_core::error::ErrorKind;
use entra_client::{Error, Report};
use entra_proto::error::ErrorClass;

use crate::api::Api;
use crate::storage::storage;
use crate::support::{STORAGE, TokenService};

const WRONG_SECRET: &str = r#"{"error":"invalid_client","error_codes":[7000215],"trace_id":"11111111-2222-3333-4444-555555555555","error_description":"AADSTS7000215: Invalid client secret provided."}"#;

#[tokio::test]
async fn wrong_secret_reaches_the_user_with_its_code() {
    let (token_service, api) = (TokenService::new(), Api::accepting_all());
    token_service.fail(401, WRONG_SECRET);
    let blob = storage(&api, &token_service.credential()).blob_client("invoices", "2026");
    let error = blob.exists().await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Credential);

    let cause = Error::find(&error).expect("the client's error is in the chain");
    let hint = cause.hint().expect("the code has a hint");
    let report = format!("{:#}", Report::of(&error));
    for part in ["no token for https://storage.azure.com/.default", "AADSTS7000215", hint] {
        assert!(report.contains(part), "{part} is not in {report}");
    }
    assert_eq!((cause.class(), cause.is_retryable()), (ErrorClass::Credential, false));
    assert!(!report.contains("s3cret") && !format!("{error:?}").contains("s3cret"));

    // The failure is cached, and the SDK does not retry it.
    assert!(Error::find(&blob.exists().await.unwrap_err()).unwrap().is_cached());
    assert_eq!((api.tokens().len(), token_service.requests()), (0, 1));
}

#[tokio::test]
async fn text_of_the_credentials_error_says_everything() {
    let token_service = TokenService::new();
    token_service.fail(401, WRONG_SECRET);
    let text = token_service.token().await.unwrap_err().to_string();
    assert!(
        text.starts_with("no token for https://storage.azure.com/.default: "),
        "{text}"
    );
    assert!(
        text.contains("AADSTS7000215") && text.contains("11111111-2222"),
        "{text}"
    );
}

#[tokio::test]
async fn outage_is_told_from_a_wrong_secret() {
    let token_service = TokenService::new();
    token_service.fail(503, "");
    let error = token_service.token().await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Credential);
    assert!(Error::find(&error).unwrap().is_retryable());
}

#[tokio::test]
async fn invalid_scopes_are_an_error_without_a_request() {
    let token_service = TokenService::new();
    let credential = token_service.credential();
    let scopes: [&[&str]; 5] = [
        &[],
        &[""],
        &["a\nb"],
        &["https://storage.azure.com/user_impersonation"],
        &[STORAGE, "https://vault.azure.net/.default"],
    ];
    for scopes in scopes {
        let error = credential.get_token(scopes, None).await.unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Credential, "{scopes:?}");
        let text = error.to_string();
        assert!(text.starts_with("no token") && !text.contains('\n'), "{text}");
        assert!(Error::find(&error).unwrap().hint().is_some(), "{text}");
    }
    assert_eq!(token_service.requests(), 0);
}
