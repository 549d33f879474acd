//! Authorization responses, sent to the app by query, fragment or form.

use http::header::LOCATION;
use http::{HeaderValue, Response, StatusCode};

use crate::aadsts::Rejection;
use crate::exchange::{Exchange, no_store};
use crate::protocol::authorize::pages;
use crate::state::authorization::{Reply, ResponseMode};

/// The parameters of a response, in order. Values are bytes, because `state` belongs to the app.
#[derive(Default)]
pub(crate) struct AuthorizationResponse {
    parameters: Vec<(&'static str, Vec<u8>)>,
}

impl AuthorizationResponse {
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<Vec<u8>>) -> Self {
        self.parameters.push((name, value.into()));
        self
    }

    /// Returns the parameters of an error response.
    pub(crate) fn error(exchange: &mut Exchange<'_>, rejection: &Rejection) -> Self {
        exchange.record(rejection);
        let mut response = Self::default()
            .with("error", rejection.error())
            .with("error_description", exchange.description(rejection));
        if let Some(uri) = exchange.error_uri(rejection) {
            response = response.with("error_uri", uri);
        }
        response
    }

    /// Sends the response, with the `state` of the request.
    pub(crate) fn send(mut self, exchange: &Exchange<'_>, reply: &Reply) -> Response<Vec<u8>> {
        if let Some(state) = &reply.state {
            self.parameters.push(("state", state.clone()));
        }
        let encoded = self.encoded();
        let separator = match reply.mode {
            ResponseMode::FormPost => return pages::form_post(exchange, &reply.uri, &self.parameters, &encoded),
            ResponseMode::Fragment => '#',
            ResponseMode::Query if reply.uri.ends_with(['?', '&']) => {
                return redirect(exchange, &(reply.uri.clone() + &encoded));
            }
            ResponseMode::Query if reply.uri.contains('?') => '&',
            ResponseMode::Query => '?',
        };
        redirect(exchange, &format!("{}{separator}{encoded}", reply.uri))
    }

    fn encoded(&self) -> String {
        let mut text = String::new();
        for (name, value) in &self.parameters {
            if !text.is_empty() {
                text.push('&');
            }
            text.push_str(name);
            text.push('=');
            text.extend(form_urlencoded::byte_serialize(value));
        }
        text
    }
}

fn redirect(exchange: &Exchange<'_>, location: &str) -> Response<Vec<u8>> {
    let mut response = exchange.response(StatusCode::FOUND, "text/html; charset=utf-8", Vec::new());
    // Redirect URIs are printable, and everything else is encoded.
    if let Ok(location) = HeaderValue::from_str(location) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
        .headers_mut()
        .insert("referrer-policy", HeaderValue::from_static("no-referrer"));
    no_store(response)
}
