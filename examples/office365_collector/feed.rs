//! The Office 365 Management Activity API: "Office 365 Management Activity API reference" and its
//! document on troubleshooting.
//!
//! [`Api`] is the API for all tenants, with one pool of connections; [`Feed`] is one tenant's part,
//! whose calls carry the tenant's token. Everything that comes back is hostile: its size and the
//! number of pages are bounded, and the token goes to the API's own origin only.

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
