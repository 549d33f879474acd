//! The identity of a target: it decides whether two requests are for the same token.
//!
//! An in-memory cache compares targets without allocating ([`TargetIdentity`]); the key of a shared
//! cache needs the same text for all equal targets (`canonical`). Both ignore the order and the
//! repetition of scopes, and treat a resource and its `/.default` scope as equal.

use std::hash::{Hash, Hasher};

use crate::default_scope::resource_of;
use crate::target::Target;

/// A target for comparison in a cache. The order of scopes does not matter, and a resource equals
/// its `/.default` scope.
///
/// ```
/// use entra_proto::Target;
///
/// let resource = Target::resource("https://graph.microsoft.com")?;
/// let scope = Target::scopes("https://graph.microsoft.com/.default")?;
/// assert!(resource.identity() == scope.identity());
/// let one = Target::scopes("User.Read openid")?;
/// let other = Target::scopes("openid User.Read")?;
/// assert!(one.identity() == other.identity());
/// # Ok::<(), entra_proto::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct TargetIdentity<'a>(&'a Target);

impl Target {
    /// Returns the target for comparison in a cache.
    #[inline]
    #[must_use]
    pub fn identity(&self) -> TargetIdentity<'_> {
        TargetIdentity(self)
    }
}

impl PartialEq for TargetIdentity<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self.0, other.0) {
            (Target::Resource(one), Target::Resource(other)) => one == other,
            (Target::Resource(resource), Target::Scopes(scopes))
            | (Target::Scopes(scopes), Target::Resource(resource)) => {
                whole_api(scopes.as_str()) == Some(resource.as_str())
            }
            (Target::Scopes(one), Target::Scopes(other)) => {
                let (one, other) = (one.as_str(), other.as_str());
                one == other || (holds_all(one, other) && holds_all(other, one))
            }
        }
    }
}

impl Eq for TargetIdentity<'_> {}

impl Hash for TargetIdentity<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let name = match self.0 {
            Target::Resource(resource) => resource.as_str(),
            // The smallest of several scopes does not depend on their order.
            Target::Scopes(scopes) => whole_api(scopes.as_str())
                .or_else(|| scopes.as_str().split(' ').min())
                .unwrap_or_default(),
        };
        state.write(name.as_bytes());
    }
}

/// Sorts the scopes of a `scope` parameter and removes duplicates, which yields the same text for
/// every order.
pub(crate) fn canonical(parameter: &str) -> String {
    let mut scopes: Vec<&str> = parameter.split(' ').collect();
    scopes.sort_unstable();
    scopes.dedup();
    scopes.join(" ")
}

/// Returns the resource if the parameter is only its `/.default` scope, possibly repeated.
fn whole_api(scopes: &str) -> Option<&str> {
    let (scope, others) = scopes.split_once(' ').unwrap_or((scopes, scopes));
    let is_alone = others.split(' ').all(|other| other == scope);
    resource_of(scope).filter(|_| is_alone)
}

fn holds_all(all: &str, part: &str) -> bool {
    part.split(' ').all(|scope| all.split(' ').any(|found| found == scope))
}

#[cfg(test)]
mod tests {
    use std::hash::{BuildHasher, RandomState};

    use super::*;
    use crate::application::Application;
    use crate::authority::EndpointVersion;
    use crate::guid::Guid;
    use crate::secret::ClientSecret;

    fn targets() -> Vec<Target> {
        let words = [
            "https://a/.default",
            "https://a/.default openid",
            "openid https://a/.default openid",
            "https://b/.default",
        ];
        let more = [
            "https://a/.default https://a/.default",
            "https://a//.default",
            "https://a/.default profile",
        ];
        let scopes = words
            .into_iter()
            .chain(more)
            .map(|scopes| Target::scopes(scopes).unwrap());
        let resources =
            ["https://a", "https://a/", "https://b", "https://A"].map(|name| Target::resource(name).unwrap());
        scopes.chain(resources).collect()
    }

    #[test]
    fn scopes_have_a_canonical_form() {
        assert_eq!(canonical("b/.default openid a/x openid"), "a/x b/.default openid");
    }

    #[test]
    fn same_target_has_the_same_hash_and_shared_key() {
        let application = |version| {
            let authority = "https://login.microsoftonline.com/contoso.com".parse().unwrap();
            let secret = ClientSecret::new("s").unwrap();
            Application::new(authority, Guid::from_bytes([1; 16]).into(), secret).with_endpoint_version(version)
        };
        let (hasher, mut same) = (RandomState::new(), 0);
        for one in targets() {
            for other in targets() {
                let is_same = one.identity() == other.identity();
                assert_eq!(is_same, other.identity() == one.identity(), "{one:?} {other:?}");
                if is_same {
                    same += 1;
                    assert_eq!(hasher.hash_one(one.identity()), hasher.hash_one(other.identity()));
                }
                for version in [EndpointVersion::V1, EndpointVersion::V2] {
                    let key = |target: &Target| {
                        let request = application(version).client_credentials(target.clone());
                        request.map(|request| request.cache_key().as_str().to_owned())
                    };
                    let (Ok(one_key), Ok(other_key)) = (key(&one), key(&other)) else {
                        continue;
                    };
                    assert!(!is_same || one_key == other_key, "{one_key} {other_key}");
                    // On v2 the keys are equal only for equal targets.
                    assert!(version == EndpointVersion::V1 || is_same == (one_key == other_key));
                }
            }
        }
        // Each of the 11 targets equals itself. Further pairs: a resource, its scope and the
        // repeated scope; another resource and its scope; two orders of scopes; the resource with a
        // slash and its scope.
        assert_eq!(same, 11 + 6 + 2 + 2 + 2);
    }
}
