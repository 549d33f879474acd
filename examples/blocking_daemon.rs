//! A daemon without a runtime that reads the users of several tenants, again and again: one client,
//! a thread for each tenant.
//!
//! It depends on 49 crates in all, tokio not among them; its async counterpart over hyper on 63:
//!
//! ```toml
//! entra-client = { version = "0.1", default-features = false, features = ["coarse-clock"] }   # without tokio
//! entra-proto = "0.1"
//! entra-transport = "0.1"
//! entra-transport-ureq = "0.1"
//! ```
//!
//! Refreshes run on a thread that the client starts for each, about one in an hour; nothing else
//! runs in the background.
//!
//! ```sh
//! export AZURE_TENANTS=contoso.onmicrosoft.com,fabrikam.onmicrosoft.com AZURE_CLIENT_ID=... AZURE_CLIENT_SECRET=...
//! cargo run -q -p entra-examples --bin blocking_daemon           # every minute, until Ctrl-C
//! cargo run -q -p entra-examples --bin blocking_daemon -- 10 5   # ten rounds, five seconds apart
//! ```
//!
//! `AZURE_AUTHORITY_HOST` names another cloud. Against an emulator, in one line:
//!
//! ```sh
//! cargo run -q -p entra-cli -- emulator -- cargo run -q -p entra-examples --bin blocking_daemon -- 3 1
//! ```

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
    let (fetched, kept) = (counters.of(EventKind::Acquired), counters.of(EventKind::CacheHit));
    say!("tokens: {fetched} from the service, {kept} from the cache");
    if served.contains(&false) {
        return Err(Failure::new("a tenant was given up").hint("see above what to do about it"));
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
    /// Reads the users in every round. Returns false if it ended early, after an error that does
    /// not pass.
    fn run(&self, rounds: u64, pause: Duration) -> bool {
        for round in 1..=rounds {
            match self.users() {
                Ok(users) => say!("{}: {users} users", self.tenant),
                // The next round may succeed. The client has already repeated its requests, and
                // backs off by itself.
                Err(trouble) if trouble.passes => eprintln!("{}: not now: {}", self.tenant, trouble.text),
                Err(trouble) => {
                    eprintln!("{}: given up: {}", self.tenant, trouble.text);
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
    fn users(&self) -> Result<usize, Trouble> {
        let mut pages = Pages::of(&self.users)?;
        let mut users = 0;
        while let Some(page) = pages.next() {
            let page = self.get(page)?;
            users += pages.read(&page)?.len();
        }
        Ok(users)
    }

    /// Gets a page from Graph.
    fn get(&self, uri: Uri) -> Result<Value, Trouble> {
        let token = self.client.token(&self.graph)?;
        let mut request = Request::new(Body::default());
        *request.uri_mut() = uri;
        request.headers_mut().insert(AUTHORIZATION, token.authorization());
        let response = self.transport.send(request)?;
        let reply = Reply::new(&response, &token);
        if reply.status == StatusCode::UNAUTHORIZED {
            // The token may have been revoked. The next round gets another one.
            self.client.invalidate(&token);
        }
        if reply.status.is_success() {
            return reply
                .json()
                .ok_or_else(|| "the web API did not return JSON".to_owned().into());
        }
        Err(Trouble {
            text: printable(&reply.failure().problem),
            passes: reply.is_busy() || reply.status == StatusCode::UNAUTHORIZED,
        })
    }
}

/// The reason that there are no users in a round.
struct Trouble {
    text: String,
    /// Whether the next round may succeed.
    passes: bool,
}

impl From<entra_client::Error> for Trouble {
    fn from(error: entra_client::Error) -> Self {
        Self {
            // A program decides by `error.class()`.
            text: format!("{:#}", Report::of(&error)),
            passes: error.is_retryable(),
        }
    }
}

impl From<String> for Trouble {
    fn from(text: String) -> Self {
        Self { text, passes: false }
    }
}

impl From<TransportError> for Trouble {
    fn from(error: TransportError) -> Self {
        Self {
            text: format!("{:#}", Report::of(&error)),
            passes: error.is_retryable(),
        }
    }
}
