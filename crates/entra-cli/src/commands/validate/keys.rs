//! The signing keys for the validation, from files or from the authority.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use entra_proto::{Cloud, EndpointVersion, Timestamp};
use entra_transport::{BlockingTransport, Request, Response, TransportError};
use entra_validate::blocking::Validator;
use entra_validate::{Api, FetchError, KeySet, Metadata, Rejection, Report, Step};
use zeroize::Zeroizing;

use crate::exit::{Exit, Failure};
use crate::files::{name_of, read_bytes};

/// Validates the token with keys from files.
pub(super) fn offline(
    api: &Api,
    token: &str,
    jwks: &Path,
    metadata: Option<&Path>,
    now: Timestamp,
) -> Result<Report, Failure> {
    let read = |path, what| read_bytes(path, what, MAX_DOCUMENT, Exit::Configuration);
    let metadata = match metadata {
        Some(path) => Some((path, read(path, "metadata")?)),
        None => None,
    };
    let keys = read(jwks, "signing keys")?;
    let key_set = |version| key_set(api, version, (jwks, &keys), metadata.as_ref());
    let keys = match api.start(token, now) {
        Step::NeedKeys(token) => key_set(token.version())?,
        // The token is invalid, but unusable files are still an error: they must fit one version.
        Step::Done(_) => key_set(EndpointVersion::V2).or_else(|_| key_set(EndpointVersion::V1))?,
    };
    Ok(api.report(token, &keys, now))
}

fn key_set(
    api: &Api,
    version: EndpointVersion,
    (jwks, keys): (&Path, &[u8]),
    metadata: Option<&(&Path, Zeroizing<Vec<u8>>)>,
) -> Result<KeySet, Failure> {
    let failed = |path: &Path, error: FetchError| Failure::of(Exit::Configuration, &error).context(name_of(path));
    match metadata {
        Some((path, document)) => {
            let metadata = Metadata::read(api, version, document).map_err(|error| {
                failed(path, error).hint(format!("save the document at {}", api.metadata_url(version)))
            })?;
            KeySet::read(&metadata, keys)
                .map_err(|error| failed(jwks, error).hint(format!("save the document at {}", metadata.jwks_uri())))
        }
        None if matches!(api.cloud(), Cloud::Custom(_)) => Err(Failure::text(
            Exit::Configuration,
            format!("the issuer of {} is only known from its metadata", api.cloud().origin()),
        )
        .hint(format!(
            "save the document at {}, and name the file with --metadata",
            api.metadata_url(version)
        ))),
        None => KeySet::pinned(api, version, keys).map_err(|error| {
            failed(jwks, error).hint(format!(
                "save the document at the jwks_uri of {}",
                api.metadata_url(version)
            ))
        }),
    }
}

/// Validates the token with the keys of the authority.
///
/// # Errors
/// Returns an error if there are no keys: the token is then not validated, so exit code 9 would be
/// wrong.
pub(super) fn online(
    api: &Api,
    token: &str,
    transport: impl BlockingTransport + 'static,
    now: Timestamp,
) -> Result<Report, Failure> {
    let error = Arc::default();
    let transport = Remembering {
        transport,
        error: Arc::clone(&error),
    };
    let report = Validator::with_clock(api.clone(), transport, move || now).report(token);
    let Some(Rejection::KeysUnavailable { problem, .. }) = report.rejection() else {
        return Ok(report);
    };
    let error: Option<TransportError> = error.lock().unwrap_or_else(PoisonError::into_inner).take();
    Err(match error {
        Some(error) => Failure::from(error).context("the token was not validated, because there are no signing keys"),
        None => Failure::text(
            Exit::Rejected,
            format!("the token was not validated, because there are no signing keys: {problem}"),
        )
        .hint("check --tenant and --authority-host: `entra discover TENANT` shows the published endpoints"),
    })
}

/// A transport that remembers the last error, because a validator reports only its text.
struct Remembering<T> {
    transport: T,
    error: Arc<Mutex<Option<TransportError>>>,
}

impl<T: BlockingTransport> BlockingTransport for Remembering<T> {
    fn send(&self, request: Request) -> Result<Response, TransportError> {
        let outcome = self.transport.send(request);
        if let Err(error) = &outcome {
            *self.error.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.clone());
        }
        outcome
    }
}

/// The longest file of keys or metadata, in bytes. The limits of the library are lower.
const MAX_DOCUMENT: u64 = 1024 * 1024;
