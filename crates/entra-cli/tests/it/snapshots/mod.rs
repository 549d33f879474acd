//! Snapshots of every help text and of the output of every command, in `tests/snapshots`.
//!
//! After an intended change, update them with `INSTA_UPDATE=always cargo test -p entra-cli --test
//! it snapshots`, and read the difference as a user would. Without that variable no file is
//! written, and any difference fails the test.

// Other systems have other error messages.
mod help;
mod outputs;
mod transcript;
