//! The tenants that consented to a multi-tenant application, kept for ever after.
//!
//! An administrator consents in a browser, once; what the application learns then, the tenant's id, it needs for every token from then on.
//! A [`TenantDirectory`] keeps it, and beside it secrets that belong to a tenant: refresh tokens of users who signed in.
//!
//! ```
//! use entra_client::{ConsentedTenant, MemoryDirectory, SecretName, TenantDirectory};
//! use entra_proto::Timestamp;
//!
//! let app = "535fb089-9ff3-47b6-9bfb-4f1264799865".parse()?;
//! let contoso = "aaaabbbb-0000-cccc-1111-dddd2222eeee".parse()?;
//!
//! let directory = MemoryDirectory::default(); // DiskDirectory::at("tenants.redb"), with the feature `redb`
//! directory.put(&ConsentedTenant::new(app, contoso, Timestamp::from_secs(1_700_000_000)).with_user("admin@contoso.com"))?;
//! directory.keep_secret(SecretName::new(app, contoso, "admin@contoso.com"), b"a refresh token")?;
//!
//! assert_eq!(directory.list(None)?.tenants[0].tenant, contoso);
//! assert!(directory.forget(app, contoso)?); // and its secrets
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use entra_proto::{ClientId, Guid};
use zeroize::Zeroizing;

pub use self::consented_tenant::ConsentedTenant;
#[cfg(feature = "redb")]
pub use self::disk::DiskDirectory;
pub use self::error::DirectoryError;
#[cfg(feature = "redb")]
pub use self::key::DirectoryKey;
pub use self::memory::MemoryDirectory;
pub use self::secret_name::SecretName;
#[cfg(feature = "redb")]
pub use self::secrets::{KeptSecret, Secrets};
#[cfg(feature = "redb")]
pub use self::turn::DirectoryTurn;

mod consented_tenant;
#[cfg(feature = "redb")]
mod disk;
#[cfg(all(test, feature = "redb"))]
mod disk_tests;
mod error;
#[cfg(all(test, feature = "redb"))]
#[path = "../../tests/it/folder/mod.rs"]
mod folder;
#[cfg(feature = "redb")]
mod key;
mod memory;
#[cfg(feature = "redb")]
mod overlay;
#[cfg(all(test, feature = "redb"))]
mod overlay_tests;
#[cfg(feature = "redb")]
mod private_file;
#[cfg(feature = "redb")]
mod record;
#[cfg(feature = "redb")]
mod seal;
mod secret_name;
#[cfg(feature = "redb")]
mod secrets;
#[cfg(feature = "redb")]
mod storage;
#[cfg(feature = "redb")]
mod turn;

/// Where tenants that consented are kept, and secrets that belong to them.
///
/// Its methods block: a write that lasts takes some milliseconds of the disk's time. Call them off the threads of an async runtime
/// (`tokio::task::spawn_blocking`). What a method has acknowledged is kept, whatever happens to the process thereafter.
///
/// Of two secrets that are kept under one name at once, either may stay. The refresh tokens that
/// [`User::on_rotation`](crate::User::on_rotation) tells of come in an order, and in the middle of things: let it hand them to a channel, and
/// one thread keep them, one after the other, rather than a task each.
pub trait TenantDirectory: Send + Sync + 'static {
    /// Keeps a tenant that consented, or merges it into what is known of it already, as [`ConsentedTenant::merge`] tells.
    ///
    /// # Errors
    /// Returns an error if the record is larger than a directory takes or cannot be written, and for the tenant of personal Microsoft
    /// accounts, where no daemon gets tokens.
    fn put(&self, tenant: &ConsentedTenant) -> Result<(), DirectoryError>;

    /// What is known of this tenant's consent to this application.
    ///
    /// # Errors
    /// Where the directory or this record cannot be read.
    fn get(&self, client_id: ClientId, tenant: Guid) -> Result<Option<ConsentedTenant>, DirectoryError>;

    /// The tenants that consented to this application, or to any: by client id, then by tenant id. A record that cannot be read costs no
    /// other one.
    ///
    /// # Errors
    /// Where the directory cannot be read.
    fn list(&self, client_id: Option<ClientId>) -> Result<TenantList, DirectoryError>;

    /// Forgets a tenant's consent to an application, and the secrets that belong to the two. Tells whether there was any of it.
    ///
    /// # Errors
    /// Where the directory cannot be written. Nothing is forgotten then.
    fn forget(&self, client_id: ClientId, tenant: Guid) -> Result<bool, DirectoryError>;

    /// Keeps a secret under its name, in the place of what was there. The tenant need not be known: users sign in where no administrator
    /// has consented.
    ///
    /// # Errors
    /// Where secret or name are larger than a directory takes, or it cannot be written, or has no key to seal with.
    fn keep_secret(&self, name: SecretName<'_>, secret: &[u8]) -> Result<(), DirectoryError>;

    /// The secret under this name. One that cannot be unsealed is one that is not there: the user signs in again.
    ///
    /// # Errors
    /// Where the directory cannot be read.
    fn secret(&self, name: SecretName<'_>) -> Result<Option<Zeroizing<Vec<u8>>>, DirectoryError>;

    /// Forgets the secret under this name. Tells whether there was one.
    ///
    /// # Errors
    /// Where the directory cannot be written.
    fn forget_secret(&self, name: SecretName<'_>) -> Result<bool, DirectoryError>;
}

/// What [`TenantDirectory::list`] finds.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct TenantList {
    /// The tenants, by client id, then by tenant id.
    pub tenants: Vec<ConsentedTenant>,
    /// The records that could not be read: [`DirectoryError::Record`] each. They are not logged: tell of them.
    pub unreadable: Vec<DirectoryError>,
}
