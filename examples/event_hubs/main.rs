//! A producer that sends events to Azure Event Hubs by the protocol of Kafka, with rskafka and
//! SASL's mechanism OAUTHBEARER: the token of a managed identity, or of another credential of the
//! environment, in place of a connection string.
//!
//! ```sh
//! # One event:
//! cargo run -q -p entra-examples --bin event_hubs -- \
//!     contoso.servicebus.windows.net orders
//! # Ten events, a minute apart:
//! cargo run -q -p entra-examples --bin event_hubs -- \
//!     contoso.servicebus.windows.net orders 10 60
//! ```
//!
//! For each event it prints the offset. The identity needs the role `Azure Event Hubs Data Sender`.
//! Against the emulator, with a broker of yours on this machine:
//!
//! ```sh
//! export EVENT_HUBS_BROKER=localhost:9092
//! cargo run -q -p entra-cli -- emulator \
//!     --config examples/event_hubs/emulator.json -- \
//!     cargo run -q -p entra-examples --bin event_hubs -- \
//!     contoso.servicebus.windows.net orders
//! ```
//!
//! rskafka calls back for a token whenever it opens a connection: to the first broker, to the one
//! that has the partition, and again after a connection has failed. Event Hubs closes a connection
//! when its token expires.

#[path = "../common/mod.rs"]
mod common;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use entra::{Client, HyperTransport, Target};
use entra_proto::endpoint::{Origin, is_loopback_host};
use rskafka::BackoffConfig;
use rskafka::chrono::{DateTime, Utc};
use rskafka::client::partition::{Compression, UnknownTopicHandling};
use rskafka::client::{ClientBuilder, OauthBearerCredentials, SaslConfig};
use rskafka::record::Record;

use crate::common::{Arguments, Failure, optional, report, say};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    report(run().await)
}

async fn run() -> Result<(), Failure> {
    let mut arguments = Arguments::new("event_hubs NAMESPACE EVENT_HUB [EVENTS [SECONDS BETWEEN THEM]]");
    let (namespace, hub) = (arguments.text()?, arguments.text()?);
    let events = arguments.number(1)?;
    let pause = Duration::from_secs(arguments.number(1)?);
    arguments.end()?;

    // Tokens for the Kafka endpoint are for one namespace.
    let namespace: Origin = format!("https://{namespace}").parse()?;
    let target = Target::scopes(&format!("{}/.default", namespace.as_str()))?;
    let client = Client::from_env()?;
    // A wrong setting ends the program here. rskafka would repeat the attempt.
    client.token(&target).await?;

    let builder = match optional("EVENT_HUBS_BROKER")? {
        Some(broker) => local(broker)?,
        None => secure(&namespace)?,
    };
    let kafka = builder
        .sasl_config(SaslConfig::Oauthbearer(credentials(client, target)))
        .backoff_config(BackoffConfig {
            max_backoff: Duration::from_secs(10),
            deadline: Some(Duration::from_secs(30)),
            ..BackoffConfig::default()
        })
        .build()
        .await
        .map_err(failed)?;
    let partition = kafka
        .partition_client(hub, 0, UnknownTopicHandling::Error)
        .await
        .map_err(failed)?;
    for event in 1..=events {
        let record = Record {
            key: None,
            value: Some(format!("event {event}").into_bytes()),
            headers: [].into(),
            timestamp: now()?,
        };
        let offsets = partition.produce(vec![record], Compression::NoCompression).await;
        for offset in offsets.map_err(failed)? {
            say!("offset {offset}");
        }
        if event < events {
            tokio::time::sleep(pause).await;
        }
    }
    Ok(())
}

/// Returns the callback of rskafka. The client caches the token, and renews it in time.
fn credentials(client: Client, target: Target) -> OauthBearerCredentials {
    let callback = move || {
        let (client, target) = (client.clone(), target.clone());
        let token = async move { Ok(client.token(&target).await?.expose().to_owned()) };
        Box::pin(token) as _
    };
    OauthBearerCredentials {
        callback: Arc::new(callback),
        authz_id: None,
        bearer_kvs: Vec::new(),
    }
}

/// Connects to the namespace over TLS, with the roots and the cryptography of the token requests.
fn secure(namespace: &Origin) -> Result<ClientBuilder, Failure> {
    let settings = HyperTransport::builder().settings()?;
    let tls = settings.trust.client_config(&settings.policy)?;
    let host = namespace.as_str().trim_start_matches("https://");
    Ok(ClientBuilder::new(vec![format!("{host}:9093")]).tls_config(Arc::new(tls)))
}

/// Connects to a broker on this machine, without TLS.
fn local(broker: String) -> Result<ClientBuilder, Failure> {
    let host = broker.rsplit_once(':').map(|(host, _)| host);
    if !host.is_some_and(is_loopback_host) {
        return Err(Failure::new("EVENT_HUBS_BROKER is not HOST:PORT on this machine")
            .hint("unset it to connect to the namespace over TLS"));
    }
    Ok(ClientBuilder::new(vec![broker]))
}

/// Returns the time as rskafka needs it.
fn now() -> Result<DateTime<Utc>, Failure> {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let milliseconds = i64::try_from(since_epoch.as_millis()).ok();
    let time = milliseconds.and_then(DateTime::from_timestamp_millis);
    time.ok_or_else(|| Failure::new("this machine's clock is wrong"))
}

fn failed(error: rskafka::client::error::Error) -> Failure {
    Failure::of(&error)
}
