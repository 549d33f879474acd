//! The control API, operation by operation.

mod assertions;
mod clock;
mod faults;
mod operations;
mod requests;
