//! The command line.

#![allow(rustdoc::bare_urls, reason = "these comments are help texts, read in a terminal")]

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use entra_proto::endpoint::Origin;
use entra_proto::{ClientId, EndpointVersion, Guid};

use crate::feed::ContentType;
use crate::summary::Form;

/// Collects the audit records of tenants from the Office 365 Management Activity API.
#[derive(Clone, Debug, Parser)]
#[command(name = "office365_collector", version, about, long_about = LONG_ABOUT, after_long_help = VARIABLES, max_term_width = 100)]
pub(crate) struct Arguments {
    /// Collects once and exits. Without it, the program collects until it is stopped
    #[arg(long)]
    pub(crate) once: bool,

    /// Time between the starts of two rounds: 5m, or 1h with --webhook, where rounds only collect
    /// what notifications missed
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) interval: Option<Duration>,

    /// Folder for the records: one JSON Lines file per tenant and day
    #[arg(long, value_name = "DIR", default_value = "audit", conflicts_with = "sqlite")]
    pub(crate) output: PathBuf,

    /// SQLite database for the records, instead of a folder
    #[arg(long, value_name = "FILE")]
    pub(crate) sqlite: Option<PathBuf>,

    /// Content type to collect; repeat it for several [default: all Audit types, and DLP.All if
    /// ActivityFeed.ReadDlp is granted]
    #[arg(long = "content-type", value_name = "TYPE", ignore_case = true)]
    pub(crate) content_types: Vec<ContentType>,

    /// Time that the first round of a tenant reaches back: at most 7 days
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = since)]
    pub(crate) since: Duration,

    /// Time that each round reaches back before the end of the last one, for content that appears
    /// late. Repeated records are dropped
    #[arg(long, value_name = "TIME", default_value = "2h", value_parser = since)]
    pub(crate) overlap: Duration,

    /// Number of the latest record IDs to remember for each tenant, to drop repeated records. With
    /// --sqlite, all repeated records are dropped
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub(crate) remember: u32,

    /// Concurrent requests in one tenant
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) per_tenant: u16,

    /// Concurrent requests in all tenants
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) concurrency: u16,

    /// First pause after a throttled request without Retry-After; it doubles, up to 32 times as
    /// long
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    pub(crate) back_off: Duration,

    /// Time that a tenant may be throttled in one round before it is left for the next round
    #[arg(long, value_name = "TIME", default_value = "15m", value_parser = duration)]
    pub(crate) patience: Duration,

    /// Tenant ID of the publisher, to whose quota the API counts requests (PublisherIdentifier)
    #[arg(long, value_name = "GUID")]
    pub(crate) publisher: Option<Guid>,

    /// Tenant store to read the tenants from, instead of AZURE_TENANTS
    #[arg(long, value_name = "FILE")]
    pub(crate) tenants: Option<PathBuf>,

    /// Client ID of a user-assigned managed identity of this machine, to use instead of a
    /// certificate or a secret. The application has a federated credential for the identity
    #[arg(long, value_name = "GUID")]
    pub(crate) managed_identity: Option<ClientId>,

    /// Token endpoint: v1 with resource=, as in the document, or v2 with scope=
    #[arg(long, value_enum, default_value_t = Endpoint::V1)]
    pub(crate) endpoint: Endpoint,

    /// Fraction of a token's lifetime after which it is renewed: 0.75 is 45 of 60 minutes
    #[arg(long, value_name = "PART", default_value_t = 0.75, value_parser = part)]
    pub(crate) renew_after: f64,

    /// Address of the API, such as https://manage-gcc.office.com. An API of another cloud than the
    /// one that AZURE_AUTHORITY_HOST names is an error [default: the API of that cloud]
    #[arg(long, value_name = "URL")]
    pub(crate) api: Option<Origin>,

    /// Serves the page where administrators connect their tenants, in addition to collecting; the
    /// tenants are added to the tenant store
    #[arg(long, value_name = "ADDRESS", num_args = 0..=1, default_missing_value = "localhost:8080", requires = "tenants")]
    pub(crate) connect: Option<String>,

    /// Address of the connect page for browsers if it is behind a proxy, such as
    /// https://www.mycompany.com. The redirect URI to register is /myapp/ at this address
    #[arg(long, value_name = "URL", requires = "connect")]
    pub(crate) connect_url: Option<Origin>,

    /// Serves the connect page only, without collecting
    #[arg(long, requires = "connect", conflicts_with_all = ["once", "webhook"])]
    pub(crate) no_collect: bool,

    /// Listens for notifications of new content at this address, and starts subscriptions with a
    /// webhook
    #[arg(long, value_name = "ADDRESS", requires = "webhook_url", conflicts_with = "once")]
    pub(crate) webhook: Option<String>,

    /// Public https address of the webhook, which the API sends notifications to
    #[arg(long, value_name = "URL", requires = "webhook")]
    pub(crate) webhook_url: Option<String>,

    /// Certificate chain of the webhook (PEM), reloaded when it changes. Without it, the webhook
    /// listens on this machine only, behind a proxy with TLS
    #[arg(long, value_name = "FILE", requires = "webhook", requires = "webhook_key")]
    pub(crate) webhook_cert: Option<PathBuf>,

    /// Private key of that certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "webhook_cert")]
    pub(crate) webhook_key: Option<PathBuf>,

    /// Serves metrics in the Prometheus text format at this address, under /metrics
    #[arg(long, value_name = "ADDRESS", num_args = 0..=1, default_missing_value = "localhost:9464")]
    pub(crate) metrics: Option<String>,

    /// Form of the summary at the end
    #[arg(long, value_enum, value_name = "FORM", default_value_t = Form::Table)]
    pub(crate) summary: Form,

    /// Shows no progress, and logs failures and warnings only
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

