//! Validation as a web API sees it: tokens of a cloud made up for the purpose, keys over transports that are functions.

#[path = "../support/mod.rs"]
mod support;

mod attacks;
#[cfg(feature = "blocking")]
mod blocking;
mod documents;
#[cfg(feature = "async")]
mod flights;
mod hostile;
mod keys;
mod principals;
mod responses;
mod rules;
mod settings;
