//! A little of the Office 365 Management Activity API: subscriptions, what there is to fetch, and audit records, with the
//! access checks of the real one.

mod content;
mod denial;
mod feed;
mod query;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Mutex;

use http::{HeaderValue, Method, Response, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

pub(crate) use crate::activity::denial::fault_body;
pub(crate) use crate::activity::feed::Feed;

use crate::activity::denial::Denial;
use crate::activity::query::{END, NEXT_PAGE, Options, START};
use crate::bearer;
use crate::clock::{parse_rfc3339, unix};
use crate::config::Tenant;
use crate::exchange::{Exchange, shown};
use crate::recorder::Lint;
use crate::well_known::OFFICE_MANAGEMENT;

/// The content each app subscribed to in each tenant, by tenant, client and content type. Bounded by how many of them there
/// are.
#[derive(Debug, Default)]
pub(crate) struct Subscriptions {
    state: Mutex<BTreeMap<[String; 3], Subscription>>,
}

/// A subscription that was started at least once.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Subscription {
    Enabled(Option<Webhook>),
    Stopped,
}

/// Where notifications are to be sent. It is kept and shown, but neither validated by a call nor called later.
#[derive(Clone, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
struct Webhook {
    #[serde(default)]
    address: String,
    auth_id: Option<String>,
    expiration: Option<String>,
}

/// Answers a request below `/api/v1.0/{tenant}/activity/feed`.
pub(crate) fn answer(exchange: &mut Exchange<'_>, tenant: &str, path: &[&str]) -> Response<Vec<u8>> {
    match judge(exchange, tenant, path) {
        Ok(Found { body, next_page }) => {
            let mut response = exchange.json(StatusCode::OK, &body);
            if let Some(uri) = next_page.and_then(|uri| HeaderValue::from_str(&uri).ok()) {
                response.headers_mut().insert("nextpageuri", uri);
            }
            response
        }
        Err(Denial { status, code, message }) => {
            exchange.json(status, &json!({"error": {"code": code, "message": message}}))
        }
    }
}

/// What a successful response holds.
struct Found {
    body: Value,
    /// The address of the next page of a list.
    next_page: Option<String>,
}

impl From<Value> for Found {
    fn from(body: Value) -> Self {
        Self { body, next_page: None }
    }
}

fn judge(exchange: &mut Exchange<'_>, tenant: &str, path: &[&str]) -> Result<Found, Denial> {
    let (tenant, client_id) = caller(exchange, tenant)?;
    let options = |names: &[&str]| Options::read(exchange, names);
    let subscription = |content_type: Option<String>| -> Result<[String; 3], Denial> {
        let content_type = content_type.ok_or_else(|| Denial::new("AF20001", "Missing parameter: contentType."))?;
        if !CONTENT_TYPES.contains(&content_type.as_str()) {
            return Err(Denial::new("AF20020", "The specified content type is not valid."));
        }
        Ok([tenant.id.clone(), client_id.clone(), content_type])
    };
    let subscriptions = &exchange.core.subscriptions;
    let lower: Vec<String> = path.iter().map(|segment| segment.to_ascii_lowercase()).collect();
    let lower: Vec<&str> = lower.iter().map(String::as_str).collect();
    match (&exchange.method, lower.as_slice()) {
        (&Method::GET, ["subscriptions", "list"]) => {
            options(&[])?;
            Ok(Value::Array(subscriptions.shown(&tenant.id, &client_id)).into())
        }
        (&Method::POST, ["subscriptions", "start"]) => {
            let key = subscription(options(&["contentType"])?.content_type)?;
            let webhook = Webhook::read(&exchange.body, unix(exchange.now))?;
            if webhook.is_some() {
                exchange.lint(Lint::WebhookNeverCalled);
            }
            let wanted = Subscription::Enabled(webhook);
            let answer = wanted.shown(&key[2]);
            let mut state = subscriptions.state();
            if state.get(&key) == Some(&wanted) {
                let message = "The subscription is already enabled. No property change.";
                return Err(Denial::new("AF20024", message));
            }
            state.insert(key, wanted);
            Ok(answer.into())
        }
        (&Method::POST, ["subscriptions", "stop"]) => {
            let key = subscription(options(&["contentType"])?.content_type)?;
            let mut state = subscriptions.state();
            check_enabled(state.get(&key))?;
            state.insert(key, Subscription::Stopped);
            Ok(Value::Null.into())
        }
        (&Method::GET, ["subscriptions", "content"]) => {
            let options = options(&["contentType", START, END, NEXT_PAGE])?;
            let key = subscription(options.content_type.clone())?;
            check_enabled(subscriptions.state().get(&key))?;
            content::page(exchange, tenant, &key[2], &options)
        }
        (&Method::GET, ["audit", _]) => {
            options(&[])?;
            let id = path.last().copied().unwrap_or_default();
            let (content_type, part) = CONTENT_TYPES
                .iter()
                .find_map(|content_type| Some((*content_type, content::part(tenant, content_type, id)?)))
                .ok_or_else(|| Denial::new("AF20051", "Content requested with the key is not there."))?;
            let key = subscription(Some(content_type.to_owned()))?;
            if subscriptions.state().get(&key) == Some(&Subscription::Stopped) {
                return Err(stopped());
            }
            Ok(content::records(exchange, tenant, content_type, part).into())
        }
        (method, _) => Err(Denial::not_emulated(format_args!(
            "{} {} of the Management Activity API",
            shown(method.as_str()),
            shown(&path.join("/"))
        ))),
    }
}

