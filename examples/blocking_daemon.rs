//! A daemon without an async runtime that reads the users of several tenants periodically, with one
//! client and a thread for each tenant.
//!
//! It depends on 49 crates in all, tokio not among them; its async counterpart over hyper on 63:
//!
//! ```toml
//! [dependencies]
//! entra-proto = "0.1"
//! entra-transport = "0.1"
//! entra-transport-ureq = "0.1"
//!
//! [dependencies.entra-client]
//! version = "0.1"
//! default-features = false # without tokio
//! features = ["coarse-clock"]
//! ```
//!
//! The client starts a thread for each refresh, about once an hour; nothing else runs in the
//! background.
//!
//! ```sh
//! export AZURE_TENANTS=contoso.onmicrosoft.com,fabrikam.onmicrosoft.com
//! export AZURE_CLIENT_ID=... AZURE_CLIENT_SECRET=...
//! # Every minute, until Ctrl-C:
//! cargo run -q -p entra-examples --bin blocking_daemon
//! # Ten rounds, five seconds apart:
//! cargo run -q -p entra-examples --bin blocking_daemon -- 10 5
//! ```
//!
//! `AZURE_AUTHORITY_HOST` names another cloud. Against the emulator:
//!
//! ```sh
//! cargo run -q -p entra-cli -- emulator -- \
//!     cargo run -q -p entra-examples --bin blocking_daemon -- 3 1
//! ```
//!
//! In each round it prints the number of users of each tenant. At the end it prints how many tokens
//! came from the service, and how many from the cache.

mod common;

use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use entra_client::Report;
use entra_client::blocking::Client;
use entra_client::observer::{Counters, EventKind};
use entra_proto::error::printable;
use entra_proto::{Application, Authority, Body, ClientSecret, Target, Tenant};
use entra_transport::{BlockingTransport, TransportError, cloud_from_env};
use entra_transport_ureq::UreqTransport;
use http::header::AUTHORIZATION;
use http::{Request, StatusCode, Uri};
use serde_json::Value;

use crate::common::{Api, Arguments, Failure, Pages, Reply, report, say, setting, tenants};

fn main() -> ExitCode {
    report(run())
}

fn run() -> Result<(), Failure> {
    let mut arguments = Arguments::new("blocking_daemon [ROUNDS [SECONDS BETWEEN THEM]]");
    let rounds = arguments.number(u64::MAX)?;
    let pause = Duration::from_secs(arguments.number(60)?);
    arguments.end()?;
    let tenants = tenants()?;

    let cloud = cloud_from_env()?;
    let secret = ClientSecret::new(setting("AZURE_CLIENT_SECRET")?)?;
    let home = Authority::new(cloud.clone(), tenants[0].clone())?;
    let app = Application::new(home, setting("AZURE_CLIENT_ID")?.parse()?, secret);
    let transport = UreqTransport::builder().for_cloud(&cloud).build()?;
    let counters = Arc::new(Counters::default());
    let client = Client::builder(app, transport.clone())
        .observer(Arc::clone(&counters))
        .build()?;

    let graph = Api::graph(&cloud)?;
    let mut daemons = Vec::new();
    for tenant in tenants {
        daemons.push(Daemon {
            client: client.tenant(tenant.clone()), // the same cache, the same connections
            transport: transport.clone(),
            tenant,
            graph: graph.target.clone(),
            users: format!("{}/v1.0/users", graph.address),
        });
    }
    let served: Vec<bool> = thread::scope(|scope| {
        let threads: Vec<_> = daemons
            .iter()
            .map(|daemon| scope.spawn(|| daemon.run(rounds, pause)))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or(false))
            .collect()
    });
    let (fetched, cached) = (counters.of(EventKind::Acquired), counters.of(EventKind::CacheHit));
    say!("tokens: {fetched} from the service, {cached} from the cache");
    if served.contains(&false) {
        return Err(Failure::new("the work for a tenant has failed").hint("see the errors above"));
    }
    Ok(())
}

/// The work for one tenant.
struct Daemon {
    client: Client,
    transport: UreqTransport,
    tenant: Tenant,
    graph: Target,
    users: String,
}

impl Daemon {
    /// Reads the users in every round. Returns false if it stopped early, after a permanent error.
    fn run(&self, rounds: u64, pause: Duration) -> bool {
        for round in 1..=rounds {
            match self.users() {
                Ok(users) => say!("{}: {users} users", self.tenant),
                // The next round may succeed. The client has already repeated its requests, and
                // backs off by itself.
                Err(error) if error.is_retryable => eprintln!("{}: will retry: {}", self.tenant, error.text),
                Err(error) => {
                    eprintln!("{}: given up: {}", self.tenant, error.text);
                    return false;
                }
            }
            if round < rounds {
                thread::sleep(pause);
            }
        }
        true
    }

    /// Counts the users on all pages.
    fn users(&self) -> Result<usize, RoundError> {
        let mut pages = Pages::of(&self.users)?;
        let mut users = 0;
        while let Some(page) = pages.next() {
            let page = self.get(page)?;
            users += pages.read(&page)?.len();
        }
        Ok(users)
    }

    /// Gets a page from Graph.
    fn get(&self, uri: Uri) -> Result<Value, RoundError> {
        let token = self.client.token(&self.graph)?;
        let mut request = Request::new(Body::default());
        *request.uri_mut() = uri;
        request.headers_mut().insert(AUTHORIZATION, token.authorization());
        let response = self.transport.send(request)?;
        let reply = Reply::new(&response, &token);
        if reply.status == StatusCode::UNAUTHORIZED {
            // The token may have been revoked. The next round requests another one.
            self.client.invalidate(&token);
        }
        if reply.status.is_success() {
            return reply
                .json()
                .ok_or_else(|| "the web API did not return JSON".to_owned().into());
        }
        Err(RoundError {
            text: printable(&reply.failure().problem),
            is_retryable: reply.is_busy() || reply.status == StatusCode::UNAUTHORIZED,
        })
    }
}

/// The error of a round.
struct RoundError {
    text: String,
    /// True if the next round may succeed.
    is_retryable: bool,
}

impl From<entra_client::Error> for RoundError {
    fn from(error: entra_client::Error) -> Self {
        Self {
            // Programs decide by `error.class()`.
            text: format!("{:#}", Report::of(&error)),
            is_retryable: error.is_retryable(),
        }
    }
}

impl From<String> for RoundError {
    fn from(text: String) -> Self {
        Self {
            text,
            is_retryable: false,
        }
    }
}

impl From<TransportError> for RoundError {
    fn from(error: TransportError) -> Self {
        Self {
            text: format!("{:#}", Report::of(&error)),
            is_retryable: error.is_retryable(),
        }
    }
}
