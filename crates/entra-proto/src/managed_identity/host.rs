//! The machine under a workload, as far as the search for a managed identity reads it.

use std::ffi::OsString;
use std::io;
use std::path::Path;

use zeroize::Zeroizing;

/// The machine under a workload: its environment variables and two of its files.
///
/// This crate does no I/O. `entra_transport::LocalHost` implements this trait for the real machine,
/// and a test implements it with a table. The methods are called for each acquisition, because the
/// platform may rotate the values while the process runs. They must return immediately.
pub trait Host: Send + Sync {
    /// Returns the value of an environment variable.
    fn variable(&self, name: &str) -> Option<OsString>;

    /// Returns whether a file exists. Only the path of the Azure Arc agent's program is asked for.
    fn file_exists(&self, path: &Path) -> bool;

    /// Reads the key file that the Azure Arc agent has written, of at most 4,096 bytes. Only a path
    /// in the agent's folder is asked for.
    ///
    /// # Errors
    /// Returns an error if the path names no regular file (but a link, a pipe or a folder), if
    /// the file is longer, or if it cannot be read.
    fn read_key_file(&self, path: &Path) -> io::Result<Zeroizing<Vec<u8>>>;

    /// Returns the operating system: by default, the one that the program was compiled for.
    fn platform(&self) -> Platform {
        match std::env::consts::OS {
            "linux" => Platform::Linux,
            "windows" => Platform::Windows,
            _ => Platform::Other,
        }
    }
}

/// The operating systems that the Azure Arc agent distinguishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Platform {
    /// Linux.
    Linux,
    /// Windows.
    Windows,
    /// A system without an Azure Arc agent.
    Other,
}
