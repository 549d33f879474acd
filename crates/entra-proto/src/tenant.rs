//! Tenants, as segments of an authority's path.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::error::{Error, Input, InputError};
use crate::guid::Guid;
use crate::pasted::unwrapped;
use crate::secrecy::holds_jwt;

/// A tenant (directory), as it occurs in the path of an authority.
///
/// ```
/// use entra_proto::Tenant;
///
/// let tenant: Tenant = "Contoso.OnMicrosoft.com".parse()?;
/// assert_eq!(tenant.to_string(), "contoso.onmicrosoft.com");
/// assert!("contoso.com/../fabrikam.com".parse::<Tenant>().is_err());
/// # Ok::<(), entra_proto::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Tenant {
    /// A tenant by its ID.
    Id(Guid),
    /// A tenant by one of its domains.
    Domain(Domain),
    /// `common`: any account that signs in, work, school or personal. Not for daemons.
    Common,
    /// `organizations`: any work or school account that signs in. Not for daemons.
    Organizations,
    /// `consumers`: Microsoft accounts only. Not for daemons.
    Consumers,
    /// `adfs`: the placeholder for a tenant on an Active Directory Federation Services server.
    Adfs,
}

impl Tenant {
    /// Returns whether it is one specific tenant, which daemons require. `common` and similar names
    /// depend on the account that signs in.
    #[must_use]
    pub const fn is_specific(&self) -> bool {
        match self {
            // The tenant of personal Microsoft accounts.
            Self::Id(guid) => !guid.is(CONSUMERS),
            Self::Domain(_) | Self::Adfs => true,
            Self::Common | Self::Organizations | Self::Consumers => false,
        }
    }

    /// Checks that a sign-in in the tenant with this ID satisfies a request to this tenant.
    ///
    /// A domain cannot be compared with an ID offline, so every ID passes for a domain.
    ///
    /// # Errors
    /// Returns an error if another tenant was requested by its ID, or if the account has the wrong
    /// kind for `organizations` or `consumers`.
    pub fn check_sign_in(&self, id: Guid) -> Result<(), Error> {
        if self.may_be(id) {
            return Ok(());
        }
        Err(InputError::new(
            Input::Tenant,
            format!("of the sign-in is {id}, but {self} was requested"),
        )
        .with_hint("sign in with an account of the requested tenant")
        .into())
    }

    /// Checks that the tenant with this ID belongs to an organization, which can consent to a
    /// daemon. All personal Microsoft accounts share one tenant, in which daemons cannot get
    /// tokens.
    ///
    /// # Errors
    /// Returns an error for the tenant of personal accounts.
    pub fn check_organization(id: Guid) -> Result<(), Error> {
        if !id.is(CONSUMERS) {
            return Ok(());
        }
        Err(InputError::new(
            Input::Tenant,
            format!("{id} is the tenant of all personal Microsoft accounts"),
        )
        .with_hint("sign in with a work or school account of an administrator of the tenant")
        .into())
    }

    /// Checks that the tenant may belong to an organization, which can consent to a daemon: see
    /// [`check_organization`](Self::check_organization).
    ///
    /// # Errors
    /// Returns an error for the tenant of personal accounts, by its ID or as `consumers`.
    pub fn check_consent(&self) -> Result<(), Error> {
        match self {
            Self::Id(id) => Self::check_organization(*id),
            Self::Consumers => Self::check_organization(Guid::from_bytes(CONSUMERS.to_be_bytes())),
            Self::Domain(_) | Self::Common | Self::Organizations | Self::Adfs => Ok(()),
        }
    }

    /// Returns whether it may be the tenant with this ID. A domain may belong to any ID, and
    /// `common` accepts any account.
    pub(crate) fn may_be(&self, id: Guid) -> bool {
        match self {
            Self::Id(own) => *own == id,
            Self::Consumers => id.is(CONSUMERS),
            Self::Organizations => !id.is(CONSUMERS),
            Self::Domain(_) | Self::Common => true,
            Self::Adfs => false,
        }
    }
}

impl FromStr for Tenant {
    type Err = Error;

