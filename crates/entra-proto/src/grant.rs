use zeroize::Zeroizing;

use crate::authorize::{CodeVerifier, RedirectUri};
use crate::issued::{AuthorizationCode, DeviceCode, RefreshToken, UserAssertion};
use crate::secret_text::hash;

/// On what ground a token is asked for (RFC 6749, section 1.3, and its extensions).
#[derive(Clone)]
pub(crate) enum Grant {
    /// The application itself (RFC 6749, section 4.4).
    ClientCredentials,
    /// What a person's browser brought back (RFC 6749, section 4.1).
    AuthorizationCode {
        code: AuthorizationCode,
        redirect_uri: RedirectUri,
        verifier: CodeVerifier,
        nonce: Zeroizing<String>,
    },
    /// An earlier sign-in (RFC 6749, section 6).
    RefreshToken(RefreshToken),
    /// A user who called the application's API (RFC 7523, section 2.1; the Entra document on the on-behalf-of flow).
    OnBehalfOf(UserAssertion),
    /// A person who signs in on another device (RFC 8628).
    DeviceCode(DeviceCode),
}

impl Grant {
    /// What tells the user of one such grant from another's, for a cache: empty for the application itself.
    pub(crate) fn fingerprint(&self) -> String {
        match self {
            Self::ClientCredentials => String::new(),
            Self::AuthorizationCode { code, .. } => format!("code={}", hash(code.expose())),
            Self::RefreshToken(token) => format!("refresh_token={}", hash(token.expose())),
            Self::OnBehalfOf(assertion) => format!("assertion={}", assertion.hash()),
            Self::DeviceCode(code) => format!("device_code={}", hash(code.expose())),
        }
    }

    /// What no error may show.
    pub(crate) fn secrets(&self) -> [Option<&str>; 2] {
        match self {
            Self::ClientCredentials => [None, None],
            Self::AuthorizationCode { code, verifier, .. } => [Some(code.expose()), Some(verifier.expose())],
            Self::RefreshToken(token) => [Some(token.expose()), None],
            Self::OnBehalfOf(assertion) => [Some(assertion.expose()), None],
            Self::DeviceCode(code) => [Some(code.expose()), None],
        }
    }
}
