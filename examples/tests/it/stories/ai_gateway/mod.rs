//! `ai_gateway`: fail-over, pauses, streams, and the credentials on both sides.

mod model;

use std::fs;
use std::path::Path;
use std::time::Duration;

use axum::body::{Body, Bytes};
use entra_emulator::{Config, Emulator, EmulatorBuilder, ManagedIdentitySource};
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::timeout;

use self::model::{Model, chunks};
use crate::stories::support::{Running, run, text};

const PROGRAM: &str = env!("CARGO_BIN_EXE_ai_gateway");
const GATEWAY: &str = "33334444-dddd-5555-eeee-6666ffff7777";

/// A gateway with a managed identity and two deployments.
struct World {
    emulator: Emulator,
    east: Model,
    west: Model,
    gateway: Running,
}

impl World {
    /// Starts a gateway that serves every program.
    async fn open() -> Self {
        Self::start(&["--open"]).await
    }

    async fn start(options: &[&str]) -> Self {
        let (east, west) = (Model::start("east").await, Model::start("west").await);
        let emulator = emulator();
        let deployments = ["--deployment", &east.url, "--deployment", &west.url];
        let gateway = gateway(&emulator, &[&deployments, options].concat());
        Self {
            emulator,
            east,
            west,
            gateway,
        }
    }

    /// Asks the model something.
    async fn ask(&self) -> (StatusCode, HeaderMap, String) {
        ask(self.gateway.address.clone()).await
    }

    /// Returns the number of requests to each deployment.
    fn counts(&self) -> [usize; 2] {
        [self.east.seen().len(), self.west.seen().len()]
    }

    /// Returns the number of tokens that the platform has issued to the gateway.
    fn tokens(&self) -> usize {
        let requests = self.emulator.requests();
        let issued = requests.iter().filter(|event| {
            let is_ours = event.target.as_deref() == Some("https://cognitiveservices.azure.com");
            is_ours && event.path.starts_with("/metadata/identity") && event.status == 200
        });
        issued.count()
    }
}

fn emulator() -> Emulator {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("ai_gateway/emulator.json");
    EmulatorBuilder::from(Config::from_json(&fs::read_to_string(file).unwrap()).unwrap()).start()
}

/// Starts a gateway on a machine with a managed identity.
fn gateway(emulator: &Emulator, options: &[&str]) -> Running {
    let identity = emulator.managed_identity_environment(ManagedIdentitySource::Imds);
    let mut variables = vec![
        ("AZURE_AUTHORITY_HOST", emulator.base_url()),
        ("AZURE_TENANT_ID", emulator.tenant_id()),
    ];
    variables.extend(identity.iter().map(|(name, value)| (*name, value.as_str())));
    let options = [&["--listen", "127.0.0.1:0"], options].concat();
    Running::start(PROGRAM, &options, Path::new(env!("CARGO_TARGET_TMPDIR")), &variables)
}

async fn ask(gateway: String) -> (StatusCode, HeaderMap, String) {
    let url = format!("{gateway}/chat/completions?api-version=2024-10-21");
    read(send(Request::post(url).header(CONTENT_TYPE, "application/json"), "{}").await).await
}

async fn send(request: http::request::Builder, body: impl Into<Bytes>) -> http::Response<Incoming> {
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let request = request.body(Full::new(body.into())).unwrap();
    client.request(request).await.unwrap()
}

async fn read(response: http::Response<Incoming>) -> (StatusCode, HeaderMap, String) {
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (head.status, head.headers, text(&body))
}

