//! The figures that need code to run: allocations, ratios, nanoseconds. `cargo xtask figures` runs it and judges its lines.
//!
//! Built with `--release`. Ratios are of medians taken in turns in one run, so that a busy machine slows both sides alike.

#![allow(clippy::print_stdout, reason = "the figures are what it prints")]

mod bearer;
mod client;
mod measure;
mod protocol;
mod server;
mod wire;

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut report = Report { missed: false };
    protocol::measure(&mut report);
    client::measure(&mut report);
    bearer::measure(&mut report);
    wire::measure(&mut report);
    if report.missed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

/// Prints each figure and its limit, and remembers whether one was missed.
struct Report {
    missed: bool,
}

impl Report {
    fn at_most(&mut self, name: &str, value: f64, unit: &str, limit: f64) {
        let verdict = if value <= limit { "ok" } else { "MISSED" };
        self.missed |= value > limit;
        println!(
            "{name}: {} {unit} (limit {limit}) {verdict}",
            (value * 100.0).round() / 100.0
        );
    }
}
