//! The middleware of the crate reqwest-middleware: the layer's rules in its stack of clients.

use std::sync::{Arc, Mutex};

use entra_tower::{BearerError, ReqwestMiddleware, UnlistedOrigin};
use http::Extensions;
use http::header::AUTHORIZATION;
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware, Error, Middleware, Next};

use crate::reqwest::client;
use crate::support::server::Server;
use crate::support::{BUSY, Reply, TokenService, challenge, challenge_from, context, not_before, ok, unauthorized};

/// Starts an API whose reply depends on the path and on the token.
fn server(script: impl Fn(&str, &str) -> Reply + Send + Sync + 'static) -> Server {
    Server::start(move |path, token| {
        let (status, fields) = script(path, token);
        let fields = fields.iter().map(|(name, value)| format!("{name}: {value}\r\n"));
        (status, fields.collect())
    })
}

/// Starts an API that accepts one token, and rejects others in this way.
fn accepting(token: &'static str, rejection: Reply) -> Server {
    server(move |_, given| if given == token { ok() } else { rejection.clone() })
}

fn stack(middleware: ReqwestMiddleware) -> ClientWithMiddleware {
    ClientBuilder::new(client().build().unwrap()).with(middleware).build()
}

fn middleware(token_service: &TokenService, server: &Server) -> ReqwestMiddleware {
    ReqwestMiddleware::new(token_service.source(), [&server.origin]).unwrap()
}

