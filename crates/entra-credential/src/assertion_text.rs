//! The assertion in the text of a file, a variable or a command's output.

use entra_proto::assertion::ClientAssertion;

use crate::text::from_utf16;

/// The reason why a text is not an assertion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TextProblem {
    TooLong,
    NotText,
    Empty,
    Json,
    Key,
    NotJwt,
}

impl TextProblem {
    /// Returns the problem, as the continuation of a sentence about the text.
    pub(crate) fn problem(self) -> &'static str {
        match self {
            Self::TooLong => "is longer than 64 KiB",
            Self::NotText => "is not a text",
            Self::Empty => "is empty",
            Self::Json => "holds JSON",
            Self::Key => "holds a key or a certificate, not a token of a workload",
            Self::NotJwt => "does not hold a JWT of three base64url parts",
        }
    }
}

/// Reads an assertion. White space, a byte order mark, quotation marks and `Bearer` around it are
/// ignored, and the text may be in UTF-16, because PowerShell and programs that log a header write
/// it that way.
pub(crate) fn assertion_in(text: &[u8]) -> Result<ClientAssertion, TextProblem> {
    if text.len() > MOST {
        return Err(TextProblem::TooLong);
    }
    let utf8 = from_utf16(text);
    let text = utf8.as_ref().map_or(text, |text| text.as_slice());
    let text = std::str::from_utf8(text).map_err(|_| TextProblem::NotText)?;
    let trimmed = text.trim_start_matches('\u{feff}').trim();
    if trimmed.is_empty() {
        return Err(TextProblem::Empty);
    }
    if trimmed.starts_with(['{', '[']) {
        return Err(TextProblem::Json);
    }
    if trimmed.contains("-----BEGIN") {
        return Err(TextProblem::Key);
    }
    ClientAssertion::new(trimmed).map_err(|_| TextProblem::NotJwt)
}

/// The most bytes of an assertion.
pub(crate) const MOST: usize = 64 * 1024;
