//! The subscriptions of applications to content, and the notifications that their webhooks receive.

use std::ops::Range;

use serde_json::{Value, json};

use crate::api::activity::content::{Place, moment};
use crate::api::activity::denial::Denial;
use crate::api::activity::webhook::Call;
use crate::config::{ContentType, Tenant};
use crate::state::State;
use crate::state::subscriptions::{Attempt, Hook, Key, Subscription, Subscriptions, Webhook};

/// Notifications that are due, with the webhook that receives them.
pub(crate) struct Notification {
    key: Key,
    serial: u64,
    contents: Range<u64>,
    sent: u64,
    pub(crate) call: Call,
}

impl Subscriptions {
    /// Lists the enabled subscriptions of an application in a tenant. Stopped ones are left out.
    pub(super) fn list(&self, tenant: &Tenant, client_id: &str, now: u64) -> Vec<Value> {
        let registry = self.state();
        let shown = |content_type: ContentType| {
            let subscription = registry.subscriptions.get(&Key::new(tenant, client_id, content_type))?;
            let is_enabled = subscription.stopped.is_none();
            is_enabled.then(|| subscription.shown(content_type, now))
        };
        ContentType::ALL.into_iter().filter_map(shown).collect()
    }

    /// Checks that a start request changes something.
    ///
    /// # Errors
    /// Returns AF20024 if the subscription is already enabled with the same webhook.
    pub(super) fn check_start(&self, key: &Key, webhook: Option<&Webhook>, now: u64) -> Result<(), Denial> {
        let registry = self.state();
        let Some(current) = registry
            .subscriptions
            .get(key)
            .filter(|current| current.stopped.is_none())
        else {
            return Ok(());
        };
        let hook = current.hook.as_ref();
        let is_same = hook.map(|hook| &hook.webhook) == webhook;
        if is_same && hook.is_none_or(|hook| hook.status(now) == "enabled") {
            return Err(Denial::standard("AF20024"));
        }
        Ok(())
    }

    /// Starts a subscription, or changes its webhook. Notifications begin with the content of index
    /// `next`.
    pub(super) fn start(
        &self,
        key: Key,
        webhook: Option<Webhook>,
        origin: &str,
        is_called: bool,
        next: u64,
        now: u64,
    ) -> Value {
        let mut registry = self.state();
        registry.serial += 1;
        let serial = registry.serial;
        let content_type = key.content_type;
        let subscription = registry.subscriptions.entry(key).or_default();
        if let Some(stopped) = subscription.stopped.take() {
            subscription.gaps.push(stopped..next);
            let surplus = subscription.gaps.len().saturating_sub(MOST_GAPS);
            subscription.gaps.drain(..surplus);
        }
        subscription.hook = webhook.map(|webhook| Hook {
            webhook,
            is_called,
            origin: origin.to_owned(),
            serial,
            next,
            failures: 0,
            due: 0,
            in_flight: false,
            is_disabled: false,
        });
        let shown = subscription.shown(content_type, now);
        drop(registry);
        self.awake.notify_one();
        shown
    }

    /// Stops a subscription. `count` is the current number of contents.
    ///
    /// # Errors
    /// Returns AF20022 if the subscription was never started, and AF20023 if it is already stopped.
    pub(super) fn stop(&self, key: &Key, count: u64) -> Result<(), Denial> {
        let mut registry = self.state();
        let subscription = registry.subscriptions.get_mut(key).ok_or_else(never_started)?;
        if subscription.stopped.is_some() {
            return Err(stopped());
        }
        subscription.stopped = Some(count);
        subscription.hook = None;
        Ok(())
    }

    /// Returns the ranges of content indexes that an enabled subscription does not have.
    ///
    /// # Errors
    /// Returns AF20022 if the subscription was never started, and AF20023 if it is stopped.
    pub(super) fn gaps(&self, key: &Key) -> Result<Vec<Range<u64>>, Denial> {
        let registry = self.state();
        let subscription = registry.subscriptions.get(key).ok_or_else(never_started)?;
        match subscription.stopped {
            Some(_) => Err(stopped()),
            None => Ok(subscription.gaps.clone()),
        }
    }

