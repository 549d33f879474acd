//! Machines with and without a managed identity.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use entra_proto::managed_identity::{Host, Identity, ManagedIdentity};
use zeroize::Zeroizing;

use super::{Reply, Seen, Service};

/// A machine with these variables.
#[derive(Clone, Default)]
pub(crate) struct Machine(Arc<Mutex<BTreeMap<&'static str, &'static str>>>);

impl Machine {
    pub(crate) fn with(variables: &[(&'static str, &'static str)]) -> Self {
        let machine = Self::default();
        for (name, value) in variables {
            machine.set(name, value);
        }
        machine
    }

    /// A web app.
    pub(crate) fn app_service() -> Self {
        Self::with(&[
            ("IDENTITY_ENDPOINT", "http://127.0.0.1:41564/msi/token/"),
            ("IDENTITY_HEADER", "canary-header-0"),
        ])
    }

    /// A node of a cluster.
    pub(crate) fn service_fabric() -> Self {
        Self::with(&[
            (
                "IDENTITY_ENDPOINT",
                "https://localhost:2377/metadata/identity/oauth2/token",
            ),
            ("IDENTITY_HEADER", "canary-header"),
            ("IDENTITY_SERVER_THUMBPRINT", "0000000000000000000000000000000000000000"),
        ])
    }

    pub(crate) fn set(&self, name: &'static str, value: &'static str) {
        self.0.lock().unwrap().insert(name, value);
    }

    /// Returns the system-assigned identity of the machine.
    pub(crate) fn identity(&self) -> ManagedIdentity {
        ManagedIdentity::new(Identity::system(), self.clone())
    }
}

impl Host for Machine {
    fn variable(&self, name: &str) -> Option<OsString> {
        Some(self.0.lock().unwrap().get(name)?.into())
    }

    fn file_exists(&self, _: &Path) -> bool {
        false
    }

    fn read_key_file(&self, _: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
        Err(io::ErrorKind::NotFound.into())
    }
}

/// Returns the reply to a request: `imds` for those to the instance metadata service, and a token
/// of the application for others.
pub(crate) fn beside(imds: impl Fn(&Seen) -> (Duration, Reply) + Send + Sync + 'static) -> Service {
    Service::new(move |_, seen| match is_of_machine(seen) {
        true => imds(seen),
        false => (Duration::ZERO, Reply::Token("of-app", 3600, "")),
    })
}

/// The reply of a machine without an instance metadata service: none within the time that the
/// request allows.
pub(crate) fn no_imds(seen: &Seen) -> (Duration, Reply) {
    (seen.patience.unwrap_or(Duration::from_secs(30)), Reply::Unreachable)
}

/// Returns true if a request is for a token of a managed identity.
pub(crate) fn is_of_machine(seen: &Seen) -> bool {
    seen.query("resource").is_some()
}
