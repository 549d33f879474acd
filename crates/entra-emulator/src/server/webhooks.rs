//! Calls of webhooks: only to plain HTTP on loopback, without redirects, and limited in number and
//! time.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::{Request, StatusCode};
use http_body_util::Full;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use crate::api::activity::{Call, is_loopback};
use crate::state::State;
use crate::time::unix;

/// Makes calls, at most eight at a time.
#[derive(Clone)]
pub(crate) struct Caller {
    room: Arc<Semaphore>,
}

impl Caller {
    pub(crate) fn new() -> Self {
        Self {
            room: Arc::new(Semaphore::new(MOST_CALLS)),
        }
    }

    /// Makes a call as soon as there is room. Returns true if the response has status 200.
    pub(crate) async fn call(&self, call: Call) -> bool {
        let Ok(_permit) = self.room.acquire().await else {
            return false;
        };
        let response = tokio::time::timeout(PATIENCE, post(call)).await;
        response.is_ok_and(|status| status == Some(StatusCode::OK))
    }

    /// Sends notifications when they are due by the emulator's clock, without end.
    pub(crate) async fn notify(self, state: Arc<State>) {
        loop {
            if !state.subscriptions.has_webhooks() {
                state.subscriptions.awake.notified().await;
                continue;
            }
            let now = unix(state.clock.now());
            for notification in state.subscriptions.due(&state, now, self.room.available_permits()) {
                let (caller, state) = (self.clone(), Arc::clone(&state));
                tokio::spawn(async move {
                    let is_success = caller.call(notification.call.clone()).await;
                    let (retry, now) = (state.feed.settings.webhook_retry, unix(state.clock.now()));
                    state.subscriptions.delivered(notification, is_success, retry, now);
                });
            }
            // The emulator's clock can be set at any time.
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// Sends a call. The body of the response is not read.
async fn post(call: Call) -> Option<StatusCode> {
    let authority = call.address.authority()?.as_str().to_owned();
    let host = call.address.host().filter(|host| is_loopback(host))?.to_owned();
    let port = call.address.port_u16().unwrap_or(80);
    let stream = connect(&host, port).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.ok()?;
    let path = call.address.path_and_query().map_or("/", |path| path.as_str());
    let mut request = Request::post(path)
        .header(HOST, authority)
        .header(CONTENT_TYPE, "application/json; charset=utf-8");
    if let Some(id) = &call.auth_id {
        request = request.header("webhook-authid", id);
    }
    if let Some(code) = &call.validation_code {
        request = request.header("webhook-validationcode", code);
    }
    let request = request.body(Full::new(Bytes::from(call.body))).ok()?;
    // The connection ends with this call, whatever the other side does.
    tokio::select! {
        response = sender.send_request(request) => Some(response.ok()?.status()),
        _ = async { let _ = connection.await; std::future::pending::<()>().await } => None,
    }
}

/// Connects to a loopback address. `localhost` is not resolved.
async fn connect(host: &str, port: u16) -> Option<TcpStream> {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    let addresses = match address.parse::<IpAddr>() {
        Ok(ip) => vec![ip],
        Err(_) => vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()],
    };
    for ip in addresses {
        if let Ok(stream) = TcpStream::connect((ip, port)).await {
            return Some(stream);
        }
    }
    None
}

const MOST_CALLS: usize = 8;
/// The real time limit of a whole call.
const PATIENCE: Duration = Duration::from_secs(10);
/// The real time between two checks for due notifications.
const PAUSE: Duration = Duration::from_millis(50);
