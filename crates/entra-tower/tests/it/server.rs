//! The layers for web APIs, with tokens of the emulator's corpus.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use entra_tower::{Protected, RequirePermissions, RequireToken};
use entra_validate::{Permissions, Principal};
use http::header::{AUTHORIZATION, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Method, Request, Response};
use tower::{Layer, Service, ServiceExt};

use crate::corpus::{Corpus, Keys};

pub(crate) type Reply = Response<String>;

/// Returns the object ID of the caller, or `anonymous`.
pub(crate) async fn who(request: Request<String>) -> Result<Reply, Infallible> {
    let caller = request.extensions().get::<Principal>();
    Ok(Response::new(caller.map_or_else(
        || "anonymous".to_owned(),
        |caller| caller.object_id().to_string(),
    )))
}

pub(crate) fn request(method: Method, uri: &str, token: Option<&str>) -> Request<String> {
    let mut request = Request::builder().method(method).uri(uri);
    if let Some(token) = token {
        request = request.header(AUTHORIZATION, format!("Bearer {token}"));
    }
    request.body(String::new()).unwrap()
}

pub(crate) fn get(uri: &str, token: Option<&str>) -> Request<String> {
    request(Method::GET, uri, token)
}

pub(crate) async fn send<S>(service: &S, request: Request<String>) -> Reply
where
    S: Service<Request<String>, Response = Reply, Error = Infallible> + Clone,
{
    let Ok(response) = service.clone().oneshot(request).await;
    response
}

pub(crate) fn challenge(response: &Reply) -> &str {
    response
        .headers()
        .get(WWW_AUTHENTICATE)
        .map_or("", |value| value.to_str().unwrap())
}

#[tokio::test]
async fn corpus_gets_the_documented_responses() {
    let corpus = Corpus::read();
    let services: Vec<_> = corpus
        .apis()
        .map(|name| {
            (
                name.to_owned(),
                RequireToken::new(corpus.validator(name, &Keys::default())).layer(tower::service_fn(who)),
            )
        })
        .collect();
    for row in corpus.rows() {
        let token = row.text();
        let (_, service) = services.iter().find(|(name, _)| *name == row.api).unwrap();
        let response = send(service, get("/", Some(&token))).await;
        let status = response.status().as_u16();
        let expected: &[u16] = match (row.verdict.as_str(), row.rule.as_deref()) {
            ("accept", _) => &[200],
            // A text with characters that no token has is a bad request.
            ("401", Some("form")) => &[400, 401],
            ("401", _) => &[401],
            _ => &[403],
        };
        assert!(expected.contains(&status), "{}: {status}", row.name);
        if status == 200 {
            assert_eq!(*response.body(), row.object().unwrap(), "{}", row.name);
            continue;
        }
        let error = match status {
            400 => "invalid_request",
            401 => "invalid_token",
            _ => "insufficient_scope",
        };
        assert!(
            challenge(&response).contains(&format!("error=\"{error}\"")),
            "{}",
            row.name
        );
        assert_eq!(response.body(), "");
        assert_eq!(response.headers()["cache-control"], "no-store");
    }
}

