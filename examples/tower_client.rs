//! An API client made of tower services: hyper's connections in a layer that adds the token to
//! every request.
//!
//! ```sh
//! export AZURE_TENANT_ID=contoso.onmicrosoft.com
//! export AZURE_CLIENT_ID=... AZURE_CLIENT_SECRET=...
//! # One call:
//! cargo run -q -p entra-examples --bin tower_client
//! # Ten calls, a second apart:
//! cargo run -q -p entra-examples --bin tower_client -- 10 1
//! ```
//!
//! `AZURE_AUTHORITY_HOST` names another cloud. Against the emulator:
//!
//! ```sh
//! cargo run -q -p entra-cli -- emulator -- \
//!     cargo run -q -p entra-examples --bin tower_client
//! ```
//!
//! For each call it prints the number of users.
//!
//! The program declares that it handles claims challenges (`cp1`), so its tokens live longer, but
//! can be revoked. If the API then responds with `401`, the layer requests another token and
//! repeats the request; this program sees the second response only.

mod common;

use std::process::ExitCode;
use std::time::Duration;

use bytes::Bytes;
use entra_client::Client;
use entra_proto::{Application, Authority, ClientSecret};
use entra_tower::BearerLayer;
use entra_transport::cloud_from_env;
use entra_transport_hyper::{Connector, HyperTransport};
use http::Request;
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tower::{Service, ServiceBuilder, ServiceExt};

use crate::common::{Api, Arguments, Failure, Pages, Reply, report, say, setting};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    report(run().await)
}

async fn run() -> Result<(), Failure> {
    let mut arguments = Arguments::new("tower_client [CALLS [SECONDS BETWEEN THEM]]");
    let calls = arguments.number(1)?;
    let pause = Duration::from_secs(arguments.number(1)?);
    arguments.end()?;

    let cloud = cloud_from_env()?;
    let authority = Authority::new(cloud.clone(), setting("AZURE_TENANT_ID")?.parse()?)?;
    let secret = ClientSecret::new(setting("AZURE_CLIENT_SECRET")?)?;
    let app = Application::new(authority, setting("AZURE_CLIENT_ID")?.parse()?, secret).with_capabilities(&["cp1"]);
    let transport = HyperTransport::builder().for_cloud(&cloud);
    let settings = transport.clone().settings()?;
    let client = Client::new(app, transport.build()?);
    let graph = Api::graph(&cloud)?;
    let source = client.source(&graph.target)?;

    // Any service over `http` types will do. This one follows no redirects, and the layer sends the
    // token to the listed origins only. Its connections are made like those of the token requests:
    // through the same proxy, with the same trusted authorities.
    let connections = legacy::Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .build::<_, Empty<Bytes>>(Connector::new(&settings)?);
    let mut api = ServiceBuilder::new()
        .layer(BearerLayer::new(source, [graph.address.as_str()])?.replay())
        .service(connections);

    for call in 1..=calls {
        let mut pages = Pages::of(&format!("{}/v1.0/users", graph.address))?;
        let mut users = 0;
        while let Some(page) = pages.next() {
            let request = Request::get(page)
                .header("accept", "application/json")
                .body(Empty::new())?;
            let response = api.ready().await?.call(request).await?;
            let (parts, body) = response.into_parts();
            let body = Limited::new(body, 1024 * 1024).collect().await?.to_bytes();
            let reply = Reply::of(
                parts.status,
                &parts.headers,
                String::from_utf8_lossy(&body).into_owned(),
            );
            if !reply.status.is_success() {
                return Err(reply.failure());
            }
            users += pages.read(&reply.json().unwrap_or_default())?.len();
        }
        say!("{users} users");
        if call < calls {
            tokio::time::sleep(pause).await;
        }
    }
    Ok(())
}
