//! Guides for this crate and the crates below it. They hold no code.
//!
//! - [`daemon`]: a daemon with a certificate
//! - [`without_secrets`]: managed identities, federation, chains and agent identities
//! - [`multi_tenant`]: a multi-tenant collector: consent, tenant store, app-only tokens
//! - [`tower`]: bearer tokens on the requests of tower services
//! - [`web_api`]: validation of access tokens at a web API
//! - [`any_language`]: `entra serve` and `entra proxy`, for programs in any language
//! - [`other_crates`]: tokens for database drivers, Kafka and the APIs of AI models
//! - [`http_stack`]: the protocol over your own HTTP client
//! - [`testing`]: tests with the emulator, from Rust and from other languages
//! - [`command`]: the command `entra`
//! - [`migrating`]: from azure_identity, oauth2 and MSAL
//! - [`troubleshooting`]: symptoms, remedies and the list of AADSTS codes
//! - [`architecture`]: the crates, the path of a token, and where to change what
//! - [`benchmarks`]: measurements, and the commands that repeat them

#[doc = include_str!("../docs/any_language.md")]
pub mod any_language {}

#[doc = include_str!("../docs/architecture.md")]
pub mod architecture {}

#[doc = include_str!("../docs/benchmarks.md")]
pub mod benchmarks {}

#[doc = include_str!("../docs/command.md")]
pub mod command {}

#[doc = include_str!("../docs/daemon.md")]
pub mod daemon {}

#[doc = include_str!("../docs/http_stack.md")]
pub mod http_stack {}

#[doc = include_str!("../docs/migrating.md")]
pub mod migrating {}

#[doc = include_str!("../docs/multi_tenant.md")]
pub mod multi_tenant {}

#[doc = include_str!("../docs/other_crates.md")]
pub mod other_crates {}

#[doc = include_str!("../docs/testing.md")]
pub mod testing {}

#[doc = include_str!("../docs/tower.md")]
pub mod tower {}

#[doc = include_str!("../docs/troubleshooting.md")]
pub mod troubleshooting {}

#[doc = include_str!("../docs/web_api.md")]
pub mod web_api {}

#[doc = include_str!("../docs/without_secrets.md")]
pub mod without_secrets {}
