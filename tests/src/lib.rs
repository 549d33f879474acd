//! Shared parts of the end-to-end tests: every transport behind one interface, and applications of
//! an emulator.

use std::future::Future;
use std::time::Duration;

use entra_emulator::Emulator;
use entra_proto::{AccessToken, Application, Authority, Body, ClientSecret, Cloud, TokenRequest, TokenResponse};
use entra_transport::{AcquireError, Acquisition, BlockingTransport, Request, Response, Transport, TransportError};
use entra_transport_hyper::HyperTransport;
use entra_transport_reqwest::ReqwestTransport;
use entra_transport_ureq::UreqTransport;
use serde_json::Value;

/// A transport with what drives it, async or blocking.
pub trait Carrier {
    /// Its name.
    fn name(&self) -> &'static str;

    /// Sends one request.
    ///
    /// # Errors
    /// The transport's.
    fn send(&self, request: Request) -> Result<Response, TransportError>;

    /// Gets a token with the driver that belongs to it. No time passes in its waits.
    ///
    /// # Errors
    /// The driver's.
    fn acquire(&self, request: TokenRequest) -> Result<TokenResponse, AcquireError>;
}

/// Every transport, trusting this CA (PEM) and no other where one is given, with plain http to
/// loopback allowed.
///
/// # Panics
/// Where one cannot be built.
#[must_use]
pub fn carriers(ca_pem: Option<&str>) -> Vec<Box<dyn Carrier>> {
    macro_rules! built {
        ($transport:ty) => {{
            let mut builder = <$transport>::builder()
                .allow_plain_loopback(true)
                .added_roots_only(ca_pem.is_some())
                .timeout(Duration::from_secs(10));
            if let Some(pem) = ca_pem {
                builder = builder.root_certificates_pem(pem.as_bytes()).expect("the CA is PEM");
            }
            builder.build().expect("the transport is built")
        }};
    }
    vec![
        Box::new(Blocking("ureq", built!(UreqTransport))),
        Box::new(Async::new("hyper", built!(HyperTransport))),
        Box::new(Async::new("reqwest", built!(ReqwestTransport))),
    ]
}

/// An application of the emulator, by its name, at the emulator's plain or TLS address.
///
/// # Panics
/// Where the emulator has no such application.
#[must_use]
pub fn application(emulator: &Emulator, name: &str) -> Application {
    let app = emulator.app(name).expect("the application is registered");
    let secret = app
        .secrets
        .iter()
        .flatten()
        .next()
        .expect("the application has a secret");
    let cloud = match emulator.tls_url() {
        Some(url) => Cloud::at(url),
        None => Cloud::loopback(emulator.base_url()),
    };
    let authority = Authority::new(cloud.unwrap(), emulator.tenant_id().parse().unwrap()).unwrap();
    Application::new(
        authority,
        app.client_id.parse().unwrap(),
        ClientSecret::new(&secret.value).unwrap(),
    )
}

/// Calls an API with a token: the status and the JSON of its response.
///
/// # Panics
/// Where no JSON comes back.
pub fn call(carrier: &dyn Carrier, url: &str, token: &AccessToken) -> (u16, Value) {
    let request = http::Request::get(url)
        .header("authorization", token.authorization())
        .body(Body::default())
        .unwrap();
    let response = carrier.send(request).unwrap();
    (
        response.status().as_u16(),
        serde_json::from_slice(response.body().as_bytes()).unwrap(),
    )
}

struct Blocking<T>(&'static str, T);

impl<T: BlockingTransport> Carrier for Blocking<T> {
    fn name(&self) -> &'static str {
        self.0
    }

    fn send(&self, request: Request) -> Result<Response, TransportError> {
        self.1.send(request)
    }

    fn acquire(&self, request: TokenRequest) -> Result<TokenResponse, AcquireError> {
        Acquisition::new(request).run_blocking_with(&self.1, |_| {})
    }
}

struct Async<T> {
    name: &'static str,
    transport: T,
    runtime: tokio::runtime::Runtime,
}

impl<T> Async<T> {
    fn new(name: &'static str, transport: T) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        Self {
            name,
            transport,
            runtime,
        }
    }

    fn wait<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }
}

impl<T: Transport> Carrier for Async<T> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn send(&self, request: Request) -> Result<Response, TransportError> {
        self.wait(self.transport.send(request))
    }

    fn acquire(&self, request: TokenRequest) -> Result<TokenResponse, AcquireError> {
        self.wait(Acquisition::new(request).run(&self.transport, |_| std::future::ready(())))
    }
}

/// The programs of README and of the guides, compiled and run as doctests: here, since they need
/// all features and the emulator.
#[cfg(doctest)]
mod pages {
    #[doc = include_str!("../../README.md")]
    struct Readme;

    #[doc = include_str!("../../crates/entra/README.md")]
    struct CrateReadme;

    #[doc = include_str!("../../crates/entra/docs/architecture.md")]
    struct Architecture;

    #[doc = include_str!("../../crates/entra/docs/benchmarks.md")]
    struct Benchmarks;

    #[doc = include_str!("../../crates/entra/docs/command.md")]
    struct Command;

    #[doc = include_str!("../../crates/entra/docs/daemon.md")]
    struct Daemon;

    #[doc = include_str!("../../crates/entra/docs/http_stack.md")]
    struct HttpStack;

    #[doc = include_str!("../../crates/entra/docs/migrating.md")]
    struct Migrating;

    #[doc = include_str!("../../crates/entra/docs/multi_tenant.md")]
    struct MultiTenant;

    #[doc = include_str!("../../crates/entra/docs/other_crates.md")]
    struct OtherCrates;

    #[doc = include_str!("../../crates/entra/docs/testing.md")]
    struct Testing;

    #[doc = include_str!("../../crates/entra/docs/tower.md")]
    struct Tower;

    #[doc = include_str!("../../crates/entra/docs/troubleshooting.md")]
    struct Troubleshooting;

    #[doc = include_str!("../../crates/entra/docs/web_api.md")]
    struct WebApi;

    #[doc = include_str!("../../crates/entra/docs/without_secrets.md")]
    struct WithoutSecrets;
}
