//! A gateway in front of the deployments of one model in Azure OpenAI (Azure AI Foundry).
//!
//! Programs call the gateway as they would call a deployment, and know neither its address nor a
//! key. The gateway authenticates itself with a managed identity, or with any other credential of
//! the environment. If a deployment is throttled or fails, the request goes to the next one, and
//! the pause that the deployment asked for is remembered. Responses are passed on as they arrive,
//! so streams of server-sent events (`"stream": true`) stay streams.
//!
//! ```sh
//! cargo run -q -p entra-examples --bin ai_gateway -- \
//!     --deployment https://east.openai.azure.com/openai/deployments/gpt \
//!     --deployment https://west.openai.azure.com/openai/deployments/gpt-w \
//!     --client-id 33334444-dddd-5555-eeee-6666ffff7777
//! ```
//!
//! It prints its address. The identity needs the role `Cognitive Services OpenAI User` on the
//! resource of each deployment.
//!
//! Callers need a token for the gateway: `--client-id` is its own registration, which exposes the
//! scope `Chat.Call` for users and the application role `Chat.Call.All`, and has
//! `requestedAccessTokenVersion` 2; `AZURE_TENANT_ID` is the tenant of the callers. With `--open`
//! every program on this machine may call, without a token. In neither case does the gateway pass
//! on the authorization of a caller.
//!
//! Against the emulator, which has tokens but no deployments: the address of a server of yours.
//!
//! ```sh
//! cargo run -q -p entra-cli -- emulator \
//!     --config examples/ai_gateway/emulator.json -- \
//!     cargo run -q -p entra-examples --bin ai_gateway -- \
//!     --deployment http://localhost:8001/openai/deployments/gpt --open
//! ```

mod arguments;
#[path = "../common/mod.rs"]
mod common;
mod deployments;
mod headers;
mod relay;
#[path = "../server/mod.rs"]
mod server;

use std::net::TcpListener;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use clap::Parser;
use entra_proto::{ClientId, Guid, Target};
use entra_tower::{BearerLayer, RequireToken};
use entra_transport::cloud_from_env;
use entra_transport_hyper::{Connector, HyperTransport};
use entra_validate::{Api, Audience, Permissions, Tenants, Validator};
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tower::Layer;

use crate::arguments::Arguments;
use crate::common::{Failure, note, setting};
use crate::deployments::Deployments;
use crate::relay::{Gateway, relay};
use crate::server::listen::listen;
use crate::server::log;
use crate::server::serve::serve_for;
use crate::server::stop::stopped;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    log::start();
    common::report(run(&arguments).await)
}

/// Serves until it is stopped.
async fn run(arguments: &Arguments) -> Result<(), Failure> {
    let listeners = listen("--listen", &arguments.listen)?;
    let address = listeners.first().map(TcpListener::local_addr).transpose()?;
    let address = address.ok_or_else(|| Failure::new("--listen has no address on this machine"))?;
    if !address.ip().is_loopback() {
        return Err(
            Failure::new("plain http to other machines would show the tokens of callers")
                .hint("listen on localhost, behind a proxy with TLS"),
        );
    }
    let gateway = gateway(arguments)?;
    let mut router = Router::new()
        .fallback(relay)
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .with_state(gateway);
    if let Some(client_id) = arguments.client_id {
        // Outside of everything else: the body of a rejected request is not read.
        router = router.layer(guard(arguments, client_id)?);
    }
    serve_for(LONGEST_CONNECTION, listeners, &router, None)?;
    note(&format!("listening on http://{address}{}", arguments.path));
    Ok(stopped().await?)
}

/// Returns the side of the gateway that calls the deployments.
fn gateway(arguments: &Arguments) -> Result<Gateway, Failure> {
    // The one client of the program: its token serves all deployments and all callers.
    let client = entra::Client::from_env()?;
    let source = client.source(&Target::resource(&arguments.resource)?)?;
    let origins = arguments.deployment.iter().map(|address| address.origin.as_str());
    let layer = BearerLayer::new(source, origins)?.replay();

    let settings = HyperTransport::builder().for_cloud(&cloud_from_env()?).settings()?;
    let connections = legacy::Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .build(Connector::new(&settings)?);
    Ok(Gateway {
        api: layer.layer(connections),
        deployments: Arc::new(Deployments::new(&arguments.deployment)),
        path: arguments.path.as_str().into(),
        is_open: arguments.open,
    })
}

/// Returns the layer that authenticates callers.
fn guard(arguments: &Arguments, client_id: ClientId) -> Result<RequireToken, Failure> {
    let tenant: Guid = setting("AZURE_TENANT_ID")?.parse().map_err(|_| {
        Failure::new("AZURE_TENANT_ID is not the ID of a tenant").hint("set the GUID: tokens name their tenant by it")
    })?;
    let cloud = cloud_from_env()?;
    let transport = HyperTransport::builder().for_cloud(&cloud).build()?;
    let permissions = Permissions::any_of([&arguments.scope], [&arguments.role])?;
    let api = Api::new(Audience::app(client_id), Tenants::One(tenant), permissions)?.with_cloud(cloud)?;
    Ok(RequireToken::new(Validator::new(api, transport)).with_guarded_options())
}

/// A request is held in memory, because it may be sent to several deployments.
const LARGEST_BODY: usize = 8 << 20;
/// A long text of a model arrives over minutes.
const LONGEST_CONNECTION: Duration = Duration::from_secs(3600);
