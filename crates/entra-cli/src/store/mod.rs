//! The store of accounts and cached tokens: encrypted entries in a private folder.
//!
//! Each secret is encrypted with AES-256-GCM, and its name is authenticated with it, so that an
//! entry cannot be decrypted under another name. The key is 32 random bytes in a file, by default
//! in the same folder.
//!
//! - **Protects against**: other users of the machine (folder 0700, files 0600), a copy of one file
//!   without the other, changed or exchanged entries, links and folders of another user, a damaged
//!   file.
//! - **Does not protect against**: programs of the same user, administrators, a copy of the whole
//!   folder, replacement by an older copy. The key file is not protected by a password. The IDs of
//!   applications and tenants, and the number of entries, are not hidden.
//!
//! The key is not in the keyring of the operating system. On Linux a keyring needs a D-Bus session,
//! which containers, CI machines and remote shells lack, and the kernel's keyring does not survive
//! a restart. One rule for all machines is worth more, since every program of the user can read an
//! unlocked keyring anyway. `--store-key` moves the key to a safer place, such as a mounted secret.

mod account;
mod cached_token;
#[cfg(test)]
mod tests;

use std::fs::{self, DirBuilder, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use clap::builder::{OsStringValueParser, TypedValueParser};
use entra_tenants::{RedbTenantStore, StoredSecret, TenantStoreError, TenantStoreKey, TenantStoreLock};

pub(crate) use self::account::{Account, AccountFilter, Purpose, one_line};
pub(crate) use self::cached_token::{CachedToken, RequestFailure, TokenName, acquire};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::folders::user_folder;
use crate::named_file::reject_contents;
use crate::sanitize::shown;
use crate::tenant_store::silence_redb_panics;

/// The options for the store.
#[derive(Args)]
pub(crate) struct StoreSettings {
    /// The folder for accounts and cached tokens [default: entra in $XDG_STATE_HOME, or in
    /// ~/.local/state]
    // An empty variable counts as unset; clap's parser for paths would reject it.
    #[arg(long, env = "ENTRA_STORE", hide_env_values = true, value_name = "FOLDER", value_parser = OsStringValueParser::new().map(PathBuf::from))]
    store: Option<PathBuf>,

    /// The file with the key that encrypts them, 32 random bytes, created if it is missing
    /// [default: sign-ins.key in that folder]
    #[arg(long, env = "ENTRA_STORE_KEY", hide_env_values = true, value_name = "FILE", value_parser = OsStringValueParser::new().map(PathBuf::from))]
    store_key: Option<PathBuf>,
}

impl StoreSettings {
    /// Opens the store for writing, and creates the folder and the key if they are missing.
    ///
    /// # Errors
    /// Returns an error if the folder or a file cannot be used safely.
    pub(crate) fn open(&self) -> Result<Store, Failure> {
        self.at(true)
    }

    /// Opens the store without creating the folder or the key.
    ///
    /// # Errors
    /// Returns an error if the folder or a file cannot be used safely.
    pub(crate) fn open_existing(&self) -> Result<Store, Failure> {
        self.at(false)
    }

    fn at(&self, create: bool) -> Result<Store, Failure> {
        silence_redb_panics();
        let folder = self.folder()?;
        let failed = |error: io::Error| Failure::text(Exit::Output, format!("{}: {error}", shown(&folder)));
        let folder = std::path::absolute(&folder).map_err(failed)?;
        if create && found(&folder)?.is_none() {
            let mut builder = DirBuilder::new();
            builder.recursive(true);
            #[cfg(unix)]
            std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
            builder.create(&folder).map_err(|error| {
                Failure::text(Exit::Output, format!("cannot create {}: {error}", shown(&folder)))
                    .hint("give another folder with --store, or set ENTRA_STORE")
            })?;
        }
        if let Some(metadata) = found(&folder)? {
            check_folder(&folder, &metadata)?;
        }
        let file = folder.join(FILE);
        let own_key = folder.join(KEY);
        for path in [&file, &own_key, &folder.join(LOCK)] {
            if let Some(metadata) = found(path)? {
                check_file(path, &metadata)?;
            }
        }
        let key_file = match self.store_key.as_ref().filter(|path| !path.as_os_str().is_empty()) {
            Some(path) => {
                reject_contents(path, Exit::Configuration)?;
                path.clone()
            }
            None => own_key,
        };
        let mut database = RedbTenantStore::at(file);
        let mut key = None;
        if create || found(&key_file)?.is_some() {
            let read = TenantStoreKey::read_or_create(&key_file).map_err(failure)?;
            database = database.with_key(read.clone());
            key = Some(read);
        }
        Ok(Store {
            database,
            key,
            key_file,
        })
    }

    fn folder(&self) -> Result<PathBuf, Failure> {
        if let Some(folder) = self.store.as_ref().filter(|folder| !folder.as_os_str().is_empty()) {
            reject_contents(folder, Exit::Configuration)?;
            return Ok(folder.clone());
        }
        let folder = user_folder("XDG_STATE_HOME", ".local/state").ok_or_else(|| {
            Failure::text(Exit::Configuration, "no home folder is known for accounts and tokens")
                .hint("give a folder with --store, or set ENTRA_STORE")
        })?;
        Ok(folder)
    }
}

/// The store of accounts and cached tokens.
pub(crate) struct Store {
    pub(crate) database: RedbTenantStore,
    key: Option<TenantStoreKey>,
    key_file: PathBuf,
}

impl Store {
    /// Creates the file if it is missing, and checks that it can be written.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        self.database.check().map_err(failure)
    }

    /// Returns the reason why entries cannot be decrypted.
    pub(crate) fn reason_unreadable(&self) -> String {
        match self.key {
            Some(_) => "they are damaged, or encrypted with another key".to_owned(),
            None => format!("the key file {} is missing", shown(&self.key_file)),
        }
    }

    /// Returns a name that reveals nothing about these parts.
    fn pseudonym(&self, parts: &[&[u8]]) -> Option<String> {
        self.key.as_ref().map(|key| key.pseudonym(parts))
    }

    /// Returns all entries.
    fn secrets(&self) -> Result<Vec<StoredSecret>, Failure> {
        self.database.secrets().map_err(failure)
    }

    /// Waits for another command that requests a token, so that commands share one request. Returns
    /// `None` after `wait`, and the request is sent anyway: an older token never replaces a newer
    /// one.
    fn take_turn(&self, wait: Duration) -> Result<Option<TenantStoreLock>, TenantStoreError> {
        match self.database.lock(wait) {
            Ok(turn) => Ok(Some(turn)),
            Err(TenantStoreError::Busy { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Removes the cached tokens, and with `all` also the accounts. Returns the number of removed
    /// accounts, including unreadable ones, and of removed tokens.
    pub(crate) fn clear(&self, all: bool) -> Result<(usize, usize), Failure> {
        if found(self.database.path())?.is_none() {
            return Ok((0, 0));
        }
        // Names are not encrypted, so entries can be removed without their key.
        let key = self.key.clone().unwrap_or_else(|| TenantStoreKey::from_bytes([0; 32]));
        let cleared = RedbTenantStore::at(self.database.path())
            .with_key(key)
            .change_secrets(|secrets| {
                let (mut accounts, mut tokens) = (0, 0);
                for kept in secrets.list()? {
                    let is_account = account::is_name(&kept.name);
                    if is_account && !all {
                        continue;
                    }
                    secrets.remove(kept.secret_name())?;
                    *(if is_account { &mut accounts } else { &mut tokens }) += 1;
                }
                Ok((accounts, tokens))
            });
        cleared.map_err(failure)
    }
}

/// Returns the metadata of a path without following a link, or `None` if it does not exist.
fn found(path: &Path) -> Result<Option<Metadata>, Failure> {
    match fs::symlink_metadata(path) {
        Ok(metadata) => Ok(Some(metadata)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::text(Exit::Output, format!("{}: {error}", shown(path)))
            .hint("give a folder that this user can access with --store or ENTRA_STORE")),
    }
}

/// Rejects a folder in which other users can replace files. Its owner is checked when its files are
/// opened.
fn check_folder(path: &Path, metadata: &Metadata) -> Result<(), Failure> {
    if metadata.is_symlink() {
        let hint = "give the folder itself with --store or ENTRA_STORE";
        return Err(unusable(path, "the folder for accounts is a link", hint));
    }
    if !metadata.is_dir() {
        let hint = "give another folder with --store or ENTRA_STORE";
        return Err(unusable(path, "the folder for accounts is a file", hint));
    }
    #[cfg(unix)]
    if std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o022 != 0 {
        let hint = "remove the write permission of other users (chmod 700), or give another folder with --store";
        return Err(unusable(
            path,
            "other users can replace the accounts in this folder",
            hint,
        ));
    }
    Ok(())
}

/// Rejects a link instead of a file, and a file that is larger than a store.
fn check_file(path: &Path, metadata: &Metadata) -> Result<(), Failure> {
    if !metadata.is_file() {
        return Err(unusable(path, "this must be a file, and not a link", START_ANEW));
    }
    if metadata.len() > LARGEST {
        return Err(unusable(path, "the file is too large for accounts", START_ANEW));
    }
    Ok(())
}

fn unusable(path: &Path, problem: &str, hint: &'static str) -> Failure {
    Failure::text(Exit::Output, format!("{}: {problem}", shown(path))).hint(hint)
}

/// Converts an error of the store.
pub(crate) fn failure(error: TenantStoreError) -> Failure {
    match error {
        TenantStoreError::Unreadable { path, why } => {
            unusable(&path, &format!("the accounts cannot be read: {why}"), START_ANEW)
        }
        TenantStoreError::Key { path, .. } => unusable(
            &path,
            "the file does not contain a key of 32 bytes",
            "restore it from a copy, or move it away and sign in again",
        ),
        error => error.into(),
    }
}

/// The hint for an unusable file, which is never changed.
const START_ANEW: &str = "move it away, and sign in again";

const FILE: &str = "sign-ins.redb";
const KEY: &str = "sign-ins.key";
const LOCK: &str = "sign-ins.redb.lock";

/// The maximum size of the file, in bytes. A thousand tokens take a tenth of it.
const LARGEST: u64 = 64 << 20;
