//! A store for the tenants that consented to a multi-tenant application, and for secrets that
//! belong to them.
//!
//! An administrator of a tenant consents once, in a browser. The redirect after the consent names
//! the ID of the tenant, which every later token request needs. The primary type is the trait
//! [`TenantStore`]: it stores these IDs, and secrets of the tenants, such as the refresh tokens of
//! their users. [`RedbTenantStore`] stores them in a file that several processes can use, and
//! encrypts the secrets. [`MemoryTenantStore`] is for tests.
//!
//! Most programs use this crate through the feature `tenants` of the crate `entra`.
//!
//! ```text
//!  consent ─► ConsentedTenant ─► TenantStore ─┬─► MemoryTenantStore  in memory
//!  secret ──► SecretName, bytes ──┘           ├─► RedbTenantStore    in a file
//!                                             └─► your own implementation
//! ```
//!
//! ```
//! use entra_proto::Timestamp;
//! use entra_tenants::{ConsentedTenant, MemoryTenantStore};
//! use entra_tenants::{SecretName, TenantStore};
//!
//! let app = "535fb089-9ff3-47b6-9bfb-4f1264799865".parse()?;
//! let contoso = "aaaabbbb-0000-cccc-1111-dddd2222eeee".parse()?;
//! let user = "admin@contoso.com";
//!
//! // or RedbTenantStore::at("tenants.redb")
//! let store = MemoryTenantStore::default();
//! let now = Timestamp::from_secs(1_700_000_000);
//! store.put(&ConsentedTenant::new(app, contoso, now).with_user(user))?;
//! store.put_secret(SecretName::new(app, contoso, user), b"a refresh token")?;
//!
//! for tenant in store.list(Some(app))?.tenants {
//!     assert_eq!(tenant.tenant, contoso); // for client.tenant(tenant.tenant)
//! }
//! assert!(store.forget(app, contoso)?); // and its secrets
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Features
//! - `redb` (default): [`RedbTenantStore`], a store in a file. Without it, the crate has
//!   the trait and the store in memory.
//!
//! # What is not here
//! Tokens and the sign-in that ends in a consent (`entra-client`), and a cache of tokens that
//! processes share (`entra_client::token_store::TokenStore`).

use entra_proto::{ClientId, Guid};
use zeroize::Zeroizing;

mod consented_tenant;
mod error;
#[cfg(all(test, feature = "redb"))]
#[path = "../tests/it/folder/mod.rs"]
mod folder;
#[cfg(feature = "redb")]
mod key;
#[cfg(feature = "redb")]
mod lock;
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
mod redb_store;
#[cfg(all(test, feature = "redb"))]
mod redb_store_tests;
#[cfg(feature = "redb")]
mod seal;
mod secret_name;
#[cfg(feature = "redb")]
mod secrets;
#[cfg(feature = "redb")]
mod storage;

pub use consented_tenant::ConsentedTenant;
pub use error::{Errors, TenantStoreError};
#[cfg(feature = "redb")]
pub use key::TenantStoreKey;
#[cfg(feature = "redb")]
pub use lock::TenantStoreLock;
pub use memory::MemoryTenantStore;
#[cfg(feature = "redb")]
pub use redb_store::RedbTenantStore;
pub use secret_name::SecretName;
#[cfg(feature = "redb")]
pub use secrets::{Secrets, StoredSecret};

/// A store for the tenants that consented to applications, and for secrets that belong to those
/// tenants.
///
/// The methods block: a durable write takes some milliseconds. Call them off the threads of an
/// async runtime (`tokio::task::spawn_blocking`). What a method has acknowledged is stored,
/// whatever happens to the process afterwards.
///
/// If two secrets are stored under one name at the same time, either may stay. The refresh tokens
/// that a callback such as `entra_client::User::on_rotation` reports have an order: let the
/// callback send them to a channel, and one thread store them.
pub trait TenantStore: Send + Sync + 'static {
    /// Stores a tenant that consented, or merges it into the known record as
    /// [`ConsentedTenant::merge`] describes.
    ///
    /// # Errors
    /// Returns an error if the record is too large or cannot be written, and for the tenant of
    /// personal Microsoft accounts, where no daemon gets tokens.
    fn put(&self, tenant: &ConsentedTenant) -> Result<(), TenantStoreError>;

    /// Returns the record of this tenant's consent to this application.
    ///
    /// # Errors
    /// Returns an error if the store or this record cannot be read.
    fn get(&self, client_id: ClientId, tenant: Guid) -> Result<Option<ConsentedTenant>, TenantStoreError>;

    /// Returns the tenants that consented to this application, or to any, sorted by client ID and
    /// tenant ID. A record that cannot be read does not hide the others.
    ///
    /// # Errors
    /// Returns an error if the store cannot be read.
    fn list(&self, client_id: Option<ClientId>) -> Result<TenantList, TenantStoreError>;

    /// Removes a tenant's consent to an application, and the secrets that belong to the two.
    /// Returns `true` if there was any of it.
    ///
    /// # Errors
    /// Returns an error if the store cannot be written. Nothing is removed then.
    fn forget(&self, client_id: ClientId, tenant: Guid) -> Result<bool, TenantStoreError>;

    /// Stores a secret under its name, and replaces the old one. The tenant need not be known:
    /// users sign in to tenants whose administrator has not consented.
    ///
    /// # Errors
    /// Returns an error if the secret or its name is too large, if the store cannot be written, or
    /// if it has no key to seal with.
    fn put_secret(&self, name: SecretName<'_>, secret: &[u8]) -> Result<(), TenantStoreError>;

    /// Returns the secret under this name. One that cannot be unsealed counts as absent: the user
    /// signs in again.
    ///
    /// # Errors
    /// Returns an error if the store cannot be read.
    fn secret(&self, name: SecretName<'_>) -> Result<Option<Zeroizing<Vec<u8>>>, TenantStoreError>;

    /// Removes the secret under this name. Returns `true` if there was one.
    ///
    /// # Errors
    /// Returns an error if the store cannot be written.
    fn forget_secret(&self, name: SecretName<'_>) -> Result<bool, TenantStoreError>;
}

/// The result of [`TenantStore::list`].
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct TenantList {
    /// The tenants, sorted by client ID and tenant ID.
    pub tenants: Vec<ConsentedTenant>,
    /// A [`TenantStoreError::Record`] for each record that could not be read. They are not logged:
    /// report them.
    pub unreadable: Vec<TenantStoreError>,
}
