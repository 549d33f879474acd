//! The cases, by subject.

mod connections;
mod cuts;
mod deadlines;
mod limits;
mod local;
mod malformed;
mod proxies;
mod rejections;
mod requests;
mod responses;
mod tls;

use crate::case::Case;

/// Returns all cases for a blocking transport.
#[must_use]
pub fn cases() -> Vec<Case> {
    [
        requests::CASES,
        responses::CASES,
        rejections::CASES,
        limits::CASES,
        deadlines::CASES,
        cuts::CASES,
        malformed::CASES,
        tls::CASES,
        connections::CASES,
        proxies::CASES,
        local::CASES,
    ]
    .concat()
}
