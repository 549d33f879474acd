//! The thin server around the emulator: one thread with a single-threaded runtime.

mod body;
mod issuers;
mod sockets;
mod stream;
#[cfg(feature = "tls")]
mod tls;
mod token_file;
mod webhooks;

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Semaphore, oneshot};

use crate::Error;
use crate::api::activity;
use crate::control;
use crate::exchange::{FetchedKeys, Validated};
use crate::protocol::token::federated;
use crate::router;
use crate::server::body::WireBody;
use crate::server::issuers::Issuers;
pub(crate) use crate::server::sockets::Sockets;
use crate::server::stream::Stream;
pub(crate) use crate::server::token_file::TokenFile;
use crate::server::webhooks::Caller;
use crate::state::State;
use crate::state::fault::{Cut, Delivery};
use crate::state::recorder::Channel;

/// A running server. Dropping it closes every connection and ends the thread.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) tls_url: Option<String>,
    pub(crate) ca_pem: Option<String>,
    pub(crate) fabric: Option<Fabric>,
    pub(crate) control_url: Option<String>,
    /// The sender that pauses the server until it is dropped.
    pause: Option<oneshot::Sender<()>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// The listener of Service Fabric.
pub(crate) struct Fabric {
    pub(crate) url: String,
    /// The SHA-1 of its certificate.
    pub(crate) thumbprint: String,
    /// Its certificate, for clients that do not compare the thumbprint.
    pub(crate) pem: String,
}

