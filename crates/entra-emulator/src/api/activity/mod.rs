//! The Office 365 Management Activity API: subscriptions, their webhooks, content and audit
//! records, with the access checks, the limits and the error codes of the real API.

mod content;
mod denial;
mod query;
mod record;
mod resources;
mod subscription;
mod webhook;

use http::header::{HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use serde_json::Value;

use crate::api::activity::content::Found;
use crate::api::activity::content::Place;
use crate::api::activity::denial::Denial;
use crate::api::activity::query::{CONTENT_TYPE, END, NEXT_PAGE, Options, START};
use crate::bearer::Caller;
use crate::config::{ContentType, Tenant};
use crate::exchange::{Exchange, shown};
use crate::seed::is_guid;
use crate::state::State;
use crate::state::recorder::{Channel, Lint};
use crate::state::subscriptions::Key;
use crate::state::subscriptions::Webhook;
use crate::time::unix;
use crate::well_known::OFFICE_MANAGEMENT;

pub(crate) use crate::api::activity::webhook::{Call, is_loopback};
pub(crate) use crate::exchange::Validated;

/// Responds to a request below `/api/v1.0/{tenant}/activity/feed`.
pub(crate) fn handle(exchange: &mut Exchange<'_>, tenant: &str, path: &[&str]) -> Response<Vec<u8>> {
    match dispatch(exchange, tenant, path) {
        Ok(Found { body, next_page }) => {
            let mut response = exchange.response(StatusCode::OK, "application/json; charset=utf-8", body);
            if let Some(uri) = next_page.and_then(|uri| HeaderValue::from_str(&uri).ok()) {
                let name = exchange.state.feed.settings.next_page_header.name();
                response.headers_mut().insert(HeaderName::from_static(name), uri);
            }
            response
        }
        Err(denial) => exchange.json(denial.status, &denial.body()),
    }
}

/// Returns the call that validates the webhook of a request, if the request starts a subscription
/// with a webhook that can be called.
///
/// The server makes the call and stores [`Validated`] in the extensions of the request.
pub(crate) fn validation(state: &State, request: &Request<Vec<u8>>, channel: Channel) -> Option<Call> {
    if !state.feed.settings.plain_webhooks || request.body().is_empty() || request.method() != Method::POST {
        return None;
    }
    let path: Vec<&str> = request
        .uri()
        .path()
        .split('/')
        .filter(|part| !part.is_empty())
        .collect();
    let [api, version, tenant, activity, feed, rest @ ..] = path.as_slice() else {
        return None;
    };
    let same = |part: &str, name: &str| part.eq_ignore_ascii_case(name);
    let is_feed = same(api, "api") && same(version, "v1.0") && same(activity, "activity") && same(feed, "feed");
    if !is_feed || !same(&rest.join("/"), "subscriptions/start") {
        return None;
    }
    // The request is checked twice, but recorded once, with the result of the call.
    let mut exchange = Exchange::new(state, request.clone(), channel);
    let caller = caller(&mut exchange, tenant).ok()?;
    let (_, webhook) = wanted(&exchange, &caller).ok()?;
    let code = state.ids().opaque(32);
    webhook?.validation(code)
}

fn dispatch(exchange: &mut Exchange<'_>, tenant: &str, path: &[&str]) -> Result<Found, Denial> {
    let caller = caller(exchange, tenant)?;
    let publisher = query::publisher(exchange)?;
    if publisher.is_none() {
        exchange.lint(Lint::MissingPublisherIdentifier);
    }
    let lower: Vec<String> = path.iter().map(|segment| segment.to_ascii_lowercase()).collect();
    let lower: Vec<&str> = lower.iter().map(String::as_str).collect();
    let (state, tenant) = (exchange.state, caller.tenant);
    let now = unix(exchange.now);
    let most = u64::from(state.feed.settings.requests_per_minute);
    // Requests without a publisher share one quota.
    let counted = publisher.as_ref().map_or("", |_| tenant.id.as_str());
    if state.activity_quota.take(counted, most, now).is_err() {
        let method = method(&exchange.method, &lower);
        let publisher = publisher.unwrap_or_else(|| NO_PUBLISHER.to_owned());
        let message = format!("Too many requests. Method={method}, PublisherId={publisher}");
        return Err(Denial::new("AF429", message));
    }
    let subscriptions = &state.subscriptions;
    let key = |content_type: ContentType| Key::new(tenant, caller.claims.client_id(), content_type);
    match (&exchange.method, lower.as_slice()) {
        (&Method::GET, ["subscriptions", "list"]) => {
            Options::read(exchange, &[])?;
            Ok(Value::Array(subscriptions.list(tenant, caller.claims.client_id(), now)).into())
        }
        (&Method::POST, ["subscriptions", "start"]) => start(exchange, &caller),
        (&Method::POST, ["subscriptions", "stop"]) => {
            let content_type = Options::read(exchange, &[CONTENT_TYPE])?.content_type()?;
            check_content_type(&caller, content_type)?;
            let count = state.feed.count(tenant, content_type, now);
            subscriptions.stop(&key(content_type), count)?;
            Ok(Found::bytes(Vec::new()))
        }
        (&Method::GET, ["subscriptions", "content"]) => {
            let options = Options::read(exchange, &[CONTENT_TYPE, START, END, NEXT_PAGE])?;
            let content_type = options.content_type()?;
            check_content_type(&caller, content_type)?;
            let gaps = subscriptions.gaps(&key(content_type))?;
            content::page(exchange, tenant, content_type, &options, &gaps)
        }
        (&Method::GET, ["subscriptions", "notifications"]) => {
            let options = Options::read(exchange, &[CONTENT_TYPE, START, END, NEXT_PAGE])?;
            let content_type = options.content_type()?;
            check_content_type(&caller, content_type)?;
            subscriptions.gaps(&key(content_type))?;
            notifications(exchange, tenant, &key(content_type), &options)
        }
        (&Method::GET, ["audit", _]) => {
            Options::read(exchange, &[])?;
            let blob = content::find(exchange, tenant, path.last().copied().unwrap_or_default())?;
            check_content_type(&caller, blob.content_type)?;
            let gaps = subscriptions.gaps(&key(blob.content_type))?;
            if gaps.iter().any(|gap| gap.contains(&blob.index)) {
                let message = "The specified content does not exist: the subscription was stopped when it was created.";
                return Err(Denial::new("AF20050", message));
            }
            Ok(Found::bytes(blob.records(tenant)))
        }
        (&Method::GET, ["resources", "dlpsensitivetypes"]) => {
            Options::read(exchange, &[])?;
            Ok(resources::sensitive_types(exchange)?.into())
        }
        (method, _) => Err(Denial::not_emulated(format_args!(
            "{} {} of the Management Activity API",
            shown(method.as_str()),
            shown(&path.join("/"))
        ))),
    }
}

/// Starts a subscription. A webhook that can be called has already been called, see [`validation`].
fn start(exchange: &mut Exchange<'_>, caller: &Caller<'_>) -> Result<Found, Denial> {
    let (key, webhook) = wanted(exchange, caller)?;
    let state = exchange.state;
    let mut is_called = false;
    if let Some(webhook) = &webhook {
        match exchange.validated.filter(|_| webhook.loopback().is_some()) {
            Some(Validated(true)) => is_called = true,
            Some(Validated(false)) => {
                return Err(webhook.not_validated("The endpoint did not return HTTP 200."));
            }
            None => exchange.lint(Lint::WebhookNeverCalled),
        }
    }
    let now = unix(exchange.now);
    let next = state.feed.count(caller.tenant, key.content_type, now);
    let shown = state
        .subscriptions
        .start(key, webhook, &exchange.origin, is_called, next, now);
    Ok(shown.into())
}

/// Returns the subscription that a request starts, with its webhook.
fn wanted(exchange: &Exchange<'_>, caller: &Caller<'_>) -> Result<(Key, Option<Webhook>), Denial> {
    let content_type = Options::read(exchange, &[CONTENT_TYPE])?.content_type()?;
    check_content_type(caller, content_type)?;
    let state = exchange.state;
    let now = unix(exchange.now);
    let webhook = Webhook::read(&exchange.body, now, state.feed.settings.plain_webhooks)?;
    let key = Key::new(caller.tenant, caller.claims.client_id(), content_type);
    state.subscriptions.check_start(&key, webhook.as_ref(), now)?;
    Ok((key, webhook))
}

/// Returns one page of the attempts to notify a webhook.
fn notifications(exchange: &Exchange<'_>, tenant: &Tenant, key: &Key, options: &Options) -> Result<Found, Denial> {
    let state = exchange.state;
    let now = unix(exchange.now);
    let contents = state.feed.contents(tenant, key.content_type, now);
    let from = match &options.next_page {
        None => 0,
        Some(text) => content::read_attempts_page(&contents, text)
            .ok_or_else(|| Denial::new("AF20031", format!("Invalid nextPage Input: {}.", shown(text))))?,
    };
    let place = Place::new(&exchange.origin, tenant, key.content_type);
    let mut attempts = state
        .subscriptions
        .attempts(key, state, &place, &options.window, from, now);
    let size = state.feed.settings.page_size as usize;
    let next = attempts.get(size).map(|(number, _)| *number);
    attempts.truncate(size);
    let items: Vec<Value> = attempts.into_iter().map(|(_, item)| item).collect();
    let next = next.map(|number| {
        let name = content::attempts_page(&contents, number);
        content::next_page(exchange, &place, "notifications", options, &name)
    });
    Ok(Found::page(&Value::Array(items), next))
}

/// Verifies the token of a request: it must be for this API, of the tenant in the path, and have
/// the permission that every operation requires.
fn caller<'a>(exchange: &mut Exchange<'a>, tenant: &str) -> Result<Caller<'a>, Denial> {
    let caller = Caller::of(exchange, OFFICE_MANAGEMENT)?;
    exchange.event.tenant = Some(tenant.to_owned());
    check_tenant(exchange.state, tenant, caller.tenant)?;
    check_permission(&caller, "ActivityFeed.Read")?;
    Ok(caller)
}

