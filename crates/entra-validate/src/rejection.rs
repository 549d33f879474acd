//! The reasons for which a request is rejected, and what each means in HTTP.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use entra_proto::claims::ClaimsRequest;
use entra_proto::error::{Diagnose, printable};
use entra_proto::{ClientId, Guid, Timestamp};
use http::StatusCode;

use crate::hints::FETCH_HINT;
use crate::permissions::Permissions;
use crate::rule::Rule;

/// The reason for which a request is rejected.
///
/// `Display` and [`hint`](Self::hint) are for the API's own logs: they say which rule failed and
/// what to do. Nothing of them is sent to the caller, who gets the status and the challenge of
/// [`Api::response`](crate::Api::response) only.
///
/// | variants | status | `error` (RFC 6750, section 3.1) |
/// |---|---|---|
/// | [`NoToken`](Self::NoToken) | 401 | none |
/// | [`BadRequest`](Self::BadRequest) | 400 | `invalid_request` |
/// | [`Permissions`](Self::Permissions), [`Caller`](Self::Caller) | 403 | `insufficient_scope` |
/// | [`Claims`](Self::Claims) | 401 | `insufficient_claims` |
/// | [`KeysUnavailable`](Self::KeysUnavailable) | 503 | none |
/// | all others | 401 | `invalid_token` |
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rejection {
    /// The request carries no bearer token.
    NoToken,
    /// The request carries more than one token, or an `Authorization` header that cannot be read.
    BadRequest {
        /// The problem, in words.
        problem: &'static str,
    },
    /// The token is not a signed JWT that can be read.
    Malformed {
        /// The problem, in words.
        problem: &'static str,
    },
    /// The header names an algorithm other than RS256, another type than a JWT, or a critical
    /// extension.
    Algorithm {
        /// The problem, in words.
        problem: &'static str,
    },
    /// `ver` is neither `1.0` nor `2.0`, or there are no such tokens in this cloud.
    Version,
    /// `tid` is missing, or is not a GUID in lower case.
    TenantId,
    /// `iss` is not the issuer of the token's tenant in this cloud for this version.
    Issuer,
    /// No published key has the `kid` of the token.
    UnknownKey,
    /// The signature is not that of the key.
    Signature {
        /// Whether the token was made for Microsoft Graph, which alone can validate it.
        is_graph: bool,
    },
    /// The key signs for another issuer.
    KeyIssuer,
    /// The key belongs to another cloud.
    KeyCloud,
    /// `aud` is missing or names something else than the API.
    Audience {
        /// The value of `aud`, cut and escaped, where it is a string.
        found: Option<Box<str>>,
    },
    /// `exp` is missing, or past by more than the clock skew that is allowed.
    Expired {
        /// The time at which it expired.
        at: Option<Timestamp>,
    },
    /// `nbf` or `iat` is not a time, later than `exp`, or in the future by more than the clock skew
    /// that is allowed.
    NotYetValid {
        /// The time from which the token is valid.
        from: Option<Timestamp>,
    },
    /// The token is bound to a key, and was sent as a bearer token without a proof.
    Bound,
    /// The tenant is not one that the API accepts.
    Tenant {
        /// The tenant of the token.
        found: Guid,
    },
    /// The token does not say who calls, or contradicts itself about it. ID tokens are rejected
    /// here.
    Principal {
        /// The problem, in words.
        problem: &'static str,
    },
    /// The token has neither a scope nor a role.
    NoGrants,
    /// The application is not one that the API accepts.
    Caller {
        /// The application that requested the token.
        found: ClientId,
        /// Whether it is on the list, but its token lacks `idtyp`.
        is_listed: bool,
    },
    /// The caller has none of the permissions needed.
    Permissions {
        /// The permissions of which one is needed.
        needed: Permissions,
    },
    /// The token was valid, but the API needs other claims in it: a claims challenge.
    Claims {
        /// The claims needed.
        claims: ClaimsRequest,
        /// Whether the client can handle a claims challenge. Another one is told that its token is
        /// invalid.
        is_understood: bool,
    },
    /// No signing keys are there, and they cannot be fetched now.
    KeysUnavailable {
        /// The time until the next attempt.
        retry_after: Duration,
        /// The failure, in words.
        problem: Arc<str>,
    },
}

