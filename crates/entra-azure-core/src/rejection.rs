//! The rejection of a token by an API, on its way from the policy to the credential.

use entra_client::Token;
use entra_proto::claims::ClaimsRequest;

/// The rejection of a token: a value in the context of the SDK's request.
///
/// It has no `Debug`, because it holds the text of a token.
pub(crate) struct Rejection {
    authorization: String,
    claims: Option<ClaimsRequest>,
}

impl Rejection {
    /// Records that an API rejected the token of this `Authorization` header, and the claims that
    /// it requires.
    pub(crate) fn new(authorization: &str, claims: Option<ClaimsRequest>) -> Self {
        Self {
            authorization: authorization.to_owned(),
            claims,
        }
    }

    /// Returns true if this token was rejected.
    pub(crate) fn is_of(&self, token: &Token) -> bool {
        self.is_of_header(token.authorization().as_bytes())
    }

    /// Returns true if the token of this `Authorization` header was rejected.
    pub(crate) fn is_of_header(&self, authorization: &[u8]) -> bool {
        self.authorization.as_bytes() == authorization
    }

    /// Returns the claims that the API requires.
    pub(crate) fn claims(&self) -> Option<&ClaimsRequest> {
        self.claims.as_ref()
    }
}
