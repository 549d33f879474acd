//! The form of a request to the token endpoint or the device authorization endpoint.

use http::Method;
use http::header::CONTENT_TYPE;

use crate::aadsts::Refusal;
use crate::exchange::Exchange;
use crate::form::{Form, is_form};
use crate::state::recorder::{Lint, parameters};

/// Reads the body if it was sent as a form; anything else counts as no parameters, as in the service.
pub(crate) fn read_form(exchange: &mut Exchange<'_>) -> Form {
    let content_type = exchange.header(CONTENT_TYPE).unwrap_or_default().to_owned();
    if exchange.method != Method::POST || !is_form(&content_type) {
        if exchange.method == Method::POST {
            exchange.lint(Lint::ContentType(content_type.chars().take(100).collect()));
        }
        return Form::default();
    }
    let form = Form::parse(&std::mem::take(&mut exchange.body));
    exchange.event.form = parameters(form.pairs());
    form
}

/// What every form has to keep to, whichever it is.
pub(crate) fn check_form(exchange: &Exchange<'_>, form: &Form) -> Result<(), Refusal> {
    if exchange.method != Method::POST {
        return Err(Refusal::new(900561).with(exchange.method.as_str()));
    }
    // Parts of a form are kept: by the recorder, with a device's code, with a refresh token.
    let size: usize = form.pairs().iter().map(|(name, value)| name.len() + value.len()).sum();
    if size > LONGEST_FORM {
        return Err(Refusal::new(9002313).with("it is too long"));
    }
    match form.duplicate() {
        Some(name) => Err(Refusal::new(9000411).with(name)),
        None => Ok(()),
    }
}

/// A code or a refresh token that nobody gave out: the number is that of a malformed request, the word that of the grant.
pub(super) fn unreadable(what: &str) -> Refusal {
    Refusal::new(9002313).with(what).word("invalid_grant")
}

/// As long as an authorization request may be, in bytes.
const LONGEST_FORM: usize = 64 * 1024;
