//! The content types that applications subscribed to, and the webhooks that are notified of
//! contents.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard};

use serde::Deserialize;
use tokio::sync::Notify;

use crate::config::{ContentType, Tenant};
use crate::state::lock::lock;

/// The subscriptions, by tenant, client and content type. The number of these combinations bounds
/// them.
#[derive(Debug, Default)]
pub(crate) struct Subscriptions {
    state: Mutex<State>,
    /// Notified when there is a webhook to call.
    pub(crate) awake: Notify,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) subscriptions: BTreeMap<Key, Subscription>,
    /// The serial number of the last webhook.
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
    /// The contents created between a stop and the next start. This application does not receive
    /// them.
    pub(crate) gaps: Vec<Range<u64>>,
    pub(crate) hook: Option<Hook>,
    pub(crate) attempts: VecDeque<Attempt>,
    /// The total number of attempts.
    pub(crate) attempted: u64,
}

/// An attempt to notify a webhook of one content.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    /// The number of the attempt, counted from 0 over all attempts of the subscription.
    pub(crate) number: u64,
    pub(crate) content: u64,
    pub(crate) sent: u64,
    pub(crate) is_success: bool,
}

/// The destination of notifications.
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
    /// True if notifications are sent, because the webhook responded to its validation request.
    pub(crate) is_called: bool,
    /// The origin of the contents' URLs.
    pub(crate) origin: String,
    /// Distinguishes this webhook from earlier ones of the same subscription.
    pub(crate) serial: u64,
    /// The index of the next content to send a notification for.
    pub(crate) next: u64,
    pub(crate) failures: u32,
    /// The earliest time of the next notification, in seconds since the epoch.
    pub(crate) due: u64,
    pub(crate) in_flight: bool,
    pub(crate) is_disabled: bool,
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Omits the auth ID, by which the receiver recognizes the sender.
        f.debug_struct("Webhook")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl Subscriptions {
    /// Removes all of them.
    pub(crate) fn clear(&self) {
        self.state().subscriptions.clear();
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
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
