use std::cmp::Reverse;
use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, TryLockError};
use std::thread;

use entra_proto::Timestamp;
use foldhash::fast::RandomState;

use super::key::{Entry, Key, KeyRef, Keyed};
use super::ledger::Ledger;
use super::slot::Slot;
use crate::clock::Moment;

/// All slots of a client: a map that is bounded in entries and in bytes. Its lock is held for a look-up, an insertion, or a batch of
/// [`BATCH`] slots, and never across anything that waits: however many slots there are, what concerns them all stops no reader.
pub(crate) struct Slots {
    map: RwLock<Map>,
    capacity: usize,
    max_bytes: usize,
    ledger: Ledger,
    /// How large the map must become to be looked through again for what can go: slots that are in use cannot.
    full_at: AtomicUsize,
    heavy_at: AtomicUsize,
    /// Up to this second since the epoch, the shared store may have tokens from before an event of which no slot knows any more.
    doubtful_until: AtomicU64,
    /// Held by the thread that looks for what can go.
    sweeping: Mutex<()>,
}

#[derive(Default)]
struct Map {
    entries: HashSet<Entry, RandomState>,
    /// The same slots in an order, so that a look at all of them can pause. Each knows its place.
    order: Vec<Arc<Slot>>,
}

impl Slots {
    pub(crate) fn new(capacity: usize, max_bytes: usize) -> Self {
        let capacity = capacity.max(1);
        Self {
            map: RwLock::default(),
            capacity,
            max_bytes,
            ledger: Ledger::default(),
            full_at: AtomicUsize::new(capacity),
            heavy_at: AtomicUsize::new(max_bytes),
            doubtful_until: AtomicU64::new(0),
            sweeping: Mutex::default(),
        }
    }

    /// Looks at the slot of `key`, where there is one.
    pub(crate) fn look<T>(&self, key: KeyRef<'_>, look: impl FnOnce(&Arc<Slot>) -> T) -> Option<T> {
        let map = self.read();
        map.entries.get(&key as &dyn Keyed).map(|entry| look(&entry.0))
    }

    /// The slot of `key`, made where there is none, and how many others had to go for it.
    pub(crate) fn slot(&self, key: Key, now: Moment) -> (Arc<Slot>, usize) {
        let slot = {
            let mut map = self.write();
            if let Some(entry) = map.entries.get(&key.view() as &dyn Keyed) {
                return (Arc::clone(&entry.0), 0);
            }
            let slot = Arc::new(Slot::new(key, &self.ledger));
            map.insert(Arc::clone(&slot));
            slot
        };
        (slot, self.make_room(now))
    }

    /// Takes out slots if there are too many, or if they hold too many bytes: expired ones first, the largest of them at the head, then
    /// those that only remember a failure, then those that were not used for the longest time. A whole batch goes at once, so that a
    /// look at all of the map is paid for by as many insertions. Returns how many have gone.
    pub(crate) fn make_room(&self, now: Moment) -> usize {
        if !self.is_full() {
            return 0;
        }
        let _sweeping = match self.sweeping.try_lock() {
            Err(TryLockError::WouldBlock) => return 0,
            Err(TryLockError::Poisoned(lock)) => lock.into_inner(),
            Ok(lock) => lock,
        };
        if !self.is_full() {
            return 0;
        }
        let mut free: Vec<(Rank, Arc<Slot>)> = Vec::new();
        for batch in self.batches(|slot| is_free(slot, 0)) {
            free.extend(batch.into_iter().map(|slot| (rank(&slot, now), slot)));
        }
        let (count, mut bytes) = (self.len(), self.ledger.bytes());
        let is_heavy = bytes > self.max_bytes;
        let room = match count.saturating_sub(self.capacity) {
            0 => 0,
            excess => excess.max(batch(self.capacity)),
        };
        if !is_heavy && free.len() > room {
            free.select_nth_unstable_by_key(room, |(rank, _)| *rank);
            free.truncate(room);
        }
        free.sort_unstable_by_key(|(rank, _)| *rank);
        let enough = self.max_bytes.saturating_sub(batch(self.max_bytes));
        let mut evicted = 0;
        let mut free = free.into_iter().map(|(_, slot)| slot).peekable();
        let is_enough = |evicted, bytes| evicted >= room && !(is_heavy && bytes > enough);
        while free.peek().is_some() && !is_enough(evicted, bytes) {
            let mut gone = Vec::new();
            {
                let mut map = self.write();
                for slot in free.by_ref().take(BATCH) {
                    if !is_enough(evicted, bytes) && is_free(&slot, 1) && map.remove(&slot) {
                        if slot.distrusts_store() {
                            self.doubt(now);
                        }
                        evicted += 1;
                        bytes = bytes.saturating_sub(slot.bytes());
                    }
                    gone.push(slot);
                }
            }
            // Outside of the lock: what they hold is wiped.
            drop(gone);
            thread::yield_now();
        }
        // What is in use could not go: it is worth another look when as much has come as goes at once.
        let next = |held: usize, bound: usize| match held <= bound {
            true => bound,
            false => held.saturating_add(batch(held) - 1),
        };
        self.full_at.store(next(self.len(), self.capacity), Ordering::Relaxed);
        let heavy_at = next(self.ledger.bytes(), self.max_bytes);
        self.heavy_at.store(heavy_at, Ordering::Relaxed);
        evicted
    }

