//! A protected web API with a to-do list: the API of the document "Quickstart: Call a web API in a
//! sample daemon app", external tenants.
//!
//! It stands in for the `ToDoListAPI` of both samples of the document and takes their
//! `appsettings.json`.
//!
//! Each route requires a scope from users, or a role from applications, as the settings say:
//!
//! - `GET /api/todolist` returns the list. It requires `Scopes:Read` or `AppPermissions:Read`.
//! - `GET /api/todolist/{id}` returns the to-do, or 404. It requires the same.
//! - `POST /api/todolist` returns 201 and the new to-do. It requires `Scopes:Write` or
//!   `AppPermissions:Write`.
//! - `PUT /api/todolist/{id}` returns the changed to-do, or 404. It requires the same.
//! - `DELETE /api/todolist/{id}` returns 200, or 404. It requires the same.
//!
//! An application sees the to-dos of all users and names the owner of a new one. A user sees only
//! their own, which are identified by tenant and object ID: no name or address of a user is a key.
//! To-dos are stored in SQLite and survive a restart.
//!
//! With the daemon of the document, against the emulator (the words after the last `--` are the
//! command that the API is served for; without them it serves until it is stopped):
//!
//! ```sh
//! cargo run -q -p entra-cli -- emulator \
//!     --config examples/todolist_api/emulator.json -- \
//!     cargo run -q -p entra-examples --bin todolist_api -- \
//!     --config examples/todolist_api/appsettings.json \
//!     --data target/todolist.sqlite -- \
//!     cargo run -q -p entra-examples --bin todolist_daemon -- --like dotnet
//! ```
//!
//! It prints the address of the list, and logs each rejected request with the reason.
//!
//! Against the service: provide the sample's `appsettings.json` in the current folder or with
//! `--config FILE`, with `Instance`, `TenantId` and `ClientId` of the API's registration filled in,
//! or set variables such as `AzureAd__ClientId`.
//!
//! With `--allow-origin`, pages of that origin may call it from a browser.
//!
//! Three things differ from the samples on purpose. Their permissions are JSON arrays, which the
//! version of their library reads as empty, so that it accepts every token of the tenant; here
//! arrays and texts are read alike, and an empty or missing set is an error at the start. Their
//! `Location` names a path that does not exist; here it is the path of the to-do. They lose all
//! to-dos when they stop.

mod arguments;
#[path = "../common/mod.rs"]
mod common;
mod configuration;
mod reach;
mod routes;
#[path = "../server/mod.rs"]
mod server;
mod store;

use std::net::TcpListener;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use entra_proto::endpoint::Origin;
use entra_tower::{RequirePermissions, RequireToken};
use entra_transport_hyper::HyperTransport;
use entra_validate::Validator;
use http::HeaderValue;
use tokio::process::Command;

use crate::arguments::Arguments;
use crate::common::config::appsettings::AppSettings;
use crate::common::{Failure, note};
use crate::configuration::Configuration;
use crate::routes::Guards;
use crate::server::listen::listen;
use crate::server::log;
use crate::server::serve::serve;
use crate::server::stop::stopped;
use crate::server::tls::Tls;
use crate::store::Store;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    log::start();
    match run(arguments).await {
        Ok(code) => code,
        Err(failure) => {
            failure.print();
            ExitCode::FAILURE
        }
    }
}

/// Serves until it is stopped, or until the command ends.
async fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let settings = AppSettings::read(arguments.config.as_deref())?;
    let configuration = Configuration::read(&settings)?;
    let store = Store::open(&arguments.data)?;
    if arguments.sample_data {
        store.add_samples(configuration.tenant)?;
    }
    let transport = HyperTransport::builder().for_cloud(configuration.api.cloud()).build()?;
    let scope = format!("api://{}", configuration.client_id);
    let guards = Guards {
        token: RequireToken::new(Validator::new(configuration.api, transport)),
        read: RequirePermissions::new(configuration.read),
        write: RequirePermissions::new(configuration.write),
        origins: arguments.allow_origin.iter().map(header).collect::<Result<_, _>>()?,
    };

    let place = arguments
        .listen
        .unwrap_or_else(|| format!("localhost:{}", configuration.port));
    let listeners = listen("--listen", &place)?;
    let tls = match (&arguments.tls_cert, &arguments.tls_key) {
        (Some(certificate), Some(key)) => Some(Arc::new(
            Tls::read(certificate, key, note).map_err(|error| Failure::new(error.to_string()))?,
        )),
        _ => None,
    };
    let endpoint = endpoint(&listeners, tls.is_some())?;
    serve(listeners, &routes::router(store, guards), tls)?;
    note(&format!("listening on {endpoint}"));

    let [program, words @ ..] = arguments.command.as_slice() else {
        stopped().await?;
        return Ok(ExitCode::SUCCESS);
    };
    let mut command = Command::new(program);
    command
        .args(words)
        .env("API_ENDPOINT", &endpoint)
        .env("SCOPES", &scope)
        .kill_on_drop(true);
    let mut child = command.spawn().map_err(|error| {
        Failure::new(format!("{} cannot be run: {error}", program.display())).hint("name a program that is in PATH")
    })?;
    tokio::select! {
        status = child.wait() => {
            let code = status?.code().and_then(|code| u8::try_from(code).ok());
            Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
        }
        stopped = stopped() => Ok(stopped.map(|()| ExitCode::FAILURE)?),
    }
}

/// Returns an origin as browsers write it.
fn header(origin: &Origin) -> Result<HeaderValue, Failure> {
    HeaderValue::from_str(origin.as_str()).map_err(|_| Failure::new("--allow-origin is not an origin"))
}

/// Returns the address of the list. Tokens are sent over plain http on this machine only.
fn endpoint(listeners: &[TcpListener], is_tls: bool) -> Result<String, Failure> {
    let mut first = None;
    for listener in listeners {
        let address = listener.local_addr()?;
        if !is_tls && !address.ip().is_loopback() {
            return Err(
                Failure::new("plain http to other machines would show the tokens of callers")
                    .hint("pass --tls-cert and --tls-key, or listen on localhost behind a proxy with TLS"),
            );
        }
        first = first.or(Some(address));
    }
    let address = first.ok_or_else(|| Failure::new("--listen has no address on this machine"))?;
    Ok(match is_tls {
        // The host name that the certificate is likely to contain.
        true if address.ip().is_loopback() => format!("https://localhost:{}{}", address.port(), routes::PATH),
        true => format!("https://{address}{}", routes::PATH),
        false => format!("http://{address}{}", routes::PATH),
    })
}
