//! A gRPC client whose every call carries the token: tonic's channel with the bearer layer around it.
//!
//! ```sh
//! export TENANT_ID=contoso.onmicrosoft.com CLIENT_ID=... CLIENT_SECRET=... AUDIENCE=api://greeter
//! cargo run -p entra-examples --bin grpc_client -- https://greeter.contoso.com Ada
//! ```
//!
//! `AAD_ENDPOINT` names another cloud, or an emulator. The service has one method, which takes a text and gives one; for a text alone a
//! codec is shorter than a generated client. With a generated one it is `GreeterClient::with_origin(service, origin)`: without the origin
//! its requests would have relative URIs, and the layer would not know where the token goes.

#![allow(clippy::print_stdout, reason = "a program's result is what it prints")]

mod environment;

use std::error::Error;

use bytes::{Buf, BufMut};
use entra_client::Client;
use entra_proto::{Application, Authority, ClientSecret, Cloud, Target};
use entra_tower::BearerLayer;
use entra_transport_hyper::HyperTransport;
use http::Uri;
use http::uri::PathAndQuery;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::transport::{Channel, ClientTlsConfig};
use tonic::{Request, Status};
use tower::ServiceBuilder;

use crate::environment::{setting, setting_or};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(server), Some(name)) = (arguments.next(), arguments.next()) else {
        return Err("give the server's origin, such as https://greeter.contoso.com, and a name".into());
    };
    let origin: Uri = server.parse()?;

    let cloud = setting_or("AAD_ENDPOINT", "https://login.microsoftonline.com")?;
    let cloud = Cloud::loopback(&cloud).or_else(|_| cloud.parse())?;
    let authority = Authority::new(cloud, setting("TENANT_ID")?.parse()?)?;
    let secret = ClientSecret::new(setting("CLIENT_SECRET")?)?;
    let app = Application::new(authority, setting("CLIENT_ID")?.parse()?, secret);
    let client = Client::new(app, HyperTransport::builder().allow_plain_loopback(true).build()?);
    let source = client.source(&Target::resource(&setting("AUDIENCE")?)?, None)?;

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
