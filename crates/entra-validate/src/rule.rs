//! The names and descriptions of the rules, in the order in which they are applied.

/// A rule that every token must pass. Rules are applied in order, and the first that fails decides.
///
/// The rules up to [`Rule::Key`] check the form of a token and the values that select its key. The
/// claims of the token are trusted only after [`Rule::Signature`] and the two rules about the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Rule {
    /// The token is a signed JWT of limited size without duplicate members.
    Form,
    /// The algorithm is RS256, and the header has no critical extension and no type but JWT.
    Algorithm,
    /// `ver` is `1.0` or `2.0`.
    Version,
    /// `tid` is the ID of a tenant.
    TenantId,
    /// `iss` is the cloud's issuer for this tenant and version.
    Issuer,
    /// `kid` names a signing key that the cloud publishes.
    Key,
    /// The signature matches the key.
    Signature,
    /// The key signs tokens of this issuer.
    KeyIssuer,
    /// The key belongs to this cloud.
    KeyCloud,
    /// `aud` names the API.
    Audience,
    /// `exp` is in the future, within the allowed clock skew.
    Expiry,
    /// `nbf` and `iat` are in the past, within the allowed clock skew.
    NotBefore,
    /// The token is not bound to a key.
    Binding,
    /// The API accepts the tenant.
    Tenant,
    /// The token names its caller without contradiction.
    Principal,
    /// The token has a scope or a role.
    Grants,
    /// The API accepts the calling application.
    Caller,
    /// The caller has one of the required permissions.
    Permissions,
}

impl Rule {
    /// All rules, in order.
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

    /// Returns the number of the rule: `R01` to `R18`.
    #[must_use]
    pub const fn id(self) -> &'static str {
        self.texts().0
    }

    /// Returns the name of the rule, in lower case with hyphens.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.texts().1
    }

    /// Returns a description of the rule.
    #[must_use]
    pub const fn about(self) -> &'static str {
        self.texts().2
    }

    const fn texts(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Form => (
                "R01",
                "form",
                "the token is a signed JWT of at most 16 KiB without duplicate members",
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
            Self::Signature => ("R07", "signature", "the signature matches the key"),
            Self::KeyIssuer => ("R08", "key-issuer", "the key signs tokens of this issuer"),
            Self::KeyCloud => ("R09", "key-cloud", "the key belongs to this cloud"),
            Self::Audience => ("R10", "audience", "aud is exactly one of the API's names"),
            Self::Expiry => ("R11", "expiry", "exp is in the future, within the clock skew"),
            Self::NotBefore => (
                "R12",
                "not-before",
                "nbf and iat are in the past, within the clock skew",
            ),
            Self::Binding => ("R13", "binding", "the token is not bound to a key (cnf)"),
            Self::Tenant => ("R14", "tenant", "the API accepts the tenant"),
            Self::Principal => (
                "R15",
                "principal",
                "oid, azp or appid, and idtyp name the caller without contradiction",
            ),
            Self::Grants => ("R16", "grants", "the token has a scope or a role"),
            Self::Caller => ("R17", "caller", "the API accepts the application"),
            Self::Permissions => ("R18", "permissions", "the caller has one of the required permissions"),
        }
    }
}
