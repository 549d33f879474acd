//! The rules: a function each, in the order in which they are applied.

use entra_proto::{EndpointVersion, Timestamp};

use crate::api::Api;
use crate::audience;
use crate::claims::Member;
use crate::issuer::Template;
use crate::keys::{Key, KeySet};
use crate::rejection::{Rejection, shown};
use crate::report::Log;
use crate::rule::Rule;
use crate::token::{Algorithm, Token, Type};

/// The facts that a rule may look at.
pub(crate) struct Facts<'a> {
    pub(crate) api: &'a Api,
    pub(crate) token: &'a Token<'a>,
    /// None as long as no rule needed them.
    pub(crate) keys: Option<&'a KeySet>,
    pub(crate) now: Timestamp,
}

impl<'a> Facts<'a> {
    fn keys(&self) -> Result<&'a KeySet, Rejection> {
        self.keys.ok_or(Rejection::UnknownKey)
    }

    /// The token's key. Of several with its `kid`, the one that signs for its issuer.
    fn key(&self) -> Result<&'a Key, Rejection> {
        let keys = self.keys()?;
        let mut of_kid = keys.with_kid(self.token.kid());
        let first = of_kid.next().ok_or(Rejection::UnknownKey)?;
        let mut others = of_kid.filter(|key| self.signs_for_issuer(key));
        // As a rule there are no others, and nothing has to be compared.
        Ok(others.next().filter(|_| !self.signs_for_issuer(first)).unwrap_or(first))
    }

    /// The issuer of tokens of this version: known beforehand, or else from the metadata.
    fn issuer(&self) -> Option<&'a Template> {
        let known = self.api.known_issuer(self.token.version());
        known.or_else(|| self.keys.map(KeySet::issuer))
    }

    fn signs_for_issuer(&self, key: &Key) -> bool {
        let (Some(tenant), Some(issuer)) = (self.token.claims.tid.value(), self.token.claims.iss.value()) else {
            return false;
        };
        match key.issuer() {
            // It signs for the issuer of its metadata, which the token's was compared with.
            None => true,
            Some(template) if template.matches(issuer, *tenant) => true,
            Some(template) if self.api.is_external() => template.is_of_external(*tenant),
            // Keys are one set for both versions, and may name the issuer of v2 in the documents of
            // v1.
            Some(template) => {
                let v2 = self.api.known_issuer(EndpointVersion::V2);
                self.token.version() == EndpointVersion::V1 && v2.is_some_and(|v2| template.is_for(v2, *tenant))
            }
        }
    }
}

