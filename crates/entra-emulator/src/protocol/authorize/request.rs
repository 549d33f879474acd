//! Requests to `authorize` and `adminconsent`: parsing, and the decision where the response may go.
//!
//! Problems with the client or its redirect URI are shown on a page; the emulator never sends
//! anything to an unregistered address. After these checks, all other problems are reported to the
//! app.

use http::Method;
use http::header::CONTENT_TYPE;
use serde_json::Value;

use crate::aadsts::Rejection;
use crate::config::App;
use crate::exchange::Exchange;
use crate::form::{self, Form, is_form};
use crate::protocol::token::client::{check_interactive, find_client};
use crate::protocol::token::form::LONGEST_FORM;
use crate::protocol::token::request;
use crate::protocol::token::target::{check_scopes, user_target};
use crate::state::authorization::{Challenge, Prompt, Reply, Request, RequestKind, ResponseMode, SignIn};
use crate::state::directory::redirect_uri;
use crate::state::recorder::{Endpoint, Lint, parameters};
use crate::state::scopes::{Scopes, Target};

/// A rejected request, by the receiver of the error.
pub(crate) enum Rejected {
    /// The error is shown to the user, because it cannot be reported to the app.
    ToUser(Rejection),
    /// The error is reported to the app.
    ToApp(Box<Reply>, Rejection),
}

impl From<Rejection> for Rejected {
    fn from(rejection: Rejection) -> Self {
        Self::ToUser(rejection)
    }
}

/// Parses a request to an `authorize` endpoint.
pub(crate) fn authorize(exchange: &mut Exchange<'_>, tenant: &str, version: Endpoint) -> Result<Request, Rejected> {
    let Parameters { form, state } = Parameters::read(exchange)?;
    let (tenant, app) = find_client(exchange, &form, tenant)?;
    check_interactive(app)?;
    let uri = redirect_uri(&form, app, version)?;
    let is_hybrid = form
        .value("response_type")
        .is_some_and(|types| types.split(' ').any(|one| one != "code"));
    let (mode, mode_problem) = mode(&form, is_hybrid);
    let reply = Reply { uri, mode, state };
    let to_app = |rejection: Rejection| Rejected::ToApp(Box::new(reply.clone()), rejection);
    if let Some(rejection) = mode_problem {
        return Err(to_app(rejection));
    }
    inspect(exchange, &form, version);
    let read = |exchange: &Exchange<'_>| -> Result<(SignIn, Prompt), Rejection> {
        if let Some((name, word)) = UNSUPPORTED.iter().find(|(name, _)| form.value(name).is_some()) {
            return Err(Rejection::new(901002).with(name).with_error(word));
        }
        let (code, id_token) = response_type(&form)?;
        let nonce = form.value("nonce").map(str::to_owned);
        let target = user_target(exchange, &form, app, version)?;
        if let (true, Target::V2(scopes)) = (id_token, &target)
            && !scopes.has("openid")
        {
            return Err(Rejection::new(70005).with("id_token without the scope openid"));
        }
        if id_token && nonce.is_none() {
            return Err(Rejection::new(900144).with("nonce"));
        }
        request::claims(&form)?;
        let sign_in = SignIn {
            version,
            named_redirect: form.value("redirect_uri").is_some(),
            code,
            id_token,
            nonce,
            challenge: Challenge::read(&form)?,
            target,
            client_info: form.value("client_info").is_some(),
            auth_time: wants_auth_time(&form),
        };
        Ok((sign_in, prompt(&form, version)?))
    };
    let (sign_in, prompt) = read(exchange).map_err(to_app)?;
    Ok(Request {
        client_id: app.client_id.clone(),
        tenant: tenant.map(|tenant| tenant.id.clone()),
        reply,
        kind: RequestKind::SignIn(Box::new(sign_in)),
        prompt,
        login_hint: form.value("login_hint").map(str::to_owned),
        domain_hint: form.value("domain_hint").map(str::to_owned),
    })
}

