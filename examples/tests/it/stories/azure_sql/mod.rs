//! `azure_sql`: each connection has a token for the audience with the slash that is valid when the
//! connection is opened.

mod server;

use std::process::Output;
use std::sync::Arc;

use entra_emulator::{App, Emulator, ManagedIdentitySource};

use self::server::Server;
use crate::stories::support::{printed, run, text};

const PROGRAM: &str = env!("CARGO_BIN_EXE_azure_sql");

fn emulator() -> Arc<Emulator> {
    Arc::new(Emulator::builder().app(App::new("inventory")).start())
}

/// Opens this number of connections.
async fn connect(host: &str, connections: &'static str, variables: &[(&str, &str)], server: &Server) -> Output {
    let mut all = vec![
        ("SQL_SERVER".to_owned(), host.to_owned()),
        ("SQL_PORT".to_owned(), server.port.to_string()),
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
        run(PROGRAM, &[connections, "0"], &all)
    };
    tokio::task::spawn_blocking(run).await.unwrap()
}

fn lines(output: &Output) -> Vec<String> {
    let shown = format!("{}{}", text(&output.stdout), text(&output.stderr));
    assert!(output.status.success() && !shown.contains("eyJ"), "{shown}");
    text(&output.stdout).lines().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn login_after_a_renewal_has_the_new_token() {
    let emulator = emulator();
    let server = Server::start(&emulator, 2, false).await;
    let output = connect("127.0.0.1", "4", &printed(&emulator), &server).await;
    assert_eq!(lines(&output), ["connected as inventory"; 4]);
    let logins = server.logins();
    let accepted: Vec<bool> = logins.iter().map(|(_, is_accepted)| *is_accepted).collect();
    assert_eq!(accepted, [true, true, false, true, true]);
    let of = |login: usize| &logins[login].0;
    assert!(of(0) == of(1) && of(1) == of(2) && of(2) != of(3) && of(3) == of(4));
    assert_eq!(emulator.token_requests().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn managed_identity_logs_in() {
    let emulator = emulator();
    let server = Server::start(&emulator, 0, false).await;
    let identity = emulator.managed_identity_environment(ManagedIdentitySource::Imds);
    let mut variables = vec![("AZURE_AUTHORITY_HOST", emulator.base_url())];
    variables.extend(identity.iter().map(|(name, value)| (*name, value.as_str())));
    let output = connect("localhost", "2", &variables, &server).await;
    assert_eq!(lines(&output), ["connected as inventory"; 2]);
    assert_eq!(emulator.token_requests().len(), 0, "no application has authenticated");
}

#[tokio::test(flavor = "multi_thread")]
async fn login_without_a_user_in_the_database_is_an_error() {
    let emulator = emulator();
    let server = Server::start(&emulator, 0, true).await;
    let output = connect("127.0.0.1", "1", &printed(&emulator), &server).await;
    let shown = text(&output.stderr);
    assert!(!output.status.success() && shown.contains("Login failed"), "{shown}");
    assert!(
        shown.contains("hint: create the identity") && !shown.contains("eyJ"),
        "{shown}"
    );
    assert_eq!(server.logins().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn token_is_sent_over_tls_to_other_machines() {
    let emulator = emulator();
    let server = Server::start(&emulator, 0, false).await;
    // A name of this machine that does not count as loopback, since it may resolve elsewhere.
    let output = connect("127.1", "1", &printed(&emulator), &server).await;
    assert!(!output.status.success(), "{}", text(&output.stdout));
    assert!(server.logins().is_empty());
}
