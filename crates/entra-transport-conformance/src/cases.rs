//! The requirements, by subject.

mod answers;
mod connections;
mod cuts;
mod deadlines;
mod limits;
mod malformed;
mod proxies;
mod refusals;
mod requests;
mod tls;

use crate::case::Case;

/// Returns all cases that a blocking transport has to pass.
#[must_use]
pub fn cases() -> Vec<Case> {
    [
        requests::CASES,
        answers::CASES,
        refusals::CASES,
        limits::CASES,
        deadlines::CASES,
        cuts::CASES,
        malformed::CASES,
        tls::CASES,
        connections::CASES,
        proxies::CASES,
    ]
    .concat()
}
