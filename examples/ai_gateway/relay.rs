//! The way of one request: to the first deployment that takes it, and its response back.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use entra_tower::{Bearer, BearerError, CloneBody};
use entra_transport_hyper::Connector;
use http::header::{ALLOW, CONTENT_TYPE, ORIGIN};
use http::{HeaderMap, Method, Request, StatusCode, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::client::legacy;
use serde_json::json;
use tokio::time::timeout;
use tower::{Service, ServiceExt};
use tracing::warn;

use crate::common::Failure;
use crate::deployments::{Deployment, Deployments};
use crate::headers;

/// The state of the gateway.
#[derive(Clone)]
pub(crate) struct Gateway {
    /// hyper's client in the bearer layer. The copies of requests that it makes are cheap, because
    /// their bodies share memory.
    pub(crate) api: Bearer<legacy::Client<Connector, Full<Bytes>>, CloneBody>,
    pub(crate) deployments: Arc<Deployments>,
    /// The path that stands for that of a deployment.
    pub(crate) path: Arc<str>,
    /// True if callers need no token.
    pub(crate) is_open: bool,
}

/// Relays a request.
pub(crate) async fn relay(
    State(gateway): State<Gateway>,
    method: Method,
    uri: Uri,
    received: HeaderMap,
    body: Bytes,
) -> Response {
    // A page in a browser must not spend the money of this machine's user.
    if gateway.is_open && received.contains_key(ORIGIN) {
        return problem(StatusCode::FORBIDDEN, "requests of web pages are not relayed");
    }
    if method != Method::POST {
        let response = problem(StatusCode::METHOD_NOT_ALLOWED, "only POST requests are relayed");
        return ([(ALLOW, "POST")], response).into_response();
    }
    let Some(operation) = operation(&gateway.path, &uri) else {
        return problem(StatusCode::NOT_FOUND, "the path is not an operation of a deployment");
    };
    let passed = headers::of_request(&received);
    for deployment in gateway.deployments.ready(Instant::now()) {
        let mut request = Request::new(Full::new(body.clone()));
        *request.method_mut() = Method::POST;
        *request.headers_mut() = passed.clone();
        match format!("{}{operation}", deployment.url).parse() {
            Ok(uri) => *request.uri_mut() = uri,
            Err(_) => return problem(StatusCode::URI_TOO_LONG, "the path is too long"),
        }
        if let Some(response) = gateway.send(deployment, request).await {
            return response;
        }
    }
    let (status, wait) = gateway.deployments.busy(Instant::now());
    let response = problem(status, "all deployments are busy");
    (headers::retry_after(wait), response).into_response()
}

impl Gateway {
    /// Sends a request to a deployment. Returns `None` if the next one is to take it.
    async fn send(&self, deployment: &Deployment, request: Request<Full<Bytes>>) -> Option<Response> {
        let number = deployment.number;
        let mut api = self.api.clone();
        let exchange = async { api.ready().await?.call(request).await };
        let response = match timeout(LONGEST_WAIT, exchange).await {
            Ok(Ok(response)) => response,
            // The other deployments take the same token.
            Ok(Err(BearerError::Token(error))) => {
                warn!("no token: {}", Failure::of(&error));
                let status = match error.is_retryable() {
                    true => StatusCode::SERVICE_UNAVAILABLE,
                    false => StatusCode::BAD_GATEWAY,
                };
                let response = problem(status, "the gateway has no token");
                let wait = error.retry_after().unwrap_or(WITHOUT_TOKEN);
                return Some((headers::retry_after(wait), response).into_response());
            }
            Ok(Err(error)) => {
                let pause = deployment.unreachable(Instant::now());
                warn!(
                    "deployment {number} cannot be reached, and pauses for {pause:?}: {}",
                    chain(&error)
                );
                return None;
            }
            // The model may have done the work, which is not paid for twice.
            Err(_) => {
                warn!("deployment {number} does not respond");
                return Some(problem(StatusCode::GATEWAY_TIMEOUT, "the deployment does not respond"));
            }
        };
        let status = response.status();
        if let Some(pause) = deployment.record(status, response.headers(), Instant::now()) {
            warn!("deployment {number} responds with {status}, and pauses for {pause:?}");
            return None;
        }
        if let Some(reason) = gateway_problem(status) {
            warn!("deployment {number} responds with {status}: {reason}");
            return Some(problem(StatusCode::BAD_GATEWAY, "the deployment rejects the gateway"));
        }
        Some(pass_on(response))
    }
}

/// Returns a deployment's response, whose body is passed on as it arrives.
fn pass_on(response: http::Response<Incoming>) -> Response {
    let (mut head, body) = response.into_parts();
    headers::strip(&mut head.headers);
    Response::from_parts(head, Body::new(body))
}

/// Returns the reason why a status is about the gateway and not about the caller's request.
fn gateway_problem(status: StatusCode) -> Option<&'static str> {
    match status {
        StatusCode::UNAUTHORIZED => Some("it rejects the token, check --resource"),
        StatusCode::FORBIDDEN => Some("the identity needs the role Cognitive Services OpenAI User there"),
        status if status.is_redirection() => Some("redirects are not followed, check --deployment"),
        _ => None,
    }
}

