//! Lists the devices and users of Microsoft Managed Desktop: the document "Get access to API with
//! application context".
//!
//! Against the emulator:
//!
//! ```sh
//! cargo run -q -p entra-cli -- emulator -- \
//!     cargo run -q -p entra-examples --bin managed_desktop -- --as-documented
//! ```
//!
//! Against the service, in a tenant whose administrator consented to `MmdSupport.ReadWrite` of
//! "Modern Workplace Customer APIs":
//!
//! ```sh
//! export AZURE_TENANT_ID=... AZURE_CLIENT_ID=...
//! export AZURE_CLIENT_SECRET=... # or AZURE_CLIENT_CERTIFICATE_PATH=...
//! cargo run -q -p entra-examples --bin managed_desktop -- --page-size 50
//! ```
//!
//! It prints a table of the devices and a table of the users.
//!
//! The API is at `mmdls.microsoft.com`, and its tokens are for
//! `mwaas-services-customerapi-prod.azurewebsites.net`: no program can derive the audience from the
//! address. [`KnownApi`] has both.
//!
//! The service rejects the document's own token request. `--as-documented` sends it literally, and
//! shows the error in each part with the correct form.

#[path = "../common/mod.rs"]
mod common;

mod arguments;
mod documented;
mod service;
mod tables;

use std::process::ExitCode;

use clap::Parser;
use entra_client::blocking::Client;
use entra_proto::{Application, Authority, Cloud, Guid, KnownApi, Target};
use entra_transport::cloud_from_env;
use entra_transport_ureq::UreqTransport;

use crate::arguments::Arguments;
use crate::common::{Failure, Web, address, credential, report, say, setting};
use crate::documented::Document;
use crate::service::Service;

fn main() -> ExitCode {
    report(run(&Arguments::parse()))
}

fn run(arguments: &Arguments) -> Result<(), Failure> {
    let cloud = cloud_from_env()?;
    let api = api(&cloud)?;
    let tenant: Guid = setting("AZURE_TENANT_ID")?.parse().map_err(|_| {
        Failure::new("AZURE_TENANT_ID is not the ID of a tenant").hint("set the GUID: the API has it in its addresses")
    })?;
    let authority = Authority::new(cloud.clone(), tenant.into())?;
    let transport = UreqTransport::builder().for_cloud(&cloud).build()?;

    if arguments.as_documented {
        let document = Document {
            transport: &transport,
            authority: &authority,
            client_id: &setting("AZURE_CLIENT_ID")?,
            secret: &setting("AZURE_CLIENT_SECRET")?,
            audience: api.audience,
        };
        document.follow()?;
        say!();
    }

    let app = Application::new(authority, setting("AZURE_CLIENT_ID")?.parse()?, credential()?);
    let app = app.with_endpoint_version(arguments.endpoint.into());
    let target = match &arguments.audience {
        None => Target::from(api.resource()),
        Some(audience) => Target::resource(audience)?,
    };
    let (name, value) = target.wire_parameter(app.version())?;
    say!(
        "token: {} with {name}={value}",
        app.authority().token_endpoint(app.version())
    );
    let service = Service {
        web: Web {
            client: Client::new(app, transport.clone()),
            transport,
            target,
        },
        audience: api.audience,
        url: format!("{}/support/odata/v1/tenants/{tenant}", address(&cloud, HOST)),
    };
    say!("API:   {}", service.url);
    if let Some(device) = &arguments.elevation {
        say!();
        tables::elevation(&service.elevation(device)?, arguments.show_password);
        return Ok(());
    }
    for set in ["devices", "users"] {
        let pages = service.list(set, arguments)?;
        say!();
        tables::list(set, &pages);
    }
    Ok(())
}

/// Returns the entry of the API in the table of well-known APIs.
fn api(cloud: &Cloud) -> Result<&'static KnownApi, Failure> {
    let url = HOST.parse().ok();
    let api = url
        .as_ref()
        .and_then(KnownApi::at)
        .ok_or_else(|| Failure::new("the table of well-known APIs lacks the API"))?;
    let is_emulator = cloud.is_loopback();
    if !is_emulator && *cloud != api.cloud {
        return Err(Failure::new("Managed Desktop exists in the public cloud only").hint("unset AZURE_AUTHORITY_HOST"));
    }
    Ok(api)
}

/// The address of the API. Its tokens are for another host.
const HOST: &str = "https://mmdls.microsoft.com";
