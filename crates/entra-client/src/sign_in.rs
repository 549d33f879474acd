//! The outcome of a sign-in.

use entra_proto::Guid;
use entra_proto::authorize::IdToken;
use entra_proto::claims::UnverifiedClaims;

use crate::token::Token;
use crate::user::User;

/// What came of a sign-in: who it was, and his first token.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SignIn {
    /// The tenant that he signed in in: the `tid` of his ID token, or of the access token where there is none.
    pub tenant: Guid,
    /// He himself, to ask for more tokens: where the service gave a refresh token, as it does unless it was configured otherwise.
    pub user: Option<User>,
    /// The token for the target of the sign-in. It is in the cache as well.
    pub token: Token,
    /// Who he is, told to the application.
    pub id_token: Option<IdToken>,
    /// The permissions that were granted, where the service says so, separated by spaces.
    pub scope: Option<String>,
}

impl SignIn {
    /// The name that he signs in with: to be shown, and not to keep anything by.
    #[must_use]
    pub fn username(&self) -> Option<String> {
        self.claims()?.username().map(str::to_owned)
    }

    /// His object id in the tenant: with the tenant's id, what to keep things by.
    #[must_use]
    pub fn object_id(&self) -> Option<Guid> {
        self.claims()?.object_id()
    }

    fn claims(&self) -> Option<UnverifiedClaims> {
        let of_id_token = self.id_token.as_ref().and_then(|token| token.claims().ok());
        of_id_token.or_else(|| UnverifiedClaims::decode(self.token.expose()).ok())
    }
}
