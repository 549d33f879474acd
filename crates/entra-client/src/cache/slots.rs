//! All slots of a client, bounded in entries and in bytes.

use std::cmp::Reverse;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, TryLockError};
use std::{ptr, thread};

use entra_proto::Timestamp;

use super::key::{Key, KeyRef};
use super::map::Map;
use super::size::TotalSize;
use super::slot::Slot;
use super::watchers::Waiting;
use crate::clock::Moment;
use crate::policy::Policy;
use crate::token::{CacheEntry, Token};

/// All slots of a client: a map that is bounded in entries and in bytes.
///
/// Its lock is held for a look-up, an insertion, or a batch of [`BATCH`] slots, and never across a
/// wait. An operation on all slots therefore stops no reader, however many slots there are.
pub(crate) struct Slots {
    map: RwLock<Map>,
    capacity: usize,
    max_bytes: usize,
    size: TotalSize,
    /// The number of slots above which the next eviction starts. It exceeds `capacity` after an
    /// eviction that found too many slots in use.
    evict_above_len: AtomicUsize,
    /// The number of bytes above which the next eviction starts. It may exceed `max_bytes` for the
    /// same reason.
    evict_above_bytes: AtomicUsize,
    /// The second since the epoch up to which tokens in the shared store are distrusted: they may
    /// be from before an event that no slot remembers.
    distrust_store_until: AtomicU64,
    /// Held by the thread that evicts.
    evicting: Mutex<()>,
}

impl Slots {
    pub(crate) fn new(capacity: usize, max_bytes: usize) -> Self {
        let capacity = capacity.max(1);
        Self {
            map: RwLock::default(),
            capacity,
            max_bytes,
            size: TotalSize::default(),
            evict_above_len: AtomicUsize::new(capacity),
            evict_above_bytes: AtomicUsize::new(max_bytes),
            distrust_store_until: AtomicU64::new(0),
            evicting: Mutex::default(),
        }
    }

    /// Calls `read` with the slot of `key`, if there is one.
    pub(crate) fn find<T>(&self, key: KeyRef<'_>, read: impl FnOnce(&Arc<Slot>) -> T) -> Option<T> {
        let map = self.read();
        map.get(key).map(read)
    }

    /// Returns the token of `key` if it may be used, and its slot if a refresh should start.
    ///
    /// Not generic, so that the path of a cached token is compiled, and inlined, in this crate.
    pub(crate) fn peek(&self, key: KeyRef<'_>, now: Moment) -> Option<(Token, Option<Arc<Slot>>)> {
        self.find(key, |slot| {
            let (token, refresh) = slot.peek(now)?;
            Some((token, refresh.then(|| Arc::clone(slot))))
        })?
    }

    /// Returns the slot of `key`, which is created if it is missing, and the number of slots that
    /// were evicted for it.
    pub(crate) fn get_or_insert(&self, key: Key, now: Moment) -> (Arc<Slot>, usize) {
        let slot = {
            let mut map = self.write();
            if let Some(slot) = map.get(key.view()) {
                return (Arc::clone(slot), 0);
            }
            let slot = Arc::new(Slot::new(key, &self.size));
            map.insert(Arc::clone(&slot));
            slot
        };
        (slot, self.make_room(now))
    }

