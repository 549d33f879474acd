use std::collections::HashSet;
use std::sync::{Arc, PoisonError, RwLock};

use foldhash::fast::RandomState;

use super::key::{Entry, Key, KeyRef, Keyed};
use super::slot::Slot;
use crate::clock::Now;

/// All slots of a client: a bounded map. Its lock is held for a look-up or an insertion, and never across anything that waits.
pub(crate) struct Slots {
    map: RwLock<Map>,
    capacity: usize,
}

#[derive(Default)]
struct Map {
    entries: HashSet<Entry, RandomState>,
    /// How large it must become to be looked through again for what can go: slots that somebody holds cannot.
    full_at: usize,
}

impl Slots {
    pub(crate) fn new(capacity: usize) -> Self {
        let capacity = capacity.max(1);
        let map = Map {
            full_at: capacity,
            ..Map::default()
        };
        Self {
            map: RwLock::new(map),
            capacity,
        }
    }

    /// Looks at the slot of `key`, where there is one.
    pub(crate) fn look<T>(&self, key: KeyRef<'_>, look: impl FnOnce(&Arc<Slot>) -> T) -> Option<T> {
        let map = self.map.read().unwrap_or_else(PoisonError::into_inner);
        map.entries.get(&key as &dyn Keyed).map(|entry| look(&entry.0))
    }

    /// The slot of `key`, made where there is none, and how many others had to go for it.
    pub(crate) fn slot(&self, key: Key, now: Now) -> (Arc<Slot>, usize) {
        let mut map = self.map.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = map.entries.get(&key.view() as &dyn Keyed) {
            return (Arc::clone(&entry.0), 0);
        }
        let evicted = if map.entries.len() >= map.full_at {
            let evicted = make_room(&mut map.entries, self.capacity, now);
            map.full_at = self.capacity.max(map.entries.len() + batch(self.capacity));
            evicted
        } else {
            0
        };
        let slot = Arc::new(Slot::new(key));
        map.entries.insert(Entry(Arc::clone(&slot)));
        (slot, evicted)
    }

    /// Empties every slot that `wanted` names, and drops those which nobody holds, unless they are to `stay`: with a shared store, a
    /// slot whose token may lie there remembers that it is not to be believed.
    pub(crate) fn forget(&self, stay: bool, wanted: impl Fn(&Key) -> bool) {
        let mut map = self.map.write().unwrap_or_else(PoisonError::into_inner);
        map.entries.retain(|entry| {
            if !wanted(Slot::key(&entry.0)) {
                return true;
            }
            entry.0.forget();
            (stay && Slot::key(&entry.0).is_lasting()) || !is_free(&entry.0)
        });
    }

    /// Has what is in every slot that `wanted` names asked for again: see [`Slot::reconsider`].
    pub(crate) fn reconsider(&self, wanted: impl Fn(&Key) -> bool) {
        let map = self.map.read().unwrap_or_else(PoisonError::into_inner);
        let slots = map.entries.iter().map(|entry| &entry.0);
        slots
            .filter(|slot| wanted(Slot::key(slot)))
            .for_each(|slot| slot.reconsider());
    }

    pub(crate) fn len(&self) -> usize {
        self.map.read().unwrap_or_else(PoisonError::into_inner).entries.len()
    }
}

/// Takes out slots until there is room for one more: those that are spent first, then those that only remember a failure, then those
/// not asked for the longest. A whole batch goes at once, so that a look at all of the map is paid for by as many insertions.
#[expect(clippy::mutable_key_type, reason = "a slot's key never changes")]
fn make_room(map: &mut HashSet<Entry, RandomState>, capacity: usize, now: Now) -> usize {
    let excess = (map.len() + 1).saturating_sub(capacity);
    let room = excess.max(batch(capacity));
    let mut free: Vec<((u8, u64), Arc<Slot>)> = map
        .iter()
        .filter(|entry| is_free(&entry.0))
        .map(|entry| ((entry.0.worth(now), entry.0.last_used()), Arc::clone(&entry.0)))
        .collect();
    if free.len() > room {
        free.select_nth_unstable_by_key(room, |(rank, _)| *rank);
        free.truncate(room);
    }
    for (_, slot) in &free {
        map.remove(slot as &dyn Keyed);
    }
    free.len()
}

