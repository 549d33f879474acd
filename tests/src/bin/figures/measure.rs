//! Measurements: allocations and ratios of times.

use std::hint::black_box;
use std::time::Instant;

/// Returns the number of allocations of this thread during a call.
pub(crate) fn allocations(work: impl FnOnce()) -> f64 {
    allocation_counter::measure(work).count_total as f64
}

/// Returns the bytes that this thread has allocated more after a call.
pub(crate) fn bytes_kept(work: impl FnOnce()) -> f64 {
    allocation_counter::measure(work).bytes_current as f64
}

/// Returns the time of our operation divided by the time of the bare one: the median of many
/// rounds, each of which runs both.
pub(crate) fn ratio(mut ours: impl FnMut() -> f64, mut bare: impl FnMut() -> f64) -> f64 {
    median_of(401, || ours() / bare())
}

/// The nanoseconds of one of a batch of runs, which is short enough to stay within a slice of the
/// scheduler's.
pub(crate) fn each<T>(mut work: impl FnMut() -> T) -> f64 {
    let start = Instant::now();
    for _ in 0..1000 {
        black_box(work());
    }
    start.elapsed().as_nanos() as f64 / 1000.0
}

/// The seconds of eight runs.
pub(crate) fn time<T>(work: impl Fn() -> T) -> f64 {
    let start = Instant::now();
    for _ in 0..8 {
        drop(black_box(work()));
    }
    start.elapsed().as_secs_f64()
}

/// The median of many rounds, in each of which both sides of a ratio take their turn.
pub(crate) fn median(round: impl FnMut() -> f64) -> f64 {
    median_of(2001, round)
}

pub(crate) fn median_of(count: usize, mut round: impl FnMut() -> f64) -> f64 {
    let mut rounds: Vec<f64> = (0..count).map(|_| round()).collect();
    rounds.sort_by(f64::total_cmp);
    rounds[rounds.len() / 2]
}

/// The seconds that a batch of work takes. What it makes is dropped off the clock: overwriting a
/// secret is no part of encoding or decoding.
pub(crate) fn batch<T>(work: &impl Fn() -> T) -> f64 {
    let mut made = Vec::with_capacity(BATCH);
    let start = Instant::now();
    for _ in 0..BATCH {
        made.push(black_box(work()));
    }
    start.elapsed().as_secs_f64()
}

const BATCH: usize = 64;
