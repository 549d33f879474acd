//! `postgres_client` and `postgres_pool`: each connection has a token that is valid when it is
//! opened.

mod server;

use std::fs;
use std::path::Path;
use std::process::Output;
use std::sync::Arc;
use std::time::Duration;

use entra_emulator::{Config, Emulator, EmulatorBuilder, ManagedIdentitySource};

use self::server::{Login, Server};
use crate::stories::support::{printed, run, text};

const CLIENT: &str = env!("CARGO_BIN_EXE_postgres_client");
const POOL: &str = env!("CARGO_BIN_EXE_postgres_pool");

fn emulator() -> Arc<Emulator> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("postgres/emulator.json");
    let config = Config::from_json(&fs::read_to_string(file).unwrap()).unwrap();
    Arc::new(EmulatorBuilder::from(config).start())
}

/// Runs a program with the settings of a server.
async fn connect(
    program: &'static str,
    arguments: &'static [&'static str],
    variables: &[(&str, &str)],
    server: &Server,
) -> Output {
    let mut all: Vec<(String, String)> = vec![
        ("PGHOST".to_owned(), "127.0.0.1".to_owned()),
        ("PGPORT".to_owned(), server.port.to_string()),
        ("PGUSER".to_owned(), "inventory".to_owned()),
        // It belongs to another way to authenticate.
        ("PGPASSWORD".to_owned(), "canary".to_owned()),
    ];
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
        run(program, arguments, &all)
    };
    tokio::task::spawn_blocking(run).await.unwrap()
}

/// Returns the number of the token of each attempt, and whether it was accepted.
fn tokens(logins: &[Login]) -> Vec<(usize, bool)> {
    let mut known: Vec<&str> = Vec::new();
    let attempts = logins.iter().map(|login| {
        assert_eq!(login.user, "inventory");
        let number = known.iter().position(|token| *token == login.password);
        let number = number.unwrap_or_else(|| {
            known.push(&login.password);
            known.len() - 1
        });
        (number + 1, login.is_accepted)
    });
    attempts.collect()
}

fn lines(output: &Output) -> usize {
    let shown = format!("{}{}", text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{shown}");
    assert!(!shown.contains("eyJ") && !shown.contains("canary"), "{shown}");
    text(&output.stdout)
        .lines()
        .filter(|line| *line == "connected as inventory")
        .count()
}

#[tokio::test(flavor = "multi_thread")]
async fn connection_after_a_renewal_has_the_new_token() {
    let emulator = emulator();
    // The token expires between the second connection and the third.
    let server = Server::start(&emulator, false, |emulator, query| {
        if query == 2 {
            emulator.clock().advance(Duration::from_secs(7200));
        }
    })
    .await;
    let output = connect(CLIENT, &["4", "0"], &printed(&emulator), &server).await;
    assert_eq!(lines(&output), 4);
    let expected = [(1, true), (1, true), (1, false), (2, true), (2, true)];
    assert_eq!(tokens(&server.logins()), expected);
    assert_eq!(emulator.token_requests().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn pool_opens_later_connections_with_the_new_token() {
    let emulator = emulator();
    // The server closes each connection, so that each query needs a new one.
    let server = Server::start(&emulator, true, |emulator, query| {
        if query == 4 {
            emulator.clock().advance(Duration::from_secs(7200));
        }
    })
    .await;
    let output = connect(POOL, &["4", "0"], &printed(&emulator), &server).await;
    assert_eq!(lines(&output), 8);
    let tokens = tokens(&server.logins());
    let accepted = |number| tokens.iter().filter(|attempt| **attempt == (number, true)).count();
    assert_eq!((accepted(1), accepted(2)), (4, 4), "{tokens:?}");
    // Both queries of the third round may have tried the old token, and no later query.
    let rejected = tokens.iter().filter(|(_, is_accepted)| !is_accepted).count();
    assert!((1..=2).contains(&rejected), "{tokens:?}");
    assert_eq!(emulator.token_requests().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn pool_keeps_its_connections_when_the_token_expires() {
    let emulator = emulator();
    let server = Server::start(&emulator, false, |emulator, query| {
        if query == 2 {
            emulator.clock().advance(Duration::from_secs(7200));
        }
    })
    .await;
    let output = connect(POOL, &["3", "0"], &printed(&emulator), &server).await;
    assert_eq!(lines(&output), 6);
    assert!(tokens(&server.logins()).iter().all(|attempt| *attempt == (1, true)));
    assert_eq!(emulator.token_requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn managed_identity_takes_the_place_of_a_password() {
    let emulator = emulator();
    let server = Server::start(&emulator, false, |_, _| {}).await;
    let identity = emulator.managed_identity_environment(ManagedIdentitySource::Imds);
    let mut variables = vec![("AZURE_AUTHORITY_HOST", emulator.base_url())];
    variables.extend(identity.iter().map(|(name, value)| (*name, value.as_str())));
    for program in [CLIENT, POOL] {
        let output = connect(program, &[], &variables, &server).await;
        assert!(lines(&output) > 0);
    }
    assert!(server.logins().iter().all(|login| login.is_accepted));
    assert_eq!(emulator.token_requests().len(), 0, "no application has authenticated");
}

#[tokio::test(flavor = "multi_thread")]
async fn identity_that_the_database_does_not_know_is_an_error() {
    for program in [CLIENT, POOL] {
        let emulator = emulator();
        let server = Server::start_closed(&emulator).await;
        let output = connect(program, &[], &printed(&emulator), &server).await;
        let shown = text(&output.stderr);
        assert!(!output.status.success());
        assert!(shown.contains("password authentication failed"), "{shown}");
        assert!(shown.contains("hint: PGUSER is the name of the identity"), "{shown}");
        assert!(!shown.contains("eyJ") && !shown.contains("canary"), "{shown}");
        let attempts = server.logins().len();
        assert!((2..=4).contains(&attempts), "{attempts} attempts");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn token_is_sent_over_tls_to_other_machines() {
    // A name of this machine that does not count as loopback, since it may resolve elsewhere.
    let emulator = emulator();
    let server = Server::start(&emulator, false, |_, _| {}).await;
    for program in [CLIENT, POOL] {
        let host = [("PGHOST", "127.1")];
        let variables: Vec<_> = printed(&emulator).into_iter().chain(host).collect();
        let output = connect(program, &[], &variables, &server).await;
        assert!(!output.status.success(), "{}", text(&output.stdout));
    }
    assert!(server.logins().is_empty());
}
