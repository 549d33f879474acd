//! The key of the server: random, or kept in a file.

use std::io::{self, Write};
use std::path::Path;

use entra_serve::AccessKey;

use crate::exit::{Exit, Failure};
use crate::files::{Replacement, name_of, read_text};
use crate::message::warn;
use crate::sanitize::{register_secret, shown};

/// Returns the key in a file, which is created if it is missing, or a random key without a file.
/// All later output leaves the key out.
///
/// # Errors
/// Returns an error if the file cannot be read or written, or does not contain a key.
pub(in crate::commands) fn key(file: Option<&Path>) -> Result<AccessKey, Failure> {
    let key = match file {
        None => AccessKey::random().map_err(Failure::from)?,
        Some(path) => {
            if path
                .symlink_metadata()
                .is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
            {
                create(path)?;
            }
            let text = read_text(path, "the key", LONGEST, Exit::Configuration)?;
            if is_open_to_others(path) {
                warn(
                    format_args!("other users can read or replace the key in {}", shown(path)),
                    "run chmod 600 on it: with the key, they get tokens",
                );
            }
            AccessKey::stored(text.trim()).map_err(|error| {
                // The text may be another secret.
                register_secret(text.trim());
                Failure::from(error).context(name_of(path))
            })?
        }
    };
    register_secret(key.expose());
    Ok(key)
}

fn create(path: &Path) -> Result<(), Failure> {
    let key = AccessKey::random().map_err(Failure::from)?;
    let written = Replacement::of(path, true).and_then(|mut file| {
        file.write_all(key.expose().as_bytes())?;
        file.write_all(b"\n")?;
        file.finish()
    });
    written.map_err(|error| {
        Failure::of(Exit::Configuration, &error)
            .context(shown(path))
            .hint("give another file with --key-file")
    })
}

#[cfg(unix)]
fn is_open_to_others(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;

    // A group may be that of the programs that use the key.
    path.metadata()
        .is_ok_and(|metadata| metadata.permissions().mode() & 0o006 != 0)
}

#[cfg(not(unix))]
fn is_open_to_others(_: &Path) -> bool {
    false
}

/// The maximum length of the file, in bytes.
const LONGEST: u64 = 1024;
