//! The certificates above a leaf, found by signatures and key identifiers. Names alone prove
//! nothing, because a renewed authority keeps its name.

use std::cmp::Reverse;

use entra_proto::Timestamp;

use crate::signature::Verdict;
use crate::x509::Certificate;

/// Returns the issuer of `leaf`, the issuer's issuer and so on, as far as they are in `others`, in
/// any order.
pub(crate) fn above(leaf: &Certificate, mut others: Vec<Certificate>, now: Timestamp) -> Vec<Certificate> {
    let mut budget = Budget(MOST_VERIFICATIONS);
    let mut above: Vec<Certificate> = Vec::new();
    others.retain(|it| it.der != leaf.der);
    while above.len() < LONGEST_CHAIN {
        let below = above.last().unwrap_or(leaf);
        if budget.is_self_signed(below) {
            break;
        }
        let Some(issuer) = budget.issuer(below, &others, now) else {
            break;
        };
        above.push(others.remove(issuer));
    }
    above
}

/// Returns the certificates that did not issue any for another key, or all if each did.
pub(crate) fn leaves(certificates: &[Certificate]) -> Vec<&Certificate> {
    let mut budget = Budget(MOST_VERIFICATIONS);
    let mut issued_another = |issuer: &Certificate| {
        let others = certificates.iter().filter(|it| it.key_info != issuer.key_info);
        others.into_iter().any(|it| budget.has_issued(issuer, it))
    };
    let leaves: Vec<&Certificate> = certificates.iter().filter(|it| !issued_another(it)).collect();
    if leaves.is_empty() {
        certificates.iter().collect()
    } else {
        leaves
    }
}

/// Returns the index of the best of several certificates of one key: the one that is valid now and
/// expires last; otherwise the one that becomes valid first; otherwise the one that expired last.
/// Among equals, the first one.
pub(crate) fn best<'a>(certificates: impl Iterator<Item = (usize, &'a Certificate)>, now: Timestamp) -> Option<usize> {
    let rank = |it: &Certificate| {
        if it.is_valid_at(now) {
            (0, Reverse(it.not_after), Timestamp::default())
        } else if now < it.not_before {
            (1, Reverse(Timestamp::default()), it.not_before)
        } else {
            (2, Reverse(it.not_after), Timestamp::default())
        }
    };
    certificates.min_by_key(|(_, it)| rank(it)).map(|(at, _)| at)
}

/// The most signatures that are verified for one file. A hostile file can hold thousands of
/// certificates with one name.
struct Budget(usize);

impl Budget {
    /// Returns the issuer of `below`. Among several, such as those of a cross-signed authority,
    /// prefers the one that is valid now, is named as the issuer, has an issuer in this file or
    /// ends the chain, and expires last.
    fn issuer(&mut self, below: &Certificate, others: &[Certificate], now: Timestamp) -> Option<usize> {
        let mut candidates: Vec<usize> = (0..others.len()).filter(|at| may_issue(&others[*at], below)).collect();
        // The budget is used first where both the name and the identifier match.
        candidates.sort_by_key(|at| {
            let candidate = &others[*at];
            (!candidate.is_identified_by(below), !below.names_as_issuer(candidate))
        });
        candidates.retain(|at| self.has_issued(&others[*at], below));
        candidates.into_iter().min_by_key(|at| {
            let candidate = &others[*at];
            let leads_on = candidate.is_self_issued()
                || others
                    .iter()
                    .any(|it| it.der != candidate.der && self.has_issued(it, candidate));
            (
                !candidate.is_valid_at(now),
                !below.names_as_issuer(candidate),
                !leads_on,
                !candidate.is_self_issued(),
                Reverse(candidate.not_after),
            )
        })
    }

    fn is_self_signed(&mut self, certificate: &Certificate) -> bool {
        certificate.is_self_issued() && self.has_issued(certificate, certificate)
    }

    /// Returns true if the signature proves it or, for an algorithm that is not verified here, if
    /// the name and the identifiers match.
    fn has_issued(&mut self, issuer: &Certificate, certificate: &Certificate) -> bool {
        if !may_issue(issuer, certificate) {
            return false;
        }
        let Some(left) = self.0.checked_sub(1) else {
            return false;
        };
        self.0 = left;
        match Verdict::of(certificate, issuer) {
            Verdict::Verified => true,
            Verdict::Failed => false,
            Verdict::Unknown => issuer.is_identified_by(certificate) && certificate.names_as_issuer(issuer),
        }
    }
}

/// Returns true if the name or the key identifier matches.
fn may_issue(issuer: &Certificate, certificate: &Certificate) -> bool {
    certificate.names_as_issuer(issuer) || issuer.is_identified_by(certificate)
}

const MOST_VERIFICATIONS: usize = 100;
/// The most certificates that are sent above the leaf.
const LONGEST_CHAIN: usize = 10;
