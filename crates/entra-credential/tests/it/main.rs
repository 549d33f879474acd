//! Public behaviour of entra-credential: one binary, a module for each subject.

mod chain;
#[cfg(unix)]
mod command;
mod hostile;
mod kinds;
mod manifest;
mod pem;
#[cfg(feature = "pfx")]
mod pfx;
mod secrets;
mod signing;
mod thumbprints;
mod token_file;
mod variable;
