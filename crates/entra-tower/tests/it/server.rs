//! The layers of a web API, with tokens of the emulator's corpus.

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

pub(crate) type Answer = Response<String>;

/// The object ID of the caller, or `nobody`.
pub(crate) async fn who(request: Request<String>) -> Result<Answer, Infallible> {
    let caller = request.extensions().get::<Principal>();
    Ok(Response::new(caller.map_or_else(
        || "nobody".to_owned(),
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

pub(crate) async fn send<S>(service: &S, request: Request<String>) -> Answer
where
    S: Service<Request<String>, Response = Answer, Error = Infallible> + Clone,
{
    let Ok(answer) = service.clone().oneshot(request).await;
    answer
}

pub(crate) fn challenge(answer: &Answer) -> &str {
    answer
        .headers()
        .get(WWW_AUTHENTICATE)
        .map_or("", |value| value.to_str().unwrap())
}

#[tokio::test]
async fn corpus_is_answered_as_it_says() {
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
        let answer = send(service, get("/", Some(&token))).await;
        let status = answer.status().as_u16();
        let expected: &[u16] = match (row.verdict.as_str(), row.rule.as_deref()) {
            ("accept", _) => &[200],
            // What is no token by its characters is a bad request.
            ("401", Some("form")) => &[400, 401],
            ("401", _) => &[401],
            _ => &[403],
        };
        assert!(expected.contains(&status), "{}: {status}", row.name);
        if status == 200 {
            assert_eq!(*answer.body(), row.object().unwrap(), "{}", row.name);
            continue;
        }
        let error = match status {
            400 => "invalid_request",
            401 => "invalid_token",
            _ => "insufficient_scope",
        };
        assert!(
            challenge(&answer).contains(&format!("error=\"{error}\"")),
            "{}",
            row.name
        );
        assert_eq!(answer.body(), "");
        assert_eq!(answer.headers()["cache-control"], "no-store");
    }
}

#[tokio::test]
async fn requests_without_one_token_cost_no_fetch() {
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
        let answer = send(&service, request).await;
        assert_eq!(answer.status().as_u16(), status, "{}", challenge(&answer));
        match error {
            None => assert_eq!(challenge(&answer), r#"Bearer realm="""#),
            Some(error) => assert!(challenge(&answer).contains(error), "{}", challenge(&answer)),
        }
    }
    assert_eq!(keys.fetches(), 0);
    assert_eq!(send(&service, get("/", Some(&token))).await.status(), 200);
    let fetches = keys.fetches();
    for _ in 0..100 {
        let answer = send(&service, get("/", Some(&corpus.token("v2 bad_signature")))).await;
        assert_eq!(answer.status(), 401);
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
        // A principal that came from somewhere else is none.
        let Ok(Some(spoofed)) = corpus.principal("v2 user").await else {
            panic!("a principal")
        };
        request.extensions_mut().insert(spoofed);
        let answer = send(&service, request).await;
        assert_eq!(answer.status() == 200, passes, "{method} {uri}");
        assert!(!passes || answer.body() == "nobody", "{method} {uri}");
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
        let answer = send(&service, request(Method::OPTIONS, "/tasks", token.as_deref())).await;
        assert_eq!(answer.status(), status);
    }
}

#[tokio::test]
async fn routes_ask_for_permissions_of_their_own() {
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
        let answer = send(&service, get("/tasks", Some(&corpus.token(name)))).await;
        assert_eq!(answer.status(), status, "{name}");
        assert!(
            status == 200 || challenge(&answer).contains("insufficient_scope"),
            "{name}"
        );
        // Open paths do not open what is behind these permissions.
        let answer = send(&service, get("/open", Some(&corpus.token(name)))).await;
        assert_eq!(answer.status(), 401, "{name}");
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
async fn outage_of_the_keys_is_not_the_clients_fault() {
    let corpus = Corpus::read();
    let keys = Keys::default();
    keys.fail();
    let service = RequireToken::new(corpus.validator("one_tenant", &keys)).layer(tower::service_fn(who));
    let answer = send(&service, get("/", Some(&corpus.token("v2 user")))).await;
    assert_eq!((answer.status().as_u16(), challenge(&answer)), (503, ""));
    assert!(answer.headers().contains_key(RETRY_AFTER));
}

#[tokio::test]
async fn token_is_in_no_debug_text() {
    let corpus = Corpus::read();
    let token = corpus.token("v2 user");
    let layer = RequireToken::new(corpus.validator("one_tenant", &Keys::default()));
    let mut service = layer.layer(tower::service_fn(who));
    let call = service.call(get("/", Some(&token)));
    let text = format!("{layer:?} {call:?}");
    assert!(!text.contains(&token[..20]), "{text}");
}

/// A service with one place, which a ready clone holds.
struct OnePlace {
    taken: Arc<AtomicUsize>,
    has_place: bool,
}

impl Clone for OnePlace {
    fn clone(&self) -> Self {
        Self {
            taken: Arc::clone(&self.taken),
            has_place: false,
        }
    }
}

impl Drop for OnePlace {
    fn drop(&mut self) {
        if self.has_place {
            self.taken.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

impl Service<Request<String>> for OnePlace {
    type Response = Answer;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Answer, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        if !self.has_place {
            if self.taken.fetch_add(1, Ordering::SeqCst) > 0 {
                self.taken.fetch_sub(1, Ordering::SeqCst);
                return Poll::Pending;
            }
            self.has_place = true;
        }
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<String>) -> Self::Future {
        assert!(std::mem::take(&mut self.has_place), "called without being ready");
        self.taken.fetch_sub(1, Ordering::SeqCst);
        std::future::ready(Ok(Response::new(String::new())))
    }
}

#[test]
fn request_that_waits_for_keys_holds_no_place() {
    let corpus = Corpus::read();
    let keys = Keys::default();
    keys.hold();
    let taken = Arc::default();
    let inner = OnePlace {
        taken: Arc::clone(&taken),
        has_place: false,
    };
    let mut service: Protected<OnePlace> = RequireToken::new(corpus.validator("one_tenant", &keys)).layer(inner);
    let mut context = Context::from_waker(Waker::noop());
    assert!(service.poll_ready(&mut context).is_ready());
    let mut call = pin!(service.call(get("/", Some(&corpus.token("v2 user")))));
    assert!(call.as_mut().poll(&mut context).is_pending());
    assert_eq!(taken.load(Ordering::SeqCst), 0, "the place was given back");
    keys.release();
    let Poll::Ready(Ok(answer)) = call.as_mut().poll(&mut context) else {
        panic!("the keys are there")
    };
    assert_eq!((answer.status().as_u16(), taken.load(Ordering::SeqCst)), (200, 0));
}

#[tokio::test]
async fn bodies_of_tonic_pass() {
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
        let Ok(answer) = service.clone().oneshot(request).await;
        assert_eq!(answer.status(), status);
        assert!(http_body::Body::is_end_stream(answer.body()));
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
        let Ok(answer) = router.clone().oneshot(request).await;
        answer.status().as_u16()
    }

    #[tokio::test]
    async fn handlers_get_the_caller_by_an_extractor() {
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
            // A handler that wants a caller where none can be.
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
        let Ok(answer) = router.oneshot(request).await;
        assert_eq!(answer.status(), 500, "a principal of elsewhere is none");
    }
}