    /// Parses a GUID, a domain or one of the four names, in any case. White space, quotation marks,
    /// braces and a byte order mark around it are ignored.
    ///
    /// # Errors
    /// Returns an error for every other text, including all that would change the path or the host
    /// of a URL: `../`, `@host`, `%2f`, inner spaces.
    fn from_str(text: &str) -> Result<Self, Error> {
        let text = unwrapped(text);
        if let Ok(guid) = text.parse() {
            return Ok(Self::Id(guid));
        }
        match text.to_ascii_lowercase().as_str() {
            "common" => return Ok(Self::Common),
            "organizations" => return Ok(Self::Organizations),
            "consumers" => return Ok(Self::Consumers),
            "adfs" => return Ok(Self::Adfs),
            _ => {}
        }
        // The parts of a short JWT are valid labels as well.
        if let Some(domain) = Domain::parse(text).filter(|_| !holds_jwt(text)) {
            return Ok(Self::Domain(domain));
        }
        // The error does not repeat the text, which may be a secret in the wrong variable.
        let (problem, advice) = if text.is_empty() {
            ("is empty", EXAMPLE)
        } else if text.contains("://") {
            (
                "is a URL",
                "write only the tenant's ID or domain, which is the part after the host, or use the URL as the authority",
            )
        } else if text.contains('@') {
            ("is a user name", "write only the domain, which is the part after the @")
        } else if !text.is_ascii() && text.contains(['.', '\u{3002}']) {
            (
                "is a domain with letters that are not ASCII",
                "write it in the form of DNS, with xn-- before such a part, or write the tenant's ID",
            )
        } else if text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            (
                "is a GUID without its hyphens",
                "write it as 00001111-aaaa-2222-bbbb-3333cccc4444",
            )
        } else if text.contains(' ') {
            ("is a name with spaces, which is neither a GUID nor a domain", EXAMPLE)
        } else {
            ("is neither a GUID nor a domain", EXAMPLE)
        };
        Err(InputError::new(Input::Tenant, problem).with_hint(advice).into())
    }
}

impl From<Guid> for Tenant {
    fn from(guid: Guid) -> Self {
        Self::Id(guid)
    }
}

impl fmt::Display for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(guid) => guid.fmt(f),
            Self::Domain(domain) => f.write_str(domain.as_str()),
            Self::Common => f.write_str("common"),
            Self::Organizations => f.write_str("organizations"),
            Self::Consumers => f.write_str("consumers"),
            Self::Adfs => f.write_str("adfs"),
        }
    }
}

