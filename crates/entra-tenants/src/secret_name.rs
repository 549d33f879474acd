//! The names of secrets.

use entra_proto::{ClientId, Guid};

use super::error::TenantStoreError;

/// The name of a secret: the application and the tenant that it belongs to, and a text of the
/// caller, such as the key of a cache of refresh tokens.
///
/// A name is not secret: a store does not encrypt it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SecretName<'a> {
    client_id: ClientId,
    tenant: Guid,
    name: &'a str,
}

impl<'a> SecretName<'a> {
    /// Creates a name. The text has at most 1024 bytes, which a store checks, and is compared byte
    /// by byte.
    #[must_use]
    pub const fn new(client_id: ClientId, tenant: Guid, name: &'a str) -> Self {
        Self {
            client_id,
            tenant,
            name,
        }
    }

    /// Returns the application.
    #[must_use]
    pub const fn client_id(&self) -> ClientId {
        self.client_id
    }

    /// Returns the tenant.
    #[must_use]
    pub const fn tenant(&self) -> Guid {
        self.tenant
    }

    /// Returns the caller's text.
    #[must_use]
    pub const fn name(&self) -> &'a str {
        self.name
    }

    /// Returns an error for a name that no store accepts.
    pub(super) const fn check(&self, secret: &[u8]) -> Result<(), TenantStoreError> {
        let (what, limit) = if self.name.len() > LONGEST_NAME {
            ("the name of a secret", LONGEST_NAME)
        } else if secret.len() > LONGEST_SECRET {
            ("a secret", LONGEST_SECRET)
        } else {
            return Ok(());
        };
        Err(TenantStoreError::TooLarge { what, limit })
    }
}

/// The most bytes of a secret. Refresh tokens have one or two thousand.
const LONGEST_SECRET: usize = 16 * 1024;
/// The most bytes of a name.
const LONGEST_NAME: usize = 1024;