impl Arguments {
    /// Returns the time between the starts of two rounds.
    pub(crate) fn interval(&self) -> Duration {
        let minutes = if self.webhook.is_some() { 60 } else { 5 };
        self.interval.unwrap_or_else(|| Duration::from_secs(minutes * 60))
    }
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

/// Parses a time of at least a millisecond, such as `90s` or `5m`.
fn duration(text: &str) -> Result<Duration, String> {
    let duration = humantime::parse_duration(text).map_err(|error| format!("{error}: write it as 90s, 5m or 2h"))?;
    if duration < Duration::from_millis(1) || duration > Duration::from_secs(366 * 86_400) {
        return Err("must be from 1 ms to a year".to_owned());
    }
    Ok(duration)
}

/// Parses a time to look back, at most the 7 days that the API keeps content.
fn since(text: &str) -> Result<Duration, String> {
    let duration = humantime::parse_duration(text).map_err(|error| format!("{error}: write it as 90m, 24h or 7d"))?;
    if duration > Duration::from_secs(7 * 86_400) {
        return Err("is longer than the 7 days that the API keeps content".to_owned());
    }
    Ok(duration)
}

/// Parses a fraction, greater than 0 and less than 1.
fn part(text: &str) -> Result<f64, String> {
    let part: f64 = text
        .parse()
        .map_err(|_| "is not a number: write it as 0.75".to_owned())?;
    if part > 0.0 && part < 1.0 {
        return Ok(part);
    }
    Err("is not between 0 and 1: write it as 0.75".to_owned())
}

const LONG_ABOUT: &str = "\
Collects the audit records of tenants from the Office 365 Management Activity API.

It carries out the document \"Get started with Office 365 Management APIs\": for each tenant that consented, it gets app-only \
tokens with a certificate or a managed identity, starts the subscriptions that are missing, and fetches all content since it \
last ran. Each record is written once. Stop it at any moment: the next run continues where this one stopped.";

const VARIABLES: &str = "\
Environment variables:
  AZURE_TENANTS                      tenants, separated by commas: ids or domains
  AZURE_TENANT_ID                    the tenant, if AZURE_TENANTS is not set
  AZURE_CLIENT_ID                    the application
  AZURE_CLIENT_CERTIFICATE_PATH      its certificate with the key (PEM or PFX)
  AZURE_CLIENT_CERTIFICATE_PASSWORD  the password of that file
  AZURE_CLIENT_SECRET                its secret, if there is no certificate
                                     (neither is read with --managed-identity)
  AZURE_AUTHORITY_HOST               another cloud, or the emulator
  WEBHOOK_AUTH_ID                    16 to 256 random characters that the API sends
                                     with notifications. Without it, each start
                                     creates new ones and restarts the subscriptions

Ctrl-C or SIGTERM stops the program after it has written what it collected; a second
one stops it at once. The exit code is 0 if the last round succeeded in every tenant,
and no content was lost (the API keeps content for 7 days).";
