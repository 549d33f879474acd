//! The way through a browser: a URL out, a redirect back in (RFC 6749, section 4.1; the Entra documents on the authorization code
//! flow and on admin consent).

mod admin_consent;
mod kept;
mod pending;
mod pkce;
mod redirect;
mod redirect_uri;
mod request;

pub use crate::issued::{AuthorizationCode, IdToken, RefreshToken, UserAssertion};
pub use admin_consent::{AdminConsent, AdminConsentRequest, PendingAdminConsent};
pub use pending::{PendingAuthorization, ToldConsent};
pub use pkce::CodeVerifier;
pub use redirect::{MAX_REDIRECT, Redirect};
pub use redirect_uri::RedirectUri;
pub use request::{AuthorizeRequest, Prompt, ResponseMode};