/// The tenant and the client of a verified token: audience first, then the tenant in the path, then the permission.
fn caller<'a>(exchange: &mut Exchange<'a>, tenant: &str) -> Result<(&'a Tenant, String), Denial> {
    let token = bearer::token(exchange)?;
    let claims = bearer::verify(exchange, &token)?;
    let core = exchange.core;
    let api = core.directory.api(OFFICE_MANAGEMENT);
    let is_meant = api.is_some_and(|api| {
        let audience = core.directory.api(&claims.aud);
        audience.is_some_and(|named| named.app_id == api.app_id)
    });
    if !is_meant {
        return Err(Denial::unauthorized());
    }
    let from = bearer::tenant(core, &claims)?;
    let client_id = claims.client_id().to_owned();
    exchange.event.client_id = Some(client_id.clone());
    exchange.event.tenant = Some(tenant.to_owned());
    claims.check_revocation(core)?;
    if !tenant.eq_ignore_ascii_case(&from.id) {
        let message = format!(
            "The tenant ID passed in the URL does not match the tenant ID {} in the access token.",
            from.id
        );
        return Err(Denial {
            status: StatusCode::BAD_REQUEST,
            code: "AF20010",
            message,
        });
    }
    if !claims.has_any(&["ActivityFeed.Read"]) {
        let held = claims.permissions().join(",");
        return Err(Denial {
            status: StatusCode::UNAUTHORIZED,
            code: "AF10001",
            message: format!(
                "The permission set ({held}) sent in the request does not include the expected permission."
            ),
        });
    }
    Ok((from, client_id))
}

impl Subscriptions {
    /// The enabled ones of an app in a tenant. What was stopped is not listed.
    fn shown(&self, tenant: &str, client_id: &str) -> Vec<Value> {
        let state = self.state();
        let own = state.iter().filter(|([of, by, _], subscription)| {
            of == tenant && by == client_id && matches!(subscription, Subscription::Enabled(_))
        });
        own.map(|([_, _, content_type], subscription)| subscription.shown(content_type))
            .collect()
    }

    /// Forgets all of them.
    pub(crate) fn clear(&self) {
        self.state().clear();
    }

    fn state(&self) -> std::sync::MutexGuard<'_, BTreeMap<[String; 3], Subscription>> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Subscription {
    fn shown(&self, content_type: &str) -> Value {
        let (status, webhook) = match self {
            Self::Enabled(webhook) => ("enabled", webhook.as_ref().map(Webhook::shown)),
            Self::Stopped => ("disabled", None),
        };
        json!({"contentType": content_type, "status": status, "webhook": webhook})
    }
}

impl Webhook {
    /// The webhook of a request to start a subscription, if its body names one. An empty address is none.
    ///
    /// # Errors
    /// AF20002 for a body that is no such object, AF20003 for a time in the past, AF20021 for an address without TLS.
    fn read(body: &[u8], now: u64) -> Result<Option<Self>, Denial> {
        if body.trim_ascii().is_empty() {
            return Ok(None);
        }
        let wrong = || Denial::new("AF20002", "Invalid parameter type: webhook. Expected type: object.");
        // An array would do for a struct, were it not looked at.
        let webhook = match serde_json::from_slice(body).map_err(|_| wrong())? {
            Value::Null => Value::Null,
            Value::Object(mut body) => body.remove("webhook").unwrap_or_default(),
            _ => return Err(wrong()),
        };
        let mut webhook = match webhook {
            Value::Null => return Ok(None),
            Value::Object(_) => Self::deserialize(webhook).map_err(|_| wrong())?,
            _ => return Err(wrong()),
        };
        if webhook.address.is_empty() {
            return Ok(None);
        }
        for text in [&mut webhook.auth_id, &mut webhook.expiration] {
            *text = text.take().filter(|text| !text.is_empty());
            if text.as_ref().is_some_and(|text| text.len() > LONGEST_TEXT) {
                return Err(wrong());
            }
        }
        let start = webhook.address.get(..SECURE.len());
        let is_secure = start.is_some_and(|start| start.eq_ignore_ascii_case(SECURE));
        if !is_secure || webhook.address.len() > LONGEST_TEXT {
            let message = "The webhook endpoint could not be validated. The address must begin with HTTPS.";
            return Err(Denial::new("AF20021", message));
        }
        let end = webhook.expiration.as_deref().and_then(parse_rfc3339);
        if end.is_some_and(|end| unix(end) <= now) {
            let message = "The expiration provided is set to a past date and time.";
            return Err(Denial::new("AF20003", message));
        }
        Ok(Some(webhook))
    }

    fn shown(&self) -> Value {
        json!({
            "status": "enabled",
            "address": self.address,
            "authId": self.auth_id,
            "expiration": self.expiration,
        })
    }
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the id, by which the receiver knows the sender.
        f.debug_struct("Webhook")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

/// # Errors
/// AF20022 for a subscription that was never started, AF20023 for one that was stopped.
fn check_enabled(subscription: Option<&Subscription>) -> Result<(), Denial> {
    match subscription {
        Some(Subscription::Enabled(_)) => Ok(()),
        Some(Subscription::Stopped) => Err(stopped()),
        None => Err(Denial::new(
            "AF20022",
            "No subscription found for the specified content type.",
        )),
    }
}

fn stopped() -> Denial {
    Denial::new("AF20023", "The subscription was disabled.")
}

/// How long a text of a webhook may be, in bytes.
const LONGEST_TEXT: usize = 2_048;
const SECURE: &str = "https://";

const CONTENT_TYPES: &[&str] = &[
    "Audit.AzureActiveDirectory",
    "Audit.Exchange",
    "Audit.SharePoint",
    "Audit.General",
    "DLP.All",
];
