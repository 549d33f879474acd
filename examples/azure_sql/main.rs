//! A client of Azure SQL with tiberius and without a password: the token of a managed identity, or
//! of another credential of the environment, takes its place.
//!
//! ```sh
//! export SQL_SERVER=contoso.database.windows.net SQL_DATABASE=inventory
//! # One connection:
//! cargo run -q -p entra-examples --bin azure_sql
//! # Ten connections, a minute apart:
//! cargo run -q -p entra-examples --bin azure_sql -- 10 60
//! ```
//!
//! For each connection it prints the login that the server sees. Against the emulator, with a
//! server of yours on this machine that accepts the emulator's tokens:
//!
//! ```sh
//! export SQL_SERVER=localhost
//! cargo run -q -p entra-cli -- emulator -- \
//!     cargo run -q -p entra-examples --bin azure_sql
//! ```
//!
//! The audience of Azure SQL ends with a slash. So the scope has two: `//.default`. With one, Entra
//! issues a token that the server rejects.

#[path = "../common/mod.rs"]
mod common;

use std::process::ExitCode;
use std::time::Duration;

use entra::{Client, Target, Token};
use entra_proto::endpoint::is_loopback_host;
use tiberius::{AuthMethod, Config, EncryptionLevel};
use tokio::net::TcpStream;
use tokio_util::compat::{Compat, TokioAsyncWriteCompatExt};

use crate::common::{Arguments, Failure, report, say, setting, setting_or};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    report(run().await)
}

async fn run() -> Result<(), Failure> {
    let mut arguments = Arguments::new("azure_sql [CONNECTIONS [SECONDS BETWEEN THEM]]");
    let connections = arguments.number(1)?;
    let pause = Duration::from_secs(arguments.number(1)?);
    arguments.end()?;

    let database = Database::new(Client::from_env()?)?;
    for connection in 1..=connections {
        let mut client = database.connect().await?;
        let rows = client.simple_query("SELECT SUSER_SNAME()").await.map_err(failed)?;
        let row = rows.into_row().await.map_err(failed)?;
        let login: Option<&str> = match &row {
            Some(row) => row.try_get(0).map_err(failed)?,
            None => None,
        };
        say!("connected as {}", login.unwrap_or("nothing"));
        client.close().await.map_err(failed)?;
        if connection < connections {
            tokio::time::sleep(pause).await;
        }
    }
    Ok(())
}

/// A connection to the server.
type Connection = tiberius::Client<Compat<TcpStream>>;

/// A database, and the client that gets the tokens for it.
struct Database {
    client: Client,
    target: Target,
    host: String,
    port: u16,
    database: String,
}

impl Database {
    /// Reads `SQL_SERVER`, `SQL_PORT` and `SQL_DATABASE`.
    fn new(client: Client) -> Result<Self, Failure> {
        let port = setting_or("SQL_PORT", "1433")?;
        Ok(Self {
            client,
            target: Target::scopes("https://database.windows.net//.default")?,
            host: setting("SQL_SERVER")?,
            port: port.parse().map_err(|_| Failure::new("SQL_PORT is not a port"))?,
            database: setting_or("SQL_DATABASE", "master")?,
        })
    }

    /// Opens a connection. The server checks the token now and not later, so a pool calls this for
    /// each connection.
    async fn connect(&self) -> Result<Connection, Failure> {
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

    /// Connects to the server, or from there to the one that holds the database.
    async fn connect_with(&self, token: &Token) -> tiberius::Result<Connection> {
        match self.connect_to(&self.host, self.port, token).await {
            // The certificate of the other server is verified in the same way.
            Err(tiberius::error::Error::Routing { host, port }) if !is_loopback_host(&self.host) => {
                self.connect_to(&host, port, token).await
            }
            connected => connected,
        }
    }

    async fn connect_to(&self, host: &str, port: u16, token: &Token) -> tiberius::Result<Connection> {
        let mut config = Config::new();
        config.host(host);
        config.port(port);
        config.database(&self.database);
        config.authentication(AuthMethod::aad_token(token.expose()));
        // A stub on this machine needs no TLS. To any other server the token is sent over TLS only,
        // and only to the server that the certificate names.
        config.encryption(match is_loopback_host(host) {
            true => EncryptionLevel::NotSupported,
            false => EncryptionLevel::Required,
        });
        let stream = TcpStream::connect((host, port)).await?;
        stream.set_nodelay(true)?;
        tiberius::Client::connect(config, stream.compat_write()).await
    }
}

/// Returns true if the server does not accept the token: its error 18456, `Login failed`.
fn is_rejected(error: &tiberius::error::Error) -> bool {
    matches!(error, tiberius::error::Error::Server(error) if error.code() == LOGIN_FAILED)
}

fn failed(error: tiberius::error::Error) -> Failure {
    let failure = Failure::of(&error);
    match is_rejected(&error) {
        true => failure.hint("create the identity in the database: CREATE USER [name] FROM EXTERNAL PROVIDER"),
        false => failure,
    }
}

const LOGIN_FAILED: u32 = 18456;