fn number(headers: &HeaderMap, name: &str) -> u64 {
    headers[name].to_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn throttled_deployment_is_left_alone() {
    for (status, header) in [
        (429, ("retry-after", "3600")),
        (429, ("retry-after-ms", "3600000")),
        (503, ("retry-after", "3600")),
        (500, ("retry-after", "3600")),
    ] {
        let world = World::open().await;
        world.east.fail(status, &[header]);
        for _ in 0..2 {
            let (status, headers, body) = world.ask().await;
            assert_eq!((status.as_u16(), body.as_str()), (200, "west"));
            assert!(!headers.contains_key("retry-after"));
        }
        assert_eq!(world.counts(), [1, 2], "{status} {header:?}");
        assert_eq!(world.tokens(), 1);
        let request = &world.west.seen()[0];
        assert_eq!(
            request.path,
            "/openai/deployments/west/chat/completions?api-version=2024-10-21"
        );
        assert_eq!(
            (&request.body[..], &request.headers[CONTENT_TYPE]),
            (&b"{}"[..], &"application/json".parse().unwrap())
        );
    }
}

#[tokio::test]
async fn failed_request_is_sent_to_the_other_deployment() {
    let world = World::open().await;
    world.east.fail(500, &[]);
    let (status, _, body) = world.ask().await;
    assert_eq!((status.as_u16(), body.as_str()), (200, "west"));
    // It was one request that failed: the next one goes to the first deployment.
    assert_eq!(world.ask().await.2, "east");

    world.east.fail(500, &[]);
    world.west.fail(500, &[]);
    let (status, headers, body) = world.ask().await;
    assert_eq!((status.as_u16(), number(&headers, "retry-after")), (503, 1));
    assert!(!body.contains("canary"), "{body}");

    // An error of the caller is the caller's own.
    world.east.fail(400, &[]);
    let (status, _, body) = world.ask().await;
    assert_eq!((status.as_u16(), body.as_str()), (400, "canary"));
}

#[tokio::test]
async fn callers_wait_for_the_smaller_pause() {
    let world = World::open().await;
    world.east.fail(429, &[("retry-after", "3000")]);
    world
        .west
        .fail(429, &[("retry-after-ms", "1000000"), ("retry-after", "2000")]);
    for _ in 0..2 {
        let (status, headers, body) = world.ask().await;
        assert_eq!(status, 429);
        let (seconds, milliseconds) = (number(&headers, "retry-after"), number(&headers, "retry-after-ms"));
        assert!(
            (1..=1000).contains(&seconds) && milliseconds <= 1_000_000,
            "{headers:?}"
        );
        assert_eq!(seconds, milliseconds.div_ceil(1000));
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body["error"]["code"], "429");
    }
    // Neither of them saw the second request.
    assert_eq!(world.counts(), [1, 1]);
}

#[tokio::test]
async fn unreachable_deployment_is_skipped() {
    let emulator = emulator();
    let west = Model::start("west").await;
    let closed = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}/openai/deployments/east", listener.local_addr().unwrap())
    };
    let both = gateway(
        &emulator,
        &["--open", "--deployment", &closed, "--deployment", &west.url],
    );
    let alone = gateway(&emulator, &["--open", "--deployment", &closed]);
    for (gateway, expected) in [(both, 200), (alone, 503)] {
        let url = format!("{}/embeddings", gateway.address);
        let (status, headers, _) = read(send(Request::post(url), "{}").await).await;
        assert_eq!(status, expected);
        assert_eq!(headers.contains_key("retry-after"), expected == 503);
    }
}

