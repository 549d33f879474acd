use entra_proto::{ClientId, Guid};

use super::error::TenantStoreError;

/// What a secret is found by: the application and the tenant it belongs to, and a name of the
/// caller's, such as the key of a cache of refresh tokens.
///
/// A name is no secret: a store keeps it as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SecretName<'a> {
    client_id: ClientId,
    tenant: Guid,
    name: &'a str,
}

impl<'a> SecretName<'a> {
    /// A name of at most 1024 bytes, compared as it is. A store refuses longer ones.
    #[must_use]
    pub const fn new(client_id: ClientId, tenant: Guid, name: &'a str) -> Self {
        Self {
            client_id,
            tenant,
            name,
        }
    }

    /// The application.
    #[must_use]
    pub const fn client_id(&self) -> ClientId {
        self.client_id
    }

    /// The tenant.
    #[must_use]
    pub const fn tenant(&self) -> Guid {
        self.tenant
    }

    /// The caller's name.
    #[must_use]
    pub const fn name(&self) -> &'a str {
        self.name
    }

    /// Refuses what no store takes.
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

/// In bytes. Refresh tokens have one or two thousand.
const LONGEST_SECRET: usize = 16 * 1024;
const LONGEST_NAME: usize = 1024;
