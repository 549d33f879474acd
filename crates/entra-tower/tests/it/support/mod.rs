//! A token service and an API that a test scripts, without sockets and without time.

#[cfg(any(feature = "reqwest", feature = "ureq"))]
pub(crate) mod server;
pub(crate) mod world;

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use entra_client::clock::ManualClock;
use entra_client::{Client, Policy, Principal, TokenSource};
use entra_proto::acquire::RetryPolicy;
use entra_proto::{Application, ClientSecret, Target, Timestamp};
use entra_tower::{BearerError, BearerLayer};
use entra_transport::{Body, transport_fn};
use http::{HeaderMap, Request, Response, StatusCode};
use tower::{Service, ServiceExt};

/// A token service that issues `t1`, `t2` and so on, and records its requests.
#[derive(Clone)]
pub(crate) struct TokenService {
    pub(crate) client: Client,
    pub(crate) clock: ManualClock,
    forms: Arc<Mutex<Vec<String>>>,
}

impl TokenService {
    pub(crate) fn new() -> Self {
        Self::rejecting(|_| None)
    }

    /// Rejects a request with the code that `reject` returns: with status 400, or with 503 for
    /// [`BUSY`].
    pub(crate) fn rejecting(reject: impl Fn(&str) -> Option<&'static str> + Send + Sync + 'static) -> Self {
        Self::of(application(), reject)
    }

