//! End to end: real sockets, real TLS, every transport. One binary, a module for each subject.

mod acquired;
mod admin_consent;
mod agents;
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

// The tests that README and the guide of web APIs show.
#[path = "../../programs/token.rs"]
mod program_token;
#[allow(dead_code, reason = "its `main` serves; the test calls the router")]
#[path = "../../programs/web_api.rs"]
mod program_web_api;
