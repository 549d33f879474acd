//! Issuers with a place for the tenant.

use entra_proto::{Cloud, Guid};

/// An issuer in which `{tenantid}` stands for the tenant's ID, as metadata for several tenants and
/// signing keys have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Template {
    text: Box<str>,
    /// The beginning of each placeholder. It is searched for once, and not with each request.
    places: Box<[usize]>,
}

impl Template {
    pub(crate) fn new(issuer: &str) -> Self {
        Self {
            text: issuer.into(),
            places: issuer.match_indices(PLACEHOLDER).map(|(place, _)| place).collect(),
        }
    }

    /// The same issuer with the placeholder for this tenant's ID.
    pub(crate) fn of_tenant(issuer: &str, tenant: Guid) -> Self {
        Self::new(&issuer.replace(&tenant.to_string(), PLACEHOLDER))
    }

    /// The issuers of v1 and v2 tokens in a cloud whose metadata is known beforehand.
    pub(crate) fn known(cloud: &Cloud) -> [Option<Self>; 2] {
        let v1 = match cloud {
            Cloud::Public | Cloud::UsGovernment => "https://sts.windows.net/{tenantid}/",
            Cloud::China => "https://sts.chinacloudapi.cn/{tenantid}/",
            _ => return [None, None],
        };
        let v2 = format!("{}/{PLACEHOLDER}/v2.0", cloud.origin());
        [Some(Self::new(v1)), Some(Self::new(&v2))]
    }

    /// Whether `issuer` is this one with `tenant` in the place for it, byte for byte.
    pub(crate) fn matches(&self, issuer: &str, tenant: Guid) -> bool {
        let (mut rest, mut at) = (issuer, 0);
        for place in &self.places {
            let behind = rest.strip_prefix(self.text.get(at..*place).unwrap_or_default());
            match behind.and_then(|it| it.split_at_checked(GUID_LENGTH)) {
                Some((id, behind)) if canonical_guid(id) == Some(tenant) => rest = behind,
                _ => return false,
            }
            at = place + PLACEHOLDER.len();
        }
        self.text.get(at..) == Some(rest)
    }

    /// Whether it is the issuer `other` once both have the tenant in its place.
    pub(crate) fn is_for(&self, other: &Self, tenant: Guid) -> bool {
        self == other || other.matches(&self.text, tenant)
    }

    /// Whether it is this external tenant's issuer, under any of the hosts that may stand there.
    ///
    /// How the service writes the issuer of the keys of `ciamlogin.com` is not documented: tokens
    /// name the tenant's ID as the host, the metadata has addresses with the tenant's name, and
    /// keys of other tenants name `login.microsoftonline.com`. The keys are those of the tenant's
    /// own metadata in any case. What matters is that they do not belong to another tenant.
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

    pub(crate) fn has_place(&self) -> bool {
        !self.places.is_empty()
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }
}

/// A GUID as Entra writes it: 36 characters in lower case. Other spellings of the same would be
/// equal here and differ elsewhere.
///
/// [`Guid`]'s own reader takes what people copy; a token has several GUIDs, and is read for each
/// request.
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

/// The value of a hexadecimal digit in lower case. By a table: digits and letters alternate without
/// a pattern, and each branch on them would be predicted wrongly half the time.
fn digit(byte: u8) -> u8 {
    VALUES.get(usize::from(byte)).copied().unwrap_or(NO_DIGIT)
}

#[allow(
    clippy::indexing_slicing,
    reason = "the compiler builds the table, and would see an index beyond it"
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

/// It has all bits, so that it stays itself beside any digit.
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
    fn external_tenants_key_names_no_other_tenant() {
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
    fn external_tenant_stands_twice_in_its_issuer() {
        let tenant = TENANT.parse().unwrap();
        let issuer = format!("https://{TENANT}.ciamlogin.com/{TENANT}/v2.0");
        let template = Template::of_tenant(&issuer, tenant);
        assert_eq!(template.as_str(), "https://{tenantid}.ciamlogin.com/{tenantid}/v2.0");
        assert!(template.matches(&issuer, tenant));
        let other = "bbbbcccc-1111-dddd-2222-eeee3333ffff".parse().unwrap();
        assert!(!template.matches(&issuer, other));
    }
}
