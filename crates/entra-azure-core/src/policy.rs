//! The policy that replaces rejected tokens.

use std::sync::Arc;

use azure_core::http::headers::{AUTHORIZATION, Headers, WWW_AUTHENTICATE};
use azure_core::http::policies::{Policy, PolicyResult};
use azure_core::http::{Context, Request, StatusCode};
use entra_client::{Client, Error, Report};
use entra_proto::claims::{Challenge, ClaimsChallenge, ClaimsRequest};
use http::{HeaderMap, HeaderValue};

use crate::EntraCredential;
use crate::rejection::Rejection;

/// A policy of the Azure SDK that sends a request again with another token if the API rejects the
/// first one with status 401.
///
/// It works together with an [`EntraCredential`] of the same client: put it into
/// `ClientOptions::per_call_policies`. The other token has the claims of the API's claims
/// challenge, if the response has one. Without another token, the caller gets the 401.
///
/// ```
/// # use entra_azure_core::EntraCredential;
/// use std::sync::Arc;
/// use azure_storage_blob::BlobServiceClientOptions;
/// use entra_azure_core::ReplaceRejected;
///
/// # fn options(credential: &EntraCredential) -> BlobServiceClientOptions {
/// let mut options = BlobServiceClientOptions::default();
/// let policies = &mut options.client_options.per_call_policies;
/// policies.push(Arc::new(ReplaceRejected::new(credential)));
/// # options
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct ReplaceRejected {
    client: Client,
}

impl ReplaceRejected {
    /// Creates a policy for clients that use this credential.
    #[must_use]
    pub fn new(credential: &EntraCredential) -> Self {
        Self {
            client: credential.client().clone(),
        }
    }

    /// Returns the rejection of the request's token, or `None` if another token would not help.
    fn rejection(&self, request: &Request, response: &Headers) -> Option<Rejection> {
        let authorization = request.headers().get_optional_str(&AUTHORIZATION)?;
        let claims = self.claims(response)?;
        Some(Rejection::new(authorization, claims))
    }

    /// Returns the claims that the API requires, which may be none. The outer `None` is for claims
    /// that cannot be requested: they cannot be read, or are those of another cloud.
    fn claims(&self, response: &Headers) -> Option<Option<ClaimsRequest>> {
        let mut headers = HeaderMap::new();
        let challenge = response.get_optional_str(&WWW_AUTHENTICATE);
        if let Some(challenge) = challenge.and_then(|text| HeaderValue::from_str(text).ok()) {
            headers.insert(http::header::WWW_AUTHENTICATE, challenge);
        }
        let challenge = match self.client.application() {
            Some(application) => ClaimsChallenge::find_from(&headers, application.authority().cloud()),
            None => ClaimsChallenge::find(&headers),
        };
        if let Some(challenge) = challenge {
            return Some(Some(challenge.claims().clone()));
        }
        let is_unavailable = Challenge::parse_all(&headers)
            .iter()
            .any(Challenge::is_insufficient_claims);
        (!is_unavailable).then_some(None)
    }
}

#[expect(
    elided_lifetimes_in_paths,
    reason = "the macro makes another signature of Context<'_>, which the trait does not have"
)]
#[async_trait::async_trait]
impl Policy for ReplaceRejected {
    async fn send(&self, ctx: &Context, request: &mut Request, next: &[Arc<dyn Policy>]) -> PolicyResult {
        let (first, rest) = next.split_first().ok_or_else(no_transport)?;
        let mut response = first.send(ctx, request, rest).await?;
        if response.status() != StatusCode::Unauthorized {
            return Ok(response);
        }
        let Some(rejection) = self.rejection(request, response.headers()) else {
            return Ok(response);
        };
        let rejection = Arc::new(rejection);
        let ctx = ctx.to_borrowed().with_value(Arc::clone(&rejection));
        for _ in 0..MAX_REPEATS {
            if request.body_mut().reset().await.is_err() {
                return Ok(response);
            }
            tracing::debug!(
                has_claims = rejection.claims().is_some(),
                "the API rejected the token; another one is tried"
            );
            response = match first.send(&ctx, request, rest).await {
                Ok(response) => response,
                Err(error) => {
                    let Some(cause) = Error::find(&error) else {
                        return Err(error);
                    };
                    tracing::warn!(
                        "the API rejected the token, and there is no other: {:#}",
                        Report::of(cause)
                    );
                    return Ok(response);
                }
            };
            // Another request may have put the rejected token back into the cache of the SDK.
            let is_same = response.status() == StatusCode::Unauthorized
                && request
                    .headers()
                    .get_optional_str(&AUTHORIZATION)
                    .is_some_and(|sent| rejection.is_of_header(sent.as_bytes()));
            if !is_same {
                break;
            }
        }
        Ok(response)
    }
}

/// A policy is never the last one of a pipeline.
fn no_transport() -> azure_core::Error {
    azure_core::Error::with_message(
        azure_core::error::ErrorKind::Other,
        "the pipeline has no policy after ReplaceRejected",
    )
}

/// The number of times that a rejected request is sent again at most.
const MAX_REPEATS: usize = 2;
