//! A gRPC client whose every call carries the token: tonic's channel with the bearer layer around it.
//!
//! ```sh
//! export AZURE_TENANT_ID=contoso.onmicrosoft.com AZURE_CLIENT_ID=... AZURE_CLIENT_SECRET=...
//! cargo run -p entra-examples --bin grpc_client -- https://greeter.contoso.com api://greeter Ada
//! ```
//!
//! The service has one method, which takes a text and gives one; for a text alone a codec is shorter than a generated client. With a generated one it is `GreeterClient::with_origin(service, origin)`: without the origin
//! its requests would have relative URIs, and the layer would not know where the token goes.

#![allow(clippy::print_stdout, reason = "a program's result is what it prints")]

mod common;

use std::error::Error;

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

use crate::common::setting;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(server), Some(api), Some(name)) = (arguments.next(), arguments.next(), arguments.next()) else {
        return Err(
            "usage: grpc_client https://greeter.contoso.com api://greeter NAME (the server's origin, its API, a name)"
                .into(),
        );
    };
    let origin: Uri = server.parse()?;

    let cloud = cloud_from_env()?;
    let authority = Authority::new(cloud.clone(), setting("AZURE_TENANT_ID")?.parse()?)?;
    let secret = ClientSecret::new(setting("AZURE_CLIENT_SECRET")?)?;
    let app = Application::new(authority, setting("AZURE_CLIENT_ID")?.parse()?, secret);
    let client = Client::new(app, HyperTransport::builder().for_cloud(&cloud).build()?);
    let source = client.source(&Target::resource(&api)?, None)?;

    let mut endpoint = Channel::builder(origin.clone());
    if server.starts_with("https://") {
        endpoint = endpoint.tls_config(ClientTlsConfig::new().with_native_roots())?;
    }
    let service = ServiceBuilder::new()
        .layer(BearerLayer::new(source, [server.trim_end_matches('/')])?)
        .service(endpoint.connect_lazy());
    let mut greeter = Grpc::with_origin(service, origin);

    greeter.ready().await?;
    let path = PathAndQuery::from_static("/contoso.Greeter/Greet");
    match greeter.unary(Request::new(name), path, Text).await {
        Ok(greeting) => println!("{}", greeting.into_inner()),
        Err(status) => return Err(in_full(&status).into()),
    }
    Ok(())
}

/// What a call failed of, with all that lies beneath: why there is no token stands at the bottom.
fn in_full(status: &Status) -> String {
    let mut text = format!("{:?}: {}", status.code(), status.message());
    let mut beneath = status.source();
    while let Some(error) = beneath {
        // tonic's own message is that of the first.
        if error.to_string() != status.message() {
            text += &format!(": {error}");
        }
        beneath = error.source();
    }
    text
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
