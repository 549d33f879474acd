//! The reasons for which a request is rejected, with their HTTP statuses and error codes.

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
/// `Display` and [`hint`](Self::hint) are for the API's own logs: the rule that failed, the
/// problem, and advice. They are never sent to the caller, who gets only the status and the
/// challenge of [`Api::response`](crate::Api::response).
///
/// | variants | status | `error` (RFC 6750, section 3.1) |
/// |---|---|---|
/// | [`NoToken`](Self::NoToken) | 401 | none |
/// | [`BadRequest`](Self::BadRequest) | 400 | `invalid_request` |
/// | [`Permissions`](Self::Permissions), [`Caller`](Self::Caller), [`Agent`](Self::Agent) | 403 | `insufficient_scope` |
/// | [`Claims`](Self::Claims) | 401 | `insufficient_claims` |
/// | [`KeysUnavailable`](Self::KeysUnavailable) | 503 | none |
/// | all others | 401 | `invalid_token` |
///
/// [`Claims`](Self::Claims) is `invalid_token` if the client cannot handle a claims challenge.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rejection {
    /// The request carries no bearer token.
    NoToken,
    /// The request carries more than one token, or an `Authorization` header that cannot be read.
    BadRequest {
        /// A description of the problem.
        problem: &'static str,
    },
    /// The token is not a signed JWT that can be read.
    Malformed {
        /// A description of the problem.
        problem: &'static str,
    },
    /// The header names an algorithm other than RS256, another type than a JWT, or a critical
    /// extension.
    Algorithm {
        /// A description of the problem.
        problem: &'static str,
    },
    /// `ver` is neither `1.0` nor `2.0`, or this cloud does not issue tokens of that version.
    Version,
    /// `tid` is missing, or is not a GUID in lower case.
    TenantId,
    /// `iss` is not the issuer of the token's tenant in this cloud for this version.
    Issuer,
    /// No published key has the `kid` of the token.
    UnknownKey,
    /// The signature does not match the key.
    Signature {
        /// True if the token is for Microsoft Graph, which alone can validate it.
        is_graph: bool,
    },
    /// The key signs tokens of another issuer.
    KeyIssuer,
    /// The key belongs to another cloud.
    KeyCloud,
    /// `aud` is missing or does not name the API.
    Audience {
        /// The value of `aud`, truncated and escaped, if it is a string.
        found: Option<Box<str>>,
    },
    /// `exp` is missing, or in the past by more than the allowed clock skew.
    Expired {
        /// The time at which the token expired, if `exp` is a time.
        at: Option<Timestamp>,
    },
    /// `nbf` or `iat` is not a time, later than `exp`, or in the future by more than the allowed
    /// clock skew.
    NotYetValid {
        /// The time from which the token is valid, if it is in the future.
        from: Option<Timestamp>,
    },
    /// The token is bound to a key, and was sent as a bearer token without a proof.
    Bound,
    /// The API does not accept the tenant.
    Tenant {
        /// The tenant of the token.
        found: Guid,
    },
    /// The token does not name its caller, or contradicts itself about the caller. ID tokens are
    /// rejected here.
    Principal {
        /// A description of the problem.
        problem: &'static str,
    },
    /// The token has neither a scope nor a role.
    NoGrants,
    /// The API does not accept the application.
    Caller {
        /// The application that requested the token.
        found: ClientId,
        /// True if the application is on the list, but its token lacks `idtyp`.
        is_listed: bool,
    },
    /// The API accepts no agents, or nothing else.
    Agent {
        /// The application that requested the token.
        found: ClientId,
        /// True if it is an agent identity.
        is_agent: bool,
    },
    /// The caller has none of the required permissions.
    Permissions {
        /// The permissions of which one is needed.
        needed: Permissions,
    },
    /// The token is valid, but the API requires other claims in it: a claims challenge.
    Claims {
        /// The required claims.
        claims: ClaimsRequest,
        /// True if the client can handle a claims challenge. Otherwise the response says that the
        /// token is invalid.
        is_understood: bool,
    },
    /// There are no signing keys, and they cannot be fetched now.
    KeysUnavailable {
        /// The time until the next attempt.
        retry_after: Duration,
        /// A description of the failure.
        problem: Arc<str>,
    },
}

