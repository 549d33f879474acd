//! Code that the examples share: settings, calls of an API, pages of a collection, and errors with
//! hints.
//!
//! All examples read the environment variables that Azure's tools share.
//! `entra emulator -- COMMAND` sets them, so an example runs there without a tenant:
//!
//! - `AZURE_TENANT_ID`: the tenant, as an ID or a domain
//! - `AZURE_TENANTS`: several tenants, separated by commas; the default is the one above
//! - `AZURE_CLIENT_ID`: the application
//! - `AZURE_CLIENT_SECRET`: its secret
//! - `AZURE_CLIENT_CERTIFICATE_PATH`: the file with its certificate and private key (PEM or PFX)
//! - `AZURE_CLIENT_CERTIFICATE_PASSWORD`: the password of that file
//! - `AZURE_AUTHORITY_HOST`: another cloud, or the emulator: see `entra_transport::cloud_from_env`

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
