//! The contents of the feed: how many there are, when they were created, and which records are in them.
//!
//! Nothing is stored but what was published on request: all else is computed from the seed and the index of a content.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::{Arc, Mutex};

use crate::config::{ActivityFeed, ContentType, Tenant};
use crate::seed::{Generator, mixed};

/// The feed of all tenants.
#[derive(Debug)]
pub(crate) struct Feed {
    pub(crate) settings: ActivityFeed,
    seed: u64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// When the feed was first used: the contents were created before.
    filled: Option<u64>,
    /// By content type and tenant.
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
    /// The index of the content after the last one.
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

    /// The contents of a tenant, by its ID, at this time.
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

    /// The number of contents of a tenant at this time.
    pub(crate) fn count(&self, tenant: &Tenant, content_type: ContentType, now: u64) -> u64 {
        let mut state = self.state();
        state.filled.get_or_insert(now);
        let last = state.published(tenant, content_type).and_then(|batches| batches.last());
        last.map_or_else(|| self.generated(tenant, content_type).0, |batch| batch.end)
    }

    /// The number of generated contents, that of the records of each, and that of all records where it is given.
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

    /// Adds contents that are created now, and returns the number of all. Where too much was published one by one, it is as
    /// though it had been published together.
    pub(crate) fn publish(&self, tenant: &Tenant, content_type: ContentType, count: u32, now: u64) -> u64 {
        let mut state = self.state();
        let filled = *state.filled.get_or_insert(now);
        let published = state.published.entry(content_type).or_default();
        let published = Arc::make_mut(published.entry(tenant.id.clone()).or_default());
        let (generated, ..) = self.generated(tenant, content_type);
        let (last, end) = published
            .last()
            .map_or((filled, generated), |batch| (batch.created, batch.end));
        // The order of the contents is that of their times, also where the clock is set back.
        let created = now.max(last);
        let end = (end + u64::from(count)).min(MOST_CONTENTS);
        let is_full = published.len() >= MOST_BATCHES;
        match published.last_mut() {
            Some(batch) if batch.created == created || is_full => batch.end = end,
            _ => published.push(Batch { created, end }),
        }
        end
    }

    /// Fills the feed anew.
    pub(crate) fn clear(&self) {
        *self.state() = State::default();
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// The contents of one tenant and content type. Their indexes are in the order of their times.
#[derive(Clone, Debug)]
pub(crate) struct Contents<'a> {
    settings: &'a ActivityFeed,
    /// Tells this tenant and content type from all others.
    pub(crate) key: u64,
    generated: u64,
    /// Of each content.
    records: u32,
    /// Of the generated contents together, where that is said.
    all: Option<u64>,
    start: u64,
    published: Arc<Vec<Batch>>,
}

impl Contents<'_> {
    pub(crate) fn count(&self) -> u64 {
        self.published.last().map_or(self.generated, |batch| batch.end)
    }

    /// The number of records of a content.
    pub(crate) fn records(&self, index: u64) -> u32 {
        let before = index * u64::from(self.records);
        match self.all {
            Some(all) if index < self.generated => all.saturating_sub(before).min(self.records.into()) as u32,
            // What is published has its record for each user as well.
            Some(all) => all.clamp(1, self.records.into()) as u32,
            None => self.records,
        }
    }

    /// The number of a record among those of its tenant and content type.
    pub(crate) fn number(&self, content: u64, place: u32) -> u64 {
        content * u64::from(self.records) + u64::from(place)
    }

    /// When a content was created, in seconds since the epoch.
    pub(crate) fn created(&self, index: u64) -> u64 {
        match index.checked_sub(self.generated) {
            // In the middle of its part of the span.
            None => self.start + self.settings.span * (2 * index + 1) / (2 * self.generated),
            Some(_) => {
                let at = self.published.partition_point(|batch| batch.end <= index);
                self.published.get(at).map_or(u64::MAX, |batch| batch.created)
            }
        }
    }

    /// The contents that were created in a window.
    pub(crate) fn within(&self, window: &Range<u64>) -> Range<u64> {
        self.first_from(window.start)..self.first_from(window.end)
    }

    /// The first content that was created at this time or later.
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

    /// Whether a content is listed together with the next one, too.
    pub(crate) fn is_listed_twice(&self, index: u64) -> bool {
        mixed(self.key ^ LISTED ^ index) % 1_000 < u64::from(self.settings.duplicate_contents)
    }

    /// The content and the place of the record that stands at this place: another one where it is a copy.
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

    /// A number of its own for each record.
    pub(crate) fn record_key(&self, content: u64, place: u32) -> u64 {
        mixed(self.key ^ (content << 20 | u64::from(place)))
    }

    /// The IDs of all records, each once, in the order in which they are created.
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

/// The ID of the record with this key.
pub(crate) fn record_id(key: u64) -> String {
    Generator::new(key ^ IDENTIFIED).guid()
}

/// Of one tenant and content type. The index of a content and the place of a record fit into one number.
const MOST_CONTENTS: u64 = 1 << 43;
/// The records in a content where there is one for each user.
const USERS: u64 = 100;
const MOST_BATCHES: usize = 10_000;
/// How many contents before its copy a record stands at most, in one step.
const FARTHEST_COPY: u64 = 8;
const LISTED: u64 = 0x6c69_7374_6564_0001;
const COPIED: u64 = 0x636f_7069_6564_0002;
pub(crate) const IDENTIFIED: u64 = 0x6964_656e_7469_0003;
