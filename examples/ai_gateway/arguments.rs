//! The command line.

#![allow(rustdoc::bare_urls, reason = "these comments are help texts, read in a terminal")]

use clap::{ArgGroup, Parser};
use entra_proto::ClientId;

use crate::deployments::Address;

/// Relays requests to the deployments of a model, with a token of its own.
#[derive(Debug, Parser)]
#[command(
    name = "ai_gateway", version, about, max_term_width = 100,
    group(ArgGroup::new("callers").args(["client_id", "open"]).required(true)),
)]
pub(crate) struct Arguments {
    /// A deployment, such as https://HOST.openai.azure.com/openai/deployments/NAME; repeat it for
    /// those that take over, in the order of preference
    #[arg(long, value_name = "URL", required = true)]
    pub(crate) deployment: Vec<Address>,

    /// The client ID of the gateway's own registration: callers need a token for it
    #[arg(long, value_name = "ID")]
    pub(crate) client_id: Option<ClientId>,

    /// Serves every program on this machine, without a token
    #[arg(long)]
    pub(crate) open: bool,

    /// The scope that users need
    #[arg(long, value_name = "NAME", default_value = "Chat.Call", conflicts_with = "open")]
    pub(crate) scope: String,

    /// The role that applications need
    #[arg(long, value_name = "NAME", default_value = "Chat.Call.All", conflicts_with = "open")]
    pub(crate) role: String,

    /// Address to listen on, on this machine
    #[arg(long, value_name = "HOST:PORT", default_value = "localhost:8000")]
    pub(crate) listen: String,

    /// The path in place of that of a deployment: callers add, for example, /chat/completions
    #[arg(long, value_name = "PATH", default_value = "/openai/deployments/chat", value_parser = path)]
    pub(crate) path: String,

    /// The audience of the deployments' tokens; in the cloud of the US government
    /// https://cognitiveservices.azure.us
    #[arg(long, value_name = "URI", default_value = "https://cognitiveservices.azure.com")]
    pub(crate) resource: String,
}

fn path(text: &str) -> Result<String, String> {
    let is_path = text.starts_with('/') && !text.contains(['?', '#']);
    let path = text.trim_end_matches('/');
    if is_path {
        Ok(path.to_owned())
    } else {
        Err("write it as /openai/deployments/chat".to_owned())
    }
}
