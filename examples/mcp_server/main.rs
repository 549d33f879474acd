//! A minimal server of the Model Context Protocol (MCP, revision 2025-06-18, streamable HTTP) that
//! is protected by tokens from Entra.
//!
//! A client without a token receives 401, and in `WWW-Authenticate` the address of the
//! protected-resource metadata (RFC 9728). The metadata names the tenant's authorization server and
//! the scope. The client gets a token there and repeats its request. The server has one tool,
//! `whoami`, which describes the caller.
//!
//! Against the emulator; it serves until it is stopped:
//!
//! ```sh
//! cargo run -q -p entra-cli -- emulator \
//!     --config examples/mcp_server/emulator.json -- \
//!     cargo run -q -p entra-examples --bin mcp_server -- \
//!     --client-id 33334444-dddd-5555-eeee-6666ffff7777
//! ```
//!
//! It prints its address, and logs each rejected request with the reason.
//!
//! Against the service: set `AZURE_TENANT_ID`, and give `--client-id` of the server's registration,
//! which exposes the scope `Tools.Call` for users and the application role `Tools.Call.All`, and
//! has `requestedAccessTokenVersion` 2. Behind a proxy with TLS, `--url` is the address that
//! clients use.
//!
//! The token of a caller is for this server alone, and is never passed on to another API: a tool
//! that calls one must get a token of its own.

#[path = "../common/mod.rs"]
mod common;
mod protocol;
#[path = "../server/mod.rs"]
mod server;

use std::net::TcpListener;
use std::process::ExitCode;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use clap::Parser;
use entra_proto::endpoint::Origin;
use entra_proto::{ClientId, Guid};
use entra_tower::{Caller, RequireToken};
use entra_transport::cloud_from_env;
use entra_transport_hyper::HyperTransport;
use entra_validate::{Api, Audience, Permissions, ResourceMetadata, Tenants, Validator};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ORIGIN};
use http::{HeaderMap, StatusCode};

use crate::common::{Failure, note, setting};
use crate::protocol::{Reply, VERSIONS};
use crate::server::listen::listen;
use crate::server::log;
use crate::server::serve::serve;
use crate::server::stop::stopped;

/// Serves a tool to clients of the Model Context Protocol.
#[derive(Debug, Parser)]
#[command(name = "mcp_server", version, about, max_term_width = 100)]
struct Arguments {
    /// The client ID of the server's own registration
    #[arg(long, value_name = "ID")]
    client_id: ClientId,

    /// Address to listen on, on this machine
    #[arg(long, value_name = "HOST:PORT", default_value = "localhost:8000")]
    listen: String,

    /// The address that clients use [default: the address that it listens on]
    #[arg(long, value_name = "URL")]
    url: Option<Origin>,

    /// The scope that users need
    #[arg(long, value_name = "NAME", default_value = "Tools.Call")]
    scope: String,

    /// The role that applications need
    #[arg(long, value_name = "NAME", default_value = "Tools.Call.All")]
    role: String,
}

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
                .hint("listen on localhost, behind a proxy with TLS that --url names"),
        );
    }
    let origin = match &arguments.url {
        Some(origin) => origin.clone(),
        None => format!("http://{address}").parse()?,
    };
    let router = router(arguments, &origin)?;
    serve(listeners, &router, None)?;
    note(&format!(
        "listening on http://{address}{PATH}, for {}{PATH}",
        origin.as_str()
    ));
    Ok(stopped().await?)
}

/// Returns the routes with the token layer around them.
fn router(arguments: &Arguments, origin: &Origin) -> Result<Router, Failure> {
    let tenant: Guid = setting("AZURE_TENANT_ID")?.parse().map_err(|_| {
        Failure::new("AZURE_TENANT_ID is not the ID of a tenant").hint("set the GUID: tokens name their tenant by it")
    })?;
    let cloud = cloud_from_env()?;
    let transport = HyperTransport::builder().for_cloud(&cloud).build()?;
    // Clients request the full scope. In a v2 token `aud` is the client ID, and `scp` has the name
    // alone.
    let full_scope = format!("api://{}/{}", arguments.client_id, arguments.scope);
    let resource = format!("{}{PATH}", origin.as_str());
    let metadata_url = format!("{}/.well-known/oauth-protected-resource{PATH}", origin.as_str());
    let api = Api::new(
        Audience::app(arguments.client_id),
        Tenants::One(tenant),
        Permissions::any_of([&arguments.scope], [&arguments.role])?,
    )?
    .with_cloud(cloud)?
    .with_challenge_scope(&full_scope)?
    .with_resource_metadata(&metadata_url)?;
    let metadata = ResourceMetadata::new(&resource, &api)?
        .with_scopes([full_scope])
        .with_name("Who am I");
    let layer = RequireToken::new(Validator::new(api, transport)).publish(&metadata)?;
    Ok(Router::new()
        .route(PATH, post(message))
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .layer(layer)
        .with_state(Arc::new(origin.clone())))
}

/// Takes one JSON-RPC message.
async fn message(State(own_origin): State<Arc<Origin>>, caller: Caller, headers: HeaderMap, body: Bytes) -> Response {
    // A page in a browser must not call a server on this machine (DNS rebinding).
    let is_own = |origin: &http::HeaderValue| {
        origin
            .to_str()
            .is_ok_and(|text| text.parse::<Origin>().is_ok_and(|it| it == *own_origin))
    };
    if headers.get(ORIGIN).is_some_and(|origin| !is_own(origin)) {
        return StatusCode::FORBIDDEN.into_response();
    }
    let version = headers
        .get("mcp-protocol-version")
        .map(|version| version.to_str().unwrap_or_default());
    if version.is_some_and(|version| !VERSIONS.contains(&version)) {
        return StatusCode::BAD_REQUEST.into_response();
    }
    match protocol::respond(&caller, &body) {
        Reply::Accepted => StatusCode::ACCEPTED.into_response(),
        Reply::Json(status, body) => {
            let headers = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")];
            (status, headers, body.to_string()).into_response()
        }
    }
}

/// The path of the server.
const PATH: &str = "/mcp";
const LARGEST_BODY: usize = 64 * 1024;
