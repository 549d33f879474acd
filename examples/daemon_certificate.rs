//! A daemon with a certificate that reads Microsoft Graph: the second case of the daemon documents, without a secret to lose.
//!
//! ```sh
//! cargo run -p entra-cli -- cert new --name daemon        # then register daemon.crt, and grant User.Read.All
//! export TENANT_ID=... CLIENT_ID=... CERTIFICATE_PATH=daemon.pem
//! cargo run -p entra-examples --bin daemon_certificate
//! ```
//!
//! `AAD_ENDPOINT` and `GRAPH_ENDPOINT` name another cloud, or an emulator; `CERTIFICATE_PASSWORD` opens a file that has a password.

#![allow(clippy::print_stdout, reason = "a program's result is what it prints")]

mod environment;

use std::error::Error;
use std::time::SystemTime;

use entra_client::blocking::Client;
use entra_credential::ClientCertificate;
use entra_proto::{Application, Authority, Body, Cloud, Target};
use entra_transport::BlockingTransport;
use entra_transport_ureq::UreqTransport;
use serde_json::Value;

use crate::environment::{optional, setting, setting_or};

fn main() -> Result<(), Box<dyn Error>> {
    let endpoint = setting_or("AAD_ENDPOINT", "https://login.microsoftonline.com")?;
    let cloud = Cloud::loopback(&endpoint).or_else(|_| endpoint.parse())?;
    let authority = Authority::new(cloud, setting("TENANT_ID")?.parse()?)?;

    let password = optional("CERTIFICATE_PASSWORD")?;
    let certificate = ClientCertificate::read(&std::fs::read(setting("CERTIFICATE_PATH")?)?, password.as_deref())?;
    for warning in certificate.warnings(SystemTime::now().into()) {
        eprintln!("warning: {warning}");
    }
    let app = Application::new(authority, setting("CLIENT_ID")?.parse()?, certificate);

    let transport = UreqTransport::builder().allow_plain_loopback(true).build()?;
    let client = Client::new(app, transport.clone());
    let token = client.token(&Target::scopes("https://graph.microsoft.com/.default")?)?;

    let graph = setting_or("GRAPH_ENDPOINT", "https://graph.microsoft.com")?;
    let request = http::Request::get(format!("{}/v1.0/users", graph.trim_end_matches('/')))
        .header("authorization", token.authorization())
        .body(Body::default())?;
    let response = transport.send(request)?;
    let result: Value = serde_json::from_slice(response.body().as_bytes())?;
    println!("Graph API call result: {result:#}");
    if response.status().is_success() {
        Ok(())
    } else {
        Err(format!("Graph answered {}", response.status()).into())
    }
}
