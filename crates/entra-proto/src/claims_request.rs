//! The `claims` parameter of a token request.

use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::error::{Error, Input, InputError};

/// The `claims` parameter (OpenID Connect Core 1.0, section 5.5): the claims that an API's
/// challenge requires, and the client's capabilities.
///
/// It is stored in a canonical form (members sorted, no white space), so that equal requests have
/// equal texts.
///
/// ```
/// use entra_proto::claims::ClaimsRequest;
///
/// let claims = ClaimsRequest::parse(r#"{"access_token": {"nbf": null}}"#)?
///     .with_capabilities(&["cp1"]);
/// assert_eq!(
///     claims.as_str(),
///     r#"{"access_token":{"nbf":null,"xms_cc":{"values":["cp1"]}}}"#,
/// );
/// # Ok::<(), entra_proto::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ClaimsRequest(Arc<str>);

impl ClaimsRequest {
    /// Parses a claims request: a JSON object with members that are objects or null.
    ///
    /// # Errors
    /// Returns an error if the text is anything else or longer than 16 KiB. The error does
    /// not repeat the text.
    pub fn parse(json: &str) -> Result<Self, Error> {
        let invalid = |problem: &'static str| {
            Error::from(
                InputError::new(Input::Claims, problem)
                    .with_hint("pass on the claims of the challenge, decoded and otherwise unchanged"),
            )
        };
        if json.len() > MAX_CLAIMS {
            return Err(invalid("are longer than 16 KiB"));
        }
        let value: Value = serde_json::from_str(json).map_err(|_| invalid("are not JSON"))?;
        let Value::Object(members) = &value else {
            return Err(invalid("are not a JSON object"));
        };
        if !members.values().all(|member| member.is_object() || member.is_null()) {
            return Err(invalid("have a member that is not an object"));
        }
        Ok(Self::canonical(value))
    }

    /// Creates a request without claims that declares these capabilities, such as `cp1` for claims
    /// challenges.
    #[must_use]
    pub fn capabilities(capabilities: &[impl AsRef<str>]) -> Self {
        Self("{}".into()).with_capabilities(capabilities)
    }

    /// Adds capabilities of the client (`xms_cc` of the access token) to those that the request
    /// already declares.
    #[must_use]
    pub fn with_capabilities(&self, capabilities: &[impl AsRef<str>]) -> Self {
        if capabilities.is_empty() {
            return self.clone();
        }
        let mut root: Map<String, Value> = serde_json::from_str(&self.0).unwrap_or_default();
        let mut token = take_object(&mut root, "access_token");
        let mut claim = take_object(&mut token, "xms_cc");
        let mut values = match claim.remove("values") {
            Some(Value::Array(values)) => values,
            _ => Vec::new(),
        };
        for capability in capabilities.iter().map(AsRef::as_ref) {
            // The service compares capabilities case-insensitively.
            let known = |value: &Value| value.as_str().is_some_and(|text| text.eq_ignore_ascii_case(capability));
            if !values.iter().any(known) {
                values.push(Value::from(capability));
            }
        }
        claim.insert("values".into(), Value::Array(values));
        token.insert("xms_cc".into(), Value::Object(claim));
        root.insert("access_token".into(), Value::Object(token));
        Self::canonical(Value::Object(root))
    }

    /// Returns the JSON text as it is sent.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Sorts the members explicitly: serde_json does so by itself unless another crate enables
    /// `preserve_order`.
    fn canonical(mut value: Value) -> Self {
        value.sort_all_objects();
        Self(value.to_string().into())
    }
}

impl fmt::Debug for ClaimsRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The maximum length of a claims request in bytes. A challenge comes from the network, in one
/// header.
pub(crate) const MAX_CLAIMS: usize = 16 * 1024;

/// Removes and returns the object under `name`, or an empty one if it is missing.
fn take_object(parent: &mut Map<String, Value>, name: &str) -> Map<String, Value> {
    match parent.remove(name) {
        Some(Value::Object(object)) => object,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_are_merged_into_the_challenged_claims() {
        let challenge = r#"{"id_token":{"auth_time":{"essential":true}},"access_token":{"nbf":{"essential":true,"value":"1563308371"}}}"#;
        let merged = ClaimsRequest::parse(challenge)
            .unwrap()
            .with_capabilities(&["foo", "bar"]);
        let expected = r#"{"access_token":{"nbf":{"essential":true,"value":"1563308371"},"xms_cc":{"values":["foo","bar"]}},"id_token":{"auth_time":{"essential":true}}}"#;
        assert_eq!(merged.as_str(), expected);
    }

    #[test]
    fn capability_is_declared_once_in_any_case() {
        let claims = ClaimsRequest::capabilities(&["CP1", "cp1"]).with_capabilities(&["Cp1", "cp2"]);
        assert_eq!(
            claims.as_str(),
            r#"{"access_token":{"xms_cc":{"values":["CP1","cp2"]}}}"#
        );
    }

    #[test]
    fn malformed_claims_are_repaired_or_rejected() {
        for odd in [
            r#"{"access_token":null}"#,
            r#"{"access_token":{"xms_cc":null}}"#,
            r#"{"access_token":{"xms_cc":{"values":3}}}"#,
        ] {
            let claims = ClaimsRequest::parse(odd).unwrap().with_capabilities(&["cp1"]);
            assert_eq!(
                claims.as_str(),
                r#"{"access_token":{"xms_cc":{"values":["cp1"]}}}"#,
                "{odd}"
            );
        }
        let deep = format!("{}{}", r#"{"a":"#.repeat(5000), "}".repeat(5000));
        for bad in [
            "",
            "canary",
            "[]",
            "\"canary\"",
            r#"{"access_token":"canary"}"#,
            &deep,
            &format!("{{\"a\":{{}}}}{}", " ".repeat(MAX_CLAIMS)),
        ] {
            let error = ClaimsRequest::parse(bad).expect_err(bad).to_string();
            assert!(!error.contains("canary"), "{error}");
        }
    }
}
