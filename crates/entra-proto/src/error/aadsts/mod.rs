//! The service's numbered errors: what each code means, and what to do about it.

mod advice;
mod finder;
mod table;

pub(crate) use advice::CredentialKind;
pub(crate) use finder::marked_codes;

use crate::error::ErrorClass;
use table::{FAMILIES, TABLE};

/// A row of the table of AADSTS codes, the `AADSTS...` of the service's messages.
///
/// The codes and their meanings are those of Entra's own list of error codes and of responses seen; the advice is ours.
/// Branch on [`ErrorClass`], not on codes: Entra adds and changes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Aadsts {
    /// The code.
    pub code: u32,
    /// The OAuth 2.0 error code that it usually comes with.
    pub error: &'static str,
    /// The kind of failure.
    pub class: ErrorClass,
    /// Whether the same request may succeed a little later.
    pub retryable: bool,
    /// What it means.
    pub meaning: &'static str,
    /// What to do about it, whatever the credential. [`ServiceError::hint`](crate::error::ServiceError::hint) knows the credential.
    pub hint: &'static str,
    /// The kind of credential that the advice is about, where it is about one.
    speaks_of: Option<CredentialKind>,
}

impl Aadsts {
    /// Returns what is known of this code. A code without a row of its own gets the row of its family, such as 70021x for
    /// federated credentials.
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

    /// Returns the AADSTS codes in a text, in their order, each once and at most 16: in a message, a URL of an error page, a
    /// JSON response, a list of numbers.
    ///
    /// Numbers that are named as codes count first: behind `AADSTS`, in `error_codes`, behind `?code=`. Where none is named, those
    /// behind `errorCode`, `error code` and the like count, else every number that may be a code: of five to eight digits, and no
    /// part of an id, a time, an address or a word. The text may be percent-encoded.
    ///
    /// ```
    /// use entra_proto::error::Aadsts;
    ///
    /// assert_eq!(Aadsts::codes_in("https://login.microsoftonline.com/error?code=7000215"), [7_000_215]);
    /// assert_eq!(Aadsts::codes_in(r#"{"error":"invalid_grant","error_codes":[70002,70008]}"#), [70_002, 70_008]);
    /// assert_eq!(Aadsts::codes_in("code: 700016."), [700_016]);
    /// ```
    #[must_use]
    pub fn codes_in(text: &str) -> Vec<u32> {
        finder::codes_in(text)
    }

    /// All rows, in the order of their codes.
    #[must_use]
    pub fn all() -> &'static [Self] {
        TABLE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order_and_every_row_says_what_to_do() {
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
    fn a_code_without_a_row_has_its_familys_advice() {
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
