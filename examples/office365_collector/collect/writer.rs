//! The writer of one tenant: commits fetched contents in groups, while others are fetched.

use tokio::task::{JoinHandle, spawn_blocking};

use crate::feed::ContentType;
use crate::sink::{Batch, Committed, SinkError, TenantSink, Window};

/// Batches that wait, and the commit in progress.
pub(super) struct Writer {
    state: State,
    waiting: Vec<Batch>,
    /// The counters of the waiting batches.
    figures: Vec<Written>,
    bytes: usize,
    written: Vec<Written>,
}

/// The counters of a content, which take effect once it is committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) content_type: ContentType,
    /// New records.
    pub(super) records: usize,
    /// Records that were collected before and were dropped.
    pub(super) duplicates: usize,
    /// The size of the content as received.
    pub(super) bytes: usize,
}

enum State {
    Idle(Box<dyn TenantSink>),
    Busy {
        commit: JoinHandle<(Box<dyn TenantSink>, Result<Committed, SinkError>)>,
        /// The counters of the committed contents.
        figures: Vec<Written>,
    },
    /// A commit has failed: the sink is not used again.
    Gone,
}

impl Writer {
    pub(super) fn new(sink: Box<dyn TenantSink>) -> Self {
        Self {
            state: State::Idle(sink),
            waiting: Vec::new(),
            figures: Vec::new(),
            bytes: 0,
            written: Vec::new(),
        }
    }

    /// Adds a batch, without its `duplicates` repeated records. It is committed together with other
    /// waiting batches, once the group is large enough.
    ///
    /// # Errors
    /// Returns the error of an earlier commit.
    pub(super) async fn push(&mut self, batch: Batch, duplicates: usize) -> Result<(), SinkError> {
        self.bytes += batch.body.len();
        self.figures.push(Written {
            content_type: batch.content_type,
            records: batch.records.len(),
            duplicates,
            bytes: batch.body.len(),
        });
        self.waiting.push(batch);
        if self.bytes < GROUP_BYTES && self.waiting.len() < GROUP_BATCHES {
            return Ok(());
        }
        self.commit().await
    }

    /// Starts to commit the waiting batches, once the previous commit is done.
    ///
    /// # Errors
    /// Returns the error of an earlier commit.
    pub(super) async fn commit(&mut self) -> Result<(), SinkError> {
        let mut sink = self.idle().await?;
        let batches = std::mem::take(&mut self.waiting);
        self.bytes = 0;
        let figures = std::mem::take(&mut self.figures);
        let commit = spawn_blocking(move || {
            let result = if batches.is_empty() {
                Ok(Committed::default())
            } else {
                sink.commit(&batches)
            };
            (sink, result)
        });
        self.state = State::Busy { commit, figures };
        Ok(())
    }

    /// Commits everything, and waits until it survives a power failure.
    ///
    /// # Errors
    /// Returns an error if not all of it was committed.
    pub(super) async fn flush(&mut self) -> Result<(), SinkError> {
        self.last(|sink| sink.sync()).await
    }

    /// Returns the counters of the contents that were committed since the last call.
    pub(super) fn take_written(&mut self) -> Vec<Written> {
        std::mem::take(&mut self.written)
    }

    /// Commits everything and the end of the window, and waits for both.
    ///
    /// # Errors
    /// Returns an error if not all of it was committed.
    pub(super) async fn finish(&mut self, content_type: ContentType, window: Window) -> Result<(), SinkError> {
        self.last(move |sink| sink.finish(content_type, window)).await
    }

    /// Commits everything, runs an action on the sink, and waits for it.
    async fn last(
        &mut self,
        act: impl FnOnce(&mut dyn TenantSink) -> Result<(), SinkError> + Send + 'static,
    ) -> Result<(), SinkError> {
        self.commit().await?;
        let mut sink = self.idle().await?;
        let commit = spawn_blocking(move || {
            let result = act(&mut *sink).map(|()| Committed::default());
            (sink, result)
        });
        let figures = Vec::new();
        self.state = State::Busy { commit, figures };
        let sink = self.idle().await?;
        self.state = State::Idle(sink);
        Ok(())
    }

    /// Waits for the commit in progress, and returns the sink.
    async fn idle(&mut self) -> Result<Box<dyn TenantSink>, SinkError> {
        match std::mem::replace(&mut self.state, State::Gone) {
            State::Idle(sink) => Ok(sink),
            State::Busy { commit, mut figures } => match commit.await {
                Ok((sink, Ok(committed))) => {
                    for (content, repeated) in figures.iter_mut().zip(committed.repeated) {
                        content.records = content.records.saturating_sub(repeated);
                        content.duplicates += repeated;
                    }
                    self.written.append(&mut figures);
                    Ok(sink)
                }
                Ok((_, Err(error))) => Err(error),
                Err(error) => std::panic::resume_unwind(error.into_panic()),
            },
            State::Gone => Err(SinkError::new("", "write after an error to", "it is closed")),
        }
    }
}

/// A group is committed at one of these sizes.
const GROUP_BYTES: usize = 4 << 20;
const GROUP_BATCHES: usize = 16;

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use entra_proto::Timestamp;

    use super::*;
    use crate::sink::Record;

    /// A sink that already had one record of each content, and fails at the content with this name.
    struct Fails(&'static str);

    impl TenantSink for Fails {
        fn commit(&mut self, batches: &[Batch]) -> Result<Committed, SinkError> {
            if batches.iter().any(|batch| batch.content_id == self.0) {
                return Err(SinkError::new("there", "write", "it is full"));
            }
            Ok(Committed {
                repeated: vec![1; batches.len()],
            })
        }

        fn finish(&mut self, _: ContentType, _: Window) -> Result<(), SinkError> {
            Ok(())
        }

        fn sync(&mut self) -> Result<(), SinkError> {
            Ok(())
        }
    }

    fn batch(name: &str, records: usize) -> Batch {
        let at = Timestamp::from_secs(1_800_000_000);
        let record = Record {
            raw: 1..3,
            created: None,
            key: None,
        };
        Batch {
            content_type: ContentType::General,
            content_id: name.to_owned(),
            created: String::new(),
            window: Window { start: at, end: at },
            body: Bytes::from_static(b"[{}]"),
            records: vec![record; records],
        }
    }

    #[tokio::test]
    async fn contents_count_after_their_commit() {
        let mut writer = Writer::new(Box::new(Fails("bad")));
        writer.push(batch("a", 3), 2).await.unwrap();
        writer.push(batch("b", 1), 0).await.unwrap();
        assert_eq!(writer.take_written(), []);
        writer.flush().await.unwrap();
        let figures = |written: Vec<Written>| -> Vec<(usize, usize)> {
            written.iter().map(|one| (one.records, one.duplicates)).collect()
        };
        assert_eq!(figures(writer.take_written()), [(2, 3), (0, 1)]);
        assert_eq!(writer.take_written(), []);
        writer.push(batch("c", 1), 0).await.unwrap();
        writer.push(batch("bad", 1), 0).await.unwrap();
        assert!(writer.flush().await.is_err());
        assert_eq!(writer.take_written(), [], "all or nothing of a group is committed");
    }
}
