//! The servers that run beside the collector: the connect page, the webhook and the metrics.

use std::error::Error;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use entra_proto::{Guid, Timestamp};
use entra_tenants::RedbTenantStore;
use entra_transport::cloud_from_env;
use tokio::sync::Notify;

use crate::arguments::Arguments;
use crate::board::{Board, Phase, ago, grouped};
use crate::collect::{Collector, Settings};
use crate::connect::{self, NotCollecting, Plan, Site, State};
use crate::console::{note, say};
use crate::log::short;
use crate::server::listen::listen;
use crate::server::serve::serve;
use crate::server::tls::Tls;
use crate::{metrics, tokens, webhook};

/// Starts the servers that the command line names.
///
/// # Errors
/// Returns an error if a server cannot listen on its address, or if an option is wrong.
pub(crate) fn start(arguments: &Arguments, collector: &Collector, board: &Arc<Board>) -> Result<(), Box<dyn Error>> {
    let shared = collector.shared();
    if let Some(place) = &arguments.metrics {
        let listeners = listen("--metrics", place)?;
        say(&format!("metrics: http://{}/metrics", address(&listeners)?));
        let is_local = is_local(&listeners)?;
        serve(listeners, &metrics::router(board, is_local), None)?;
    }
    if let (Some(place), Some(hook)) = (&arguments.webhook, &shared.settings.webhook) {
        let listeners = listen("--webhook", place)?;
        let tls = match (&arguments.webhook_cert, &arguments.webhook_key) {
            (Some(certificate), Some(key)) => Some(Arc::new(Tls::read(certificate, key, |line| {
                note(&format!("webhook: {line}"));
            })?)),
            _ => None,
        };
        if tls.is_none() && !is_local(&listeners)? {
            return Err(format!(
                "--webhook {place}: plain http to other machines would show the auth id: pass --webhook-cert and --webhook-key, or \
                 listen on localhost behind a proxy with TLS"
            )
            .into());
        }
        let router = webhook::router(hook, shared, collector.notifier(), board)?;
        say(&format!(
            "webhook: listening on {}, for {}",
            address(&listeners)?,
            hook.address
        ));
        serve(listeners, &router, tls)?;
    }
    if let (Some(place), Some(store)) = (&arguments.connect, &arguments.tenants) {
        let listeners = listen("--connect", place)?;
        let plan: Arc<dyn Plan> = if arguments.no_collect {
            Arc::new(NotCollecting)
        } else {
            Arc::new(Collecting {
                board: Arc::clone(board),
                wake: collector.wake(),
                interval: arguments.interval(),
                renew_after: arguments.renew_after,
                settings: shared.settings.clone(),
            })
        };
        let settings = connect::Settings {
            public_url: arguments.connect_url.clone(),
            client: shared.client.clone(),
            credential: tokens::redeemer(arguments, &cloud_from_env()?)?,
            target: shared.api.target().clone(),
            tenants: Arc::new(RedbTenantStore::at(store)),
            plan,
        };
        let port = listeners
            .first()
            .ok_or("--connect has no address on this machine")?
            .local_addr()?
            .port();
        let site = Site::new(settings, port)?;
        say(&format!("connect: open {}/", site.origin()));
        serve(listeners, &site.router(), None)?;
    }
    Ok(())
}

fn address(listeners: &[TcpListener]) -> Result<String, Box<dyn Error>> {
    let first = listeners.first().ok_or("the name has no address on this machine")?;
    Ok(first.local_addr()?.to_string())
}

fn is_local(listeners: &[TcpListener]) -> std::io::Result<bool> {
    for listener in listeners {
        if !listener.local_addr()?.ip().is_loopback() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The plan of a collector that runs beside the connect page.
struct Collecting {
    board: Arc<Board>,
    wake: Arc<Notify>,
    interval: Duration,
    renew_after: f64,
    settings: Settings,
}

impl Plan for Collecting {
    fn connected(&self, tenant: Guid) {
        note(&format!(
            "connect: tenant {tenant} is connected, and collecting from it starts"
        ));
        self.wake.notify_one();
    }

    fn state(&self, tenant: Guid) -> State {
        let figures = self.board.figures();
        let Some(row) = figures.tenants.get(&tenant.to_string()) else {
            return state("waiting", "Waiting for the next round.");
        };
        let records = format!("{} records since the collector started", grouped(row.records));
        let last = row.last_success;
        match row.phase {
            Phase::Waiting => state("waiting", "Waiting for its turn."),
            Phase::Collecting => state("collecting", &format!("Collecting: {records}.")),
            Phase::Paused => state("collecting", &format!("Paused because of throttling: {records}.")),
            Phase::Stopped => state("waiting", "The collector is stopping."),
            Phase::Done => state(
                "good",
                &format!("Collected {}: {records}.", last.map_or_else(String::new, ago)),
            ),
            Phase::Failed if row.is_consent_gone => State {
                kind: "failed",
                text: "The application's consent or a permission is missing.".to_owned(),
                advice: "Let an administrator of the tenant connect it again.".to_owned(),
            },
            Phase::Failed => State {
                kind: "failed",
                text: format!("The last round did not complete: {records}, {}.", since(last)),
                advice: "Nothing for now: the next round tries again. If it keeps failing, see the log.".to_owned(),
            },
        }
    }

    fn steps(&self) -> Vec<String> {
        let types = match self.settings.content_types.as_slice() {
            [] => "all Audit content types, and DLP.All if the tenant granted ActivityFeed.ReadDlp".to_owned(),
            types => types.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        };
        let mut steps = vec![
            format!(
                "It requests its own tokens in the tenant, and renews a one-hour token after {}.",
                short(Duration::from_secs(3600).mul_f64(self.renew_after))
            ),
            format!(
                "It starts missing subscriptions: {types}. The first content of a new subscription may take 12 hours."
            ),
            format!(
                "It collects new content every {}, and stores each record once.",
                short(self.interval)
            ),
        ];
        if self.settings.webhook.is_some() {
            steps.push("Between these rounds, the API notifies it of new content.".to_owned());
        }
        steps
    }
}

fn state(kind: &'static str, text: &str) -> State {
    State {
        kind,
        text: text.to_owned(),
        advice: String::new(),
    }
}

fn since(last: Option<Timestamp>) -> String {
    last.map_or_else(|| "never complete".to_owned(), |last| format!("complete {}", ago(last)))
}
