//! One acquisition as a machine: it says what to do next, and is told what came of it.

mod lifetime;
mod polling;
mod retry;
mod step;

pub use lifetime::{Freshness, FreshnessPolicy, Lifetime, Stages, freshness};
pub use retry::RetryPolicy;
pub use step::{Assert, Exchange, Pause, ShowCode, Sign, Step};