    /// Evicts slots if there are too many, or if they hold too many bytes. Returns the number of
    /// evicted slots.
    ///
    /// Slots without a valid token or a failure are evicted first, the largest before the others;
    /// then those with a cached failure, then those with a token; the least recently used first in
    /// both. A batch is evicted at once, so that one iteration over the map pays for as many
    /// insertions. Slots in use stay.
    pub(crate) fn make_room(&self, now: Moment) -> usize {
        if !self.is_full() {
            return 0;
        }
        let _evicting = match self.evicting.try_lock() {
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
        let (count, mut bytes) = (self.len(), self.size.bytes());
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
        let bytes_wanted = self.max_bytes.saturating_sub(batch(self.max_bytes));
        let mut evicted = 0;
        let mut free = free.into_iter().map(|(_, slot)| slot).peekable();
        let is_enough = |evicted, bytes| evicted >= room && !(is_heavy && bytes > bytes_wanted);
        while free.peek().is_some() && !is_enough(evicted, bytes) {
            let mut removed = Vec::new();
            {
                let mut map = self.write();
                for slot in free.by_ref().take(BATCH) {
                    if !is_enough(evicted, bytes) && is_free(&slot, 1) && map.remove(&slot) {
                        if slot.distrusts_store() {
                            self.distrust_store(now);
                        }
                        evicted += 1;
                        bytes = bytes.saturating_sub(slot.bytes());
                    }
                    removed.push(slot);
                }
            }
            // Outside of the lock: dropping the slots overwrites their secrets.
            drop(removed);
            thread::yield_now();
        }
        // Slots in use had to stay. The next eviction starts after as many insertions as a batch.
        let next = |held: usize, bound: usize| match held <= bound {
            true => bound,
            false => held.saturating_add(batch(held) - 1),
        };
        let next_len = next(self.len(), self.capacity);
        self.evict_above_len.store(next_len, Ordering::Relaxed);
        let next_bytes = next(self.size.bytes(), self.max_bytes);
        self.evict_above_bytes.store(next_bytes, Ordering::Relaxed);
        evicted
    }

    /// Empties every slot that matches, and removes those that are not in use.
    ///
    /// With `has_store`, slots whose token may be in the shared store stay: they remember that the
    /// store is not to be trusted.
    pub(crate) fn forget(&self, has_store: bool, matches: impl Fn(&Key) -> bool) {
        for batch in self.batches(|slot| matches(slot.key())) {
            let mut waiting = Vec::new();
            {
                let mut map = self.write();
                for slot in &batch {
                    waiting.push(slot.forget());
                    if !(has_store && slot.key().is_shareable()) && is_free(slot, 1) {
                        map.remove(slot);
                    }
                }
            }
            waiting.into_iter().for_each(Waiting::wake);
        }
    }

    /// Marks every slot that matches as stale: see [`Slot::mark_stale`].
    pub(crate) fn mark_stale(&self, matches: impl Fn(&Key) -> bool) {
        let batches = self.batches(|slot| matches(slot.key()));
        batches.flatten().for_each(|slot| slot.mark_stale());
    }

    /// Records that an API rejected the token with this number. Returns true if the rejection is
    /// new.
    pub(crate) fn reject(&self, entry: &dyn CacheEntry, number: u64, now: Moment, policy: &Policy) -> bool {
        let is_new = entry.reject(number, now, policy);
        // An eviction may have removed the slot after the token had found it. Its record is lost.
        let is_entry = |slot: &Arc<Slot>| ptr::addr_eq(Arc::as_ptr(slot), entry);
        if is_new && !self.find(entry.key(), is_entry).unwrap_or(false) {
            self.distrust_store(now);
        }
        is_new
    }

    /// Records that tokens which the shared store received before this moment are distrusted: the
    /// slot that recorded the event was evicted.
    pub(crate) fn distrust_store(&self, now: Moment) {
        self.distrust_store_until
            .fetch_max(now.wall.as_secs(), Ordering::Relaxed);
    }

    /// Returns true if a stored token that was received at this moment may be from before an event.
    pub(crate) fn distrusts_stored(&self, received_at: Timestamp) -> bool {
        received_at.as_secs() <= self.distrust_store_until.load(Ordering::Relaxed)
    }

    pub(crate) fn len(&self) -> usize {
        self.read().order.len()
    }

    fn is_full(&self) -> bool {
        self.size.bytes() > self.evict_above_bytes.load(Ordering::Relaxed)
            || self.len() > self.evict_above_len.load(Ordering::Relaxed)
    }

    /// Returns all slots that match, in batches. The lock is released between two batches.
    ///
    /// The iteration runs from the end to the start: a slot that is removed leaves its position to
    /// the last one, so the iteration misses no slot that existed when it began.
    fn batches(&self, matches: impl Fn(&Arc<Slot>) -> bool) -> impl Iterator<Item = Vec<Arc<Slot>>> {
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
            Some(batch.iter().filter(|slot| matches(slot)).cloned().collect())
        })
    }

    fn read(&self) -> RwLockReadGuard<'_, Map> {
        self.map.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Map> {
        self.map.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The order of eviction, lowest first: see [`Slots::make_room`].
type Rank = (u8, Reverse<usize>, u32);

fn rank(slot: &Slot, now: Moment) -> Rank {
    let worth = slot.worth(now);
    let size = if worth == 0 { slot.bytes() } else { 0 };
    (worth, Reverse(size), slot.last_used())
}

/// Returns the part of a bound that is evicted at once.
fn batch(bound: usize) -> usize {
    (bound / 16).max(1)
}

/// Returns true if the slot is idle, and only the map and the caller, with `own` pointers, refer to
/// it.
///
/// While the map is locked for writing, only a token can obtain another pointer, to reject itself:
/// see [`Slots::reject`].
fn is_free(slot: &Arc<Slot>, own: usize) -> bool {
    Arc::strong_count(slot) == IN_MAP + own && slot.is_idle()
}

/// The number of pointers to a slot in the map.
const IN_MAP: usize = 2;

/// The number of slots that are visited, or removed, under one lock.
const BATCH: usize = 64;

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::time::Duration;

    use entra_proto::cache::{FreshnessPolicy, Lifetime};
    use entra_proto::claims::ClaimsRequest;
    use entra_proto::{AccessToken, Target};

    use super::super::slot::JoinOutcome;
    use super::*;
    use crate::subject::Subject;

    fn now(seconds: u64) -> Moment {
        Moment {
            wall: Timestamp::from_secs(1_767_225_600 + seconds),
            monotonic: Duration::from_secs(seconds),
        }
    }

    fn key(name: usize) -> Key {
        Key {
            tenant: Some("contoso.com".parse().unwrap()),
            target: Target::resource(&format!("https://api{name}")).unwrap(),
            claims: None,
            subject: Subject::Principal,
        }
    }

    /// Adds a slot with a token that was requested at `at` and lives for `life` seconds.
    fn fill(slots: &Slots, name: usize, life: u64, at: u64) -> (Arc<Slot>, usize) {
        let (slot, evicted) = slots.get_or_insert(key(name), now(at));
        let JoinOutcome::Start(mut owner) = slot.join(now(at), None, Duration::from_secs(120)) else {
            panic!("no flight starts")
        };
        let lifetime = Lifetime::new(now(at).wall, Duration::from_secs(life), None);
        let stages = FreshnessPolicy::default().stages(&lifetime, 0);
        let token = AccessToken::new("t").unwrap();
        let token = Token::new(token, &lifetime, stages, now(at), None, owner.origin());
        owner.complete(&token, true, now(at), Duration::ZERO);
        slot.peek(now(at));
        (slot, evicted)
    }

    fn held(slots: &Slots) -> Vec<usize> {
        (0..100)
            .filter(|name| slots.find(key(*name).view(), |_| ()).is_some())
            .collect()
    }

    #[test]
    fn expired_slots_go_first_then_the_least_recently_used() {
        let slots = Slots::new(3, usize::MAX);
        fill(&slots, 0, 3600, 1);
        fill(&slots, 1, 10, 2);
        fill(&slots, 2, 3600, 3);
        assert_eq!(fill(&slots, 3, 3600, 20).1, 1);
        assert_eq!(
            held(&slots),
            [0, 2, 3],
            "the expired one goes although another is less recently used"
        );
        slots.find(key(0).view(), |slot| slot.peek(now(30)));
        fill(&slots, 4, 3600, 40);
        assert_eq!(held(&slots), [0, 3, 4]);
    }

    #[test]
    fn slots_in_use_stay() {
        let slots = Slots::new(2, usize::MAX);
        let (in_use, _) = fill(&slots, 0, 3600, 1);
        let (slot, _) = slots.get_or_insert(key(1), now(2));
        let JoinOutcome::Start(owner) = slot.join(now(2), None, Duration::from_secs(120)) else {
            panic!("no flight starts")
        };
        drop(slot);
        fill(&slots, 2, 3600, 3);
        assert_eq!(held(&slots), [0, 1, 2], "exceeds the bound rather than fetches twice");
        drop((in_use, owner));
        fill(&slots, 3, 3600, 4);
        assert!(slots.len() <= 2, "{:?}", held(&slots));
    }

    #[test]
    fn large_map_makes_room_in_batches() {
        let slots = Slots::new(64, usize::MAX);
        for name in 0..64 {
            fill(&slots, name, 3600, name as u64);
        }
        assert_eq!(fill(&slots, 64, 3600, 64).1, 4);
        assert_eq!(held(&slots), (4..=64).collect::<Vec<_>>());
    }

    #[test]
    fn forgotten_slot_is_empty_for_its_holders_too() {
        let slots = Slots::new(10, usize::MAX);
        let (in_use, _) = fill(&slots, 0, 3600, 1);
        fill(&slots, 1, 3600, 1);
        let version = in_use.version();
        slots.forget(false, |_| true);
        assert_eq!(held(&slots), [0]);
        assert!(in_use.peek(now(2)).is_none() && in_use.version() != version);
    }

    #[test]
    fn rejection_during_an_eviction_is_recorded() {
        let slots = Slots::new(10, usize::MAX);
        let reject = |slot: &Arc<Slot>, at| {
            let number = slot.peek(now(2)).unwrap().0.number();
            assert!(slots.reject(&**slot, number, now(at), &Policy::default()));
            slots.distrusts_stored(now(at).wall)
        };
        let (evicted, _) = fill(&slots, 0, 3600, 1);
        slots.write().remove(&evicted);
        let (cached, _) = fill(&slots, 0, 3600, 1);
        assert!(!reject(&cached, 3), "the slot has the record");
        assert!(reject(&evicted, 3), "another slot has its key now");
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
        let (filled, _) = fill(&slots, 0, 3600, 1);
        drop(filled);
        for name in 1..100 {
            let (slot, _) = slots.get_or_insert(large(name), now(10 + name as u64));
            assert!(slots.size.bytes() <= 40_000 + 9000, "{}", slots.size.bytes());
            drop(slot);
        }
        assert!(slots.find(key(0).view(), |_| ()).is_some(), "its token is unexpired");
        assert!((2..6).contains(&slots.len()), "{}", slots.len());
        slots.forget(false, |_| true);
        assert_eq!((slots.len(), slots.size.bytes()), (0, 0));
    }

    #[test]
    fn iteration_releases_the_lock_between_batches() {
        let slots = Slots::new(10_000, usize::MAX);
        for name in 0..1000 {
            slots.get_or_insert(key(name), now(1));
        }
        let visited = AtomicUsize::new(0);
        let batches = slots.batches(|_| {
            visited.fetch_add(1, Ordering::SeqCst);
            true
        });
        for (n, batch) in batches.enumerate() {
            assert!(visited.swap(0, Ordering::SeqCst) <= BATCH && batch.len() <= BATCH);
            // A lock that is still held would block this call forever.
            slots.get_or_insert(key(5000 + n), now(2));
        }
    }

    #[test]
    fn insertions_beside_slots_in_use_rarely_iterate() {
        let slots = Slots::new(4, usize::MAX);
        let (mut held, mut evictions, mut threshold) = (Vec::new(), 0, 4);
        for name in 0..3000 {
            held.push(slots.get_or_insert(key(name), now(1)).0);
            if slots.evict_above_len.load(Ordering::Relaxed) != threshold {
                threshold = slots.evict_above_len.load(Ordering::Relaxed);
                evictions += 1;
            }
        }
        assert!(evictions < 200, "{evictions}");
        drop(held);
        (3000..3200).for_each(|name| drop(slots.get_or_insert(key(name), now(2))));
        assert!(slots.len() <= 4, "{}", slots.len());
    }

    #[test]
    fn removal_during_an_iteration_hides_no_other_slot() {
        let slots = Slots::new(10_000, usize::MAX);
        for name in 0..300 {
            slots.get_or_insert(key(name), now(1));
        }
        let mut seen = HashSet::new();
        for (n, batch) in slots.batches(|_| true).enumerate() {
            for slot in batch {
                seen.insert(format!("{:?}", slot.key().target));
            }
            // Some that the iteration has visited, and some that it has not.
            for name in [n, 299 - n, 100 + n] {
                seen.insert(format!("{:?}", key(name).target));
                slots.forget(false, |key| key.target == self::key(name).target);
            }
        }
        assert_eq!(seen.len(), 300);
    }
}
