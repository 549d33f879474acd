//! The scope for all that was granted on one API.

/// Returns the resource whose scope this is: exactly one trailing `/.default` is cut. `None` for any other scope.
pub(crate) fn resource_of(scope: &str) -> Option<&str> {
    scope.strip_suffix(DEFAULT_SUFFIX)
}

/// What turns an API's audience into the scope for all that was granted on it.
pub(crate) const DEFAULT_SUFFIX: &str = "/.default";
