//! Another request puts the rejected token back into the SDK's copy.

use std::sync::{Arc, Mutex};

use azure_core::http::headers::{AUTHORIZATION, Headers};
use azure_core::http::policies::{Policy, PolicyResult};
use azure_core::http::{AsyncRawResponse, Context, Method, Request, StatusCode};
use entra_azure_core::ReplaceRejected;

use crate::support::TokenService;

/// The rest of a pipeline: it sends these tokens one after another, and the API accepts one.
#[derive(Debug)]
struct Rest {
    tokens: Mutex<Vec<&'static str>>,
    accepted: &'static str,
}

#[expect(
    elided_lifetimes_in_paths,
    reason = "the macro makes another signature of Context<'_>, which the trait does not have"
)]
#[async_trait::async_trait]
impl Policy for Rest {
    async fn send(&self, _: &Context, request: &mut Request, _: &[Arc<dyn Policy>]) -> PolicyResult {
        let token = self
            .tokens
            .lock()
            .unwrap()
            .pop()
            .expect("one more request than expected");
        request.insert_header(AUTHORIZATION, format!("Bearer {token}"));
        let status = if token == self.accepted {
            StatusCode::Ok
        } else {
            StatusCode::Unauthorized
        };
        Ok(AsyncRawResponse::from_bytes(status, Headers::new(), ""))
    }
}

/// Returns the status of a request that sends these tokens, the last one first.
async fn send(tokens: &[&'static str]) -> (StatusCode, usize) {
    let credential = TokenService::new().credential();
    let rest = Arc::new(Rest {
        tokens: Mutex::new(tokens.to_vec()),
        accepted: "t2",
    });
    let next: [Arc<dyn Policy>; 1] = [Arc::clone(&rest) as _];
    let mut request = Request::new("https://contoso.blob.core.windows.net".parse().unwrap(), Method::Get);
    let policy = ReplaceRejected::new(&credential);
    let response = policy.send(&Context::new(), &mut request, &next).await.unwrap();
    let left = rest.tokens.lock().unwrap().len();
    (response.status(), left)
}

#[tokio::test]
async fn rejected_token_that_returns_is_replaced_again() {
    assert_eq!(send(&["t2", "t1", "t1"]).await, (StatusCode::Ok, 0));
}

#[tokio::test]
async fn request_is_sent_three_times_at_most() {
    assert_eq!(send(&["t2", "t1", "t1", "t1"]).await, (StatusCode::Unauthorized, 1));
}

#[tokio::test]
async fn another_rejected_token_ends_the_attempts() {
    assert_eq!(send(&["t2", "t3", "t1"]).await, (StatusCode::Unauthorized, 1));
}
