//! The requests to APIs, and their responses as JSON.

use std::error::Error as StdError;
use std::time::Duration;

use bytes::Bytes;
use entra_client::Token;
use entra_proto::claims::ClaimsChallenge;
use entra_transport::TransportError;
use entra_transport_hyper::Connector;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::api::CallSettings;
use super::header::{self, content_header};
use super::problem::Problem;
use crate::ask::Ask;
use crate::endpoint::exchange::Exchange;
use crate::tokens::Issued;

/// The client for APIs. It follows no redirects: a token is for one origin.
#[derive(Clone)]
pub(super) struct ApiClient(Client<Connector, Full<Bytes>>);

/// A request to an API, without its token.
pub(super) struct Call {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
}

impl Call {
    /// Creates the request of a program to an API with these settings.
    ///
    /// The body is that of the program's request, if its `Content-Type` says what it is.
    ///
    /// # Errors
    /// Returns the problem with the settings.
    pub(super) fn new(settings: &CallSettings, request: &Request<Bytes>) -> Result<Self, header::Problem> {
        let base = settings.base_url.as_ref().ok_or("its settings have no base URL")?;
        let uri = base.join(&settings.relative_path, &settings.query)?;
        let mut headers = settings.headers.clone();
        if let Some(accept) = &settings.accept {
            headers.insert(ACCEPT, accept.clone());
        }
        let body = match request.headers().get(CONTENT_TYPE) {
            Some(own) if !request.body().is_empty() => {
                let content_type = settings.content_type.as_ref().unwrap_or(own);
                headers.insert(CONTENT_TYPE, content_type.clone());
                request.body().clone()
            }
            _ => Bytes::new(),
        };
        Ok(Self {
            method: settings.method.clone(),
            uri,
            headers,
            body,
        })
    }

    /// Returns the request with a token.
    fn with(&self, token: &Token) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(self.body.clone()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.headers.clone();
        request.headers_mut().insert(AUTHORIZATION, token.authorization());
        request
    }
}

impl ApiClient {
    /// Creates the client over these connections.
    pub(super) fn new(connector: Connector) -> Self {
        Self(
            Client::builder(TokioExecutor::new())
                .pool_timer(TokioTimer::new())
                .pool_idle_timeout(Duration::from_secs(60))
                .build(connector),
        )
    }

    /// Calls an API with the token for `ask`, and returns its response, whatever its status.
    ///
    /// If the API requires other claims in the token, it is called again with those.
    ///
    /// # Errors
    /// Returns an error if there is no token, or no response within the time and the length.
    pub(super) async fn call(&self, call: &Call, ask: Ask, exchange: &mut Exchange<'_>) -> Result<Answer, Problem> {
        let answer = tokio::time::timeout(LONGEST_CALL, self.attempt(call, ask, exchange));
        answer.await.unwrap_or_else(|_| {
            let detail = format!("the API did not respond within {} s", LONGEST_CALL.as_secs());
            Err(Problem::new(StatusCode::GATEWAY_TIMEOUT, detail))
        })
    }

    async fn attempt(&self, call: &Call, mut ask: Ask, exchange: &mut Exchange<'_>) -> Result<Answer, Problem> {
        let issued = exchange.issue(ask.clone()).await?;
        let mut response = self.send(call, &issued.token).await?;
        if response.status() == StatusCode::UNAUTHORIZED {
            match challenge(&response, &issued) {
                Some(challenge) if ask.claims.as_ref() != Some(challenge.claims()) => {
                    ask.claims = Some(challenge.claims().clone());
                    ask.force_refresh = false;
                    let other = exchange.issue(ask).await?;
                    response = self.send(call, &other.token).await?;
                }
                _ => {
                    // The next request gets another token.
                    issued.identity.client().invalidate(&issued.token);
                }
            }
        }
        Answer::read(response).await
    }

    async fn send(&self, call: &Call, token: &Token) -> Result<Response<Incoming>, Problem> {
        let response = self.0.request(call.with(token)).await;
        response.map_err(|error| bad_gateway(format!("the API cannot be reached: {}", cause(&error))))
    }
}

