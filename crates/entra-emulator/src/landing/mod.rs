//! The landing page for users, and `/healthz` for probes.
//!
//! These requests are not recorded, trigger no fault and consume no generated identifier, so that
//! they do not influence a test.

mod advice;
mod connect;
mod host;
mod parts;
mod registered;
mod requests;

use std::hash::{DefaultHasher, Hash, Hasher};

use http::header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE, DATE, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use serde_json::json;

use crate::exchange::{no_store, origin};
use crate::host::{is_authority, split_port};
use crate::html::{Document, escape};
use crate::state::State;
use crate::state::recorder::Channel;
use crate::time::http_date;

/// Handles a request about the emulator itself. Returns `None` for any other request.
pub(crate) fn handle(state: &State, request: &Request<Vec<u8>>, channel: Channel) -> Option<Response<Vec<u8>>> {
    let place = match request.uri().path().trim_matches('/') {
        "" => Place::Page,
        HEALTH => Place::Health,
        "favicon.ico" => Place::Icon,
        _ => return None,
    };
    let is_read = [Method::GET, Method::HEAD].contains(request.method());
    let mut response = match place {
        _ if !is_read => wrong_method(),
        Place::Page => page(state, request, channel),
        Place::Health => health(),
        Place::Icon => new_response(StatusCode::OK, "image/svg+xml", ICON.as_bytes().to_vec()),
    };
    let length = response.body().len();
    let headers = response.headers_mut();
    headers.insert(DATE, http_date(state.clock.now()));
    if request.method() == Method::HEAD {
        // A 304 would carry the length of the page, which is not built for it.
        if length > 0 {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        response.body_mut().clear();
    }
    Some(no_store(response))
}

/// Returns true if a path is that of the probes.
pub(crate) fn is_health(path: &str) -> bool {
    path.trim_matches('/').eq_ignore_ascii_case(HEALTH)
}

const HEALTH: &str = "healthz";

enum Place {
    Page,
    Health,
    Icon,
}

/// Returns the landing page. Its script requests it every second, so it is built only if something
/// has changed.
fn page(state: &State, request: &Request<Vec<u8>>, channel: Channel) -> Response<Vec<u8>> {
    if let Some(foreign) = host::named(request).find(|name| !host::is_own(state, name)) {
        return misdirected(&foreign);
    }
    let (_, origin) = origin(state, request.uri(), request.headers(), channel);
    let tag = format!("\"{}\"", version(state));
    let is_known = is_known(request.headers(), &tag);
    let mut response = if is_known {
        let mut response = Response::new(Vec::new());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response
    } else {
        let sections = [
            requests::section(state, &origin),
            connect::section(state, &origin),
            registered::tenants(state),
            registered::applications(state),
            registered::managed_identities(state),
            registered::apis(state),
        ];
        show(
            StatusCode::OK,
            "Requests and registrations",
            &[HEADER, &sections.concat()].concat(),
            true,
        )
    };
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}

/// Returns a version that changes with everything that the page shows.
fn version(state: &State) -> String {
    let now = state.clock.now();
    // One credential can become valid at the moment at which another one expires.
    let mut valid = DefaultHasher::new();
    for app in &state.directory.apps {
        let secrets = app.secrets.iter().flatten().map(|secret| secret.is_valid_at(now));
        let certificates = state.directory.certificates(app).iter();
        let certificates = certificates.map(|certificate| certificate.is_valid_at(now));
        secrets
            .chain(certificates)
            .for_each(|is_valid| is_valid.hash(&mut valid));
    }
    format!(
        "{:x}.{:x}.{:x}.{:x}",
        state.started_at,
        state.recorder.changes(),
        state.consents.changes(),
        valid.finish()
    )
}

fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    let known = headers
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok());
    known
        .flat_map(|value| value.split(','))
        .any(|known| known.trim().trim_start_matches("W/") == tag)
}

/// Rejects a host whose owner could read the page (DNS rebinding).
fn misdirected(authority: &str) -> Response<Vec<u8>> {
    let remedy = match is_authority(authority) {
        true => format!(
            " If this machine has that name, start the emulator with <code>--name {}</code>.",
            escape(split_port(authority).0)
        ),
        false => String::new(),
    };
    let body = format!(
        "<h1>Not under this name</h1>\n<p id=\"message\">This page is not shown as <code>{}</code>: another site may have pointed that name at this machine, and could then read the page.</p>\n\
         <p>Open it by an IP address or as <code>localhost</code>.{remedy}</p>\n",
        escape(authority)
    );
    show(StatusCode::MISDIRECTED_REQUEST, "Not under this name", &body, false)
}

fn show(status: StatusCode, title: &str, body: &str, is_live: bool) -> Response<Vec<u8>> {
    let document = Document {
        title,
        mark: if is_live { " class=\"wide\"" } else { "" },
        head: if is_live { HEAD } else { "" },
        body,
        style: is_live.then_some(STYLE),
        script: is_live.then_some(SCRIPT),
        policy: match is_live {
            true => "connect-src 'self'; img-src 'self'; form-action 'none'; ",
            false => "",
        },
    };
    let mut response = new_response(status, "text/html; charset=utf-8", document.html().into_bytes());
    document.confine(&mut response);
    response
}

/// Returns the response for probes that wait for the emulator's start.
fn health() -> Response<Vec<u8>> {
    let body = json!({"status": "ok", "version": env!("CARGO_PKG_VERSION")});
    new_response(
        StatusCode::OK,
        "application/json; charset=utf-8",
        body.to_string().into_bytes(),
    )
}

fn wrong_method() -> Response<Vec<u8>> {
    let body = json!({"error": "method_not_allowed", "error_description": "this path accepts only GET and HEAD"});
    let mut response = new_response(
        StatusCode::METHOD_NOT_ALLOWED,
        "application/json; charset=utf-8",
        body.to_string().into_bytes(),
    );
    response
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    response
}

fn new_response(status: StatusCode, content_type: &'static str, body: Vec<u8>) -> Response<Vec<u8>> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    response
}

/// Additional elements of the head. Without scripts, the browser reloads the page every ten
/// seconds.
const HEAD: &str = "<link rel=\"icon\" href=\"/favicon.ico\" type=\"image/svg+xml\">\n<noscript><meta http-equiv=\"refresh\" content=\"10\"></noscript>\n";

const HEADER: &str = "<h1>entra-emulator</h1>
<p class=\"who\">A local token service that behaves like Microsoft Entra. Its keys and secrets are public: use it with test data only.</p>
<nav aria-label=\"Sections\"><a href=\"#requests\">Last requests</a> <a href=\"#connect\">Connect a program</a> <a href=\"#tenants\">Tenants</a> <a href=\"#applications\">Applications</a> <a href=\"#managed-identities\">Managed identities</a> <a href=\"#apis\">APIs</a></nav>
<p id=\"live\" class=\"dim\" role=\"status\" aria-live=\"polite\"></p>
<noscript><p class=\"dim\">Without scripts this page reloads every ten seconds. <a href=\"/\">Reload now</a></p></noscript>
";

const ICON: &str = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 16 16\"><rect width=\"16\" height=\"16\" rx=\"3\" fill=\"#0b57d0\"/><path d=\"M5 4h6v2H7v1.200h3.500v1.800H7V10h4v2H5z\" fill=\"#fff\"/></svg>";
const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("live.js");
