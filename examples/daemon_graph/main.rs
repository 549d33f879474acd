//! A daemon that reads Microsoft Graph: the document "Quickstart: Call a web API in a sample daemon
//! app", workforce tenants.
//!
//! It stands in for the four samples of the document. Each form, chosen with `--like`, takes the
//! configuration of its sample as it is, does what the sample does, and prints what the sample
//! prints:
//!
//! - `dotnet` reads `Program.cs` (Authority, ClientId, ClientSecret, ClientObjectId), requests its
//!   own application object, and prints it.
//! - `node` reads `.env` (TENANT_ID, CLIENT_ID, CLIENT_SECRET, AAD_ENDPOINT, GRAPH_ENDPOINT),
//!   requests the users, and prints `You have selected: getUsers` and the users.
//! - `python` reads `parameters.json` (authority, client_id, scope, secret or thumbprint and
//!   private_key_file, endpoint), requests the users, and prints `Graph API call result: ` and the
//!   object.
//! - `java` reads `application.properties` (AUTHORITY, CLIENT_ID, SECRET or KEY_PATH and CERT_PATH,
//!   SCOPE), requests the users, and prints `Users in the Tenant = ..`.
//!
//! Against the emulator:
//!
//! ```sh
//! cargo run -q -p entra-cli -- emulator -- \
//!     cargo run -q -p entra-examples --bin daemon_graph -- --like python
//! ```
//!
//! Against the service: provide the file of the sample in the current folder or with
//! `--config FILE`, or set `AZURE_TENANT_ID`, `AZURE_CLIENT_ID`, and `AZURE_CLIENT_SECRET` or
//! `AZURE_CLIENT_CERTIFICATE_PATH`.
//!
//! Three things differ from the samples on purpose. The samples read the first page of users; this
//! program reads all pages, and prints each in the form of the sample. The samples give up when
//! Graph is busy; this program waits as long as Graph asks for, and calls again a few times. Three
//! of the samples print an error and exit with 0; this program prints the same, then a hint on
//! standard error, and exits with 1. No output holds a token or a secret (the Node sample logs its
//! token with an error).

#[path = "../common/mod.rs"]
mod common;
mod configuration;
mod credential;
mod files;
mod forms;
mod sample;
mod settings;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use crate::common::{Failure, report, say};
use crate::configuration::Configuration;
use crate::forms::Printer;
use crate::sample::Sample;
use crate::settings::Settings;

/// Reads Microsoft Graph as one of the sample daemon apps does.
#[derive(Parser)]
#[command(name = "daemon_graph", version, about, max_term_width = 100)]
struct Arguments {
    /// The sample to stand in for
    #[arg(long, value_name = "SAMPLE")]
    like: Sample,

    /// The configuration file of the sample [default: the name that it has in the sample, if it is
    /// in the current folder]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// The operation of the Node sample
    #[arg(long, value_name = "OPERATION", default_value = "getUsers")]
    op: String,

    /// The object ID of the application, for the .NET sample [default: ClientObjectId of the
    /// configuration, or else the object is found by the client ID]
    #[arg(long, value_name = "ID")]
    object_id: Option<String>,
}

fn main() -> ExitCode {
    report(run(&Arguments::parse()))
}

fn run(arguments: &Arguments) -> Result<(), Failure> {
    let sample = arguments.like;
    if sample == Sample::Node {
        say!("You have selected: {}", entra_proto::error::printable(&arguments.op));
        if arguments.op != "getUsers" {
            say!("Select a Graph operation first");
            return Err(Failure::new("there is no such operation").hint("write --op getUsers"));
        }
    }
    let settings = Settings::read(sample, arguments.config.as_deref())?;
    let configuration = Configuration::read(sample, &settings, arguments.object_id.as_deref())?;
    Printer::new(sample, configuration)?.run()
}
