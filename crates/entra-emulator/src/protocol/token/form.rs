//! The form of a request to the token endpoint or the device authorization endpoint.

use http::Method;
use http::header::CONTENT_TYPE;

use crate::aadsts::Rejection;
use crate::exchange::Exchange;
use crate::form::{Form, is_form};
use crate::state::recorder::{Lint, parameters};

/// Reads the body if it was sent as a form. Any other body counts as no parameters, as at the
/// service.
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

/// Checks the rules that apply to every form.
///
/// # Errors
/// Returns AADSTS900561 for a method other than POST, 9002313 for a form that is too long, and
/// 9000411 for a duplicate parameter.
pub(crate) fn check_form(exchange: &Exchange<'_>, form: &Form) -> Result<(), Rejection> {
    if exchange.method != Method::POST {
        return Err(Rejection::new(900561).with(exchange.method.as_str()));
    }
    // Parts of a form are stored: by the recorder, with a device code, and with a refresh token.
    let size: usize = form.pairs().iter().map(|(name, value)| name.len() + value.len()).sum();
    if size > LONGEST_FORM {
        return Err(Rejection::new(9002313).with("the form is too long"));
    }
    match form.duplicate() {
        Some(name) => Err(Rejection::new(9000411).with(name)),
        None => Ok(()),
    }
}

/// Returns the error for an unknown authorization code or refresh token: AADSTS9002313, as for a
/// malformed request, with the error code `invalid_grant` (RFC 6749, section 5.2).
pub(super) fn unreadable(what: &str) -> Rejection {
    Rejection::new(9002313).with(what).with_error("invalid_grant")
}

/// The limit in bytes for a form and for the parameters of an authorization request: that of a
/// request line over a socket.
pub(crate) const LONGEST_FORM: usize = 64 * 1024;
