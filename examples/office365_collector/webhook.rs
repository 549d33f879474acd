//! The webhook: it receives notifications of new content, and passes them to the collector.
//!
//! A notification is less trusted than the API: it must contain the auth ID that the subscription
//! was started with, be for this application and for a tenant that is collected from, and name
//! content at the API's own origin. The webhook responds with 200 once the notification is in the
//! collector's queue. Rounds continue at long intervals, so that a lost notification loses no
//! content.

use std::error::Error;
use std::sync::Arc;

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use entra_proto::{ClientId, Cloud, Guid};
use hmac_sha256::HMAC;
use http::header::RETRY_AFTER;
use http::{HeaderMap, StatusCode, Uri};
use serde::Deserialize;
use tokio::sync::mpsc;

use crate::arguments::Arguments;
use crate::board::Board;
use crate::collect::{Notification, Notified, Shared};
use crate::common;
use crate::feed::Webhook;

/// Returns the webhook that subscriptions are started with, if there is one.
///
/// # Errors
/// Returns an error if its public address is not https, or the auth ID cannot be sent.
pub(crate) fn subscription(arguments: &Arguments) -> Result<Option<Webhook>, Box<dyn Error>> {
    let Some(address) = &arguments.webhook_url else {
        return Ok(None);
    };
    path(address)?;
    let auth_id = match common::optional("WEBHOOK_AUTH_ID")? {
        Some(id) if !(16..=256).contains(&id.len()) || !id.bytes().all(|byte| byte.is_ascii_graphic()) => {
            return Err("WEBHOOK_AUTH_ID must have 16 to 256 visible ASCII characters".into());
        }
        Some(id) => id,
        None => random()?,
    };
    Ok(Some(Webhook {
        address: address.clone(),
        auth_id: Some(auth_id),
    }))
}

/// Returns the path of the webhook's public address.
fn path(address: &str) -> Result<String, String> {
    let problem =
        |what: &str| format!("--webhook-url {what}: write an address such as https://www.mycompany.com/webhook");
    let uri: Uri = address.parse().map_err(|_| problem("is not an address"))?;
    let authority = uri.authority().ok_or_else(|| problem("has no host"))?;
    if authority.as_str().contains('@') || uri.query().is_some() {
        return Err(problem("has a user name or a query"));
    }
    let is_local = uri
        .scheme_str()
        .is_some_and(|scheme| Cloud::loopback(&format!("{scheme}://{authority}")).is_ok());
    if uri.scheme_str() != Some("https") && !is_local {
        return Err(problem("is not https"));
    }
    Ok(uri.path().to_owned())
}

fn random() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The state that the handler shares.
struct Hook {
    auth_id: String,
    client_id: ClientId,
    shared: Arc<Shared>,
    queue: mpsc::Sender<Notification>,
    board: Arc<Board>,
}

/// Returns the route of the webhook, at the path of its public address.
///
/// # Errors
/// Returns an error if the address is not usable.
pub(crate) fn router(
    webhook: &Webhook,
    shared: &Arc<Shared>,
    queue: mpsc::Sender<Notification>,
    board: &Arc<Board>,
) -> Result<Router, Box<dyn Error>> {
    let hook = Hook {
        auth_id: webhook.auth_id.clone().ok_or("the webhook has no auth id")?,
        client_id: shared
            .client
            .application()
            .ok_or("the client is not of an application")?
            .client_id(),
        shared: Arc::clone(shared),
        queue,
        board: Arc::clone(board),
    };
    // The router treats braces in a path as a pattern, so the path is compared here.
    let path = path(&webhook.address)?;
    let handler = move |State(hook): State<Arc<Hook>>, request: Request| async move {
        if request.uri().path() != path {
            return StatusCode::NOT_FOUND.into_response();
        }
        hook.take(request).await
    };
    Ok(Router::new().fallback_service(post(handler).with_state(Arc::new(hook))))
}

impl Hook {
    async fn take(&self, request: Request) -> Response {
        let (parts, body) = request.into_parts();
        if !self.has_auth_id(&parts.headers) {
            return self.reject(
                StatusCode::UNAUTHORIZED,
                "the auth id is not the one of the subscription",
            );
        }
        let Ok(body) = to_bytes(body, LARGEST_NOTIFICATION).await else {
            return self.reject(
                StatusCode::PAYLOAD_TOO_LARGE,
                "the notification is too large or incomplete",
            );
        };
        if let Some(code) = parts.headers.get(VALIDATION_CODE) {
            return match is_same_code(code.as_bytes(), &body) {
                true => {
                    self.board.notification("validated");
                    StatusCode::OK.into_response()
                }
                false => self.reject(StatusCode::BAD_REQUEST, "the validation codes differ"),
            };
        }
        let notifications = match self.read(&body) {
            Ok(notifications) => notifications,
            Err((status, problem)) => return self.reject(status, problem),
        };
        if notifications.is_empty() {
            return StatusCode::OK.into_response();
        }
        let (result, response) = enqueue(&self.queue, notifications);
        self.board.notification(result);
        response
    }

    fn reject(&self, status: StatusCode, problem: &'static str) -> Response {
        self.board.notification("rejected");
        (status, problem).into_response()
    }

