//! The output of a program.

use std::fmt;

use entra_proto::error::{may_be_secret, printable};
use zeroize::Zeroizing;

use super::Program;
use crate::error::Error;

/// The output of a program that has ended. Its memory is overwritten when it is dropped.
pub struct ProgramOutput {
    program: Program,
    code: Option<i32>,
    stdout: Zeroizing<Vec<u8>>,
    stderr: Zeroizing<Vec<u8>>,
}

impl ProgramOutput {
    pub(super) fn new(
        program: Program,
        code: Option<i32>,
        stdout: Zeroizing<Vec<u8>>,
        stderr: Zeroizing<Vec<u8>>,
    ) -> Self {
        Self {
            program,
            code,
            stdout,
            stderr,
        }
    }

    /// Returns the exit code, or `None` if a signal ended the program.
    #[must_use]
    pub fn code(&self) -> Option<i32> {
        self.code
    }

    /// Returns what the program printed to its standard output, at most 64 KiB.
    #[must_use]
    pub fn stdout(&self) -> &[u8] {
        &self.stdout
    }

    /// Returns the first 4 KiB of what the program printed to its standard error. It may contain
    /// secrets.
    #[must_use]
    pub fn stderr(&self) -> &[u8] {
        &self.stderr
    }

    /// Returns the output if the program reports success.
    ///
    /// # Errors
    /// Returns [`Error::Program`] if the exit code is not 0. The error contains the beginning of
    /// the standard error, unless that may be a secret.
    pub fn succeeded(self) -> Result<Self, Error> {
        let problem = match self.code {
            Some(0) => return Ok(self),
            Some(code) => format!("ended with the exit code {code}"),
            None => "was ended by a signal".to_owned(),
        };
        let problem = match self.message() {
            Some(message) => format!("{problem}: {message}"),
            None => problem,
        };
        Err(self.program.failed(
            problem,
            "run the program in a terminal, as the same user and with the same environment",
        ))
    }

    /// Returns the beginning of the standard error for a message, or `None` if that is empty or may
    /// be a secret.
    #[must_use]
    pub fn message(&self) -> Option<String> {
        let text = String::from_utf8_lossy(&self.stderr);
        let text = text.trim();
        let stdout = String::from_utf8_lossy(&self.stdout);
        let stdout = stdout.trim();
        let repeats_output = !stdout.is_empty() && text.contains(stdout);
        if text.is_empty() || repeats_output || may_be_secret(text) {
            return None;
        }
        let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let text = lines.join("; ");
        let shown = printable(&text.chars().take(SHOWN).collect::<String>());
        Some(if text.chars().count() > SHOWN {
            shown + "…"
        } else {
            shown
        })
    }
}

impl fmt::Debug for ProgramOutput {
    /// Shows lengths only.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProgramOutput")
            .field("code", &self.code)
            .field("stdout", &self.stdout.len())
            .field("stderr", &self.stderr.len())
            .finish_non_exhaustive()
    }
}

/// The most characters of the standard error that an error shows.
const SHOWN: usize = 300;
