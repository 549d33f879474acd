//! Federated credentials: the assertions of other issuers that an app authenticates with.

use std::fmt;

use serde::Deserialize;

use crate::config::expression::Expression;
use crate::well_known::TOKEN_EXCHANGE;

/// A federated credential of an app: the issuer, the subject and the audience of an assertion with
/// which the app authenticates in place of a secret.
///
/// All three are compared with the assertion exactly, letter case included. An app has at most 20
/// of them.
///
/// ```
/// use entra_emulator::{App, Emulator, FederatedCredential};
///
/// let issuer = "https://token.actions.githubusercontent.com";
/// let main = FederatedCredential::new(
///     issuer,
///     "repo:contoso/app:ref:refs/heads/main",
/// );
/// let tags = FederatedCredential::matching(
///     issuer,
///     "claims['sub'] matches 'repo:contoso/app:ref:refs/tags/*'",
/// );
/// let app = App::new("daemon").without_secrets();
/// let app = app.federated_credential(main).federated_credential(tags);
/// let emulator = Emulator::builder().app(app).build();
/// let registered = &emulator.apps()[0].federated_credentials[0];
/// assert_eq!(registered.audiences, ["api://AzureADTokenExchange"]);
/// ```
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct FederatedCredential {
    /// The ID of the entry, a GUID; derived from the seed when empty.
    pub id: String,
    /// The name, unique in the app: 3 to 120 letters, digits, `-` and `_`; derived when empty.
    pub name: String,
    /// The description.
    pub description: Option<String>,
    /// The `iss` of the assertion: an `https` URL, or an `http` URL of an issuer for tests.
    pub issuer: String,
    /// The `sub` of the assertion. Left out if there is an expression.
    pub subject: Option<String>,
    /// The `aud` of the assertion: exactly one; `api://AzureADTokenExchange` when left out.
    pub audiences: Vec<String>,
    /// The expression that the claims of the assertion match, in place of a subject.
    #[serde(alias = "claimsMatchingExpression")]
    pub claims_matching_expression: Option<ClaimsMatchingExpression>,
}

impl FederatedCredential {
    /// Returns a credential for one subject of an issuer.
    pub fn new(issuer: impl Into<String>, subject: impl Into<String>) -> Self {
        Self {
            issuer: issuer.into(),
            subject: Some(subject.into()),
            ..Self::default()
        }
    }

    /// Returns a flexible credential, for all assertions of an issuer that match an expression.
    pub fn matching(issuer: impl Into<String>, expression: impl Into<String>) -> Self {
        Self {
            issuer: issuer.into(),
            claims_matching_expression: Some(ClaimsMatchingExpression {
                value: expression.into(),
                language_version: 1,
            }),
            ..Self::default()
        }
    }

    /// Sets the name.
    pub fn name(self, name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            ..self
        }
    }

    /// Sets the audience.
    pub fn audience(self, audience: impl Into<String>) -> Self {
        Self {
            audiences: vec![audience.into()],
            ..self
        }
    }

    /// Fills in what is left out, for the entry with this number in its app.
    pub(crate) fn complete(&mut self, number: usize) {
        if self.name.is_empty() {
            self.name = format!("federated{number}");
        }
        if self.audiences.is_empty() {
            self.audiences.push(TOKEN_EXCHANGE.to_owned());
        }
    }

    /// Checks the members against the documented limits.
    ///
    /// # Errors
    /// Returns the problem and the name of the member that has it.
    pub(crate) fn check(&self) -> Result<(), (&'static str, &'static str)> {
        let is_of_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        if !(3..=120).contains(&self.name.len()) || !self.name.bytes().all(is_of_name) {
            return Err(("name", "it must have 3 to 120 letters, digits, - and _"));
        }
        if !is_issuer(&self.issuer) {
            return Err((
                "issuer",
                "it must be a URL without a query, such as https://token.actions.githubusercontent.com",
            ));
        }
        if !is_exact(&self.issuer) {
            return Err(("issuer", NOT_EXACT));
        }
        match (&self.subject, &self.claims_matching_expression) {
            (Some(subject), None) if is_exact(subject) => {}
            (Some(_), None) => return Err(("subject", NOT_EXACT)),
            (None, Some(matching)) => matching
                .expression()
                .map(drop)
                .map_err(|problem| ("claims_matching_expression", problem))?,
            _ => {
                return Err((
                    "subject",
                    "there must be either a subject or a claims_matching_expression",
                ));
            }
        }
        match self.audiences.as_slice() {
            [audience] if is_exact(audience) => Ok(()),
            [_] => Err(("audiences", NOT_EXACT)),
            _ => Err(("audiences", "there must be exactly one")),
        }
    }
}

/// The expression of a flexible federated credential.
///
/// The emulator knows the operators `eq` and `matches` (with `*` for any text and `?` for one
/// character), joined by `and`, on the claims `sub` and `job_workflow_ref`:
/// `claims['sub'] matches 'repo:contoso/*' and claims['job_workflow_ref'] eq 'a/b/c.yml@main'`.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ClaimsMatchingExpression {
    /// The expression.
    pub value: String,
    /// The version of the language: 1.
    #[serde(alias = "languageVersion", default = "version")]
    pub language_version: u32,
}

impl ClaimsMatchingExpression {
    /// Parses the expression.
    ///
    /// # Errors
    /// Returns the problem of an invalid expression.
    pub(crate) fn expression(&self) -> Result<Expression<'_>, &'static str> {
        if self.language_version != 1 {
            return Err("its language_version must be 1");
        }
        Expression::parse(&self.value)
    }
}

fn version() -> u32 {
    1
}

/// The keys of an issuer of assertions, which the emulator then does not fetch.
///
/// ```
/// use entra_emulator::{Config, EmulatorBuilder};
///
/// let config = Config::from_json(
///     r#"{"issuer_keys": [{
///         "issuer": "https://token.actions.githubusercontent.com",
///         "jwks": {"keys": []}
///     }]}"#,
/// )?;
/// // A set without an RSA key is rejected.
/// assert!(EmulatorBuilder::from(config).try_build().is_err());
/// # Ok::<(), entra_emulator::Error>(())
/// ```
#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct IssuerKeys {
    /// The issuer, exactly as in `iss`.
    pub issuer: String,
    /// The JSON Web Key Set (RFC 7517, section 5), as at the issuer's `jwks_uri`.
    pub jwks: serde_json::Value,
}

impl fmt::Debug for IssuerKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssuerKeys")
            .field("issuer", &self.issuer)
            .finish_non_exhaustive()
    }
}

/// Returns true for a URL that can be an issuer.
pub(crate) fn is_issuer(text: &str) -> bool {
    let rest = ["https://", "http://"]
        .iter()
        .find_map(|scheme| text.strip_prefix(scheme));
    rest.is_some_and(|rest| {
        let authority = rest.split('/').next().unwrap_or_default();
        crate::host::is_authority(authority) && !rest.contains(['?', '#'])
    })
}

/// Returns true for a text that can be compared exactly: white space at its ends is a copying
/// error.
fn is_exact(text: &str) -> bool {
    (1..=LONGEST).contains(&text.len()) && text.trim() == text && !text.chars().any(char::is_control)
}

const NOT_EXACT: &str = "it must have 1 to 600 characters, without white space at its ends";
/// The longest issuer, subject and audience, in bytes.
const LONGEST: usize = 600;
