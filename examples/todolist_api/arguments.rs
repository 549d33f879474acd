//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Parser;
use entra_proto::endpoint::Origin;

/// Serves a protected to-do list.
#[derive(Debug, Parser)]
#[command(name = "todolist_api", version, about, max_term_width = 100)]
pub(crate) struct Arguments {
    /// The configuration file of the sample [default: appsettings.json, if it is in the current
    /// folder]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// Address to listen on [default: localhost, at https_port of the configuration or 44351]
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) listen: Option<String>,

    /// The database of the to-dos; it is created if it does not exist
    #[arg(long, value_name = "FILE", default_value = "todolist.sqlite")]
    pub(crate) data: PathBuf,

    /// Origin of pages that may call the API from a browser (CORS); may be repeated
    #[arg(long, value_name = "ORIGIN")]
    pub(crate) allow_origin: Vec<Origin>,

    /// Starts with the three to-dos of the Node sample, if the database is new
    #[arg(long)]
    pub(crate) sample_data: bool,

    /// A certificate chain in PEM form, to serve https
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,

    /// The private key of the certificate, in PEM form
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,

    /// Command to serve for: it receives API_ENDPOINT and SCOPES, and the program exits with its
    /// exit code
    #[arg(last = true, value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,
}
