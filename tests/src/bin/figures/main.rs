//! The figures that need code to run: allocations, requests, ratios. `cargo xtask figures` runs it
//! and judges its lines.
//!
//! Built with `--release`. Times are ratios to a bare operation of the same run, taken in turns, so
//! that neither a slow machine nor a busy one changes them.
//!
//! | row | compared with |
//! |---|---|
//! | `encode-less-headers-ratio` | percent-encoding of the same four values |
//! | `decode-ratio` | `serde_json` alone on the same response |
//! | `assertion-ratio`, `cold-certificate-no-network` | one PS256 signature with the same key |
//! | `emulator-ready`, `emulator-ready-100-in-one-process` | one PS256 signature |
//! | `cached-token` | one clone of its header and two reads of the clock |
//! | `cached-token-of-a-source` | two reads of the clock |
//! | `cold-secret-no-network` | percent-encoding of the request and `serde_json` on the response |
//! | `cached-read-beside-a-slow-request-p99` | the same percentile of the same read without that request |
//! | `lookup-at-100000-tenants` | a `HashMap` of the same keys, read in the same order |
//! | `bearer` | the insertion of a clone of the same header |
//! | `bearer-on-two-threads` | the same calls on one thread |
//! | `cold-secret-over-tls` | a POST of the same form by hyper over the same kind of connection |
//! | `cold-certificate-over-tls` | a token by a secret over the same kind of connection |
//! | `process-to-first-token-*` | a process of the same program that ends at once |
//! | `validated-request` | the verification of the same signature |

#![allow(clippy::print_stdout, reason = "the figures are what it prints")]

mod bare;
mod bearer;
mod client;
mod issued;
mod measure;
mod protocol;
mod report;
mod server;
mod validation;
mod wire;

use std::process::ExitCode;

use crate::report::Report;

fn main() -> ExitCode {
    let mut report = Report { missed: false };
    protocol::measure(&mut report);
    client::measure(&mut report);
    bearer::measure(&mut report);
    validation::measure(&mut report);
    wire::measure(&mut report);
    if report.missed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}
