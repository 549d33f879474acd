//! A client of Azure Database for PostgreSQL with tokio-postgres and without a password: the token
//! of a managed identity, or of another credential of the environment, takes its place.
//!
//! ```sh
//! export PGHOST=contoso.postgres.database.azure.com PGUSER=inventory
//! # One connection:
//! cargo run -q -p entra-examples --bin postgres_client
//! # Ten connections, a minute apart:
//! cargo run -q -p entra-examples --bin postgres_client -- 10 60
//! ```
//!
//! For each connection it prints the user that the database sees. Against the emulator, with a
//! server of yours on this machine that accepts the emulator's tokens:
//!
//! ```sh
//! export PGHOST=localhost PGUSER=inventory
//! cargo run -q -p entra-cli -- emulator \
//!     --config examples/postgres/emulator.json -- \
//!     cargo run -q -p entra-examples --bin postgres_client
//! ```
//!
//! The server checks the token when a connection is opened, and not later: a connection stays open
//! when its token expires. So the token is requested for each connection, and not at the start of
//! the program: a token lives for an hour, and a pool opens connections for months.

mod common;
#[path = "postgres/settings.rs"]
mod settings;
#[path = "postgres/tls.rs"]
mod tls;

use std::process::ExitCode;
use std::time::Duration;

use entra::{Client, Token};
use entra_proto::Target;
use tokio_postgres::config::SslMode;
use tokio_postgres::{Config, SimpleQueryMessage};

use crate::common::{Arguments, Failure, report, say, warn};
use crate::settings::{REJECTED, Settings, is_rejection, postgres};
use crate::tls::Tls;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    report(run().await)
}

async fn run() -> Result<(), Failure> {
    let mut arguments = Arguments::new("postgres_client [CONNECTIONS [SECONDS BETWEEN THEM]]");
    let connections = arguments.number(1)?;
    let pause = Duration::from_secs(arguments.number(1)?);
    arguments.end()?;

    let database = Database::new(Client::from_env()?, &Settings::read()?)?;
    for connection in 1..=connections {
        let client = database.connect().await?;
        let rows = client.simple_query("SELECT current_user").await.map_err(failed)?;
        let user = rows.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0),
            _ => None,
        });
        say!("connected as {}", user.unwrap_or("nothing"));
        if connection < connections {
            tokio::time::sleep(pause).await;
        }
    }
    Ok(())
}

/// A database, and the client that gets the tokens for it.
struct Database {
    client: Client,
    target: Target,
    /// The settings of a connection, without the password.
    config: Config,
    tls: Tls,
}

impl Database {
    fn new(client: Client, settings: &Settings) -> Result<Self, Failure> {
        let mut config = Config::new();
        config
            .host(&settings.host)
            .port(settings.port)
            .user(&settings.user)
            .dbname(&settings.database)
            .ssl_mode(if settings.is_local() {
                SslMode::Disable
            } else {
                SslMode::Require
            })
            .connect_timeout(Duration::from_secs(10));
        Ok(Self {
            client,
            target: postgres()?,
            config,
            tls: Tls::new()?,
        })
    }

    /// Opens a connection. A pool calls this for each connection: for deadpool, in an
    /// implementation of `deadpool_postgres::Connect`.
    async fn connect(&self) -> Result<tokio_postgres::Client, Failure> {
        let token = self.client.token(&self.target).await?;
        match self.connect_with(&token).await {
            // The token may have been revoked, or this machine's clock be wrong.
            Err(error) if is_rejected(&error) => {
                self.client.invalidate(&token);
                let token = self.client.token(&self.target).await?;
                self.connect_with(&token).await
            }
            connected => connected,
        }
        .map_err(failed)
    }

    async fn connect_with(&self, token: &Token) -> Result<tokio_postgres::Client, tokio_postgres::Error> {
        let mut config = self.config.clone();
        config.password(token.expose());
        let (client, connection) = config.connect(self.tls.clone()).await?;
        // It transports the queries of the client, and ends with it.
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                warn(&failed(error).problem);
            }
        });
        Ok(client)
    }
}

fn is_rejected(error: &tokio_postgres::Error) -> bool {
    error.code().is_some_and(|code| is_rejection(code.code()))
}

fn failed(error: tokio_postgres::Error) -> Failure {
    let failure = Failure::of(&error);
    match is_rejected(&error) {
        true => failure.hint(REJECTED),
        false => failure,
    }
}