/// Returns the claims that an API requires of a token.
fn challenge(response: &Response<Incoming>, issued: &Issued<'_>) -> Option<ClaimsChallenge> {
    match issued.identity.client().application() {
        Some(application) => ClaimsChallenge::find_from(response.headers(), application.authority().cloud()),
        None => ClaimsChallenge::find(response.headers()),
    }
}

/// The response of an API.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Answer {
    status_code: u16,
    #[serde(serialize_with = "as_map")]
    headers: Vec<(&'static str, Vec<String>)>,
    /// The text, or `None` if it is empty.
    content: Option<String>,
}

impl Answer {
    /// Reads the response.
    async fn read(response: Response<Incoming>) -> Result<Self, Problem> {
        let (head, body) = response.into_parts();
        let body = match Limited::new(body, LONGEST_BODY).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) if error.is::<LengthLimitError>() => {
                return Err(bad_gateway("the response of the API is longer than 10 MiB".to_owned()));
            }
            Err(error) => {
                return Err(bad_gateway(format!(
                    "the response of the API ended early: {}",
                    cause(&*error)
                )));
            }
        };
        Ok(Self {
            status_code: head.status.as_u16(),
            headers: content_headers(&head.headers, body.len()),
            content: (!body.is_empty()).then(|| text(&body)),
        })
    }

    /// Returns the text of its JSON.
    pub(super) fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// Returns the headers that describe the content. Its length is always one of them.
fn content_headers(headers: &HeaderMap, length: usize) -> Vec<(&'static str, Vec<String>)> {
    let mut found = Vec::new();
    for name in headers.keys() {
        let Some(known) = content_header(name) else { continue };
        let texts = headers.get_all(name).iter();
        let texts = texts.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        let texts: Vec<String> = if LISTS.contains(&known) {
            texts
                .flat_map(|list| list.split(',').map(|item| item.trim().to_owned()).collect::<Vec<_>>())
                .collect()
        } else {
            texts.collect()
        };
        found.push((known, texts));
    }
    if !headers.contains_key(CONTENT_LENGTH) {
        found.push(("Content-Length", vec![length.to_string()]));
    }
    found
}

/// Returns the text of a body: UTF-8, without a byte order mark.
fn text(body: &[u8]) -> String {
    String::from_utf8_lossy(body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body)).into_owned()
}

fn as_map<S: Serializer>(headers: &[(&'static str, Vec<String>)], serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(headers.len()))?;
    for (name, values) in headers {
        map.serialize_entry(name, values)?;
    }
    map.end()
}

fn bad_gateway(detail: String) -> Problem {
    Problem::new(StatusCode::BAD_GATEWAY, detail)
}

/// Returns the error of the connection, or the innermost one.
fn cause(mut error: &(dyn StdError + 'static)) -> String {
    while let Some(source) = error.source().filter(|_| !error.is::<TransportError>()) {
        error = source;
    }
    error.to_string()
}

/// The content headers that are lists.
const LISTS: [&str; 3] = ["Allow", "Content-Encoding", "Content-Language"];

/// The time for the token, the request and the response.
const LONGEST_CALL: Duration = Duration::from_secs(100);

/// The length of the longest response in bytes.
const LONGEST_BODY: usize = 10 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_json_with_the_headers_of_their_content() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("content-type", "application/json; charset=utf-8"),
            ("set-cookie", "a=b"),
            ("allow", "GET, POST"),
            ("transfer-encoding", "chunked"),
        ] {
            headers.append(name, value.parse().unwrap());
        }
        let body = b"\xef\xbb\xbf{\"a\":\"\xc3\xa4\"}";
        let answer = Answer {
            status_code: 200,
            headers: content_headers(&headers, body.len()),
            content: Some(text(body)),
        };
        assert_eq!(
            answer.to_json(),
            r#"{"statusCode":200,"headers":{"Content-Type":["application/json; charset=utf-8"],"Allow":["GET","POST"],"Content-Length":["13"]},"content":"{\"a\":\"ä\"}"}"#
        );
    }
}