impl Rejection {
    /// The status of the response.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::BadRequest { .. } => StatusCode::BAD_REQUEST,
            Self::Permissions { .. } | Self::Caller { .. } => StatusCode::FORBIDDEN,
            Self::KeysUnavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::UNAUTHORIZED,
        }
    }

    /// The `error` of the challenge. Where no token was sent there is none, so that a caller learns
    /// nothing from trying.
    #[must_use]
    pub fn error(&self) -> Option<&'static str> {
        match self {
            Self::NoToken | Self::KeysUnavailable { .. } => None,
            Self::BadRequest { .. } => Some("invalid_request"),
            Self::Permissions { .. } | Self::Caller { .. } => Some("insufficient_scope"),
            Self::Claims {
                is_understood: true, ..
            } => Some("insufficient_claims"),
            _ => Some("invalid_token"),
        }
    }

    /// The rule that failed. There is none where no token was judged.
    #[must_use]
    pub fn rule(&self) -> Option<Rule> {
        Some(match self {
            Self::NoToken | Self::BadRequest { .. } | Self::Claims { .. } | Self::KeysUnavailable { .. } => {
                return None;
            }
            Self::Malformed { .. } => Rule::Form,
            Self::Algorithm { .. } => Rule::Algorithm,
            Self::Version => Rule::Version,
            Self::TenantId => Rule::TenantId,
            Self::Issuer => Rule::Issuer,
            Self::UnknownKey => Rule::Key,
            Self::Signature { .. } => Rule::Signature,
            Self::KeyIssuer => Rule::KeyIssuer,
            Self::KeyCloud => Rule::KeyCloud,
            Self::Audience { .. } => Rule::Audience,
            Self::Expired { .. } => Rule::Expiry,
            Self::NotYetValid { .. } => Rule::NotBefore,
            Self::Bound => Rule::Binding,
            Self::Tenant { .. } => Rule::Tenant,
            Self::Principal { .. } => Rule::Principal,
            Self::NoGrants => Rule::Grants,
            Self::Caller { .. } => Rule::Caller,
            Self::Permissions { .. } => Rule::Permissions,
        })
    }

    /// The time after which the caller may try again, where that may help.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::KeysUnavailable { retry_after, .. } => Some(*retry_after),
            _ => None,
        }
    }

    /// Returns what is wrong, in words, without the rule that [`Display`](fmt::Display) names
    /// first.
    #[must_use]
    pub fn problem(&self) -> impl fmt::Display + '_ {
        Problem(self)
    }

    /// Returns what to do about it, for the one who runs the API or the client.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        Some(match self {
            Self::NoToken => "send the header `Authorization: Bearer` with an access token for this API",
            Self::BadRequest { .. } => "send one token, in one `Authorization` header",
            Self::Malformed { .. } => {
                "send the access token as it was issued, not an ID token of another service or a code"
            }
            Self::Algorithm { .. } => "a token that Entra issued has RS256; this one comes from somewhere else",
            Self::Version => "the token was not issued by Entra, or by another kind of tenant",
            Self::TenantId => "the token was not issued by Entra for one tenant",
            Self::Issuer => "check that the client and the API use the same cloud, and that `ver` fits `iss`",
            Self::UnknownKey => {
                "check the cloud; an application with signing keys of its own needs Api::with_signing_keys_of"
            }
            Self::Signature { is_graph: true } => {
                "request a token for this API: one for Microsoft Graph can be validated by Graph only"
            }
            Self::Signature { is_graph: false } => "the token was changed on its way, or was not issued by Entra",
            Self::KeyIssuer => {
                "compare iss with the issuer of the key in the published keys: a key signs for its own tenant and cloud only"
            }
            Self::KeyCloud => "the token was signed in another cloud than the metadata belongs to",
            Self::Audience { .. } => {
                "request a token for this API; in a v2 token aud is the API's client ID, in a v1 token its App ID URI"
            }
            Self::Expired { .. } => "request a new token, and check the clock of this machine",
            Self::NotYetValid { .. } => "check the clock of this machine",
            Self::Bound => "send a bearer token: proofs of possession are not supported",
            Self::Tenant { .. } => {
                "add the tenant to the ones that the API accepts, if its users and applications may call it"
            }
            Self::Principal { .. } => "send an access token, not an ID token",
            Self::NoGrants => "grant the application a role, or the user a scope, of this API and consent to it",
            Self::Caller { is_listed: true, .. } => {
                "add the optional claim idtyp to access tokens in the API's registration: without it a user cannot be told from an application"
            }
            Self::Caller { is_listed: false, .. } => {
                "add the application to the callers that the API accepts, if it may call it"
            }
            Self::Permissions { .. } => {
                "grant the application one of these roles, or the user one of these scopes, and consent to it"
            }
            Self::Claims { .. } => "the client requests a token with the claims of the challenge",
            Self::KeysUnavailable { .. } => FETCH_HINT,
        })
    }
}

