//! The option for the tenant store: the file with the tenants that consented.

use std::io::ErrorKind;
use std::panic;
use std::path::PathBuf;
use std::sync::Once;

use clap::Args;
use clap::builder::{OsStringValueParser, TypedValueParser};
use entra_tenants::RedbTenantStore;

use crate::exit::{Exit, Failure};
use crate::folders::user_folder;
use crate::named_file::reject_contents;
use crate::sanitize::shown;

/// The location of the tenant store.
#[derive(Args)]
pub(crate) struct TenantStoreSettings {
    /// The tenant store: the file with the tenants that consented [default: entra/tenants.redb in
    /// $XDG_DATA_HOME, or in ~/.local/share]
    // An empty variable counts as unset; clap's parser for paths would reject it.
    #[arg(long = "tenant-store", env = "ENTRA_TENANT_STORE", hide_env_values = true, value_name = "FILE", value_parser = OsStringValueParser::new().map(PathBuf::from))]
    file: Option<PathBuf>,
}

impl TenantStoreSettings {
    /// Returns the tenant store for reading.
    ///
    /// # Errors
    /// Returns an error if the user names a file and it does not exist.
    pub(crate) fn existing(&self) -> Result<RedbTenantStore, Failure> {
        let store = self.store()?;
        let is_named = self.file.as_ref().is_some_and(|file| !file.as_os_str().is_empty());
        // The store reports all other problems with the file.
        let missing = std::fs::symlink_metadata(store.path()).err();
        match missing.filter(|error| is_named && matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory))
        {
            Some(error) => Err(Failure::of(Exit::Output, &error)
                .context(shown(store.path()))
                .hint("check the path in --tenant-store or ENTRA_TENANT_STORE; `entra consent` creates the file")),
            None => Ok(store),
        }
    }

    /// Returns the tenant store for reading and writing.
    ///
    /// # Errors
    /// Returns an error if the option contains a secret, or there is no home folder.
    pub(crate) fn store(&self) -> Result<RedbTenantStore, Failure> {
        silence_redb_panics();
        if let Some(file) = self.file.as_ref().filter(|file| !file.as_os_str().is_empty()) {
            reject_contents(file, Exit::Configuration)?;
            return Ok(RedbTenantStore::at(file));
        }
        let folder = user_folder("XDG_DATA_HOME", ".local/share").ok_or_else(|| {
            Failure::text(Exit::Configuration, "no home folder is known for the tenant store")
                .hint("give a file with --tenant-store, or set ENTRA_TENANT_STORE")
        })?;
        Ok(RedbTenantStore::at(folder.join("tenants.redb")))
    }
}

/// Hides the message of a panic in redb, which panics on some damaged files. The store catches the
/// panic and reports the problem.
pub(crate) fn silence_redb_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            if !panic.location().is_some_and(|place| place.file().contains("redb-")) {
                usual(panic);
            }
        }));
    });
}
