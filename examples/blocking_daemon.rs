//! A daemon without a runtime that reads the users of several tenants, again and again: one client, a thread for each tenant.
//!
//! What it depends on is 49 crates in all, tokio not among them, where the async twin over hyper has 63:
//!
//! ```toml
//! entra-client = { version = "0.1", default-features = false, features = ["coarse-clock"] }   # without tokio
//! entra-proto = "0.1"
//! entra-transport = "0.1"
//! entra-transport-ureq = "0.1"
//! ```
//!
//! Refreshes run on a thread that the client starts for each, about one in an hour; nothing else runs in the background.
//!
//! ```sh
//! export AZURE_TENANTS=contoso.onmicrosoft.com,fabrikam.onmicrosoft.com AZURE_CLIENT_ID=... AZURE_CLIENT_SECRET=...
//! cargo run -p entra-examples --bin blocking_daemon           # every minute, until Ctrl-C
//! cargo run -p entra-examples --bin blocking_daemon -- 10 5   # ten rounds, five seconds apart
//! ```
//!
//! `AZURE_AUTHORITY_HOST` names another cloud, or an emulator: the lines that `entra emulator` prints are all that it takes there.

#![allow(clippy::print_stdout, reason = "a program's result is what it prints")]

mod common;

use std::error::Error;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use entra_client::blocking::Client;
use entra_client::{Counters, EventKind};
use entra_proto::{Application, Authority, Body, ClientSecret, Target, Tenant};
use entra_transport::{BlockingTransport, TransportError, cloud_from_env};
use entra_transport_ureq::UreqTransport;
use http::header::AUTHORIZATION;
use http::{Request, StatusCode, Uri};
use serde_json::Value;

use crate::common::{Api, Pages, setting, tenants};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let rounds: u64 = arguments.next().map_or(Ok(u64::MAX), |number| number.parse())?;
    let pause = Duration::from_secs(arguments.next().map_or(Ok(60), |seconds| seconds.parse())?);
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
    println!("tokens: {fetched} from the service, {kept} from the cache");
    if served.contains(&false) {
        return Err("a tenant was given up".into());
    }
    Ok(())
}

/// What looks after one tenant.
struct Daemon {
    client: Client,
    transport: UreqTransport,
    tenant: Tenant,
    graph: Target,
    users: String,
}

impl Daemon {
    /// Reads the users in every round. False where there is no use in going on.
    fn run(&self, rounds: u64, pause: Duration) -> bool {
        for round in 1..=rounds {
            match self.users() {
                Ok(users) => println!("{}: {users} users", self.tenant),
                // The next round will do. The client has tried again by itself, and asks no more while there is no use in it.
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

    /// The number of users, on all pages.
    fn users(&self) -> Result<usize, Trouble> {
        let mut pages = Pages::of(&self.users)?;
        let mut users = 0;
        while let Some(page) = pages.next() {
            let page = self.get(page)?;
            users += pages.read(&page)?.len();
        }
        Ok(users)
    }

    /// The response of Graph, where it is a success.
    fn get(&self, uri: Uri) -> Result<Value, Trouble> {
        let token = self.client.token(&self.graph)?;
        let mut request = Request::new(Body::default());
        *request.uri_mut() = uri;
        request.headers_mut().insert(AUTHORIZATION, token.authorization());
        let response = self.transport.send(request)?;
        let status = response.status();
        let answer: Value = serde_json::from_slice(response.body().as_bytes()).unwrap_or_default();
        if status == StatusCode::UNAUTHORIZED {
            // Revoked, perhaps. Another one is fetched in the next round.
            self.client.invalidate(&token);
        }
        if status.is_success() {
            return Ok(answer);
        }
        Err(Trouble {
            text: format!("Graph answered {status}: {}", answer["error"]["message"]),
            passes: [StatusCode::UNAUTHORIZED, StatusCode::TOO_MANY_REQUESTS].contains(&status)
                || status.is_server_error(),
        })
    }
}

/// Why there are no users this time.
struct Trouble {
    text: String,
    /// Whether it may be gone in the next round.
    passes: bool,
}

impl From<entra_client::Error> for Trouble {
    fn from(error: entra_client::Error) -> Self {
        Self {
            // What to do about it is in there. For a program it is in `error.class()`, and alone in `error.hint()`.
            text: error.to_string(),
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
            text: error.to_string(),
            passes: error.is_retryable(),
        }
    }
}