/// A rule and its function.
struct Check {
    rule: Rule,
    needs_keys: fn(&Facts<'_>) -> bool,
    check: fn(&Facts<'_>) -> Result<(), Rejection>,
}

/// Applies the rules from place `from` on, and returns the place of the first that needs keys which
/// are not there.
pub(crate) fn apply(facts: &Facts<'_>, from: usize, log: &mut impl Log) -> Result<usize, Rejection> {
    for (place, check) in CHECKS.iter().enumerate().skip(from) {
        if facts.keys.is_none() && (check.needs_keys)(facts) {
            return Ok(place);
        }
        let outcome = (check.check)(facts);
        log.note(check.rule, &outcome);
        outcome?;
    }
    Ok(CHECKS.len())
}

/// [`Rule::Form`] is not here: without it there is no token to look at.
const CHECKS: [Check; 17] = {
    const fn early(rule: Rule, check: fn(&Facts<'_>) -> Result<(), Rejection>) -> Check {
        Check {
            rule,
            needs_keys: |_| false,
            check,
        }
    }
    const fn late(rule: Rule, check: fn(&Facts<'_>) -> Result<(), Rejection>) -> Check {
        Check {
            rule,
            needs_keys: |_| true,
            check,
        }
    }
    [
        early(Rule::Algorithm, algorithm),
        early(Rule::Version, version),
        early(Rule::TenantId, tenant_id),
        Check {
            rule: Rule::Issuer,
            needs_keys: |facts| facts.issuer().is_none(),
            check: issuer,
        },
        Check {
            rule: Rule::Key,
            // A token that names no key must not have any fetched.
            needs_keys: |facts| !facts.token.kid().is_empty(),
            check: key,
        },
        late(Rule::Signature, signature),
        late(Rule::KeyIssuer, key_issuer),
        late(Rule::KeyCloud, key_cloud),
        late(Rule::Audience, audience),
        late(Rule::Expiry, expiry),
        late(Rule::NotBefore, not_before),
        late(Rule::Binding, binding),
        late(Rule::Tenant, tenant),
        late(Rule::Principal, principal),
        late(Rule::Grants, grants),
        late(Rule::Caller, caller),
        late(Rule::Permissions, permissions),
    ]
};

/// RS256 is the list of algorithms that are accepted: the header's only choice is to name it. Keys
/// and addresses in the header (`jwk`, `jku`, `x5c`, `x5u`) are never read.
fn algorithm(facts: &Facts<'_>) -> Result<(), Rejection> {
    let header = &facts.token.header;
    let refused = |problem| Err(Rejection::Algorithm { problem });
    if header.alg != Member::Is(Algorithm::Rs256) {
        return refused("alg is not RS256");
    }
    if header.is_critical {
        return refused("crit names extensions, of which none is known");
    }
    match header.typ {
        Member::Absent | Member::Is(Type::Jwt) => Ok(()),
        Member::Is(Type::Other) | Member::Malformed => refused("typ is not JWT"),
    }
}

fn version(facts: &Facts<'_>) -> Result<(), Rejection> {
    match facts.token.claims.ver.value() {
        Some(EndpointVersion::V2) => Ok(()),
        // External tenants issue v2 tokens only.
        Some(EndpointVersion::V1) if !facts.api.is_external() => Ok(()),
        _ => Err(Rejection::Version),
    }
}

fn tenant_id(facts: &Facts<'_>) -> Result<(), Rejection> {
    facts.token.claims.tid.value().map(|_| ()).ok_or(Rejection::TenantId)
}

fn issuer(facts: &Facts<'_>) -> Result<(), Rejection> {
    let claims = &facts.token.claims;
    let (Some(expected), Some(tenant), Some(issuer)) = (facts.issuer(), claims.tid.value(), claims.iss.value()) else {
        return Err(Rejection::Issuer);
    };
    if expected.matches(issuer, *tenant) {
        Ok(())
    } else {
        Err(Rejection::Issuer)
    }
}

fn key(facts: &Facts<'_>) -> Result<(), Rejection> {
    facts.key().map(|_| ())
}

fn signature(facts: &Facts<'_>) -> Result<(), Rejection> {
    let token = facts.token;
    if facts.key()?.verifies(token.signed, &token.signature) {
        return Ok(());
    }
    // For the hint alone: nothing is decided by it.
    let is_graph = token.claims.aud.value().is_some_and(|aud| audience::is_graph(aud));
    Err(Rejection::Signature { is_graph })
}

fn key_issuer(facts: &Facts<'_>) -> Result<(), Rejection> {
    if facts.signs_for_issuer(facts.key()?) {
        Ok(())
    } else {
        Err(Rejection::KeyIssuer)
    }
}

fn key_cloud(facts: &Facts<'_>) -> Result<(), Rejection> {
    match (facts.key()?.cloud(), facts.keys()?.cloud()) {
        (Some(of_key), Some(of_metadata)) if of_key != of_metadata => Err(Rejection::KeyCloud),
        _ => Ok(()),
    }
}

fn audience(facts: &Facts<'_>) -> Result<(), Rejection> {
    match facts.token.claims.aud.value() {
        Some(aud) if facts.api.audience().accepts(aud) => Ok(()),
        found => Err(Rejection::Audience {
            found: found.map(|aud| shown(aud)),
        }),
    }
}

fn expiry(facts: &Facts<'_>) -> Result<(), Rejection> {
    match facts.token.claims.exp.value() {
        Some(exp) if facts.now < exp.plus(facts.api.skew()) => Ok(()),
        at => Err(Rejection::Expired { at: at.copied() }),
    }
}

/// `iat` is no time from which a token is valid (RFC 7519, section 4.1.6), but one of the future
/// was not issued yet.
fn not_before(facts: &Facts<'_>) -> Result<(), Rejection> {
    let claims = &facts.token.claims;
    let latest = facts.now.plus(facts.api.skew());
    for moment in [&claims.nbf, &claims.iat] {
        match moment {
            Member::Absent => {}
            Member::Malformed => return Err(Rejection::NotYetValid { from: None }),
            Member::Is(from) if claims.exp.value().is_some_and(|exp| from > exp) => {
                return Err(Rejection::NotYetValid { from: None });
            }
            Member::Is(from) if latest < *from => return Err(Rejection::NotYetValid { from: Some(*from) }),
            Member::Is(_) => {}
        }
    }
    Ok(())
}

/// A token with `cnf` (RFC 7800) is worth something with a proof of the key only. Taken as a bearer
/// token it would be as good in a thief's hands.
fn binding(facts: &Facts<'_>) -> Result<(), Rejection> {
    if facts.token.claims.is_bound {
        Err(Rejection::Bound)
    } else {
        Ok(())
    }
}

fn tenant(facts: &Facts<'_>) -> Result<(), Rejection> {
    let found = *facts.token.claims.tid.value().ok_or(Rejection::TenantId)?;
    if facts.api.tenants().accepts(found) {
        Ok(())
    } else {
        Err(Rejection::Tenant { found })
    }
}

fn principal(facts: &Facts<'_>) -> Result<(), Rejection> {
    facts.token.kind().map(|_| ())
}

/// An application gets a token for any API of its tenant that it knows the name of, without having
/// been granted anything.
fn grants(facts: &Facts<'_>) -> Result<(), Rejection> {
    let claims = &facts.token.claims;
    let has_grants = claims.scopes().next().is_some() || !claims.roles_are_empty();
    if has_grants { Ok(()) } else { Err(Rejection::NoGrants) }
}

fn caller(facts: &Facts<'_>) -> Result<(), Rejection> {
    let Some(callers) = facts.api.callers() else {
        return Ok(());
    };
    let kind = facts.token.kind()?;
    let is_listed = callers.contains(&kind.application);
    if is_listed && (kind.is_user || kind.is_declared) {
        return Ok(());
    }
    Err(Rejection::Caller {
        found: kind.application,
        is_listed,
    })
}

fn permissions(facts: &Facts<'_>) -> Result<(), Rejection> {
    let claims = &facts.token.claims;
    let is_user = facts.token.kind()?.is_user;
    facts.api.permissions().allow(is_user, claims.scopes(), claims.roles())
}
