//! The content that applications subscribed to, and the webhooks that are told of it.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::ops::Range;
use std::sync::Mutex;

use serde::Deserialize;
use tokio::sync::Notify;

use crate::config::{ContentType, Tenant};

/// The content each app subscribed to in each tenant, by tenant, client and content type. Bounded by how many of them there
/// are.
#[derive(Debug, Default)]
pub(crate) struct Subscriptions {
    state: Mutex<State>,
    /// Told when there is a webhook to call.
    pub(crate) awake: Notify,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) subscriptions: BTreeMap<Key, Subscription>,
    /// Of the last webhook.
    pub(crate) serial: u64,
}

/// The tenant, the client and the content type of a subscription.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) tenant: String,
    pub(crate) client_id: String,
    pub(crate) content_type: ContentType,
}

/// A subscription that was started at least once.
#[derive(Debug, Default)]
pub(crate) struct Subscription {
    /// The number of contents when it was stopped. `None` while it is enabled.
    pub(crate) stopped: Option<u64>,
    /// The contents that came between a stop and the next start: they are not for this application.
    pub(crate) gaps: Vec<Range<u64>>,
    pub(crate) hook: Option<Hook>,
    pub(crate) attempts: VecDeque<Attempt>,
    /// The number of all attempts.
    pub(crate) attempted: u64,
}

/// One content in one notification.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    /// From 0, over all attempts of the subscription.
    pub(crate) number: u64,
    pub(crate) content: u64,
    pub(crate) sent: u64,
    pub(crate) is_success: bool,
}

/// Where notifications are to be sent.
#[derive(Clone, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) struct Webhook {
    #[serde(default)]
    pub(crate) address: String,
    #[serde(rename = "authid")]
    pub(crate) auth_id: Option<String>,
    pub(crate) expiration: Option<String>,
    /// The time of `expiration`, in seconds since the epoch.
    #[serde(skip)]
    pub(crate) end: Option<u64>,
}

/// The webhook of an enabled subscription.
#[derive(Clone, Debug)]
pub(crate) struct Hook {
    pub(crate) webhook: Webhook,
    /// It answered its validation call, and so it is called.
    pub(crate) is_called: bool,
    /// The origin that addresses of contents begin with.
    pub(crate) origin: String,
    /// Tells it from one that had its place before.
    pub(crate) serial: u64,
    /// The index of the next content that it is to be notified of.
    pub(crate) next: u64,
    pub(crate) failures: u32,
    /// When the next notification may be sent, in seconds since the epoch.
    pub(crate) due: u64,
    pub(crate) in_flight: bool,
    pub(crate) is_disabled: bool,
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the id, by which the receiver knows the sender.
        f.debug_struct("Webhook")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl Subscriptions {
    /// Forgets all of them.
    pub(crate) fn clear(&self) {
        self.state().subscriptions.clear();
    }

    pub(crate) fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Key {
    pub(crate) fn new(tenant: &Tenant, client_id: &str, content_type: ContentType) -> Self {
        Self {
            tenant: tenant.id.clone(),
            client_id: client_id.to_owned(),
            content_type,
        }
    }
}
