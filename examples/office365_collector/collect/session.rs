//! One tenant's turn: subscriptions, windows, pages, contents.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use entra_proto::claims::UnverifiedClaims;
use entra_proto::{Guid, Tenant, Timestamp};
use tokio::task::spawn_blocking;

use super::calls::{Calls, Stop};
use super::fetches::Fetches;
use super::recent::Recent;
use super::writer::Writer;
use super::{Notified, Shared, Turn};
use crate::event::{Event, Report};
use crate::failure::{Cause, Failure, Place};
use crate::feed::{Blob, CallError, Content, ContentType, Feed};
use crate::sink::{Batch, Key, Progress, Window};

/// The purpose of a turn.
#[derive(Clone, Debug)]
pub(super) enum Work {
    /// Everything since the last round.
    Poll,
    /// The contents that a notification names.
    Notified(Arc<[Notified]>),
}

/// The end of a turn.
pub(super) enum Outcome {
    /// The tenant is done for this round, with or without failures.
    Finished,
    /// The program is stopping, and there may be more to collect.
    Stopped,
    /// The tenant must wait for this long, and then continue.
    Aside { wait: Duration, failure: Failure },
}

/// Runs a turn, and adds its results to its report.
pub(super) async fn run(shared: Arc<Shared>, mut turn: Turn) -> (Turn, Outcome) {
    shared.observers.notify(&Event::TenantStarted { tenant: &turn.tenant });
    let mut session = Session {
        place: Place::tenant(&turn.tenant),
        calls: Arc::new(Calls {
            tenant: turn.tenant.clone(),
            pace: Arc::clone(&turn.pace),
            back_offs: AtomicU64::new(0),
            shared,
        }),
        report: Report::default(),
    };
    let stop = session.run(&turn.work).await.err();
    session.report.back_offs = session.calls.back_offs.load(Ordering::Relaxed);
    if session.report.contents > 0 {
        // The tenant makes progress: the patience is for one that does not.
        turn.waited = Duration::ZERO;
    }
    turn.report.add(session.report);
    let outcome = match stop {
        Some(Stop::Aside { wait, failure }) => Outcome::Aside { wait, failure },
        Some(Stop::Failed(failure)) => {
            let tenant = &turn.tenant;
            session.calls.shared.observers.notify(&Event::Failed {
                tenant,
                failure: &failure,
            });
            turn.report.fail(failure);
            Outcome::Finished
        }
        Some(Stop::Shutdown) => Outcome::Stopped,
        None => Outcome::Finished,
    };
    (turn, outcome)
}

pub(super) struct Session {
    pub(super) place: Place,
    pub(super) calls: Arc<Calls>,
    pub(super) report: Report,
}

/// The known contents and records of the tenant.
pub(super) struct State {
    pub(super) writer: Writer,
    recent: Recent,
    /// Contents that are done or in flight.
    pub(super) contents: HashSet<Key>,
}

impl Session {
    async fn run(&mut self, work: &Work) -> Result<(), Stop> {
        let (id, feed) = self.feed().await?;
        match work {
            Work::Poll => {
                let (now, content_types) = self.subscribe(&feed).await?;
                let (mut state, progress) = self.open(id).await?;
                for content_type in content_types {
                    let finished = progress.finished.get(&content_type).copied();
                    self.content_type(&feed, &mut state, content_type, now, finished)
                        .await?;
                }
                self.flush(&mut state).await
            }
            Work::Notified(notified) => {
                let (mut state, _) = self.open(id).await?;
                if let Err(stop) = self.notified(&feed, &mut state, notified).await {
                    self.keep(&mut state, &stop).await;
                    return Err(stop);
                }
                self.flush(&mut state).await
            }
        }
    }

