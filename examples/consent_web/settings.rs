//! What the environment says.

use std::error::Error;

use entra_client::{DiskDirectory, MemoryDirectory, TenantDirectory};
use entra_credential::ClientCertificate;
use entra_proto::{ClientId, ClientSecret, Cloud, Guid, Origin};
use entra_transport::cloud_from_env;

use crate::common::{address, certificate, optional, setting, setting_or};

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
        let cloud = cloud_from_env()?;
        let certificate = certificate()?;
        Ok(Self {
            listen: setting_or("LISTEN", "localhost:8080")?,
            public_url: optional("PUBLIC_URL")?.map(|url| url.parse()).transpose()?,
            management: setting_or("MANAGEMENT_ENDPOINT", address(&cloud, MANAGEMENT))?.parse()?,
            cloud,
            client_id: setting("AZURE_CLIENT_ID")?.parse()?,
            home: optional("AZURE_TENANT_ID")?.map(|id| id.parse()).transpose()?,
            certificate,
            secret: optional("AZURE_CLIENT_SECRET")?.map(ClientSecret::new).transpose()?,
            tenants: match optional("TENANTS_FILE")? {
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