fn batch(capacity: usize) -> usize {
    (capacity / 16).max(1)
}

/// Whether the map alone holds it: nobody waits for it or keeps it at hand. Nobody can begin to while the map is locked.
fn is_free(slot: &Arc<Slot>) -> bool {
    Arc::strong_count(slot) == 1 && slot.is_idle()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use entra_proto::{AccessToken, FreshnessPolicy, Lifetime, Target, Timestamp};

    use super::super::slot::Turn;
    use super::*;
    use crate::token::Token;

    fn now(seconds: u64) -> Now {
        Now {
            wall: Timestamp::from_secs(1_767_225_600 + seconds),
            monotonic: Duration::from_secs(seconds),
        }
    }

    fn key(name: usize) -> Key {
        Key {
            tenant: "contoso.com".parse().unwrap(),
            target: Target::resource(&format!("https://api{name}")).unwrap(),
            claims: None,
            user: None,
        }
    }

    /// A slot with a token that lives this many seconds, asked for at `at`.
    fn fill(slots: &Slots, name: usize, life: u64, at: u64) -> (Arc<Slot>, usize) {
        let (slot, evicted) = slots.slot(key(name), now(at));
        let Turn::Lead(mut lead) = slot.join(now(at), None, Duration::from_secs(120)) else {
            panic!("nobody leads")
        };
        let lifetime = Lifetime::new(now(at).wall, Duration::from_secs(life), None);
        let stages = FreshnessPolicy::default().stages(&lifetime, 0);
        let token = AccessToken::new("t").unwrap();
        let token = Token::new(
            token,
            &lifetime,
            stages,
            now(at),
            None,
            (Arc::downgrade(&slot), lead.number()),
        );
        lead.land(&token, true, now(at), Duration::ZERO);
        slot.peek(now(at));
        (slot, evicted)
    }

    fn held(slots: &Slots) -> Vec<usize> {
        (0..100)
            .filter(|name| slots.look(key(*name).view(), |_| ()).is_some())
            .collect()
    }

    #[test]
    fn what_is_spent_goes_first_and_then_what_was_not_asked_for_the_longest() {
        let slots = Slots::new(3);
        fill(&slots, 0, 3600, 1);
        fill(&slots, 1, 10, 2);
        fill(&slots, 2, 3600, 3);
        assert_eq!(fill(&slots, 3, 3600, 20).1, 1);
        assert_eq!(
            held(&slots),
            [0, 2, 3],
            "the dead one goes although another one was not asked for longer"
        );
        slots.look(key(0).view(), |slot| slot.peek(now(30)));
        fill(&slots, 4, 3600, 40);
        assert_eq!(held(&slots), [0, 3, 4]);
    }

    #[test]
    fn what_somebody_holds_or_fetches_stays() {
        let slots = Slots::new(2);
        let (kept, _) = fill(&slots, 0, 3600, 1);
        let (slot, _) = slots.slot(key(1), now(2));
        let Turn::Lead(lead) = slot.join(now(2), None, Duration::from_secs(120)) else {
            panic!("nobody leads")
        };
        drop(slot);
        fill(&slots, 2, 3600, 3);
        assert_eq!(held(&slots), [0, 1, 2], "over its bound rather than twice in the air");
        drop((kept, lead));
        fill(&slots, 3, 3600, 4);
        assert!(slots.len() <= 2, "{:?}", held(&slots));
    }

    #[test]
    fn a_large_map_makes_room_in_batches() {
        let slots = Slots::new(64);
        for name in 0..64 {
            fill(&slots, name, 3600, name as u64);
        }
        assert_eq!(fill(&slots, 64, 3600, 64).1, 4);
        assert_eq!(held(&slots), (4..=64).collect::<Vec<_>>());
    }

    #[test]
    fn what_is_forgotten_is_empty_even_for_those_who_hold_it() {
        let slots = Slots::new(10);
        let (kept, _) = fill(&slots, 0, 3600, 1);
        fill(&slots, 1, 3600, 1);
        let version = kept.version();
        slots.forget(false, |_| true);
        assert_eq!(held(&slots), [0]);
        assert!(kept.peek(now(2)).is_none() && kept.version() != version);
    }
}
