//! The outcome of a sign-in.

use entra_proto::Guid;
use entra_proto::authorize::IdToken;
use entra_proto::claims::UnverifiedClaims;

use crate::token::Token;
use crate::user::User;

/// The outcome of a sign-in: the user, and the user's first token.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SignIn {
    /// The tenant of the sign-in: the `tid` claim of the ID token, or of the access token if there
    /// is no ID token.
    pub tenant: Guid,
    /// The signed-in user, for requesting more tokens. `None` if no refresh token was issued. Entra
    /// issues one unless it is configured otherwise.
    pub user: Option<User>,
    /// The token for the target of the sign-in. It is cached as well.
    pub token: Token,
    /// The ID token, which identifies the user to the application.
    pub id_token: Option<IdToken>,
    /// The granted permissions, separated by spaces, if the service names them.
    pub scope: Option<String>,
}

impl SignIn {
    /// Returns the sign-in name of the user, for display only: it may change, so do not use it as a
    /// key.
    #[must_use]
    pub fn username(&self) -> Option<String> {
        self.claims()?.username().map(str::to_owned)
    }

    /// Returns the object ID of the user in the tenant. Together with the tenant's ID, it is a
    /// stable key.
    #[must_use]
    pub fn object_id(&self) -> Option<Guid> {
        self.claims()?.object_id()
    }

    fn claims(&self) -> Option<UnverifiedClaims> {
        let of_id_token = self.id_token.as_ref().and_then(|token| token.claims().ok());
        of_id_token.or_else(|| UnverifiedClaims::decode(self.token.expose()).ok())
    }
}
