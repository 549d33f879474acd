//! Client authentication: the client ID and its credential (RFC 6749, section 2.3; RFC 7523 for
//! assertions).

use crate::aadsts::Rejection;
use crate::config::App;
use crate::exchange::Exchange;
use crate::form::Form;
use crate::protocol::realm::Realm;
use crate::protocol::token::assertion::Assertion;
use crate::state::recorder::Lint;

/// A client ID with its credential, not yet verified.
pub(crate) struct Presented {
    pub(crate) client_id: String,
    credential: Credential,
}

enum Credential {
    None,
    Secret(String),
    /// The assertion, or the reason why it cannot be read. That error is returned only after the
    /// app is known to exist.
    Assertion(Box<Result<Assertion, Rejection>>),
}

/// The method by which the client authenticated. It decides `appidacr` and `azpacr`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proof {
    /// None: it is a public client.
    Public,
    Secret,
    Certificate,
    /// The assertion of another issuer.
    Federated,
}

impl Proof {
    /// Returns the value of `appidacr` (v1) and `azpacr` (v2).
    pub(crate) fn class(self) -> &'static str {
        match self {
            Self::Public => "0",
            Self::Secret => "1",
            Self::Certificate | Self::Federated => "2",
        }
    }
}

/// Reads the client ID and the credential of a request. With an assertion, the form may omit the
/// client ID.
///
/// # Errors
/// Returns AADSTS900144 without a client ID or assertion type, 90011 for an unknown assertion type,
/// and 90023 if there is more than one credential or the credential is unreadable.
pub(crate) fn read(exchange: &mut Exchange<'_>, form: &Form) -> Result<Presented, Rejection> {
    let secret = form.value("client_secret");
    let assertion = form.value("client_assertion");
    let basic = match exchange.basic() {
        Some(Some(basic)) => Some(basic),
        Some(None) => {
            return Err(Rejection::new(90023).with("the Authorization header is not a valid Basic credential"));
        }
        None => None,
    };
    if usize::from(secret.is_some()) + usize::from(assertion.is_some()) + usize::from(basic.is_some()) > 1 {
        exchange.lint(Lint::TwoCredentials);
        return Err(Rejection::new(90023).with("the client authenticates in more than one way"));
    }
    let body_id = form.value("client_id");
    let (client_id, credential) = match (basic, secret, assertion) {
        (Some((name, password)), ..) => {
            if body_id.is_some_and(|id| !id.eq_ignore_ascii_case(&name)) {
                return Err(Rejection::new(90023).with("client_id differs from the Authorization header"));
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
            match form.value("client_assertion_type") {
                Some(JWT_BEARER) => {}
                Some(_) => return Err(Rejection::new(90011)),
                None => return Err(Rejection::new(900144).with("client_assertion_type")),
            }
            let assertion = Assertion::parse(assertion);
            if let Ok(assertion) = &assertion {
                assertion.inspect(exchange);
            }
            match (body_id, assertion) {
                (Some(id), assertion) => (Some(id.to_owned()), Credential::Assertion(Box::new(assertion))),
                (None, assertion) => {
                    let assertion = assertion?;
                    // The subject is a workload, not the client ID.
                    if assertion.is_federated() {
                        return Err(Rejection::new(900144).with("client_id"));
                    }
                    let id = assertion.subject()?.to_owned();
                    (Some(id), Credential::Assertion(Box::new(Ok(assertion))))
                }
            }
        }
        (None, None, None) => (body_id.map(str::to_owned), Credential::None),
    };
    let client_id = client_id.ok_or_else(|| Rejection::new(900144).with("client_id"))?;
    exchange.event.client_id = Some(client_id.clone());
    Ok(Presented { client_id, credential })
}

/// Verifies the credential against the registration of the app.
///
/// # Errors
/// Returns AADSTS700025 for a public client with a credential, 7000218 for a confidential client
/// without one, 7000215 for a wrong secret, 7000222 for a secret outside its validity, and the
/// errors of [`Assertion::verify`] and [`Assertion::verify_federated`].
pub(crate) fn verify(
    exchange: &mut Exchange<'_>,
    app: &App,
    realm: &Realm<'_>,
    presented: Presented,
) -> Result<Proof, Rejection> {
    match presented.credential {
        Credential::None if app.public_client => Ok(Proof::Public),
        _ if app.public_client => Err(Rejection::new(700025)),
        Credential::None => Err(Rejection::new(7000218)),
        Credential::Secret(secret) => verify_secret(exchange, app, &secret),
        Credential::Assertion(assertion) => {
            let assertion = (*assertion)?;
            if assertion.is_federated() {
                assertion.verify_federated(exchange, app)?;
                return Ok(Proof::Federated);
            }
            assertion.verify(exchange, app, realm)?;
            Ok(Proof::Certificate)
        }
    }
}

fn verify_secret(exchange: &mut Exchange<'_>, app: &App, sent: &str) -> Result<Proof, Rejection> {
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
        return Err(Rejection::new(7000222).with(&app.client_id));
    }
    if secrets.iter().any(|secret| secret.id.eq_ignore_ascii_case(sent)) {
        exchange.lint(Lint::SecretId);
    }
    Err(Rejection::new(7000215).with(&app.client_id))
}

const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
