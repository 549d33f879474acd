//! Connections that change to another protocol, such as WebSocket.

use std::sync::Arc;

use http::header::{CONNECTION, UPGRADE};
use http::{HeaderMap, HeaderValue, Request, Version};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::copy_bidirectional;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::activity::{Activity, Recorded};
use super::headers::has_token;
use super::problem::{Code, Problem};

/// The wish of a client to change the protocol of its connection.
pub(super) struct Upgrade {
    protocol: HeaderValue,
    client: OnUpgrade,
    permit: OwnedSemaphorePermit,
}

impl Upgrade {
    /// Takes the wish from a request, if it has one.
    ///
    /// # Errors
    /// Rejects it if there are too many such connections.
    pub(super) fn take<B>(request: &mut Request<B>, permits: &Arc<Semaphore>) -> Result<Option<Self>, Problem> {
        let headers = request.headers();
        let is_wished = request.version() == Version::HTTP_11
            && has_token(headers, &CONNECTION, "upgrade")
            // HTTP/2 is between the client and this server, which offers it another way.
            && !has_token(headers, &UPGRADE, "h2c");
        let Some(protocol) = headers.get(UPGRADE).filter(|_| is_wished).cloned() else {
            return Ok(None);
        };
        let Ok(permit) = Arc::clone(permits).try_acquire_owned() else {
            return Err(Problem::new(Code::Busy, "there are too many upgraded connections"));
        };
        Ok(Some(Self {
            protocol,
            client: hyper::upgrade::on(request),
            permit,
        }))
    }

    /// Adds the wish to the headers of the request to the API.
    pub(super) fn add_to(&self, headers: &mut HeaderMap) {
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, self.protocol.clone());
    }

    /// Connects both sides until one of them ends, or no byte moves for too long.
    pub(super) fn connect(self, api: OnUpgrade, activity: Activity) {
        tokio::spawn(async move {
            let _permit = self.permit;
            let Ok((client, api)) = tokio::try_join!(self.client, api) else {
                return;
            };
            let (mut client, mut api) = (
                Recorded {
                    io: TokioIo::new(client),
                    activity: activity.clone(),
                },
                TokioIo::new(api),
            );
            activity.record();
            // An error is that of a peer that went away, which ends both connections.
            let _ = activity.limit(copy_bidirectional(&mut client, &mut api)).await;
        });
    }
}

/// The number of upgraded connections. The server does not count them any more.
pub(super) const MOST_UPGRADES: usize = 1024;