/// The rule that failed, and what is wrong.
impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(rule) = self.rule() {
            write!(f, "{} {}: ", rule.id(), rule.name())?;
        }
        write!(f, "{}", self.problem())
    }
}

/// What is wrong, without the rule.
struct Problem<'a>(&'a Rejection);

impl fmt::Display for Problem<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Rejection::NoToken => f.write_str("no bearer token was sent"),
            Rejection::BadRequest { problem } => f.write_str(problem),
            Rejection::Malformed { problem } | Rejection::Algorithm { problem } => f.write_str(problem),
            Rejection::Version => f.write_str("ver is neither 1.0 nor 2.0, or this cloud issues no such tokens"),
            Rejection::TenantId => f.write_str("tid is missing, or is not a GUID in lower case"),
            Rejection::Issuer => f.write_str("iss is not the issuer of tid in this cloud for this version"),
            Rejection::UnknownKey => f.write_str("no published key has this kid"),
            Rejection::Signature { .. } => f.write_str("the signature is not that of the key"),
            Rejection::KeyIssuer => f.write_str("the key signs for another issuer"),
            Rejection::KeyCloud => f.write_str("the key belongs to another cloud"),
            Rejection::Audience { found: Some(found) } => write!(f, "aud is \"{found}\", which is not this API"),
            Rejection::Audience { found: None } => f.write_str("aud is missing, or is not one string"),
            Rejection::Expired { at: Some(at) } => write!(f, "expired at {}", at.to_rfc3339()),
            Rejection::Expired { at: None } => f.write_str("exp is missing, or is not a time"),
            Rejection::NotYetValid { from: Some(from) } => write!(f, "not valid before {}", from.to_rfc3339()),
            Rejection::NotYetValid { from: None } => f.write_str("nbf or iat is not a time, or is later than exp"),
            Rejection::Bound => f.write_str("the token is bound to a key, which the request does not prove to have"),
            Rejection::Tenant { found } => write!(f, "tenant {found} is not accepted"),
            Rejection::Principal { problem } => f.write_str(problem),
            Rejection::NoGrants => f.write_str("there is neither a scope nor a role"),
            Rejection::Caller {
                found,
                is_listed: false,
            } => write!(f, "application {found} is not accepted"),
            Rejection::Caller { found, is_listed: true } => {
                write!(
                    f,
                    "application {found} is accepted, but its token does not say idtyp=app"
                )
            }
            Rejection::Permissions { needed } if needed.scopes().chain(needed.roles()).next().is_none() => {
                f.write_str("a user needs a scope, and an application a role; the caller has none of its kind")
            }
            Rejection::Permissions { needed } => {
                f.write_str("the caller has none of the permissions needed:")?;
                list(f, " scopes", needed.scopes())?;
                let has_both = needed.scopes().next().is_some() && needed.roles().next().is_some();
                f.write_str(if has_both { ";" } else { "" })?;
                list(f, " roles", needed.roles())
            }
            Rejection::Claims { .. } => f.write_str("the token lacks claims that the API needs"),
            Rejection::KeysUnavailable { retry_after, problem } => {
                write!(
                    f,
                    "no signing keys: {problem}; the next attempt is in {} s",
                    whole_seconds(*retry_after)
                )
            }
        }
    }
}

impl std::error::Error for Rejection {}

impl Diagnose for Rejection {
    fn hint(&self) -> Option<&str> {
        self.hint()
    }
}

fn list<'a>(f: &mut fmt::Formatter<'_>, title: &str, names: impl Iterator<Item = &'a str>) -> fmt::Result {
    let mut title = Some(title);
    for name in names {
        write!(f, "{} {name}", title.take().unwrap_or_default())?;
    }
    Ok(())
}

/// A pause in whole seconds, rounded up: who comes back a moment too early is sent away again.
pub(crate) fn whole_seconds(pause: Duration) -> u64 {
    pause.as_secs() + u64::from(pause.subsec_nanos() > 0)
}

/// A text out of a token, as a log may show it.
pub(crate) fn shown(text: &str) -> Box<str> {
    let cut: String = text.chars().take(MOST_SHOWN).collect();
    printable(&cut).into()
}

const MOST_SHOWN: usize = 100;
