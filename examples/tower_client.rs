//! A client of an API made of tower's parts: hyper's connections, and a layer around them that puts the token on every request.
//!
//! ```sh
//! export AZURE_TENANT_ID=contoso.onmicrosoft.com AZURE_CLIENT_ID=... AZURE_CLIENT_SECRET=...
//! cargo run -p entra-examples --bin tower_client              # one call
//! cargo run -p entra-examples --bin tower_client -- 10 1      # ten calls, a second apart
//! ```
//!
//! `AZURE_AUTHORITY_HOST` names another cloud, or an emulator: the lines that `entra emulator` prints are all that it takes there.
//! The program says that it handles claims challenges (`cp1`), so its tokens live longer, and can be revoked: then the API's `401`
//! leads to another token and to the same request again, and this program sees its response only.

#![allow(clippy::print_stdout, reason = "a program's result is what it prints")]

mod common;

use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use entra_client::Client;
use entra_proto::{Application, Authority, ClientSecret};
use entra_tower::BearerLayer;
use entra_transport::cloud_from_env;
use entra_transport_hyper::HyperTransport;
use http::Request;
use http_body_util::{BodyExt, Empty, Limited};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use tower::{Service, ServiceBuilder, ServiceExt};

use crate::common::{Api, Pages, setting};

// `Send + Sync` for the body's error, a box that converts to no other one. The layer's own error converts to `Box<dyn Error>`, too.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut arguments = std::env::args().skip(1);
    let calls: u64 = arguments.next().map_or(Ok(1), |number| number.parse())?;
    let pause = Duration::from_secs(arguments.next().map_or(Ok(1), |seconds| seconds.parse())?);

    let cloud = cloud_from_env()?;
    let authority = Authority::new(cloud.clone(), setting("AZURE_TENANT_ID")?.parse()?)?;
    let secret = ClientSecret::new(setting("AZURE_CLIENT_SECRET")?)?;
    let app = Application::new(authority, setting("AZURE_CLIENT_ID")?.parse()?, secret).with_capabilities(&["cp1"]);
    let transport = HyperTransport::builder().for_cloud(&cloud);
    let settings = transport.clone().settings()?;
    let client = Client::new(app, transport.build()?);
    let graph = Api::graph(&cloud)?;
    let source = client.source(&graph.target, None)?;

    // Any service over `http` types will do. Nothing in this one follows redirects, and the layer sends the token nowhere but there.
    // It trusts what the transport trusts, which for an emulator on plain HTTP may be nothing.
    let tls = HttpsConnectorBuilder::new().with_tls_config(settings.trust.client_config(&settings.policy)?);
    let connector = tls.https_or_http().enable_http1().build();
    let connections = legacy::Client::builder(TokioExecutor::new()).build::<_, Empty<Bytes>>(connector);
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
            let answer = api.ready().await?.call(request).await?;
            let status = answer.status();
            let body = Limited::new(answer.into_body(), 1024 * 1024)
                .collect()
                .await?
                .to_bytes();
            let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
            if !status.is_success() {
                return Err(format!("Graph answered {status}: {}", answer["error"]["message"]).into());
            }
            users += pages.read(&answer)?.len();
        }
        println!("{users} users");
        if call < calls {
            tokio::time::sleep(pause).await;
        }
    }
    Ok(())
}
