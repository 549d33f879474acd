//! The protocol of App Service, `2019-08-01`: `GET` with `resource`, `api-version` and an ID of the
//! identity. The header `X-IDENTITY-HEADER` protects it.

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use serde_json::json;

use super::answer::{identity_reply, of_json};
use super::wanted::{ManagedParameters, Versions, managed_ask};
use crate::access_key::AccessKey;
use crate::tokens::Tokens;

/// Responds to a request.
pub(super) async fn respond(request: &Request<Bytes>, key: &AccessKey, tokens: &Tokens) -> Response<Bytes> {
    let mut sent = request.headers().get_all("x-identity-header").iter();
    match (sent.next(), sent.next()) {
        (Some(sent), None) if key.is(sent) => {}
        _ => {
            return rejection(
                StatusCode::UNAUTHORIZED,
                "the header X-IDENTITY-HEADER is missing or wrong",
            );
        }
    }
    if request.method() != Method::GET {
        return rejection(StatusCode::METHOD_NOT_ALLOWED, "only GET is supported");
    }
    let issued = match managed_ask(request.uri(), &PARAMETERS) {
        Ok(ask) => tokens.issue(&ask).await.map(|issued| identity_reply(&issued, &ask)),
        Err(refusal) => Err(refusal),
    };
    issued.unwrap_or_else(|refusal| rejection(refusal.status(), &refusal.message()))
}

/// Returns an error of this protocol.
fn rejection(status: StatusCode, message: &str) -> Response<Bytes> {
    let body = json!({ "statusCode": status.as_u16(), "message": message });
    of_json(status, &body)
}

const PARAMETERS: ManagedParameters = ManagedParameters {
    versions: Versions::Only("2019-08-01"),
    object_id: &["object_id", "principal_id"],
    resource_id: &["mi_res_id"],
};
