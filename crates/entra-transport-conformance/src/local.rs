//! Requests to local endpoints, as managed identities send them.

use std::ffi::OsString;
use std::io;
use std::path::Path;

use entra_proto::acquire::{RetryPolicy, Step};
use entra_proto::managed_identity::{Host, Identity, ManagedIdentity};
use entra_proto::{Guid, Target, Timestamp};
use entra_transport::Request;
use zeroize::Zeroizing;

use crate::bench::{CANARY, QUERY};

/// Creates a request to a local endpoint, such as `http://127.0.0.1:41564/msi/token`, as App Service
/// receives it from a managed identity. Use it to test a transport that rejects such requests.
///
/// # Panics
/// Panics if `endpoint` is not a URL, or if a managed identity cannot send a request to it.
#[must_use]
pub fn local_request(endpoint: &str) -> Request {
    first_request(&[
        ("IDENTITY_ENDPOINT", &format!("{endpoint}?code={QUERY}")),
        ("IDENTITY_HEADER", CANARY),
    ])
}

/// Creates a request to `endpoint` that accepts only the certificate with this SHA-1 hash, as
/// Service Fabric receives it.
pub(crate) fn pinned(endpoint: &str, sha1: &str) -> Request {
    first_request(&[
        ("IDENTITY_ENDPOINT", &format!("{endpoint}?code={QUERY}")),
        ("IDENTITY_HEADER", CANARY),
        ("IDENTITY_SERVER_THUMBPRINT", sha1),
    ])
}

/// Creates the request that finds out whether there is an instance metadata service at `base`, for
/// which it has one second.
pub(crate) fn probe(base: &str) -> Request {
    first_request(&[("AZURE_POD_IDENTITY_AUTHORITY_HOST", base)])
}

fn first_request(variables: &[(&'static str, &str)]) -> Request {
    let variables = variables.iter().map(|(name, value)| (*name, (*value).to_owned()));
    let identity = ManagedIdentity::new(Identity::system(), Machine(variables.collect()));
    let target = Target::resource("https://vault.azure.net").expect("this is a resource");
    let request = identity.request(target).expect("the variables name a source");
    let id = Guid::from_random([7; 16]);
    let step = request
        .probing(true)
        .start(RetryPolicy::never(), id, Timestamp::from_secs(1_767_225_600));
    match step.expect("the variables are valid") {
        Step::Exchange(exchange) => exchange.request(),
        other => panic!("the first step is a request, not {other:?}"),
    }
}

/// A machine with these variables and no files.
struct Machine(Vec<(&'static str, String)>);

impl Host for Machine {
    fn variable(&self, name: &str) -> Option<OsString> {
        let variable = self.0.iter().find(|(known, _)| *known == name);
        variable.map(|(_, value)| value.into())
    }

    fn file_exists(&self, _: &Path) -> bool {
        false
    }

    fn read_key_file(&self, _: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
        Err(io::ErrorKind::NotFound.into())
    }
}
