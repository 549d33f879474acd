//! A part of Microsoft Graph, with its access checks and query options. Requests for other parts
//! get status 501 and a message that names the part.

mod applications;
mod bearer;
mod body;
mod collection;
mod denial;
mod filter;
mod groups;
mod headers;
mod key;
mod objects;
mod organization;
mod property;
mod query;
mod resource;
mod service_principals;
mod token;
pub(crate) mod userinfo;
mod users;

use http::{Method, Response, StatusCode};

use crate::api::graph::body::{Body, JSON, METADATA};
use crate::api::graph::denial::Denial;
use crate::api::graph::resource::Resource;
use crate::exchange::{Exchange, shown};

/// Responds to a request below `/v1.0`.
pub(crate) fn handle(exchange: &mut Exchange<'_>, path: &[&str]) -> Response<Vec<u8>> {
    // Verified first, so that the record of every request names its caller.
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
        Ok(Body::Json(body)) => (JSON, body),
        Ok(Body::Count(count)) => ("text/plain", count.to_string().into_bytes()),
        Ok(Body::Xml(document)) => ("application/xml", document.as_bytes().to_vec()),
        Err(denial) => return denial.into_response(exchange),
    };
    exchange.response(StatusCode::OK, content_type, body)
}

/// Responds to a request below `/beta`, which is not implemented.
pub(crate) fn beta(exchange: &Exchange<'_>) -> Response<Vec<u8>> {
    Denial::not_emulated("the beta version of Microsoft Graph, only v1.0").into_response(exchange)
}
