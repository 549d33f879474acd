//! The examples that call APIs through the bearer layer, run as a user runs them, against the
//! emulator.

#[path = "../../common/text_codec.rs"]
mod text_codec;

use std::convert::Infallible;
use std::future::{Future, ready};
use std::pin::Pin;
use std::process::{Command, Output};
use std::task::{Context, Poll};

use bytes::{BufMut, BytesMut};
use entra_emulator::{Api, App, Defect, Emulator, Fault};
use entra_proto::Cloud;
use entra_proto::claims::UnverifiedClaims;
use entra_tower::RequireToken;
use entra_transport_hyper::HyperTransport;
use entra_validate::{Audience, Permissions, Principal, Tenants, Validator};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full};
use tonic::Code;
use tonic::body::Body;
use tonic::client::Grpc;
use tonic::server::NamedService;
use tonic::transport::{Channel, Server};
use tower::Service;

use self::text_codec::Text;

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
fn tower_client_replaces_a_rejected_token() {
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
fn grpc_client_sends_its_token() {
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

    // Another emulator, without this API, issues no token for it.
    let other_emulator = Emulator::builder().app(App::new("daemon")).start();
    let output = run(
        env!("CARGO_BIN_EXE_grpc_client"),
        &other_emulator,
        &[&origin, GREETER, "Ada"],
    );
    assert!(
        text(&output.stderr).contains("AADSTS500011"),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn grpc_server_behind_the_layer_returns_grpc_statuses() {
    let emulator = Emulator::builder()
        .api(Api::new(GREETER).role("Greet.All").role("Other.All"))
        .app(App::new("daemon").grant(GREETER, "Greet.All"))
        .start();
    let cloud = Cloud::loopback(emulator.base_url()).unwrap();
    let tenant = Tenants::One(emulator.tenant_id().parse().unwrap());
    let permissions = Permissions::any_of([""; 0], ["Greet.All"]).unwrap();
    let audience = Audience::new(GREETER).unwrap();
    let api = entra_validate::Api::new(audience, tenant, permissions)
        .and_then(|api| api.with_cloud(cloud.clone()))
        .unwrap();

    let runtime = tokio::runtime::Runtime::new().unwrap();
    let serve = || {
        let validator = Validator::new(
            api.clone(),
            HyperTransport::builder().for_cloud(&cloud).build().unwrap(),
        );
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let connections = tonic::transport::server::TcpIncoming::from(listener);
        let mut server = Server::builder().layer(RequireToken::new(validator));
        runtime.spawn(server.add_service(Guarded).serve_with_incoming(connections));
        origin
    };
    let origin = serve();

    let output = run(env!("CARGO_BIN_EXE_grpc_client"), &emulator, &[&origin, GREETER, "Ada"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout), format!("hello {}\n", emulator.client_id()));

    let forge = || emulator.forge().api(GREETER);
    let good = forge().token();
    let call = |origin: &str, authorization: Option<String>| {
        let origin = origin.parse::<http::Uri>().unwrap();
        runtime.block_on(async move {
            let mut greeter = Grpc::new(Channel::builder(origin).connect().await.unwrap());
            greeter.ready().await.unwrap();
            let mut request = tonic::Request::new("Ada".to_owned());
            if let Some(text) = authorization {
                request.metadata_mut().insert("authorization", text.parse().unwrap());
            }
            let path = PathAndQuery::from_static("/contoso.Greeter/Greet");
            greeter
                .unary(request, path, Text)
                .await
                .map_or_else(|status| status.code(), |_| Code::Ok)
        })
    };
    for (case, authorization, code) in [
        ("good", Some(format!("Bearer {good}")), Code::Ok),
        ("none", None, Code::Unauthenticated),
        ("basic", Some("Basic YTpi".to_owned()), Code::Unauthenticated),
        (
            "forged",
            Some(format!("Bearer {}", forge().defect(Defect::BadSignature).token())),
            Code::Unauthenticated,
        ),
        (
            "another role",
            Some(format!("Bearer {}", forge().roles(["Other.All"]).token())),
            Code::PermissionDenied,
        ),
    ] {
        assert_eq!(call(&origin, authorization), code, "{case}");
    }

    // A server without keys cannot validate the token: the client may try again.
    let origin = serve();
    emulator.fault(Fault::status(500).on("/discovery/v2.0/keys").always());
    emulator.fault(Fault::status(500).on("/discovery/keys").always());
    assert_eq!(call(&origin, Some(format!("Bearer {good}"))), Code::Unavailable);
}

/// Greets the application that the layer has authenticated.
#[derive(Clone)]
struct Guarded;

impl NamedService for Guarded {
    const NAME: &'static str = Greeter::NAME;
}

impl Service<Request<Body>> for Guarded {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let caller = request.extensions().get::<Principal>().expect("the layer is around it");
        ready(Ok(respond(true, &format!("hello {}", caller.application()))))
    }
}

/// Greets callers with a token for it. The token is not validated: the emulator is trusted here.
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
            let is_accepted = claims.is_some_and(|claims| claims.audience() == Some(GREETER));
            let message = request.into_body().collect().await.unwrap().to_bytes();
            // A gRPC message: a compression flag, the length, and the content.
            let name = String::from_utf8(message[5..].to_vec()).unwrap();
            Ok(respond(is_accepted, &format!("hello {name}")))
        })
    }
}

fn respond(is_accepted: bool, text: &str) -> Response<Body> {
    let response = Response::builder().header("content-type", "application/grpc");
    if !is_accepted {
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
