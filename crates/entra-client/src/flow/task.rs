//! The task of a flight, which the core spawns and a driver runs.

use entra_proto::TokenRequest;

use crate::cache::FlightOwner;
use crate::gate::Permit;

/// A flight that has not begun.
pub(crate) struct FlightTask {
    pub(crate) owner: FlightOwner,
    pub(crate) request: TokenRequest,
    /// The permit of a bound on the number of flights at a time, returned when the flight ends.
    pub(crate) permit: Option<Permit>,
}
