//! Fetches of contents in flight, a bounded number for each tenant.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::calls::{Calls, Stop};
use crate::failure::Place;
use crate::feed::{Blob, Content, Feed};
use crate::sink::Window;

/// Fetches of contents in flight, a bounded number.
pub(super) struct Fetches {
    calls: Arc<Calls>,
    feed: Feed,
    pub(super) place: Place,
    pub(super) window: Window,
    tasks: JoinSet<Fetched>,
}

impl Fetches {
    pub(super) fn new(calls: Arc<Calls>, feed: Feed, place: Place, window: Window) -> Self {
        Self {
            calls,
            feed,
            place,
            window,
            tasks: JoinSet::new(),
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.tasks.len() >= self.calls.shared.settings.per_tenant
    }

    pub(super) fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    pub(super) fn start(&mut self, content: Content) {
        let calls = Arc::clone(&self.calls);
        let feed = self.feed.clone();
        let place = self.place.of_type(content.content_type).at(&content.id);
        self.tasks.spawn(async move {
            let blob = calls
                .attempt(&place, || feed.blob(content.content_type, content.uri.clone()))
                .await;
            (content, blob)
        });
    }

    /// Waits for the next content.
    pub(super) async fn next(&mut self) -> Result<Option<Fetched>, Stop> {
        tokio::select! {
            fetched = self.tasks.join_next() => Ok(fetched.map(|fetched| match fetched {
                Ok(fetched) => fetched,
                Err(error) => std::panic::resume_unwind(error.into_panic()),
            })),
            () = self.calls.shared.shutdown.wanted() => Err(Stop::Shutdown),
        }
    }
}

/// A content with the result of its fetch.
pub(super) type Fetched = (Content, Result<Blob, Stop>);
