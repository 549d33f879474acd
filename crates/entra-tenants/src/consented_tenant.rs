//! The record of a consent.

use entra_proto::{ClientId, Cloud, Guid, Tenant, Timestamp};

use super::error::TenantStoreError;

/// A tenant whose administrator consented to an application.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConsentedTenant {
    /// The application.
    pub client_id: ClientId,
    /// The tenant: `tid` of a token, or `tenant` of the redirect after an admin consent.
    pub tenant: Guid,
    /// The time of the first consent, in whole seconds.
    pub first_consented_at: Timestamp,
    /// The time of the last consent, in whole seconds.
    pub consented_at: Timestamp,
    /// The user of the last consent, if known: a user name or an object ID, at most 256 bytes. It
    /// is text from the service, for display only.
    pub consented_by: Option<String>,
    /// The cloud of the tenant, if known. Its authority issues the tenant's tokens.
    pub cloud: Option<Cloud>,
    /// The granted scopes or roles, according to the last consent that reported them: at most 16
    /// KiB of text. Empty if nothing is known.
    pub granted: Vec<String>,
}

impl ConsentedTenant {
    /// Creates a record without optional data. Fractions of a second are dropped.
    #[must_use]
    pub const fn new(client_id: ClientId, tenant: Guid, at: Timestamp) -> Self {
        let at = Timestamp::from_secs(at.as_secs());
        Self {
            client_id,
            tenant,
            first_consented_at: at,
            consented_at: at,
            consented_by: None,
            cloud: None,
            granted: Vec::new(),
        }
    }

    /// Sets the user who consented.
    #[must_use]
    pub fn with_user(mut self, user: impl Into<String>) -> Self {
        self.consented_by = Some(user.into());
        self
    }

    /// Sets the cloud of the tenant.
    #[must_use]
    pub fn with_cloud(mut self, cloud: Cloud) -> Self {
        self.cloud = Some(cloud);
        self
    }

    /// Sets the granted scopes or roles.
    #[must_use]
    pub fn with_granted<S: Into<String>>(mut self, granted: impl IntoIterator<Item = S>) -> Self {
        self.granted = granted.into_iter().map(Into::into).collect();
        self
    }

    /// Combines two consents of one tenant to one application, reported in either order.
    ///
    /// The first time is the earlier one of both, and the last time the later one. All other fields
    /// come from the later consent (`newer` if both have the same second), or from the other one if
    /// the later consent does not have them.
    #[must_use]
    pub fn merge(older: Self, newer: Self) -> Self {
        let first_consented_at = older.first_consented_at.min(newer.first_consented_at);
        let (earlier, later) = if older.consented_at <= newer.consented_at {
            (older, newer)
        } else {
            (newer, older)
        };
        Self {
            first_consented_at,
            consented_by: later.consented_by.or(earlier.consented_by),
            cloud: later.cloud.or(earlier.cloud),
            granted: if later.granted.is_empty() {
                earlier.granted
            } else {
                later.granted
            },
            ..later
        }
    }

    /// Returns an error for a record that no store accepts.
    pub(super) fn check(&self) -> Result<(), TenantStoreError> {
        if Tenant::check_organization(self.tenant).is_err() {
            return Err(TenantStoreError::PersonalAccounts(self.tenant));
        }
        let too_large = |what, limit| Err(TenantStoreError::TooLarge { what, limit });
        if self.consented_by.as_ref().is_some_and(|user| user.len() > LONGEST_TEXT) {
            return too_large("the name of the user who consented", LONGEST_TEXT);
        }
        // Each entry counts one byte more, so that many empty entries count too.
        if self.granted.iter().map(|granted| granted.len() + 1).sum::<usize>() > MOST_GRANTED {
            return too_large("the list of granted scopes or roles", MOST_GRANTED);
        }
        Ok(())
    }

    /// Returns the record with times in whole seconds. The fields are public, so that a caller can
    /// set others.
    pub(super) const fn in_whole_seconds(mut self) -> Self {
        self.first_consented_at = Timestamp::from_secs(self.first_consented_at.as_secs());
        self.consented_at = Timestamp::from_secs(self.consented_at.as_secs());
        self
    }
}

/// The most bytes of a user.
const LONGEST_TEXT: usize = 256;
/// The most bytes of all granted scopes.
const MOST_GRANTED: usize = 16 * 1024;
