//! Claims challenges (the Entra documents' "Claims challenges, claims requests and client
//! capabilities").

use entra_proto::Timestamp;
use entra_proto::claims::ClaimsRequest;

use crate::principal::Principal;
use crate::rejection::Rejection;

impl Principal {
    /// Returns the rejection that requests a token with these claims from the client.
    ///
    /// The response is `invalid_token` if the client cannot handle a claims challenge (see
    /// [`takes_claims_challenges`](Self::takes_claims_challenges)).
    #[must_use]
    pub fn challenge(&self, claims: ClaimsRequest) -> Rejection {
        Rejection::Claims {
            claims,
            is_understood: self.takes_claims_challenges(),
        }
    }

    /// Checks that the token was issued at `moment` or later, for example after the user's sessions
    /// were revoked.
    ///
    /// Entra sets `iat` about five minutes back. A token that it issues in the first minutes after
    /// `moment` is therefore rejected too.
    ///
    /// # Errors
    /// Returns a [`challenge`](Self::challenge) if the token was issued earlier, as in continuous
    /// access evaluation (CAE).
    pub fn issued_since(&self, moment: Timestamp) -> Result<(), Rejection> {
        if self.issued_at() >= moment {
            return Ok(());
        }
        let claims = format!(
            r#"{{"access_token":{{"nbf":{{"essential":true,"value":"{}"}}}}}}"#,
            moment.as_secs()
        );
        Err(self.challenge_json(&claims))
    }

    /// Checks that the user satisfied an authentication context, such as `c1`.
    ///
    /// # Errors
    /// Returns a [`challenge`](Self::challenge) for the context if the token does not have it.
    pub fn satisfies(&self, context: &str) -> Result<(), Rejection> {
        if self.auth_contexts().any(|it| it == context) {
            return Ok(());
        }
        let claims = serde_json::json!({"access_token": {"acrs": {"essential": true, "value": context}}});
        Err(self.challenge_json(&claims.to_string()))
    }

    fn challenge_json(&self, claims: &str) -> Rejection {
        // Only a context that is far too long fails to parse. Without claims, the challenge
        // requests a new token.
        let claims = ClaimsRequest::parse(claims).unwrap_or_else(|_| ClaimsRequest::capabilities(&[""; 0]));
        self.challenge(claims)
    }
}