async fn get(client: &ClientWithMiddleware, url: &str) -> (u16, String) {
    let response = client.get(url).basic_auth("foo", None::<&str>).send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

#[tokio::test]
async fn rejected_request_is_sent_again() {
    let claims = not_before(1);
    let server = accepting("t2", challenge(&claims));
    let token_service = TokenService::new();
    let client = stack(middleware(&token_service, &server).replay());
    for _ in 0..2 {
        assert_eq!(
            get(&client, &format!("{}/users?a=b", server.origin)).await,
            (200, "t2".to_owned())
        );
    }
    assert_eq!(
        server.tokens(),
        ["t1", "t2", "t2"],
        "the header of the caller is replaced"
    );
    assert_eq!(server.seen()[1].0, "/users?a=b");
    assert!(token_service.form(1).contains("nbf"));
}

#[tokio::test]
async fn request_without_a_copy_is_sent_once() {
    for replays in [false, true] {
        let server = accepting("t2", unauthorized());
        let bearer = middleware(&TokenService::new(), &server);
        let client = stack(if replays { bearer.replay() } else { bearer });
        let request = client.post(&server.origin);
        // A stream cannot be copied.
        let request = if replays { request.body(Stream::body()) } else { request };
        assert_eq!(request.send().await.unwrap().status(), 401);
        assert_eq!(client.post(&server.origin).send().await.unwrap().status(), 200);
        assert_eq!(server.tokens(), ["t1", "t2"]);
    }
}

/// A body without data that can be read once.
struct Stream;

impl Stream {
    fn body() -> reqwest::Body {
        reqwest::Body::wrap(Self)
    }
}

impl http_body::Body for Stream {
    type Data = &'static [u8];
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Self::Data>, Self::Error>>> {
        std::task::Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        true
    }

    fn size_hint(&self) -> http_body::SizeHint {
        http_body::SizeHint::with_exact(0)
    }
}

#[tokio::test]
async fn no_request_is_sent_more_than_twice() {
    let server = accepting("none", unauthorized());
    let token_service = TokenService::new();
    let client = stack(middleware(&token_service, &server).replay());
    for _ in 0..20 {
        assert_eq!(get(&client, &server.origin).await.0, 401);
    }
    assert!(server.seen().len() <= 40);
    assert_eq!(token_service.requests(), 3, "two rejections of a path in a minute");
}

#[tokio::test]
async fn rejection_is_returned_if_there_is_no_other_token() {
    let token_service = TokenService::rejecting(|form| form.contains("evil").then_some(BUSY));
    let server = server(|path, _| match path {
        "/evil" => challenge(&context("evil")),
        _ => ok(),
    });
    let client = stack(middleware(&token_service, &server).replay());
    let url = |path| format!("{}{path}", server.origin);
    for _ in 0..3 {
        assert_eq!(get(&client, &url("/evil")).await, (401, "t1".to_owned()));
        assert_eq!(get(&client, &url("/good")).await, (200, "t1".to_owned()));
    }
}

#[tokio::test]
async fn challenge_of_another_cloud_changes_nothing() {
    let server = accepting("t2", challenge_from("https://evil.test/", &not_before(1)));
    let token_service = TokenService::new();
    let client = stack(middleware(&token_service, &server).replay());
    assert_eq!(get(&client, &server.origin).await.0, 401);
    assert_eq!((server.seen().len(), token_service.requests()), (1, 1));
}

#[tokio::test]
async fn unlisted_origin_is_rejected_or_served_unchanged() {
    let (token_service, server) = (TokenService::new(), accepting("none", unauthorized()));
    let bearer = || ReqwestMiddleware::new(token_service.source(), ["https://graph.microsoft.com"]).unwrap();
    let client = stack(bearer());
    for url in [
        server.origin.as_str(),
        "https://graph.microsoft.com.evil.test/",
        "ftp://graph.microsoft.com/",
    ] {
        let error = client.get(url).send().await.unwrap_err();
        let Error::Middleware(error) = error else {
            panic!("{error}")
        };
        let error = error.downcast_ref::<BearerError>();
        assert!(
            matches!(error, Some(BearerError::UnlistedOrigin { .. })),
            "{url}: {error:?}"
        );
    }
    // reqwest would send the user of a URL that a program makes itself.
    let url = "https://graph.microsoft.com@evil.test/".parse().unwrap();
    let request = reqwest::Request::new(http::Method::GET, url);
    assert!(client.execute(request).await.unwrap_err().is_middleware());
    assert_eq!(server.seen().len(), 0);
    let client = stack(bearer().unlisted_origin(UnlistedOrigin::WithoutToken).replay());
    assert_eq!(get(&client, &server.origin).await, (401, "Basic Zm9vOg==".to_owned()));
    assert_eq!((server.seen().len(), token_service.requests()), (1, 0));
}

#[tokio::test]
async fn request_is_not_sent_without_a_token() {
    let token_service = TokenService::rejecting(|_| Some("invalid_client"));
    let server = accepting("t1", unauthorized());
    let error = stack(middleware(&token_service, &server))
        .get(&server.origin)
        .send()
        .await;
    let Err(Error::Middleware(error)) = error else {
        panic!("{error:?}")
    };
    let Some(BearerError::Token(cause)) = error.downcast_ref() else {
        panic!("{error}")
    };
    assert_eq!(cause.service().unwrap().error, "invalid_client");
    assert_eq!(server.seen().len(), 0);
}

#[tokio::test]
async fn token_is_not_sent_along_to_another_origin() {
    let other = accepting("none", challenge(&not_before(1)));
    let location = format!("{}/", other.origin);
    let server = server(move |_, _| (302, vec![("location", location.clone())]));
    let token_service = TokenService::new();
    // Both are on one host, with different ports.
    let client = stack(middleware(&token_service, &server).replay());
    for _ in 0..2 {
        assert_eq!(get(&client, &server.origin).await.0, 401);
    }
    assert_eq!(
        (server.tokens(), other.tokens()),
        (vec!["t1".to_owned(); 2], vec![String::new(); 2])
    );
    assert_eq!(
        token_service.requests(),
        1,
        "its rejection says nothing about the token"
    );
}

#[tokio::test]
async fn rejection_after_a_redirect_within_the_origin_counts() {
    let server = server(|path, token| match (path, token) {
        ("/old", _) => (302, vec![("location", "/new".to_owned())]),
        (_, "t2") => ok(),
        _ => unauthorized(),
    });
    let client = stack(middleware(&TokenService::new(), &server).replay());
    let url = format!("{}/old", server.origin);
    assert_eq!(get(&client, &url).await, (200, "t2".to_owned()));
    assert_eq!(server.tokens(), ["t1", "t1", "t2", "t2"]);
}

/// A middleware that records of each request whether it has a token, and its body.
#[derive(Clone, Default)]
struct Recorder(Arc<Mutex<Vec<Recorded>>>);

type Recorded = (bool, Vec<u8>);

#[async_trait::async_trait]
impl Middleware for Recorder {
    async fn handle(
        &self,
        request: reqwest::Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> Result<reqwest::Response, Error> {
        let body = request.body().and_then(reqwest::Body::as_bytes).unwrap_or_default();
        let has_token = request.headers().contains_key(AUTHORIZATION);
        self.0.lock().unwrap().push((has_token, body.to_vec()));
        next.run(request, extensions).await
    }
}

#[tokio::test]
async fn inner_middlewares_see_each_request_with_its_token() {
    let server = accepting("t2", unauthorized());
    let (outer, inner) = (Recorder::default(), Recorder::default());
    let client = ClientBuilder::new(client().build().unwrap())
        .with(outer.clone())
        .with(middleware(&TokenService::new(), &server).replay())
        .with(inner.clone())
        .build();
    let request = client.post(&server.origin).body("body");
    assert_eq!(request.send().await.unwrap().status(), 200);
    let body = b"body".to_vec();
    assert_eq!(*outer.0.lock().unwrap(), [(false, body.clone())]);
    assert_eq!(*inner.0.lock().unwrap(), [(true, body.clone()), (true, body)]);
}

#[tokio::test]
async fn debug_shows_no_token() {
    let server = accepting("t1", unauthorized());
    let bearer = middleware(&TokenService::new(), &server);
    let debug = format!("{bearer:?}");
    assert!(debug.contains(&server.origin) && !debug.contains("t1"), "{debug}");
}
