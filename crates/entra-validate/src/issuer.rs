//! Issuers with a placeholder for the tenant.

use entra_proto::{Cloud, Guid};

/// An issuer in which `{tenantid}` stands for the tenant's ID, as in the metadata for several
/// tenants and in signing keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Template {
    text: Box<str>,
    /// The start of each placeholder, searched for once and not for each request.
    placeholders: Box<[usize]>,
}

impl Template {
    pub(crate) fn new(issuer: &str) -> Self {
        Self {
            text: issuer.into(),
            placeholders: issuer.match_indices(PLACEHOLDER).map(|(start, _)| start).collect(),
        }
    }

    /// Returns the template of an issuer: this tenant's ID becomes the placeholder.
    pub(crate) fn of_tenant(issuer: &str, tenant: Guid) -> Self {
        Self::new(&issuer.replace(&tenant.to_string(), PLACEHOLDER))
    }

    /// Returns the issuers of v1 and v2 tokens, if the cloud is one whose issuers are known.
    pub(crate) fn known(cloud: &Cloud) -> [Option<Self>; 2] {
        let v1 = match cloud {
            Cloud::Public | Cloud::UsGovernment => "https://sts.windows.net/{tenantid}/",
            Cloud::China => "https://sts.chinacloudapi.cn/{tenantid}/",
            _ => return [None, None],
        };
        let v2 = format!("{}/{PLACEHOLDER}/v2.0", cloud.origin());
        [Some(Self::new(v1)), Some(Self::new(&v2))]
    }

    /// Returns true if `issuer` equals this one, byte for byte, with `tenant` for each placeholder.
    pub(crate) fn matches(&self, issuer: &str, tenant: Guid) -> bool {
        let (mut rest, mut at) = (issuer, 0);
        for start in &self.placeholders {
            let tail = rest.strip_prefix(self.text.get(at..*start).unwrap_or_default());
            match tail.and_then(|it| it.split_at_checked(GUID_LENGTH)) {
                Some((id, tail)) if canonical_guid(id) == Some(tenant) => rest = tail,
                _ => return false,
            }
            at = start + PLACEHOLDER.len();
        }
        self.text.get(at..) == Some(rest)
    }

    /// Returns true if this issuer equals `other` for this tenant, with or without placeholders
    /// here.
    pub(crate) fn is_for(&self, other: &Self, tenant: Guid) -> bool {
        self == other || other.matches(&self.text, tenant)
    }

    /// Returns true if it is the issuer of this external tenant, with any of the possible hosts.
    ///
    /// The issuer in the keys of `ciamlogin.com` is not documented: tokens have the tenant's ID in
    /// the host, the metadata has addresses with the tenant's name, and keys of other tenants name
    /// `login.microsoftonline.com`. The keys come from the tenant's own metadata in any case. This
    /// check only ensures that they do not belong to another tenant.
    pub(crate) fn is_of_external(&self, tenant: Guid) -> bool {
        let is_tenant = |text: &str| text == PLACEHOLDER || canonical_guid(text) == Some(tenant);
        let Some((host, path)) = self.text.strip_prefix("https://").and_then(|rest| rest.split_once('/')) else {
            return false;
        };
        let is_host = match host.strip_suffix(".ciamlogin.com") {
            Some(name) if canonical_guid(name).is_some() => is_tenant(name),
            Some(name) => !name.is_empty() && !name.contains(['.', ':', '@']),
            None => host == "login.microsoftonline.com",
        };
        is_host && path.strip_suffix("/v2.0").is_some_and(is_tenant)
    }

    pub(crate) fn has_placeholder(&self) -> bool {
        !self.placeholders.is_empty()
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }
}

/// Parses a GUID as Entra writes it: 36 characters in lower case. Other spellings would be equal
/// here, but different in code that compares texts.
///
/// The parser of [`Guid`] accepts more spellings, and is slower: a token has several GUIDs, and is
/// read for each request.
pub(crate) fn canonical_guid(text: &str) -> Option<Guid> {
    let text: &[u8; GUID_LENGTH] = text.as_bytes().try_into().ok()?;
    let mut rest = text.iter();
    let mut bytes = [0; 16];
    for (at, byte) in bytes.iter_mut().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) && *rest.next()? != b'-' {
            return None;
        }
        let (high, low) = (digit(*rest.next()?), digit(*rest.next()?));
        if high | low == NO_DIGIT {
            return None;
        }
        *byte = high << 4 | low;
    }
    Some(Guid::from_bytes(bytes))
}

/// Returns the value of a hexadecimal digit in lower case. It uses a table: digits and letters have
/// no pattern, so that branches on them would be mispredicted half the time.
fn digit(byte: u8) -> u8 {
    VALUES.get(usize::from(byte)).copied().unwrap_or(NO_DIGIT)
}

