//! A client of an API made of tower's parts: hyper's connections, and a layer around them that puts the token on every request.
//!
//! ```sh
//! export TENANT_ID=contoso.onmicrosoft.com CLIENT_ID=... CLIENT_SECRET=...
//! cargo run -p entra-examples --bin tower_client              # one call
//! cargo run -p entra-examples --bin tower_client -- 10 1      # ten calls, a second apart
//! ```
//!
//! `AAD_ENDPOINT` and `GRAPH_ENDPOINT` name another cloud, or an emulator. The program says that it answers claims challenges (`cp1`), so
//! its tokens live longer, and can be revoked: then the API's `401` leads to another token and to the same request again, and
//! this program sees its response only.
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
use std::time::Duration;

use bytes::Bytes;
use entra_client::Client;
use entra_proto::{Application, Authority, ClientSecret, Cloud, Target};
use entra_tower::BearerLayer;
use entra_transport::Policy;
use entra_transport::tls::Trust;
use entra_transport_hyper::HyperTransport;
use http::{Request, Uri};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use tower::{Service, ServiceBuilder, ServiceExt};

use crate::environment::{setting, setting_or};

/// Graph's address in the public cloud, and its audience there.
const GRAPH: &str = "https://graph.microsoft.com";

// `Send + Sync` for the body's error, a box that converts to no other one. The layer's own error converts to `Box<dyn Error>`, too.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut arguments = std::env::args().skip(1);
    let calls: u64 = arguments.next().map_or(Ok(1), |number| number.parse())?;
    let pause = Duration::from_secs(arguments.next().map_or(Ok(1), |seconds| seconds.parse())?);

    let endpoint = setting_or("AAD_ENDPOINT", "https://login.microsoftonline.com")?;
    let cloud = Cloud::loopback(&endpoint).or_else(|_| endpoint.parse())?;
    let authority = Authority::new(cloud, setting("TENANT_ID")?.parse()?)?;
    let secret = ClientSecret::new(setting("CLIENT_SECRET")?)?;
    let app = Application::new(authority, setting("CLIENT_ID")?.parse()?, secret).with_capabilities(&["cp1"]);
    let client = Client::new(app, HyperTransport::builder().allow_plain_loopback(true).build()?);

    let graph = setting_or("GRAPH_ENDPOINT", GRAPH)?;
    let graph = graph.trim_end_matches('/');
    // An emulator's Graph has another address, and the same audience.
    let audience = Cloud::loopback(graph).map_or(graph, |_| GRAPH);
    let source = client.source(&Target::resource(audience)?, None)?;

    // Any service over `http` types will do. Nothing in this one follows redirects, and the layer sends the token nowhere but there.
    // An emulator on plain HTTP needs no certificates, and neither does a machine that calls nothing else.
    let mut policy = Policy::default();
    policy.allow_plain_loopback = Cloud::loopback(graph).is_ok();
    let tls = HttpsConnectorBuilder::new().with_tls_config(Trust::default().client_config(&policy)?);
    let connector = tls.https_or_http().enable_http1().build();
    let connections = legacy::Client::builder(TokioExecutor::new()).build::<_, Empty<Bytes>>(connector);
    let mut api = ServiceBuilder::new()
        .layer(BearerLayer::new(source, [graph])?.replay())
        .service(connections);

    let users: Uri = format!("{graph}/v1.0/users").parse()?;
    for call in 1..=calls {
        let request = Request::get(users.clone())
            .header("accept", "application/json")
            .body(Empty::new())?;
        let answer = api.ready().await?.call(request).await?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), 1024 * 1024)
            .collect()
            .await?
            .to_bytes();
        let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
        match answer["value"].as_array() {
            Some(users) if status.is_success() => println!("{} users", users.len()),
            _ => return Err(format!("Graph answered {status}: {}", answer["error"]["message"]).into()),
        }
        if call < calls {
            tokio::time::sleep(pause).await;
        }
    }
    Ok(())
}
