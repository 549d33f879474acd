//! The writer of one tenant: commits what is fetched, in groups, while more is fetched.

use tokio::task::{JoinHandle, spawn_blocking};

use crate::feed::ContentType;
use crate::sink::{Batch, Committed, SinkError, TenantSink, Window};

/// Batches that wait, and the commit that runs.
pub(super) struct Writer {
    state: State,
    waiting: Vec<Batch>,
    bytes: usize,
    repeated: usize,
}

enum State {
    Idle(Box<dyn TenantSink>),
    Busy(JoinHandle<(Box<dyn TenantSink>, Result<Committed, SinkError>)>),
    /// A commit failed: the sink is not used again.
    Gone,
}

impl Writer {
    pub(super) fn new(sink: Box<dyn TenantSink>) -> Self {
        Self {
            state: State::Idle(sink),
            waiting: Vec::new(),
            bytes: 0,
            repeated: 0,
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
                Ok(Committed::default())
            } else {
                sink.commit(&batches)
            };
            (sink, result)
        }));
        Ok(())
    }

    /// Commits everything, and waits until it outlasts a power failure.
    ///
    /// # Errors
    /// Returns an error if not all of it was committed.
    pub(super) async fn flush(&mut self) -> Result<(), SinkError> {
        self.last(|sink| sink.sync()).await
    }

    /// Returns how many of the records that were committed the sink had already, and counts from zero again.
    pub(super) fn take_repeated(&mut self) -> usize {
        std::mem::take(&mut self.repeated)
    }

    /// Commits everything and the end of the window, and waits for it.
    ///
    /// # Errors
    /// As for [`flush`](Self::flush).
    pub(super) async fn finish(&mut self, content_type: ContentType, window: Window) -> Result<(), SinkError> {
        self.last(move |sink| sink.finish(content_type, window)).await
    }

    /// Commits everything, does something with the sink, and waits for it.
    async fn last(
        &mut self,
        act: impl FnOnce(&mut dyn TenantSink) -> Result<(), SinkError> + Send + 'static,
    ) -> Result<(), SinkError> {
        self.commit().await?;
        let mut sink = self.idle().await?;
        self.state = State::Busy(spawn_blocking(move || {
            let result = act(&mut *sink).map(|()| Committed::default());
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
                Ok((sink, Ok(committed))) => {
                    self.repeated += committed.repeated;
                    Ok(sink)
                }
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
