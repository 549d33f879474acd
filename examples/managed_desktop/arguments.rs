//! The command line.

use clap::{Parser, ValueEnum};
use entra_proto::EndpointVersion;

/// Lists the devices and users of Microsoft Managed Desktop.
#[derive(Debug, Parser)]
#[command(name = "managed_desktop", version, about, after_help = VARIABLES, max_term_width = 100)]
pub(crate) struct Arguments {
    /// Follows the document to the letter first, and shows why the service rejects its token
    /// request
    #[arg(long, conflicts_with = "audience")]
    pub(crate) as_documented: bool,

    /// Token endpoint: v2 with scope=, or v1 with resource=
    #[arg(long, value_enum, default_value_t = Endpoint::V2)]
    pub(crate) endpoint: Endpoint,

    /// Devices or users on each page that the API returns
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) page_size: Option<u32>,

    /// Text to search for: in names, serial numbers and sign-in names
    #[arg(long, value_name = "TEXT")]
    pub(crate) search: Option<String>,

    /// Shows the open elevation request of this device instead of the lists
    #[arg(long, value_name = "DEVICE")]
    pub(crate) elevation: Option<String>,

    /// Shows the password in an elevation request
    #[arg(long, requires = "elevation")]
    pub(crate) show_password: bool,

    /// Audience of the token, to see how the API rejects a token for another one
    #[arg(long, value_name = "URI")]
    pub(crate) audience: Option<String>,
}

/// A version of the token endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Endpoint {
    V1,
    V2,
}

impl From<Endpoint> for EndpointVersion {
    fn from(endpoint: Endpoint) -> Self {
        match endpoint {
            Endpoint::V1 => Self::V1,
            Endpoint::V2 => Self::V2,
        }
    }
}

const VARIABLES: &str = "\
Variables:
  AZURE_TENANT_ID                ID of the tenant
  AZURE_CLIENT_ID                application (client) ID
  AZURE_CLIENT_SECRET            client secret, or else
  AZURE_CLIENT_CERTIFICATE_PATH  certificate with its key (PEM or PFX)
  AZURE_AUTHORITY_HOST           an emulator";
