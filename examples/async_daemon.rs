//! An async daemon that reads the users of several tenants, again and again: one client, a task for each tenant.
//!
//! ```sh
//! export TENANT_IDS=contoso.onmicrosoft.com,fabrikam.onmicrosoft.com CLIENT_ID=... CLIENT_SECRET=...
//! cargo run -p entra-examples --bin async_daemon           # every minute, until Ctrl-C
//! cargo run -p entra-examples --bin async_daemon -- 10 5   # ten rounds, five seconds apart
//! ```
//!
//! `AAD_ENDPOINT` and `GRAPH_ENDPOINT` name another cloud, or an emulator. A token is asked for at every call, and that is right: the
//! client asks the service once in an hour or so, for each tenant.
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
use std::time::Duration;

use entra_client::{Client, Counters, EventKind};
use entra_proto::{Application, Authority, Body, ClientSecret, Cloud, Target, Tenant};
use entra_transport::{Transport, TransportError};
use entra_transport_hyper::HyperTransport;
use http::header::AUTHORIZATION;
use http::{Request, StatusCode, Uri};
use serde_json::Value;
use tokio::task::JoinSet;

use crate::environment::{setting, setting_or};

/// Graph's address in the public cloud, and its audience there.
const GRAPH: &str = "https://graph.microsoft.com";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
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
    let transport = HyperTransport::builder().allow_plain_loopback(true).build()?;
    let counters = Arc::new(Counters::default());
    let client = Client::builder(app, transport.clone())
        .observer(Arc::clone(&counters))
        .build()?;

    let graph = setting_or("GRAPH_ENDPOINT", GRAPH)?;
    let graph = graph.trim_end_matches('/');
    // An emulator's Graph has another address, and the same audience.
    let audience = Cloud::loopback(graph).map_or(graph, |_| GRAPH);
    let mut tasks = JoinSet::new();
    for tenant in tenants {
        let daemon = Daemon {
            client: client.tenant(tenant.clone()), // the same cache, the same connections
            transport: transport.clone(),
            tenant,
            graph: Target::resource(audience)?,
            users: format!("{graph}/v1.0/users").parse()?,
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
    users: Uri,
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

    /// How many users there are.
    async fn users(&self) -> Result<usize, Trouble> {
        let token = self.client.token(&self.graph).await?;
        let mut request = Request::new(Body::default());
        *request.uri_mut() = self.users.clone();
        request.headers_mut().insert(AUTHORIZATION, token.authorization());
        let response = self.transport.send(request).await?;
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
