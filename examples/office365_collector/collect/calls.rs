//! The calls of one tenant's turn: retried, at the tenant's pace, and with a permit from the
//! semaphore that all tenants share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use entra_proto::Tenant;
use http::StatusCode;

use super::Shared;
use super::pace::Pace;
use crate::event::Event;
use crate::failure::{Failure, Place};
use crate::feed::CallError;

/// The state that the tasks of a turn share.
pub(super) struct Calls {
    pub(super) shared: Arc<Shared>,
    pub(super) tenant: Tenant,
    pub(super) pace: Arc<Pace>,
    /// The number of pauses so far.
    pub(super) back_offs: AtomicU64,
}
/// The reason that a turn stops.
pub(super) enum Stop {
    Aside { wait: Duration, failure: Failure },
    Failed(Failure),
    Shutdown,
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}
impl Calls {
    /// Calls the API like [`until_done`](Self::until_done), and reports each response.
    pub(super) async fn attempt<T, F>(&self, place: &Place, mut call: impl FnMut() -> F) -> Result<T, Stop>
    where
        F: Future<Output = Result<T, CallError>>,
    {
        let reported = || {
            let response = call();
            async {
                let result = response.await;
                let status = match &result {
                    Ok(_) | Err(CallError::Response(_) | CallError::Rejected(_)) => Some(StatusCode::OK),
                    Err(CallError::Api(error)) => Some(error.status),
                    Err(CallError::Connection(_)) => None,
                    // No request was sent.
                    Err(CallError::Token(_)) => return result,
                };
                self.shared.observers.notify(&Event::Responded {
                    tenant: &self.tenant,
                    status,
                });
                result
            }
        };
        self.until_done(place, reported).await
    }

    /// Repeats a call until it succeeds, or fails permanently, or the tenant must wait for long.
    pub(super) async fn until_done<T, F>(&self, place: &Place, mut call: impl FnMut() -> F) -> Result<T, Stop>
    where
        F: Future<Output = Result<T, CallError>>,
    {
        let mut tries = 0;
        let mut throttled = Duration::ZERO;
        loop {
            let wait = self.pace.wait();
            if !wait.is_zero() {
                self.sleep(wait).await?;
                continue;
            }
            if self.shared.shutdown.is_wanted() {
                return Err(Stop::Shutdown);
            }
            let result = {
                let _permit = self
                    .shared
                    .requests
                    .acquire()
                    .await
                    .expect("the semaphore is never closed");
                call().await
            };
            let error = match result {
                Ok(result) => {
                    self.pace.succeeded();
                    return Ok(result);
                }
                Err(error) => error,
            };
            let is_throttled = error.is_throttled();
            let (is_retryable, retry_after) = (error.is_retryable(), error.retry_after());
            let failure = Failure::new(place.clone(), error);
            if !is_throttled {
                tries += 1;
                if !is_retryable || tries >= MOST_TRIES {
                    return Err(Stop::Failed(failure));
                }
            }
            let wait = if is_throttled {
                self.pace.throttled(retry_after, draw())
            } else {
                let own = FIRST_RETRY * (1 << tries);
                retry_after.unwrap_or_default().max(own.mul_f64(0.5 + draw()))
            };
            self.back_offs.fetch_add(1, Ordering::Relaxed);
            self.shared.observers.notify(&Event::BackOff {
                tenant: &self.tenant,
                wait,
                reason: &failure,
            });
            if wait > LONGEST_SLEEP {
                return Err(Stop::Aside { wait, failure });
            }
            throttled += wait;
            if throttled > self.shared.settings.patience {
                return Err(Stop::Failed(failure));
            }
            self.sleep(wait).await?;
        }
    }

    async fn sleep(&self, wait: Duration) -> Result<(), Stop> {
        tokio::select! {
            () = tokio::time::sleep(wait) => Ok(()),
            () = self.shared.shutdown.wanted() => Err(Stop::Shutdown),
        }
    }
}
/// Returns a random number from 0 to 1.
fn draw() -> f64 {
    let mut bytes = [0; 4];
    // If there are no random numbers, all wait for the same time.
    let _ = getrandom::fill(&mut bytes);
    f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX)
}
/// The most attempts of one request that fails for another reason than throttling.
const MOST_TRIES: u32 = 5;
const FIRST_RETRY: Duration = Duration::from_millis(100);
/// A tenant that must wait longer makes room for another.
const LONGEST_SLEEP: Duration = Duration::from_secs(5);