impl Rejection {
    /// Returns the status of the response.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::BadRequest { .. } => StatusCode::BAD_REQUEST,
            Self::Permissions { .. } | Self::Caller { .. } | Self::Agent { .. } => StatusCode::FORBIDDEN,
            Self::KeysUnavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::UNAUTHORIZED,
        }
    }

    /// Returns the `error` of the challenge. It is `None` if the request had no token (RFC 6750,
    /// section 3.1), or if there are no keys.
    #[must_use]
    pub fn error(&self) -> Option<&'static str> {
        match self {
            Self::NoToken | Self::KeysUnavailable { .. } => None,
            Self::BadRequest { .. } => Some("invalid_request"),
            Self::Permissions { .. } | Self::Caller { .. } | Self::Agent { .. } => Some("insufficient_scope"),
            Self::Claims {
                is_understood: true, ..
            } => Some("insufficient_claims"),
            _ => Some("invalid_token"),
        }
    }

    /// Returns the rule that failed, or `None` if no rule rejected the request.
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
            Self::Caller { .. } | Self::Agent { .. } => Rule::Caller,
            Self::Permissions { .. } => Rule::Permissions,
        })
    }

    /// Returns the time after which the caller may try again, if that can help.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::KeysUnavailable { retry_after, .. } => Some(*retry_after),
            _ => None,
        }
    }

    /// Returns a description of the problem, without the rule with which [`Display`](fmt::Display)
    /// begins.
    #[must_use]
    pub fn problem(&self) -> impl fmt::Display + '_ {
        Problem(self)
    }

    /// Returns advice for the administrator of the API or of the client.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        Some(match self {
            Self::NoToken => "send the header `Authorization: Bearer` with an access token for this API",
            Self::BadRequest { .. } => "send one token, in one `Authorization` header",
            Self::Malformed { .. } => {
                "send the access token exactly as Entra issued it, not a token of another service or a code"
            }
            Self::Algorithm { .. } => "Entra signs tokens with RS256: request the token from Entra",
            Self::Version => "check that Entra issued the token; an external tenant issues v2 tokens only",
            Self::TenantId => "check that Entra issued the token",
            Self::Issuer => "check that the client and the API use the same cloud, and that `ver` matches `iss`",
            Self::UnknownKey => {
                "check the cloud; for an application with its own signing keys, call Api::with_signing_keys_of"
            }
            Self::Signature { is_graph: true } => {
                "request a token for this API: a token for Microsoft Graph can be validated by Graph only"
            }
            Self::Signature { is_graph: false } => "check that Entra issued the token, and that no proxy changed it",
            Self::KeyIssuer => {
                "compare iss with the issuer of the key in the JWKS document: a key signs for its own tenant and cloud only"
            }
            Self::KeyCloud => "check that the client and the API use the same cloud",
            Self::Audience { .. } => {
                "request a token for this API; in a v2 token aud is the API's client ID, in a v1 token its App ID URI"
            }
            Self::Expired { .. } => "request a new token, and check the clock of this machine",
            Self::NotYetValid { .. } => "check the clock of this machine",
            Self::Bound => "send a bearer token: proofs of possession are not supported",
            Self::Tenant { .. } => {
                "add the tenant to the tenants of the API, if its users and applications may call the API"
            }
            Self::Principal { .. } => "send an access token, not an ID token",
            Self::NoGrants => "assign a role of this API to the application, or grant consent to a scope for the user",
            Self::Caller { is_listed: true, .. } => {
                "add the optional claim idtyp to access tokens in the API's registration: it distinguishes applications from users"
            }
            Self::Caller { is_listed: false, .. } => {
                "add the application to the callers of the API, if it may call the API"
            }
            Self::Agent { is_agent: true, .. } => "call Api::with_agents if agent identities may call the API",
            Self::Agent { is_agent: false, .. } => "request the token as an agent identity: the API accepts no others",
            Self::Permissions { .. } => {
                "assign one of these roles to the application, or grant consent to one of these scopes for the user"
            }
            Self::Claims { .. } => "the client must request a token with the claims of the challenge",
            Self::KeysUnavailable { .. } => FETCH_HINT,
        })
    }
}

