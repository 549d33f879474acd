//! Sign-ins and tokens that outlast the command, sealed in a private folder.
//!
//! Everything secret is sealed by AES-256-GCM, under a name that is authenticated with it: an entry opens in its own place alone. The key
//! is 32 random bytes in a file, beside what it seals unless it is named elsewhere.
//!
//! - **Guards against**: other users of the machine (folder 0700, files 0600), a copy of the one file without the other, changed or
//!   exchanged entries, links and folders that another user put there, a damaged file.
//! - **Does not guard against**: programs that run as this user, an administrator, a copy of the whole folder, an older copy of the file put
//!   in its place. The key file is no password. IDs of applications and tenants, and how many entries there are, are not hidden.
//!
//! The key is not in the keyring of the operating system: on Linux that needs a session with D-Bus, which containers, CI machines and
//! remote shells lack, and the kernel's own keyring forgets at the next start. A command that works by one rule everywhere is worth more
//! here, since every program of the user can read an unlocked keyring as well. `--store-key` puts the key where a machine has a safer
//! place, such as a secret that is mounted.

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

pub(crate) use self::account::{Account, Wanted, one_line};
pub(crate) use self::cached_token::{CachedToken, TokenName, Trouble, acquire};
use crate::directory::{folder_of_user, hush_panics_over_damage};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::named_file::refuse_contents;
use crate::outside::shown;

/// Where sign-ins and tokens are kept.
#[derive(Args)]
pub(crate) struct StoreSettings {
    /// Keep sign-ins and cached tokens in this folder [default: entra in $XDG_STATE_HOME, or in ~/.local/state]
    // A variable that is set to nothing is not set: clap's own reader of paths refuses it.
    #[arg(long, env = "ENTRA_STORE", hide_env_values = true, value_name = "FOLDER", value_parser = OsStringValueParser::new().map(PathBuf::from))]
    store: Option<PathBuf>,

    /// Seal them with the key in this file, 32 random bytes, which is made if it is missing [default: sign-ins.key in that folder]
    #[arg(long, env = "ENTRA_STORE_KEY", hide_env_values = true, value_name = "FILE", value_parser = OsStringValueParser::new().map(PathBuf::from))]
    store_key: Option<PathBuf>,
}

impl StoreSettings {
    /// Opens the store to write to it, and makes what is missing.
    pub(crate) fn open(&self) -> Result<Store, Failure> {
        self.at(true)
    }

    /// Opens the store to read it: nothing is made.
    pub(crate) fn look(&self) -> Result<Store, Failure> {
        self.at(false)
    }

    fn at(&self, make: bool) -> Result<Store, Failure> {
        hush_panics_over_damage();
        let folder = self.folder()?;
        let failed = |error: io::Error| Failure::text(Exit::Output, format!("{}: {error}", shown(&folder)));
        let folder = std::path::absolute(&folder).map_err(failed)?;
        if make && found(&folder)?.is_none() {
            let mut builder = DirBuilder::new();
            builder.recursive(true);
            #[cfg(unix)]
            std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
            builder.create(&folder).map_err(|error| {
                Failure::text(Exit::Output, format!("cannot make {}: {error}", shown(&folder)))
                    .hint("name another folder with --store, or set ENTRA_STORE")
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
                refuse_contents(path, Exit::Configuration)?;
                path.clone()
            }
            None => own_key,
        };
        let mut directory = RedbTenantStore::at(file);
        let mut key = None;
        if make || found(&key_file)?.is_some() {
            let read = TenantStoreKey::read_or_create(&key_file).map_err(failure)?;
            directory = directory.with_key(read.clone());
            key = Some(read);
        }
        Ok(Store {
            directory,
            key,
            key_file,
        })
    }

    fn folder(&self) -> Result<PathBuf, Failure> {
        if let Some(folder) = self.store.as_ref().filter(|folder| !folder.as_os_str().is_empty()) {
            refuse_contents(folder, Exit::Configuration)?;
            return Ok(folder.clone());
        }
        let folder = folder_of_user("XDG_STATE_HOME", ".local/state").ok_or_else(|| {
            Failure::text(Exit::Configuration, "there is no home to keep sign-ins and tokens in")
                .hint("name a folder with --store, or set ENTRA_STORE")
        })?;
        Ok(folder)
    }
}

/// The sign-ins and tokens that are kept.
pub(crate) struct Store {
    pub(crate) directory: RedbTenantStore,
    key: Option<TenantStoreKey>,
    key_file: PathBuf,
}

impl Store {
    /// Makes the file where there is none, and sees whether it can be written.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        self.directory.check().map_err(failure)
    }

