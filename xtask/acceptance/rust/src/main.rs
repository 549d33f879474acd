//! Runs clients for Rust against the emulator, and prints the same lines as `python/drive.py`.
//!
//! Usage: `acceptance SETTINGS CLIENT..`; the emulator's address stands in `AZURE_AUTHORITY_HOST`.

mod azure;
mod migrating;
mod oauth;
mod person;
mod settings;
mod wire;

use std::env;
use std::error::Error;
use std::future::Future;
use std::pin::Pin;

use serde_json::json;

use crate::settings::Settings;
use crate::wire::Wire;

/// A token, or what the user of the client gets instead.
type Ended = Result<String, Box<dyn Error>>;

/// A case that has not started yet.
type Case<'a> = Pin<Box<dyn Future<Output = Ended> + 'a>>;

/// The cases of a client by their names.
type Cases<'a> = Vec<(&'static str, Case<'a>)>;

fn main() -> Result<(), Box<dyn Error>> {
    let mut words = env::args().skip(1);
    let settings = Settings::load(&words.next().ok_or("usage: acceptance SETTINGS CLIENT..")?)?;
    let names: Vec<String> = words.collect();
    let wire = Wire::new(&settings)?;
    // One thread: a case sets a variable of the environment.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    for (client, package, cases) in [
        ("rs-id", "azure_identity", azure::cases(&settings, &wire)),
        ("oauth2", "oauth2", oauth::cases(&settings, &wire)),
    ] {
        if !names.iter().any(|name| name == client) {
            continue;
        }
        println!("{}", json!({ "client": client, "version": version(package) }));
        for (case, run) in cases {
            let ended = runtime.block_on(run);
            let mut line = json!({ "client": client, "case": case, "assertions": wire.take_assertions() });
            match ended {
                Ok(token) => line["token"] = token.into(),
                Err(error) => {
                    line["refused"] = error.to_string().into();
                    line["behind"] = causes(&*error).into();
                }
            }
            println!("{line}");
        }
    }
    Ok(())
}

/// A package with the version that the lock file has.
fn version(package: &str) -> String {
    let (_, rest) = include_str!("../Cargo.lock")
        .split_once(&format!("name = \"{package}\"\nversion = \""))
        .unwrap_or_default();
    format!("{package} {}", rest.split('"').next().unwrap_or_default())
}

/// Returns the causes of an error.
fn causes(error: &dyn Error) -> String {
    let mut texts = Vec::new();
    let mut cause = error.source();
    while let Some(error) = cause {
        texts.push(error.to_string());
        cause = error.source();
    }
    texts.join("; ")
}