/// Parses a request to an `adminconsent` endpoint.
pub(crate) fn admin_consent(exchange: &mut Exchange<'_>, tenant: &str, version: Endpoint) -> Result<Request, Rejected> {
    if version == Endpoint::V2 && tenant == "common" {
        return Err(Rejection::new(90130).into());
    }
    let Parameters { form, state } = Parameters::read(exchange)?;
    let (tenant, app) = find_client(exchange, &form, tenant)?;
    // Only `authorize` accepts a path below a registered URI, or none at all. The strict rule
    // applies here on either version.
    let uri = redirect_uri(&form, app, Endpoint::V2)?;
    let reply = Reply {
        uri,
        mode: ResponseMode::Query,
        state,
    };
    if reply.state.is_none() {
        exchange.lint(Lint::MissingState);
    }
    let scopes = match (version, form.value("scope")) {
        (Endpoint::V1, _) => Ok(Scopes::default()),
        (Endpoint::V2, None) => Err(Rejection::new(900144).with("scope")),
        (Endpoint::V2, Some(scope)) => {
            exchange.event.target = Some(scope.to_owned());
            Scopes::parse(scope).and_then(|scopes| check_scopes(exchange, app, &scopes).map(|()| scopes))
        }
    };
    match scopes {
        Ok(scopes) => Ok(Request {
            client_id: app.client_id.clone(),
            tenant: tenant.map(|tenant| tenant.id.clone()),
            reply,
            kind: RequestKind::AdminConsent { version, scopes },
            prompt: Prompt::AdminConsent,
            login_hint: form.value("login_hint").map(str::to_owned),
            domain_hint: form.value("domain_hint").map(str::to_owned),
        }),
        Err(rejection) => Err(Rejected::ToApp(Box::new(reply), rejection)),
    }
}

struct Parameters {
    form: Form,
    state: Option<Vec<u8>>,
}

impl Parameters {
    /// Reads the query of a GET request or the body of a POST request (OpenID Connect Core 1.0,
    /// section 3.1.2.1).
    fn read(exchange: &mut Exchange<'_>) -> Result<Self, Rejection> {
        request::lint_query(exchange);
        let raw = if exchange.method == Method::POST {
            form_body(exchange)?
        } else {
            exchange.raw_query.clone().into_bytes()
        };
        if raw.len() > LONGEST_FORM {
            return Err(Rejection::new(9002313).with("the request is too long"));
        }
        let form = Form::parse(&raw);
        exchange.event.client_id = form.value("client_id").map(str::to_owned);
        if let Some(name) = form.duplicate() {
            exchange.lint(Lint::DuplicateParameter(name.chars().take(64).collect()));
            return Err(Rejection::new(9000411).with(name));
        }
        Ok(Self {
            state: form::raw_value(&raw, "state"),
            form,
        })
    }
}

/// Takes the body of a POST request and records its parameters.
///
/// # Errors
/// Returns AADSTS9002313 if the body is not a form.
pub(super) fn form_body(exchange: &mut Exchange<'_>) -> Result<Vec<u8>, Rejection> {
    if !exchange.header(CONTENT_TYPE).is_some_and(is_form) {
        return Err(Rejection::new(9002313).with("the body is not a form"));
    }
    let body = std::mem::take(&mut exchange.body);
    exchange.event.form = parameters(Form::parse(&body).pairs());
    Ok(body)
}

fn redirect_uri(form: &Form, app: &App, rule: Endpoint) -> Result<String, Rejection> {
    let asked = form.value("redirect_uri");
    if app.redirect_uris.is_empty() {
        return Err(Rejection::new(500113));
    }
    if asked.is_none() && rule == Endpoint::V2 {
        return Err(Rejection::new(900144).with("redirect_uri"));
    }
    let rejection = || {
        Rejection::new(50011)
            .with(asked.unwrap_or_default())
            .with(&app.client_id)
    };
    redirect_uri::choose(app, asked, rule).ok_or_else(rejection)
}

