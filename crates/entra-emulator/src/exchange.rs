//! A request in progress: the parsed request and the facts derived from it before the rules are
//! applied.

use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};
use percent_encoding::percent_decode_str;
use serde::Serialize;

use crate::aadsts::Rejection;
use crate::clouds::is_public_cloud;
use crate::config::{Tenant, TokenVersion};
use crate::form::Form;
use crate::host::is_authority;
use crate::redact::redacted;
use crate::seed::is_guid;
use crate::state::State;
use crate::state::directory::ciam_subdomain;
use crate::state::jwks::Jwks;
use crate::state::recorder::{Channel, Lint, RequestEvent, Shown, parameters};
use crate::time::{error_timestamp, unix};

/// A request in progress. It holds the parsed request and the event that records the request and
/// its response.
pub(crate) struct Exchange<'a> {
    pub(crate) state: &'a State,
    pub(crate) now: SystemTime,
    pub(crate) method: Method,
    /// The origin, `scheme://host[:port]`, as the client sees it, for the URLs in documents.
    pub(crate) origin: String,
    /// The percent-decoded, non-empty segments of the path.
    pub(crate) segments: Vec<String>,
    pub(crate) query: Form,
    /// The query as it was sent.
    pub(crate) raw_query: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    pub(crate) trace_id: String,
    /// The outcome of the validation request to a webhook that this request names, if there was
    /// one.
    pub(crate) validated: Option<Validated>,
    /// The keys of the issuer of the client assertion, if they were fetched.
    pub(crate) fetched_keys: Option<FetchedKeys>,
    pub(crate) event: RequestEvent,
}

impl<'a> Exchange<'a> {
    pub(crate) fn new(state: &'a State, request: Request<Vec<u8>>, channel: Channel) -> Self {
        let now = state.clock.now();
        let (parts, body) = request.into_parts();
        let mut headers = parts.headers;
        for (name, value) in headers.iter_mut() {
            if [AUTHORIZATION, IDENTITY_HEADER, SECRET].contains(name) {
                value.set_sensitive(true);
            }
        }
        let (authority, origin) = origin(state, &parts.uri, &headers, channel);
        let path = parts.uri.path().to_owned();
        let raw_query = parts.uri.query().unwrap_or_default().to_owned();
        let query = Form::parse(raw_query.as_bytes());
        let segments = path
            .split('/')
            .filter(|segment| !segment.is_empty())
            .map(|segment| percent_decode_str(segment).decode_utf8_lossy().into_owned())
            .collect();
        let event = RequestEvent {
            index: 0,
            at: now,
            took: std::time::Duration::ZERO,
            channel,
            method: parts.method.clone(),
            host: authority,
            path,
            headers: headers.clone(),
            query: parameters(query.pairs()),
            form: Vec::new(),
            purpose: None,
            endpoint: None,
            tenant: None,
            client_id: None,
            grant: None,
            target: None,
            status: StatusCode::OK,
            aadsts: None,
            problem: None,
            fault: None,
            lints: Vec::new(),
            shown: Shown::default(),
        };
        let trace_id = state.guid();
        Self {
            state,
            now,
            method: parts.method,
            origin,
            segments,
            query,
            raw_query,
            headers,
            body,
            trace_id,
            validated: parts.extensions.get().copied(),
            fetched_keys: parts.extensions.get().cloned(),
            event,
        }
    }

    pub(crate) fn header(&self, name: impl http::header::AsHeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    pub(crate) fn lint(&mut self, lint: Lint) {
        if self.event.lints.len() < MOST_LINTS && !self.event.lints.contains(&lint) {
            self.event.lints.push(lint);
        }
    }

    /// Returns the issuer of a tenant's tokens in the response.
    pub(crate) fn issuer(&self, tenant: &Tenant, version: TokenVersion) -> String {
        self.state.issuers.of(tenant, version, &self.origin)
    }

    /// Returns the issuer in documents about every tenant, with `{tenantid}` instead of a tenant.
    pub(crate) fn issuer_template(&self, version: TokenVersion) -> String {
        self.state.issuers.template(version, &self.origin)
    }

    /// Returns the host without its port.
    pub(crate) fn host(&self) -> &str {
        let host = self.event.host.as_str();
        match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            _ => host,
        }
    }

