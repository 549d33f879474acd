//! A token for a daemon: the document "Daemon app that calls web APIs - acquire a token".
//!
//! The program gets a token twice: from the service, then from the cache (no silent call is needed
//! first: `Client::token` looks in the cache by itself). `--force-refresh` adds a call that
//! bypasses the cache. It prints the source, lifetime, audience and roles of the token, but not the
//! token.
//!
//! The parts of the document, and their options here:
//!
//! - "Scopes to request": `--scope RESOURCE/.default`, or `--resource RESOURCE` without the suffix
//! - "Azure AD (v1.0) resources", the double slash:
//!   `--scope https://database.windows.net//.default`, or `--sql-spn SPN`
//! - "AcquireTokenForClient API": the calls, and `--force-refresh`
//! - "Protocol", first and second case: `--show-request`, with a secret and with a certificate
//! - "Troubleshooting": `--troubleshoot scope`, `consent`, `permission` or `all`
//!
//! Against the emulator:
//!
//! ```sh
//! cargo run -q -p entra-cli -- emulator -- \
//!     cargo run -q -p entra-examples --bin acquire_token -- --troubleshoot all
//! ```
//!
//! Against the service: set `AZURE_TENANT_ID`, `AZURE_CLIENT_ID`, and `AZURE_CLIENT_SECRET` or
//! `AZURE_CLIENT_CERTIFICATE_PATH` (with `AZURE_CLIENT_CERTIFICATE_PASSWORD` if the file has a
//! password). If both are set, the certificate is used.
//!
//! A database driver requires the token itself:
//! `tiberius::AuthMethod::aad_token(client.token(&target)?.expose())`. A connection outlives its
//! token, so request a token whenever a pool opens another connection.

#[path = "../common/mod.rs"]
mod common;
mod raw;
mod sql;
mod troubleshoot;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::SystemTime;

use clap::Parser;
use entra_client::blocking::Client;
use entra_client::observer::{Counters, EventKind};
use entra_client::{Token, TokenOptions};
use entra_proto::claims::UnverifiedClaims;
use entra_proto::error::printable;
use entra_proto::{Application, Authority, EndpointVersion, KnownApi, Target, Timestamp};
use entra_transport::cloud_from_env;
use entra_transport_ureq::UreqTransport;

use crate::common::{Api, Failure, credential, report, say, setting, warn};
use crate::troubleshoot::Case;

/// Acquires a token for an application, shows its source, and reproduces the usual errors.
#[derive(Parser)]
#[command(name = "acquire_token", version, about, max_term_width = 100)]
struct Arguments {
    /// The scope: the API's identifier and /.default [default: Microsoft Graph's]
    #[arg(long, value_name = "SCOPE", group = "what")]
    scope: Option<String>,

    /// The API's identifier alone; a slash at its end is part of it
    #[arg(long, value_name = "RESOURCE", group = "what")]
    resource: Option<String>,

    /// The SPN that a server of Azure SQL names, with its slash or without
    #[arg(long, value_name = "SPN", group = "what")]
    sql_spn: Option<String>,

    /// Requests another token even if there is one in the cache
    #[arg(long)]
    force_refresh: bool,

    /// Prints the token: anyone who sees it can use it
    #[arg(long)]
    show_token: bool,

    /// Prints the request of the protocol, with the secret or the assertion replaced
    #[arg(long)]
    show_request: bool,

    /// Reproduces an error of the document's troubleshooting part, and prints what to do about it
    #[arg(long, value_name = "CASE")]
    troubleshoot: Option<Case>,
}

impl Arguments {
    /// Returns the target that the arguments name, if they name one.
    fn target(&self) -> Result<Option<Target>, Failure> {
        if let Some(scope) = &self.scope {
            return Ok(Some(Target::scopes(scope)?));
        }
        if let Some(resource) = &self.resource {
            return Ok(Some(Target::resource(resource)?));
        }
        self.sql_spn.as_deref().map(sql::target).transpose()
    }
}

/// The state that all parts of the program use.
struct Daemon {
    application: Application,
    transport: UreqTransport,
    client: Client,
    counters: Arc<Counters>,
    graph: Api,
}

fn main() -> ExitCode {
    report(run(&Arguments::parse()))
}

fn run(arguments: &Arguments) -> Result<(), Failure> {
    let named = arguments.target()?;
    let daemon = Daemon::new()?;
    if let Some(case) = arguments.troubleshoot {
        return daemon.troubleshoot(case, named);
    }
    let target = named.unwrap_or_else(|| daemon.graph.target.clone());
    if let Some(api) = KnownApi::lacking_slash(&target.audience()?) {
        warn(&format!(
            "{} rejects tokens for this audience: its own ends with a slash, {}",
            api.name, api.audience
        ));
    }
    if arguments.show_request {
        raw::show(&daemon.application, &target)?;
    }
    say!(
        "scope       {}",
        printable(&target.wire_parameter(EndpointVersion::V2)?.1)
    );

    let token = daemon.call("1st call", &target, &TokenOptions::default())?;
    describe(&token)?;
    let mut last = daemon.call("2nd call", &target, &TokenOptions::default())?;
    if arguments.force_refresh {
        last = daemon.call(
            "forced call",
            &target,
            &TokenOptions::default().with_force_refresh(true),
        )?;
    }
    if arguments.show_token {
        say!("{}", last.expose());
    }
    Ok(())
}

impl Daemon {
    fn new() -> Result<Self, Failure> {
        let cloud = cloud_from_env()?;
        let authority = Authority::new(cloud.clone(), setting("AZURE_TENANT_ID")?.parse()?)?;
        let credential = credential()?;
        let application = Application::new(authority, setting("AZURE_CLIENT_ID")?.parse()?, credential);
        let transport = UreqTransport::builder().for_cloud(&cloud).build()?;
        let counters = Arc::new(Counters::default());
        let client = Client::builder(application.clone(), transport.clone()).observer(Arc::clone(&counters));
        Ok(Self {
            application,
            transport,
            client: client.build()?,
            counters,
            graph: Api::graph(&cloud)?,
        })
    }

    /// Gets a token and prints its source.
    fn call(&self, name: &str, target: &Target, options: &TokenOptions) -> Result<Token, Failure> {
        let before = self.counters.of(EventKind::Acquired);
        let token = self.client.token_with(target, options)?;
        let origin = if self.counters.of(EventKind::Acquired) > before {
            "a token from the service"
        } else {
            "the token from the cache"
        };
        say!("{name:<11} {origin}");
        Ok(token)
    }
}

/// Prints the public properties of a token.
fn describe(token: &Token) -> Result<(), Failure> {
    // For display, not for decisions: the API validates its tokens itself.
    let claims = UnverifiedClaims::decode(token.expose())?;
    let now: Timestamp = SystemTime::now().into();
    let left = token.expires_at().since(now).as_secs();
    let expires = SystemTime::UNIX_EPOCH + token.expires_at().since(Timestamp::from_secs(0));
    let roles: Vec<String> = claims.roles().map(printable).collect();
    say!("token type  Bearer");
    say!(
        "expires     {}, in {left} s",
        humantime::format_rfc3339_seconds(expires)
    );
    say!("audience    {}", printable(claims.audience().unwrap_or("?")));
    if roles.is_empty() {
        say!("roles       none");
        // Azure SQL has its own users and roles, so its tokens have none.
        if !sql::is_audience(claims.audience().unwrap_or_default()) {
            warn(troubleshoot::NO_ROLES);
        }
    } else {
        say!("roles       {}", roles.join(", "));
    }
    Ok(())
}
