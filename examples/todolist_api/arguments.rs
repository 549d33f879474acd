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

    /// Where to listen [default: localhost, at https_port of the configuration or 44351]
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) listen: Option<String>,

    /// The database of the to-dos, which is created
    #[arg(long, value_name = "FILE", default_value = "todolist.sqlite")]
    pub(crate) data: PathBuf,

    /// A page of this origin may call from a browser (CORS); may be repeated
    #[arg(long, value_name = "ORIGIN")]
    pub(crate) allow_origin: Vec<Origin>,

    /// Begins with the three to-dos of the Node sample, if the database is new
    #[arg(long)]
    pub(crate) sample_data: bool,

    /// A certificate chain in PEM form, to serve https
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,

    /// The private key of the certificate, in PEM form
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,

    /// A command to serve for: it gets API_ENDPOINT and SCOPES, and the program ends as it ends
    #[arg(last = true, value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,
}
