//! The writer of one tenant: commits what is fetched, in groups, while more is fetched.

use tokio::task::{JoinHandle, spawn_blocking};

use crate::feed::ContentType;
use crate::sink::{Batch, SinkError, TenantSink, Window};

/// Batches that wait, and the commit that runs.
pub(super) struct Writer {
    state: State,
    waiting: Vec<Batch>,
    bytes: usize,
}

enum State {
    Idle(Box<dyn TenantSink>),
    Busy(JoinHandle<(Box<dyn TenantSink>, Result<(), SinkError>)>),
    /// A commit failed: the sink is not used again.
    Gone,
}

impl Writer {
    pub(super) fn new(sink: Box<dyn TenantSink>) -> Self {
        Self {
            state: State::Idle(sink),
            waiting: Vec::new(),
            bytes: 0,
        }
    }

    /// Adds a batch. It is committed with others that wait: at once where no commit runs and the group is large enough.
    ///
    /// # Errors
    /// Returns the error of an earlier commit.
    pub(super) async fn push(&mut self, batch: Batch) -> Result<(), SinkError> {
        self.bytes += batch.body.len();
        self.waiting.push(batch);
        if self.bytes < GROUP_BYTES && self.waiting.len() < GROUP_BATCHES {
            return Ok(());
        }
        self.commit().await
    }

    /// Starts to commit what waits, once the commit before is done.
    ///
    /// # Errors
    /// As for [`push`](Self::push).
    pub(super) async fn commit(&mut self) -> Result<(), SinkError> {
        let mut sink = self.idle().await?;
        let batches = std::mem::take(&mut self.waiting);
        self.bytes = 0;
        self.state = State::Busy(spawn_blocking(move || {
            let result = if batches.is_empty() {
                Ok(())
            } else {
                sink.commit(&batches)
            };
            (sink, result)
        }));
        Ok(())
    }

    /// Commits everything, and waits for it.
    ///
    /// # Errors
    /// Returns an error if not all of it was committed.
    pub(super) async fn flush(&mut self) -> Result<(), SinkError> {
        self.commit().await?;
        let sink = self.idle().await?;
        self.state = State::Idle(sink);
        Ok(())
    }

    /// Commits everything and the end of the window, and waits for it.
    ///
    /// # Errors
    /// As for [`flush`](Self::flush).
    pub(super) async fn finish(&mut self, content_type: ContentType, window: Window) -> Result<(), SinkError> {
        self.commit().await?;
        let mut sink = self.idle().await?;
        self.state = State::Busy(spawn_blocking(move || {
            let result = sink.finish(content_type, window);
            (sink, result)
        }));
        let sink = self.idle().await?;
        self.state = State::Idle(sink);
        Ok(())
    }

    /// Waits for the commit that runs, and returns the sink.
    async fn idle(&mut self) -> Result<Box<dyn TenantSink>, SinkError> {
        match std::mem::replace(&mut self.state, State::Gone) {
            State::Idle(sink) => Ok(sink),
            State::Busy(commit) => match commit.await {
                Ok((sink, Ok(()))) => Ok(sink),
                Ok((_, Err(error))) => Err(error),
                Err(error) => std::panic::resume_unwind(error.into_panic()),
            },
            State::Gone => Err(SinkError::new("", "write after an error to", "it was closed")),
        }
    }
}

/// A group is committed at one of these sizes.
const GROUP_BYTES: usize = 4 << 20;
const GROUP_BATCHES: usize = 16;
