//! The parameters of a recorded request.

use std::fmt;

/// A decoded parameter. `Debug` hides the value if the name indicates a secret.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Parameter {
    /// The name as sent.
    pub name: String,
    /// The decoded value.
    pub value: String,
}

impl Parameter {
    /// Returns whether the name indicates a secret value.
    pub(crate) fn is_secret(&self) -> bool {
        is_secret(&self.name)
    }
}

/// Returns whether the name of a parameter indicates that its value is secret.
pub(crate) fn is_secret(name: &str) -> bool {
    let mut hidden = SECRET_PARAMETERS.iter().chain(MORE_SECRETS);
    hidden.any(|secret| name.eq_ignore_ascii_case(secret))
}

impl fmt::Debug for Parameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = if self.is_secret() { "[redacted]" } else { &self.value };
        write!(f, "{}={value:?}", self.name)
    }
}

/// Copies decoded parameters up to the limits of an event.
pub(crate) fn parameters(pairs: &[(String, String)]) -> Vec<Parameter> {
    let mut room = MOST_PARAMETER_BYTES;
    pairs
        .iter()
        .take(MOST_PARAMETERS)
        .take_while(|(name, value)| {
            let size = name.len() + value.len();
            let fits = size <= room;
            room = room.saturating_sub(size);
            fits
        })
        .map(|(name, value)| Parameter {
            name: name.clone(),
            value: value.clone(),
        })
        .collect()
}

const MOST_PARAMETERS: usize = 64;
const MOST_PARAMETER_BYTES: usize = 64 * 1024;

/// More parameters whose values may be secret: a plain challenge is the verifier itself, and the
/// others are headers of managed identities, which are sometimes sent as parameters by mistake.
const MORE_SECRETS: &[&str] = &["code_challenge", "identity_header", "secret", "x-identity-header"];

/// The parameters whose values `Debug` never shows.
pub(crate) const SECRET_PARAMETERS: &[&str] = &[
    "access_token",
    "assertion",
    "client_assertion",
    "client_secret",
    "code",
    "code_verifier",
    "device_code",
    "id_token",
    "id_token_hint",
    "password",
    "refresh_token",
    "transaction",
    "user_code",
    "user_federated_identity_credential",
];
