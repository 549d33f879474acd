//! The contents of the activity feed: their number, their creation times and their records.
//!
//! Only published contents are stored. Everything else is computed from the seed and the index of a
//! content.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard};

use crate::config::{ActivityFeed, ContentType, Tenant};
use crate::seed::{Generator, mixed};
use crate::state::lock::lock;

/// The feeds of all tenants.
#[derive(Debug)]
pub(crate) struct Feed {
    pub(crate) settings: ActivityFeed,
    seed: u64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The time of the first use of the feed. Generated contents were created before it.
    filled: Option<u64>,
    /// The published contents, by content type and tenant.
    published: BTreeMap<ContentType, HashMap<String, Arc<Vec<Batch>>>>,
}

impl State {
    fn published(&self, tenant: &Tenant, content_type: ContentType) -> Option<&Arc<Vec<Batch>>> {
        self.published.get(&content_type)?.get(&tenant.id)
    }
}

/// Contents that were published together.
#[derive(Clone, Debug)]
struct Batch {
    created: u64,
    /// The index after the last content of the batch.
    end: u64,
}

impl Feed {
    pub(crate) fn new(settings: ActivityFeed, seed: u64) -> Self {
        Self {
            settings,
            seed,
            state: Mutex::default(),
        }
    }

    /// Returns the contents of a tenant at this time.
    pub(crate) fn contents(&self, tenant: &Tenant, content_type: ContentType, now: u64) -> Contents<'_> {
        let (filled, published) = {
            let mut state = self.state();
            let filled = *state.filled.get_or_insert(now);
            (
                filled,
                state.published(tenant, content_type).cloned().unwrap_or_default(),
            )
        };
        self.view(tenant, content_type, filled, published)
    }

    /// Returns the number of contents of a tenant at this time.
    pub(crate) fn count(&self, tenant: &Tenant, content_type: ContentType, now: u64) -> u64 {
        let mut state = self.state();
        state.filled.get_or_insert(now);
        let last = state.published(tenant, content_type).and_then(|batches| batches.last());
        last.map_or_else(|| self.generated(tenant, content_type).0, |batch| batch.end)
    }

    /// Returns the number of generated contents, the number of records in each, and, if there is
    /// one record for each user, the total number of records.
    fn generated(&self, tenant: &Tenant, content_type: ContentType) -> (u64, u32, Option<u64>) {
        let users = tenant.users.as_ref().map_or(0, Vec::len) as u64;
        let settings = &self.settings;
        let (contents, records, all) = match (settings.contents, settings.records) {
            (None, None) => (users.div_ceil(USERS), USERS as u32, Some(users)),
            (contents, records) => (contents.unwrap_or(1).into(), records.unwrap_or(3), None),
        };
        let contents = if settings.has(content_type) { contents } else { 0 };
        (contents, records, all)
    }

    fn view(
        &self,
        tenant: &Tenant,
        content_type: ContentType,
        filled: u64,
        published: Arc<Vec<Batch>>,
    ) -> Contents<'_> {
        let name = format!("activity {} {}", tenant.id, content_type.as_str());
        let (generated, records, all) = self.generated(tenant, content_type);
        Contents {
            settings: &self.settings,
            key: Generator::named(self.seed, &name).next(),
            generated,
            records,
            all,
            start: filled.saturating_sub(self.settings.span),
            published,
        }
    }

    /// Publishes contents that are created now and returns the total number of contents. If there
    /// are too many batches, the contents are added to the last batch.
    pub(crate) fn publish(&self, tenant: &Tenant, content_type: ContentType, count: u32, now: u64) -> u64 {
        let mut state = self.state();
        let filled = *state.filled.get_or_insert(now);
        let published = state.published.entry(content_type).or_default();
        let published = Arc::make_mut(published.entry(tenant.id.clone()).or_default());
        let (generated, ..) = self.generated(tenant, content_type);
        let (last, end) = published
            .last()
            .map_or((filled, generated), |batch| (batch.created, batch.end));
        // Contents are ordered by their creation times, even if the clock is set back.
        let created = now.max(last);
        let end = (end + u64::from(count)).min(MOST_CONTENTS);
        let is_full = published.len() >= MOST_BATCHES;
        match published.last_mut() {
            Some(batch) if batch.created == created || is_full => batch.end = end,
            _ => published.push(Batch { created, end }),
        }
        end
    }

    /// Restores the initial contents; the next use fills the feed again.
    pub(crate) fn clear(&self) {
        *self.state() = State::default();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

/// The contents of one tenant and content type. Their indexes follow their creation times.
#[derive(Clone, Debug)]
pub(crate) struct Contents<'a> {
    settings: &'a ActivityFeed,
    /// A number that distinguishes this tenant and content type from all others.
    pub(crate) key: u64,
    generated: u64,
    /// The number of records in each content.
    records: u32,
    /// The total number of generated records, if there is one for each user.
    all: Option<u64>,
    start: u64,
    published: Arc<Vec<Batch>>,
}

