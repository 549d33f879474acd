//! What the examples share: their settings, calls of an API, the pages of a collection, and errors
//! with advice.
//!
//! Every example reads the variables that Azure's tools share. `entra emulator -- COMMAND` sets
//! them, so an example runs there without a tenant:
//!
//! | variable | what it is |
//! |---|---|
//! | `AZURE_TENANT_ID` | the tenant: its id or a domain |
//! | `AZURE_TENANTS` | several tenants, separated by commas; without it, the one above |
//! | `AZURE_CLIENT_ID` | the application |
//! | `AZURE_CLIENT_SECRET` | its secret |
//! | `AZURE_CLIENT_CERTIFICATE_PATH`, `AZURE_CLIENT_CERTIFICATE_PASSWORD` | its certificate with the key (PEM or PFX), and what opens the file |
//! | `AZURE_AUTHORITY_HOST` | another cloud, or an emulator: see `entra_transport::cloud_from_env` |

#![allow(dead_code, unused_macros, reason = "each example uses its own part")]

mod api;
mod arguments;
pub(crate) mod config;
pub(crate) mod failure;
mod pages;
mod settings;
mod web;

#[allow(unused_imports, reason = "each example uses its own part")]
pub(crate) use api::{Api, address};
#[allow(unused_imports, reason = "each example uses its own part")]
pub(crate) use arguments::Arguments;
#[allow(unused_imports, reason = "each example uses its own part")]
pub(crate) use failure::{Failure, note, print_line, report, say, warn};
#[allow(unused_imports, reason = "each example uses its own part")]
pub(crate) use pages::Pages;
#[allow(unused_imports, reason = "each example uses its own part")]
pub(crate) use settings::{certificate, credential, optional, setting, setting_or, tenants};
#[allow(unused_imports, reason = "each example uses its own part")]
pub(crate) use web::{FORGOTTEN_CONSENT, Reply, Web, date_of_javascript, escaped, indented, indented_by};