    /// Returns the notification attempts from number `from` on, as list items with their numbers.
    ///
    /// Only the newest 1,000 attempts of a subscription are stored.
    pub(super) fn attempts(
        &self,
        key: &Key,
        state: &State,
        place: &Place<'_>,
        window: &Range<u64>,
        from: u64,
        now: u64,
    ) -> Vec<(u64, Value)> {
        let contents = state.feed.contents(place.tenant, key.content_type, now);
        let registry = self.state();
        let Some(subscription) = registry.subscriptions.get(key) else {
            return Vec::new();
        };
        let attempts = subscription.attempts.iter();
        let attempts =
            attempts.filter(|attempt| attempt.number >= from && window.contains(&contents.created(attempt.content)));
        // One more than a page, to detect whether a next page exists.
        let attempts = attempts.take(state.feed.settings.page_size as usize + 1);
        let item = |attempt: &Attempt| {
            let mut item = place.item(&contents, attempt.content);
            item["notificationSent"] = moment(attempt.sent).into();
            item["notificationStatus"] = if attempt.is_success { "success" } else { "failed" }.into();
            (attempt.number, item)
        };
        attempts.map(item).collect()
    }

    /// Returns true if at least one webhook is called.
    pub(crate) fn has_webhooks(&self) -> bool {
        let registry = self.state();
        let mut hooks = registry
            .subscriptions
            .values()
            .filter_map(|subscription| subscription.hook.as_ref());
        hooks.any(|hook| hook.is_called)
    }

    /// Takes at most `most` notifications that are due now. Each must be followed by
    /// [`delivered`](Self::delivered).
    pub(crate) fn due(&self, state: &State, now: u64, most: usize) -> Vec<Notification> {
        let mut registry = self.state();
        let hooks = registry.subscriptions.iter_mut();
        let hooks = hooks.filter_map(|(key, subscription)| Some((key, subscription.hook.as_mut()?)));
        let notify = |(key, hook): (&Key, &mut Hook)| {
            // Checked first: usually nothing is due, and this runs many times a second for each
            // webhook.
            if !hook.is_due(now) {
                return None;
            }
            let tenant = state.directory.tenant(&key.tenant)?;
            let count = state.feed.count(tenant, key.content_type, now);
            let batch = hook.next..count.min(hook.next + MOST_ITEMS);
            if batch.is_empty() {
                return None;
            }
            let contents = state.feed.contents(tenant, key.content_type, now);
            let place = Place::new(&hook.origin, tenant, key.content_type);
            let items = batch.clone().map(|index| {
                let mut item = place.item(&contents, index);
                item["tenantId"] = key.tenant.as_str().into();
                item["clientId"] = key.client_id.as_str().into();
                item
            });
            let call = Call {
                address: hook.webhook.loopback()?,
                auth_id: hook.webhook.auth_id.clone(),
                validation_code: None,
                body: Value::Array(items.collect()).to_string().into_bytes(),
            };
            hook.in_flight = true;
            Some(Notification {
                key: key.clone(),
                serial: hook.serial,
                contents: batch,
                sent: now,
                call,
            })
        };
        hooks.filter_map(notify).take(most).collect()
    }

    /// Records the result of a notification. After each consecutive failure the delay before the
    /// next attempt doubles.
    pub(crate) fn delivered(&self, notification: Notification, is_success: bool, retry: u64, now: u64) {
        let mut registry = self.state();
        let Some(subscription) = registry.subscriptions.get_mut(&notification.key) else {
            return;
        };
        for content in notification.contents.clone() {
            subscription.attempts.push_back(Attempt {
                number: subscription.attempted,
                content,
                sent: notification.sent,
                is_success,
            });
            subscription.attempted += 1;
        }
        while subscription.attempts.len() > MOST_ATTEMPTS {
            subscription.attempts.pop_front();
        }
        let hook = subscription.hook.as_mut();
        let Some(hook) = hook.filter(|hook| hook.serial == notification.serial) else {
            return;
        };
        hook.in_flight = false;
        if is_success {
            hook.failures = 0;
            hook.next = notification.contents.end;
            return;
        }
        hook.failures += 1;
        hook.is_disabled = hook.failures >= MOST_FAILURES;
        hook.due = now + (retry << (hook.failures - 1).min(MOST_FAILURES));
    }
}

impl Subscription {
    fn shown(&self, content_type: ContentType, now: u64) -> Value {
        json!({
            "contentType": content_type.as_str(),
            "status": "enabled",
            "webhook": self.hook.as_ref().map(|hook| hook.shown(now)),
        })
    }
}

pub(super) fn never_started() -> Denial {
    Denial::standard("AF20022")
}

fn stopped() -> Denial {
    Denial::standard("AF20023")
}

const MOST_GAPS: usize = 100;
/// The largest number of contents in one notification.
const MOST_ITEMS: u64 = 10;
/// The largest number of attempts that are stored for each subscription.
const MOST_ATTEMPTS: usize = 1_000;
/// The number of consecutive failures that disables a webhook.
const MOST_FAILURES: u32 = 5;
