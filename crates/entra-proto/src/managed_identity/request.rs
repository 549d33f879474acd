//! A request for a token of a managed identity.

use std::fmt;
use std::sync::Arc;

use crate::access_token::AccessToken;
use crate::cache_key::CacheKey;
use crate::claims_request::ClaimsRequest;
use crate::default_scope::resource_of;
use crate::error::{Error, Input, InputError};
use crate::managed_identity::identity::Identity;
use crate::managed_identity::principal::ManagedIdentity;
use crate::managed_identity::source::Source;
use crate::printable::excerpt;
use crate::secrecy::may_be_secret;
use crate::target::Target;

/// A valid request for a token of a managed identity.
///
/// [`ManagedIdentity::request`] creates it. [`start`](Self::start) reads the variables of the host
/// and begins the acquisition, so one request serves many acquisitions while the platform rotates
/// its secrets.
#[derive(Clone)]
pub struct ManagedIdentityRequest {
    managed: ManagedIdentity,
    source: Source,
    target: Target,
    has_claims: bool,
    /// The SHA-256 hash of the token that an API has rejected, in lower-case hexadecimal digits.
    rejected: Option<Arc<str>>,
    is_probing: bool,
}

impl ManagedIdentityRequest {
    pub(super) fn of(managed: ManagedIdentity, source: Source, target: Target) -> Result<Self, Error> {
        resource(&target)?;
        Ok(Self {
            managed,
            source,
            target,
            has_claims: false,
            rejected: None,
            is_probing: false,
        })
    }

    /// Tells the source that an API has rejected a token with these claims. Do not use a cached
    /// token for such a request.
    ///
    /// Only Service Fabric can replace a token: together with [`replacing`](Self::replacing), the
    /// request names the rejected one. Other sources may respond with the token that they cache
    /// themselves.
    ///
    /// # Errors
    /// Returns an error as [`ClaimsRequest::parse`] does.
    pub fn with_claims(mut self, challenge: &str) -> Result<Self, Error> {
        ClaimsRequest::parse(challenge)?;
        self.has_claims = true;
        Ok(self)
    }

    /// Sets the token that the API has rejected. Only its hash is stored and sent, and only
    /// together with [claims](Self::with_claims).
    #[must_use]
    pub fn replacing(mut self, token: &AccessToken) -> Self {
        let hash = hmac_sha256::Hash::hash(token.expose().as_bytes());
        let digits: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        self.rejected = Some(digits.into());
        self
    }

    /// Sets whether the machine may have no managed identity at all, as in a chain of credentials.
    ///
    /// The first request to the instance metadata service is then a probe of one second. Without a
    /// response, or with one of another service, the error [is absent](Error::is_absent). Other
    /// sources are not probed, because the environment names them.
    #[must_use]
    pub fn probing(mut self, is_probing: bool) -> Self {
        self.is_probing = is_probing;
        self
    }

    /// Returns the cache key: two requests with the same key may share a token. The token belongs
    /// to this machine, so do not share it with others.
    ///
    /// The key consists of the source, the identity in lower case, and the resource.
    #[must_use]
    pub fn cache_key(&self) -> CacheKey {
        let identity = self.managed.identity().kind();
        CacheKey(format!(
            "managed identity\n{:?}\n{}={}\n{}",
            self.source,
            identity.name(),
            identity.value().unwrap_or_default().to_ascii_lowercase(),
            self.resource()
        ))
    }

    /// Returns the target.
    #[must_use]
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Returns the resource, which the source is asked for.
    #[must_use]
    pub fn resource(&self) -> &str {
        // The target was checked when the request was created.
        resource(&self.target).unwrap_or_default()
    }

    /// Returns the source that the request is sent to.
    #[must_use]
    pub fn source(&self) -> Source {
        self.source
    }

    /// Returns the identity.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        self.managed.identity()
    }

    /// Describes the token and the source, for errors. Omits a resource that may be a misplaced
    /// secret.
    pub(crate) fn requested(&self) -> Arc<str> {
        if may_be_secret(self.resource()) {
            format!("a token from {}", self.source).into()
        } else {
            format!("a token for {} from {}", excerpt(self.resource(), 200), self.source).into()
        }
    }

    pub(super) fn managed(&self) -> &ManagedIdentity {
        &self.managed
    }

    pub(super) fn is_probing(&self) -> bool {
        self.is_probing
    }

    /// Returns the hash of the token to replace, if an API has rejected it with claims.
    pub(super) fn rejected(&self) -> Option<&str> {
        self.rejected.as_deref().filter(|_| self.has_claims)
    }

    pub(super) fn has_claims(&self) -> bool {
        self.has_claims
    }
}

impl fmt::Debug for ManagedIdentityRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "ManagedIdentityRequest({:?} for {:?} from {:?})",
            self.managed.identity(),
            self.target,
            self.source
        )
    }
}

/// Returns the resource of a target: exactly one `/.default` is removed from the end of a scope.
fn resource(target: &Target) -> Result<&str, Error> {
    let scopes = match target {
        Target::Resource(resource) => return Ok(resource.as_str()),
        Target::Scopes(scopes) => scopes,
    };
    let invalid = |problem: &'static str, hint: &'static str| {
        Err(InputError::new(Input::Scope, problem)
            .value(scopes.as_str())
            .with_hint(hint)
            .into())
    };
    let text = scopes.as_str();
    match scopes.iter().next() {
        Some(scope) if scope.as_str() == text => match resource_of(text) {
            Some(resource) => Ok(resource),
            None if scope.resource().is_some() => Ok(text),
            None => invalid(
                "names no API",
                "write the API's application ID URI followed by /.default",
            ),
        },
        _ => invalid(
            "are several, but a managed identity takes one resource per token",
            "request a token for each API, by its application ID URI followed by /.default",
        ),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::resource::Resource;
    use crate::scope::Scope;

    proptest! {
        #[test]
        fn default_scope_and_resource_are_one(text in "[!-~]{1,60}") {
            let Ok(named) = text.parse::<Resource>() else { return Ok(()) };
            let of_resource = Target::from(named.clone());
            prop_assert_eq!(resource(&of_resource).unwrap(), named.as_str());
            let of_scope = Target::from(Scope::default_for(&named));
            prop_assert_eq!(resource(&of_scope).unwrap(), named.as_str());
        }
    }

    #[test]
    fn exactly_one_suffix_is_removed_from_exactly_one_scope() {
        for (scope, expected) in [
            (
                "https://database.windows.net//.default",
                Some("https://database.windows.net/"),
            ),
            ("https://vault.azure.net/.default", Some("https://vault.azure.net")),
            (
                "https://vault.azure.net/.default/.default",
                Some("https://vault.azure.net/.default"),
            ),
            ("api://x/Read", Some("api://x/Read")),
            ("https://a/.default https://b/.default", None),
            ("https://a/.default openid", None),
            ("User.Read", None),
            ("openid", None),
        ] {
            let target = Target::scopes(scope).unwrap();
            assert_eq!(resource(&target).ok(), expected, "{scope}");
        }
    }
}
