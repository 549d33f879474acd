//! The part of the Microsoft Managed Desktop API that lists devices and users, with the access
//! checks of the real API.
//!
//! The audience of its tokens is not the host of the API.

mod denial;
mod devices;
mod query;

use http::header::ACCEPT;
use http::{Method, Response, StatusCode};
use serde_json::{Value, json};

use crate::api::managed_desktop::denial::Denial;
use crate::api::managed_desktop::query::Options;
use crate::bearer::Caller;
use crate::exchange::{Exchange, shown};
use crate::well_known::MANAGED_DESKTOP;

/// Responds to a request below `/support/odata/v1/tenants/{tenant}`.
pub(crate) fn handle(exchange: &mut Exchange<'_>, tenant: &str, path: &[&str]) -> Response<Vec<u8>> {
    match dispatch(exchange, tenant, path) {
        Ok(body) => exchange.response(StatusCode::OK, JSON, serde_json::to_vec(&body).unwrap_or_default()),
        Err(denial) => denial.into_response(exchange),
    }
}

fn dispatch(exchange: &mut Exchange<'_>, tenant: &str, path: &[&str]) -> Result<Value, Denial> {
    let caller = caller(exchange, tenant)?;
    if exchange.method != Method::GET {
        let method = shown(exchange.method.as_str());
        return Err(Denial::not_emulated(format_args!(
            "{method} requests to Managed Desktop, only GET"
        )));
    }
    if let Some(accept) = exchange.header(ACCEPT)
        && !accept.trim().is_empty()
        && !accept.split(',').any(is_json)
    {
        let accept = shown(accept);
        return Err(Denial::not_emulated(format_args!(
            "responses for the header 'Accept: {accept}'"
        )));
    }
    let lower: Vec<String> = path.iter().map(|segment| segment.to_ascii_lowercase()).collect();
    let lower: Vec<&str> = lower.iter().map(String::as_str).collect();
    let named = path.get(1).copied().unwrap_or_default();
    match lower.as_slice() {
        ["devices"] => {
            may_read(&caller)?;
            let options = Options::read(exchange)?;
            Ok(page(
                exchange,
                "Devices",
                &options,
                devices::list(exchange, &caller, &options),
            ))
        }
        ["users"] => {
            may_read(&caller)?;
            let options = Options::read(exchange)?;
            Ok(page(exchange, "Users", &options, devices::users(&caller, &options)))
        }
        ["devices", _] => {
            may_read(&caller)?;
            Options::none(exchange)?;
            let device = devices::device(exchange, &caller, named)?;
            Ok(entity("Devices/$entity", device))
        }
        ["users", _] => {
            may_read(&caller)?;
            Options::none(exchange)?;
            let user = devices::user(&caller, named)?;
            // The documented response for one user is a list, too.
            Ok(json!({"@odata.context": context("Users"), "value": [user]}))
        }
        ["devices", _, "elevationdetails"] => {
            may_elevate(&caller)?;
            Options::none(exchange)?;
            let details = devices::elevation(exchange, &caller, named)?;
            Ok(entity("Microsoft.ManagedDesktop.DeviceElevationDetail", details))
        }
        _ => Err(Denial::not_emulated(format_args!(
            "'{}' of Managed Desktop, only devices, users and elevationDetails",
            shown(&path.join("/"))
        ))),
    }
}

/// Verifies the token of a request, which must be of the tenant in the path.
fn caller<'a>(exchange: &mut Exchange<'a>, tenant: &str) -> Result<Caller<'a>, Denial> {
    let caller = Caller::of(exchange, MANAGED_DESKTOP)?;
    exchange.event.tenant = Some(tenant.to_owned());
    if !tenant.eq_ignore_ascii_case(&caller.tenant.id) {
        return Err(Denial::tenant(&caller.tenant.id));
    }
    Ok(caller)
}

fn may_read(caller: &Caller<'_>) -> Result<(), Denial> {
    match caller.claims.user() {
        None => may_elevate(caller),
        Some(_) if caller.claims.has_scope(READ) => Ok(()),
        Some(_) => Err(Denial::permission(READ)),
    }
}

/// Checks the permission to read the password of a device, which users cannot have.
fn may_elevate(caller: &Caller<'_>) -> Result<(), Denial> {
    let is_granted = caller.claims.user().is_none() && caller.claims.has_role(ROLE);
    is_granted.then_some(()).ok_or_else(|| Denial::permission(ROLE))
}

/// Returns a page of a list, with the URL of the next page.
fn page(exchange: &Exchange<'_>, set: &str, options: &Options, found: Vec<Value>) -> Value {
    let total = found.len();
    let start = options.skip.min(total);
    let end = total.min(start.saturating_add(options.top.unwrap_or(DEFAULT_PAGE)));
    let page: Vec<Value> = found.into_iter().skip(start).take(end - start).collect();
    let mut body = json!({"@odata.context": context(set)});
    // An empty page would link to itself.
    if end < total && end > start {
        body["@odata.nextLink"] = json!(options.next_link(exchange, end));
    }
    body["value"] = json!(page);
    body
}

fn entity(context_of: &str, members: Value) -> Value {
    let mut body = json!({"@odata.context": context(context_of)});
    if let (Value::Object(body), Value::Object(members)) = (&mut body, members) {
        body.extend(members);
    }
    body
}

/// Returns the context of a response, which in the real service names the host of a region.
fn context(of: &str) -> String {
    format!("https://mmd-support-prod-nam.trafficmanager.net/odata/v1/$metadata#{of}")
}

fn is_json(range: &str) -> bool {
    let media = range.split(';').next().unwrap_or_default().trim();
    ["application/json", "application/*", "*/*"]
        .iter()
        .any(|known| media.eq_ignore_ascii_case(known))
}

const JSON: &str = "application/json; odata.metadata=minimal; odata.streaming=true";
const ROLE: &str = "MmdSupport.ReadWrite";
const READ: &str = "MWaaSDevice.Read";
const DEFAULT_PAGE: usize = 100;