impl Server {
    pub(crate) fn start(
        sockets: Sockets,
        state: Arc<State>,
        idle_timeout: Duration,
        paused: bool,
        token_file: Option<TokenFile>,
    ) -> Result<Self, Error> {
        let address = sockets.address;
        #[cfg(feature = "tls")]
        let identity = (!sockets.tls.is_empty())
            .then(|| tls::Identity::new(address.ip(), &sockets.names))
            .transpose()?;
        #[cfg(feature = "tls")]
        let ca_pem = identity.as_ref().map(|identity| identity.ca_pem.clone());
        #[cfg(feature = "tls")]
        let fabric_identity = (!sockets.fabric.is_empty())
            .then(tls::Identity::self_signed)
            .transpose()?;
        #[cfg(feature = "tls")]
        let fabric = fabric_identity
            .as_ref()
            .zip(sockets.fabric_url()?)
            .map(|(identity, url)| Fabric {
                url,
                thumbprint: identity.thumbprint(),
                pem: identity.ca_pem.clone(),
            });
        #[cfg(not(feature = "tls"))]
        let (ca_pem, fabric) = (None, None);
        let (tls_url, control_url) = (sockets.tls_url()?, sockets.control_url()?);

        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()?;
        let (stop, stopped) = oneshot::channel();
        let (pause, resumed) = oneshot::channel::<()>();
        let serve = {
            let _context = runtime.enter();
            let plain = tokio::net::TcpListener::from_std(sockets.plain)?;
            #[cfg(feature = "tls")]
            let tls = {
                let mut tls = Vec::new();
                for (listeners, identity) in [(sockets.tls, identity), (sockets.fabric, fabric_identity)] {
                    let Some(identity) = identity else { continue };
                    let acceptor = identity.acceptor()?;
                    for listener in listeners {
                        tls.push((tokio::net::TcpListener::from_std(listener)?, acceptor.clone()));
                    }
                }
                tls
            };
            let control = sockets.control.map(tokio::net::TcpListener::from_std).transpose()?;
            async move {
                // The sender never sends; it is dropped.
                let _ = resumed.await;
                let (webhooks, issuers) = (Caller::new(), Issuers::new());
                // The tasks end with the runtime.
                tokio::spawn(webhooks.clone().notify(Arc::clone(&state)));
                if let Some(file) = token_file {
                    tokio::spawn(file.keep(Arc::clone(&state)));
                }
                if let Some(listener) = control {
                    // A separate limit, so that the API stays reachable when clients use all
                    // connections of the service.
                    let shared = Shared {
                        state: Arc::clone(&state),
                        idle_timeout: idle_timeout.min(CONTROL_PATIENCE),
                        room: Arc::new(Semaphore::new(MOST_CONTROLS)),
                        webhooks: webhooks.clone(),
                        issuers: issuers.clone(),
                    };
                    // The task ends with the runtime.
                    tokio::spawn(async move {
                        accept(&listener, &shared, |stream, shared| async move {
                            serve(stream.reset_flag(), stream, Door::Control, &shared).await;
                        })
                        .await;
                    });
                }
                let shared = Shared {
                    state,
                    idle_timeout,
                    room: Arc::new(Semaphore::new(MOST_CONNECTIONS)),
                    webhooks,
                    issuers,
                };
                let plain = accept(&plain, &shared, |stream, shared| async move {
                    serve(stream.reset_flag(), stream, Door::Service(Channel::Http), &shared).await;
                });
                #[cfg(feature = "tls")]
                for (listener, acceptor) in tls {
                    let shared = shared.clone();
                    // The task ends with the runtime.
                    tokio::spawn(async move {
                        accept(&listener, &shared, move |stream, shared| {
                            let acceptor = acceptor.clone();
                            async move {
                                let reset = stream.reset_flag();
                                let handshake = tokio::time::timeout(shared.idle_timeout, acceptor.accept(stream));
                                if let Ok(Ok(stream)) = handshake.await {
                                    serve(reset, stream, Door::Service(Channel::Https), &shared).await;
                                }
                            }
                        })
                        .await;
                    });
                }
                tokio::select! { _ = plain => {}, _ = stopped => {} }
            }
        };
        let thread = std::thread::Builder::new()
            .name("entra-emulator".to_owned())
            .stack_size(STACK)
            .spawn(move || runtime.block_on(serve))?;
        Ok(Self {
            address,
            tls_url,
            ca_pem,
            fabric,
            control_url,
            pause: paused.then_some(pause),
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

impl Server {
    /// Starts to handle requests, if the server was started paused.
    pub(crate) fn resume(&mut self) {
        self.pause = None;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.resume();
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the thread cannot be handled here.
            let _ = thread.join();
        }
    }
}

/// The part of the emulator behind a listener.
#[derive(Clone, Copy)]
enum Door {
    /// The emulated service.
    Service(Channel),
    /// The control API.
    Control,
}

#[derive(Clone)]
struct Shared {
    state: Arc<State>,
    idle_timeout: Duration,
    room: Arc<Semaphore>,
    webhooks: Caller,
    issuers: Issuers,
}

/// Accepts connections without end, within the limit of concurrent ones; the others wait in the
/// kernel's queue.
async fn accept<F, Fut>(listener: &tokio::net::TcpListener, shared: &Shared, connection: F)
where
    F: Fn(Stream, Shared) -> Fut,
    Fut: Future<Output = ()> + Send + 'static,
{
    loop {
        let Ok(permit) = Arc::clone(&shared.room).acquire_owned().await else {
            return;
        };
        let Ok((stream, _)) = listener.accept().await else {
            // Usually the file descriptors are exhausted: wait until some are free instead of
            // spinning.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let _ = stream.set_nodelay(true);
        let connection = connection(Stream::new(stream), shared.clone());
        tokio::spawn(async move {
            connection.await;
            drop(permit);
        });
    }
}

async fn serve<S>(reset: Arc<AtomicBool>, stream: S, door: Door, shared: &Shared)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(|request| handle(shared, request, door, Arc::clone(&reset)));
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(shared.idle_timeout)
        .max_headers(MOST_HEADERS)
        .max_buf_size(LARGEST_HEAD)
        .auto_date_header(false)
        // Idle connections of some clients of the control API would block others.
        .keep_alive(!matches!(door, Door::Control))
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    // A connection that is never idle is asked to end after a while and then closed, so that none
    // stays open forever.
    tokio::select! {
        _ = connection.as_mut() => return,
        _ = tokio::time::sleep(OLDEST_CONNECTION) => connection.as_mut().graceful_shutdown(),
    }
    let _ = tokio::time::timeout(shared.idle_timeout, connection).await;
}

/// Reads the body within its limits, passes the request on, and delivers the response.
async fn handle(
    shared: &Shared,
    request: Request<Incoming>,
    door: Door,
    reset: Arc<AtomicBool>,
) -> Result<Response<WireBody>, Broken> {
    let state = &shared.state;
    let (parts, body) = request.into_parts();
    let body = match tokio::time::timeout(shared.idle_timeout, read(body)).await {
        Ok(Ok(Some(body))) => body,
        Ok(Ok(None)) => {
            return Ok(match door {
                Door::Service(_) => plain(StatusCode::PAYLOAD_TOO_LARGE),
                Door::Control => last(control::too_large()),
            });
        }
        Ok(Err(_)) => return Err(Broken),
        Err(_) => return Ok(plain(StatusCode::REQUEST_TIMEOUT)),
    };
    let mut request = Request::from_parts(parts, body);
    let response = match door {
        Door::Service(channel) => {
            if let Some(issuer) = federated::issuer_to_fetch(state, &request) {
                let keys = shared.issuers.keys(&issuer).await;
                request.extensions_mut().insert(FetchedKeys(keys));
            }
            if let Some(call) = activity::validation(state, &request, channel) {
                let is_valid = shared.webhooks.call(call).await;
                request.extensions_mut().insert(Validated(is_valid));
            }
            router::handle(state, request, channel)
        }
        Door::Control => control::handle(state, &request),
    };
    let delivery = response.extensions().get::<Delivery>().cloned().unwrap_or_default();
    if let Some(latency) = delivery.latency {
        tokio::time::sleep(latency).await;
    }
    if delivery.cut == Cut::Reset {
        reset.store(true, Ordering::Relaxed);
        return Err(Broken);
    }
    let (parts, body) = response.into_parts();
    Ok(Response::from_parts(parts, WireBody::new(body, delivery.cut)))
}

/// Reads a body. Returns `None` if it is too long.
///
/// Up to 16 MiB of a long body are read and dropped, because a client that is still sending when
/// the connection closes may miss the response.
async fn read(mut body: Incoming) -> Result<Option<Vec<u8>>, hyper::Error> {
    let (mut start, mut length) = (Vec::new(), 0);
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        length += data.len();
        if length <= LARGEST_BODY {
            start.extend_from_slice(&data);
        }
        if length > MOST_DROPPED {
            break;
        }
    }
    Ok((length <= LARGEST_BODY).then_some(start))
}

/// Creates a response of the server itself, without a body.
fn plain(status: StatusCode) -> Response<WireBody> {
    let mut response = Response::new(Vec::new());
    *response.status_mut() = status;
    last(response)
}

/// Creates a response after which the connection closes.
fn last(response: Response<Vec<u8>>) -> Response<WireBody> {
    let mut response = response.map(|body| WireBody::new(body, Cut::Whole));
    response
        .headers_mut()
        .insert(http::header::CONNECTION, http::HeaderValue::from_static("close"));
    response
}

/// An error that makes hyper close the connection without a response.
#[derive(Debug)]
pub(crate) struct Broken;

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the connection ends here")
    }
}

impl std::error::Error for Broken {}

/// The largest request body in bytes. Each open connection can hold one.
const LARGEST_BODY: usize = 256 * 1024;
/// The number of bytes that are read of a longer body.
const MOST_DROPPED: usize = 16 * 1024 * 1024;
const LARGEST_HEAD: usize = 64 * 1024;
const MOST_HEADERS: usize = 100;
const MOST_CONNECTIONS: usize = 256;
/// The largest number of connections to the control API.
const MOST_CONTROLS: usize = 128;
/// The time in which a client of the control API must send a request.
const CONTROL_PATIENCE: Duration = Duration::from_secs(10);
const OLDEST_CONNECTION: Duration = Duration::from_secs(600);
/// The stack size of the thread: enough for RSA and TLS in a debug build, and small enough for a
/// hundred emulators in a process.
const STACK: usize = 1024 * 1024;
