//! End to end: real sockets, real TLS, every transport. One binary, a module for each subject.

mod acquired;
mod admin_consent;
mod certificate;
mod consent;
mod daemon;
mod docs;
mod errors;
mod logs;
mod peers;
mod peers_assertions;
mod readme;
mod refused_token;
mod revoked_token;
mod troubleshooting;
mod validate;
mod web_api;