#[tokio::test]
async fn stream_arrives_chunk_by_chunk() {
    let world = World::open().await;
    let (sender, body) = chunks();
    world.east.reply(200, &[("content-type", "text/event-stream")], body);
    let url = format!("{}/chat/completions", world.gateway.address);
    // A gateway that waits for the end would wait without end.
    let patience = Duration::from_secs(20);
    let response = timeout(patience, send(Request::post(url), r#"{"stream": true}"#));
    let mut response = response.await.expect("the head arrives before the body");
    assert_eq!(response.headers()[CONTENT_TYPE], "text/event-stream");
    for event in ["data: 1\n\n", "data: 2\n\n", "data: [DONE]\n\n"] {
        // The next one is sent only after this one has arrived.
        sender.send(Bytes::from_static(event.as_bytes())).await.unwrap();
        let frame = timeout(patience, response.body_mut().frame()).await.unwrap();
        assert_eq!(frame.unwrap().unwrap().into_data().unwrap(), event);
    }
    drop(sender);
    assert!(response.body_mut().frame().await.is_none());
}

#[tokio::test]
async fn rejected_token_is_replaced() {
    let world = World::open().await;
    world
        .east
        .fail(401, &[("www-authenticate", "Bearer error=\"invalid_token\"")]);
    let (status, _, body) = world.ask().await;
    assert_eq!((status.as_u16(), body.as_str()), (200, "east"));
    let seen = world.east.seen();
    assert_ne!(seen[0].authorization(), seen[1].authorization());
    assert_eq!((seen.len(), world.tokens()), (2, 2));
    // The caller's client must not keep what concerns the gateway.
    world.east.reply(
        200,
        &[
            ("set-cookie", "canary=1"),
            ("connection", "x-canary"),
            ("x-canary", "1"),
            ("x-ratelimit-remaining-tokens", "9"),
        ],
        Body::empty(),
    );
    let (_, headers, _) = world.ask().await;
    assert!(
        !headers.contains_key("set-cookie") && !headers.contains_key("x-canary"),
        "{headers:?}"
    );
    assert_eq!(headers["x-ratelimit-remaining-tokens"], "9");

    // A gateway without a role there is not the caller's problem.
    for rejections in [&[401, 401][..], &[403]] {
        for status in rejections {
            world
                .east
                .fail(*status, &[("www-authenticate", "Bearer"), ("set-cookie", "canary=1")]);
        }
        let (status, headers, body) = world.ask().await;
        assert_eq!(status, 502);
        assert!(!headers.contains_key("www-authenticate") && !headers.contains_key("set-cookie"));
        assert!(!body.contains("canary"));
    }
}

#[tokio::test]
async fn calls_share_one_token() {
    let world = World::open().await;
    let mut calls = JoinSet::new();
    for _ in 0..50 {
        calls.spawn(ask(world.gateway.address.clone()));
    }
    for (status, _, body) in calls.join_all().await {
        assert_eq!((status.as_u16(), body.as_str()), (200, "east"));
    }
    assert_eq!((world.tokens(), world.counts()), (1, [50, 0]));
    let first = world.east.seen()[0].authorization().to_owned();
    assert!(world.east.seen().iter().all(|seen| seen.authorization() == first));
}

#[tokio::test]
async fn authorization_of_a_caller_is_not_passed_on() {
    let world = World::start(&["--client-id", GATEWAY]).await;
    let forge = || world.emulator.forge().api(GATEWAY);
    let (good, other_role) = (forge().token(), forge().roles(["Other.All"]).token());
    let other_api = world.emulator.forge().api(Emulator::GRAPH).token();
    let url = format!(
        "{}/chat/completions?api-key=canary&api-version=1",
        world.gateway.address
    );
    for (token, status) in [
        (None, 401),
        (Some(&other_api), 401),
        (Some(&other_role), 403),
        (Some(&good), 200),
    ] {
        let mut request = Request::post(&url)
            .header("api-key", "canary")
            .header("cookie", "canary=1")
            .header("ocp-apim-subscription-key", "canary")
            .header("x-ms-token-aad-access-token", "canary")
            .header("x-ms-client-request-id", "7");
        if let Some(token) = token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        let (found, headers, _) = read(send(request, "{}").await).await;
        assert_eq!(found, status);
        assert_eq!(headers.contains_key("www-authenticate"), status != 200);
    }
    assert_eq!(world.counts(), [1, 0]);
    let seen = &world.east.seen()[0];
    let shown = format!("{seen:?}");
    assert!(!shown.contains("canary") && !shown.contains(&good), "{shown}");
    assert_eq!(seen.path, "/openai/deployments/east/chat/completions?api-version=1");
    assert_eq!(seen.headers["x-ms-client-request-id"], "7");
    assert!(seen.authorization().starts_with("Bearer ey"));
}

#[tokio::test]
async fn other_requests_reach_no_deployment() {
    let world = World::open().await;
    let own = world.gateway.address.clone();
    let root = own.strip_suffix("/openai/deployments/chat").unwrap().to_owned();
    let post = |url: String| Request::post(url);
    for (request, status) in [
        (
            post(format!("{own}/chat/completions")).header("origin", "https://evil.example"),
            403,
        ),
        (post(format!("{own}/chat/completions")).header("origin", "null"), 403),
        (post(format!("{own}/chat/completions")).method(Method::GET), 405),
        (post(format!("{own}/chat/completions")).method(Method::OPTIONS), 405),
        (post(own.clone()), 404),
        (post(format!("{own}/../other/embeddings")), 404),
        (post(format!("{own}/%2e%2e/other/embeddings")), 404),
        (post(format!("{own}//embeddings")), 404),
        (post(format!("{root}/openai/deployments/chat2/embeddings")), 404),
        (post(format!("{root}/openai/files")), 404),
        (post(root), 404),
    ] {
        let shown = format!("{request:?}");
        assert_eq!(send(request, "{}").await.status(), status, "{shown}");
    }
    let large = vec![b' '; (8 << 20) + 1];
    assert_eq!(send(post(format!("{own}/embeddings")), large).await.status(), 413);
    assert_eq!((world.counts(), world.tokens() <= 1), ([0, 0], true));
}

#[test]
fn callers_are_authenticated_unless_told_otherwise() {
    let deployment = ["--deployment", "https://east.example/openai/deployments/a"];
    for (options, problem) in [
        (&[][..], "--client-id <ID>|--open"),
        (&["--open", "--client-id", GATEWAY], "cannot be used with"),
        (&["--open", "--listen", "0.0.0.0:0"], "hint: listen on localhost"),
        (&["--open", "--deployment", "http://west.example/b"], "hint: use https"),
        (
            &["--open", "--deployment", "https://west.example"],
            "names no deployment",
        ),
    ] {
        let output = run(PROGRAM, &[&deployment, options].concat(), &[]);
        let shown = text(&output.stderr);
        assert!(
            !output.status.success() && shown.contains(problem),
            "{options:?}: {shown}"
        );
    }
}