impl fmt::Debug for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A domain of a tenant, in lower case: at least two labels of letters, digits and hyphens (RFC
/// 1123, section 2.1).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Domain(Arc<str>);

impl Domain {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        // Top-level domains do not start with a digit, so that neither an IP address nor the `v2.0`
        // of a URL is a domain.
        let named = text
            .rsplit('.')
            .next()
            .is_some_and(|last| last.starts_with(|c: char| c.is_ascii_alphabetic()));
        let sound = text.len() <= 253 && text.contains('.') && text.split('.').all(is_label) && named;
        sound.then(|| Self(text.to_ascii_lowercase().into()))
    }

    /// Returns the domain, in lower case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Returns whether `text` is a single DNS label: 1 to 63 letters, digits and inner hyphens.
pub(crate) fn is_label(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    (1..=63).contains(&text.len()) && text.bytes().all(inner) && !text.starts_with('-') && !text.ends_with('-')
}

const EXAMPLE: &str = "write the tenant's ID or one of its domains, such as contoso.onmicrosoft.com";

/// The tenant of personal accounts, `consumers`: 9188040d-6c67-4c5b-b112-36a304b66dad.
const CONSUMERS: u128 = 0x9188_040d_6c67_4c5b_b112_36a3_04b6_6dad;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::in_full;

    #[test]
    fn forms_of_a_tenant() {
        let specific = |text: &str| {
            text.parse::<Tenant>()
                .map(|tenant| (tenant.to_string(), tenant.is_specific()))
                .unwrap()
        };
        assert_eq!(
            specific("AAAABBBB-0000-cccc-1111-dddd2222eeee").0,
            "aaaabbbb-0000-cccc-1111-dddd2222eeee"
        );
        assert_eq!(
            specific("contoso.onmicrosoft.com"),
            ("contoso.onmicrosoft.com".into(), true)
        );
        assert_eq!(specific("Common"), ("common".into(), false));
        assert_eq!(specific("organizations"), ("organizations".into(), false));
        assert_eq!(specific("consumers"), ("consumers".into(), false));
    }

    #[test]
    fn near_misses_are_named_in_the_error() {
        for (text, expected) in [
            (
                "bücher.example",
                "is a domain with letters that are not ASCII; write it in the form of DNS, with xn--",
            ),
            ("contoso\u{3002}com", "letters that are not ASCII"),
            ("Contoso Inc", "is a name with spaces"),
            ("aaaabbbb0000cccc1111dddd2222eeee", "is a GUID without its hyphens"),
            ("aaaabbbb0000cccc1111dddd2222eeex", "is neither a GUID nor a domain"),
            ("Bücher", "is neither a GUID nor a domain"),
        ] {
            let error = in_full(&text.parse::<Tenant>().unwrap_err());
            assert!(error.contains(expected) && !error.contains(text), "{text}: {error}");
        }
    }

    #[test]
    fn sign_in_must_be_in_the_requested_tenant() {
        let id = |text: &str| text.parse::<Guid>().unwrap();
        let (one, other) = (
            "11111111-2222-3333-4444-555555555555",
            "66666666-2222-3333-4444-555555555555",
        );
        let personal = "9188040d-6c67-4c5b-b112-36a304b66dad";
        for (requested, signed_in, fits) in [
            (one, one, true),
            (one, other, false),
            (one, personal, false),
            (personal, personal, true),
            ("common", personal, true),
            ("organizations", personal, false),
            ("organizations", one, true),
            ("consumers", one, false),
            ("contoso.com", one, true),
        ] {
            let checked = requested.parse::<Tenant>().unwrap().check_sign_in(id(signed_in));
            assert_eq!(checked.is_ok(), fits, "{requested} {signed_in}");
        }
        assert!(Tenant::check_organization(id(one)).is_ok());
        let error = in_full(&Tenant::check_organization(id(personal)).unwrap_err());
        assert!(error.contains("work or school account"), "{error}");
    }

    #[test]
    fn surroundings_of_a_tenant_are_ignored() {
        for (text, tenant) in [
            (" contoso.com\r\n", "contoso.com"),
            ("\"contoso.com\"", "contoso.com"),
            ("\u{feff}'Contoso.com'", "contoso.com"),
            (
                "{AAAABBBB-0000-cccc-1111-dddd2222eeee}",
                "aaaabbbb-0000-cccc-1111-dddd2222eeee",
            ),
            (" Common ", "common"),
        ] {
            assert_eq!(text.parse::<Tenant>().unwrap().to_string(), tenant);
        }
        for (text, expected) in [
            ("", "is empty"),
            ("\"\"", "is empty"),
            ("https://login.microsoftonline.com/contoso.com", "is a URL"),
            ("user@contoso.com", "after the @"),
            ("eyJhbGciOi.eyJhdWQi.c2ln", "neither"),
            ("contoso .com", "neither"),
            ("contoso.com/../fabrikam.com", "neither"),
        ] {
            let error = in_full(&text.parse::<Tenant>().expect_err(text));
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn error_has_an_example_and_never_repeats_the_text() {
        let error = in_full(&"canary8Q~secret".parse::<Tenant>().unwrap_err());
        assert!(
            error.contains("contoso.onmicrosoft.com") && !error.contains("canary"),
            "{error}"
        );
    }

    #[test]
    fn tenant_of_personal_accounts_is_not_specific() {
        assert!(
            !"9188040d-6c67-4c5b-b112-36a304b66dad"
                .parse::<Tenant>()
                .unwrap()
                .is_specific()
        );
    }
}
