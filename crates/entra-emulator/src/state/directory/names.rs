//! The parts of host names and domains.

/// Returns the `{sub}` of `{sub}.ciamlogin.com`.
pub(crate) fn ciam_subdomain(host: &str) -> Option<&str> {
    let at = host.len().checked_sub(CIAM_SUFFIX.len())?;
    let (sub, suffix) = (host.get(..at)?, host.get(at..)?);
    (suffix.eq_ignore_ascii_case(CIAM_SUFFIX) && !sub.is_empty() && !sub.contains('.')).then_some(sub)
}

/// Returns the first label of a domain.
pub(super) fn first_label(domain: &str) -> &str {
    domain.split('.').next().unwrap_or(domain)
}

const CIAM_SUFFIX: &str = ".ciamlogin.com";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn customer_hosts_name_their_tenant() {
        assert_eq!(ciam_subdomain("contoso.CIAMlogin.com"), Some("contoso"));
        assert_eq!(ciam_subdomain("a.b.ciamlogin.com"), None);
        assert_eq!(ciam_subdomain(".ciamlogin.com"), None);
        assert_eq!(ciam_subdomain("é.com"), None);
    }
}
