//! Grants: the basis on which a token is requested.

use std::sync::Arc;

use zeroize::Zeroizing;

use crate::agent_user::AgentUser;
use crate::authorize::{CodeVerifier, RedirectUri};
use crate::issued::{AuthorizationCode, DeviceCode, RefreshToken, UserAssertion};
use crate::secret::ClientAssertion;
use crate::secret_text::hash;

/// A grant (RFC 6749, section 1.3, and its extensions).
#[derive(Clone)]
pub(crate) enum Grant {
    /// The application acts for itself (RFC 6749, section 4.4).
    ClientCredentials {
        /// The identity that the application vouches for, as a path.
        fmi_path: Option<Arc<str>>,
    },
    /// A user signed in with a browser (RFC 6749, section 4.1).
    AuthorizationCode {
        code: AuthorizationCode,
        redirect_uri: RedirectUri,
        verifier: CodeVerifier,
        nonce: Zeroizing<String>,
    },
    /// A user signed in before (RFC 6749, section 6).
    RefreshToken(RefreshToken),
    /// A user called the application's API (RFC 7523, section 2.1; the Entra document on the
    /// on-behalf-of flow).
    OnBehalfOf(UserAssertion),
    /// A user signs in on another device (RFC 8628).
    DeviceCode(DeviceCode),
    /// An agent identity acts as its user account (the Entra document on agent users).
    AgentUser {
        user: AgentUser,
        /// The agent's own token, once it was acquired.
        token: Option<ClientAssertion>,
    },
}

impl Grant {
    /// Returns a text that distinguishes the users of such grants in a cache key. Empty for the
    /// application itself.
    pub(crate) fn fingerprint(&self) -> String {
        match self {
            Self::ClientCredentials { fmi_path } => fmi_path
                .as_ref()
                .map_or_else(String::new, |path| format!("fmi_path={path}")),
            Self::AuthorizationCode { code, .. } => format!("code={}", hash(code.expose())),
            Self::RefreshToken(token) => format!("refresh_token={}", hash(token.expose())),
            Self::OnBehalfOf(assertion) => format!("assertion={}", assertion.hash()),
            Self::DeviceCode(code) => format!("device_code={}", hash(code.expose())),
            Self::AgentUser { user, .. } => {
                let (name, user) = user.parameter();
                format!("{name}={user}")
            }
        }
    }

    /// Returns the secrets, which no error may show.
    pub(crate) fn secrets(&self) -> [Option<&str>; 2] {
        match self {
            Self::ClientCredentials { .. } => [None, None],
            Self::AuthorizationCode { code, verifier, .. } => [Some(code.expose()), Some(verifier.expose())],
            Self::RefreshToken(token) => [Some(token.expose()), None],
            Self::OnBehalfOf(assertion) => [Some(assertion.expose()), None],
            Self::DeviceCode(code) => [Some(code.expose()), None],
            Self::AgentUser { token, .. } => [token.as_ref().map(ClientAssertion::expose), None],
        }
    }
}