    /// Why entries cannot be opened.
    pub(crate) fn why_unreadable(&self) -> String {
        match self.key {
            Some(_) => "they are damaged, or sealed with another key".to_owned(),
            None => format!("their key is missing, {}", shown(&self.key_file)),
        }
    }

    /// A name that tells nothing of these parts.
    fn pseudonym(&self, parts: &[&[u8]]) -> Option<String> {
        self.key.as_ref().map(|key| key.pseudonym(parts))
    }

    /// Everything that is kept.
    fn secrets(&self) -> Result<Vec<StoredSecret>, Failure> {
        self.directory.secrets().map_err(failure)
    }

    /// Waits for other commands that request a token, so that one is requested and all have it. Where another keeps its turn for too long,
    /// the request is sent all the same: no older token ever replaces a newer one.
    fn take_turn(&self, wait: Duration) -> Result<Option<TenantStoreLock>, TenantStoreError> {
        match self.directory.lock(wait) {
            Ok(turn) => Ok(Some(turn)),
            Err(TenantStoreError::Busy { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Removes the cached tokens, and the sign-ins too where `all` is set. Returns how many of each, unreadable ones among the sign-ins.
    pub(crate) fn clear(&self, all: bool) -> Result<(usize, usize), Failure> {
        if found(self.directory.path())?.is_none() {
            return Ok((0, 0));
        }
        // Names are not sealed: what cannot be opened can be removed.
        let key = self.key.clone().unwrap_or_else(|| TenantStoreKey::from_bytes([0; 32]));
        let cleared = RedbTenantStore::at(self.directory.path())
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

/// What is at this path itself, whatever a link there leads to.
fn found(path: &Path) -> Result<Option<Metadata>, Failure> {
    match fs::symlink_metadata(path) {
        Ok(metadata) => Ok(Some(metadata)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::text(Exit::Output, format!("{}: {error}", shown(path)))
            .hint("name a folder that this user can use with --store, or in ENTRA_STORE")),
    }
}

/// Refuses a folder in which others can replace files. Whose it is, is looked at where its files are opened.
fn check_folder(path: &Path, metadata: &Metadata) -> Result<(), Failure> {
    if metadata.is_symlink() {
        let hint = "name the folder itself with --store, or in ENTRA_STORE";
        return Err(refused(path, "the folder of the sign-ins is a link", hint));
    }
    if !metadata.is_dir() {
        let hint = "name another folder with --store, or in ENTRA_STORE";
        return Err(refused(path, "the folder of the sign-ins is a file", hint));
    }
    #[cfg(unix)]
    if std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o022 != 0 {
        let hint = "take that away from them (chmod 700), or name another folder with --store";
        return Err(refused(path, "others can replace the sign-ins in this folder", hint));
    }
    Ok(())
}

/// Refuses a link in the place of a file, and a file that is larger than any of a store.
fn check_file(path: &Path, metadata: &Metadata) -> Result<(), Failure> {
    if !metadata.is_file() {
        return Err(refused(
            path,
            "this file of the sign-ins is a link or no file",
            START_ANEW,
        ));
    }
    if metadata.len() > LARGEST {
        return Err(refused(path, "this file is larger than sign-ins are", START_ANEW));
    }
    Ok(())
}

fn refused(path: &Path, why: &str, hint: &'static str) -> Failure {
    Failure::text(Exit::Output, format!("{}: {why}", shown(path))).hint(hint)
}

/// The failure of a store.
pub(crate) fn failure(error: TenantStoreError) -> Failure {
    match error {
        TenantStoreError::Unreadable { path, why } => {
            refused(&path, &format!("the sign-ins cannot be read: {why}"), START_ANEW)
        }
        TenantStoreError::Key { path, .. } => refused(
            &path,
            "this file does not hold a key, which is 32 bytes",
            "restore it from a copy, or move it away and sign in again",
        ),
        error => error.into(),
    }
}

/// What to do about a file that cannot be used: it is never changed.
const START_ANEW: &str = "move it away, and sign in again";

const FILE: &str = "sign-ins.redb";
const KEY: &str = "sign-ins.key";
const LOCK: &str = "sign-ins.redb.lock";

/// How large the file may be, in bytes: a thousand tokens take a tenth of it.
const LARGEST: u64 = 64 << 20;
