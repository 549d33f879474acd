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
//! export TENANT_IDS=contoso.onmicrosoft.com,fabrikam.onmicrosoft.com CLIENT_ID=... CLIENT_SECRET=...
//! cargo run -p entra-examples --bin blocking_daemon           # every minute, until Ctrl-C
//! cargo run -p entra-examples --bin blocking_daemon -- 10 5   # ten rounds, five seconds apart
//! ```
//!
//! `AAD_ENDPOINT` and `GRAPH_ENDPOINT` name another cloud, or an emulator.
//!
//! To try it on an emulator, with the lines that `entra emulator` prints pasted:
//!
//! ```sh
//! export TENANT_ID=$AZURE_TENANT_ID TENANT_IDS=$AZURE_TENANT_ID CLIENT_ID=$AZURE_CLIENT_ID CLIENT_SECRET=$AZURE_CLIENT_SECRET
//! export AAD_ENDPOINT=$AZURE_AUTHORITY_HOST GRAPH_ENDPOINT=$AZURE_AUTHORITY_HOST
//! ```

#![allow(clippy::print_stdout, reason = "a program's result is what it prints")]

mod environment;

use std::error::Error;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use entra_client::blocking::Client;
use entra_client::{Counters, EventKind};
use entra_proto::{Application, Authority, Body, ClientSecret, Cloud, Target, Tenant};
use entra_transport::{BlockingTransport, TransportError};
use entra_transport_ureq::UreqTransport;
use http::header::AUTHORIZATION;
use http::{Request, StatusCode, Uri};
use serde_json::Value;

use crate::environment::{setting, setting_or};

/// Graph's address in the public cloud, and its audience there.
const GRAPH: &str = "https://graph.microsoft.com";

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let rounds: u64 = arguments.next().map_or(Ok(u64::MAX), |number| number.parse())?;
    let pause = Duration::from_secs(arguments.next().map_or(Ok(60), |seconds| seconds.parse())?);
    let tenants = setting("TENANT_IDS")?;
    let tenants = tenants.split(',').map(str::parse).collect::<Result<Vec<Tenant>, _>>()?;

    let endpoint = setting_or("AAD_ENDPOINT", "https://login.microsoftonline.com")?;
    let cloud = Cloud::loopback(&endpoint).or_else(|_| endpoint.parse())?;
    let secret = ClientSecret::new(setting("CLIENT_SECRET")?)?;
    let home = Authority::new(cloud, tenants[0].clone())?; // what is split has a first part
    let app = Application::new(home, setting("CLIENT_ID")?.parse()?, secret);
    let transport = UreqTransport::builder().allow_plain_loopback(true).build()?;
    let counters = Arc::new(Counters::default());
    let client = Client::builder(app, transport.clone())
        .observer(Arc::clone(&counters))
        .build()?;

    let graph = setting_or("GRAPH_ENDPOINT", GRAPH)?;
    let graph = graph.trim_end_matches('/');
    // An emulator's Graph has another address, and the same audience.
    let audience = Cloud::loopback(graph).map_or(graph, |_| GRAPH);
    let mut daemons = Vec::new();
    for tenant in tenants {
        daemons.push(Daemon {
            client: client.tenant(tenant.clone()), // the same cache, the same connections
            transport: transport.clone(),
            tenant,
            graph: Target::resource(audience)?,
            users: format!("{graph}/v1.0/users").parse()?,
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
    users: Uri,
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

    /// How many users there are.
    fn users(&self) -> Result<usize, Trouble> {
        let token = self.client.token(&self.graph)?;
        let mut request = Request::new(Body::default());
        *request.uri_mut() = self.users.clone();
        request.headers_mut().insert(AUTHORIZATION, token.authorization());
        let response = self.transport.send(request)?;
        let status = response.status();
        let answer: Value = serde_json::from_slice(response.body().as_bytes()).unwrap_or_default();
        if status == StatusCode::UNAUTHORIZED {
            // Revoked, perhaps. Another one is fetched in the next round.
            self.client.invalidate(&token);
        }
        answer["value"]
            .as_array()
            .filter(|_| status.is_success())
            .map(Vec::len)
            .ok_or_else(|| Trouble {
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

impl From<TransportError> for Trouble {
    fn from(error: TransportError) -> Self {
        Self {
            text: error.to_string(),
            passes: error.is_retryable(),
        }
    }
}
