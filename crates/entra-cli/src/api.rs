use entra_proto::{AccessToken, Body};
use entra_transport::BlockingTransport;
use http::Request;
use http::header::{ACCEPT, AUTHORIZATION};
use serde_json::Value;

use crate::exit::Failure;

/// An API's answer: its status and its JSON, null where it has none.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) json: Value,
}

/// Calls an API with a token.
pub(crate) fn call(transport: &dyn BlockingTransport, url: &str, token: &AccessToken) -> Result<Answer, Failure> {
    let mut request = Request::new(Body::default());
    *request.uri_mut() = url
        .parse()
        .map_err(|error| Failure::new(crate::exit::Exit::Configuration, error_of(url, error)))?;
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

fn error_of(url: &str, error: http::uri::InvalidUri) -> anyhow::Error {
    anyhow::Error::new(error).context(format!("{url} is no URL"))
}
