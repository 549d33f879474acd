//! The protocol of App Service: `GET` with `resource`, `api-version` and an ID of the identity, and
//! a secret in a header.
//!
//! - `2019-08-01`, by `IDENTITY_ENDPOINT` and `IDENTITY_HEADER`: the header is `X-IDENTITY-HEADER`.
//!   This is the protocol of Container Apps and Azure Automation, too.
//! - `2017-09-01`, by `MSI_ENDPOINT` and `MSI_SECRET`: the header is `secret`, and the time of
//!   expiry is a date. Azure Machine Learning has the same request, but seconds in the response;
//!   its clients also send `Metadata: true`.

use bytes::Bytes;
use entra_proto::Timestamp;
use http::{HeaderMap, Method, Response};
use serde::Serialize;

use super::answer::{Reply, of_json};
use super::exchange::Exchange;
use super::wanted::{Versions, managed_ask};
use crate::access_key::AccessKey;
use crate::tokens::Refusal;

/// Responds to a request.
///
/// # Errors
/// Returns the reason if the request has no key, or gets no token.
pub(super) async fn respond(exchange: &mut Exchange<'_>, key: &AccessKey) -> Result<Response<Bytes>, Refusal> {
    let headers = exchange.request.headers();
    let version = version(headers, key)?;
    if exchange.request.method() != Method::GET {
        return Err(Refusal::Method("GET"));
    }
    let has_dates = version == Version::V2017 && !headers.contains_key("metadata");
    let versions = match version {
        Version::V2019 => &VERSIONS_2019,
        Version::V2017 => &VERSIONS_2017,
    };
    let ask = managed_ask(exchange.request.uri(), versions)?;
    let issued = exchange.issue(ask).await?;
    let resource = exchange.resource();
    let mut reply = Reply::new(&issued, &resource);
    if has_dates {
        reply.expires_on = date(issued.token.expires_at());
    }
    Ok(reply.response())
}

/// Returns an error of this protocol.
pub(super) fn refuse(refusal: &Refusal) -> Response<Bytes> {
    let status = refusal.status();
    let service = match refusal {
        Refusal::Failed(error) => error.service(),
        _ => None,
    };
    let problem = Problem {
        status_code: status.as_u16(),
        message: &refusal.message(),
        correlation_id: service.and_then(|service| service.correlation_id.as_deref()),
    };
    of_json(status, &problem)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Problem<'a> {
    status_code: u16,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation_id: Option<&'a str>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Version {
    V2017,
    V2019,
}

/// Returns the version whose header has the key. The secrets of a request are one.
fn version(headers: &HeaderMap, key: &AccessKey) -> Result<Version, Refusal> {
    let header = |name| headers.get_all(name).iter();
    let new = header("x-identity-header").map(|value| (Version::V2019, value));
    let old = header("secret").map(|value| (Version::V2017, value));
    let mut sent = new.chain(old);
    match (sent.next(), sent.next()) {
        (Some((version, value)), None) if key.is(value) => Ok(version),
        _ => Err(Refusal::WrongKey(
            "the header X-IDENTITY-HEADER with the value of IDENTITY_HEADER is missing, wrong or not the only one",
        )),
    }
}

/// Returns a time as the version of 2017 has it on Linux: `06/20/2019 02:57:58 +00:00`.
fn date(time: Timestamp) -> String {
    let text = time.to_rfc3339();
    let part = |range| text.get(range).unwrap_or_default();
    format!("{}/{}/{} {} +00:00", part(5..7), part(8..10), part(0..4), part(11..19))
}

const VERSIONS_2019: Versions = Versions::Only("2019-08-01");

const VERSIONS_2017: Versions = Versions::Only("2017-09-01");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn date_has_the_month_first() {
        assert_eq!(date(Timestamp::from_secs(1_561_000_000)), "06/20/2019 03:06:40 +00:00");
    }
}