/// Checks the additional permission that a content type requires.
///
/// # Errors
/// Returns AF10001 if the token lacks the permission.
fn check_content_type(caller: &Caller<'_>, content_type: ContentType) -> Result<(), Denial> {
    match content_type {
        ContentType::Dlp => check_permission(caller, "ActivityFeed.ReadDlp"),
        _ => Ok(()),
    }
}

fn check_permission(caller: &Caller<'_>, name: &str) -> Result<(), Denial> {
    if caller.claims.has_any(&[name]) {
        return Ok(());
    }
    let held = caller.claims.permissions().collect::<Vec<_>>().join(",");
    let message =
        format!("The permission set ({held}) sent in the request does not include the expected permission {name}.");
    Err(Denial::new("AF10001", message))
}

/// Checks that the tenant in the URL is that of the token.
fn check_tenant(state: &State, tenant: &str, from: &Tenant) -> Result<(), Denial> {
    let named = shown(tenant);
    if !is_guid(tenant) {
        let message = format!("The tenant ID passed in the URL ({named}) is not a valid GUID.");
        return Err(Denial::new("AF20013", message));
    }
    let Some(known) = state.directory.tenant(tenant) else {
        let message = format!("Specified tenant ID ({named}) does not exist in the system or has been deleted.");
        return Err(Denial::new("AF20011", message));
    };
    if known.id != from.id {
        let message = format!(
            "The tenant ID passed in the URL ({named}) does not match the tenant ID passed in the access token ({}).",
            from.id
        );
        return Err(Denial::new("AF20010", message));
    }
    if known.external {
        // An external tenant has no Office 365.
        let message = format!("Specified tenant ID ({named}) is incorrectly configured in the system.");
        return Err(Denial::new("AF20012", message));
    }
    Ok(())
}

/// Returns the name of an operation in the service's error messages.
fn method(method: &Method, path: &[&str]) -> &'static str {
    match path {
        ["audit", _] => "GetBlob",
        ["subscriptions", "content"] => "GetContents",
        ["subscriptions", "notifications"] => "GetNotifications",
        ["subscriptions", "list"] => "ListSubscriptions",
        ["subscriptions", "start"] => "StartSubscription",
        ["subscriptions", "stop"] => "StopSubscription",
        ["resources", ..] => "GetResources",
        _ if method == Method::POST => "Post",
        _ => "Get",
    }
}

const NO_PUBLISHER: &str = "00000000-0000-0000-0000-000000000000";
