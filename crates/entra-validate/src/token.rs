//! The parts of a token, parsed into types before anything in them is trusted.

use std::fmt;

use entra_proto::{ClientId, EndpointVersion, Guid, Timestamp};

use crate::agents::AGENT_USER;
use crate::base64url::decode_into;
use crate::claims::{Claims, IdType, Member};
use crate::object::{self, Name};
use crate::principal::{self, Acting, Agent, App, Principal, User};
use crate::rejection::Rejection;

/// A parsed token. Its claims are unverified until the rules have passed.
pub(crate) struct Token<'t> {
    /// The bytes that the signature covers: the header, a dot and the claims, as received.
    pub(crate) signed: &'t [u8],
    pub(crate) signature: Vec<u8>,
    pub(crate) header: Header,
    pub(crate) claims: Claims,
}

/// The header of a token.
#[derive(Debug, Default)]
pub(crate) struct Header {
    pub(crate) alg: Member<Algorithm>,
    pub(crate) typ: Member<Type>,
    pub(crate) kid: Member<Box<str>>,
    /// True if there are critical extensions.
    pub(crate) is_critical: bool,
}

/// The algorithm: RS256, which is accepted, or any other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Algorithm {
    Rs256,
    Other,
}

/// The type: a JWT, which is accepted, or any other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    Jwt,
    Other,
}

/// The caller that a token names, with its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kind {
    pub(crate) application: ClientId,
    pub(crate) object: Guid,
    pub(crate) is_user: bool,
    /// True if `idtyp` declares the kind.
    pub(crate) is_declared: bool,
    pub(crate) is_agent: bool,
}

impl<'t> Token<'t> {
    /// Parses a JWS in compact form (RFC 7515, section 7.1), whose header and payload are JSON
    /// objects without duplicate members.
    pub(crate) fn read(token: &'t str) -> Result<Self, Rejection> {
        let malformed = |problem| Rejection::Malformed { problem };
        if token.len() > MAX_TOKEN {
            return Err(malformed("the token is longer than 16 KiB"));
        }
        let mut dots = memchr::memchr_iter(b'.', token.as_bytes());
        let (first, second) = match (dots.next(), dots.next(), dots.count()) {
            (Some(first), Some(second), 0) => (first, second),
            (Some(_), Some(_), 2) => return Err(malformed("the token is encrypted")),
            (Some(_), Some(_), _) => return Err(malformed("the token is not a JWT: it has more than three parts")),
            _ => return Err(malformed("the token is not a JWT: it has fewer than three parts")),
        };
        let part = |from, to| token.get(from..to).unwrap_or_default();
        let (header, claims, signature) = (part(0, first), part(first + 1, second), part(second + 1, token.len()));
        // All parts use one buffer, one after the other.
        let mut bytes = Vec::with_capacity(claims.len());
        let mut read = Self {
            signed: part(0, second).as_bytes(),
            signature: Vec::new(),
            header: Header::default(),
            claims: Claims::default(),
        };
        let text = decoded_text(header, &mut bytes).ok_or_else(|| malformed("the header is not text in base64url"))?;
        object::read(text, &mut read.header).map_err(|problem| malformed(problem.of_header()))?;
        let text = decoded_text(claims, &mut bytes).ok_or_else(|| malformed("the payload is not text in base64url"))?;
        object::read(text, &mut read.claims).map_err(|problem| malformed(problem.of_payload()))?;
        decode_into(signature, &mut bytes).ok_or_else(|| malformed("the signature is not base64url"))?;
        read.signature = bytes;
        Ok(read)
    }

    /// Returns `kid`, or an empty text if it is missing. No key has an empty `kid`.
    pub(crate) fn kid(&self) -> &str {
        self.header.kid.value().map_or("", |kid| kid)
    }

    /// Returns the version. [`Rule::Version`](crate::Rule::Version) rejects a token without a
    /// version before any other rule uses it.
    pub(crate) fn version(&self) -> EndpointVersion {
        self.claims.ver.value().copied().unwrap_or(EndpointVersion::V2)
    }

