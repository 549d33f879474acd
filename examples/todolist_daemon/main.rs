//! A daemon that calls a protected web API: the document "Quickstart: Call a web API in a sample
//! daemon app", external tenants.
//!
//! It stands in for the two samples of the document. Each form, chosen with `--like`, takes the
//! configuration of its sample as it is, does what the sample does, and prints what the sample
//! prints:
//!
//! - `dotnet` reads `appsettings.json`: AzureAd with Authority (or Instance and TenantId), ClientId
//!   and ClientCredentials; DownstreamApi (or ToDoApi) with BaseUrl, RelativePath and Scopes. It
//!   adds two to-dos, removes one, then changes and removes the other. It prints
//!   `Posting a to-do...` and the list after each step.
//! - `node` reads `.env`: CLIENT_ID, AUTHORITY, CLIENT_SECRET (or CERT_THUMBPRINT and
//!   CERT_PRIVATE_KEY_FILE), API_ENDPOINT and SCOPES. It reads the list, and prints it as a JSON
//!   array.
//!
//! With the web API of the document, against the emulator:
//!
//! ```sh
//! cargo run -q -p entra-cli -- emulator \
//!     --config examples/todolist_api/emulator.json -- \
//!     cargo run -q -p entra-examples --bin todolist_api -- \
//!     --config examples/todolist_api/appsettings.json \
//!     --data target/todolist-node.sqlite --sample-data -- \
//!     cargo run -q -p entra-examples --bin todolist_daemon -- --like node
//! ```
//!
//! Against the service: provide the file of the sample in the current folder or with
//! `--config FILE`, or set variables with the names of its settings (`AzureAd__ClientId`), and for
//! the application `AZURE_TENANT_ID`, `AZURE_CLIENT_ID`, and `AZURE_CLIENT_SECRET` or
//! `AZURE_CLIENT_CERTIFICATE_PATH`. Both forms read `API_ENDPOINT` and `SCOPES`.
//!
//! Two things differ from the samples on purpose. The Node sample prints an error and exits with 0;
//! this program prints the same, then a hint on standard error, and exits with 1. The Node sample
//! turns certificate verification off; this program never does.

#[path = "../common/mod.rs"]
mod common;
mod configuration;
mod dotnet;
mod node;
mod todo;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};

use crate::common::{Failure, report, say};
use crate::configuration::Configuration;

/// Calls a protected to-do list as one of the sample daemon apps does.
#[derive(Parser)]
#[command(name = "todolist_daemon", version, about, max_term_width = 100)]
struct Arguments {
    /// The sample to stand in for
    #[arg(long, value_name = "SAMPLE")]
    like: Sample,

    /// The configuration file of the sample [default: the name that it has in the sample, if it is
    /// in the current folder]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// The operation of the Node sample
    #[arg(long, value_name = "OPERATION", default_value = "getToDos")]
    op: String,
}

/// A sample of the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Sample {
    /// ms-identity-ciam-dotnet-tutorial, 3-call-own-api-dotnet-core-daemon
    Dotnet,
    /// ms-identity-ciam-javascript-tutorial, 3-call-api-node-daemon
    Node,
}

fn main() -> ExitCode {
    report(run(&Arguments::parse()))
}

fn run(arguments: &Arguments) -> Result<(), Failure> {
    let config = arguments.config.as_deref();
    match arguments.like {
        Sample::Dotnet => dotnet::run(&Configuration::of_dotnet(config)?.service()?),
        Sample::Node if arguments.op != "getToDos" => {
            say!("Select an operation first");
            Err(Failure::new("there is no such operation").hint("write --op getToDos"))
        }
        Sample::Node => node::run(&Configuration::of_node(config)?.service()?),
    }
}
