//! The key of a resource in a path.

use crate::api::graph::denial::Denial;

/// The key that names one resource of a collection.
#[derive(Clone, Copy)]
pub(super) enum Key<'p> {
    Id(&'p str),
    AppId(&'p str),
}

impl Key<'_> {
    /// Returns true if the key names the object with these IDs.
    pub(super) fn is(&self, id: &str, app_id: &str) -> bool {
        match self {
            Self::Id(key) => key.eq_ignore_ascii_case(id),
            Self::AppId(key) => key.eq_ignore_ascii_case(app_id),
        }
    }

    pub(super) fn not_found(&self) -> Denial {
        match self {
            Self::Id(key) | Self::AppId(key) => Denial::not_found(key),
        }
    }
}
