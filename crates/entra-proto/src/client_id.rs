//! Client IDs.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Input, InputError};
use crate::guid::Guid;

/// The application (client) ID of an app registration: the `client_id` of OAuth 2.0 (RFC 6749,
/// section 2.2).
///
/// ```
/// use entra_proto::ClientId;
///
/// let id: ClientId = "535fb089-9ff3-47b6-9bfb-4f1264799865".parse()?;
/// assert_eq!(id.to_string(), "535fb089-9ff3-47b6-9bfb-4f1264799865");
/// # Ok::<(), entra_proto::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(Guid);

impl ClientId {
    /// Returns the ID as a GUID.
    #[must_use]
    pub const fn guid(self) -> Guid {
        self.0
    }
}

impl From<Guid> for ClientId {
    fn from(guid: Guid) -> Self {
        Self(guid)
    }
}

impl FromStr for ClientId {
    type Err = Error;

    /// Parses a GUID as [`Guid`] does.
    ///
    /// # Errors
    /// Returns an error if `text` is not a GUID. The error does not repeat the text.
    fn from_str(text: &str) -> Result<Self, Error> {
        text.parse().map(Self).map_err(|_| {
            InputError::new(Input::ClientId, "is not a GUID")
                .with_hint("copy \"Application (client) ID\" from the app registration's overview page")
                .into()
        })
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
