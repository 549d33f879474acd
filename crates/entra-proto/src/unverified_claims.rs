//! The claims of a token, read without verification.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::{Map, Value};

use crate::error::{Error, Input, InputError};
use crate::guid::Guid;
use crate::time::Timestamp;

/// The claims of a token, read without verification: for display, logs and finding one's own tenant
/// ID, never for a decision about access.
///
/// An access token is for its API to interpret, and Entra may change or encrypt it: the client must
/// work without these claims.
///
/// ```
/// use entra_proto::claims::UnverifiedClaims;
///
/// let token = concat!(
///     "eyJhbGciOiJSUzI1NiJ9.",
///     "eyJhdWQiOiJodHRwczovL2RhdGFiYXNlLndpbmRvd3MubmV0LyIs",
///     "InJvbGVzIjpbIlJlYWQiXX0.c2ln",
/// );
/// let claims = UnverifiedClaims::decode(token)?;
/// assert_eq!(claims.audience(), Some("https://database.windows.net/"));
/// assert_eq!(claims.roles().collect::<Vec<_>>(), ["Read"]);
/// # Ok::<(), entra_proto::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct UnverifiedClaims {
    header: Map<String, Value>,
    claims: Map<String, Value>,
}

impl UnverifiedClaims {
    /// Decodes the header and the claims of a JWT in compact form (RFC 7519). Ignores the
    /// signature.
    ///
    /// # Errors
    /// Returns an error if the token is opaque or encrypted, or if its parts are not base64url
    /// (padding is ignored) of JSON objects without duplicate members at the first level. The error
    /// does not repeat the token.
    pub fn decode(token: &str) -> Result<Self, Error> {
        let invalid = |problem: &'static str| Error::from(InputError::new(Input::Token, problem));
        let parts: Vec<&str> = token.trim().splitn(6, '.').collect();
        let (header, claims) = match parts.as_slice() {
            [header, claims, _signature] => (*header, *claims),
            [_, _, _, _, _] => return Err(invalid("is encrypted: only its API can read it")),
            _ => return Err(invalid("is opaque, not a JWT: only its API can read it")),
        };
        let object = |part: &str, problem: &'static str| {
            let damaged =
                || Error::from(InputError::new(Input::Token, problem).with_hint("copy the whole token, unchanged"));
            let bytes = URL_SAFE_NO_PAD
                .decode(part.trim_end_matches('='))
                .map_err(|_| damaged())?;
            let members: Members = serde_json::from_slice(&bytes).map_err(|_| damaged())?;
            Ok::<_, Error>(members.0)
        };
        Ok(Self {
            header: object(header, "has a header that is not base64url of a JSON object")?,
            claims: object(
                claims,
                "has claims that are not base64url of a JSON object without duplicate members",
            )?,
        })
    }

    /// Returns a claim by its name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.claims.get(name)
    }

    /// Returns all claims.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.claims.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// Returns the members of the header, such as `alg` and `kid`.
    pub fn header(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.header.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// Returns `aud`, the API that the token is for, or the first of several.
    #[must_use]
    pub fn audience(&self) -> Option<&str> {
        match self.get("aud")? {
            Value::Array(all) => all.first()?.as_str(),
            one => one.as_str(),
        }
    }

    /// Returns `iss`, the issuer.
    #[must_use]
    pub fn issuer(&self) -> Option<&str> {
        self.text("iss")
    }

    /// Returns `tid`, the tenant that the token was issued in.
    #[must_use]
    pub fn tenant_id(&self) -> Option<Guid> {
        self.text("tid")?.parse().ok()
    }

    /// Returns `oid`, the object ID of the service principal or of the user.
    #[must_use]
    pub fn object_id(&self) -> Option<Guid> {
        self.text("oid")?.parse().ok()
    }

    /// Returns `azp` of a v2 token or `appid` of a v1 token: the application that requested it.
    #[must_use]
    pub fn application_id(&self) -> Option<&str> {
        self.text("azp").or_else(|| self.text("appid"))
    }

    /// Returns `ver`, the format of the token: `1.0` or `2.0`. The API chooses it, not the
    /// endpoint.
    #[must_use]
    pub fn version(&self) -> Option<&str> {
        self.text("ver")
    }

    /// Returns `roles`, the application permissions.
    pub fn roles(&self) -> impl Iterator<Item = &str> {
        self.get("roles")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
    }

    /// Returns `scp`, the delegated permissions of a user. An app-only token has none.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        self.text("scp").into_iter().flat_map(str::split_ascii_whitespace)
    }

    /// Returns `sub`, an identifier of the user or the service principal that differs per
    /// application.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.text("sub")
    }

    /// Returns `preferred_username` of v2, or `upn` or `unique_name` of v1: the name that the user
    /// signs in with. Names can be reassigned: never use one as a key.
    #[must_use]
    pub fn username(&self) -> Option<&str> {
        ["preferred_username", "upn", "unique_name"]
            .into_iter()
            .find_map(|name| self.text(name))
    }

    /// Returns `nonce`, in an ID token the nonce of the sign-in.
    #[must_use]
    pub fn nonce(&self) -> Option<&str> {
        self.text("nonce")
    }

    /// Returns `exp`, the expiry.
    #[must_use]
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.moment("exp")
    }

    /// Returns `iat`, the moment at which the token was issued.
    #[must_use]
    pub fn issued_at(&self) -> Option<Timestamp> {
        self.moment("iat")
    }

    /// Returns `nbf`, the moment from which the token is valid. Entra sets it five minutes back.
    #[must_use]
    pub fn not_before(&self) -> Option<Timestamp> {
        self.moment("nbf")
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.as_str()
    }

    /// Returns a NumericDate (RFC 7519, section 2), which may have a fraction.
    fn moment(&self, name: &str) -> Option<Timestamp> {
        let seconds = self.get(name)?.as_f64()?;
        (seconds.is_finite() && seconds >= 0.0).then_some(Timestamp::from_secs(seconds as u64))
    }
}

