//! Every help text and the output of every command, compared with the files in `tests/snapshots`.
//!
//! After a change that is meant, write them anew with `INSTA_UPDATE=always cargo test -p entra-cli --test it snapshots`, and read the
//! difference as a user. Without that variable no file is written, and a text that is new or differs fails the test.

// Errors of the system have other texts elsewhere.
mod help;
mod outputs;
mod transcript;
