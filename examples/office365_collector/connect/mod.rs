//! The connect page: administrators of other tenants consent here, and the collector then collects
//! from their tenants.
//!
//! It implements the first half of the document. An administrator presses a button, signs in at
//! Entra and consents. Entra redirects the browser back with a code. The page redeems the code on
//! `common`, reads the tenant's ID from the token and stores it. From then on the collector gets
//! its own tokens in that tenant.
//!
//! The page itself has no sign-in: everyone who reaches it sees the tenants. It listens on this
//! machine only, unless it is given another address; then put a sign-in before it. A proxy must
//! forward the `Host` of the request.
//!
//! ```text
//!  site ──► browser     browsers, and the forms that belong to them
//!    ├────► pending     consents whose browsers are at Entra
//!    ├────► outcome     the result of a consent, and what to do about it
//!    └────► pages       templates/*.html
//! ```

mod browser;
mod outcome;
mod pages;
mod pending;
mod site;

pub(crate) use pages::{NotCollecting, Plan, State};
pub(crate) use site::{Settings, Site};