    /// Returns the caller that the token names, and its kind.
    pub(crate) fn kind(&self) -> Result<Kind, Rejection> {
        let wrong = |problem| Rejection::Principal { problem };
        let claims = &self.claims;
        let application = match self.version() {
            EndpointVersion::V1 => claims.appid.value(),
            EndpointVersion::V2 => claims.azp.value(),
        };
        let application = application
            .copied()
            .map(ClientId::from)
            .ok_or_else(|| wrong("azp of a v2 token, or appid of a v1 token, is missing or is not a GUID: this is an ID token, or Entra did not issue it"))?;
        let object = claims
            .oid
            .value()
            .copied()
            .ok_or_else(|| wrong("oid is missing, or is not a GUID in lower case"))?;
        if matches!(claims.scp, Member::Malformed) || matches!(claims.roles, Member::Malformed) {
            return Err(wrong(
                "scp is not one string of names separated by spaces, or roles is not an array of names",
            ));
        }
        let has_scopes = claims.scopes().next().is_some();
        // In a token without a user, the subject is the object ID of the service principal. The
        // subject of a user is an ID that is unique to the application.
        let is_own_subject = claims.sub == Member::Is(object);
        let (is_user, is_declared) = match &claims.idtyp {
            Member::Is(IdType::App) if has_scopes => return Err(wrong("idtyp is app, but scp has scopes of a user")),
            Member::Is(IdType::App) => (false, true),
            Member::Is(IdType::User) => (true, true),
            Member::Is(IdType::Other) | Member::Malformed => return Err(wrong("idtyp is neither app nor user")),
            Member::Absent if has_scopes => (true, false),
            Member::Absent if is_own_subject => (false, false),
            // Without roles, the rule about grants rejects the token. With roles it is rejected
            // below: the roles of a user must not pass for those of an application.
            Member::Absent if claims.roles_are_empty() => (false, false),
            Member::Absent => {
                return Err(wrong(
                    "roles is present without scp, idtyp, or a sub that equals oid: the caller is neither an application nor a user",
                ));
            }
        };
        Ok(Kind {
            application,
            object,
            is_user,
            is_declared,
            is_agent: claims.are_of_agent(),
        })
    }

    /// Converts a token into its principal. The rules must have passed.
    pub(crate) fn into_principal(self) -> Result<Principal, Rejection> {
        let Kind {
            application,
            object,
            is_user,
            is_declared,
            is_agent,
        } = self.kind()?;
        let version = self.version();
        let claims = self.claims;
        let moment = |member: &Member<Timestamp>| member.value().copied();
        let facts = principal::Facts {
            tenant: claims.tid.value().copied().ok_or(Rejection::TenantId)?,
            object,
            version,
            issued_at: moment(&claims.iat).or_else(|| moment(&claims.nbf)).unwrap_or_default(),
            expires_at: moment(&claims.exp).unwrap_or_default(),
            takes_claims_challenges: claims.capabilities.iter().any(|it| it.eq_ignore_ascii_case("cp1")),
            contexts: claims.contexts,
            relations: claims.relations,
            scopes: claims.scp.into_value().unwrap_or_default(),
            roles: claims.roles.into_value().unwrap_or_default(),
        };
        Ok(match (is_agent, is_user) {
            (true, _) => Principal::Agent(Agent {
                application,
                blueprint: claims.blueprint.map(ClientId::from),
                acting: match is_user {
                    false => Acting::Itself,
                    true if claims.subject.contains(AGENT_USER) => Acting::AsOwnUser,
                    true => Acting::ForUser,
                },
                facts,
            }),
            (false, true) => Principal::User(User { application, facts }),
            (false, false) => Principal::App(App {
                application,
                is_declared,
                facts,
            }),
        })
    }
}

/// Omits the claims: a log must not contain anything that could be replayed.
impl fmt::Debug for Token<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").finish_non_exhaustive()
    }
}

impl object::Record for Header {
    const NAMES: &'static [Name] = &[Name::new("alg"), Name::new("typ"), Name::new("kid"), Name::new("crit")];

    fn set(&mut self, name: usize, value: object::Value<'_>) {
        match name {
            0 => {
                self.alg = Member::text(value, |alg| {
                    Some(if alg == "RS256" {
                        Algorithm::Rs256
                    } else {
                        Algorithm::Other
                    })
                });
            }
            1 => {
                self.typ = Member::text(value, |typ| {
                    let typ = typ.strip_prefix("application/").unwrap_or(typ);
                    let is_known = ["JWT", "at+jwt"].iter().any(|known| typ.eq_ignore_ascii_case(known));
                    Some(if is_known { Type::Jwt } else { Type::Other })
                });
            }
            2 => self.kid = Member::text(value, |kid| Some(kid.into())),
            _ => self.is_critical = true,
        }
    }
}

fn decoded_text<'b>(part: &str, bytes: &'b mut Vec<u8>) -> Option<&'b str> {
    std::str::from_utf8(decode_into(part, bytes)?).ok()
}

/// The largest size of a token: 16 KiB. Entra's tokens have about 2 KiB, and web servers limit
/// headers to 8 or 16 KiB.
pub(crate) const MAX_TOKEN: usize = 16 * 1024;
