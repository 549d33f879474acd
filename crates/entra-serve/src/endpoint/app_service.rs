//! The protocol of App Service, `2019-08-01`: `GET` with `resource`, `api-version` and an ID of the
//! identity. The header `X-IDENTITY-HEADER` protects it.

use bytes::Bytes;
use http::{Method, Response};
use serde_json::json;

use super::answer::{identity_reply, of_json};
use super::exchange::Exchange;
use super::wanted::{ManagedParameters, Versions, managed_ask};
use crate::access_key::AccessKey;
use crate::tokens::Refusal;

/// Responds to a request.
///
/// # Errors
/// Refuses a request without the key, and one that gets no token.
pub(super) async fn respond(exchange: &mut Exchange<'_>, key: &AccessKey) -> Result<Response<Bytes>, Refusal> {
    let mut sent = exchange.request.headers().get_all("x-identity-header").iter();
    match (sent.next(), sent.next()) {
        (Some(sent), None) if key.is(sent) => {}
        _ => return Err(Refusal::WrongKey("the header X-IDENTITY-HEADER is missing or wrong")),
    }
    if exchange.request.method() != Method::GET {
        return Err(Refusal::Method("GET"));
    }
    let ask = managed_ask(exchange.request.uri(), &PARAMETERS)?;
    let issued = exchange.issue(ask).await?;
    Ok(identity_reply(&issued, &exchange.resource()))
}

/// Returns an error of this protocol.
pub(super) fn refuse(refusal: &Refusal) -> Response<Bytes> {
    let status = refusal.status();
    of_json(
        status,
        &json!({ "statusCode": status.as_u16(), "message": refusal.message() }),
    )
}

const PARAMETERS: ManagedParameters = ManagedParameters {
    versions: Versions::Only("2019-08-01"),
    object_id: &["object_id", "principal_id"],
    resource_id: &["mi_res_id"],
};