    /// Empties every slot that `wanted` names, and drops those that are not in use, unless they are to `stay`: with a shared store, a
    /// slot whose token may lie there remembers that it is not to be believed.
    pub(crate) fn forget(&self, stay: bool, wanted: impl Fn(&Key) -> bool) {
        for batch in self.batches(|slot| wanted(Slot::key(slot))) {
            let mut map = self.write();
            for slot in &batch {
                slot.forget();
                if !(stay && Slot::key(slot).is_lasting()) && is_free(slot, 1) {
                    map.remove(slot);
                }
            }
        }
    }

    /// Has what is in every slot that `wanted` names requested again: see [`Slot::reconsider`].
    pub(crate) fn reconsider(&self, wanted: impl Fn(&Key) -> bool) {
        let batches = self.batches(|slot| wanted(Slot::key(slot)));
        batches.flatten().for_each(|slot| slot.reconsider());
    }

    /// What the shared store got before this moment is not to be believed: a slot that knew why is gone.
    pub(crate) fn doubt(&self, now: Moment) {
        self.doubtful_until.fetch_max(now.wall.as_secs(), Ordering::Relaxed);
    }

    /// Whether a token that was received at this moment may be from before an event.
    pub(crate) fn doubts(&self, received_at: Timestamp) -> bool {
        received_at.as_secs() <= self.doubtful_until.load(Ordering::Relaxed)
    }

    pub(crate) fn len(&self) -> usize {
        self.read().order.len()
    }

    fn is_full(&self) -> bool {
        self.ledger.bytes() > self.heavy_at.load(Ordering::Relaxed) || self.len() > self.full_at.load(Ordering::Relaxed)
    }

    /// All slots that `wanted` names, in batches; the lock is free between two of them. From the end on, since a slot that is taken out
    /// leaves its place to the last one: so none that was there at the beginning is missed.
    fn batches(&self, wanted: impl Fn(&Arc<Slot>) -> bool) -> impl Iterator<Item = Vec<Arc<Slot>>> {
        let mut end = usize::MAX;
        std::iter::from_fn(move || {
            if end == 0 {
                return None;
            }
            let map = self.read();
            end = end.min(map.order.len());
            let start = end.saturating_sub(BATCH);
            let batch = &map.order[start..end];
            end = start;
            Some(batch.iter().filter(|slot| wanted(slot)).cloned().collect())
        })
    }

