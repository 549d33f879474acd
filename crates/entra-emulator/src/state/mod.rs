//! The state of an emulator: plain records that the rules read and change.
//!
//! No record contains a rule of an endpoint. Records that clients can grow are bounded.

pub(crate) mod authorization;
pub(crate) mod clock;
pub(crate) mod consents;
pub(crate) mod control_key;
pub(crate) mod directory;
pub(crate) mod fault;
pub(crate) mod feed;
pub(crate) mod grants;
pub(crate) mod jwks;
pub(crate) mod key_files;
pub(crate) mod keys;
mod lock;
pub(crate) mod permissions;
pub(crate) mod quota;
pub(crate) mod recorder;
pub(crate) mod replays;
pub(crate) mod revocations;
pub(crate) mod scopes;
pub(crate) mod second_issuer;
pub(crate) mod session;
pub(crate) mod store;
pub(crate) mod subscriptions;
pub(crate) mod token_cache;
pub(crate) mod transactions;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::Error;
use crate::config::{
    Config, DEFAULT_INTERVAL, DEFAULT_LIFETIME, IDENTITY_LIFETIME, Issuers, LONGEST_INTERVAL, LONGEST_LIFETIME, Tenant,
};
use crate::seed::Generator;
use crate::state::clock::Clock;
use crate::state::consents::Consents;
use crate::state::control_key::ControlKey;
use crate::state::directory::Directory;
use crate::state::fault::Script;
use crate::state::feed::Feed;
use crate::state::grants::Grants;
use crate::state::jwks::Jwks;
use crate::state::key_files::KeyFiles;
use crate::state::keys::KeyRing;
use crate::state::lock::lock;
use crate::state::quota::Quota;
use crate::state::recorder::Recorder;
use crate::state::replays::Replays;
use crate::state::revocations::Revocations;
use crate::state::second_issuer::SecondIssuer;
use crate::state::subscriptions::Subscriptions;
use crate::state::token_cache::TokenCache;
use crate::state::transactions::Transactions;

/// The complete state of one emulator.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) directory: Directory,
    pub(crate) seed: u64,
    pub(crate) clock: Clock,
    pub(crate) keys: KeyRing,
    pub(crate) issuers: Issuers,
    /// The configured keys of other issuers, by issuer.
    pub(crate) issuer_keys: BTreeMap<String, Jwks>,
    pub(crate) second_issuer: Option<SecondIssuer>,
    pub(crate) recorder: Recorder,
    pub(crate) script: Script,
    /// The lifetime of an access token in seconds.
    pub(crate) token_lifetime: u64,
    /// The lifetime of an access token of a managed identity in seconds.
    pub(crate) identity_lifetime: u64,
    pub(crate) refresh_in: Option<u64>,
    pub(crate) device_interval: u64,
    /// The origin in documents if the request does not name one.
    pub(crate) base_url: String,
    /// The origin of the TLS listener, if there is one.
    pub(crate) tls_url: Option<String>,
    /// Host names of the emulator beside its addresses.
    pub(crate) names: Vec<String>,
    /// The start time in nanoseconds, by the machine's clock. It distinguishes this emulator from
    /// an earlier one at the same address.
    pub(crate) started_at: u128,
    /// The assertions used so far, if each may be used only once.
    pub(crate) replays: Option<Replays>,
    pub(crate) revocations: Revocations,
    pub(crate) consents: Consents,
    pub(crate) transactions: Transactions,
    pub(crate) grants: Grants,
    pub(crate) subscriptions: Subscriptions,
    pub(crate) feed: Feed,
    /// The number of Graph requests per minute that an application may make in a tenant; `None`
    /// means no limit.
    pub(crate) graph_requests_per_minute: Option<u64>,
    pub(crate) graph_quota: Quota,
    pub(crate) activity_quota: Quota,
    /// The key files of Azure Arc.
    pub(crate) key_files: KeyFiles,
    /// The tokens that Service Fabric caches.
    pub(crate) token_cache: TokenCache,
    /// True if authorization responses name their issuer (RFC 9207).
    pub(crate) issuer_in_responses: bool,
    /// The key that callers of the control API must present.
    pub(crate) control_key: ControlKey,
    /// True if the control API may be reached under any host name.
    pub(crate) control_is_open: bool,
    ids: Mutex<Generator>,
}