/// The members of a JSON object without duplicates.
struct Members(Map<String, Value>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Once;
        impl<'de> Visitor<'de> for Once {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Members, A::Error> {
                let mut members = Map::new();
                while let Some((name, value)) = entries.next_entry()? {
                    if members.insert(name, value).is_some() {
                        return Err(A::Error::custom("duplicate member"));
                    }
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Once)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(claims: &str) -> String {
        format!(
            "{}.{}.",
            URL_SAFE_NO_PAD.encode("{\"alg\":\"none\"}"),
            URL_SAFE_NO_PAD.encode(claims)
        )
    }

    #[test]
    fn both_formats_are_decoded() {
        let v1 = UnverifiedClaims::decode(&token(
            r#"{"ver":"1.0","appid":"a","tid":"11111111-2222-3333-4444-555555555555","exp":1.5,"aud":["x","y"]}"#,
        ))
        .unwrap();
        assert_eq!(
            (v1.version(), v1.application_id(), v1.audience()),
            (Some("1.0"), Some("a"), Some("x"))
        );
        assert_eq!(
            v1.tenant_id().unwrap().to_string(),
            "11111111-2222-3333-4444-555555555555"
        );
        assert_eq!(v1.expires_at(), Some(Timestamp::from_secs(1)));
        let v2 =
            UnverifiedClaims::decode(&token(r#"{"azp":"b","scp":"A.Read B.Read","exp":-1,"nbf":"soon"}"#)).unwrap();
        assert_eq!(
            (v2.application_id(), v2.expires_at(), v2.not_before()),
            (Some("b"), None, None)
        );
        assert_eq!(v2.scopes().collect::<Vec<_>>(), ["A.Read", "B.Read"]);
    }

    #[test]
    fn invalid_token_is_not_repeated() {
        let deep = token(&format!("{{\"a\":{}1{}}}", "[".repeat(500), "]".repeat(500)));
        for bad in [
            "",
            "canary",
            "canary.canary",
            "a.b.c.d.e",
            "canary.canary.canary",
            &token("[]"),
            &token("{\"tid\":1,\"tid\":2}"),
            &deep,
        ] {
            let error = UnverifiedClaims::decode(bad).expect_err(bad).to_string();
            assert!(!error.contains("canary"), "{error}");
        }
        assert!(
            UnverifiedClaims::decode("a.b.c.d.e")
                .unwrap_err()
                .to_string()
                .contains("encrypted")
        );
    }
}
