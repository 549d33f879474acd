//! The open connections, and the room for new ones.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::track::Track;

/// The party at the other end of a connection, for a fair share of the room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Peer {
    /// The user of the server, root, and a program of this machine whose user is not known.
    Own,
    /// Another user of this machine.
    User(u32),
    /// Another machine.
    Machine(IpAddr),
}

/// The open connections of a server.
#[derive(Debug)]
pub(super) struct Room {
    seats: Mutex<HashMap<u64, Seat>>,
    limits: Limits,
    metrics: Metrics,
    left: Notify,
}

#[derive(Debug)]
struct Seat {
    peer: Peer,
    track: Arc<Track>,
    /// True if the connection has been asked to end.
    is_leaving: bool,
}

impl Room {
    pub(super) fn new(limits: Limits, metrics: Metrics) -> Arc<Self> {
        Arc::new(Self {
            seats: Mutex::new(HashMap::new()),
            limits,
            metrics,
            left: Notify::new(),
        })
    }

    /// Gives a connection a place: a free one, or that of a connection that waits for its client.
    /// If no connection does, the new one waits.
    pub(super) async fn enter(self: &Arc<Self>, number: u64, peer: Peer) -> Option<Place> {
        loop {
            {
                let mut seats = self.lock();
                if !self.may_enter(&mut seats, peer) {
                    return None;
                }
                let is_full = seats.values().filter(|seat| !seat.is_leaving).count() >= self.limits.connections;
                if !is_full || self.close_one(&mut seats, None) {
                    let track = Arc::new(Track::new());
                    let seat = Seat {
                        peer,
                        track: Arc::clone(&track),
                        is_leaving: false,
                    };
                    seats.insert(number, seat);
                    self.metrics.opened();
                    return Some(Place {
                        room: Arc::clone(self),
                        number,
                        track,
                    });
                }
            }
            // A connection that begins to wait for its client does not say so.
            let _ = tokio::time::timeout(Duration::from_millis(20), self.left.notified()).await;
        }
    }

    /// Closes the connection that has waited the longest for its client. Returns true if there is
    /// one.
    pub(super) fn make_room(&self) -> bool {
        self.close_one(&mut self.lock(), None)
    }

    /// Notes the user of a connection, once it is known, and closes a connection of a user with too
    /// many.
    pub(super) fn identify(&self, number: u64, peer: Peer) {
        let mut seats = self.lock();
        let Some(seat) = seats.get_mut(&number) else { return };
        seat.peer = peer;
        if limit_of(peer, &self.limits) < count(&seats, peer) && !self.close_one(&mut seats, Some(peer)) {
            if let Some(seat) = seats.get_mut(&number) {
                seat.leave();
            }
        }
    }

    /// Closes the connections whose clients exceed a limit.
    pub(super) fn sweep(&self) {
        for seat in self.lock().values_mut() {
            if seat.track.is_overdue(&self.limits) {
                seat.leave();
            }
        }
    }

    /// Returns the number of open connections.
    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    /// Completes once no connection is open.
    pub(super) async fn empty(&self) {
        loop {
            let left = self.left.notified();
            if self.len() == 0 {
                return;
            }
            left.await;
        }
    }

    /// Returns true if a peer may have one more connection. An old one of the same peer makes room.
    fn may_enter(&self, seats: &mut HashMap<u64, Seat>, peer: Peer) -> bool {
        let limit = limit_of(peer, &self.limits);
        limit == usize::MAX || count(seats, peer) < limit || self.close_one(seats, Some(peer))
    }

    /// Closes the connection that has waited the longest for its client, and counts it.
    fn close_one(&self, seats: &mut HashMap<u64, Seat>, only: Option<Peer>) -> bool {
        let Some(seat) = longest_waiting(seats, only) else {
            return false;
        };
        seat.leave();
        self.metrics.closed_for_room();
        true
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Seat>> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    fn leave(&mut self) {
        self.is_leaving = true;
        self.track.close();
    }
}

/// The place of a connection, given up when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    room: Arc<Room>,
    number: u64,
    pub(super) track: Arc<Track>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.room.lock().remove(&self.number);
        self.room.metrics.closed();
        self.room.left.notify_one();
    }
}

