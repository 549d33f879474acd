//! The rules: one function for each, in the order in which they are applied.

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

/// The inputs of a rule.
pub(crate) struct Facts<'a> {
    pub(crate) api: &'a Api,
    pub(crate) token: &'a Token<'a>,
    /// `None` until a rule needs them.
    pub(crate) keys: Option<&'a KeySet>,
    pub(crate) now: Timestamp,
}

impl<'a> Facts<'a> {
    fn keys(&self) -> Result<&'a KeySet, Rejection> {
        self.keys.ok_or(Rejection::UnknownKey)
    }

    /// Returns the key with the token's `kid`. If there are several, it is the one that signs
    /// tokens of the token's issuer.
    fn key(&self) -> Result<&'a Key, Rejection> {
        let keys = self.keys()?;
        let mut of_kid = keys.with_kid(self.token.kid());
        let first = of_kid.next().ok_or(Rejection::UnknownKey)?;
        let mut others = of_kid.filter(|key| self.signs_for_issuer(key));
        // Usually there are no others, and nothing is compared.
        Ok(others.next().filter(|_| !self.signs_for_issuer(first)).unwrap_or(first))
    }

    /// Returns the issuer of tokens of this version: that of a known cloud, otherwise that of the
    /// metadata.
    fn issuer(&self) -> Option<&'a Template> {
        let known = self.api.known_issuer(self.token.version());
        known.or_else(|| self.keys.map(KeySet::issuer))
    }

    fn signs_for_issuer(&self, key: &Key) -> bool {
        let (Some(tenant), Some(issuer)) = (self.token.claims.tid.value(), self.token.claims.iss.value()) else {
            return false;
        };
        match key.issuer() {
            // The key signs for the issuer of its metadata, which rule R05 compared with `iss`.
            None => true,
            Some(template) if template.matches(issuer, *tenant) => true,
            Some(template) if self.api.is_external() => template.is_of_external(*tenant),
            // Both versions share one key set, so the v1 document may name the issuer of v2.
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

/// Applies the rules from index `from` on, and returns the index of the first that needs missing
/// keys, or the number of rules.
pub(crate) fn apply(facts: &Facts<'_>, from: usize, log: &mut impl Log) -> Result<usize, Rejection> {
    for (index, check) in CHECKS.iter().enumerate().skip(from) {
        if facts.keys.is_none() && (check.needs_keys)(facts) {
            return Ok(index);
        }
        let outcome = (check.check)(facts);
        log.note(check.rule, &outcome);
        outcome?;
    }
    Ok(CHECKS.len())
}

/// The checks of all rules except [`Rule::Form`], which [`Token::read`] checks.
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
            // A token without `kid` must not cause a fetch.
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

/// RS256 is the only accepted algorithm: the header cannot choose another one. Keys and addresses
/// in the header (`jwk`, `jku`, `x5c`, `x5u`) are never read.
fn algorithm(facts: &Facts<'_>) -> Result<(), Rejection> {
    let header = &facts.token.header;
    let rejected = |problem| Err(Rejection::Algorithm { problem });
    if header.alg != Member::Is(Algorithm::Rs256) {
        return rejected("alg is not RS256");
    }
    if header.is_critical {
        return rejected("crit names extensions, and none is supported");
    }
    match header.typ {
        Member::Absent | Member::Is(Type::Jwt) => Ok(()),
        Member::Is(Type::Other) | Member::Malformed => rejected("typ is not JWT"),
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
    // For the hint only: it does not affect the decision.
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

/// `iat` does not limit the validity of a token (RFC 7519, section 4.1.6). But a token whose `iat`
/// is in the future cannot have been issued yet.
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

/// A token with `cnf` (RFC 7800) must come with a proof of the key. If it were accepted as a bearer
/// token, a thief could use it too.
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

/// An application can get a token for any API of its tenant by name, without having been granted
/// any permission.
fn grants(facts: &Facts<'_>) -> Result<(), Rejection> {
    let claims = &facts.token.claims;
    let has_grants = claims.scopes().next().is_some() || !claims.roles_are_empty();
    if has_grants { Ok(()) } else { Err(Rejection::NoGrants) }
}

fn caller(facts: &Facts<'_>) -> Result<(), Rejection> {
    let kind = facts.token.kind()?;
    if !facts.api.agents().accept(kind.is_agent) {
        return Err(Rejection::Agent {
            found: kind.application,
            is_agent: kind.is_agent,
        });
    }
    let Some(callers) = facts.api.callers() else {
        return Ok(());
    };
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
