//! A web application that other tenants connect to: "Get started with Office 365 Management APIs", the whole story.
//!
//! An administrator of a tenant presses a button, signs in at Entra and consents. Entra sends his browser back with a code; the
//! application redeems it on `common`, reads the tenant's id from the token and stores it. From then on it gets tokens of its own in that
//! tenant, with a certificate, and fetches the tenant's audit records.
//!
//! ```sh
//! export AZURE_CLIENT_ID=... AZURE_CLIENT_CERTIFICATE_PATH=app.pem
//! export AZURE_CLIENT_SECRET=...       # redeems the codes, as in the document; without it the certificate does that as well
//! export TENANTS_FILE=tenants.redb     # without it the tenants are forgotten when the program ends
//! cargo run -p entra-examples --bin consent_web
//! ```
//!
//! | variable | what it is, and what is taken without it |
//! |---|---|
//! | `LISTEN` | the address to listen on: `localhost:8080`, at every address of the name |
//! | `PUBLIC_URL` | where browsers find the application, `https://www.mycompany.com`: `http://localhost` with the port of `LISTEN`. Behind it, `/myapp/` is the redirect URI, to be registered with the application |
//! | `AZURE_CLIENT_CERTIFICATE_PASSWORD` | opens the certificate's file, where it has a password |
//! | `AZURE_TENANT_ID` | the application's home, which the API counts its requests by (`PublisherIdentifier`) |
//! | `AZURE_AUTHORITY_HOST` | another cloud, or an emulator, which has the API as well: the public cloud |
//! | `MANAGEMENT_ENDPOINT` | the API's address in another cloud, such as `https://manage-gcc.office.com` |
//!
//! There is no sign-in to the application itself: whoever reaches it sees all tenants, and may fetch their records. So it listens on
//! this machine alone, until it is given another address, and then it belongs behind a sign-in of yours. A proxy before it must hand the
//! `Host` of the request on.
//!
//! ```text
//!  main ──► settings           what the environment says
//!     ├───► listen             every address of a name
//!     └───► site               the routes, and what every answer has
//!            ├──► browser      which browser it is, and whether a form is ours
//!            ├──► kept         what is kept for a browser: consents while it is at Entra, fetched records
//!            ├──► activity     the API: subscriptions, content, records
//!            └──► pages        what people read: templates/*.html
//! ```

#![allow(clippy::print_stdout, reason = "where it listens is what it prints")]

mod activity;
mod browser;
#[path = "../common/mod.rs"]
mod common;
mod kept;
mod listen;
mod pages;
mod settings;
mod site;

use std::error::Error;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::settings::Settings;
use crate::site::Site;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let settings = Settings::from_environment()?;
    let listeners = listen::listen(&settings.listen)?;
    let port = listeners
        .first()
        .ok_or("LISTEN names no address of this machine")?
        .local_addr()?
        .port();
    let site = Site::new(settings, port)?;
    println!("open {}/", site.origin());
    let router = site::router(Arc::new(site));
    let mut servers = JoinSet::new();
    for listener in listeners {
        let listener = TcpListener::from_std(listener)?;
        servers.spawn(axum::serve(listener, router.clone()).into_future());
    }
    // None of them ends while all is well.
    while let Some(ended) = servers.join_next().await {
        ended??;
    }
    Ok(())
}
