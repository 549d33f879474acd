//! Lints: properties of a request that are wrong or unwise.

use std::fmt;

/// A property of a request that is wrong or unwise.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Lint {
    /// A secret or assertion in the URL's query, where logs record it (RFC 6749, section 2.3.1). It
    /// is never used.
    SecretInUrl,
    /// A parameter that neither RFC 6749 nor Entra's documents define. It is ignored, as the
    /// standard requires.
    UnknownParameter(String),
    /// A parameter that is given twice.
    DuplicateParameter(String),
    /// A known parameter in the wrong case. Names are case-sensitive, so it counts as unknown.
    ParameterCase(String),
    /// A secret or assertion both in the body and in the `Authorization` header.
    TwoCredentials,
    /// No `client-request-id`, so this request cannot be found in the service's logs.
    MissingClientRequestId,
    /// A body with a content type other than `application/x-www-form-urlencoded`. It was not read.
    ContentType(String),
    /// A `scope` on the v1 endpoint, which reads `resource` and ignores `scope`.
    ScopeOnV1,
    /// A `resource` on the v2 endpoint, which reads `scope` and rejects `resource`.
    ResourceOnV2,
    /// A scope that was form-encoded more than once.
    DoubleEncodedScope,
    /// White space at the beginning or end of the secret, which is usually a copying error.
    BlankAroundSecret,
    /// The ID of a secret instead of its value.
    SecretId,
    /// A bearer token in the URL's query.
    TokenInUrl,
    /// A certificate thumbprint that is padded or in standard base64. RFC 7515 requires base64url
    /// without padding; Entra accepts either.
    ThumbprintEncoding,
    /// A padded assertion. RFC 7515 (section 2) omits padding; Entra accepts it.
    PaddedAssertion,
    /// A thumbprint of the hexadecimal text instead of the bytes. It matches no certificate.
    ThumbprintOfText,
    /// A SHA-1 thumbprint (`x5t`) alone with PS256, which the documents combine with `x5t#S256`.
    Sha1WithPs256,
    /// White space inside a certificate of `x5c`, a remainder of PEM. Entra accepts it.
    BlankInX5c,
    /// PEM in `x5c`, which requires DER (RFC 7515, section 4.1.6). It is not known whether Entra
    /// accepts it.
    PemInX5c,
    /// An `x5c` that begins with the issuer of its second certificate. The signing certificate must
    /// come first (RFC 7515, section 4.1.6).
    ChainOrder,
    /// A time in the assertion, by the claim's name, that is a fraction or a string. Entra accepts
    /// either.
    AssertionTime(String),
    /// An assertion without `jti`: two assertions of the same second cannot be distinguished.
    MissingJti,
    /// An assertion without `nbf`.
    MissingNotBefore,
    /// An assertion with a lifetime, in seconds, above the ten minutes that the documents
    /// recommend.
    AssertionLifetime(u64),
    /// A v2 authorization request for a code without a code challenge (RFC 9700, section 2.1.1).
    MissingPkce,
    /// A code challenge that is the verifier itself (RFC 7636, section 4.2).
    PlainPkce,
    /// An authorization request without `state`.
    MissingState,
    /// A code redeemed with scopes that its authorization request did not name. The documents
    /// require the same scopes or fewer.
    ScopeBeyondCode,
    /// A subscription with a webhook that the emulator does not call. The webhook is stored and
    /// shown. See [`ActivityFeed::plain_webhooks`](crate::ActivityFeed::plain_webhooks).
    WebhookNeverCalled,
    /// A request to the Office 365 Management Activity API without `PublisherIdentifier`. All such
    /// requests of all tenants share one quota.
    MissingPublisherIdentifier,
    /// An assertion whose `aud` is a list. Entra rejects it (AADSTS50027).
    AudienceList,
    /// A request for a token of a managed identity without `Metadata: true`, which some sources
    /// require. Clients of Service Fabric do not send it, so it is not recorded there.
    MissingMetadata,
    /// A request for a token of a managed identity with `X-Forwarded-For`. IMDS drops it.
    ForwardedRequest,
    /// Several scopes in place of the one resource that a source takes.
    SeveralScopes,
    /// A scope, which ends with `/.default`, in place of the resource.
    ScopeAsResource,
    /// A resource with a trailing slash that no identifier of the API has. The `aud` of the token
    /// has the slash as well, and some sources reject it.
    TrailingSlash,
}

impl Lint {
    /// Returns the lint with its quotations from the request passed through `show`.
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
            Self::SecretId => f.write_str("secret ID instead of its value"),
            Self::TokenInUrl => f.write_str("token in the URL"),
            Self::ThumbprintEncoding => f.write_str("thumbprint is not base64url without padding"),
            Self::PaddedAssertion => f.write_str("assertion is padded"),
            Self::ThumbprintOfText => f.write_str("thumbprint of the hexadecimal text"),
            Self::Sha1WithPs256 => f.write_str("x5t with PS256"),
            Self::BlankInX5c => f.write_str("white space in x5c"),
            Self::PemInX5c => f.write_str("PEM in x5c"),
            Self::ChainOrder => f.write_str("x5c begins with an issuer"),
            Self::AssertionTime(claim) => write!(f, "assertion's {claim} is not an integer"),
            Self::MissingJti => f.write_str("assertion without jti"),
            Self::MissingNotBefore => f.write_str("assertion without nbf"),
            Self::AssertionLifetime(seconds) => write!(f, "assertion lives {seconds} s"),
            Self::MissingPkce => f.write_str("no PKCE"),
            Self::PlainPkce => f.write_str("plain PKCE"),
            Self::MissingState => f.write_str("no state"),
            Self::ScopeBeyondCode => f.write_str("scope beyond the authorization request"),
            Self::WebhookNeverCalled => f.write_str(
                "the webhook is stored but never called: the emulator calls plain http on loopback and no https address",
            ),
            Self::MissingPublisherIdentifier => f.write_str("no PublisherIdentifier"),
            Self::AudienceList => f.write_str("assertion's aud is a list"),
            Self::MissingMetadata => f.write_str("no Metadata: true"),
            Self::ForwardedRequest => f.write_str("X-Forwarded-For"),
            Self::SeveralScopes => f.write_str("several scopes in place of a resource"),
            Self::ScopeAsResource => f.write_str("scope in place of a resource"),
            Self::TrailingSlash => f.write_str("trailing slash in the resource"),
        }
    }
}
