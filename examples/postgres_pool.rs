//! A pool of connections to Azure Database for PostgreSQL with sqlx and without a password: the
//! token of a managed identity, or of another credential of the environment, takes its place.
//!
//! ```sh
//! export PGHOST=contoso.postgres.database.azure.com PGUSER=inventory
//! # One round of two queries at a time:
//! cargo run -q -p entra-examples --bin postgres_pool
//! # Ten rounds, a minute apart:
//! cargo run -q -p entra-examples --bin postgres_pool -- 10 60
//! ```
//!
//! For each query it prints the user that the database sees. Against the emulator, with a server of
//! yours on this machine that accepts the emulator's tokens:
//!
//! ```sh
//! export PGHOST=localhost PGUSER=inventory
//! cargo run -q -p entra-cli -- emulator \
//!     --config examples/postgres/emulator.json -- \
//!     cargo run -q -p entra-examples --bin postgres_pool
//! ```
//!
//! sqlx's pool has no hook that is called before a connection is opened. It takes the password from
//! its options, which `set_connect_options` replaces for all later connections. So each `acquire`
//! first stores the current token there, which costs nothing while the token is the same.

mod common;
#[path = "postgres/settings.rs"]
mod settings;

use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use entra::{Client, Token, TokenSource};
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions, PgSslMode, Postgres};
use sqlx::{Executor, Row};
use tokio::task::JoinSet;

use crate::common::{Arguments, Failure, report, say, warn};
use crate::settings::{REJECTED, Settings, is_rejection, postgres};

#[tokio::main]
async fn main() -> ExitCode {
    report(run().await)
}

async fn run() -> Result<(), Failure> {
    let mut arguments = Arguments::new("postgres_pool [ROUNDS [SECONDS BETWEEN THEM]]");
    let rounds = arguments.number(1)?;
    let pause = Duration::from_secs(arguments.number(1)?);
    arguments.end()?;

    let database = Arc::new(Database::new(&Client::from_env()?, &Settings::read()?)?);
    for round in 1..=rounds {
        let mut queries = JoinSet::new();
        for _ in 0..QUERIES {
            let database = Arc::clone(&database);
            queries.spawn(async move { database.user().await });
        }
        for user in queries.join_all().await {
            say!("connected as {}", user?);
        }
        if round < rounds {
            tokio::time::sleep(pause).await;
        }
    }
    Ok(())
}

/// A database: a pool, and the source of the tokens for its connections.
struct Database {
    pool: PgPool,
    source: TokenSource,
    /// The generation of the token that the pool's options hold.
    generation: Mutex<u64>,
}

impl Database {
    /// Creates the pool, which opens connections when they are needed. It has no minimum number of
    /// connections (`min_connections`): sqlx would open those by itself, between two calls of
    /// [`acquire`](Self::acquire), when the token in the options may be old.
    fn new(client: &Client, settings: &Settings) -> Result<Self, Failure> {
        // Without the password that a file may hold for this server.
        let options = PgConnectOptions::new_without_pgpass()
            .host(&settings.host)
            .port(settings.port)
            .username(&settings.user)
            .database(&settings.database)
            .ssl_mode(if settings.is_local() {
                PgSslMode::Disable
            } else {
                PgSslMode::VerifyFull
            });
        Ok(Self {
            pool: PgPoolOptions::new()
                .max_connections(QUERIES)
                .acquire_timeout(Duration::from_secs(30))
                .connect_lazy_with(options),
            source: client.source(&postgres()?)?,
            generation: Mutex::new(0),
        })
    }

    /// Returns the user of a connection.
    async fn user(&self) -> Result<String, Failure> {
        let mut connection = self.acquire().await?;
        let row = connection.fetch_one("SELECT current_user").await;
        row.and_then(|row| row.try_get(0)).map_err(failed)
    }

    /// Returns a connection of the pool, or a new one with the token as its password.
    async fn acquire(&self) -> Result<PoolConnection<Postgres>, Failure> {
        let mut source = self.source.clone();
        let token = match source.token().await {
            Ok(token) => token,
            // An open connection outlives its token, and an outage of the token service.
            Err(error) => return self.pool.try_acquire().ok_or_else(|| error.into()),
        };
        self.set_password(&token, source.generation());
        match self.pool.acquire().await {
            // The token may have been revoked, or this machine's clock be wrong.
            Err(error) if is_rejected(&error) => {
                warn("the database rejects the token, the next attempt has a new one");
                let rejected = source.generation();
                source.reject(rejected);
                let token = source.newer_than(rejected).await?;
                self.set_password(&token, source.generation());
                self.pool.acquire().await
            }
            acquired => acquired,
        }
        .map_err(failed)
    }

    /// Lets all connections that are opened from now on have this token.
    fn set_password(&self, token: &Token, generation: u64) {
        let mut known = self.generation.lock().expect("no code panics while it holds the lock");
        // Another task may have stored a newer one in the meantime.
        if generation > *known {
            let options = self.pool.connect_options();
            self.pool
                .set_connect_options(options.as_ref().clone().password(token.expose()));
            *known = generation;
        }
    }
}

fn is_rejected(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    code.is_some_and(|code| is_rejection(&code))
}

fn failed(error: sqlx::Error) -> Failure {
    let failure = Failure::of(&error);
    match is_rejected(&error) {
        true => failure.hint(REJECTED),
        false => failure,
    }
}

/// The queries of a round, each on a connection of its own.
const QUERIES: u32 = 2;
