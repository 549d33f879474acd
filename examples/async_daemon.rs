//! An async daemon that reads the users of several tenants, again and again: one client, a task for each tenant.
//!
//! ```sh
//! export AZURE_TENANTS=contoso.onmicrosoft.com,fabrikam.onmicrosoft.com AZURE_CLIENT_ID=... AZURE_CLIENT_SECRET=...
//! cargo run -p entra-examples --bin async_daemon           # every minute, until Ctrl-C
//! cargo run -p entra-examples --bin async_daemon -- 10 5   # ten rounds, five seconds apart
//! ```
//!
//! `AZURE_AUTHORITY_HOST` names another cloud, or an emulator: the lines that `entra emulator` prints are all that it takes there.
//! The program requests a token for every call, and that is right: the client calls the service about once an hour for each tenant.

#![allow(clippy::print_stdout, reason = "a program's result is what it prints")]

mod common;

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use entra_client::{Client, Counters, EventKind};
use entra_proto::{Application, Authority, Body, ClientSecret, Target, Tenant};
use entra_transport::{Transport, TransportError, cloud_from_env};
use entra_transport_hyper::HyperTransport;
use http::header::AUTHORIZATION;
use http::{Request, StatusCode, Uri};
use serde_json::Value;
use tokio::task::JoinSet;

use crate::common::{Api, Pages, setting, tenants};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let rounds: u64 = arguments.next().map_or(Ok(u64::MAX), |number| number.parse())?;
    let pause = Duration::from_secs(arguments.next().map_or(Ok(60), |seconds| seconds.parse())?);
    let tenants = tenants()?;

    let cloud = cloud_from_env()?;
    let secret = ClientSecret::new(setting("AZURE_CLIENT_SECRET")?)?;
    let home = Authority::new(cloud.clone(), tenants[0].clone())?;
    let app = Application::new(home, setting("AZURE_CLIENT_ID")?.parse()?, secret);
    let transport = HyperTransport::builder().for_cloud(&cloud).build()?;
    let counters = Arc::new(Counters::default());
    let client = Client::builder(app, transport.clone())
        .observer(Arc::clone(&counters))
        .build()?;

    let graph = Api::graph(&cloud)?;
    let mut tasks = JoinSet::new();
    for tenant in tenants {
        let daemon = Daemon {
            client: client.tenant(tenant.clone()), // the same cache, the same connections
            transport: transport.clone(),
            tenant,
            graph: graph.target.clone(),
            users: format!("{}/v1.0/users", graph.address),
        };
        tasks.spawn(async move { daemon.run(rounds, pause).await });
    }
    let served = tasks.join_all().await;
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
    transport: HyperTransport,
    tenant: Tenant,
    graph: Target,
    users: String,
}

impl Daemon {
    /// Reads the users in every round. False where there is no use in going on.
    async fn run(&self, rounds: u64, pause: Duration) -> bool {
        for round in 1..=rounds {
            match self.users().await {
                Ok(users) => println!("{}: {users} users", self.tenant),
                // The next round will do. The client has tried again by itself, and asks no more while there is no use in it.
                Err(trouble) if trouble.passes => eprintln!("{}: not now: {}", self.tenant, trouble.text),
                Err(trouble) => {
                    eprintln!("{}: given up: {}", self.tenant, trouble.text);
                    return false;
                }
            }
            if round < rounds {
                tokio::time::sleep(pause).await;
            }
        }
        true
    }

    /// The number of users, on all pages.
    async fn users(&self) -> Result<usize, Trouble> {
        let mut pages = Pages::of(&self.users)?;
        let mut users = 0;
        while let Some(page) = pages.next() {
            let page = self.get(page).await?;
            users += pages.read(&page)?.len();
        }
        Ok(users)
    }

    /// The response of Graph, where it is a success.
    async fn get(&self, uri: Uri) -> Result<Value, Trouble> {
        let token = self.client.token(&self.graph).await?;
        let mut request = Request::new(Body::default());
        *request.uri_mut() = uri;
        request.headers_mut().insert(AUTHORIZATION, token.authorization());
        let response = self.transport.send(request).await?;
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