    /// Returns the tenant's ID and its part of the API. For a domain, the ID is taken from the
    /// token.
    async fn feed(&self) -> Result<(Guid, Feed), Stop> {
        let shared = &self.calls.shared;
        let failed = |cause: Cause| Stop::Failed(Failure::new(self.place.clone(), cause));
        let client = shared.client.tenant(self.place.tenant.clone());
        let id = match &self.place.tenant {
            Tenant::Id(id) => *id,
            _ => {
                let token = self.calls.until_done(&self.place, || async {
                    client.token(shared.api.target()).await.map_err(CallError::Token)
                });
                let token = token.await?;
                let claims = UnverifiedClaims::decode(token.expose()).ok();
                let id = claims
                    .and_then(|claims| claims.tenant_id())
                    .ok_or_else(|| failed(Cause::TenantId))?;
                let name = shared.know(id, &self.place.tenant);
                if name != self.place.tenant {
                    return Err(failed(Cause::SameTenant(name)));
                }
                id
            }
        };
        let feed = shared.api.feed(&client, id).map_err(|error| failed(error.into()))?;
        Ok((id, feed))
    }

    /// Starts missing subscriptions. Returns the time by the API's clock, and the subscribed types.
    async fn subscribe(&mut self, feed: &Feed) -> Result<(Timestamp, Vec<ContentType>), Stop> {
        let calls = Arc::clone(&self.calls);
        let shared = &calls.shared;
        let listed = calls.attempt(&self.place, || feed.subscriptions()).await?;
        let mut content_types = shared.settings.content_types.clone();
        if content_types.is_empty() {
            content_types = ContentType::ALL.to_vec();
            let client = shared.client.tenant(self.place.tenant.clone());
            let roles = client.roles(shared.api.target()).await.unwrap_or_default();
            if !roles.iter().any(|role| role == "ActivityFeed.ReadDlp") {
                content_types.retain(|content_type| *content_type != ContentType::Dlp);
            }
        }
        content_types.sort_unstable();
        content_types.dedup();
        let webhook = shared.settings.webhook.as_ref();
        let mut subscribed = Vec::new();
        for content_type in content_types {
            let enabled = listed
                .subscriptions
                .iter()
                .find(|subscription| subscription.content_type == content_type && subscription.is_enabled);
            let is_as_wanted = enabled.is_some_and(|enabled| {
                webhook.is_none_or(|webhook| {
                    enabled.is_webhook_enabled && enabled.webhook.as_ref().is_some_and(|listed| listed.is(webhook))
                })
            });
            if !is_as_wanted {
                let place = self.place.of_type(content_type);
                match calls.attempt(&place, || feed.start(content_type, webhook)).await {
                    Ok(()) if enabled.is_none() => {
                        let tenant = &self.place.tenant;
                        shared.observers.notify(&Event::Subscribed { tenant, content_type });
                    }
                    Ok(()) => {}
                    Err(Stop::Failed(failure)) if !failure.ends_tenant() => {
                        self.fail(failure);
                        // A subscription without its webhook can still be collected from.
                        if enabled.is_none() {
                            continue;
                        }
                    }
                    Err(stop) => return Err(stop),
                }
            }
            subscribed.push(content_type);
        }
        Ok((self.now(listed.now), subscribed))
    }

    /// Returns the time by the API's clock, which alone determines the windows: with a wrong clock,
    /// a time in the future could count as collected.
    fn now(&self, theirs: Timestamp) -> Timestamp {
        if let Some(warning) = self.calls.shared.clock.set(theirs) {
            self.warn(&warning);
        }
        theirs
    }

    async fn open(&self, id: Guid) -> Result<(State, Progress), Stop> {
        let shared = &self.calls.shared;
        let sink = shared.sink.clone().expect("a program that collects has a sink");
        let bounds = shared.settings.bounds;
        let opened = spawn_blocking(move || sink.open(id, bounds))
            .await
            .expect("a sink does not panic");
        let (sink, mut progress) = opened.map_err(|error| Failure::new(self.place.clone(), error))?;
        let state = State {
            writer: Writer::new(sink),
            recent: Recent::new(std::mem::take(&mut progress.records), bounds.ids),
            contents: std::mem::take(&mut progress.contents).into_iter().collect(),
        };
        Ok((state, progress))
    }

