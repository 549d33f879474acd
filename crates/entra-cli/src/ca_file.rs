//! The file with the emulator's CA, which other programs are told to trust.

use std::path::{Path, PathBuf};

use crate::exit::{Exit, Failure};
use crate::files::{random_name, replace, write_new};
use crate::named_file::refuse_contents;
use crate::outside::shown;
use crate::stop::Stop;

/// A file with a CA's certificate. Unless the user named it, it stands in a folder of its own, and both are removed with it.
pub(crate) struct CaFile {
    /// Absolute: other programs run in other folders.
    pub(crate) path: PathBuf,
    pub(crate) folder: Option<PathBuf>,
    stop: Option<Stop>,
}

impl CaFile {
    /// Writes it to this file, in place of one of an earlier run, else to a new file in a private folder under a name that
    /// cannot be guessed: a stranger who can replace the file chooses the CA that other programs trust.
    pub(crate) fn write(pem: &str, path: Option<&Path>) -> Result<Self, Failure> {
        match path {
            Some(path) => {
                refuse_contents(path, Exit::Configuration)?;
                let written = replace(path, pem).and_then(|()| path.canonicalize());
                let path = written.map_err(|error| refused(path, &error, "name another file with --ca-out"))?;
                Ok(Self {
                    path,
                    folder: None,
                    stop: None,
                })
            }
            None => Self::write_temporary(pem),
        }
    }

    fn write_temporary(pem: &str) -> Result<Self, Failure> {
        // Before there is anything to remove.
        let stop = Stop::watch()?;
        let name = random_name().map_err(|error| Failure::of(Exit::Configuration, &error))?;
        // A variable that is set to nothing is not set.
        let parent = Some(std::env::temp_dir()).filter(|parent| !parent.as_os_str().is_empty());
        let parent = parent.unwrap_or_else(|| PathBuf::from("/tmp"));
        let folder = parent
            .canonicalize()
            .map(|parent| parent.join(format!("entra-emulator-{name}")));
        let folder = folder.and_then(|folder| private_folder(&folder).map(|()| folder));
        let folder = folder.map_err(|error| refused(&parent, &error, ADVICE))?;
        let ca = Self {
            path: folder.join("ca.pem"),
            folder: Some(folder),
            stop: Some(stop),
        };
        write_new(&ca.path, pem, false)?;
        Ok(ca)
    }

    /// Waits for a signal to stop, removes the file, and ends the process as the signal does.
    pub(crate) fn remove_when_stopped(mut self) -> ! {
        let stopped = self.stop.take().map(Stop::wait);
        drop(self);
        match stopped {
            Some(stopped) => stopped.end(),
            None => std::process::exit(0),
        }
    }
}

impl Drop for CaFile {
    fn drop(&mut self) {
        if let Some(folder) = &self.folder {
            // What cannot be removed is a public certificate.
            let _ = std::fs::remove_file(&self.path);
            let _ = std::fs::remove_dir(folder);
        }
    }
}

/// Makes a folder that is not there yet, for its owner alone.
fn private_folder(path: &Path) -> std::io::Result<()> {
    #[cfg_attr(not(unix), expect(unused_mut, reason = "the mode is for Unix"))]
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

fn refused(path: &Path, error: &std::io::Error, advice: &'static str) -> Failure {
    Failure::of(Exit::Configuration, error)
        .context(shown(path))
        .hint(advice)
}

const ADVICE: &str = "name the file for the CA with --ca-out";