    /// Returns the origin of Microsoft Graph for the client of this request: the real one if the
    /// client reached the token service at one of its real hosts, and the emulator otherwise. A
    /// client at another host must not send a token of the emulator to the real Microsoft Graph.
    pub(crate) fn graph_origin(&self) -> &str {
        let host = self.host();
        if is_public_cloud(host) || ciam_subdomain(host).is_some() || host.eq_ignore_ascii_case("graph.microsoft.com") {
            "https://graph.microsoft.com"
        } else {
            &self.origin
        }
    }

    /// Returns the name and password of Basic authentication, form-decoded (RFC 6749, section
    /// 2.3.1). `None` means no such header, `Some(None)` an unreadable one.
    pub(crate) fn basic(&self) -> Option<Option<(String, String)>> {
        let (scheme, credentials) = self.header(AUTHORIZATION)?.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let decoded = || {
            let bytes = STANDARD.decode(credentials.trim()).ok()?;
            let text = String::from_utf8(bytes).ok()?;
            let (name, password) = text.split_once(':')?;
            Some((form_decode(name), form_decode(password)))
        };
        Some(decoded())
    }

    /// Returns the client's request ID if it is a GUID: from the header, the query or the body, in
    /// this order.
    pub(crate) fn client_request_id(&self) -> Option<&str> {
        let header = self.header("client-request-id");
        let body = self.event.form_value("client-request-id");
        [header, self.query.value("client-request-id"), body]
            .into_iter()
            .flatten()
            .find(|id| is_guid(id))
    }

    /// Returns a JSON response with the headers that every response of the service has.
    pub(crate) fn json(&self, status: StatusCode, body: &impl Serialize) -> Response<Vec<u8>> {
        let body = serde_json::to_vec(body).unwrap_or_default();
        self.response(status, "application/json; charset=utf-8", body)
    }

    /// Returns a response with the headers that every response of the service has.
    pub(crate) fn response(&self, status: StatusCode, content_type: &'static str, body: Vec<u8>) -> Response<Vec<u8>> {
        let mut response = Response::new(body);
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        if let Ok(id) = HeaderValue::from_str(&self.trace_id) {
            headers.insert(REQUEST_ID, id);
        }
        let is_requested = self
            .header("return-client-request-id")
            .is_some_and(|value| value.eq_ignore_ascii_case("true"));
        if let Some(id) = self
            .client_request_id()
            .filter(|_| is_requested)
            .and_then(|id| HeaderValue::from_str(id).ok())
        {
            headers.insert(CLIENT_REQUEST_ID, id);
        }
        response
    }

    /// Returns the `error_description` of a rejection, with the IDs and the time.
    pub(crate) fn description(&self, rejection: &Rejection) -> String {
        self.describe(rejection, &self.correlation_id(), &error_timestamp(unix(self.now)))
    }

    /// Returns the correlation ID of an error: the client's request ID, or a new one.
    fn correlation_id(&self) -> String {
        self.client_request_id()
            .map_or_else(|| self.state.guid(), str::to_owned)
    }

    fn describe(&self, rejection: &Rejection, correlation_id: &str, timestamp: &str) -> String {
        format!(
            "{} Trace ID: {} Correlation ID: {correlation_id} Timestamp: {timestamp}",
            rejection.message(),
            self.trace_id
        )
    }

    /// Returns the URL of an explanation for the rejections that have one.
    pub(crate) fn error_uri(&self, rejection: &Rejection) -> Option<String> {
        let host = Some(self.host()).filter(|host| host.ends_with(".login.microsoft.com"));
        let host = host.unwrap_or("login.microsoftonline.com");
        let row = rejection.row;
        row.error_uri.then(|| format!("https://{host}/error?code={}", row.code))
    }

