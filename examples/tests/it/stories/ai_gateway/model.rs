//! A deployment of a model on loopback, whose responses a test determines.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, Uri};
use http_body::Frame;
use tokio::net::TcpListener;
use tokio::sync::mpsc::{self, Receiver, Sender};

/// A request that arrived.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    /// The path with the query.
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Seen {
    pub(super) fn authorization(&self) -> &str {
        self.headers["authorization"].to_str().unwrap()
    }
}

/// The deployment. Without a response of the test, it returns its own name.
#[derive(Clone)]
pub(super) struct Model {
    /// The URL for `--deployment`.
    pub(super) url: String,
    name: &'static str,
    seen: Arc<Mutex<Vec<Seen>>>,
    replies: Arc<Mutex<VecDeque<Response>>>,
}

impl Model {
    pub(super) async fn start(name: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let model = Self {
            url: format!("{origin}/openai/deployments/{name}"),
            name,
            seen: Arc::default(),
            replies: Arc::default(),
        };
        let router = Router::new().fallback(respond).with_state(model.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        model
    }

    /// Adds the response to the next request that has none yet.
    pub(super) fn reply(&self, status: u16, headers: &[(&str, &str)], body: Body) {
        let mut response = Response::builder().status(status);
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        self.replies.lock().unwrap().push_back(response.body(body).unwrap());
    }

    /// Adds an error response.
    pub(super) fn fail(&self, status: u16, headers: &[(&str, &str)]) {
        self.reply(status, headers, Body::from("canary"));
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

async fn respond(State(model): State<Model>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let path = uri.path_and_query().unwrap().to_string();
    model.seen.lock().unwrap().push(Seen { path, headers, body });
    let reply = model.replies.lock().unwrap().pop_front();
    reply.unwrap_or_else(|| Response::new(Body::from(model.name)))
}

/// Returns a body whose chunks a test sends.
pub(super) fn chunks() -> (Sender<Bytes>, Body) {
    let (sender, receiver) = mpsc::channel(1);
    (sender, Body::new(Chunks(receiver)))
}

struct Chunks(Receiver<Bytes>);

impl http_body::Body for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0
            .poll_recv(cx)
            .map(|chunk| chunk.map(|chunk| Ok(Frame::data(chunk))))
    }
}
