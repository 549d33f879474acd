use std::io::ErrorKind;
use std::panic;
use std::path::PathBuf;
use std::sync::Once;

use clap::Args;
use clap::builder::{OsStringValueParser, TypedValueParser};
use entra_tenants::RedbTenantStore;

use crate::exit::{Exit, Failure};
use crate::named_file::refuse_contents;
use crate::outside::shown;

/// Where the tenants that consented are kept.
#[derive(Args)]
pub(crate) struct DirectorySettings {
    /// Keep the tenants that consented in this file [default: entra/tenants.redb in $XDG_DATA_HOME, or in ~/.local/share]
    // A variable that is set to nothing is not set: clap's own reader of paths refuses it.
    #[arg(long = "directory", env = "ENTRA_DIRECTORY", hide_env_values = true, value_name = "FILE", value_parser = OsStringValueParser::new().map(PathBuf::from))]
    file: Option<PathBuf>,
}

impl DirectorySettings {
    /// The directory, to be read: a file that the user names must be there.
    pub(crate) fn existing(&self) -> Result<RedbTenantStore, Failure> {
        let directory = self.directory()?;
        let is_named = self.file.as_ref().is_some_and(|file| !file.as_os_str().is_empty());
        // Whatever else is wrong with the file, the directory finds.
        let missing = std::fs::symlink_metadata(directory.path()).err();
        match missing.filter(|error| is_named && matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory))
        {
            Some(error) => Err(Failure::of(Exit::Output, &error)
                .context(shown(directory.path()))
                .hint("check the name in --directory or ENTRA_DIRECTORY; `entra consent` makes the file")),
            None => Ok(directory),
        }
    }

    pub(crate) fn directory(&self) -> Result<RedbTenantStore, Failure> {
        hush_panics_over_damage();
        if let Some(file) = self.file.as_ref().filter(|file| !file.as_os_str().is_empty()) {
            refuse_contents(file, Exit::Configuration)?;
            return Ok(RedbTenantStore::at(file));
        }
        let folder = folder_of_user("XDG_DATA_HOME", ".local/share").ok_or_else(|| {
            Failure::text(Exit::Configuration, "there is no home to keep the tenants in")
                .hint("name a file with --directory, or set ENTRA_DIRECTORY")
        })?;
        Ok(RedbTenantStore::at(folder.join("tenants.redb")))
    }
}

/// The folder of this program below the one that this variable names, or below this path in the user's home. A path that is not absolute
/// is not looked at, as the XDG Base Directory Specification wants it.
pub(crate) fn folder_of_user(variable: &str, in_home: &str) -> Option<PathBuf> {
    let absolute = |name: &str| {
        let path = std::env::var_os(name).map(PathBuf::from);
        path.filter(|path| path.is_absolute())
    };
    let folder = absolute(variable)
        .or_else(|| absolute("HOME").map(|home| home.join(in_home)))
        .or_else(|| absolute("LOCALAPPDATA"));
    Some(folder?.join("entra"))
}

/// The user's home folder. A variable that names no absolute path is not looked at.
pub(crate) fn home() -> Option<PathBuf> {
    let absolute = |name: &str| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    absolute("HOME").or_else(|| absolute("USERPROFILE").filter(|_| cfg!(windows)))
}

/// redb panics over some damaged files. The directory catches that and tells what is wrong: nobody needs to see both.
pub(crate) fn hush_panics_over_damage() {
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
