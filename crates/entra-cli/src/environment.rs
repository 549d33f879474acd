//! Environment variables: their text, and the misspelt names that users set instead.

use std::env;

use entra_proto::environment::{self, AUTHORITY_HOST, CLIENT_ID, TENANT_ID};
use zeroize::Zeroizing;

use crate::exit::{Exit, Failure};

/// Returns the text of a variable. An empty one counts as unset.
///
/// # Errors
/// Returns an error if the value is not UTF-8: the variable is set and cannot be used.
pub(crate) fn text(name: &'static str, exit: Exit) -> Result<Option<Zeroizing<String>>, Failure> {
    environment::text(|name| env::var_os(name), name).map_err(|_| not_utf8_failure(exit, name))
}

/// Returns true if a variable is set to an empty value.
pub(crate) fn is_empty(name: &str) -> bool {
    env::var_os(name).is_some_and(|value| value.is_empty())
}

/// Returns the first variable of an option that is not UTF-8.
pub(crate) fn not_utf8() -> Option<&'static str> {
    OPTIONS
        .into_iter()
        .find(|name| env::var_os(name).is_some_and(|value| value.into_string().is_err()))
}

/// Returns the failure for a variable that is not UTF-8.
pub(crate) fn not_utf8_failure(exit: Exit, name: &str) -> Failure {
    Failure::text(exit, format_args!("{name} is not UTF-8")).hint("set it again, as plain text")
}

/// Returns the variable that a user probably set instead of `name`, which is not set.
pub(crate) fn misspelt(name: &str) -> Option<String> {
    if let Some(known) = environment::misnamed(|name| env::var_os(name), name) {
        return Some(known.to_owned());
    }
    let mut names: Vec<String> = env::vars_os()
        .filter(|(_, value)| !value.is_empty())
        .filter_map(|(name, _)| name.into_string().ok())
        .filter(|other| !KNOWN.contains(&other.as_str()) && is_near(other, name))
        .collect();
    names.sort_unstable();
    names.into_iter().next()
}

/// Returns true if the names differ only in case or in one or two mistyped letters.
pub(crate) fn is_near(other: &str, name: &str) -> bool {
    other != name
        && other.len().abs_diff(name.len()) <= MISTYPED
        && distance(&other.to_ascii_uppercase(), name) <= MISTYPED
}

/// Returns the most similar of the names, if it is similar enough to be a misspelling.
pub(crate) fn nearest<'a>(other: &str, names: &[&'a str]) -> Option<&'a str> {
    if other.len() > 100 {
        return None;
    }
    let other = other.to_ascii_lowercase();
    let apart = |name: &str| distance(&other, &name.to_ascii_lowercase());
    let near = names.iter().min_by_key(|name| apart(name)).copied()?;
    (apart(near) <= MISTYPED.min((other.len() / 3).max(1))).then_some(near)
}

/// Returns the edit distance of two names: the number of letters to insert, delete, replace or swap
/// with the next one.
pub(crate) fn distance(one: &str, other: &str) -> usize {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    let mut rows = vec![vec![0; other.len() + 1]; one.len() + 1];
    for (at, row) in rows.iter_mut().enumerate() {
        row[0] = at;
    }
    rows[0] = (0..=other.len()).collect();
    for i in 1..=one.len() {
        for j in 1..=other.len() {
            let differs = usize::from(one[i - 1] != other[j - 1]);
            let mut least = (rows[i - 1][j] + 1)
                .min(rows[i][j - 1] + 1)
                .min(rows[i - 1][j - 1] + differs);
            if i > 1 && j > 1 && one[i - 1] == other[j - 2] && one[i - 2] == other[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = least;
        }
    }
    rows[one.len()][other.len()]
}

/// The maximum edit distance of a misspelt name.
const MISTYPED: usize = 2;

/// The variables of options with text values.
const OPTIONS: [&str; 3] = [TENANT_ID, CLIENT_ID, AUTHORITY_HOST];

/// Correct names of other variables, which are not misspellings.
const KNOWN: [&str; 8] = [
    TENANT_ID,
    CLIENT_ID,
    AUTHORITY_HOST,
    environment::CLIENT_SECRET,
    environment::CLIENT_CERTIFICATE_PATH,
    environment::CLIENT_CERTIFICATE_PASSWORD,
    environment::CLIENT_SEND_CERTIFICATE_CHAIN,
    environment::FEDERATED_TOKEN_FILE,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelt_names_are_near() {
        for (other, is) in [
            ("AZURE_TENNANT_ID", true),
            ("AZURE_TENANTI_D", true),
            ("azure_tenant_id", true),
            ("AZURE_CLIENT_ID", false),
            ("AZURE_TENANT_ID", false),
        ] {
            assert_eq!(is_near(other, "AZURE_TENANT_ID"), is, "{other}");
        }
        assert_eq!(distance("AZURE_CLIENT_SERCET", "AZURE_CLIENT_SECRET"), 1);
    }
}
