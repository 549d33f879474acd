//! Findings about a request.

use std::fmt;

/// Something about a request that is wrong or unwise.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Lint {
    /// A secret or assertion in the URL's query, where every log keeps it (RFC 6749, 2.3.1). It is never used.
    SecretInUrl,
    /// A parameter neither RFC 6749 nor Entra's documents know. Ignored, as the standard asks.
    UnknownParameter(String),
    /// A parameter given twice.
    DuplicateParameter(String),
    /// A known parameter in the wrong case: names are case-sensitive, so it counts as unknown.
    ParameterCase(String),
    /// A secret or assertion in the body and in the `Authorization` header.
    TwoCredentials,
    /// No `client-request-id`: nothing to find this request by in the service's logs.
    MissingClientRequestId,
    /// The body was not sent as `application/x-www-form-urlencoded`, so it was not read.
    ContentType(String),
    /// The v1 endpoint reads `resource` and ignores `scope`.
    ScopeOnV1,
    /// The v2 endpoint reads `scope` and refuses `resource`.
    ResourceOnV2,
    /// The scope was form-encoded more than once.
    DoubleEncodedScope,
    /// A white space at the beginning or end of the secret: a copying mistake most of the time.
    BlankAroundSecret,
    /// The secret sent is the id of a secret.
    SecretId,
    /// A bearer token in the URL's query.
    TokenInUrl,
    /// A certificate's thumbprint that is padded or in standard base64: RFC 7515 has base64url without padding. Entra
    /// takes either.
    ThumbprintEncoding,
    /// An assertion with padding, which RFC 7515 (section 2) leaves out. Entra takes it.
    PaddedAssertion,
    /// A thumbprint made of the hexadecimal text instead of the bytes. It fits no certificate.
    ThumbprintOfText,
    /// Only a SHA-1 thumbprint (`x5t`) with PS256, which the documents pair with `x5t#S256`.
    Sha1WithPs256,
    /// White space inside a certificate of `x5c`, a remainder of PEM. Entra takes it.
    BlankInX5c,
    /// PEM in `x5c`, where DER belongs (RFC 7515, section 4.1.6). Whether Entra takes it is not known.
    PemInX5c,
    /// An `x5c` that begins with the issuer of its second certificate. The certificate that signs comes first (RFC 7515,
    /// section 4.1.6).
    ChainOrder,
    /// A time of the assertion, by the claim's name, that is a fraction or a string. Entra takes either.
    AssertionTime(String),
    /// An assertion without `jti`: nothing tells two of the same second apart.
    MissingJti,
    /// An assertion without `nbf`.
    MissingNotBefore,
    /// An assertion that lives longer than the ten minutes the documents advise, in seconds.
    AssertionLifetime(u64),
    /// A v2 authorization request for a code without a code challenge (RFC 9700, section 2.1.1).
    MissingPkce,
    /// A code challenge that is the verifier itself (RFC 7636, section 4.2).
    PlainPkce,
    /// An authorization request without `state`.
    MissingState,
    /// A code redeemed with scopes that its authorization request did not name. The documents want the same or fewer.
    ScopeBeyondCode,
    /// A subscription with a webhook that the emulator does not call. It is kept and shown. See
    /// [`ActivityFeed::plain_webhooks`](crate::ActivityFeed::plain_webhooks).
    WebhookNeverCalled,
    /// A request to the Office 365 Management Activity API without `PublisherIdentifier`. Such requests of all tenants share
    /// one quota.
    MissingPublisherIdentifier,
    /// An assertion whose `aud` is a list: Entra refuses it (AADSTS50027).
    AudienceList,
}

impl Lint {
    /// The finding with what it repeats of the request as `show` has it.
    pub(crate) fn with_text(&self, show: impl Fn(&str) -> String) -> Self {
        match self {
            Self::UnknownParameter(name) => Self::UnknownParameter(show(name)),
            Self::DuplicateParameter(name) => Self::DuplicateParameter(show(name)),
            Self::ParameterCase(name) => Self::ParameterCase(show(name)),
            Self::ContentType(sent) => Self::ContentType(show(sent)),
            other => other.clone(),
        }
    }
}

impl fmt::Display for Lint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SecretInUrl => f.write_str("secret in the URL"),
            Self::UnknownParameter(name) => write!(f, "unknown parameter {name:?}"),
            Self::DuplicateParameter(name) => write!(f, "parameter {name:?} given twice"),
            Self::ParameterCase(name) => write!(f, "parameter {name:?} in the wrong case"),
            Self::TwoCredentials => f.write_str("two credentials"),
            Self::MissingClientRequestId => f.write_str("no client-request-id"),
            Self::ContentType(sent) => write!(f, "content type {sent:?}"),
            Self::ScopeOnV1 => f.write_str("scope on v1"),
            Self::ResourceOnV2 => f.write_str("resource on v2"),
            Self::DoubleEncodedScope => f.write_str("scope encoded twice"),
            Self::BlankAroundSecret => f.write_str("white space around the secret"),
            Self::SecretId => f.write_str("secret id instead of its value"),
            Self::TokenInUrl => f.write_str("token in the URL"),
            Self::ThumbprintEncoding => f.write_str("thumbprint is not base64url without padding"),
            Self::PaddedAssertion => f.write_str("assertion is padded"),
            Self::ThumbprintOfText => f.write_str("thumbprint of the hexadecimal text"),
            Self::Sha1WithPs256 => f.write_str("x5t with PS256"),
            Self::BlankInX5c => f.write_str("white space in x5c"),
            Self::PemInX5c => f.write_str("PEM in x5c"),
            Self::ChainOrder => f.write_str("x5c begins with an issuer"),
            Self::AssertionTime(claim) => write!(f, "assertion's {claim} is no integer"),
            Self::MissingJti => f.write_str("assertion without jti"),
            Self::MissingNotBefore => f.write_str("assertion without nbf"),
            Self::AssertionLifetime(seconds) => write!(f, "assertion lives {seconds} s"),
            Self::MissingPkce => f.write_str("no PKCE"),
            Self::PlainPkce => f.write_str("plain PKCE"),
            Self::MissingState => f.write_str("no state"),
            Self::ScopeBeyondCode => f.write_str("scope beyond the authorization request"),
            Self::WebhookNeverCalled => f.write_str(
                "the webhook is kept and never called: the emulator calls plain http on loopback, and no https address",
            ),
            Self::MissingPublisherIdentifier => f.write_str("no PublisherIdentifier"),
            Self::AudienceList => f.write_str("assertion's aud is a list"),
        }
    }
}
