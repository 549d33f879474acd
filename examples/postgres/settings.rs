//! The database server, and the API that its tokens are for.

use entra_proto::Target;
use entra_proto::endpoint::is_loopback_host;

use crate::common::{Failure, setting, setting_or};

/// The database server, from the variables that PostgreSQL's own programs read.
pub(crate) struct Settings {
    pub(crate) host: String,
    pub(crate) port: u16,
    /// The name of the identity in the database.
    pub(crate) user: String,
    pub(crate) database: String,
}

impl Settings {
    /// Reads `PGHOST`, `PGPORT`, `PGUSER` and `PGDATABASE`.
    pub(crate) fn read() -> Result<Self, Failure> {
        let port = setting_or("PGPORT", "5432")?;
        Ok(Self {
            host: setting("PGHOST")?,
            port: port.parse().map_err(|_| Failure::new("PGPORT is not a port"))?,
            user: setting("PGUSER")?,
            database: setting_or("PGDATABASE", "postgres")?,
        })
    }

    /// Returns true if the server is on this machine, where a stub needs no TLS. To any other
    /// server, the token is sent over TLS only, and only to the server that the certificate names.
    pub(crate) fn is_local(&self) -> bool {
        is_loopback_host(&self.host)
    }
}

/// Returns the API of Azure Database for PostgreSQL, the same for all servers of the public cloud.
pub(crate) fn postgres() -> Result<Target, entra_proto::Error> {
    Target::scopes("https://ossrdbms-aad.database.windows.net/.default")
}

/// Returns true for the errors of a server that does not accept the token: `invalid_password`, and
/// `invalid_authorization_specification`.
pub(crate) fn is_rejection(code: &str) -> bool {
    matches!(code, "28P01" | "28000")
}

/// Advice for a token that is rejected although it is new.
pub(crate) const REJECTED: &str =
    "PGUSER is the name of the identity in the database, which pgaadauth_create_principal creates";