/// Writes the rule that failed, and the problem.
impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(rule) = self.rule() {
            write!(f, "{} {}: ", rule.id(), rule.name())?;
        }
        write!(f, "{}", self.problem())
    }
}

/// The description of a rejection's problem, without the rule.
struct Problem<'a>(&'a Rejection);

impl fmt::Display for Problem<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Rejection::NoToken => f.write_str("no bearer token was sent"),
            Rejection::BadRequest { problem } => f.write_str(problem),
            Rejection::Malformed { problem } | Rejection::Algorithm { problem } => f.write_str(problem),
            Rejection::Version => {
                f.write_str("ver is neither 1.0 nor 2.0, or this cloud does not issue tokens of that version")
            }
            Rejection::TenantId => f.write_str("tid is missing, or is not a GUID in lower case"),
            Rejection::Issuer => f.write_str("iss is not the issuer of tid in this cloud for this version"),
            Rejection::UnknownKey => f.write_str("no published key has this kid"),
            Rejection::Signature { .. } => f.write_str("the signature does not match the key"),
            Rejection::KeyIssuer => f.write_str("the key signs tokens of another issuer"),
            Rejection::KeyCloud => f.write_str("the key belongs to another cloud"),
            Rejection::Audience { found: Some(found) } => write!(f, "aud is \"{found}\", which is not this API"),
            Rejection::Audience { found: None } => f.write_str("aud is missing, or is not one string"),
            Rejection::Expired { at: Some(at) } => write!(f, "expired at {}", at.to_rfc3339()),
            Rejection::Expired { at: None } => f.write_str("exp is missing, or is not a time"),
            Rejection::NotYetValid { from: Some(from) } => write!(f, "not valid before {}", from.to_rfc3339()),
            Rejection::NotYetValid { from: None } => f.write_str("nbf or iat is not a time, or is later than exp"),
            Rejection::Bound => f.write_str("the token is bound to a key, and the request has no proof of that key"),
            Rejection::Tenant { found } => write!(f, "tenant {found} is not accepted"),
            Rejection::Principal { problem } => f.write_str(problem),
            Rejection::NoGrants => f.write_str("the token has neither a scope nor a role"),
            Rejection::Caller {
                found,
                is_listed: false,
            } => write!(f, "application {found} is not accepted"),
            Rejection::Caller { found, is_listed: true } => {
                write!(
                    f,
                    "application {found} is accepted, but its token does not have idtyp=app"
                )
            }
            Rejection::Agent { found, is_agent: true } => {
                write!(f, "{found} is an agent identity, and the API accepts no agents")
            }
            Rejection::Agent { found, is_agent: false } => {
                write!(f, "{found} is not an agent identity, and the API accepts agents only")
            }
            Rejection::Permissions { needed } if needed.scopes().chain(needed.roles()).next().is_none() => {
                f.write_str("a user needs a scope, and an application a role; the caller has none of its kind")
            }
            Rejection::Permissions { needed } => {
                f.write_str("the caller has none of the required permissions:")?;
                list(f, " scopes", needed.scopes())?;
                let has_both = needed.scopes().next().is_some() && needed.roles().next().is_some();
                f.write_str(if has_both { ";" } else { "" })?;
                list(f, " roles", needed.roles())
            }
            Rejection::Claims { .. } => f.write_str("the token lacks claims that the API requires"),
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

/// Returns a pause in whole seconds, rounded up: a caller that retries too early would fail again.
pub(crate) fn whole_seconds(pause: Duration) -> u64 {
    pause.as_secs() + u64::from(pause.subsec_nanos() > 0)
}

/// Returns a text from a token, truncated and escaped for logs.
pub(crate) fn shown(text: &str) -> Box<str> {
    let cut: String = text.chars().take(MOST_SHOWN).collect();
    printable(&cut).into()
}

const MOST_SHOWN: usize = 100;
