//! Environment variables: what they hold, and what people call them by mistake.

use std::env;
use std::ffi::OsString;

use zeroize::Zeroizing;

use crate::exit::{Exit, Failure};

/// The text of a variable. One that is set to nothing is not set.
///
/// # Errors
/// Where it is not UTF-8: then it is set, and cannot be used.
pub(crate) fn text(name: &str, exit: Exit) -> Result<Option<Zeroizing<String>>, Failure> {
    match env::var_os(name).map(OsString::into_string) {
        Some(Ok(text)) => Ok(Some(Zeroizing::new(text)).filter(|text| !text.is_empty())),
        Some(Err(_)) => Err(refused(exit, name)),
        None => Ok(None),
    }
}

/// Whether a variable is set, to nothing.
pub(crate) fn is_empty(name: &str) -> bool {
    env::var_os(name).is_some_and(|value| value.is_empty())
}

/// The first of the variables that options stand for whose value is not UTF-8.
pub(crate) fn not_utf8() -> Option<&'static str> {
    OPTIONS
        .into_iter()
        .find(|name| env::var_os(name).is_some_and(|value| value.into_string().is_err()))
}

/// The failure for a variable whose value is not UTF-8.
pub(crate) fn refused(exit: Exit, name: &str) -> Failure {
    Failure::text(exit, format_args!("{name} is not UTF-8")).hint("set it again, as plain text")
}

/// The variable that somebody set in the place of this one, which is not set.
pub(crate) fn misspelt(name: &str) -> Option<String> {
    let set = |name: &str| env::var_os(name).is_some_and(|value| !value.is_empty());
    let others = MISTAKEN
        .iter()
        .filter(|(right, _)| *right == name)
        .flat_map(|(_, wrong)| *wrong);
    if let Some(known) = others.copied().find(|wrong| set(wrong)) {
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

/// Whether one name is the other with another case, or one or two letters mistyped.
pub(crate) fn is_near(other: &str, name: &str) -> bool {
    other != name
        && other.len().abs_diff(name.len()) <= MISTYPED
        && distance(&other.to_ascii_uppercase(), name) <= MISTYPED
}

/// The name that was meant by another one, where one is near enough.
pub(crate) fn nearest<'a>(other: &str, names: &[&'a str]) -> Option<&'a str> {
    if other.len() > 100 {
        return None;
    }
    let other = other.to_ascii_lowercase();
    let apart = |name: &str| distance(&other, &name.to_ascii_lowercase());
    let near = names.iter().min_by_key(|name| apart(name)).copied()?;
    (apart(near) <= MISTYPED.min((other.len() / 3).max(1))).then_some(near)
}

/// How many letters have to be added, removed, replaced or switched with the next one.
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

const MISTYPED: usize = 2;

/// The variables that options stand for, as texts.
const OPTIONS: [&str; 3] = ["AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_AUTHORITY_HOST"];

/// Names that are right, of other things than the one that is missing.
const KNOWN: [&str; 8] = [
    "AZURE_TENANT_ID",
    "AZURE_CLIENT_ID",
    "AZURE_AUTHORITY_HOST",
    "AZURE_CLIENT_SECRET",
    "AZURE_CLIENT_CERTIFICATE_PATH",
    "AZURE_CLIENT_CERTIFICATE_PASSWORD",
    "AZURE_CLIENT_SEND_CERTIFICATE_CHAIN",
    "AZURE_FEDERATED_TOKEN_FILE",
];

/// Names that people and other tools use.
const MISTAKEN: [(&str, &[&str]); 6] = [
    (
        "AZURE_TENANT_ID",
        &[
            "AZURE_TENANT",
            "AZURE_TENANTID",
            "AZURE_AD_TENANT_ID",
            "ARM_TENANT_ID",
            "AAD_TENANT_ID",
            "TENANT_ID",
        ],
    ),
    (
        "AZURE_CLIENT_ID",
        &[
            "AZURE_CLIENT",
            "AZURE_CLIENTID",
            "AZURE_APP_ID",
            "AZURE_APPLICATION_ID",
            "AZURE_AD_CLIENT_ID",
            "ARM_CLIENT_ID",
            "AAD_CLIENT_ID",
            "CLIENT_ID",
        ],
    ),
    (
        "AZURE_CLIENT_SECRET",
        &[
            "AZURE_SECRET",
            "AZURE_CLIENTSECRET",
            "AZURE_CLIENT_KEY",
            "AZURE_APP_SECRET",
            "AZURE_CLIENT_PASSWORD",
            "AZURE_SECRET_ID",
            "AZURE_CLIENT_SECRET_VALUE",
            "AZURE_AD_CLIENT_SECRET",
            "ARM_CLIENT_SECRET",
            "AAD_CLIENT_SECRET",
            "CLIENT_SECRET",
        ],
    ),
    (
        "AZURE_CLIENT_CERTIFICATE_PATH",
        &[
            "AZURE_CERTIFICATE_PATH",
            "AZURE_CLIENT_CERTIFICATE",
            "AZURE_CLIENT_CERTIFICATE_FILE",
            "AZURE_CLIENT_CERT_PATH",
            "AZURE_CERTIFICATE",
            "ARM_CLIENT_CERTIFICATE_PATH",
        ],
    ),
    (
        "AZURE_FEDERATED_TOKEN_FILE",
        &[
            "AZURE_FEDERATED_TOKEN_PATH",
            "AZURE_TOKEN_FILE",
            "AZURE_FEDERATED_TOKEN",
        ],
    ),
    (
        "AZURE_AUTHORITY_HOST",
        &["AZURE_AUTHORITY", "AZURE_AUTHORITY_URL", "AZURE_CLOUD_INSTANCE"],
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_errors_are_near() {
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
