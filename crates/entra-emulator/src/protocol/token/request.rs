//! Lints about a token request that do not depend on its success, and the claims that it
//! requests.

use serde_json::Value;

use crate::aadsts::Rejection;
use crate::exchange::Exchange;
use crate::form::Form;
use crate::state::recorder::{Endpoint, Lint, SECRET_PARAMETERS};

/// Records the client, the target and every lint.
pub(crate) fn inspect(exchange: &mut Exchange<'_>, form: &Form, endpoint: Endpoint) {
    let target = match endpoint {
        Endpoint::V1 => form.value("resource").or_else(|| form.value("scope")),
        Endpoint::V2 => form.value("scope").or_else(|| form.value("resource")),
    };
    exchange.event.target = target.map(str::to_owned);
    exchange.event.grant = form.value("grant_type").map(str::to_owned);
    exchange.event.client_id = form.value("client_id").map(str::to_owned);

    lint_query(exchange);
    lint_names(exchange, form, &[]);
    if let Some(name) = form.duplicate() {
        exchange.lint(Lint::DuplicateParameter(name.chars().take(LONGEST_NAME).collect()));
    }
    if exchange.client_request_id().is_none() {
        exchange.lint(Lint::MissingClientRequestId);
    }
    let scope = form.value("scope");
    if endpoint == Endpoint::V1 && scope.is_some_and(|scope| scope != "openid") {
        exchange.lint(Lint::ScopeOnV1);
    }
    if endpoint == Endpoint::V2 && form.value("resource").is_some() {
        exchange.lint(Lint::ResourceOnV2);
    }
    if scope.is_some_and(|scope| scope.to_ascii_lowercase().contains("%2f")) {
        exchange.lint(Lint::DoubleEncodedScope);
    }
}

/// Records a lint if the query contains a secret.
pub(crate) fn lint_query(exchange: &mut Exchange<'_>) {
    let is_secret = |name: &str| SECRET_PARAMETERS.contains(&name.to_ascii_lowercase().as_str());
    if exchange.query.pairs().iter().any(|(name, _)| is_secret(name)) {
        exchange.lint(Lint::SecretInUrl);
    }
}

/// Checks that only bearer access tokens are requested, not SAML assertions or tokens bound to a
/// key. If such a parameter were ignored, an access token would pass unnoticed for what was
/// requested.
///
/// # Errors
/// Returns AADSTS90023 with the name of the parameter that requests another kind of token.
pub(crate) fn check_kind(form: &Form) -> Result<(), Rejection> {
    let wants_other = |name: &str| match form.value(name) {
        Some(value) => name != "token_type" || !value.eq_ignore_ascii_case("bearer"),
        None => false,
    };
    match ["requested_token_type", "token_type", "req_cnf"]
        .into_iter()
        .find(|name| wants_other(name))
    {
        Some(name) => {
            let problem = format!("{name} is not emulated; only bearer access tokens are");
            Err(Rejection::new(90023).with(&problem))
        }
        None => Ok(()),
    }
}

/// Records a lint for each parameter that is known neither to a token endpoint nor to `more`.
pub(crate) fn lint_names(exchange: &mut Exchange<'_>, form: &Form, more: &[&str]) {
    let is_known = |name: &str| is_known(name) || more.contains(&name);
    for (name, _) in form.pairs().iter().filter(|(name, _)| !is_known(name)) {
        let shown: String = name.chars().take(LONGEST_NAME).collect();
        exchange.lint(if is_known(&name.to_ascii_lowercase()) {
            Lint::ParameterCase(shown)
        } else {
            Lint::UnknownParameter(shown)
        });
    }
}

/// The claims that the `claims` parameter requests (OpenID Connect Core 1.0, section 5.5), as far
/// as the emulator supports them.
#[derive(Default)]
pub(crate) struct RequestedClaims {
    /// The client capabilities, `xms_cc`.
    pub(crate) capabilities: Vec<String>,
    /// The authentication contexts, `acrs`.
    pub(crate) contexts: Vec<String>,
    /// The earliest time from which the token may be valid, `nbf`, in seconds since the epoch.
    pub(crate) not_before: Option<u64>,
}

/// Reads the `claims` parameter. Unknown members are ignored, as the standard requires.
///
/// # Errors
/// Returns AADSTS9002313 if the parameter or one of its requests is not a JSON object.
pub(crate) fn claims(form: &Form) -> Result<RequestedClaims, Rejection> {
    let Some(text) = form.value("claims") else {
        return Ok(RequestedClaims::default());
    };
    let claims: Value = serde_json::from_str(text)
        .ok()
        .filter(Value::is_object)
        .ok_or_else(|| Rejection::new(9002313).with("the claims parameter is not a JSON object"))?;
    let is_valid = |name: &&str| {
        claims
            .get(name)
            .is_none_or(|member| member.is_object() || member.is_null())
    };
    if let Some(name) = CLAIMS_MEMBERS.iter().find(|name| !is_valid(name)) {
        let problem = format!("the member '{name}' of the claims parameter is not a JSON object");
        return Err(Rejection::new(9002313).with(&problem));
    }
    let values = claims.pointer("/access_token/xms_cc/values").and_then(Value::as_array);
    let capabilities = values.into_iter().flatten().filter_map(Value::as_str).take(16);
    // Challenges usually contain it as a string, and sometimes as a number.
    let not_before = claims.pointer("/access_token/nbf/value");
    let contexts = claims.pointer("/access_token/acrs");
    let one = contexts.and_then(|acrs| acrs.get("value")?.as_str());
    let several = contexts.and_then(|acrs| acrs.get("values")?.as_array());
    let contexts = one
        .into_iter()
        .chain(several.into_iter().flatten().filter_map(Value::as_str));
    Ok(RequestedClaims {
        capabilities: capabilities.map(str::to_owned).collect(),
        contexts: contexts.take(16).map(str::to_owned).collect(),
        not_before: not_before.and_then(|value| value.as_u64().or_else(|| value.as_str()?.parse().ok())),
    })
}

fn is_known(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    KNOWN_PARAMETERS.contains(&name)
        || lower.starts_with("x-client-")
        || lower.starts_with("x-ms-")
        || lower.starts_with("x-app-")
}

const LONGEST_NAME: usize = 64;

/// The members of a claims request: the tokens and the endpoint for which claims are requested.
const CLAIMS_MEMBERS: &[&str] = &["access_token", "id_token", "userinfo"];

/// The parameters of every grant: a client may send a parameter of another grant by mistake, and
/// its name is still known.
const KNOWN_PARAMETERS: &[&str] = &[
    "assertion",
    "claims",
    "client-request-id",
    "client_assertion",
    "client_assertion_type",
    "client_id",
    "client_info",
    "client_secret",
    "code",
    "code_verifier",
    "device_code",
    "fmi_path",
    "grant_type",
    "password",
    "redirect_uri",
    "refresh_token",
    "req_cnf",
    "requested_token_type",
    "requested_token_use",
    "resource",
    "return-client-request-id",
    "scope",
    "token_type",
    "user_federated_identity_credential",
    "user_id",
    "username",
];
