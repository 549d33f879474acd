//! The Office 365 Management Activity API, as described by "Office 365 Management Activity API
//! reference" and its document on troubleshooting.
//!
//! [`Api`] is the API for all tenants, with one connection pool; [`Feed`] is one tenant's part,
//! whose calls carry the tenant's token. Every response is treated as hostile: its size and the
//! number of pages are bounded, and the token is sent to the API's own origin only.

mod blob;
mod calls;
mod content_type;
mod error;
mod query;

pub(crate) use blob::Blob;
pub(crate) use calls::{Api, Content, Feed, Webhook};
pub(crate) use content_type::ContentType;
pub(crate) use error::CallError;
pub(crate) use query::content_query;