impl State {
    pub(crate) fn new(mut config: Config, clock: Clock, recorder: Recorder, base_url: String) -> Result<Self, Error> {
        config.issuers.check()?;
        config.check()?;
        let feed = Feed::new(config.activity.clone(), config.seed);
        let issuers = config.issuers.clone();
        let seed = config.seed;
        let lifetime = |default: u64| config.token_lifetime.unwrap_or(default).clamp(1, LONGEST_LIFETIME);
        let (token_lifetime, identity_lifetime) = (lifetime(DEFAULT_LIFETIME), lifetime(IDENTITY_LIFETIME));
        let refresh_in = config.refresh_in;
        let graph_requests_per_minute = config.graph_requests_per_minute;
        let device_interval = config
            .device_interval
            .unwrap_or(DEFAULT_INTERVAL)
            .clamp(1, LONGEST_INTERVAL);
        let issuer_keys = jwks::configured(&config.issuer_keys)?;
        let second_issuer = config.second_issuer.then(|| SecondIssuer::new(&base_url, seed));
        if let Some(second) = &second_issuer {
            second.register(&mut config);
        }
        let key_files = KeyFiles::new(config.machine.arc_tokens.clone());
        Ok(Self {
            directory: Directory::new(config)?,
            seed,
            clock,
            keys: KeyRing::new(seed),
            issuers,
            issuer_keys,
            second_issuer,
            recorder,
            script: Script::default(),
            token_lifetime,
            identity_lifetime,
            refresh_in,
            device_interval,
            base_url,
            tls_url: None,
            names: Vec::new(),
            started_at: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default()
                .as_nanos(),
            replays: None,
            revocations: Revocations::new(seed),
            consents: Consents::default(),
            transactions: Transactions::default(),
            grants: Grants::default(),
            subscriptions: Subscriptions::default(),
            feed,
            graph_requests_per_minute,
            graph_quota: Quota::default(),
            activity_quota: Quota::default(),
            key_files,
            token_cache: TokenCache::default(),
            issuer_in_responses: false,
            control_key: ControlKey::new(),
            control_is_open: false,
            ids: Mutex::new(Generator::named(seed, "answers")),
        })
    }

    /// Restores the initial state. The configuration stays.
    pub(crate) fn reset(&self) {
        // Without `..`, so that each new field must be handled here.
        let Self {
            directory: _,
            seed,
            clock,
            keys,
            issuers: _,
            issuer_keys: _,
            second_issuer: _,
            recorder,
            script,
            token_lifetime: _,
            identity_lifetime: _,
            refresh_in: _,
            device_interval: _,
            base_url: _,
            tls_url: _,
            names: _,
            started_at: _,
            replays,
            revocations,
            consents,
            transactions,
            grants,
            subscriptions,
            feed,
            graph_requests_per_minute: _,
            graph_quota,
            activity_quota,
            key_files,
            token_cache,
            issuer_in_responses: _,
            control_key: _,
            control_is_open: _,
            ids,
        } = self;
        script.clear();
        clock.reset();
        keys.reset();
        if let Some(replays) = replays {
            replays.clear();
        }
        revocations.clear();
        consents.clear();
        transactions.clear();
        grants.clear();
        subscriptions.clear();
        feed.clear();
        graph_quota.clear();
        activity_quota.clear();
        key_files.clear();
        token_cache.clear();
        *lock(ids) = Generator::named(*seed, "answers");
        // Last, so that no earlier request is counted.
        recorder.reset();
    }

    pub(crate) fn first_tenant(&self) -> &Tenant {
        self.directory
            .tenants
            .first()
            .expect("the directory holds at least one tenant")
    }

    /// Returns a new GUID for a response.
    pub(crate) fn guid(&self) -> String {
        self.ids().guid()
    }

    /// Returns the generator of all values that differ between responses.
    pub(crate) fn ids(&self) -> MutexGuard<'_, Generator> {
        lock(&self.ids)
    }
}
