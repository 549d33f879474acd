//! A collector of audit records: the document "Get started with Office 365 Management APIs" as one
//! program.
//!
//! The program gets a token in every tenant that consented (with a certificate, as the document
//! requires, with a secret, or with a managed identity), starts missing subscriptions, and collects
//! all content since its last run: records go to a [`sink`], each exactly once. After a crash, run
//! it again, and it continues where it stopped. It logs to standard error, and prints a summary at
//! the end.
//!
//! Against the emulator:
//!
//! ```sh
//! cargo run -q -p entra-cli -- emulator -- \
//!     cargo run -q -p entra-examples --bin office365_collector -- \
//!     --once --output target/audit
//! ```
//!
//! For the real service, register an application with the permission `ActivityFeed.Read` of the
//! Office 365 Management APIs, and set `AZURE_TENANT_ID`, `AZURE_CLIENT_ID` and
//! `AZURE_CLIENT_CERTIFICATE_PATH` (`entra cert new` makes a certificate).
//! `office365_collector --help` has all options and variables.
//!
//! On a machine with a user-assigned managed identity, the program needs no secret at all: add a
//! federated credential for the identity to the application, which is registered in the tenant of
//! the identity, and pass the client ID of the identity with `--managed-identity` instead of the
//! certificate.
//!
//! In production, run it as a service, without root, that restarts on failure: it continues where
//! it stopped. For systemd:
//!
//! ```text
//! [Service]
//! EnvironmentFile=/etc/office365_collector.env
//! ExecStart=/usr/local/bin/office365_collector \
//!     --output /var/lib/office365_collector/audit \
//!     --tenants /var/lib/office365_collector/tenants.redb \
//!     --connect --connect-url https://www.mycompany.com --metrics
//! DynamicUser=yes
//! StateDirectory=office365_collector
//! Restart=on-failure
//! ```
//!
//! Put a proxy with TLS and a sign-in before the connect page, which lists the tenants. In a
//! container, restrict access to `--metrics 0.0.0.0:9464` to the cluster, keep the folder on a
//! volume, and run one collector for each folder.
//!
//! The API's clock (the `Date` of its responses) decides what has been collected, because the clock
//! of this machine may be wrong. If the resume point is in the future, because an older run had a
//! wrong clock, the collector collects everything that the API still lists; records whose IDs are
//! remembered (`--remember`; with `--sqlite` all of them) are not written again. Content that was
//! not collected within the 7 days that the API lists it is lost. This is reported once as a
//! failure of its tenant, and counted in the metrics.
//!
//! ```text
//! main ──► arguments           options and environment variables
//!   ├────► tenants             the tenants to collect from
//!   ├────► tokens              the client: credential, v1 or v2, early renewal
//!   └────► collect             rounds: all tenants, a bounded number at once
//!            ├──► api          the address of the API in the cloud of the tokens
//!            ├──► session      one tenant: subscriptions, contents, commits
//!            ├──► listing      one content type: its windows and their pages
//!            ├──► windows      from the last finished window to now: at most
//!            │                 24 h each, at most 7 days back
//!            ├──► clock        the time by the API's clock
//!            ├──► fetches      contents in flight
//!            ├──► calls, pace  retries and back-off of one tenant
//!            ├──► feed         the API: calls, pages, contents, errors
//!            └──► sink         records and progress, made durable together
//! collect ─► event ─► log, board            the events: lines, and counters
//!               board ─► progress, summary, metrics
//! servers ──► connect        the page that connects tenants (--connect)
//!   ├───────► webhook        notifications of new content (--webhook)
//!   └───────► metrics        for Prometheus (--metrics)
//! server                     sockets, connections, and the webhook's certificate
//! ```

#![allow(
    dead_code,
    reason = "parts of the examples' shared code, and interfaces of optional parts"
)]

mod arguments;
mod board;
mod collect;
#[path = "../common/mod.rs"]
mod common;
mod connect;
mod console;
mod event;
mod failure;
mod feed;
mod log;
mod metrics;
mod progress;
#[path = "../server/mod.rs"]
mod server;
mod servers;
mod sink;
mod summary;
mod tenants;
mod tokens;
mod webhook;

use std::io::{ErrorKind, Write, stdout};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;

use crate::arguments::Arguments;
use crate::board::Board;
use crate::collect::Collector;
use crate::console::say;
use crate::event::{Observers, Shutdown};
use crate::log::Log;
use crate::progress::Progress;
use crate::summary::summary;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say(&format!("error: {:#}", failure::Report::of(&*error)));
            ExitCode::FAILURE
        }
    }
}

/// Runs the collector until it is done or stopped. Returns true if the last round succeeded in
/// every tenant.
async fn run(arguments: &Arguments) -> Result<bool, Box<dyn std::error::Error>> {
    let board = Arc::new(Board::default());
    let quiet = arguments.quiet;
    let observers = Observers::new(vec![Arc::new(Log::new(quiet)), Arc::clone(&board) as _]);
    let shutdown = Shutdown::on_signals()?;
    let collector = Collector::new(arguments, observers, shutdown.clone())?;
    servers::start(arguments, &collector, &board)?;
    if arguments.no_collect {
        shutdown.wanted().await;
        return Ok(true);
    }
    let progress = Progress::start(Arc::clone(&board), quiet);
    let succeeded = if arguments.once {
        collector.round().await
    } else {
        collector.run(arguments.interval()).await
    };
    drop(progress);
    let summary = summary(&board, arguments.summary);
    match stdout().write_all(summary.as_bytes()).and_then(|()| stdout().flush()) {
        // A closed pipe means that the reader does not want the summary.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(format!("cannot write the summary: {error}").into()),
        _ => succeeded,
    }
}