impl Contents<'_> {
    pub(crate) fn count(&self) -> u64 {
        self.published.last().map_or(self.generated, |batch| batch.end)
    }

    /// Returns the number of records in a content.
    pub(crate) fn records(&self, index: u64) -> u32 {
        let before = index * u64::from(self.records);
        match self.all {
            Some(all) if index < self.generated => all.saturating_sub(before).min(self.records.into()) as u32,
            // Published contents contain a record for each user as well.
            Some(all) => all.clamp(1, self.records.into()) as u32,
            None => self.records,
        }
    }

    /// Returns the number of a record among those of its tenant and content type.
    pub(crate) fn number(&self, content: u64, place: u32) -> u64 {
        content * u64::from(self.records) + u64::from(place)
    }

    /// Returns the creation time of a content, in seconds since the epoch.
    pub(crate) fn created(&self, index: u64) -> u64 {
        match index.checked_sub(self.generated) {
            // The middle of the content's share of the time span.
            None => self.start + self.settings.span * (2 * index + 1) / (2 * self.generated),
            Some(_) => {
                let at = self.published.partition_point(|batch| batch.end <= index);
                self.published.get(at).map_or(u64::MAX, |batch| batch.created)
            }
        }
    }

    /// Returns the contents that were created in a window of time.
    pub(crate) fn within(&self, window: &Range<u64>) -> Range<u64> {
        self.first_from(window.start)..self.first_from(window.end)
    }

    /// Returns the first content that was created at this time or later.
    fn first_from(&self, time: u64) -> u64 {
        let (mut low, mut high) = (0, self.count());
        while low < high {
            let middle = low + (high - low) / 2;
            match self.created(middle) < time {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        low
    }

    /// Returns whether a content is listed a second time, together with the next one.
    pub(crate) fn is_listed_twice(&self, index: u64) -> bool {
        mixed(self.key ^ LISTED ^ index) % 1_000 < u64::from(self.settings.duplicate_contents)
    }

    /// Returns the content and place of the original of a record. They differ from the arguments if
    /// the record is a copy.
    pub(crate) fn original(&self, mut content: u64, place: u32) -> (u64, u32) {
        let share = u64::from(self.settings.duplicate_records);
        while content > 0 && share > 0 {
            let random = mixed(self.record_key(content, place) ^ COPIED);
            if random % 1_000 >= share {
                break;
            }
            let earlier = content - 1 - (random >> 32) % content.min(FARTHEST_COPY);
            if place >= self.records(earlier) {
                break;
            }
            content = earlier;
        }
        (content, place)
    }

    /// Returns a number that identifies a record.
    pub(crate) fn record_key(&self, content: u64, place: u32) -> u64 {
        mixed(self.key ^ (content << 20 | u64::from(place)))
    }

    /// Returns the IDs of all records, each once, in the order of their creation.
    pub(crate) fn record_ids(self) -> impl Iterator<Item = String> {
        (0..self.count()).flat_map(move |content| {
            let places = 0..self.records(content);
            let ids = places.filter_map(|place| {
                let is_original = self.original(content, place) == (content, place);
                is_original.then(|| record_id(self.record_key(content, place)))
            });
            ids.collect::<Vec<_>>()
        })
    }
}

/// Returns the ID of the record with this key.
pub(crate) fn record_id(key: u64) -> String {
    Generator::new(key ^ IDENTIFIED).guid()
}

/// The limit for one tenant and content type. A content's index and a record's place fit into one
/// number.
const MOST_CONTENTS: u64 = 1 << 43;
/// The number of records in a content if there is one record for each user.
const USERS: u64 = 100;
const MOST_BATCHES: usize = 10_000;
/// The largest distance, in contents, between a record and its copy in one step.
const FARTHEST_COPY: u64 = 8;
const LISTED: u64 = 0x6c69_7374_6564_0001;
const COPIED: u64 = 0x636f_7069_6564_0002;
pub(crate) const IDENTIFIED: u64 = 0x6964_656e_7469_0003;
