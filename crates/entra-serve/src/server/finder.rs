//! The search for the processes of TCP connections on this machine, which Linux tells in `/proc`.
//!
//! One task searches for all connections. It reads the tables of sockets and, once for all
//! connections that wait, the descriptors of the processes. It rests for some times as long as it
//! worked, so that a flood of connections costs a small part of one processor.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::connection::Stage;
use super::room::{Peer, Room};
use super::sockets::{self, Ends};
use crate::caller::{Process, Search};

/// The queue of the searches.
#[derive(Clone, Debug)]
pub(super) struct Finder(mpsc::Sender<Job>);

struct Job {
    number: u64,
    ends: Ends,
    search: Arc<Search>,
}

impl Finder {
    /// Starts the task. It ends with the server, and then gives up the searches that wait.
    pub(super) fn start(room: Arc<Room>, stages: watch::Receiver<Stage>) -> (Self, JoinHandle<()>) {
        let (sender, jobs) = mpsc::channel(MOST_JOBS);
        let task = tokio::spawn(async move {
            tokio::select! {
                () = run(jobs, room) => {}
                () = ended(stages) => {}
            }
        });
        (Self(sender), task)
    }

    /// Starts the search for the client of a connection.
    pub(super) fn search(&self, number: u64, client: SocketAddr, server: SocketAddr) -> Arc<Search> {
        let search = Arc::new(Search::default());
        let job = Job {
            number,
            ends: Ends { client, server },
            search: Arc::clone(&search),
        };
        if self.0.try_send(job).is_err() {
            search.end(None);
        }
        search
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        // Nothing waits for a search that was given up.
        self.search.end(None);
    }
}

async fn run(mut jobs: mpsc::Receiver<Job>, room: Arc<Room>) {
    let mut batch = Vec::new();
    while jobs.recv_many(&mut batch, MOST_JOBS).await > 0 {
        let start = Instant::now();
        let ends = batch.iter().map(|job| job.ends).collect();
        let found = tokio::task::spawn_blocking(move || sockets::find(ends)).await;
        for (job, process) in batch.drain(..).zip(found.unwrap_or_default()) {
            job.search.end(process);
            if let Some(peer) = process.and_then(peer) {
                room.identify(job.number, peer);
            }
        }
        tokio::time::sleep((start.elapsed() * REST).min(LONGEST_REST)).await;
    }
}

async fn ended(mut stages: watch::Receiver<Stage>) {
    let _ = stages.wait_for(|stage| *stage == Stage::Ended).await;
}

/// Returns the party of a process that has a share of its own.
fn peer(process: Process) -> Option<Peer> {
    (!crate::caller::is_own(process.uid)).then_some(Peer::User(process.uid))
}

const MOST_JOBS: usize = 1024;
const REST: u32 = 4;
const LONGEST_REST: Duration = Duration::from_millis(200);
