//! The figures that need code to run: allocations, ratios, nanoseconds. `cargo xtask figures` runs it and judges its lines.
//!
//! Built with `--release`. Ratios are of medians taken in turns in one run, so that a busy machine slows both sides alike.

#![allow(clippy::print_stdout, reason = "the figures are what it prints")]

mod bearer;
mod client;
mod measure;
mod protocol;
mod report;
mod server;
mod wire;

use std::process::ExitCode;

use crate::report::Report;

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