#[allow(
    clippy::indexing_slicing,
    reason = "the compiler evaluates the table, and reports an index out of bounds"
)]
const VALUES: [u8; 256] = {
    let mut values = [NO_DIGIT; 256];
    let mut value = 0;
    while value < 16 {
        values[b"0123456789abcdef"[value] as usize] = value as u8;
        value += 1;
    }
    values
};

/// All bits are set, so that `|` with any digit leaves it unchanged.
const NO_DIGIT: u8 = u8::MAX;
const GUID_LENGTH: usize = 36;
const PLACEHOLDER: &str = "{tenantid}";

#[cfg(test)]
mod tests {
    use super::*;

    const TENANT: &str = "aaaabbbb-0000-cccc-1111-dddd2222eeee";

    #[test]
    fn template_matches_one_issuer_of_a_tenant() {
        let tenant = TENANT.parse().unwrap();
        let [v1, v2] = Template::known(&Cloud::Public).map(Option::unwrap);
        assert!(v1.matches(&format!("https://sts.windows.net/{TENANT}/"), tenant));
        assert!(v2.matches(&format!("https://login.microsoftonline.com/{TENANT}/v2.0"), tenant));
        for other in [
            format!("https://sts.windows.net/{TENANT}"),
            format!("https://sts.windows.net/{TENANT}//"),
            format!("https://sts.windows.net/{}/", TENANT.to_uppercase()),
            format!("https://STS.windows.net/{TENANT}/"),
            "https://sts.windows.net/{tenantid}/".to_owned(),
            "https://sts.windows.net//".to_owned(),
            format!("https://login.microsoftonline.com/{TENANT}/v2.0/"),
            String::new(),
        ] {
            assert!(!v1.matches(&other, tenant) && !v2.matches(&other, tenant), "{other}");
        }
    }

    #[test]
    fn guid_has_one_spelling() {
        assert_eq!(canonical_guid(TENANT), Some(TENANT.parse().unwrap()));
        for other in [
            TENANT.to_uppercase(),
            TENANT.replace('-', "0"),
            TENANT.replacen('a', "-", 1),
            TENANT.replacen('a', "g", 1),
            TENANT.replacen("aa", "\u{e9}", 1),
            format!("{TENANT} "),
            String::new(),
        ] {
            assert_eq!(canonical_guid(&other), None, "{other}");
        }
    }

    #[test]
    fn external_tenants_key_is_of_that_tenant_only() {
        let tenant = TENANT.parse().unwrap();
        let other = "bbbbcccc-1111-dddd-2222-eeee3333ffff";
        for issuer in [
            "https://{tenantid}.ciamlogin.com/{tenantid}/v2.0",
            "https://contoso.ciamlogin.com/{tenantid}/v2.0",
            "https://login.microsoftonline.com/{tenantid}/v2.0",
            &format!("https://{TENANT}.ciamlogin.com/{TENANT}/v2.0"),
            &format!("https://login.microsoftonline.com/{TENANT}/v2.0"),
        ] {
            assert!(Template::new(issuer).is_of_external(tenant), "{issuer}");
        }
        for issuer in [
            &format!("https://login.microsoftonline.com/{other}/v2.0"),
            &format!("https://{other}.ciamlogin.com/{{tenantid}}/v2.0"),
            &format!("https://{other}.ciamlogin.com/{other}/v2.0"),
            &format!("https://contoso.ciamlogin.com/{other}/v2.0"),
            "https://login.microsoftonline.us/{tenantid}/v2.0",
            "https://a.b.ciamlogin.com/{tenantid}/v2.0",
            "https://x@.ciamlogin.com/{tenantid}/v2.0",
            "https://.ciamlogin.com/{tenantid}/v2.0",
            "https://evil.example/.ciamlogin.com/{tenantid}/v2.0",
            "http://login.microsoftonline.com/{tenantid}/v2.0",
            "https://login.microsoftonline.com/{tenantid}",
            "https://login.microsoftonline.com/{tenantid}/v2.0/",
            "https://login.microsoftonline.com/common/v2.0",
            "",
        ] {
            assert!(!Template::new(issuer).is_of_external(tenant), "{issuer}");
        }
    }

    #[test]
    fn both_tenants_in_an_external_issuer_are_placeholders() {
        let tenant = TENANT.parse().unwrap();
        let issuer = format!("https://{TENANT}.ciamlogin.com/{TENANT}/v2.0");
        let template = Template::of_tenant(&issuer, tenant);
        assert_eq!(template.as_str(), "https://{tenantid}.ciamlogin.com/{tenantid}/v2.0");
        assert!(template.matches(&issuer, tenant));
        let other = "bbbbcccc-1111-dddd-2222-eeee3333ffff".parse().unwrap();
        assert!(!template.matches(&issuer, other));
    }
}
