//! Rounds: all tenants, with a bounded number in progress.
//!
//! A round runs a turn ([`session`]) for every tenant. A tenant that must wait for long makes room
//! for another, and continues later in the same round: what it has collected is durable, so no work
//! is repeated. Notifications of a webhook are turns as well.

mod api;
mod calls;
mod clock;
mod fetches;
mod listing;
mod notification;
mod pace;
mod recent;
mod session;
mod shared;
mod windows;
mod writer;

use std::collections::{HashSet, VecDeque};
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use entra_proto::{Tenant, Timestamp};
use entra_transport::cloud_from_env;
use tokio::sync::{Notify, Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::Instant;

use self::clock::Clock;
pub(crate) use self::notification::{Notification, Notified};
use self::pace::Pace;
use self::session::{Outcome, Work};
pub(crate) use self::shared::{Settings, Shared};
use crate::arguments::Arguments;
use crate::common;
use crate::console::note;
use crate::event::{Event, Observers, Report, Shutdown};
use crate::feed::Api;
use crate::sink::{Bounds, Sink, SinkError, jsonl::JsonLines, sqlite::Sqlite};
use crate::tenants::{Listed, Tenants};
use crate::tokens;
use crate::webhook;

/// The collector.
pub(crate) struct Collector {
    shared: Arc<Shared>,
    tenants: Arc<Tenants>,
    most_tenants: usize,
    notifications: Mutex<Option<mpsc::Receiver<Notification>>>,
    notifier: mpsc::Sender<Notification>,
    /// Starts a round before its time.
    wake: Arc<Notify>,
}

/// A tenant's turn in the queue.
struct Turn {
    tenant: Tenant,
    work: Work,
    report: Report,
    /// It outlives a turn that is interrupted, so that pauses continue to double.
    pace: Arc<Pace>,
    not_before: Instant,
    waited: Duration,
}

impl Collector {
    /// Builds the collector from the command line and the environment.
    ///
    /// # Errors
    /// Returns an error if an argument or a variable is missing or invalid, or if the sink cannot
    /// be opened.
    pub(crate) fn new(arguments: &Arguments, observers: Observers, shutdown: Shutdown) -> Result<Self, Box<dyn Error>> {
        let cloud = cloud_from_env()?;
        let client_id = common::setting("AZURE_CLIENT_ID")?.parse()?;
        let tenants = Tenants::new(arguments, client_id)?;
        let (origin, audience) = api::find(&cloud, arguments.api.as_ref())?;
        let home = match &tenants {
            Tenants::Fixed(tenants) => tenants.first().cloned(),
            Tenants::Store { .. } => common::optional("AZURE_TENANT_ID")?.map(|id| id.parse()).transpose()?,
        };
        let home = home.unwrap_or(Tenant::Organizations);
        let client = tokens::client(arguments, &cloud, client_id, home, observers.clone())?;
        let (notifier, notifications) = mpsc::channel(MOST_NOTIFICATIONS);
        let per_tenant = usize::from(arguments.per_tenant);
        let concurrency = usize::from(arguments.concurrency);
        Ok(Self {
            shared: Arc::new(Shared {
                api: Api::new(origin, &audience, arguments.publisher)?,
                client,
                // The connect page alone has no sink, and must not lock one that another collector
                // uses.
                sink: (!arguments.no_collect).then(|| sink(arguments)).transpose()?,
                observers,
                shutdown,
                requests: Semaphore::new(concurrency),
                settings: Settings {
                    content_types: arguments.content_types.clone(),
                    since: arguments.since,
                    bounds: Bounds {
                        overlap: arguments.overlap,
                        ids: arguments.remember as usize,
                    },
                    per_tenant,
                    back_off: arguments.back_off,
                    patience: arguments.patience,
                    webhook: webhook::subscription(arguments)?,
                },
                clock: Clock::default(),
                ids: Mutex::default(),
            }),
            tenants: Arc::new(tenants),
            // More tenants than can use all requests: a tenant that lists or writes leaves its
            // requests to others. The state of each tenant takes memory, so the number is bounded.
            most_tenants: concurrency.div_ceil(per_tenant) + 2,
            notifications: Mutex::new(Some(notifications)),
            notifier,
            wake: Arc::default(),
        })
    }

    /// Returns the state that all tenants share.
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Returns the signal that starts the next round at once, or as soon as the current one is
    /// over.
    pub(crate) fn wake(&self) -> Arc<Notify> {
        Arc::clone(&self.wake)
    }

    /// Returns the channel for notifications: the contents that they name are collected as soon as
    /// there is room. If the channel is full, reject the notification: the API sends it again.
    pub(crate) fn notifier(&self) -> mpsc::Sender<Notification> {
        self.notifier.clone()
    }

    /// Collects once from every tenant. Returns true if everything succeeded.
    ///
    /// # Errors
    /// Returns an error if the tenants cannot be listed.
    pub(crate) async fn round(&self) -> Result<bool, Box<dyn Error>> {
        self.turns(None).await
    }

    /// Collects in rounds until the program is stopped. Returns true if the last complete round
    /// succeeded.
    ///
    /// # Errors
    /// Returns an error if the tenants cannot be listed at the start.
    pub(crate) async fn run(&self, interval: Duration) -> Result<bool, Box<dyn Error>> {
        self.turns(Some(interval)).await
    }

    async fn turns(&self, interval: Option<Duration>) -> Result<bool, Box<dyn Error>> {
        let mut notifications = self.notifications.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut schedule = Schedule::new(Arc::clone(&self.shared), self.most_tenants);
        let mut round = Round::start(&mut schedule, self.list().await?);
        let mut succeeded = true;
        let mut next_round = None;
        loop {
            schedule.start_turns();
            if self.shared.shutdown.is_wanted() && schedule.running.is_empty() {
                let has_failed = round
                    .as_ref()
                    .is_some_and(|round| round.failed > 0 || interval.is_none());
                return Ok(succeeded && !has_failed);
            }
            if let Some(ended) = round.take_if(|round| round.left == 0) {
                succeeded = ended.failed == 0;
                next_round = interval.map(|interval| ended.started + interval);
                let wait = next_round.map(|next| next.saturating_duration_since(Instant::now()));
                self.shared.observers.notify(&Event::RoundFinished {
                    succeeded: ended.succeeded,
                    failed: ended.failed,
                    took: ended.started.elapsed(),
                    next: wait.map(|wait| Timestamp::from(SystemTime::now()).plus(wait)),
                });
                if interval.is_none() {
                    return Ok(succeeded);
                }
            }
            let wake = schedule.wake();
            tokio::select! {
                Some((turn, outcome)) = schedule.ended() => {
                    if let Some(report) = schedule.settle(turn, outcome)
                        && let Some(round) = &mut round
                    {
                        round.left -= 1;
                        if report { round.succeeded += 1 } else { round.failed += 1 }
                    }
                }
                () = sleep_until(next_round), if round.is_none() => {
                    match self.list().await {
                        Ok(listed) => round = Round::start(&mut schedule, listed),
                        Err(error) => {
                            note(&format!("the tenants cannot be listed: {:#}; retrying in the next round", crate::failure::Report::of(&*error)));
                            succeeded = false;
                            next_round = interval.map(|interval| Instant::now() + interval);
                        }
                    }
                }
                // The tenant store is read again for each round, so a tenant that has just
                // connected is included.
                () = self.wake.notified(), if round.is_none() => next_round = Some(Instant::now()),
                // The number of notifications is bounded, both in the channel and in the schedule.
                Some(notification) = receive(&mut notifications), if schedule.has_room() => {
                    schedule.notified(notification);
                }
                () = sleep_until(wake), if wake.is_some() => {}
                () = self.shared.shutdown.wanted(), if !self.shared.shutdown.is_wanted() => schedule.queue.clear(),
            }
        }
    }

    async fn list(&self) -> Result<Listed, Box<dyn Error>> {
        let tenants = Arc::clone(&self.tenants);
        let tenants = tokio::task::spawn_blocking(move || tenants.list()).await?;
        tenants.map_err(|error| error as Box<dyn Error>)
    }
}

/// A round in progress.
struct Round {
    started: Instant,
    left: usize,
    succeeded: usize,
    failed: usize,
}

impl Round {
    fn start(schedule: &mut Schedule, Listed { tenants, unreadable }: Listed) -> Option<Self> {
        let observers = &schedule.shared.observers;
        let all: Vec<Tenant> = tenants
            .iter()
            .chain(unreadable.iter().map(|failure| &failure.place.tenant))
            .cloned()
            .collect();
        observers.notify(&Event::RoundStarted { tenants: &all });
        let round = Self {
            started: Instant::now(),
            left: tenants.len(),
            succeeded: 0,
            failed: unreadable.len(),
        };
        for failure in unreadable {
            let tenant = failure.place.tenant.clone();
            observers.notify(&Event::Failed {
                tenant: &tenant,
                failure: &failure,
            });
            let mut report = Report::default();
            report.fail(failure);
            observers.notify(&Event::TenantFinished {
                tenant: &tenant,
                report: &report,
                is_round: true,
                is_stopped: false,
            });
        }
        for tenant in tenants {
            if let Tenant::Id(id) = tenant {
                schedule.shared.know(id, &tenant);
            }
            schedule.push(tenant, Work::Poll);
        }
        Some(round)
    }
}

/// Turns that wait, and turns that run.
struct Schedule {
    shared: Arc<Shared>,
    most: usize,
    queue: VecDeque<Turn>,
    running: JoinSet<(Turn, Outcome)>,
    /// Tenants with a running turn: each has at most one.
    busy: HashSet<Tenant>,
}

impl Schedule {
    fn new(shared: Arc<Shared>, most: usize) -> Self {
        Self {
            shared,
            most,
            queue: VecDeque::new(),
            running: JoinSet::new(),
            busy: HashSet::new(),
        }
    }

    fn push(&mut self, tenant: Tenant, work: Work) {
        self.queue.push_back(Turn {
            tenant,
            work,
            report: Report::default(),
            pace: Arc::new(Pace::new(self.shared.settings.back_off)),
            not_before: Instant::now(),
            waited: Duration::ZERO,
        });
    }

    /// Adds a notification to the tenant's next turn for notifications.
    fn notified(&mut self, notification: Notification) {
        let Some(tenant) = self.shared.tenant(notification.tenant) else {
            return;
        };
        for turn in self.queue.iter_mut().filter(|turn| turn.tenant == tenant) {
            if let Work::Notified(waiting) = &mut turn.work
                && waiting.len() + notification.contents.len() <= MOST_NOTIFIED
            {
                *waiting = waiting.iter().cloned().chain(notification.contents).collect();
                return;
            }
        }
        self.push(tenant, Work::Notified(notification.contents.into()));
    }

    /// Returns true if there is room for another notification.
    fn has_room(&self) -> bool {
        let waiting = self.queue.iter().filter(|turn| matches!(turn.work, Work::Notified(_)));
        waiting.count() < MOST_NOTIFICATIONS
    }

    /// Starts as many turns as there is room for.
    fn start_turns(&mut self) {
        if self.shared.shutdown.is_wanted() {
            self.queue.clear();
        }
        while self.running.len() < self.most {
            let now = Instant::now();
            let is_ready = |turn: &Turn| turn.not_before <= now && !self.busy.contains(&turn.tenant);
            let Some(turn) = self
                .queue
                .iter()
                .position(is_ready)
                .and_then(|at| self.queue.remove(at))
            else {
                return;
            };
            self.busy.insert(turn.tenant.clone());
            self.running.spawn(session::run(Arc::clone(&self.shared), turn));
        }
    }

    /// Returns the time at which the next paused turn may continue.
    fn wake(&self) -> Option<Instant> {
        if self.running.len() >= self.most {
            return None;
        }
        let waiting = self.queue.iter().filter(|turn| !self.busy.contains(&turn.tenant));
        waiting.map(|turn| turn.not_before).min()
    }

    async fn ended(&mut self) -> Option<(Turn, Outcome)> {
        match self.running.join_next().await? {
            Ok(ended) => Some(ended),
            // A defect of this program, which continuing would hide.
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }

    /// Handles a finished turn. For a poll that is complete, returns whether it succeeded.
    fn settle(&mut self, mut turn: Turn, outcome: Outcome) -> Option<bool> {
        self.busy.remove(&turn.tenant);
        let is_stopped = matches!(outcome, Outcome::Stopped);
        if let Outcome::Aside { wait, failure } = outcome {
            turn.waited += wait;
            if turn.waited <= self.shared.settings.patience && !self.shared.shutdown.is_wanted() {
                let tenant = &turn.tenant;
                self.shared
                    .observers
                    .notify(&Event::TenantSteppedAside { tenant, wait });
                turn.not_before = Instant::now() + wait;
                self.queue.push_back(turn);
                return None;
            }
            self.shared.observers.notify(&Event::Failed {
                tenant: &turn.tenant,
                failure: &failure,
            });
            turn.report.fail(failure);
        }
        let Turn {
            tenant, report, work, ..
        } = &turn;
        let is_round = matches!(work, Work::Poll);
        self.shared.observers.notify(&Event::TenantFinished {
            tenant,
            report,
            is_round,
            is_stopped,
        });
        (is_round && !is_stopped).then(|| report.is_success())
    }
}

async fn receive(notifications: &mut Option<mpsc::Receiver<Notification>>) -> Option<Notification> {
    match notifications {
        Some(notifications) => notifications.recv().await,
        None => std::future::pending().await,
    }
}

async fn sleep_until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

fn sink(arguments: &Arguments) -> Result<Arc<dyn Sink>, Box<dyn Error>> {
    // Includes the hint, which the caller would not print.
    let explained = |error: SinkError| format!("{error}; {}", error.hint());
    Ok(match &arguments.sqlite {
        Some(path) => Arc::new(Sqlite::at(path).map_err(explained)?),
        None => Arc::new(JsonLines::at(&arguments.output).map_err(explained)?),
    })
}

/// The most notifications that wait in the channel, and in the schedule.
const MOST_NOTIFICATIONS: usize = 256;
/// The most contents in one turn for notifications.
const MOST_NOTIFIED: usize = 1_000;
