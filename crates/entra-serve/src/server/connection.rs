//! One connection: its version of HTTP, and its end.

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Response;
use hyper::body::{Body as HttpBody, Bytes, Frame, SizeHint};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};

use super::Shared;
use super::begun::Begun;
use super::room::Place;
use super::stream::Stream;
use crate::caller::Caller;
use crate::serve::{Body, BoxError, Serve};
use crate::track::{InProgress, Track};

/// The stages of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Serving,
    Draining,
    Ended,
}

/// Serves a connection until its client or the server closes it, or the server stops and its
/// requests are done.
pub(super) async fn serve<S, I>(stream: I, caller: Caller, place: Place, shared: Arc<Shared<S>>)
where
    S: Serve,
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let track = Arc::clone(&place.track);
    let caller = Arc::new(caller.with_track(Arc::clone(&track)));
    let mut stages = shared.stages.clone();
    let mut stream = Begun::new(Stream::new(stream, place));
    let mut speaks_http2 = false;
    if S::STREAMS {
        tokio::select! {
            version = stream.speaks_http2() => match version {
                Ok(version) => speaks_http2 = version,
                Err(_) => return,
            },
            () = track.closed() => return,
            _ = stages.changed() => return,
        }
    }
    let stream = TokioIo::new(stream);
    // The kinds of connections have the same methods, but no common trait.
    macro_rules! run {
        ($connection:expr) => {{
            let mut connection = pin!($connection);
            loop {
                tokio::select! {
                    biased;
                    // An error is that of the client.
                    _ = connection.as_mut() => return track.detach(),
                    () = track.closed() => return,
                    changed = stages.changed() => {
                        let stage = *stages.borrow_and_update();
                        if changed.is_err() || stage == Stage::Ended {
                            return;
                        }
                        // It closes an idle connection at once.
                        connection.as_mut().graceful_shutdown();
                    }
                }
            }
        }};
    }
    if speaks_http2 {
        track.set_multiplexed();
        let (service, tracked) = (shared.service.clone(), Arc::clone(&track));
        let respond = service_fn(move |request| {
            let (service, caller, tracked) = (service.clone(), Arc::clone(&caller), Arc::clone(&tracked));
            async move {
                let in_progress = tracked.request();
                let response = service.serve(request, &caller).await;
                Ok::<_, Infallible>(Tracked::of(response, in_progress))
            }
        });
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .max_concurrent_streams(MOST_STREAMS)
            .max_header_list_size(LONGEST_HEAD)
            .keep_alive_interval(KEEP_ALIVE);
        run!(builder.serve_connection(stream, respond));
    }
    let (service, caller, tracked) = (&shared.service, &*caller, &track);
    let respond = service_fn(async move |request| {
        let in_progress = Track::request(tracked);
        let response = service.serve(request, caller).await;
        Ok::<_, Infallible>(Tracked::of(response, in_progress))
    });
    let mut builder = http1::Builder::new();
    builder
        // The server looks after the time itself, without a timer for each request.
        .header_read_timeout(None)
        .max_buf_size(shared.limits.head_bytes.max(SHORTEST_BUFFER));
    let connection = builder.serve_connection(stream, respond);
    if S::STREAMS {
        run!(connection.with_upgrades());
    } else {
        run!(connection);
    }
}

/// The body of a response, whose request is in progress until it ends.
struct Tracked {
    body: Body,
    _in_progress: InProgress,
}

impl Tracked {
    fn of(response: Response<Body>, in_progress: InProgress) -> Response<Self> {
        response.map(|body| Self {
            body,
            _in_progress: in_progress,
        })
    }
}

impl HttpBody for Tracked {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The shortest buffer that hyper supports.
const SHORTEST_BUFFER: usize = 8192;

/// The requests in progress of one connection of HTTP/2.
const MOST_STREAMS: u32 = 200;

/// The longest head of a request of HTTP/2, in bytes.
const LONGEST_HEAD: u32 = 64 * 1024;

/// The interval of the pings on connections of HTTP/2, which find out that the client is gone.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
