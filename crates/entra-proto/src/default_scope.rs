//! The suffix `/.default`: the scope for all permissions that were granted on one API.

/// Returns the resource of a `/.default` scope: removes exactly one `/.default` from the end.
/// `None` for any other scope.
pub(crate) fn resource_of(scope: &str) -> Option<&str> {
    scope.strip_suffix(DEFAULT_SUFFIX)
}

/// The suffix that turns an API's audience into the scope for all permissions granted on it.
pub(crate) const DEFAULT_SUFFIX: &str = "/.default";
