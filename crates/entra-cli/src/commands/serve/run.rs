//! The life of the server: start, reload, end.

use std::sync::Arc;

use entra_client::observer::Counters;
use entra_serve::{AccessKey, Endpoint, Limits, Listener, Server, SetupError};
#[cfg(unix)]
use entra_serve::{ServiceManager, Users};
use serde_json::{Map, Value, json};
use tokio::sync::watch;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::commands::serve::arguments::{Arguments, Output};
use crate::commands::serve::options::ServerOptions;
use crate::commands::serve::plan::Plan;
use crate::commands::serve::variables::{self, Variable, exports, unset, variables};
use crate::exit::{Exit, Failure};
use crate::files::{print_json, print_secret, tell};
use crate::foreground::{Event, Foreground};
use crate::message::warn;

/// What a server starts with.
pub(super) struct Start<'a> {
    pub(super) arguments: &'a Arguments,
    pub(super) plan: Plan,
    pub(super) key: &'a AccessKey,
    pub(super) counters: Arc<Counters>,
    /// Returns the arguments anew.
    pub(super) again: fn() -> Option<Arguments>,
}

/// What the service manager passes to this process.
pub(super) struct Inherited {
    listeners: Vec<Listener>,
    #[cfg(unix)]
    manager: ServiceManager,
}

impl Inherited {
    /// Takes the sockets of the service manager.
    ///
    /// # Errors
    /// Returns an error for a socket that cannot be used.
    pub(super) fn take() -> Result<Self, Failure> {
        #[cfg(unix)]
        return Ok(Self {
            manager: ServiceManager::from_env(),
            listeners: Listener::inherited().map_err(Failure::from)?,
        });
        #[cfg(not(unix))]
        Ok(Self { listeners: Vec::new() })
    }
}

/// Runs a server until a signal or the end of the command, which ends this process.
pub(super) async fn run(start: Start<'_>, inherited: Inherited) -> Result<(), Failure> {
    let Start {
        arguments, plan, key, ..
    } = start;
    let mut foreground = Foreground::watch()?;
    let listeners = listeners(&plan.options, inherited.listeners).await?;
    let place = listeners
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(" and ");
    let set = match listeners.iter().find_map(Listener::address) {
        Some(address) => variables(&plan.options, address, key),
        None => Vec::new(),
    };
    let endpoint = plan.settings(key)?.build();
    let (stop, stopped) = watch::channel(());
    let metrics = metrics(&plan.options, &endpoint, stopped.clone()).await?;
    if let Some(path) = &plan.options.env_file {
        variables::write(path, &set)?;
    }
    let server = Server::new(listeners, Limits::default()).with_metrics(endpoint.metrics());
    let server = tokio::spawn(server.run(endpoint.clone(), ended(stopped)));
    if let Some(metrics) = metrics {
        tokio::spawn(metrics);
    }
    if arguments.guest.is_empty() {
        print_variables(arguments.output, &set)?;
        tell(format_args!("ready: tokens at {place}"));
    } else {
        let unset = unset(&set, &plan.secret_variables, &plan.identities);
        foreground.start(&arguments.guest, &set, &unset)?;
    }
    #[cfg(unix)]
    let manager = Arc::new(inherited.manager);
    #[cfg(unix)]
    {
        manager.ready();
        let manager = Arc::clone(&manager);
        tokio::spawn(async move { manager.watch().await });
    }
    let mut reload = Reload {
        again: start.again,
        counters: start.counters,
        fixed: plan.options.fixed(),
        running: None,
        is_asked: false,
    };
    if arguments.prefetch {
        tokio::spawn(async move { report(plan.prefetch().await) });
    }
    let end = loop {
        tokio::select! {
            event = foreground.next() => match event {
                Event::Hangup => {
                    #[cfg(unix)]
                    manager.reloading();
                    reload.ask();
                }
                Event::End(end) => break end,
            },
            read = reload.done() => {
                let replaced = read.and_then(|plan| {
                    endpoint.replace(plan.settings(key)?);
                    Ok(())
                });
                match replaced {
                    Ok(()) => tell("the settings are read again"),
                    Err(failure) => failure.warn("the server continues with the earlier settings"),
                }
                #[cfg(unix)]
                manager.ready();
            }
        }
    };
    #[cfg(unix)]
    manager.stopping();
    drop(stop);
    foreground.finish(end, server).await
}

/// Waits until the sender is dropped.
async fn ended(mut stopped: watch::Receiver<()>) {
    while stopped.changed().await.is_ok() {}
}

/// Binds the addresses. The sockets of the service manager take the place of the default ones.
async fn listeners(options: &ServerOptions, mut listeners: Vec<Listener>) -> Result<Vec<Listener>, Failure> {
    match options.addresses() {
        Some(addresses) => {
            for address in addresses {
                // The options say whether other machines get tokens.
                listeners.push(Listener::bind_any(address).await.map_err(not_bound)?);
            }
        }
        None if listeners.is_empty() || options.names_address() => {
            listeners.extend(Listener::loopback(options.port()).await.map_err(not_bound)?);
        }
        None => {}
    }
    #[cfg(unix)]
    if let Some(path) = &options.socket {
        let others = &options.socket_users;
        let (mode, users) = match others.is_empty() {
            true => (0o600, Users::Own),
            false => (0o666, Users::OwnAnd(others.clone())),
        };
        let listener = Listener::unix(path, mode).await.map_err(Failure::from)?;
        listeners.push(listener.with_users(users));
    }
    Ok(listeners)
}

fn not_bound(error: SetupError) -> Failure {
    let own = "choose another port with --port or --listen; 0 chooses a free one";
    Failure::from(error).hint_instead(own)
}

/// Returns the server of the metrics, if there is one.
async fn metrics(
    options: &ServerOptions,
    endpoint: &Endpoint,
    stopped: watch::Receiver<()>,
) -> Result<Option<impl Future<Output = ()> + use<>>, Failure> {
    let Some(address) = options.metrics else {
        return Ok(None);
    };
    let listener = Listener::bind_any(address).await;
    let listener = listener.map_err(|error| Failure::from(error).hint_instead("choose another port with --metrics"))?;
    tell(format_args!("metrics at http://{listener}/metrics"));
    let server = Server::new(vec![listener], Limits::default());
    Ok(Some(server.run(endpoint.metrics(), ended(stopped))))
}

fn print_variables(output: Output, variables: &[Variable]) -> Result<(), Failure> {
    match output {
        // A Unix socket has no variables.
        Output::Env if variables.is_empty() => Ok(()),
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
    counters: Arc<Counters>,
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
        let (again, counters) = (self.again, Arc::clone(&self.counters));
        self.running = Some(spawn_blocking(move || {
            let arguments = again().ok_or_else(|| Failure::text(Exit::Usage, "the command line is no longer valid"))?;
            Plan::load(&arguments, &counters)
        }));
    }

    /// Waits for the new settings, or the reason why they are not valid.
    async fn done(&mut self) -> Result<Plan, Failure> {
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
            let plan = read.unwrap_or_else(|_| Err(Failure::text(Exit::Configuration, "reading them ended")))?;
            if plan.options.fixed() != self.fixed {
                warn(
                    "the addresses and the key of a running server do not change",
                    "restart it to change them",
                );
            }
            return Ok(plan);
        }
    }
}
