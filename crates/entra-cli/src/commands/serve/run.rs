//! The life of the server: start, reload, end.

use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};

use entra_serve::{AccessKey, Body, Caller, Endpoint, Limits, Listener, Serve, Server};
use http::{Request, Response};
use serde_json::{Map, Value, json};
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::commands::serve::options::ServerOptions;
use crate::commands::serve::plan::Plan;
use crate::commands::serve::variables::{self, Variable, exports, unset, variables};
use crate::commands::serve::{Arguments, Output};
use crate::exit::{Exit, Failure};
use crate::files::{print_json, print_secret, tell};
use crate::foreground::{Event, Foreground};
use crate::message::warn;

/// Runs a server until a signal or the end of the command, which ends this process.
pub(super) async fn run(
    arguments: &Arguments,
    plan: Plan,
    key: &AccessKey,
    again: fn() -> Option<Arguments>,
) -> Result<(), Failure> {
    let mut foreground = Foreground::watch()?;
    let listeners = listeners(&plan.options).await?;
    let addresses: Vec<SocketAddr> = listeners
        .iter()
        .filter_map(|listener| listener.address().ok())
        .collect();
    let Some(first) = addresses.first() else {
        return Err(Failure::text(
            Exit::Configuration,
            "the system does not name the address of the server",
        ));
    };
    let set = variables(&plan.options, *first, key);
    if let Some(path) = &plan.options.env_file {
        variables::write(path, &set)?;
    }
    let endpoint = Replaceable::new(plan.endpoint(key));
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = Server::new(listeners, Limits::default()).run(endpoint.clone(), async {
        let _ = stopped.await;
    });
    let server = tokio::spawn(serving);
    if arguments.guest.is_empty() {
        print_variables(arguments.output, &set)?;
        let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        tell(format_args!("ready: tokens at {}", addresses.join(" and ")));
    } else {
        let unset = unset(&set, &arguments.identity.secret_variables(), &plan.identities);
        foreground.start(&arguments.guest, &set, &unset)?;
    }
    let fixed = plan.options.fixed();
    if arguments.prefetch {
        tokio::spawn(async move { report(plan.prefetch().await) });
    }
    let mut reload = Reload {
        again,
        fixed,
        running: None,
        is_asked: false,
    };
    let end = loop {
        tokio::select! {
            event = foreground.next() => match event {
                Event::Hangup => reload.ask(),
                Event::End(end) => break end,
            },
            plan = reload.done() => endpoint.replace(plan.endpoint(key)),
        }
    };
    drop(stop);
    foreground.finish(end, server).await
}

/// Binds the addresses.
async fn listeners(options: &ServerOptions) -> Result<Vec<Listener>, Failure> {
    let Some(addresses) = options.addresses() else {
        let port = options.port();
        let bound = Listener::loopback(port).await;
        return bound.map_err(|error| not_bound(&format!("port {port} of 127.0.0.1"), &error));
    };
    let mut listeners = Vec::new();
    for address in addresses {
        let bound = Listener::bind(address).await;
        listeners.push(bound.map_err(|error| not_bound(&address.to_string(), &error))?);
    }
    Ok(listeners)
}

fn not_bound(address: &str, error: &std::io::Error) -> Failure {
    Failure::text(Exit::Configuration, format!("cannot listen on {address}: {error}"))
        .hint("choose another port with --port, or 0 for a free one")
}

fn print_variables(output: Output, variables: &[Variable]) -> Result<(), Failure> {
    match output {
        Output::Env => print_secret(&exports(variables)),
        Output::Json => {
            let pairs = variables
                .iter()
                .map(|(name, value)| ((*name).to_owned(), Value::from(value.as_str())));
            print_json(&json!({ "variables": pairs.collect::<Map<_, _>>() }))
        }
    }
}

/// Warns of the tokens that cannot be acquired.
fn report(failures: Vec<(String, entra_client::Error)>) {
    for (what, error) in failures {
        Failure::from(error).warn(&what);
    }
}

/// Settings that are read again.
struct Reload {
    again: fn() -> Option<Arguments>,
    /// The options that a running server cannot change.
    fixed: ServerOptions,
    running: Option<JoinHandle<Result<Plan, Failure>>>,
    /// True if a signal came meanwhile.
    is_asked: bool,
}

impl Reload {
    /// Starts to read the settings, or remembers to do so.
    fn ask(&mut self) {
        if self.running.is_some() {
            self.is_asked = true;
            return;
        }
        self.is_asked = false;
        let again = self.again;
        self.running = Some(spawn_blocking(move || {
            let arguments = again().ok_or_else(|| Failure::text(Exit::Usage, "the command line is no longer valid"))?;
            Plan::load(&arguments)
        }));
    }

    /// Waits for valid new settings.
    async fn done(&mut self) -> Plan {
        loop {
            let Some(running) = &mut self.running else {
                return std::future::pending().await;
            };
            let read = running.await;
            self.running = None;
            if self.is_asked {
                self.ask();
                continue;
            }
            match read {
                Ok(Ok(plan)) => {
                    if plan.options.fixed() != self.fixed {
                        warn(
                            "addresses, protocols and the key of a running server do not change",
                            "restart it to change them",
                        );
                    }
                    tell("the settings are read again");
                    return plan;
                }
                Ok(Err(failure)) => failure.warn("the server continues with the earlier settings"),
                Err(_) => warn("the settings were not read again", "send SIGHUP again"),
            }
        }
    }
}

/// The endpoint of the newest settings.
#[derive(Clone)]
struct Replaceable(Arc<RwLock<Endpoint>>);

impl Replaceable {
    fn new(endpoint: Endpoint) -> Self {
        Self(Arc::new(RwLock::new(endpoint)))
    }

    fn replace(&self, endpoint: Endpoint) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = endpoint;
    }
}

impl Serve for Replaceable {
    async fn serve(&self, request: Request<hyper::body::Incoming>, caller: &Caller) -> Response<Body> {
        let endpoint = self.0.read().unwrap_or_else(PoisonError::into_inner).clone();
        endpoint.serve(request, caller).await
    }
}
