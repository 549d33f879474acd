//! Revoked tokens.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::seed::Generator;
use crate::state::lock::lock;

/// The revocations of tokens. They distinguish the tokens issued before a revocation from those
/// issued after it, even within one second and after changes to the clock. Tokens are numbered, and
/// each contains its number, masked, in its ID (`uti`), so that no state is stored per token.
#[derive(Debug)]
pub(crate) struct Revocations {
    /// Masks the numbers and keeps IDs of another emulator from being taken for IDs of this one.
    mask: u64,
    issued: AtomicU64,
    marks: Mutex<Marks>,
}

#[derive(Debug, Default)]
struct Marks {
    everyone: Option<Mark>,
    /// Revocations of one app, by client ID.
    apps: BTreeMap<String, Mark>,
    /// Revocations of one user, by object ID.
    users: BTreeMap<String, Mark>,
}

/// One revocation.
#[derive(Clone, Copy, Debug)]
struct Mark {
    /// The number of the last token that was revoked.
    last: u64,
    /// The time, in seconds since the epoch.
    at: u64,
}

impl Revocations {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            mask: Generator::named(seed, "token id").next(),
            issued: AtomicU64::new(0),
            marks: Mutex::default(),
        }
    }

    /// Returns the ID of the next token: 22 characters of base64url that are opaque to others.
    pub(crate) fn token_id(&self, random: u64) -> String {
        let number = self.issued.fetch_add(1, Ordering::SeqCst) + 1;
        let hidden = number ^ self.mask;
        URL_SAFE_NO_PAD.encode([random.to_be_bytes(), hidden.to_be_bytes()].concat())
    }

    /// Revokes every token issued so far, or those of one app, at a time in seconds since the
    /// epoch.
    pub(crate) fn revoke(&self, client_id: Option<&str>, at: u64) {
        let mut marks = self.marks();
        let last = self.issued.load(Ordering::SeqCst);
        let mark = Mark { last, at };
        match client_id {
            Some(id) => {
                marks.apps.insert(id.to_owned(), mark);
            }
            None => {
                *marks = Marks {
                    everyone: Some(mark),
                    ..Marks::default()
                }
            }
        }
    }

    /// Revokes every token of a user issued so far, at a time in seconds since the epoch.
    pub(crate) fn revoke_user(&self, object_id: &str, at: u64) {
        let last = self.issued.load(Ordering::SeqCst);
        self.marks().users.insert(object_id.to_owned(), Mark { last, at });
    }

    /// Forgets every revocation. The numbering continues: if numbers were reused, an old token
    /// could pass for one issued after the next revocation.
    pub(crate) fn clear(&self) {
        *self.marks() = Marks::default();
    }

    /// Returns the time of the last revocation of a token of this app and, if there is one, this
    /// user, in seconds since the epoch. A token that this emulator did not issue counts as issued
    /// before all others.
    pub(crate) fn revoked_at(&self, client_id: &str, user: Option<&str>, token_id: &str) -> Option<u64> {
        let marks = self.marks();
        let number = self.number(token_id);
        let of_user = user.and_then(|id| marks.users.get(id));
        let revocations = [marks.everyone.as_ref(), marks.apps.get(client_id), of_user];
        let revocations = revocations.into_iter().flatten().filter(|mark| number <= mark.last);
        // The order of tokens comes first: the clock may have been set back between two
        // revocations.
        revocations.max_by_key(|mark| (mark.last, mark.at)).map(|mark| mark.at)
    }

    fn number(&self, token_id: &str) -> u64 {
        let read = || {
            let bytes: [u8; 16] = URL_SAFE_NO_PAD.decode(token_id).ok()?.try_into().ok()?;
            let hidden = u128::from_be_bytes(bytes) as u64;
            let number = hidden ^ self.mask;
            (number <= self.issued.load(Ordering::SeqCst)).then_some(number)
        };
        read().unwrap_or(0)
    }

    fn marks(&self) -> MutexGuard<'_, Marks> {
        lock(&self.marks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_earlier_tokens_are_revoked() {
        let revocations = Revocations::new(7);
        let old = revocations.token_id(1);
        assert_eq!(revocations.revoked_at("a", None, &old), None);
        revocations.revoke(None, 100);
        let new = revocations.token_id(1);
        assert_eq!(revocations.revoked_at("a", None, &old), Some(100));
        assert_eq!(revocations.revoked_at("a", None, &new), None);
        revocations.revoke(Some("a"), 50);
        assert_eq!(revocations.revoked_at("a", None, &old), Some(50));
        assert_eq!(revocations.revoked_at("a", None, &new), Some(50));
        assert_eq!(revocations.revoked_at("b", None, &new), None);
        assert_eq!(revocations.revoked_at("b", None, &old), Some(100));
        revocations.revoke(None, 200);
        assert_eq!(revocations.revoked_at("a", None, &new), Some(200));
    }

    #[test]
    fn revoked_user_is_revoked_in_each_app() {
        let revocations = Revocations::new(7);
        let old = revocations.token_id(1);
        revocations.revoke_user("u", 100);
        let new = revocations.token_id(1);
        for app in ["a", "b"] {
            assert_eq!(revocations.revoked_at(app, Some("u"), &old), Some(100));
            assert_eq!(revocations.revoked_at(app, Some("u"), &new), None);
            assert_eq!(revocations.revoked_at(app, Some("v"), &old), None);
            assert_eq!(revocations.revoked_at(app, None, &old), None);
        }
        revocations.clear();
        assert_eq!(revocations.revoked_at("a", Some("u"), &old), None);
    }

    #[test]
    fn foreign_token_id_counts_as_old() {
        let (revocations, another) = (Revocations::new(7), Revocations::new(8));
        let of_another = another.token_id(4);
        let strange = ["", "x", "é", "AAAAAAAAAAAAAAAAAAAAAA", &"A".repeat(1_000), &of_another];
        for id in strange {
            assert_eq!(revocations.revoked_at("a", None, id), None, "{id}");
        }
        revocations.revoke(None, 100);
        let own = [1, 2, 3].map(|random| revocations.token_id(random));
        for id in strange {
            assert_eq!(revocations.revoked_at("a", None, id), Some(100), "{id}");
        }
        assert!(own.iter().all(|id| revocations.revoked_at("a", None, id).is_none()));
    }

    #[test]
    fn token_id_has_the_format_of_entra() {
        let first = |random| Revocations::new(7).token_id(random);
        assert_eq!(first(1).len(), 22);
        assert_eq!(first(1), first(1));
        assert_ne!(first(1), first(2));
    }
}