    fn read(&self) -> RwLockReadGuard<'_, Map> {
        self.map.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Map> {
        self.map.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Map {
    fn insert(&mut self, slot: Arc<Slot>) {
        slot.place.store(place(self.order.len()), Ordering::Relaxed);
        self.order.push(Arc::clone(&slot));
        self.entries.insert(Entry(slot));
    }

    /// Returns whether it was there.
    fn remove(&mut self, slot: &Arc<Slot>) -> bool {
        let place = slot.place.load(Ordering::Relaxed) as usize;
        if !self.order.get(place).is_some_and(|found| Arc::ptr_eq(found, slot)) {
            return false;
        }
        self.order.swap_remove(place);
        if let Some(moved) = self.order.get(place) {
            moved.place.store(self::place(place), Ordering::Relaxed);
        }
        self.entries.remove(slot as &dyn Keyed)
    }
}

/// A place as a slot keeps it: memory ends before its numbers do.
fn place(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}

/// What goes first has the least: see [`Slots::make_room`].
type Rank = (u8, Reverse<usize>, u32);

fn rank(slot: &Slot, now: Moment) -> Rank {
    let worth = slot.worth(now);
    let size = if worth == 0 { slot.bytes() } else { 0 };
    (worth, Reverse(size), slot.last_used())
}

/// The part of a bound that is made free at once.
fn batch(bound: usize) -> usize {
    (bound / 16).max(1)
}

/// Whether only the map, and the caller with this many pointers, have the slot: no other waits for it or keeps it at hand. While the map
/// is locked for writing, none can begin to.
fn is_free(slot: &Arc<Slot>, own: usize) -> bool {
    Arc::strong_count(slot) == IN_MAP + own && slot.is_idle()
}

/// How many pointers to a slot the map has.
const IN_MAP: usize = 2;

/// How many slots are looked at, or taken out, while the lock is held.
const BATCH: usize = 64;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use entra_proto::cache::{FreshnessPolicy, Lifetime};
    use entra_proto::claims::ClaimsRequest;
    use entra_proto::{AccessToken, Target};

    use super::super::slot::Turn;
    use super::*;
    use crate::token::Token;

    fn now(seconds: u64) -> Moment {
        Moment {
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
        let slots = Slots::new(3, usize::MAX);
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
        let slots = Slots::new(2, usize::MAX);
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
        let slots = Slots::new(64, usize::MAX);
        for name in 0..64 {
            fill(&slots, name, 3600, name as u64);
        }
        assert_eq!(fill(&slots, 64, 3600, 64).1, 4);
        assert_eq!(held(&slots), (4..=64).collect::<Vec<_>>());
    }

    #[test]
    fn what_is_forgotten_is_empty_even_for_those_who_hold_it() {
        let slots = Slots::new(10, usize::MAX);
        let (kept, _) = fill(&slots, 0, 3600, 1);
        fill(&slots, 1, 3600, 1);
        let version = kept.version();
        slots.forget(false, |_| true);
        assert_eq!(held(&slots), [0]);
        assert!(kept.peek(now(2)).is_none() && kept.version() != version);
    }

    #[test]
    fn bytes_are_bounded_and_large_expired_slots_go_first() {
        let slots = Slots::new(1000, 40_000);
        let large = |name: usize| Key {
            claims: Some(
                ClaimsRequest::parse(&format!(
                    r#"{{"access_token":{{"a":{{"value":"{}"}}}}}}"#,
                    "x".repeat(8000)
                ))
                .unwrap(),
            ),
            ..key(name)
        };
        let (kept, _) = fill(&slots, 0, 3600, 1);
        drop(kept);
        for name in 1..100 {
            let (slot, _) = slots.slot(large(name), now(10 + name as u64));
            assert!(slots.ledger.bytes() <= 40_000 + 9000, "{}", slots.ledger.bytes());
            drop(slot);
        }
        assert!(slots.look(key(0).view(), |_| ()).is_some(), "its token lives");
        assert!((2..6).contains(&slots.len()), "{}", slots.len());
        slots.forget(false, |_| true);
        assert_eq!((slots.len(), slots.ledger.bytes()), (0, 0));
    }

    #[test]
    fn look_at_all_slots_lets_others_in_between() {
        let slots = Slots::new(10_000, usize::MAX);
        for name in 0..1000 {
            slots.slot(key(name), now(1));
        }
        let looked = AtomicUsize::new(0);
        let batches = slots.batches(|_| {
            looked.fetch_add(1, Ordering::SeqCst);
            true
        });
        for (n, batch) in batches.enumerate() {
            assert!(looked.swap(0, Ordering::SeqCst) <= BATCH && batch.len() <= BATCH);
            // It would wait for ever where the lock is held.
            slots.slot(key(5000 + n), now(2));
        }
    }

    #[test]
    fn many_slots_in_use_are_not_looked_at_for_each_new_one() {
        let slots = Slots::new(4, usize::MAX);
        let (mut held, mut looks, mut full_at) = (Vec::new(), 0, 4);
        for name in 0..3000 {
            held.push(slots.slot(key(name), now(1)).0);
            if slots.full_at.load(Ordering::Relaxed) != full_at {
                full_at = slots.full_at.load(Ordering::Relaxed);
                looks += 1;
            }
        }
        assert!(looks < 200, "{looks}");
        drop(held);
        (3000..3200).for_each(|name| drop(slots.slot(key(name), now(2))));
        assert!(slots.len() <= 4, "{}", slots.len());
    }

    #[test]
    fn slots_that_go_while_all_are_looked_at_hide_no_other() {
        let slots = Slots::new(10_000, usize::MAX);
        for name in 0..300 {
            slots.slot(key(name), now(1));
        }
        let mut seen = HashSet::new();
        for (n, batch) in slots.batches(|_| true).enumerate() {
            for slot in batch {
                seen.insert(format!("{:?}", Slot::key(&slot).target));
            }
            // Some of those that were seen, and some that were not.
            for name in [n, 299 - n, 100 + n] {
                seen.insert(format!("{:?}", key(name).target));
                slots.forget(false, |key| key.target == self::key(name).target);
            }
        }
        assert_eq!(seen.len(), 300);
    }
}
