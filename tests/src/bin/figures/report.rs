//! The report of all figures.

/// Prints each figure and its limit, and remembers whether one was missed.
pub(crate) struct Report {
    pub(crate) missed: bool,
}

impl Report {
    pub(crate) fn at_most(&mut self, name: &str, value: f64, unit: &str, limit: f64) {
        let verdict = if value <= limit { "ok" } else { "MISSED" };
        self.missed |= value > limit;
        println!(
            "{name}: {} {unit} (limit {limit}) {verdict}",
            (value * 100.0).round() / 100.0
        );
    }
}
