//! `event_hubs`: each connection to a broker has a token of its own request to the client.

mod broker;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Output;
use std::sync::Arc;
use std::time::Duration;

use entra_emulator::{Config, Emulator, EmulatorBuilder, ManagedIdentitySource};

use self::broker::Broker;
use crate::stories::support::{printed, run, text};

const PROGRAM: &str = env!("CARGO_BIN_EXE_event_hubs");
const NAMESPACE: &str = "contoso.servicebus.windows.net";

fn builder() -> EmulatorBuilder {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("event_hubs/emulator.json");
    Config::from_json(&fs::read_to_string(file).unwrap()).unwrap().into()
}

/// Sends events to a broker.
async fn produce(broker: &str, events: &'static [&'static str], variables: &[(&str, &str)]) -> Output {
    let mut all = vec![("EVENT_HUBS_BROKER".to_owned(), broker.to_owned())];
    all.extend(
        variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
    );
    let run = move || {
        let all: Vec<_> = all
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        run(PROGRAM, &[&[NAMESPACE, "orders"], events].concat(), &all)
    };
    tokio::task::spawn_blocking(run).await.unwrap()
}

fn local(broker: &Broker) -> String {
    format!("127.0.0.1:{}", broker.port)
}

fn offsets(output: &Output) -> Vec<String> {
    let shown = format!("{}{}", text(&output.stdout), text(&output.stderr));
    assert!(output.status.success() && !shown.contains("eyJ"), "{shown}");
    text(&output.stdout).lines().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_sent_with_a_managed_identity() {
    let emulator = Arc::new(builder().start());
    let broker = Broker::start(&emulator, false).await;
    let identity = emulator.managed_identity_environment(ManagedIdentitySource::Imds);
    let mut variables = vec![("AZURE_AUTHORITY_HOST", emulator.base_url())];
    variables.extend(identity.iter().map(|(name, value)| (*name, value.as_str())));
    let output = produce(&local(&broker), &["3", "0"], &variables).await;
    assert_eq!(offsets(&output), ["offset 0", "offset 1", "offset 2"]);
    // One connection to the first broker, and one to the one that has the partition.
    let tokens = broker.tokens();
    assert!(tokens.len() >= 2 && tokens.iter().all(|token| *token == tokens[0]));
}

#[tokio::test(flavor = "multi_thread")]
async fn new_connection_asks_for_the_token_again() {
    // The broker closes each connection, and the first token has expired when the second event is
    // sent.
    let lifetime = Duration::from_secs(2);
    let emulator = Arc::new(builder().token_lifetime(lifetime).start());
    let broker = Broker::start(&emulator, true).await;
    let output = produce(&local(&broker), &["2", "2"], &printed(&emulator)).await;
    assert_eq!(offsets(&output), ["offset 0", "offset 1"]);
    let tokens = broker.tokens();
    let different: BTreeSet<&String> = tokens.iter().collect();
    assert!(
        tokens.len() >= 3 && different.len() >= 2,
        "{} of {}",
        different.len(),
        tokens.len()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn token_is_not_sent_in_plain_to_other_machines() {
    let emulator: Emulator = builder().start();
    for broker in ["contoso.servicebus.windows.net:9092", "127.1:9092", "localhost"] {
        let output = produce(broker, &[], &printed(&emulator)).await;
        let shown = text(&output.stderr);
        assert!(
            !output.status.success() && shown.contains("EVENT_HUBS_BROKER is not HOST:PORT"),
            "{shown}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_secret_ends_the_program_at_once() {
    let emulator = Arc::new(builder().start());
    let broker = Broker::start(&emulator, false).await;
    let mut variables = printed(&emulator).to_vec();
    variables.retain(|(name, _)| *name != "AZURE_CLIENT_SECRET");
    variables.push(("AZURE_CLIENT_SECRET", "wrong"));
    let output = produce(&local(&broker), &[], &variables).await;
    let shown = text(&output.stderr);
    assert!(!output.status.success() && shown.contains("AADSTS7000215"), "{shown}");
    // rskafka has not repeated its attempts until the deadline.
    assert!(!shown.contains("retries") && shown.contains("\nhint: "), "{shown}");
    assert!(broker.tokens().is_empty());
}
