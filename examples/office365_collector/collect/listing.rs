//! One content type of a tenant: its windows, their pages, and the contents on the pages.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use entra_proto::Timestamp;
use http::Uri;

use super::calls::Stop;
use super::fetches::Fetches;
use super::session::{Session, State};
use super::windows::{halves, plan};
use crate::event::Event;
use crate::failure::{Cause, Failure};
use crate::feed::{Content, ContentType, Feed, content_query};
use crate::sink::{Key, Window};

/// The result of collecting a window.
enum Listed {
    /// All of its content was collected.
    Complete,
    /// Something failed.
    Incomplete,
    /// The window has more pages than are read of one window.
    TooLong,
}

impl Session {
    /// Collects the new content of a type since `finished`. The progress follows the windows as
    /// long as all of them are complete.
    pub(super) async fn content_type(
        &mut self,
        feed: &Feed,
        state: &mut State,
        content_type: ContentType,
        now: Timestamp,
        mut finished: Option<Timestamp>,
    ) -> Result<(), Stop> {
        let settings = &self.calls.shared.settings;
        let plan = plan(now, finished, settings.since, settings.bounds.overlap);
        let place = self.place.of_type(content_type);
        if let Some(gap) = plan.gap {
            self.fail(Failure::new(place.within(gap), Cause::Gap));
            // It can no longer be collected, so it is reported once.
            self.finish(state, content_type, gap).await?;
        }
        if let Some(ahead) = finished.take_if(|_| plan.is_ahead) {
            self.warn(&format!(
                "{content_type} was collected up to {}, which is in the future: all content that the API still lists, since {}, is collected \
                 again, except for remembered records",
                ahead.to_rfc3339(),
                plan.windows.first().map_or(now, |window| window.start).to_rfc3339()
            ));
        }
        let mut windows = VecDeque::from(plan.windows);
        let (mut is_continuous, mut is_divided) = (true, true);
        while let Some(window) = windows.pop_front() {
            let listed = match self.window(feed, state, content_type, window).await {
                Ok(listed) => listed,
                Err(stop) => {
                    self.keep(state, &stop).await;
                    return Err(stop);
                }
            };
            match listed {
                Listed::Complete => {
                    // A window that only the overlap reaches must not move the progress back.
                    if is_continuous && finished.is_none_or(|finished| finished <= window.end) {
                        self.finish(state, content_type, window).await?;
                    } else {
                        self.flush(state).await?;
                    }
                    let tenant = &self.place.tenant;
                    self.calls.shared.observers.notify(&Event::WindowDone {
                        tenant,
                        content_type,
                        window,
                    });
                    continue;
                }
                Listed::TooLong => {
                    if let Some([first, second]) = halves(window).filter(|_| is_divided) {
                        windows.push_front(second);
                        windows.push_front(first);
                        continue;
                    }
                    self.fail(Failure::new(place.within(window), Cause::Pages(MOST_PAGES)));
                    // If the list for one second does not end, neither do the others.
                    is_divided = false;
                }
                Listed::Incomplete => {}
            }
            is_continuous = false;
            self.flush(state).await?;
        }
        Ok(())
    }

    /// Collects the contents of a window.
    async fn window(
        &mut self,
        feed: &Feed,
        state: &mut State,
        content_type: ContentType,
        window: Window,
    ) -> Result<Listed, Stop> {
        let calls = Arc::clone(&self.calls);
        let place = self.place.of_type(content_type).within(window);
        let tenant = &calls.tenant;
        calls.shared.observers.notify(&Event::WindowStarted {
            tenant,
            content_type,
            window,
        });
        let mut fetches = Fetches::new(Arc::clone(&calls), feed.clone(), place.clone(), window);
        let first = content_query(feed.root(), content_type, window);
        let mut next: Option<Uri> = first.parse().ok();
        let mut pages = HashSet::new();
        let mut listed = Listed::Complete;
        while let Some(uri) = next {
            if pages.len() >= MOST_PAGES {
                listed = Listed::TooLong;
                break;
            }
            // An address that is repeated means that the pages form a cycle.
            if !pages.insert(Key::of(&uri.to_string())) {
                self.fail(Failure::new(place, Cause::Pages(pages.len())));
                listed = Listed::Incomplete;
                break;
            }
            let page = match calls.attempt(&place, || feed.page(content_type, uri.clone())).await {
                Ok(page) => page,
                // The contents of the previous pages are collected.
                Err(Stop::Failed(failure)) if !failure.ends_tenant() => {
                    self.fail(failure);
                    listed = Listed::Incomplete;
                    break;
                }
                Err(stop) => return Err(stop),
            };
            next = page.next;
            let contents = page.contents.len();
            let new: Vec<Content> = page
                .contents
                .into_iter()
                .filter(|content| state.contents.insert(Key::of(&content.id)))
                .collect();
            let known = contents - new.len();
            self.report.known += known as u64;
            let event = Event::PageListed {
                tenant,
                content_type,
                window,
                contents,
                known,
            };
            calls.shared.observers.notify(&event);
            for content in new {
                while fetches.is_full() {
                    listed.and(self.take(state, &mut fetches).await?);
                }
                fetches.start(content);
            }
        }
        while !fetches.is_empty() {
            listed.and(self.take(state, &mut fetches).await?);
        }
        Ok(listed)
    }
}

impl Listed {
    fn and(&mut self, is_complete: bool) {
        if !is_complete && matches!(self, Self::Complete) {
            *self = Self::Incomplete;
        }
    }
}

/// The most pages of one window. A window with more pages is divided.
const MOST_PAGES: usize = 1_000;
