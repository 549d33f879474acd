//! The file with the token of a service account, which a cluster writes for its workloads.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::forge::AssertionForge;
use crate::state::State;
use crate::state::second_issuer::ACCOUNT;
use crate::time::unix;

/// A token file, and the time of the emulator at which it was last written.
pub(crate) struct TokenFile {
    path: PathBuf,
    written: u64,
}

impl TokenFile {
    /// Writes the file for the first time.
    ///
    /// # Errors
    /// Returns the error of the file system.
    pub(crate) fn write(path: &Path, state: &State) -> io::Result<Self> {
        let mut file = Self {
            path: path.to_owned(),
            written: 0,
        };
        file.renew(state)?;
        Ok(file)
    }

    /// Renews the file when half of the lifetime of its token has passed by the emulator's clock,
    /// or when the clock was set back, without end.
    pub(super) async fn keep(mut self, state: Arc<State>) {
        loop {
            let now = unix(state.clock.now());
            if now < self.written || now - self.written >= RENEWED_AFTER {
                // A folder that is gone is usually that of a test that ends.
                let _ = self.renew(&state);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Replaces the file in one step, so that no reader sees a part of a token.
    fn renew(&mut self, state: &State) -> io::Result<()> {
        let Some(issuer) = &state.second_issuer else {
            return Ok(());
        };
        self.written = unix(state.clock.now());
        let (namespace, account) = ACCOUNT;
        let token = AssertionForge::new(state, issuer)
            .kubernetes(namespace, account)
            .token();
        let mut name = self.path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}", std::process::id()));
        let new = self.path.with_file_name(name);
        let written = create(&new).and_then(|mut file| file.write_all(token.as_bytes()));
        let replaced = written.and_then(|()| fs::rename(&new, &self.path));
        if replaced.is_err() {
            let _ = fs::remove_file(&new);
        }
        replaced
    }
}

/// Creates a file that only its owner can read.
fn create(path: &Path) -> io::Result<fs::File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Half of the lifetime of a token, in seconds of the emulator's clock.
const RENEWED_AFTER: u64 = 1_800;
/// The real time between two checks.
const PAUSE: Duration = Duration::from_millis(100);
