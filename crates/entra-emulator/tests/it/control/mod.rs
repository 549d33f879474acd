//! The control API, operation by operation.

mod clock;
mod faults;
mod operations;
mod requests;