    /// Returns true if the auth ID is present once and correct. The comparison takes constant time.
    fn has_auth_id(&self, headers: &HeaderMap) -> bool {
        let mut sent = headers.get_all(AUTH_ID).iter();
        let (Some(sent), None) = (sent.next(), sent.next()) else {
            return false;
        };
        // The digests have the same length, and an attacker cannot choose them.
        HMAC::verify(sent.as_bytes(), COMPARED, &HMAC::mac(self.auth_id.as_bytes(), COMPARED))
    }

    /// Reads a notification: all of its contents, grouped by tenant, if each of them is acceptable.
    fn read(&self, body: &[u8]) -> Result<Vec<Notification>, (StatusCode, &'static str)> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Item {
            tenant_id: String,
            client_id: String,
            content_type: String,
            content_id: String,
            content_uri: String,
        }
        let items: Vec<Item> = serde_json::from_slice(body)
            .map_err(|_| (StatusCode::BAD_REQUEST, "the notification is not an array of contents"))?;
        let mut notifications: Vec<Notification> = Vec::new();
        for item in items {
            let tenant: Guid = item
                .tenant_id
                .parse()
                .map_err(|_| (StatusCode::BAD_REQUEST, "a tenant id is not a GUID"))?;
            if item.client_id.parse().ok() != Some(self.client_id) {
                return Err((StatusCode::FORBIDDEN, "a content is for another application"));
            }
            if self.shared.tenant(tenant).is_none() {
                return Err((
                    StatusCode::FORBIDDEN,
                    "a content belongs to a tenant that is not collected from",
                ));
            }
            if !self.shared.api.is_content(tenant, &item.content_uri) {
                return Err((StatusCode::BAD_REQUEST, "an address does not name a content of the API"));
            }
            // A content type that this program does not know could not be collected.
            let Ok(content_type) = item.content_type.parse() else {
                continue;
            };
            let content = Notified {
                content_type,
                content_id: item.content_id,
                content_uri: item.content_uri,
            };
            if let Some(known) = notifications.iter_mut().find(|known| known.tenant == tenant) {
                known.contents.push(content);
            } else if notifications.len() < MOST_TENANTS {
                notifications.push(Notification {
                    tenant,
                    contents: vec![content],
                });
            } else {
                return Err((
                    StatusCode::BAD_REQUEST,
                    "there are too many tenants in one notification",
                ));
            }
        }
        Ok(notifications)
    }
}

/// Puts notifications into the queue: all or none, because the API would repeat a partly accepted
/// request as a whole.
fn enqueue(queue: &mpsc::Sender<Notification>, notifications: Vec<Notification>) -> (&'static str, Response) {
    let Ok(places) = queue.try_reserve_many(notifications.len()) else {
        let later = (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "30")]);
        return ("busy", later.into_response());
    };
    for (place, notification) in places.zip(notifications) {
        place.send(notification);
    }
    ("accepted", StatusCode::OK.into_response())
}

/// Returns true if the body of a validation has the code of the header, or cannot be read.
fn is_same_code(code: &[u8], body: &[u8]) -> bool {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Validation {
        validation_code: String,
    }
    serde_json::from_slice(body).map_or(true, |body: Validation| body.validation_code.as_bytes() == code)
}

const AUTH_ID: &str = "webhook-authid";
const VALIDATION_CODE: &str = "webhook-validationcode";
const COMPARED: &[u8] = b"office365_collector webhook auth id";
const LARGEST_NOTIFICATION: usize = 1 << 20;
/// The most tenants in one notification: the API names one.
const MOST_TENANTS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_address_must_be_https() {
        for (address, expected) in [
            ("https://www.mycompany.com/webhook", Ok("/webhook")),
            ("https://www.mycompany.com", Ok("/")),
            ("http://localhost:8081/hook", Ok("/hook")),
            ("http://www.mycompany.com/webhook", Err(())),
            ("http://localhost.mycompany.com/webhook", Err(())),
            ("https://user@www.mycompany.com/", Err(())),
            ("https://www.mycompany.com/?a=b", Err(())),
            ("ftp://www.mycompany.com/", Err(())),
            ("/webhook", Err(())),
            ("", Err(())),
        ] {
            let path = path(address).map_err(drop);
            assert_eq!(path.as_deref().map_err(|&()| ()), expected, "{address}");
        }
    }

    #[test]
    fn full_queue_accepts_all_of_a_notification_or_nothing() {
        let (queue, mut waiting) = mpsc::channel(2);
        let of = |tenants: u8| -> Vec<Notification> {
            let notification = |number| Notification {
                tenant: format!("00000000-0000-0000-0000-00000000000{number}").parse().unwrap(),
                contents: Vec::new(),
            };
            (0..tenants).map(notification).collect()
        };
        for (tenants, expected, waits) in [(1, "accepted", 1), (2, "busy", 1), (1, "accepted", 2), (1, "busy", 2)] {
            let (result, response) = enqueue(&queue, of(tenants));
            let is_later = response.status() == 503 && response.headers()[RETRY_AFTER] == "30";
            assert_eq!((result, is_later), (expected, expected == "busy"));
            assert_eq!(waiting.len(), waits);
        }
        assert!(waiting.try_recv().is_ok());
        assert_eq!(enqueue(&queue, of(1)).0, "accepted");
    }

    #[test]
    fn validation_codes_must_match() {
        for (body, expected) in [
            (r#"{"validationCode":"abc"}"#, true),
            (r#"{"validationCode":"abcd"}"#, false),
            ("", true),
            ("[]", true),
        ] {
            assert_eq!(is_same_code(b"abc", body.as_bytes()), expected, "{body}");
        }
    }
}
