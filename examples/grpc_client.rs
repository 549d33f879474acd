//! A gRPC client whose every call carries the token: tonic's channel with the bearer layer around it.
//!
//! ```sh
//! export AZURE_TENANT_ID=contoso.onmicrosoft.com AZURE_CLIENT_ID=... AZURE_CLIENT_SECRET=...
//! cargo run -q -p entra-examples --bin grpc_client -- https://greeter.contoso.com api://greeter Ada
//! ```
//!
//! The service has one method, which takes a text and returns one; for that, a codec is shorter than a generated client. A generated one
//! is made with `GreeterClient::with_origin(service, origin)`: without the origin its requests would have relative URIs, and the layer
//! would not know where the token goes.

mod common;

use std::error::Error;
use std::process::ExitCode;

use bytes::{Buf, BufMut};
use entra_client::Client;
use entra_proto::{Application, Authority, ClientSecret, Target};
use entra_tower::BearerLayer;
use entra_transport::cloud_from_env;
use entra_transport_hyper::HyperTransport;
use http::Uri;
use http::uri::PathAndQuery;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::transport::{Channel, ClientTlsConfig};
use tonic::{Request, Status};
use tower::ServiceBuilder;

use crate::common::{Arguments, Failure, report, say, setting, with_causes};

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
            // The last cause says why there is no token.
            let text = format!("{:?}: {}", status.code(), status.message());
            return Err(Failure::new(with_causes(text, &status)));
        }
    }
    Ok(())
}

fn failed(error: impl Error) -> Failure {
    Failure::new(error.to_string())
}

/// A message that is a text in UTF-8 and nothing around it.
#[derive(Clone, Copy, Default)]
struct Text;

impl Codec for Text {
    type Encode = String;
    type Decode = String;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Text {
    type Item = String;
    type Error = Status;

    fn encode(&mut self, text: String, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put_slice(text.as_bytes());
        Ok(())
    }
}

impl Decoder for Text {
    type Item = String;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<String>, Status> {
        let bytes = buffer.copy_to_bytes(buffer.remaining());
        let text = String::from_utf8(bytes.to_vec());
        text.map(Some).map_err(|_| Status::internal("the answer is no text"))
    }
}
