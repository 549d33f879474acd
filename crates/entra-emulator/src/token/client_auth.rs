//! Who the client is and whether it proved it (RFC 6749, 2.3; RFC 7523 for assertions).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::aadsts::Refusal;
use crate::config::App;
use crate::exchange::Exchange;
use crate::form::Form;
use crate::recorder::Lint;

/// A client id with the credential that came with it, not yet verified.
pub(crate) struct Presented {
    pub(crate) client_id: String,
    credential: Credential,
}

enum Credential {
    None,
    Secret(String),
    Assertion(String),
}

/// How the client proved itself; decides `appidacr` and `azpacr`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proof {
    Secret,
}

impl Proof {
    /// The value of `appidacr` (v1) and `azpacr` (v2).
    pub(crate) fn class(self) -> &'static str {
        match self {
            Self::Secret => "1",
        }
    }
}

/// Finds the client id and the one credential of a request.
///
/// # Errors
/// 900144 without a client id or assertion type, 90023 if credentials are given in two ways or cannot be read.
pub(crate) fn read(exchange: &mut Exchange<'_>, form: &Form) -> Result<Presented, Refusal> {
    let secret = form.value("client_secret");
    let assertion = form.value("client_assertion");
    let basic = match exchange.basic() {
        Some(Some(basic)) => Some(basic),
        Some(None) => return Err(Refusal::new(90023).with("the Authorization header is no Basic credential")),
        None => None,
    };
    if usize::from(secret.is_some()) + usize::from(assertion.is_some()) + usize::from(basic.is_some()) > 1 {
        exchange.lint(Lint::TwoCredentials);
        return Err(Refusal::new(90023).with("the client authenticates in more than one way"));
    }
    let body_id = form.value("client_id");
    let (client_id, credential) = match (basic, secret, assertion) {
        (Some((name, password)), ..) => {
            if body_id.is_some_and(|id| !id.eq_ignore_ascii_case(&name)) {
                return Err(Refusal::new(90023).with("client_id differs from the Authorization header"));
            }
            let credential = if password.is_empty() {
                Credential::None
            } else {
                Credential::Secret(password)
            };
            (Some(name).filter(|name| !name.is_empty()), credential)
        }
        (None, Some(secret), _) => (body_id.map(str::to_owned), Credential::Secret(secret.to_owned())),
        (None, None, Some(assertion)) => {
            if form.value("client_assertion_type").is_none() {
                return Err(Refusal::new(900144).with("client_assertion_type"));
            }
            (body_id.map(str::to_owned), Credential::Assertion(assertion.to_owned()))
        }
        (None, None, None) => (body_id.map(str::to_owned), Credential::None),
    };
    let client_id = client_id.ok_or_else(|| Refusal::new(900144).with("client_id"))?;
    exchange.event.client_id = Some(client_id.clone());
    Ok(Presented { client_id, credential })
}

/// Verifies the credential against what the app has registered.
///
/// # Errors
/// 7000218 without a credential, 7000215 for a wrong secret, 7000222 for one outside its dates, 50027 for an assertion
/// that is no JWT, 700027 for any other: no app has a certificate yet.
pub(crate) fn verify(exchange: &mut Exchange<'_>, app: &App, presented: Presented) -> Result<Proof, Refusal> {
    match presented.credential {
        Credential::None => Err(Refusal::new(7000218)),
        Credential::Secret(secret) => verify_secret(exchange, app, &secret),
        Credential::Assertion(assertion) => Err(refuse_assertion(&assertion)),
    }
}

fn verify_secret(exchange: &mut Exchange<'_>, app: &App, sent: &str) -> Result<Proof, Refusal> {
    if sent.trim() != sent {
        exchange.lint(Lint::BlankAroundSecret);
    }
    let secrets = app.secrets.as_deref().unwrap_or_default();
    if secrets
        .iter()
        .any(|secret| secret.value == sent && secret.is_valid_at(exchange.now))
    {
        return Ok(Proof::Secret);
    }
    if secrets.iter().any(|secret| secret.value == sent) {
        return Err(Refusal::new(7000222).with(&app.client_id));
    }
    if secrets.iter().any(|secret| secret.id.eq_ignore_ascii_case(sent)) {
        exchange.lint(Lint::SecretId);
    }
    Err(Refusal::new(7000215).with(&app.client_id))
}

fn refuse_assertion(assertion: &str) -> Refusal {
    let is_json = |part: &str| {
        let bytes = URL_SAFE_NO_PAD.decode(part.trim_end_matches('='));
        bytes.is_ok_and(|bytes| serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(&bytes).is_ok())
    };
    let mut parts = assertion.split('.');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(header), Some(claims), Some(_), None) if is_json(header) && is_json(claims) => {
            Refusal::new(700027).with("the application has no certificate registered")
        }
        _ => Refusal::new(50027).with("it is not three parts of base64url with JSON inside"),
    }
}
