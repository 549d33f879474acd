//! One piece of work for all who wait for it.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

/// A future that many wait for. A task of a runtime carries it on, where there is one; else those
/// who wait do, whichever of them is woken first. It belongs to none of them, so it goes on when
/// one is dropped.
pub(crate) struct Flight {
    work: Mutex<Option<Work>>,
    has_task: AtomicBool,
    is_left: AtomicBool,
    waiters: Arc<Waiters>,
}

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Flight {
    pub(crate) fn new(work: impl Future<Output = ()> + Send + 'static) -> Self {
        Self {
            work: Mutex::new(Some(Box::pin(work))),
            has_task: AtomicBool::new(false),
            is_left: AtomicBool::new(false),
            waiters: Arc::default(),
        }
    }

    /// The future of a task that carries the flight on. There is one at a time.
    #[cfg(feature = "tokio")]
    pub(crate) fn task(self: &Arc<Self>) -> Option<impl Future<Output = ()> + Send + use<>> {
        if self.has_task.swap(true, Ordering::AcqRel) {
            return None;
        }
        let task = Task(Arc::clone(self));
        Some(async move { poll_fn(|context| task.0.carry_on(context)).await })
    }

    /// Ends the wait of all. The work goes on if it has a task.
    pub(crate) fn leave(&self) {
        self.is_left.store(true, Ordering::Release);
        self.waiters.wake_all();
    }

    /// Waits until the work is done or [left](Self::leave).
    pub(crate) async fn wait(&self) {
        let mut place = Place {
            waiters: &self.waiters,
            at: None,
        };
        poll_fn(|context| {
            // First, so that no end comes unseen.
            place.register(context.waker());
            if self.is_left.load(Ordering::Acquire) {
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
            self.carry_on(&mut Context::from_waker(&all))
        })
        .await;
    }

    fn carry_on(&self, context: &mut Context<'_>) -> Poll<()> {
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

/// A task that ends before the work does, as where its runtime is shut down, leaves the work to
/// those who wait.
#[cfg(feature = "tokio")]
struct Task(Arc<Flight>);

#[cfg(feature = "tokio")]
impl Drop for Task {
    fn drop(&mut self) {
        self.0.has_task.store(false, Ordering::Release);
        self.0.waiters.wake_all();
    }
}

/// The wakers of all who wait.
#[derive(Default)]
struct Waiters(Mutex<Places>);

#[derive(Default)]
struct Places {
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

/// The place of one who waits. It is free again when that one is dropped.
struct Place<'w> {
    waiters: &'w Waiters,
    at: Option<usize>,
}

impl Place<'_> {
    fn register(&mut self, waker: &Waker) {
        let mut places = lock(&self.waiters.0);
        let at = match self.at.or_else(|| places.free.pop()) {
            Some(at) => at,
            None => {
                places.wakers.push(None);
                places.wakers.len() - 1
            }
        };
        self.at = Some(at);
        if let Some(place) = places.wakers.get_mut(at) {
            *place = Some(waker.clone());
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if let Some(at) = self.at {
            let mut places = lock(&self.waiters.0);
            if let Some(place) = places.wakers.get_mut(at) {
                *place = None;
            }
            places.free.push(at);
        }
    }
}

/// Returns the output of a future, or nothing where it panics.
pub(crate) async fn unless_it_panics<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    poll_fn(|context| {
        // Nothing of it is used after a panic.
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
