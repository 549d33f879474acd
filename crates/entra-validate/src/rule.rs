//! The rules by name, in the order in which they are applied.

/// A rule that every token must pass. They are applied in their order, and the first that fails
/// decides.
///
/// Up to [`Rule::Issuer`] they read what selects the keys, and nothing else of an unverified token.
/// From [`Rule::Signature`] on, the token is the issuer's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Rule {
    /// The token is a signed JWT within bounds, with each member once.
    Form,
    /// The algorithm is RS256, and the header asks for nothing unknown.
    Algorithm,
    /// `ver` is `1.0` or `2.0`.
    Version,
    /// `tid` is the ID of a tenant.
    TenantId,
    /// `iss` is the cloud's issuer for this tenant and version.
    Issuer,
    /// `kid` names a signing key that the cloud publishes.
    Key,
    /// The signature is the key's.
    Signature,
    /// The key signs for this issuer.
    KeyIssuer,
    /// The key belongs to this cloud.
    KeyCloud,
    /// `aud` is the API.
    Audience,
    /// `exp` is not past.
    Expiry,
    /// `nbf` and `iat` are past.
    NotBefore,
    /// The token is not bound to a key that was not shown.
    Binding,
    /// The tenant is accepted.
    Tenant,
    /// The token says who calls, without contradiction.
    Principal,
    /// The token carries a scope or a role.
    Grants,
    /// The calling application is accepted.
    Caller,
    /// The caller has one of the permissions needed.
    Permissions,
}

impl Rule {
    /// The rules in their order.
    pub const ALL: [Self; 18] = [
        Self::Form,
        Self::Algorithm,
        Self::Version,
        Self::TenantId,
        Self::Issuer,
        Self::Key,
        Self::Signature,
        Self::KeyIssuer,
        Self::KeyCloud,
        Self::Audience,
        Self::Expiry,
        Self::NotBefore,
        Self::Binding,
        Self::Tenant,
        Self::Principal,
        Self::Grants,
        Self::Caller,
        Self::Permissions,
    ];

    /// The number of the rule: `R01` to `R18`.
    #[must_use]
    pub const fn id(self) -> &'static str {
        self.texts().0
    }

    /// The name of the rule, in words with hyphens.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.texts().1
    }

    /// The rule in a sentence.
    #[must_use]
    pub const fn about(self) -> &'static str {
        self.texts().2
    }

    const fn texts(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Form => (
                "R01",
                "form",
                "the token is a signed JWT of at most 16 KiB with each member once",
            ),
            Self::Algorithm => (
                "R02",
                "algorithm",
                "alg is RS256, and the header has no critical extension",
            ),
            Self::Version => ("R03", "version", "ver is 1.0 or 2.0"),
            Self::TenantId => ("R04", "tenant-id", "tid is a GUID in lower case"),
            Self::Issuer => (
                "R05",
                "issuer",
                "iss is the issuer of tid in this cloud for this version",
            ),
            Self::Key => ("R06", "key", "kid names a published signing key"),
            Self::Signature => ("R07", "signature", "the signature is that key's"),
            Self::KeyIssuer => ("R08", "key-issuer", "the key signs for this issuer"),
            Self::KeyCloud => ("R09", "key-cloud", "the key belongs to this cloud"),
            Self::Audience => ("R10", "audience", "aud is exactly one of the API's names"),
            Self::Expiry => ("R11", "expiry", "exp is not past"),
            Self::NotBefore => ("R12", "not-before", "nbf and iat are past"),
            Self::Binding => ("R13", "binding", "the token is not bound to a key (cnf)"),
            Self::Tenant => ("R14", "tenant", "the tenant is one that the API accepts"),
            Self::Principal => (
                "R15",
                "principal",
                "oid, azp or appid, and idtyp name the caller without contradiction",
            ),
            Self::Grants => ("R16", "grants", "there is a scope or a role"),
            Self::Caller => ("R17", "caller", "the application is one that the API accepts"),
            Self::Permissions => ("R18", "permissions", "the caller has one of the permissions needed"),
        }
    }
}
