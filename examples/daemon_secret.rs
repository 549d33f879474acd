//! A daemon with a secret that reads Microsoft Graph: the quickstart "call a web API in a sample daemon app", for a workforce tenant.
//!
//! ```sh
//! export AZURE_TENANT_ID=... AZURE_CLIENT_ID=... AZURE_CLIENT_SECRET=...
//! cargo run -p entra-examples --bin daemon_secret -- --op getUsers
//! cargo run -p entra-examples --bin daemon_secret -- --op getApplication OBJECT_ID
//! ```
//!
//! The quickstart's `.env` file calls these variables TENANT_ID, CLIENT_ID and CLIENT_SECRET; its AAD_ENDPOINT is `AZURE_AUTHORITY_HOST`
//! here, and its GRAPH_ENDPOINT follows from that. An emulator has both at one address: the lines that `entra emulator` prints are all
//! that it takes there.

#![allow(clippy::print_stdout, reason = "a program's result is what it prints")]

mod common;

use std::error::Error;
use std::time::SystemTime;

use entra_client::blocking::Client;
use entra_proto::{Application, Authority, Body, ClientSecret};
use entra_transport::{BlockingTransport, cloud_from_env};
use entra_transport_ureq::UreqTransport;
use http::Uri;
use serde_json::Value;

use crate::common::{Api, Pages, setting};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["--op", "getUsers"] => {
            println!("You have selected: getUsers");
            Daemon::new()?.print_users()?;
        }
        // Which permission this takes: none. An application may read its own registration.
        ["--op", "getApplication", object_id] => {
            let daemon = Daemon::new()?;
            let uri = format!("{}/v1.0/applications/{object_id}", daemon.graph.address);
            println!("{:#}", daemon.get(uri.parse()?)?);
        }
        _ => return Err("usage: daemon_secret --op getUsers | --op getApplication OBJECT_ID".into()),
    }
    Ok(())
}

struct Daemon {
    client: Client,
    transport: UreqTransport,
    graph: Api,
}

impl Daemon {
    fn new() -> Result<Self, Box<dyn Error>> {
        let cloud = cloud_from_env()?;
        let authority = Authority::new(cloud.clone(), setting("AZURE_TENANT_ID")?.parse()?)?;
        let secret = ClientSecret::new(setting("AZURE_CLIENT_SECRET")?)?;
        let app = Application::new(authority, setting("AZURE_CLIENT_ID")?.parse()?, secret);

        let transport = UreqTransport::builder().for_cloud(&cloud).build()?;
        let client = Client::new(app, transport.clone());
        Ok(Self {
            client,
            transport,
            graph: Api::graph(&cloud)?,
        })
    }

    /// Prints each page of the users, and their number.
    fn print_users(&self) -> Result<(), Box<dyn Error>> {
        let mut pages = Pages::of(&format!("{}/v1.0/users", self.graph.address))?;
        let mut users = 0;
        while let Some(page) = pages.next() {
            let page = self.get(page)?;
            println!("{page:#}");
            users += pages.read(&page)?.len();
        }
        println!("{users} users");
        Ok(())
    }

    /// Calls Graph, and returns its response where that is a success.
    fn get(&self, uri: Uri) -> Result<Value, Box<dyn Error>> {
        // Requested for every call: the client keeps it.
        let token = self.client.token(&self.graph.target)?;
        println!(
            "request made to web API at: {}",
            httpdate::fmt_http_date(SystemTime::now())
        );
        let request = http::Request::get(uri)
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
