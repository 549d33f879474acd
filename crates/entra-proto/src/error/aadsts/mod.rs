//! The AADSTS codes: the meaning of each, and what to do about it.

mod advice;
mod finder;
mod table;

pub(crate) use advice::CredentialKind;
pub(crate) use finder::marked_codes;

use crate::error::ErrorClass;
use table::{FAMILIES, TABLE};

/// A row of the table of AADSTS codes, the `AADSTS...` of the service's messages.
///
/// The codes and their meanings come from Entra's own list of error codes and from recorded
/// responses; the hints are original. Branch on [`ErrorClass`], not on codes: Entra adds and
/// changes them.
///
/// ```
/// use entra_proto::error::{Aadsts, ErrorClass};
///
/// let row = Aadsts::find(7_000_222).unwrap();
/// assert_eq!(row.class, ErrorClass::Credential);
/// assert_eq!(row.meaning, "the client secret has expired");
/// assert!(!row.retryable);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Aadsts {
    /// The code.
    pub code: u32,
    /// The OAuth 2.0 error code that usually accompanies it.
    pub error: &'static str,
    /// The class of the error.
    pub class: ErrorClass,
    /// `true` if the same request may succeed later.
    pub retryable: bool,
    /// The meaning of the code.
    pub meaning: &'static str,
    /// The advice for any kind of credential.
    /// [`ServiceError::hint`](crate::error::ServiceError::hint) fits the one that was used.
    pub hint: &'static str,
    /// The kind of credential that the hint is about, if it is about one.
    hint_is_for: Option<CredentialKind>,
    /// `true` if the hint is about the sign-in or the consent of a user.
    pub(crate) hint_is_about_user: bool,
}

impl Aadsts {
    /// Returns the row of a code, if it is known. A code without a row of its own gets the row of
    /// its family, such as 70021x for federated credentials.
    #[must_use]
    pub fn find(code: u32) -> Option<Self> {
        let in_table = |table: &[Self], code| {
            let at = table.binary_search_by_key(&code, |row| row.code).ok()?;
            table.get(at).copied()
        };
        in_table(TABLE, code).or_else(|| {
            let prefixes = std::iter::successors(Some(code), |code| Some(code / 10).filter(|left| *left > 0));
            // A family's codes have up to three digits more than its prefix.
            let family = prefixes.take(4).find_map(|prefix| in_table(FAMILIES, prefix))?;
            Some(Self { code, ..family }).filter(|_| code >= 10_000)
        })
    }

    /// Returns the AADSTS codes in a text, in their order, each once and at most 16.
    ///
    /// The text may be a message, the URL of an error page, a JSON response or a list of numbers,
    /// and it may be percent-encoded. Numbers that are marked as codes take precedence: after
    /// `AADSTS`, in `error_codes`, after `?code=`. Without any, those after `errorCode`, `error
    /// code` and the like count. Without those, every number counts that may be a code: it has five
    /// to eight digits, and is not part of an ID, a time, an address or a word.
    ///
    /// ```
    /// use entra_proto::error::Aadsts;
    ///
    /// let page = "https://login.microsoftonline.com/error?code=7000215";
    /// assert_eq!(Aadsts::codes_in(page), [7_000_215]);
    /// let response = r#"{"error":"invalid_grant","error_codes":[70002,70008]}"#;
    /// assert_eq!(Aadsts::codes_in(response), [70_002, 70_008]);
    /// assert_eq!(Aadsts::codes_in("code: 700016."), [700_016]);
    /// ```
    #[must_use]
    pub fn codes_in(text: &str) -> Vec<u32> {
        finder::codes_in(text)
    }

    /// Returns all rows, in the order of their codes.
    #[must_use]
    pub fn all() -> &'static [Self] {
        TABLE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_is_sorted_and_every_row_has_a_hint() {
        for table in [TABLE, FAMILIES] {
            assert!(table.windows(2).all(|pair| pair[0].code < pair[1].code));
            for row in table {
                assert!(
                    !row.meaning.is_empty() && !row.hint.is_empty() && row.class != ErrorClass::Unknown,
                    "{row:?}"
                );
            }
        }
        for row in TABLE {
            assert_eq!(Aadsts::find(row.code), Some(*row));
        }
        assert_eq!(Aadsts::find(1), None);
    }

    #[test]
    fn code_without_row_has_row_of_its_family() {
        for code in [700_219, 70_022, 700_228, 7_002_399, 70_023, 700_241] {
            let row = Aadsts::find(code).unwrap();
            assert_eq!((row.code, row.class), (code, ErrorClass::Credential));
            assert!(
                row.hint.contains("federated credential") && !row.hint.contains("secret"),
                "{row:?}"
            );
        }
        assert_eq!(Aadsts::find(530_039).unwrap().class, ErrorClass::Policy);
        assert_eq!(Aadsts::find(650_059).unwrap().class, ErrorClass::Consent);
        for unknown in [0, 5_300, 5_301, 70_02, 12_345, 700_999, 70_021_123 * 10, u32::MAX] {
            assert_eq!(Aadsts::find(unknown), None, "{unknown}");
        }
    }
}
