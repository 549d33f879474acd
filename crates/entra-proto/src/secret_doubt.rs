//! The reasons to doubt a client secret.

use std::fmt;

/// A reason why a client secret looks wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SecretDoubt {
    /// It is a GUID, like the ID of a secret.
    Id,
    /// It begins or ends with white space or a line end.
    WhiteSpace,
    /// It is enclosed in quotation marks.
    Quotes,
    /// It begins or ends with an invisible character, such as a byte order mark.
    Invisible,
}

impl SecretDoubt {
    /// Returns the remedy.
    #[must_use]
    pub const fn hint(self) -> &'static str {
        match self {
            Self::Id => {
                "send the secret's value, not its ID: this one is a GUID, like an ID; the value is shown only once, so create a new secret if it is lost"
            }
            Self::WhiteSpace => {
                "remove the white space or line end around the secret: `printf %s` writes no line end, `echo` does"
            }
            Self::Quotes => {
                "remove the quotation marks around the secret: not every file of variables is read by a shell"
            }
            Self::Invisible => {
                "remove the invisible character at the start or end of the secret: some editors write a byte order mark"
            }
        }
    }
}

impl fmt::Display for SecretDoubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Id => "it looks like the ID of a secret",
            Self::WhiteSpace => "it begins or ends with white space or a line end",
            Self::Quotes => "it is enclosed in quotation marks",
            Self::Invisible => "it begins or ends with an invisible character",
        })
    }
}
