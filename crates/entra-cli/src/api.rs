use entra_proto::{AccessToken, Body};
use entra_transport::BlockingTransport;
use http::Request;
use http::header::{ACCEPT, AUTHORIZATION};
use serde_json::Value;

use crate::exit::{Exit, Failure};

/// An API's answer: its status and its JSON, null where it has none.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) json: Value,
}

/// Calls an API with a token.
pub(crate) fn call(transport: &dyn BlockingTransport, url: &str, token: &AccessToken) -> Result<Answer, Failure> {
    let mut request = Request::new(Body::default());
    *request.uri_mut() = url.parse().map_err(|error: http::uri::InvalidUri| {
        Failure::of(Exit::Configuration, &error).context(format_args!("{url} is no URL"))
    })?;
    request
        .headers_mut()
        .insert(ACCEPT, http::HeaderValue::from_static("application/json"));
    request.headers_mut().insert(AUTHORIZATION, token.authorization());
    let response = transport.send(request)?;
    let json = serde_json::from_slice(response.body().as_bytes()).unwrap_or_default();
    Ok(Answer {
        status: response.status().as_u16(),
        json,
    })
}
