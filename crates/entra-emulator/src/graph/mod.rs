//! A part of Microsoft Graph, with its access checks and its query options. Every other part is rejected by its name.

mod applications;
mod bearer;
mod collection;
mod denial;
mod filter;
mod headers;
mod property;
mod query;
mod token;
mod users;

use http::{Method, Response, StatusCode};
use serde_json::Value;

use crate::exchange::{Exchange, shown};
use crate::graph::bearer::Caller;
pub(crate) use crate::graph::denial::Denial;

/// Answers a request below `/v1.0`.
pub(crate) fn answer(exchange: &mut Exchange<'_>, path: &[&str]) -> Response<Vec<u8>> {
    // Verified first, so that the record of the request names the caller in any case.
    let caller = bearer::caller(exchange);
    let result = Resource::of(path).and_then(|resource| {
        if exchange.method != Method::GET {
            return Err(Denial::not_emulated(format_args!(
                "{} requests to Microsoft Graph, only GET",
                shown(exchange.method.as_str())
            )));
        }
        match resource {
            Resource::Metadata if exchange.query.pairs().is_empty() => Ok(Body::Xml(METADATA)),
            Resource::Metadata => Err(Denial::not_emulated("query options of '$metadata'")),
            resource => {
                let caller = caller?;
                headers::check(exchange, &resource)?;
                resource.read(exchange, &caller)
            }
        }
    });
    let (content_type, body) = match result {
        Ok(Body::Json(body)) => (JSON, serde_json::to_vec(&body).unwrap_or_default()),
        Ok(Body::Count(count)) => ("text/plain", count.to_string().into_bytes()),
        Ok(Body::Xml(document)) => ("application/xml", document.as_bytes().to_vec()),
        Err(denial) => return denial.answer(exchange),
    };
    exchange.answer(StatusCode::OK, content_type, body)
}

/// Answers a request below `/beta`, of which nothing is emulated.
pub(crate) fn beta(exchange: &Exchange<'_>) -> Response<Vec<u8>> {
    Denial::not_emulated("the beta version of Microsoft Graph, only v1.0").answer(exchange)
}

/// What a path of Graph names.
enum Resource<'p> {
    Metadata,
    Me,
    Users,
    UsersCount,
    User(&'p str),
    Applications,
    ApplicationsCount,
    Application(&'p str),
}

impl<'p> Resource<'p> {
    fn of(path: &[&'p str]) -> Result<Self, Denial> {
        let Some((first, rest)) = path.split_first() else {
            return Err(Denial::not_emulated("the service document of Microsoft Graph"));
        };
        let (set, key) = match key(first) {
            Some((set, key)) => (set, Some(key)),
            None => (*first, None),
        };
        let is = |name: &str| set.eq_ignore_ascii_case(name);
        let no_segment = |segment: &str| {
            let segment = shown(segment);
            Denial::not_emulated(format_args!("the segment '{segment}' of Microsoft Graph: {EMULATED}"))
        };
        let one = |id: &'p str, rest: &[&str], make: fn(&'p str) -> Self| match rest.first() {
            None => Ok(make(id)),
            Some(segment) => Err(no_segment(segment)),
        };
        match (key, rest) {
            (None, []) if is("$metadata") => Ok(Self::Metadata),
            (None, []) if is("me") => Ok(Self::Me),
            (None, [segment, ..]) if is("me") => Err(no_segment(segment)),
            (None, []) if is("users") => Ok(Self::Users),
            (None, []) if is("applications") => Ok(Self::Applications),
            (None, ["$count"]) if is("users") => Ok(Self::UsersCount),
            (None, ["$count"]) if is("applications") => Ok(Self::ApplicationsCount),
            (None, ["$count", segment, ..]) if is("users") || is("applications") => Err(no_segment(segment)),
            (None, [id, ..]) if (is("users") || is("applications")) && is_operation(id) => Err(no_segment(id)),
            (None, [id, rest @ ..]) if is("users") => one(id, rest, Self::User),
            (None, [id, rest @ ..]) if is("applications") => one(id, rest, Self::Application),
            (Some(Key { name: None, value }), rest) if is("users") => one(value, rest, Self::User),
            (Some(Key { name: None, value }), rest) if is("applications") => one(value, rest, Self::Application),
            (
                Some(Key {
                    name: Some("appId"),
                    value,
                }),
                rest,
            ) if is("applications") => one(value, rest, Self::Application),
            _ => Err(no_segment(first)),
        }
    }

    fn read(self, exchange: &Exchange<'_>, caller: &Caller<'_>) -> Result<Body, Denial> {
        match self {
            Self::Metadata => Ok(Body::Xml(METADATA)),
            Self::Me => users::me(exchange, caller).map(Body::Json),
            Self::Users => users::list(exchange, caller).map(Body::Json),
            Self::UsersCount => users::count(exchange, caller).map(Body::Count),
            Self::User(id) => users::one(exchange, caller, id).map(Body::Json),
            Self::Applications => applications::list(exchange, caller).map(Body::Json),
            Self::ApplicationsCount => applications::count(exchange, caller).map(Body::Count),
            Self::Application(id) => applications::one(exchange, caller, id).map(Body::Json),
        }
    }
}

/// The body of a successful response.
enum Body {
    Json(Value),
    Count(usize),
    Xml(&'static str),
}

/// The key of a resource inside its segment: `users('id')`, `applications(appId='id')`.
struct Key<'p> {
    name: Option<&'p str>,
    value: &'p str,
}

fn key(segment: &str) -> Option<(&str, Key<'_>)> {
    let (set, key) = segment.strip_suffix(')')?.split_once('(')?;
    let (name, quoted) = match key.split_once('=') {
        Some((name, quoted)) if !name.contains('\'') => (Some(name), quoted),
        _ => (None, key),
    };
    let value = quoted.strip_prefix('\'')?.strip_suffix('\'')?;
    Some((set, Key { name, value }))
}

/// Whether a segment behind a collection names something else than one of its resources.
fn is_operation(segment: &str) -> bool {
    segment.starts_with('$')
        || segment.eq_ignore_ascii_case("delta")
        || segment.contains('(')
        || segment.starts_with("microsoft.graph.")
}

const EMULATED: &str = "it has /v1.0/users, /v1.0/users/{id}, /v1.0/me, /v1.0/applications and /v1.0/applications/{id}";
const JSON: &str = "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8";
const CONTEXT: &str = "https://graph.microsoft.com/v1.0/$metadata";
/// When everything was created whose configuration does not say.
const CREATED: &str = "2021-01-17T15:30:55Z";
const METADATA: &str = concat!(
    "<?xml version=\"1.0\" encoding=\"utf-8\"?>",
    "<edmx:Edmx Version=\"4.0\" xmlns:edmx=\"http://docs.oasis-open.org/odata/ns/edmx\"><edmx:DataServices>",
    "<Schema Namespace=\"microsoft.graph\" xmlns=\"http://docs.oasis-open.org/odata/ns/edm\">",
    "<EntityType Name=\"user\"/><EntityType Name=\"application\"/>",
    "</Schema></edmx:DataServices></edmx:Edmx>",
);
