//! A daemon with a certificate that reads Microsoft Graph: the second case of the daemon documents, without a secret to lose.
//!
//! ```sh
//! cargo run -p entra-cli -- cert new --name daemon        # then register daemon.crt, and grant User.Read.All
//! export AZURE_TENANT_ID=... AZURE_CLIENT_ID=... AZURE_CLIENT_CERTIFICATE_PATH=daemon.pem
//! cargo run -p entra-examples --bin daemon_certificate
//! ```
//!
//! `AZURE_CLIENT_CERTIFICATE_PASSWORD` opens a file that has a password. `AZURE_AUTHORITY_HOST` names another cloud, or an emulator:
//! with `entra emulator --certificate daemon.crt`, its lines and the path above are all that it takes there.

#![allow(clippy::print_stdout, reason = "a program's result is what it prints")]

mod common;

use std::error::Error;

use entra_client::blocking::Client;
use entra_proto::{Application, Authority, Body};
use entra_transport::{BlockingTransport, cloud_from_env};
use entra_transport_ureq::UreqTransport;
use serde_json::Value;

use crate::common::{Api, Pages, certificate, setting};

fn main() -> Result<(), Box<dyn Error>> {
    let cloud = cloud_from_env()?;
    let authority = Authority::new(cloud.clone(), setting("AZURE_TENANT_ID")?.parse()?)?;
    let app = Application::new(authority, setting("AZURE_CLIENT_ID")?.parse()?, certificate()?);

    let transport = UreqTransport::builder().for_cloud(&cloud).build()?;
    let client = Client::new(app, transport.clone());
    let graph = Api::graph(&cloud)?;

    let mut pages = Pages::of(&format!("{}/v1.0/users", graph.address))?;
    let mut users = 0;
    while let Some(page) = pages.next() {
        let token = client.token(&graph.target)?;
        let request = http::Request::get(page)
            .header("authorization", token.authorization())
            .body(Body::default())?;
        let response = transport.send(request)?;
        let result: Value = serde_json::from_slice(response.body().as_bytes())?;
        println!("Graph API call result: {result:#}");
        if !response.status().is_success() {
            return Err(format!("Graph answered {}", response.status()).into());
        }
        users += pages.read(&result)?.len();
    }
    println!("{users} users");
    Ok(())
}
