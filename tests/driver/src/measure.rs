//! Measurements of this process.

use rustix::time::{ClockId, clock_gettime};

/// Returns the number of allocations of this thread during a call, and their bytes.
pub(crate) fn allocations(work: impl FnOnce()) -> (u64, u64) {
    let measured = allocation_counter::measure(work);
    (measured.count_total, measured.bytes_total)
}

/// The time that all threads of the process have computed, in microseconds.
pub(crate) fn cpu_us() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 * 1e6 + time.tv_nsec as f64 / 1e3
}

/// The memory that is resident now, in bytes.
pub(crate) fn resident() -> u64 {
    status("VmRSS:") * 1024
}

/// The most memory that was ever resident, in kibibytes.
pub(crate) fn peak_kb() -> u64 {
    status("VmHWM:")
}

fn status(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok())
        .unwrap_or_default()
}

pub(crate) fn percentile(values: &mut [f64], part: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values[((values.len() - 1) as f64 * part).round() as usize]
}

/// A small generator (Marsaglia's xorshift): the same numbers in every run.
pub(crate) struct Dice(u64);

impl Default for Dice {
    fn default() -> Self {
        Self(88_172_645_463_325_252)
    }
}

impl Dice {
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % bound
    }
}
