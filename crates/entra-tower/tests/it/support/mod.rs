//! An Entra and an API that a test scripts, without sockets and without time.

#[cfg(any(feature = "reqwest", feature = "ureq"))]
pub(crate) mod server;
pub(crate) mod world;

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use entra_client::clock::ManualClock;
use entra_client::{Client, Policy, TokenSource};
use entra_proto::acquire::RetryPolicy;
use entra_proto::{Application, ClientSecret, Target, Timestamp};
use entra_tower::{BearerError, BearerLayer};
use entra_transport::{Body, transport_fn};
use http::{HeaderMap, Request, Response, StatusCode};
use tower::{Service, ServiceExt};

/// A token service that answers `t1`, `t2` and so on, and remembers what it was asked.
#[derive(Clone)]
pub(crate) struct Entra {
    pub(crate) client: Client,
    pub(crate) clock: ManualClock,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Entra {
    pub(crate) fn new() -> Self {
        Self::refusing(|_| None)
    }

    /// One that answers a request with this code, where there is one: with 400, or with 503 where it says that it is busy.
    pub(crate) fn refusing(refuse: impl Fn(&str) -> Option<&'static str> + Send + Sync + 'static) -> Self {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let clock = ManualClock::at(Timestamp::from_secs(1_767_225_600));
        let record = Arc::clone(&asked);
        let refuse = Arc::new(refuse);
        let transport = transport_fn(move |request| {
            let form = std::str::from_utf8(request.body().as_bytes()).unwrap();
            let form = format!("{}&{form}", request.uri().path());
            let refusal = refuse(&form);
            let mut asked = record.lock().unwrap();
            asked.push(form);
            let number = asked.len();
            async move {
                // Whoever waits for the same token gets its turn.
                tokio::task::yield_now().await;
                let (status, body) = match refusal {
                    None => (200, format!(r#"{{"access_token":"t{number}","expires_in":3599}}"#)),
                    Some(BUSY) => (503, String::new()),
                    Some(error) => (400, format!(r#"{{"error":"{error}","error_description":"no"}}"#)),
                };
                let mut answer = Response::new(Body::from(body));
                *answer.status_mut() = StatusCode::from_u16(status).unwrap();
                Ok(answer)
            }
        });
        let mut policy = Policy::default();
        // No test waits.
        policy.retry = RetryPolicy::never();
        let client = Client::builder(application(), transport)
            .policy(policy)
            .clock(clock.clone())
            .build()
            .unwrap();
        Self { client, clock, asked }
    }

    pub(crate) fn source(&self) -> TokenSource {
        self.client.source(&graph()).unwrap()
    }

    pub(crate) fn layer(&self) -> BearerLayer {
        BearerLayer::new(self.source(), ["https://graph.microsoft.com"]).unwrap()
    }

    /// How many token requests were sent.
    pub(crate) fn requests(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    /// A token request: its path, and what its form has in it.
    pub(crate) fn form(&self, number: usize) -> String {
        self.asked.lock().unwrap()[number].clone()
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

/// What an API responds to a request for this path with these headers.
type Script = dyn Fn(&str, &HeaderMap) -> Answer + Send + Sync;

/// Status and headers. The body is the token that came.
pub(crate) type Answer = (u16, Vec<(&'static str, String)>);

/// An API that answers as its script has it, and remembers what it saw. It takes one turn to get ready, and panics where it is called
/// before.
pub(crate) struct Api {
    script: Arc<Script>,
    seen: Arc<Mutex<Vec<HeaderMap>>>,
    asked: bool,
    ready: bool,
}

impl Api {
    pub(crate) fn new(script: impl Fn(&HeaderMap) -> Answer + Send + Sync + 'static) -> Self {
        Self::scripted(move |_, headers| script(headers))
    }

    /// One whose response depends on the path and on the token.
    pub(crate) fn at_paths(script: impl Fn(&str, &str) -> Answer + Send + Sync + 'static) -> Self {
        Self::scripted(move |path, headers| script(path, token_in(headers)))
    }

    fn scripted(script: impl Fn(&str, &HeaderMap) -> Answer + Send + Sync + 'static) -> Self {
        Self {
            script: Arc::new(script),
            seen: Arc::default(),
            asked: false,
            ready: false,
        }
    }

    /// One that is content with everything.
    pub(crate) fn kind() -> Self {
        Self::new(|_| (200, vec![]))
    }

    /// One that takes no token but these.
    pub(crate) fn taking(tokens: &'static [&'static str], refusal: Answer) -> Self {
        Self::new(move |headers| {
            if tokens.contains(&token_in(headers)) {
                (200, vec![])
            } else {
                refusal.clone()
            }
        })
    }

    /// The tokens that came, in their order.
    pub(crate) fn tokens(&self) -> Vec<String> {
        let seen = self.seen.lock().unwrap();
        seen.iter().map(|headers| token_in(headers).to_owned()).collect()
    }

    /// The headers of the last request.
    pub(crate) fn last(&self) -> HeaderMap {
        self.seen.lock().unwrap().last().expect("a request came").clone()
    }
}

impl Clone for Api {
    /// As with tower's own: that one handle is ready says nothing about its clones.
    fn clone(&self) -> Self {
        Self {
            script: Arc::clone(&self.script),
            seen: Arc::clone(&self.seen),
            asked: false,
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
        self.ready = std::mem::replace(&mut self.asked, true);
        if self.ready {
            return Poll::Ready(Ok(()));
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        assert!(std::mem::take(&mut self.ready), "called before it was ready");
        self.asked = false;
        let (script, seen) = (Arc::clone(&self.script), Arc::clone(&self.seen));
        let head = request.into_parts().0;
        let (path, headers) = (head.uri.path().to_owned(), head.headers);
        Box::pin(async move {
            seen.lock().unwrap().push(headers.clone());
            // Requests that were sent at once are answered after all have come.
            tokio::task::yield_now().await;
            let (status, fields) = script(&path, &headers);
            if status == 0 {
                return Err(ApiError);
            }
            let mut answer = Response::builder().status(status);
            for (name, value) in fields {
                answer = answer.header(name, value);
            }
            Ok(answer.body(token_in(&headers).to_owned()).unwrap())
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

/// The token among the headers; nothing where there is none.
pub(crate) fn token_in(headers: &HeaderMap) -> &str {
    let value = headers.get("authorization").map(|value| value.to_str().unwrap());
    value.map_or("", |value| value.strip_prefix("Bearer ").unwrap_or(value))
}

/// A `401` without a word.
pub(crate) fn unauthorized() -> Answer {
    (401, vec![])
}

/// A `401` that asks for these claims in the name of the public cloud.
pub(crate) fn challenge(claims: &str) -> Answer {
    challenge_from("https://login.microsoftonline.com/common/oauth2/authorize", claims)
}

pub(crate) fn challenge_from(authority: &str, claims: &str) -> Answer {
    use base64::Engine as _;
    let claims = base64::engine::general_purpose::STANDARD.encode(claims);
    let value = format!(
        "Bearer realm=\"\", authorization_uri=\"{authority}\", error=\"insufficient_claims\", claims=\"{claims}\""
    );
    (401, vec![("www-authenticate", value)])
}

/// The claims of a token that was revoked at a time.
pub(crate) fn not_before(time: u32) -> String {
    format!(r#"{{"access_token":{{"nbf":{{"essential":true,"value":"{time}"}}}}}}"#)
}

pub(crate) fn get(uri: &str) -> Request<String> {
    Request::get(uri).body(String::new()).unwrap()
}

pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What stands for an answer of a token service that has a bad day.
pub(crate) const BUSY: &str = "busy";

/// Sends one request for this path and gives status and token.
pub(crate) async fn send_to<S>(service: &S, path: &str) -> (u16, String)
where
    S: Service<Request<String>, Response = Response<String>, Error = BearerError> + Clone,
{
    let request = get(&format!("https://graph.microsoft.com{path}"));
    send(&mut service.clone(), request).await.unwrap()
}

/// Claims of an authentication context.
pub(crate) fn context(name: &str) -> String {
    format!(r#"{{"access_token":{{"acrs":{{"essential":true,"value":"{name}"}}}}}}"#)
}

/// A response that lets this token pass.
pub(crate) fn ok() -> Answer {
    (200, vec![])
}

pub(crate) const USERS: &str = "https://graph.microsoft.com/v1.0/users";

/// Sends one request and gives status and body: the token that came last.
pub(crate) async fn send<S, B>(service: &mut S, request: Request<B>) -> Result<(u16, String), BearerError>
where
    S: Service<Request<B>, Response = Response<String>, Error = BearerError>,
{
    let answer = service.ready().await?.call(request).await?;
    Ok((answer.status().as_u16(), answer.into_body()))
}