/// Returns the response mode, and an error if it is invalid. The error is then sent by the default
/// mode.
fn mode(form: &Form, is_hybrid: bool) -> (ResponseMode, Option<Rejection>) {
    let default = if is_hybrid {
        ResponseMode::Fragment
    } else {
        ResponseMode::Query
    };
    match form.value("response_mode") {
        None => (default, None),
        Some("query") if !is_hybrid => (ResponseMode::Query, None),
        Some("fragment") => (ResponseMode::Fragment, None),
        Some("form_post") => (ResponseMode::FormPost, None),
        Some(other) => (default, Some(Rejection::new(70007).with(other))),
    }
}

/// Returns whether a code is requested, and whether an ID token is.
fn response_type(form: &Form) -> Result<(bool, bool), Rejection> {
    let types = form
        .value("response_type")
        .ok_or_else(|| Rejection::new(900144).with("response_type"))?;
    let mut parts: Vec<&str> = types.split(' ').filter(|part| !part.is_empty()).collect();
    parts.sort_unstable();
    match parts.as_slice() {
        ["code"] => Ok((true, false)),
        ["code", "id_token"] => Ok((true, true)),
        ["id_token"] => Ok((false, true)),
        _ => Err(Rejection::new(70005).with(types)),
    }
}

fn prompt(form: &Form, version: Endpoint) -> Result<Prompt, Rejection> {
    Ok(match (form.value("prompt"), version) {
        (None, _) => Prompt::Unspecified,
        (Some("none"), _) => Prompt::None,
        (Some("login"), _) => Prompt::Login,
        (Some("select_account"), _) => Prompt::SelectAccount,
        (Some("consent"), _) => Prompt::Consent,
        (Some("admin_consent"), Endpoint::V1) => Prompt::AdminConsent,
        (Some(other), _) => {
            let problem = format!("'{other}' is not a supported value of 'prompt'");
            return Err(Rejection::new(90023).with(&problem));
        }
    })
}

/// Returns whether the ID token must contain the time of the sign-in: if `max_age` is set, or if
/// `auth_time` is among the requested claims.
fn wants_auth_time(form: &Form) -> bool {
    let claims: Option<Value> = form.value("claims").and_then(|text| serde_json::from_str(text).ok());
    form.value("max_age").is_some() || claims.is_some_and(|claims| claims.pointer("/id_token/auth_time").is_some())
}

fn inspect(exchange: &mut Exchange<'_>, form: &Form, version: Endpoint) {
    let target = match version {
        Endpoint::V1 => form.value("resource"),
        Endpoint::V2 => form.value("scope"),
    };
    exchange.event.target = target.map(str::to_owned);
    request::lint_names(exchange, form, KNOWN_PARAMETERS);
    if form.value("state").is_none() {
        exchange.lint(Lint::MissingState);
    }
    let wants_code = form
        .value("response_type")
        .is_some_and(|types| types.split(' ').any(|one| one == "code"));
    match (form.value("code_challenge"), form.value("code_challenge_method")) {
        (None, _) if version == Endpoint::V2 && wants_code => exchange.lint(Lint::MissingPkce),
        (Some(_), None | Some("plain")) => exchange.lint(Lint::PlainPkce),
        _ => {}
    }
    if version == Endpoint::V2 && form.value("resource").is_some() {
        exchange.lint(Lint::ResourceOnV2);
    }
}

/// Parameters that would change the meaning of the whole request, with the error for each (OpenID
/// Connect Core 1.0, section 3.1.2.6).
const UNSUPPORTED: &[(&str, &str)] = &[
    ("request", "request_not_supported"),
    ("request_uri", "request_uri_not_supported"),
    ("registration", "registration_not_supported"),
];

/// Known parameters beside those of the token endpoint. Parameters for hints and for the look of
/// pages may be ignored, because they do not affect the result.
const KNOWN_PARAMETERS: &[&str] = &[
    "acr_values",
    "claims_locales",
    "clidata",
    "code_challenge",
    "code_challenge_method",
    "display",
    "domain_hint",
    "haschrome",
    "id_token_hint",
    "instance_aware",
    "login_hint",
    "max_age",
    "mkt",
    "nonce",
    "prompt",
    "registration",
    "request",
    "request_uri",
    "response_mode",
    "response_type",
    "sid",
    "sso_nonce",
    "state",
    "ui_locales",
];
