//! Validation as in a web API: tokens of a fake cloud, and keys over transports that are functions.

#[cfg(feature = "async")]
mod allocations;
mod attacks;
#[cfg(feature = "blocking")]
mod blocking;
mod corpus;
mod documents;
#[cfg(feature = "async")]
mod flights;
mod hostile;
mod keys;
mod principals;
mod responses;
mod rules;
mod rules_of_callers;
mod settings;
mod support;