fn count(seats: &HashMap<u64, Seat>, peer: Peer) -> usize {
    seats
        .values()
        .filter(|seat| !seat.is_leaving && seat.peer == peer)
        .count()
}

fn limit_of(peer: Peer, limits: &Limits) -> usize {
    match peer {
        Peer::Own => usize::MAX,
        Peer::User(_) | Peer::Machine(_) => limits.connections_per_peer,
    }
}

/// Returns the connection that has waited the longest for its client: one of this peer, or
/// otherwise of the peer with the most connections of those that wait.
fn longest_waiting(seats: &mut HashMap<u64, Seat>, only: Option<Peer>) -> Option<&mut Seat> {
    let waiting = |seat: &Seat| {
        let counts = !seat.is_leaving && only.is_none_or(|only| only == seat.peer);
        counts.then(|| seat.track.waits_since()).flatten()
    };
    let mut totals: HashMap<Peer, usize> = HashMap::new();
    for seat in seats.values().filter(|seat| waiting(seat).is_some()) {
        *totals.entry(seat.peer).or_default() += 1;
    }
    seats
        .values_mut()
        .filter_map(|seat| waiting(seat).map(|since| (seat, since)))
        .max_by_key(|(seat, since)| (totals.get(&seat.peer).copied(), Reverse(*since)))
        .map(|(seat, _)| seat)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OTHER: Peer = Peer::User(12_345);

    fn room(connections: usize, connections_per_peer: usize) -> Arc<Room> {
        let limits = Limits {
            connections,
            connections_per_peer,
            ..Limits::default()
        };
        Room::new(limits, Metrics::default())
    }

    fn is_leaving(room: &Room, number: u64) -> bool {
        room.lock()[&number].is_leaving
    }

    #[tokio::test]
    async fn peer_with_the_most_connections_makes_room() {
        let room = room(4, 4);
        let mut places = Vec::new();
        for (number, peer) in [(1, Peer::Own), (2, OTHER), (3, OTHER), (4, OTHER), (5, Peer::Own)] {
            places.push(room.enter(number, peer).await.unwrap());
        }
        let leaving: Vec<u64> = (1..=5).filter(|number| is_leaving(&room, *number)).collect();
        assert_eq!(leaving, [2]);
    }

    #[tokio::test]
    async fn requests_in_progress_are_not_closed() {
        let room = room(2, 2);
        let first = room.enter(1, Peer::Own).await.unwrap();
        let _first = first.track.request();
        let second = room.enter(2, Peer::Own).await.unwrap();
        let second_request = second.track.request();
        assert!(!room.make_room());
        let entering = room.enter(3, Peer::Own);
        let mut entering = std::pin::pin!(entering);
        let early = tokio::time::timeout(Duration::from_millis(50), &mut entering).await;
        assert!(early.is_err());
        // Its response has ended.
        drop(second_request);
        let third = tokio::time::timeout(Duration::from_secs(10), entering).await;
        assert!(third.unwrap().is_some());
        assert!(is_leaving(&room, 2) && !is_leaving(&room, 1));
    }

    #[tokio::test]
    async fn other_user_has_a_limit_of_its_own() {
        let room = room(100, 2);
        let first = room.enter(1, OTHER).await.unwrap();
        let _request = first.track.request();
        let second = room.enter(2, OTHER).await.unwrap();
        let _third = room.enter(3, OTHER).await.unwrap();
        assert!(is_leaving(&room, 2) && !is_leaving(&room, 1));
        drop(second);
        let fourth = room.enter(4, OTHER).await.unwrap();
        let _request = fourth.track.request();
        assert!(is_leaving(&room, 3));
        assert!(room.enter(5, OTHER).await.is_none());
        assert!(room.enter(6, Peer::Own).await.is_some());
    }

    #[tokio::test]
    async fn user_that_is_found_later_has_the_same_limit() {
        let room = room(100, 1);
        let first = room.enter(1, Peer::Own).await.unwrap();
        let _first = first.track.request();
        let second = room.enter(2, Peer::Own).await.unwrap();
        let _second = second.track.request();
        room.identify(1, OTHER);
        assert!(!is_leaving(&room, 1));
        room.identify(2, OTHER);
        assert!(is_leaving(&room, 2) && !is_leaving(&room, 1));
        // One that is gone already.
        room.identify(9, OTHER);
    }
}
