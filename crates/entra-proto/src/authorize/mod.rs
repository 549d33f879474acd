//! Sign-in and consent in a browser: a URL for the browser, and the redirect that returns (RFC
//! 6749, section 4.1; the Entra documents on the authorization code flow and on admin consent).

mod admin_consent;
mod pending;
mod pkce;
mod redirect;
mod redirect_uri;
mod request;
mod stored;

pub use crate::issued::{IdToken, RefreshToken, UserAssertion};
pub use admin_consent::{AdminConsent, AdminConsentRequest, PendingAdminConsent};
pub use pending::{PendingAuthorization, ReportedConsent};
pub(crate) use pkce::CodeVerifier;
pub use redirect::Redirect;
pub use redirect_uri::RedirectUri;
pub use request::{AuthorizeRequest, Prompt, ResponseMode};
