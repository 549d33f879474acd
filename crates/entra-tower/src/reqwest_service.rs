//! A reqwest client as an inner service.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use reqwest::{Body, Client, ClientBuilder, redirect};
use tower_service::Service;

/// A reqwest client as a service over `http` types, to put a [`BearerLayer`](crate::BearerLayer)
/// around.
///
/// It follows no redirects, since reqwest has its own rules for the headers that go along.
/// Everything else is as the builder has it.
///
/// The features of reqwest in the program decide about TLS. `entra-transport-reqwest` enables
/// `rustls`. With its feature `ring` alone it enables `rustls-no-provider`, with which reqwest
/// panics unless the builder has a TLS configuration or the process has a default provider.
///
/// ```
/// use entra_tower::{BearerLayer, ReqwestService};
/// use http::Request;
/// use tower::{Layer, ServiceExt};
///
/// # async fn get(layer: BearerLayer) -> Result<(), Box<dyn std::error::Error>> {
/// let api = layer.layer(ReqwestService::new(reqwest::Client::builder())?);
/// let request = Request::get("https://graph.microsoft.com/v1.0/users").body("")?;
/// let response = reqwest::Response::from(api.oneshot(request).await?);
/// println!("{}", response.text().await?);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct ReqwestService(Client);

impl ReqwestService {
    /// Creates a service with the client that `client` builds.
    ///
    /// # Errors
    /// Returns an error if the client cannot be built: see [`ClientBuilder::build`].
    pub fn new(client: ClientBuilder) -> Result<Self, reqwest::Error> {
        client.redirect(redirect::Policy::none()).build().map(Self)
    }
}

impl<B: Into<Body>> Service<http::Request<B>> for ReqwestService {
    type Response = http::Response<Body>;
    type Error = reqwest::Error;
    type Future = ReqwestFuture;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), reqwest::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<B>) -> ReqwestFuture {
        let state = match reqwest::Request::try_from(request) {
            Ok(request) => State::Sent {
                response: self.0.call(request),
            },
            Err(error) => State::Unsent { error: Some(error) },
        };
        ReqwestFuture { state }
    }
}

pin_project! {
    /// The future of a response of a [`ReqwestService`].
    #[derive(Debug)]
    pub struct ReqwestFuture {
        #[pin]
        state: State,
    }
}

pin_project! {
    #[derive(Debug)]
    #[project = StateOf]
    enum State {
        Sent {
            #[pin]
            response: <Client as Service<reqwest::Request>>::Future,
        },
        /// reqwest rejects the request as invalid.
        Unsent { error: Option<reqwest::Error> },
    }
}

impl Future for ReqwestFuture {
    type Output = Result<http::Response<Body>, reqwest::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(match self.project().state.project() {
            StateOf::Sent { response } => ready!(response.poll(cx)).map(Into::into),
            StateOf::Unsent { error } => Err(error.take().expect("not polled after completion")),
        })
    }
}
