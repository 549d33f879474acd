//! The task of a flight, which the core spawns and a driver runs.

use crate::cache::FlightOwner;
use crate::gate::Permit;
use crate::request::FlightRequest;

/// A flight that has not begun.
pub(crate) struct FlightTask {
    pub(crate) owner: FlightOwner,
    pub(crate) request: FlightRequest,
    /// The permit of a bound on the number of flights at a time, returned when the flight ends.
    pub(crate) permit: Option<Permit>,
}
