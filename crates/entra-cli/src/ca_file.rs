//! The file with the emulator's CA certificate, which other programs are configured to trust.

use std::path::{Path, PathBuf};

use crate::exit::{Exit, Failure};
use crate::files::{random_name, replace, write_new};
use crate::named_file::reject_contents;
use crate::sanitize::shown;

/// A file with a CA certificate. Unless the user named it, it has its own folder, and dropping it
/// removes both.
pub(crate) struct CaFile {
    /// The absolute path, since other programs run in other folders.
    pub(crate) path: PathBuf,
    folder: Option<PathBuf>,
}

impl CaFile {
    /// Writes the certificate to `path`, replacing the file of an earlier run, or to a new file in
    /// a private folder with a random name. A user who can replace the file chooses the CA that
    /// other programs trust.
    ///
    /// # Errors
    /// Returns an error if the file cannot be written.
    pub(crate) fn write(pem: &str, path: Option<&Path>) -> Result<Self, Failure> {
        match path {
            Some(path) => {
                reject_contents(path, Exit::Configuration)?;
                let written = replace(path, pem).and_then(|()| path.canonicalize());
                let path = written.map_err(|error| failure(path, &error, "give another file with --ca-out"))?;
                Ok(Self { path, folder: None })
            }
            None => Self::write_temporary(pem),
        }
    }

    fn write_temporary(pem: &str) -> Result<Self, Failure> {
        let name = random_name().map_err(|error| Failure::of(Exit::Configuration, &error))?;
        // An empty TMPDIR counts as unset.
        let parent = Some(std::env::temp_dir()).filter(|parent| !parent.as_os_str().is_empty());
        let parent = parent.unwrap_or_else(|| PathBuf::from("/tmp"));
        let folder = parent
            .canonicalize()
            .map(|parent| parent.join(format!("entra-emulator-{name}")));
        let folder = folder.and_then(|folder| private_folder(&folder).map(|()| folder));
        let folder = folder.map_err(|error| failure(&parent, &error, "give a file for the CA with --ca-out"))?;
        let ca = Self {
            path: folder.join("ca.pem"),
            folder: Some(folder),
        };
        write_new(&ca.path, pem, false)?;
        Ok(ca)
    }
}

impl Drop for CaFile {
    fn drop(&mut self) {
        if let Some(folder) = &self.folder {
            // If removal fails, only a public certificate is left behind.
            let _ = std::fs::remove_file(&self.path);
            let _ = std::fs::remove_dir(folder);
        }
    }
}

/// Creates a folder that only its owner can use. It must not exist yet.
fn private_folder(path: &Path) -> std::io::Result<()> {
    #[cfg_attr(not(unix), expect(unused_mut, reason = "the mode is for Unix"))]
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

fn failure(path: &Path, error: &std::io::Error, hint: &'static str) -> Failure {
    Failure::of(Exit::Configuration, error).context(shown(path)).hint(hint)
}