    /// Collects the contents that a notification names.
    async fn notified(&mut self, feed: &Feed, state: &mut State, notified: &[Notified]) -> Result<(), Stop> {
        let now = self.calls.shared.clock.now();
        let window = Window {
            start: now,
            end: now.plus(Duration::from_secs(1)),
        };
        let mut fetches = Fetches::new(Arc::clone(&self.calls), feed.clone(), self.place.clone(), window);
        for content in notified {
            let uri = match feed.notified(&content.content_uri) {
                Ok(uri) => uri,
                Err(error) => {
                    self.fail(Failure::new(self.place.of_type(content.content_type), error));
                    continue;
                }
            };
            if !state.contents.insert(Key::of(&content.content_id)) {
                self.report.known += 1;
                continue;
            }
            while fetches.is_full() {
                self.take(state, &mut fetches).await?;
            }
            fetches.start(Content {
                content_type: content.content_type,
                id: content.content_id.clone(),
                uri,
                created: String::new(),
            });
        }
        while !fetches.is_empty() {
            self.take(state, &mut fetches).await?;
        }
        Ok(())
    }

    /// Passes the new records of a fetched content to the writer. Returns true if the content could
    /// be fetched.
    pub(super) async fn take(&mut self, state: &mut State, fetches: &mut Fetches) -> Result<bool, Stop> {
        let Some((content, blob)) = fetches.next().await? else {
            return Ok(true);
        };
        let Blob { body, mut records } = match blob {
            Ok(blob) => blob,
            Err(stop) => {
                state.contents.remove(&Key::of(&content.id));
                let Stop::Failed(failure) = stop else { return Err(stop) };
                if failure.ends_tenant() {
                    return Err(failure.into());
                }
                self.fail(failure);
                return Ok(false);
            }
        };
        let duplicates = state.recent.drop_known(&mut records);
        let batch = Batch {
            content_type: content.content_type,
            content_id: content.id,
            created: content.created,
            window: fetches.window,
            body,
            records,
        };
        let pushed = state.writer.push(batch, duplicates).await;
        self.count(state);
        pushed.map_err(|error| Failure::new(fetches.place.clone(), error))?;
        Ok(true)
    }

    /// Commits everything, and the end of a window whose content is all done or lost.
    pub(super) async fn finish(
        &mut self,
        state: &mut State,
        content_type: ContentType,
        window: Window,
    ) -> Result<(), Stop> {
        let place = self.place.of_type(content_type).within(window);
        let finished = state.writer.finish(content_type, window).await;
        self.count(state);
        Ok(finished.map_err(|error| Failure::new(place, error))?)
    }

    /// Writes what was collected before the turn stopped, and reports if that fails as well.
    pub(super) async fn keep(&mut self, state: &mut State, stop: &Stop) {
        // If the turn stopped because of a failed write, a second write is of no use.
        if matches!(stop, Stop::Failed(failure) if matches!(failure.cause, Cause::Sink(_))) {
            return;
        }
        if let Err(Stop::Failed(failure)) = self.flush(state).await {
            self.fail(failure);
        }
    }

    pub(super) async fn flush(&mut self, state: &mut State) -> Result<(), Stop> {
        let flushed = state.writer.flush().await;
        self.count(state);
        Ok(flushed.map_err(|error| Failure::new(self.place.clone(), error))?)
    }

    /// Counts the contents that were committed since the last call.
    fn count(&mut self, state: &mut State) {
        for content in state.writer.take_written() {
            self.report.contents += 1;
            self.report.records += content.records as u64;
            self.report.duplicates += content.duplicates as u64;
            self.report.bytes += content.bytes as u64;
            self.calls.shared.observers.notify(&Event::ContentDone {
                tenant: &self.place.tenant,
                content_type: content.content_type,
                records: content.records,
                duplicates: content.duplicates,
                bytes: content.bytes,
            });
        }
    }

    pub(super) fn warn(&self, text: &str) {
        let tenant = &self.place.tenant;
        self.calls.shared.observers.notify(&Event::Warning { tenant, text });
    }

    pub(super) fn fail(&mut self, failure: Failure) {
        let tenant = &self.place.tenant;
        self.calls.shared.observers.notify(&Event::Failed {
            tenant,
            failure: &failure,
        });
        self.report.fail(failure);
    }
}