    /// Creates the token service of this principal.
    pub(crate) fn of(
        principal: impl Into<Principal>,
        reject: impl Fn(&str) -> Option<&'static str> + Send + Sync + 'static,
    ) -> Self {
        let forms = Arc::new(Mutex::new(Vec::new()));
        let clock = ManualClock::at(Timestamp::from_secs(1_767_225_600));
        let record = Arc::clone(&forms);
        let reject = Arc::new(reject);
        let transport = transport_fn(move |request| {
            let form = std::str::from_utf8(request.body().as_bytes()).unwrap();
            let form = format!("{}&{form}", request.uri().path_and_query().unwrap());
            let rejection = reject(&form);
            let mut forms = record.lock().unwrap();
            forms.push(form);
            let number = forms.len();
            async move {
                // Other callers of the same token get their turn.
                tokio::task::yield_now().await;
                let (status, body) = match rejection {
                    None => (200, format!(r#"{{"access_token":"t{number}","expires_in":3599}}"#)),
                    Some(BUSY) => (503, String::new()),
                    Some(error) => (400, format!(r#"{{"error":"{error}","error_description":"no"}}"#)),
                };
                let mut response = Response::new(Body::from(body));
                *response.status_mut() = StatusCode::from_u16(status).unwrap();
                Ok(response)
            }
        });
        let mut policy = Policy::default();
        // Tests do not wait.
        policy.retry = RetryPolicy::never();
        let client = Client::builder(principal, transport)
            .policy(policy)
            .clock(clock.clone())
            .build()
            .unwrap();
        Self { client, clock, forms }
    }

    pub(crate) fn source(&self) -> TokenSource {
        self.client.source(&graph()).unwrap()
    }

    pub(crate) fn layer(&self) -> BearerLayer {
        BearerLayer::new(self.source(), ["https://graph.microsoft.com"]).unwrap()
    }

    /// Returns the number of token requests.
    pub(crate) fn requests(&self) -> usize {
        self.forms.lock().unwrap().len()
    }

    /// Returns a token request: its path and its form.
    pub(crate) fn form(&self, number: usize) -> String {
        self.forms.lock().unwrap()[number].clone()
    }
}

pub(crate) fn application() -> Application {
    let authority = "https://login.microsoftonline.com/contoso.onmicrosoft.com"
        .parse()
        .unwrap();
    let id = "535fb089-9ff3-47b6-9bfb-4f1264799865".parse().unwrap();
    Application::new(authority, id, ClientSecret::new("s3cret").unwrap()).with_capabilities(&["cp1"])
}

pub(crate) fn graph() -> Target {
    Target::resource("https://graph.microsoft.com").unwrap()
}

/// The reply of an API to a request for this path with these headers.
type Script = dyn Fn(&str, &HeaderMap) -> Reply + Send + Sync;

/// A status and headers. The body is the token of the request.
pub(crate) type Reply = (u16, Vec<(&'static str, String)>);

/// An API that replies as its script says, and records what it saw. It becomes ready after one
/// turn, and panics if it is called before.
pub(crate) struct Api {
    script: Arc<Script>,
    seen: Arc<Mutex<Vec<HeaderMap>>>,
    was_polled: bool,
    ready: bool,
}

impl Api {
    pub(crate) fn new(script: impl Fn(&HeaderMap) -> Reply + Send + Sync + 'static) -> Self {
        Self::scripted(move |_, headers| script(headers))
    }

    /// Creates an API whose reply depends on the path and on the token.
    pub(crate) fn at_paths(script: impl Fn(&str, &str) -> Reply + Send + Sync + 'static) -> Self {
        Self::scripted(move |path, headers| script(path, token_in(headers)))
    }

    fn scripted(script: impl Fn(&str, &HeaderMap) -> Reply + Send + Sync + 'static) -> Self {
        Self {
            script: Arc::new(script),
            seen: Arc::default(),
            was_polled: false,
            ready: false,
        }
    }

    /// Creates an API that accepts everything.
    pub(crate) fn accepting_all() -> Self {
        Self::new(|_| (200, vec![]))
    }

    /// Creates an API that accepts only these tokens.
    pub(crate) fn accepting(tokens: &'static [&'static str], rejection: Reply) -> Self {
        Self::new(move |headers| {
            if tokens.contains(&token_in(headers)) {
                (200, vec![])
            } else {
                rejection.clone()
            }
        })
    }

    /// Returns the tokens of the requests, in their order.
    pub(crate) fn tokens(&self) -> Vec<String> {
        let seen = self.seen.lock().unwrap();
        seen.iter().map(|headers| token_in(headers).to_owned()).collect()
    }

    /// Returns the headers of the last request.
    pub(crate) fn last(&self) -> HeaderMap {
        self.seen.lock().unwrap().last().expect("a request came").clone()
    }
}

impl Clone for Api {
    /// As with tower's own services, a clone of a ready service is not ready.
    fn clone(&self) -> Self {
        Self {
            script: Arc::clone(&self.script),
            seen: Arc::clone(&self.seen),
            was_polled: false,
            ready: false,
        }
    }
}

impl std::fmt::Debug for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Api")
    }
}

impl<B> Service<Request<B>> for Api {
    type Response = Response<String>;
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<String>, ApiError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ApiError>> {
        self.ready = std::mem::replace(&mut self.was_polled, true);
        if self.ready {
            return Poll::Ready(Ok(()));
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        assert!(std::mem::take(&mut self.ready), "called before it was ready");
        self.was_polled = false;
        let (script, seen) = (Arc::clone(&self.script), Arc::clone(&self.seen));
        let head = request.into_parts().0;
        let (path, headers) = (head.uri.path().to_owned(), head.headers);
        Box::pin(async move {
            seen.lock().unwrap().push(headers.clone());
            // Requests that are sent at once get their replies after all have arrived.
            tokio::task::yield_now().await;
            let (status, fields) = script(&path, &headers);
            if status == 0 {
                return Err(ApiError);
            }
            let mut response = Response::builder().status(status);
            for (name, value) in fields {
                response = response.header(name, value);
            }
            Ok(response.body(token_in(&headers).to_owned()).unwrap())
        })
    }
}

#[derive(Debug, PartialEq)]
pub(crate) struct ApiError;

impl std::fmt::Display for ApiError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the API is down")
    }
}

impl std::error::Error for ApiError {}

/// Returns the token among the headers, or an empty text.
pub(crate) fn token_in(headers: &HeaderMap) -> &str {
    let value = headers.get("authorization").map(|value| value.to_str().unwrap());
    value.map_or("", |value| value.strip_prefix("Bearer ").unwrap_or(value))
}

/// Returns a `401` without a challenge.
pub(crate) fn unauthorized() -> Reply {
    (401, vec![])
}

/// Returns a `401` that requires these claims in the name of the public cloud.
pub(crate) fn challenge(claims: &str) -> Reply {
    challenge_from("https://login.microsoftonline.com/common/oauth2/authorize", claims)
}

pub(crate) fn challenge_from(authority: &str, claims: &str) -> Reply {
    use base64::Engine as _;
    let claims = base64::engine::general_purpose::STANDARD.encode(claims);
    let value = format!(
        "Bearer realm=\"\", authorization_uri=\"{authority}\", error=\"insufficient_claims\", claims=\"{claims}\""
    );
    (401, vec![("www-authenticate", value)])
}

/// Returns the claims that an API requires after tokens were revoked at a time.
pub(crate) fn not_before(time: u32) -> String {
    format!(r#"{{"access_token":{{"nbf":{{"essential":true,"value":"{time}"}}}}}}"#)
}

pub(crate) fn get(uri: &str) -> Request<String> {
    Request::get(uri).body(String::new()).unwrap()
}

pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The code for an outage of the token service.
pub(crate) const BUSY: &str = "busy";

/// Sends one request for this path, and returns status and token.
pub(crate) async fn send_to<S>(service: &S, path: &str) -> (u16, String)
where
    S: Service<Request<String>, Response = Response<String>, Error = BearerError> + Clone,
{
    let request = get(&format!("https://graph.microsoft.com{path}"));
    send(&mut service.clone(), request).await.unwrap()
}

/// Returns the claims of an authentication context.
pub(crate) fn context(name: &str) -> String {
    format!(r#"{{"access_token":{{"acrs":{{"essential":true,"value":"{name}"}}}}}}"#)
}

/// Returns a reply that accepts the token.
pub(crate) fn ok() -> Reply {
    (200, vec![])
}

pub(crate) const USERS: &str = "https://graph.microsoft.com/v1.0/users";

/// Sends one request, and returns status and body: the token that arrived last.
pub(crate) async fn send<S, B>(service: &mut S, request: Request<B>) -> Result<(u16, String), BearerError>
where
    S: Service<Request<B>, Response = Response<String>, Error = BearerError>,
{
    let response = service.ready().await?.call(request).await?;
    Ok((response.status().as_u16(), response.into_body()))
}
