//! The connect page: administrators of other tenants consent here, and the collector collects from
//! their tenants.
//!
//! It carries out the first half of the document. An administrator presses a button, signs in at
//! Entra and consents. Entra sends the browser back with a code. The page redeems the code on
//! `common`, reads the tenant's id from the token and stores it. From then on the collector gets
//! tokens of its own in that tenant.
//!
//! There is no sign-in to the page itself: everyone who reaches it sees the tenants. It listens on
//! this machine alone, unless it is given another address, and then it belongs behind a sign-in of
//! yours. A proxy must pass on the `Host` of the request.
//!
//! ```text
//!  site ──► browser     browsers, and the forms that were made for them
//!    ├────► pending     consents whose browsers are at Entra
//!    ├────► outcome     what became of a consent, and what to do about it
//!    └────► pages       templates/*.html
//! ```

mod browser;
mod outcome;
mod pages;
mod pending;
mod site;

pub(crate) use pages::{NotCollecting, Plan, State};
pub(crate) use site::{Settings, Site};
