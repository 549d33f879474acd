//! What makes a client secret look wrong.

use std::fmt;

/// What makes a client secret look wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SecretDoubt {
    /// It is a GUID, as the id of a secret is.
    Id,
    /// It begins or ends with white space or a line end.
    WhiteSpace,
    /// It stands in quotation marks.
    Quotes,
    /// It begins or ends with an invisible character, such as a byte order mark.
    Invisible,
}

impl SecretDoubt {
    /// What to do about it.
    #[must_use]
    pub const fn hint(self) -> &'static str {
        match self {
            Self::Id => {
                "send the secret's value, not its id: this one is a GUID, as ids are; the value is shown only once, so make a new secret if it is lost"
            }
            Self::WhiteSpace => {
                "take out the white space or line end around the secret: `printf %s` writes no line end, `echo` does"
            }
            Self::Quotes => {
                "take out the quotation marks around the secret: not every file of variables is read by a shell"
            }
            Self::Invisible => {
                "take out the invisible character at an end of the secret: some editors write a byte order mark"
            }
        }
    }
}

impl fmt::Display for SecretDoubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Id => "it looks like a secret's id",
            Self::WhiteSpace => "it begins or ends with white space or a line end",
            Self::Quotes => "it stands in quotation marks",
            Self::Invisible => "it begins or ends with an invisible character",
        })
    }
}
