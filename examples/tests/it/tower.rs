//! The examples that call APIs through the bearer layer, run as a user runs them, against an emulator.

use std::convert::Infallible;
use std::future::{Future, ready};
use std::pin::Pin;
use std::process::{Command, Output};
use std::task::{Context, Poll};

use bytes::{BufMut, BytesMut};
use entra_emulator::{Api, App, Emulator, Fault};
use entra_proto::UnverifiedClaims;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full};
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::transport::Server;
use tower::Service;

const GREETER: &str = "api://greeter";

fn run(program: &str, emulator: &Emulator, arguments: &[&str]) -> Output {
    Command::new(program)
        .args(arguments)
        .env_clear()
        .env("AZURE_TENANT_ID", emulator.tenant_id())
        .env("AZURE_CLIENT_ID", emulator.client_id())
        .env("AZURE_CLIENT_SECRET", emulator.client_secret())
        .env("AZURE_AUTHORITY_HOST", emulator.base_url())
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn a_client_of_tower_calls_with_one_token_and_gets_another_where_it_is_refused() {
    let emulator = Emulator::builder()
        .app(App::new("daemon").grant(Emulator::GRAPH, "User.Read.All"))
        .start();
    let output = run(env!("CARGO_BIN_EXE_tower_client"), &emulator, &["3", "0"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout), "3 users\n3 users\n3 users\n");
    assert_eq!(emulator.token_requests().len(), 1);

    emulator.clear_requests();
    emulator.fault(Fault::status(401).on("/v1.0/users"));
    let output = run(env!("CARGO_BIN_EXE_tower_client"), &emulator, &["2", "0"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout), "3 users\n3 users\n");
    assert_eq!(emulator.token_requests().len(), 2);
}

#[test]
fn a_grpc_client_shows_its_token_to_the_server() {
    let emulator = Emulator::builder()
        .api(Api::new(GREETER))
        .app(App::new("daemon"))
        .start();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let connections = tonic::transport::server::TcpIncoming::from(listener);
    runtime.spawn(Server::builder().add_service(Greeter).serve_with_incoming(connections));

    let output = run(env!("CARGO_BIN_EXE_grpc_client"), &emulator, &[&origin, GREETER, "Ada"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout), "hello Ada\n");

    // A token for another API is no token for this one.
    let stranger = Emulator::builder().app(App::new("daemon")).start();
    let output = run(env!("CARGO_BIN_EXE_grpc_client"), &stranger, &[&origin, GREETER, "Ada"]);
    assert!(
        text(&output.stderr).contains("AADSTS500011"),
        "{}",
        text(&output.stderr)
    );
}

/// Greets whoever shows a token for it. What is in it is not checked: the emulator's word is enough here.
#[derive(Clone)]
struct Greeter;

impl NamedService for Greeter {
    const NAME: &'static str = "contoso.Greeter";
}

impl Service<Request<Body>> for Greeter {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(async move {
            let claims = request.headers().get("authorization").and_then(|value| {
                let token = value.to_str().ok()?.strip_prefix("Bearer ")?;
                UnverifiedClaims::decode(token).ok()
            });
            let welcome = claims.is_some_and(|claims| claims.audience() == Some(GREETER));
            let message = request.into_body().collect().await.unwrap().to_bytes();
            // A message of gRPC: whether it is compressed, its length, itself.
            let name = String::from_utf8(message[5..].to_vec()).unwrap();
            Ok(answer(welcome, &format!("hello {name}")))
        })
    }
}

fn answer(welcome: bool, text: &str) -> Response<Body> {
    let response = Response::builder().header("content-type", "application/grpc");
    if !welcome {
        return response.header("grpc-status", "16").body(Body::empty()).unwrap();
    }
    let mut message = BytesMut::new();
    message.put_u8(0);
    message.put_u32(text.len() as u32);
    message.put_slice(text.as_bytes());
    let end = HeaderMap::from_iter([(HeaderName::from_static("grpc-status"), HeaderValue::from_static("0"))]);
    let body = Full::new(message.freeze()).with_trailers(ready(Some(Ok(end))));
    response.body(Body::new(body)).unwrap()
}
