use entra_proto::{ClientId, Cloud, Guid, Tenant, Timestamp};

use super::error::TenantStoreError;

/// A tenant whose administrator consented to an application.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConsentedTenant {
    /// The application that was consented to.
    pub client_id: ClientId,
    /// The tenant: `tid` of a token, or `tenant` of the admin consent's answer.
    pub tenant: Guid,
    /// When it consented first, in whole seconds.
    pub first_consented_at: Timestamp,
    /// When it consented last, in whole seconds.
    pub consented_at: Timestamp,
    /// Who consented last, where that is known: a user name or an object id, at most 256 bytes.
    /// Text of the service's, for people to read.
    pub consented_by: Option<String>,
    /// The cloud that the tenant is in, where that is known: where its tokens come from.
    pub cloud: Option<Cloud>,
    /// What was granted, as the last consent that told it showed it: scopes or roles, at most 16
    /// KiB of text. Empty where nothing is known.
    pub granted: Vec<String>,
}

impl ConsentedTenant {
    /// A consent of which no more is known. Parts of a second are dropped.
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

    /// Names who consented.
    #[must_use]
    pub fn with_user(mut self, user: impl Into<String>) -> Self {
        self.consented_by = Some(user.into());
        self
    }

    /// Names the cloud that the tenant is in.
    #[must_use]
    pub fn with_cloud(mut self, cloud: Cloud) -> Self {
        self.cloud = Some(cloud);
        self
    }

    /// Names what was granted.
    #[must_use]
    pub fn with_granted<S: Into<String>>(mut self, granted: impl IntoIterator<Item = S>) -> Self {
        self.granted = granted.into_iter().map(Into::into).collect();
        self
    }

    /// What is known after two consents of one tenant to one application, told in either order.
    ///
    /// The first moment is the earlier first one and the last moment the later last one. For the
    /// rest the later consent counts (`newer` where they are of the same second), and the other one
    /// where the later does not tell.
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

    /// Refuses what no store takes.
    pub(super) fn check(&self) -> Result<(), TenantStoreError> {
        if Tenant::check_organization(self.tenant).is_err() {
            return Err(TenantStoreError::PersonalAccounts(self.tenant));
        }
        let too_large = |what, limit| Err(TenantStoreError::TooLarge { what, limit });
        if self.consented_by.as_ref().is_some_and(|user| user.len() > LONGEST_TEXT) {
            return too_large("the name of who consented", LONGEST_TEXT);
        }
        // One more for each, so that many empty ones are not nothing.
        if self.granted.iter().map(|granted| granted.len() + 1).sum::<usize>() > MOST_GRANTED {
            return too_large("the list of what was granted", MOST_GRANTED);
        }
        Ok(())
    }

    /// The same, with whole seconds: the fields are public.
    pub(super) const fn in_whole_seconds(mut self) -> Self {
        self.first_consented_at = Timestamp::from_secs(self.first_consented_at.as_secs());
        self.consented_at = Timestamp::from_secs(self.consented_at.as_secs());
        self
    }
}

/// In bytes.
const LONGEST_TEXT: usize = 256;
const MOST_GRANTED: usize = 16 * 1024;
