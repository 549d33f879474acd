//! A daemon with a secret that reads Microsoft Graph: the quickstart "call a web API in a sample daemon app", for a workforce tenant.
//!
//! It takes the variables of the quickstart's `.env` file, with or without the slashes at their ends:
//!
//! ```sh
//! export TENANT_ID=... CLIENT_ID=... CLIENT_SECRET=...
//! export AAD_ENDPOINT=https://login.microsoftonline.com GRAPH_ENDPOINT=https://graph.microsoft.com/
//! cargo run -p entra-examples --bin daemon_secret -- --op getUsers
//! cargo run -p entra-examples --bin daemon_secret -- --op getApplication OBJECT_ID
//! ```
//!
//! The same program talks to an emulator: set both endpoints to its address.
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
use std::time::SystemTime;

use entra_client::blocking::Client;
use entra_proto::{Application, Authority, Body, ClientSecret, Cloud, Target};
use entra_transport::BlockingTransport;
use entra_transport_ureq::UreqTransport;
use serde_json::Value;

use crate::environment::{setting, setting_or};

/// Graph's address in the public cloud, and its audience there.
const GRAPH: &str = "https://graph.microsoft.com";

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["--op", "getUsers"] => {
            println!("You have selected: getUsers");
            println!("{:#}", Daemon::new()?.get("v1.0/users")?);
        }
        // Which permission this takes: none. An application may read its own registration.
        ["--op", "getApplication", object_id] => {
            println!("{:#}", Daemon::new()?.get(&format!("v1.0/applications/{object_id}"))?);
        }
        _ => return Err("usage: daemon_secret --op getUsers | --op getApplication OBJECT_ID".into()),
    }
    Ok(())
}

struct Daemon {
    client: Client,
    transport: UreqTransport,
}

impl Daemon {
    fn new() -> Result<Self, Box<dyn Error>> {
        let endpoint = setting_or("AAD_ENDPOINT", "https://login.microsoftonline.com")?;
        let cloud = Cloud::loopback(&endpoint).or_else(|_| endpoint.parse())?;
        let authority = Authority::new(cloud, setting("TENANT_ID")?.parse()?)?;
        let secret = ClientSecret::new(setting("CLIENT_SECRET")?)?;
        let app = Application::new(authority, setting("CLIENT_ID")?.parse()?, secret);

        let transport = UreqTransport::builder().allow_plain_loopback(true).build()?;
        let client = Client::new(app, transport.clone());
        Ok(Self { client, transport })
    }

    /// Calls Graph, and gives its answer where that is a success.
    fn get(&self, path: &str) -> Result<Value, Box<dyn Error>> {
        // Asked for at every call: the client keeps it.
        let token = self.client.token(&Target::resource(&audience()?)?)?;
        println!(
            "request made to web API at: {}",
            httpdate::fmt_http_date(SystemTime::now())
        );
        let request = http::Request::get(format!("{}/{path}", graph()?))
            .header("accept", "application/json")
            .header("authorization", token.authorization())
            .body(Body::default())?;
        let response = self.transport.send(request)?;
        let answer: Value = serde_json::from_slice(response.body().as_bytes())?;
        if !response.status().is_success() {
            return Err(format!("failed to call the web API: {}\n{answer:#}", response.status()).into());
        }
        Ok(answer)
    }
}

/// Where Graph is.
fn graph() -> Result<String, String> {
    let endpoint = setting_or("GRAPH_ENDPOINT", GRAPH)?;
    Ok(endpoint.trim_end_matches('/').to_owned())
}

/// The audience that Graph expects: its own address, in every cloud. An emulator's Graph has another address, and the same audience.
fn audience() -> Result<String, String> {
    let graph = graph()?;
    Ok(if Cloud::loopback(&graph).is_ok() {
        GRAPH.to_owned()
    } else {
        graph
    })
}