    /// Records the problem of the request.
    pub(crate) fn record(&mut self, rejection: &Rejection) {
        self.event.aadsts = Some(rejection.row.code);
        // A secret that is a common word, such as `secret`, is hidden only in the inserted values,
        // not in the text around them.
        let show = |value: &str| redacted(&self.state.directory, &self.event, value);
        self.event.problem = Some(rejection.message_with(show));
    }

    /// Returns the error response to a rejected request, in the format of the service's error body.
    pub(crate) fn error_response(&mut self, rejection: &Rejection) -> Response<Vec<u8>> {
        self.record(rejection);
        let row = rejection.row;
        let timestamp = error_timestamp(unix(self.now));
        let correlation_id = self.correlation_id();
        let body = ErrorBody {
            error: rejection.error(),
            error_description: self.describe(rejection, &correlation_id, &timestamp),
            error_codes: [row.code],
            error_uri: self.error_uri(rejection),
            timestamp,
            trace_id: &self.trace_id,
            correlation_id,
            suberror: row.suberror.filter(|_| rejection.is_plain()),
            claims: row.claims.filter(|_| rejection.is_plain()),
        };
        let status = StatusCode::from_u16(row.status).unwrap_or(StatusCode::BAD_REQUEST);
        no_store(self.json(status, &body))
    }
}

/// The outcome of the validation request to a webhook. The server puts it into the extensions of
/// the request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Validated(pub(crate) bool);

/// The keys of the issuer of a client assertion, or the reason why they cannot be read. The server
/// puts them into the extensions of the request.
#[derive(Clone, Debug)]
pub(crate) struct FetchedKeys(pub(crate) Result<Jwks, String>);

/// Shortens a text of the request for a message and removes control characters.
pub(crate) fn shown(text: &str) -> String {
    text.chars()
        .filter(|character| !character.is_control())
        .take(100)
        .collect()
}

/// Forbids caches to store a response (RFC 6749, section 5.1).
pub(crate) fn no_store(mut response: Response<Vec<u8>>) -> Response<Vec<u8>> {
    let headers = response.headers_mut();
    headers.insert(
        http::header::CACHE_CONTROL,
        HeaderValue::from_static("no-store, no-cache"),
    );
    headers.insert(http::header::PRAGMA, HeaderValue::from_static("no-cache"));
    headers.insert(http::header::EXPIRES, HeaderValue::from_static("-1"));
    response
}

#[derive(Serialize)]
struct ErrorBody<'a> {
    error: &'static str,
    error_description: String,
    error_codes: [u32; 1],
    timestamp: String,
    trace_id: &'a str,
    correlation_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_uri: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    suberror: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    claims: Option<&'static str>,
}

fn form_decode(text: &str) -> String {
    percent_decode_str(&text.replace('+', " "))
        .decode_utf8_lossy()
        .into_owned()
}

/// Returns the host and port that the client named, or an empty text, and the origin for the URLs
/// in documents.
pub(crate) fn origin(state: &State, uri: &Uri, headers: &HeaderMap, channel: Channel) -> (String, String) {
    let authority = uri
        .authority()
        .map(|authority| authority.as_str())
        .or_else(|| headers.get(HOST).and_then(|host| host.to_str().ok()))
        .filter(|authority| is_authority(authority));
    let scheme = match channel {
        Channel::Http => "http",
        Channel::Https => "https",
        Channel::Memory => uri.scheme_str().unwrap_or("https"),
    };
    match authority {
        Some(authority) => (authority.to_owned(), format!("{scheme}://{authority}")),
        None => (String::new(), state.base_url.clone()),
    }
}

/// The headers with the secrets of managed-identity sources.
pub(crate) const IDENTITY_HEADER: HeaderName = HeaderName::from_static("x-identity-header");
pub(crate) const SECRET: HeaderName = HeaderName::from_static("secret");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-ms-request-id");
const CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("client-request-id");
const MOST_LINTS: usize = 64;