#[tokio::test]
async fn requests_without_one_token_cause_no_fetch() {
    let corpus = Corpus::read();
    let keys = Keys::default();
    let service = RequireToken::new(corpus.validator("one_tenant", &keys)).layer(tower::service_fn(who));
    let token = corpus.token("v2 application");
    let with = |values: &[&str]| {
        let mut request = get("/", None);
        for value in values {
            request
                .headers_mut()
                .append(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        }
        request
    };
    let bearer = format!("Bearer {token}");
    for (request, status, error) in [
        (get("/", None), 401, None),
        (with(&["Basic YTpi"]), 401, None),
        (with(&["Bearer"]), 400, Some("invalid_request")),
        (with(&[&bearer, &bearer]), 400, Some("invalid_request")),
        (with(&[&format!("{bearer} {token}")]), 400, Some("invalid_request")),
        (
            get(&format!("/?access_token={token}"), None),
            400,
            Some("invalid_request"),
        ),
        (
            get(&format!("/?access_token={token}"), Some(&token)),
            400,
            Some("invalid_request"),
        ),
        (get("/", Some("a.b.c")), 401, Some("invalid_token")),
        (
            get("/", Some(&corpus.token("v2 algorithm_none"))),
            401,
            Some("invalid_token"),
        ),
        (
            get("/", Some(&corpus.token("v2 other_issuer"))),
            401,
            Some("invalid_token"),
        ),
    ] {
        let response = send(&service, request).await;
        assert_eq!(response.status().as_u16(), status, "{}", challenge(&response));
        match error {
            None => assert_eq!(challenge(&response), r#"Bearer realm="""#),
            Some(error) => assert!(challenge(&response).contains(error), "{}", challenge(&response)),
        }
    }
    assert_eq!(keys.fetches(), 0);
    assert_eq!(send(&service, get("/", Some(&token))).await.status(), 200);
    let fetches = keys.fetches();
    for _ in 0..100 {
        let response = send(&service, get("/", Some(&corpus.token("v2 bad_signature")))).await;
        assert_eq!(response.status(), 401);
    }
    assert_eq!(keys.fetches(), fetches, "the keys are known");
}

#[tokio::test]
async fn only_preflights_and_open_paths_pass_without_a_token() {
    let corpus = Corpus::read();
    let layer = RequireToken::new(corpus.validator("one_tenant", &Keys::default()));
    let service = layer.with_open_path("/healthz").unwrap().layer(tower::service_fn(who));
    for (method, uri, passes) in [
        (Method::GET, "/healthz", true),
        (Method::POST, "/healthz?deep=1", true),
        (Method::OPTIONS, "/tasks", true),
        (Method::GET, "/healthz/", false),
        (Method::GET, "/healthz/x", false),
        (Method::GET, "/HEALTHZ", false),
        (Method::GET, "//healthz", false),
        (Method::GET, "/%68ealthz", false),
        (Method::GET, "/tasks/healthz", false),
        (Method::HEAD, "/tasks", false),
        (Method::from_bytes(b"options").unwrap(), "/tasks", false),
    ] {
        let mut request = request(method.clone(), uri, None);
        // A principal from outside of the layer does not count.
        let Ok(Some(spoofed)) = corpus.principal("v2 user").await else {
            panic!("a principal")
        };
        request.extensions_mut().insert(spoofed);
        let response = send(&service, request).await;
        assert_eq!(response.status() == 200, passes, "{method} {uri}");
        assert!(!passes || response.body() == "anonymous", "{method} {uri}");
    }
    let layer = RequireToken::new(corpus.validator("one_tenant", &Keys::default()));
    for path in ["", "healthz", "/a?b", "/*", "/{id}", "/a#b"] {
        assert!(layer.clone().with_open_path(path).is_err(), "{path}");
    }
}

#[tokio::test]
async fn options_can_be_guarded() {
    let corpus = Corpus::read();
    let layer = RequireToken::new(corpus.validator("one_tenant", &Keys::default())).with_guarded_options();
    let read = RequirePermissions::any_of(["Tasks.Read"], ["Tasks.Read.All"]).unwrap();
    let service = layer.layer(read.layer(tower::service_fn(who)));
    for (token, status) in [(None, 401), (Some(corpus.token("v2 user")), 200)] {
        let response = send(&service, request(Method::OPTIONS, "/tasks", token.as_deref())).await;
        assert_eq!(response.status(), status);
    }
}

#[tokio::test]
async fn routes_require_their_own_permissions() {
    let corpus = Corpus::read();
    let read = RequirePermissions::any_of(["Tasks.Read"], ["Tasks.Read.All"]).unwrap();
    let write = RequirePermissions::any_of(["Tasks.ReadWrite"], ["Tasks.ReadWrite.All"]).unwrap();
    let users = RequirePermissions::any_of(["Tasks.Read"], [""; 0]).unwrap();
    let layer = RequireToken::new(corpus.validator("one_tenant", &Keys::default()))
        .with_open_path("/open")
        .unwrap();
    for (permissions, name, status) in [
        (&read, "v2 application", 200),
        (&read, "v2 user", 200),
        (&write, "v2 application", 403),
        (&write, "v2 user", 403),
        (&write, "several scopes", 200),
        (&users, "v2 user", 200),
        (&users, "v2 application", 403),
        (&users, "v2 agent", 403),
        (&users, "agent's user", 200),
    ] {
        let service = layer.layer(permissions.layer(tower::service_fn(who)));
        let response = send(&service, get("/tasks", Some(&corpus.token(name)))).await;
        assert_eq!(response.status(), status, "{name}");
        assert!(
            status == 200 || challenge(&response).contains("insufficient_scope"),
            "{name}"
        );
        // An open path does not bypass these permissions.
        let response = send(&service, get("/open", Some(&corpus.token(name)))).await;
        assert_eq!(response.status(), 401, "{name}");
        assert_eq!(
            send(&service, request(Method::OPTIONS, "/tasks", None)).await.status(),
            200
        );
    }
    assert!(RequirePermissions::any_of([""; 0], [""; 0]).is_err());
}

#[tokio::test]
async fn permissions_without_the_layer_reject_everything() {
    let corpus = Corpus::read();
    let service = RequirePermissions::new(Permissions::any_granted()).layer(tower::service_fn(who));
    for method in [Method::GET, Method::OPTIONS] {
        let mut request = request(method, "/tasks", Some(&corpus.token("v2 user")));
        let Ok(Some(spoofed)) = corpus.principal("v2 user").await else {
            panic!("a principal")
        };
        request.extensions_mut().insert(spoofed);
        assert_eq!(send(&service, request).await.status(), 500);
    }
}

#[tokio::test]
async fn outage_of_the_keys_is_status_503() {
    let corpus = Corpus::read();
    let keys = Keys::default();
    keys.fail();
    let service = RequireToken::new(corpus.validator("one_tenant", &keys)).layer(tower::service_fn(who));
    let response = send(&service, get("/", Some(&corpus.token("v2 user")))).await;
    assert_eq!((response.status().as_u16(), challenge(&response)), (503, ""));
    assert!(response.headers().contains_key(RETRY_AFTER));
}

#[tokio::test]
async fn debug_output_hides_the_token() {
    let corpus = Corpus::read();
    let token = corpus.token("v2 user");
    let layer = RequireToken::new(corpus.validator("one_tenant", &Keys::default()));
    let mut service = layer.layer(tower::service_fn(who));
    let call = service.call(get("/", Some(&token)));
    let text = format!("{layer:?} {call:?}");
    assert!(!text.contains(&token[..20]), "{text}");
}

/// A service with one permit, which a ready handle holds.
struct OnePermit {
    taken: Arc<AtomicUsize>,
    has_permit: bool,
}

impl Clone for OnePermit {
    fn clone(&self) -> Self {
        Self {
            taken: Arc::clone(&self.taken),
            has_permit: false,
        }
    }
}

impl Drop for OnePermit {
    fn drop(&mut self) {
        if self.has_permit {
            self.taken.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

impl Service<Request<String>> for OnePermit {
    type Response = Reply;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Reply, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        if !self.has_permit {
            if self.taken.fetch_add(1, Ordering::SeqCst) > 0 {
                self.taken.fetch_sub(1, Ordering::SeqCst);
                return Poll::Pending;
            }
            self.has_permit = true;
        }
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<String>) -> Self::Future {
        assert!(std::mem::take(&mut self.has_permit), "called without being ready");
        self.taken.fetch_sub(1, Ordering::SeqCst);
        std::future::ready(Ok(Response::new(String::new())))
    }
}

#[test]
fn request_that_waits_for_keys_holds_no_permit() {
    let corpus = Corpus::read();
    let keys = Keys::default();
    keys.hold();
    let taken = Arc::default();
    let inner = OnePermit {
        taken: Arc::clone(&taken),
        has_permit: false,
    };
    let mut service: Protected<OnePermit> = RequireToken::new(corpus.validator("one_tenant", &keys)).layer(inner);
    let mut context = Context::from_waker(Waker::noop());
    assert!(service.poll_ready(&mut context).is_ready());
    let mut call = pin!(service.call(get("/", Some(&corpus.token("v2 user")))));
    assert!(call.as_mut().poll(&mut context).is_pending());
    assert_eq!(taken.load(Ordering::SeqCst), 0, "the permit was returned");
    keys.release();
    let Poll::Ready(Ok(response)) = call.as_mut().poll(&mut context) else {
        panic!("the keys are there")
    };
    assert_eq!((response.status().as_u16(), taken.load(Ordering::SeqCst)), (200, 0));
}

#[tokio::test]
async fn tonic_bodies_pass() {
    use tonic::body::Body;

    let corpus = Corpus::read();
    let inner = tower::service_fn(|request: Request<Body>| async move {
        assert!(request.extensions().get::<Principal>().is_some());
        Ok::<_, Infallible>(Response::new(Body::empty()))
    });
    let read = RequirePermissions::any_of(["Tasks.Read"], ["Tasks.Read.All"]).unwrap();
    let service = RequireToken::new(corpus.validator("one_tenant", &Keys::default())).layer(read.layer(inner));
    for (token, status) in [(None, 401), (Some(corpus.token("v2 user")), 200)] {
        let mut request = Request::post("/tasks.Tasks/List").body(Body::empty()).unwrap();
        request
            .headers_mut()
            .insert("content-type", HeaderValue::from_static("application/grpc"));
        if let Some(token) = token {
            request
                .headers_mut()
                .insert(AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
        }
        let Ok(response) = service.clone().oneshot(request).await;
        assert_eq!(response.status(), status);
        assert!(http_body::Body::is_end_stream(response.body()));
    }
}

#[cfg(feature = "axum")]
mod axum {
    use super::*;
    use ::axum::Router;
    use ::axum::body::Body;
    use ::axum::routing;
    use entra_tower::Caller;
    use entra_validate::ResourceMetadata;

    async fn list(caller: Caller) -> String {
        caller.object_id().to_string()
    }

    async fn status(router: &Router, method: Method, uri: &str, token: Option<&str>) -> u16 {
        let request = request(method, uri, token).map(Body::from);
        let Ok(response) = router.clone().oneshot(request).await;
        response.status().as_u16()
    }

    #[tokio::test]
    async fn handlers_get_the_caller_from_an_extractor() {
        let corpus = Corpus::read();
        let read = RequirePermissions::any_of(["Tasks.Read"], ["Tasks.Read.All"]).unwrap();
        let write = RequirePermissions::any_of(["Tasks.ReadWrite"], ["Tasks.ReadWrite.All"]).unwrap();
        let api = corpus.api("one_tenant");
        let metadata = ResourceMetadata::new("https://api.contoso.com", &api).unwrap();
        let guard = RequireToken::new(corpus.validator_of(api, &Keys::default()));
        let guard = guard
            .with_open_path("/healthz")
            .unwrap()
            .with_open_path("/mistake")
            .unwrap();
        let router = Router::new()
            .route(
                "/tasks",
                routing::get(list).layer(read).merge(routing::post(list).layer(write)),
            )
            .route("/healthz", routing::get(|| async { "ok" }))
            .route("/mistake", routing::get(list))
            .layer(guard.publish(&metadata).unwrap())
            .route("/late", routing::get(list));
        let user = corpus.token("v2 user");
        for (method, uri, token, expected) in [
            (Method::GET, "/tasks", None, 401),
            (Method::GET, "/tasks", Some(&user), 200),
            (Method::POST, "/tasks", Some(&user), 403),
            (Method::GET, "/healthz", None, 200),
            (Method::GET, "/nowhere", None, 401),
            (Method::GET, "/nowhere", Some(&user), 404),
            (Method::GET, "/.well-known/oauth-protected-resource", None, 200),
            // A handler that requires a caller on an open path.
            (Method::GET, "/mistake", None, 401),
            (Method::GET, "/mistake", Some(&user), 401),
            (Method::GET, "/late", Some(&user), 500),
        ] {
            let found = status(&router, method.clone(), uri, token.map(String::as_str)).await;
            assert_eq!(found, expected, "{method} {uri} {}", token.is_some());
        }
        let Ok(Some(spoofed)) = corpus.principal("v2 user").await else {
            panic!("a principal")
        };
        let mut request = get("/late", Some(&user)).map(Body::from);
        request.extensions_mut().insert(spoofed);
        let Ok(response) = router.oneshot(request).await;
        assert_eq!(response.status(), 500, "a principal from outside does not count");
    }
}
