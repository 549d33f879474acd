//! The request on the wire: the document's "First case" (a secret) and "Second case" (a
//! certificate).

use entra_proto::acquire::{Exchange, RetryPolicy, Step};
use entra_proto::error::printable;
use entra_proto::{Application, Body, Target};
use form_urlencoded::{byte_serialize, parse};
use http::Request;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};

use crate::common::{Failure, say};

/// Prints the token request as the document shows it, and sends nothing.
pub(crate) fn show(application: &Application, target: &Target) -> Result<(), Failure> {
    let request = exchange(application, target)?.request();
    let body = String::from_utf8_lossy(request.body().as_bytes()).into_owned();
    say!(
        "POST {} HTTP/1.1           //Line breaks for clarity.",
        request.uri().path()
    );
    say!(
        "Host: {}",
        request.uri().authority().map_or("", |authority| authority.as_str())
    );
    let media_type = request
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    say!("Content-Type: {}\n", media_type.unwrap_or_default());
    say!("{}\n", parameters(&body).join("\n&"));
    Ok(())
}

/// Returns the parameters of a form in the document's order, with the proof replaced.
fn parameters(body: &str) -> Vec<String> {
    let pairs: Vec<(String, String)> = parse(body.as_bytes()).into_owned().collect();
    let is_certificate = pairs.iter().any(|(name, _)| name == "client_assertion");
    let order = if is_certificate { SECOND_CASE } else { FIRST_CASE };
    let place = |name: &str| order.iter().position(|it| *it == name);
    let mut lines: Vec<(Option<usize>, String)> = Vec::new();
    for (name, value) in &pairs {
        let shown: String = match name.as_str() {
            "client_secret" => "{secret}".to_owned(),
            "client_assertion" => "{assertion}".to_owned(),
            _ => byte_serialize(value.as_bytes()).collect(),
        };
        lines.push((place(name), format!("{}={shown}", printable(name))));
    }
    // Parameters that the document does not have come last.
    lines.sort_by_key(|(place, _)| place.unwrap_or(usize::MAX));
    lines.into_iter().map(|(_, line)| line).collect()
}

/// Returns the exchange that is ready to be sent, signed if the application has a certificate.
pub(crate) fn exchange(application: &Application, target: &Target) -> Result<Exchange, Failure> {
    let request = application.client_credentials(target.clone())?;
    let id = entra_transport::request_id()?;
    let mut step = request.start(RetryPolicy::default(), id, entra_transport::now())?;
    loop {
        step = match step {
            Step::Exchange(exchange) => return Ok(exchange),
            Step::Sign(sign) => sign.sign()?,
            Step::Assert(assert) => assert.fetch()?,
            Step::Pause(pause) => pause.resume(entra_transport::now())?,
            Step::Done(_) => return Err(Failure::new("there is nothing to send")),
        };
    }
}

/// Replaces the scope of a request with one that the library would not send.
pub(crate) fn with_scope(request: Request<Body>, scope: &str) -> Request<Body> {
    let (mut parts, body) = request.into_parts();
    let mut form = form_urlencoded::Serializer::new(String::new());
    for (name, value) in parse(body.as_bytes()) {
        let value = if name == "scope" { scope.into() } else { value };
        form.append_pair(&name, &value);
    }
    parts.headers.remove(CONTENT_LENGTH);
    Request::from_parts(parts, Body::from(form.finish()))
}

const FIRST_CASE: &[&str] = &["client_id", "scope", "client_secret", "grant_type"];
const SECOND_CASE: &[&str] = &[
    "scope",
    "client_id",
    "client_assertion_type",
    "client_assertion",
    "grant_type",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proof_is_replaced_and_order_is_the_documents() {
        let shown = parameters(
            "grant_type=client_credentials&client_id=a&scope=https%3A%2F%2Fx%2F.default&client_secret=canary&claims=%7B%7D",
        );
        assert_eq!(
            shown,
            [
                "client_id=a",
                "scope=https%3A%2F%2Fx%2F.default",
                "client_secret={secret}",
                "grant_type=client_credentials",
                "claims=%7B%7D"
            ]
        );
        let shown = parameters("client_id=a&client_assertion=canary&scope=s&grant_type=g&client_assertion_type=t");
        assert_eq!(
            shown,
            [
                "scope=s",
                "client_id=a",
                "client_assertion_type=t",
                "client_assertion={assertion}",
                "grant_type=g"
            ]
        );
    }
}
