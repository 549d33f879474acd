//! A gRPC client: a tonic channel in a bearer layer, which adds the token to every call.
//!
//! ```sh
//! export AZURE_TENANT_ID=contoso.onmicrosoft.com
//! export AZURE_CLIENT_ID=... AZURE_CLIENT_SECRET=...
//! cargo run -q -p entra-examples --bin grpc_client -- \
//!     https://greeter.contoso.com api://greeter Ada
//! ```
//!
//! It prints the greeting that the service returns.
//!
//! The service has one method, which takes a text and returns a text; for that, a codec is shorter
//! than a generated client. A generated client is made with
//! `GreeterClient::with_origin(service, origin)`: without the origin its requests would have
//! relative URIs, and the layer would not know where the token is sent.

mod common;
#[path = "common/text_codec.rs"]
mod text_codec;

use std::error::Error;
use std::process::ExitCode;

use entra_client::Client;
use entra_proto::{Application, Authority, ClientSecret, Target};
use entra_tower::BearerLayer;
use entra_transport::cloud_from_env;
use entra_transport_hyper::HyperTransport;
use http::Uri;
use http::uri::PathAndQuery;
use tonic::Request;
use tonic::client::Grpc;
use tonic::transport::{Channel, ClientTlsConfig};
use tower::ServiceBuilder;

use crate::common::{Arguments, Failure, report, say, setting};
use crate::text_codec::Text;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    report(run().await)
}

async fn run() -> Result<(), Failure> {
    let mut arguments =
        Arguments::new("grpc_client ORIGIN API NAME, as in https://greeter.contoso.com api://greeter Ada");
    let (server, api, name) = (arguments.text()?, arguments.text()?, arguments.text()?);
    arguments.end()?;
    let origin: Uri = server
        .parse()
        .map_err(|_| Failure::new("the origin of the server is not a URL"))?;

    let cloud = cloud_from_env()?;
    let authority = Authority::new(cloud.clone(), setting("AZURE_TENANT_ID")?.parse()?)?;
    let secret = ClientSecret::new(setting("AZURE_CLIENT_SECRET")?)?;
    let app = Application::new(authority, setting("AZURE_CLIENT_ID")?.parse()?, secret);
    let client = Client::new(app, HyperTransport::builder().for_cloud(&cloud).build()?);
    let source = client.source(&Target::resource(&api)?)?;

    let mut endpoint = Channel::builder(origin.clone());
    if server.starts_with("https://") {
        endpoint = endpoint
            .tls_config(ClientTlsConfig::new().with_native_roots())
            .map_err(failed)?;
    }
    let service = ServiceBuilder::new()
        .layer(BearerLayer::new(source, [server.trim_end_matches('/')])?)
        .service(endpoint.connect_lazy());
    let mut greeter = Grpc::with_origin(service, origin);

    greeter.ready().await.map_err(failed)?;
    let path = PathAndQuery::from_static("/contoso.Greeter/Greet");
    match greeter.unary(Request::new(name), path, Text).await {
        Ok(greeting) => say!("{}", greeting.into_inner()),
        Err(status) => {
            return Err(Failure::of(&status));
        }
    }
    Ok(())
}

fn failed(error: impl Error + 'static) -> Failure {
    Failure::of(&error)
}