/// Returns the operation of a request for a deployment: its path below that of the gateway, and the
/// version of the API.
///
/// A path with other characters, or with dots, might reach something else than the deployment, with
/// the token of the gateway.
fn operation(own: &str, uri: &Uri) -> Option<String> {
    let path = uri.path().strip_prefix(own)?;
    let mut segments = path.strip_prefix('/')?.split('/');
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    if !segments.all(|segment| !segment.is_empty() && segment.bytes().all(is_plain)) {
        return None;
    }
    let query = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    let version = query.into_iter().find(|(name, _)| name == "api-version");
    Some(match version {
        Some((name, version)) => {
            let query = form_urlencoded::Serializer::new(String::new())
                .append_pair(&name, &version)
                .finish();
            format!("{path}?{query}")
        }
        None => path.to_owned(),
    })
}

/// Returns an error response in the form of Azure OpenAI.
fn problem(status: StatusCode, message: &str) -> Response {
    let body = json!({"error": {"code": status.as_str(), "message": message}});
    (status, [(CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

/// Returns an error with its causes.
fn chain(error: &(dyn Error + 'static)) -> String {
    Failure::of(error).problem
}

/// The time limit for the head of a response, without which a deployment that hangs would hold the
/// caller. A long text that is not streamed takes minutes.
const LONGEST_WAIT: Duration = Duration::from_secs(300);
/// The wait of callers while there is no token.
const WITHOUT_TOKEN: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operation_stays_below_its_deployment() {
        let of = |uri: &str| operation("/d/chat", &uri.parse().unwrap());
        for (uri, expected) in [
            ("/d/chat/chat/completions", Some("/chat/completions")),
            (
                "/d/chat/embeddings?api-version=2024-10-21",
                Some("/embeddings?api-version=2024-10-21"),
            ),
            (
                "/d/chat/embeddings?api-key=canary&api-version=v1%261",
                Some("/embeddings?api-version=v1%261"),
            ),
            ("/d/chat/embeddings?x=y", Some("/embeddings")),
            ("/d/chat", None),
            ("/d/chat/", None),
            ("/d/chat2/embeddings", None),
            ("/d/other/embeddings", None),
            ("/d/chat//embeddings", None),
            ("/d/chat/../other/embeddings", None),
            ("/d/chat/%2e%2e/other/embeddings", None),
            ("/d/chat/..%2fother/embeddings", None),
            ("/d/chat/.%2e/embeddings", None),
            ("/d/chat/a\\..\\b", None),
            ("/d/chat/a;b", None),
            ("/d/chat/a@evil.example/b", None),
        ] {
            let Ok(_) = uri.parse::<Uri>() else { continue };
            assert_eq!(of(uri).as_deref(), expected, "{uri}");
        }
    }
}
