//! One future that many callers wait for: the key fetch of a version.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

/// A future that many callers wait for.
///
/// A task of a runtime polls it, if there is one; otherwise the waiter that is woken first does. No
/// waiter owns the future, so it continues when one of them is dropped.
///
/// The states: polled by a task (`has_task`), polled by its waiters, done (`work` is `None`), and
/// abandoned (`is_abandoned`), which ends every wait while a task may still poll it.
pub(crate) struct Flight {
    work: Mutex<Option<Work>>,
    has_task: AtomicBool,
    is_abandoned: AtomicBool,
    waiters: Arc<Waiters>,
}

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Flight {
    pub(crate) fn new(work: impl Future<Output = ()> + Send + 'static) -> Self {
        Self {
            work: Mutex::new(Some(Box::pin(work))),
            has_task: AtomicBool::new(false),
            is_abandoned: AtomicBool::new(false),
            waiters: Arc::default(),
        }
    }

    /// Returns the future of a task that polls the flight, unless there is one already.
    #[cfg(feature = "tokio")]
    pub(crate) fn task(self: &Arc<Self>) -> Option<impl Future<Output = ()> + Send + use<>> {
        if self.has_task.swap(true, Ordering::AcqRel) {
            return None;
        }
        let task = Task(Arc::clone(self));
        Some(async move { poll_fn(|context| task.0.poll_work(context)).await })
    }

    /// Releases all waiters. The work continues if it has a task.
    pub(crate) fn abandon(&self) {
        self.is_abandoned.store(true, Ordering::Release);
        self.waiters.wake_all();
    }

    /// Waits until the work is done or [abandoned](Self::abandon).
    pub(crate) async fn wait(&self) {
        let mut slot = Slot {
            waiters: &self.waiters,
            at: None,
        };
        poll_fn(|context| {
            // Register first, so that no wake-up is missed.
            slot.register(context.waker());
            if self.is_abandoned.load(Ordering::Acquire) {
                return Poll::Ready(());
            }
            if self.has_task.load(Ordering::Acquire) {
                return if lock(&self.work).is_none() {
                    Poll::Ready(())
                } else {
                    Poll::Pending
                };
            }
            let all = Waker::from(Arc::clone(&self.waiters));
            self.poll_work(&mut Context::from_waker(&all))
        })
        .await;
    }

    fn poll_work(&self, context: &mut Context<'_>) -> Poll<()> {
        let mut work = lock(&self.work);
        let is_done = match work.as_mut() {
            None => true,
            Some(future) => future.as_mut().poll(context).is_ready(),
        };
        if !is_done {
            return Poll::Pending;
        }
        let done = work.take();
        drop(work);
        drop(done);
        self.waiters.wake_all();
        Poll::Ready(())
    }
}

/// The task of a flight. If it ends before the work does (its runtime was shut down), the waiters
/// poll the work.
#[cfg(feature = "tokio")]
struct Task(Arc<Flight>);

#[cfg(feature = "tokio")]
impl Drop for Task {
    fn drop(&mut self) {
        self.0.has_task.store(false, Ordering::Release);
        self.0.waiters.wake_all();
    }
}

/// The wakers of all waiters.
#[derive(Default)]
struct Waiters(Mutex<Slots>);

#[derive(Default)]
struct Slots {
    wakers: Vec<Option<Waker>>,
    free: Vec<usize>,
}

impl Waiters {
    fn wake_all(&self) {
        let wakers: Vec<Waker> = lock(&self.0).wakers.iter_mut().filter_map(Option::take).collect();
        for waker in wakers {
            waker.wake();
        }
    }
}

impl Wake for Waiters {
    fn wake(self: Arc<Self>) {
        self.wake_all();
    }
}

/// The slot of one waiter. It is free again when the waiter is dropped.
struct Slot<'w> {
    waiters: &'w Waiters,
    at: Option<usize>,
}

impl Slot<'_> {
    fn register(&mut self, waker: &Waker) {
        let mut slots = lock(&self.waiters.0);
        let at = match self.at.or_else(|| slots.free.pop()) {
            Some(at) => at,
            None => {
                slots.wakers.push(None);
                slots.wakers.len() - 1
            }
        };
        self.at = Some(at);
        if let Some(slot) = slots.wakers.get_mut(at) {
            *slot = Some(waker.clone());
        }
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        if let Some(at) = self.at {
            let mut slots = lock(&self.waiters.0);
            if let Some(slot) = slots.wakers.get_mut(at) {
                *slot = None;
            }
            slots.free.push(at);
        }
    }
}

/// Returns the output of a future, or `None` if it panics.
pub(crate) async fn unless_panic<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    poll_fn(|context| {
        // The future is not used after a panic.
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
            Ok(poll) => poll.map(Some),
            Err(_) => Poll::Ready(None),
        }
    })
    .await
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
