//! What the environment says.

use std::error::Error;
use std::time::SystemTime;

use entra_client::{DiskDirectory, MemoryDirectory, TenantDirectory};
use entra_credential::ClientCertificate;
use entra_proto::{ClientId, ClientSecret, Cloud, Guid, Origin};

/// The API's address in the public cloud, and its audience there.
pub(crate) const MANAGEMENT: &str = "https://manage.office.com";

pub(crate) struct Settings {
    /// `host:port`
    pub(crate) listen: String,
    /// Where browsers find the application; none where they find it on this machine.
    pub(crate) public_url: Option<Origin>,
    pub(crate) cloud: Cloud,
    pub(crate) management: Origin,
    pub(crate) client_id: ClientId,
    pub(crate) home: Option<Guid>,
    pub(crate) certificate: ClientCertificate,
    pub(crate) secret: Option<ClientSecret>,
    pub(crate) tenants: Box<dyn TenantDirectory>,
}

impl Settings {
    pub(crate) fn from_environment() -> Result<Self, Box<dyn Error>> {
        let or = |name: &str, otherwise: &str| optional(name).unwrap_or_else(|| otherwise.to_owned());
        let host = or("AZURE_AUTHORITY_HOST", "https://login.microsoftonline.com");
        let path = required("AZURE_CLIENT_CERTIFICATE_PATH")?;
        let file = std::fs::read(&path).map_err(|error| format!("cannot read {path}: {error}"))?;
        let password = optional("AZURE_CLIENT_CERTIFICATE_PASSWORD");
        let certificate = ClientCertificate::read(&file, password.as_deref());
        let certificate = certificate.map_err(|error| format!("{path}: {error}"))?;
        for warning in certificate.warnings(SystemTime::now().into()) {
            eprintln!("warning: {warning}");
        }
        Ok(Self {
            listen: or("LISTEN", "localhost:8080"),
            public_url: optional("PUBLIC_URL").map(|url| url.parse()).transpose()?,
            cloud: Cloud::loopback(&host).or_else(|_| host.parse())?,
            management: or("MANAGEMENT_ENDPOINT", MANAGEMENT).parse()?,
            client_id: required("AZURE_CLIENT_ID")?.parse()?,
            home: optional("AZURE_TENANT_ID").map(|id| id.parse()).transpose()?,
            certificate,
            secret: optional("AZURE_CLIENT_SECRET").map(ClientSecret::new).transpose()?,
            tenants: match optional("TENANTS_FILE") {
                Some(path) => {
                    let directory = DiskDirectory::at(path);
                    // Rather now than when somebody has consented.
                    directory.check()?;
                    Box::new(directory)
                }
                None => Box::new(MemoryDirectory::default()),
            },
        })
    }
}

fn required(name: &str) -> Result<String, String> {
    optional(name).ok_or_else(|| format!("{name} is not set"))
}

/// An empty variable is one that is not there.
fn optional(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
