//! The environment variables of the platforms, and their checks.

use std::ffi::OsString;

use http::Uri;
use http::uri::Authority;
use zeroize::Zeroizing;

use crate::error::{ManagedIdentityError, ManagedIdentityErrorKind};
use crate::managed_identity::host::Host;
use crate::managed_identity::route::LocalRoute;
use crate::managed_identity::source::Source;

pub(super) const IDENTITY_ENDPOINT: &str = "IDENTITY_ENDPOINT";
pub(super) const IDENTITY_HEADER: &str = "IDENTITY_HEADER";
pub(super) const IDENTITY_SERVER_THUMBPRINT: &str = "IDENTITY_SERVER_THUMBPRINT";
pub(super) const IDENTITY_API_VERSION: &str = "IDENTITY_API_VERSION";
pub(super) const IMDS_ENDPOINT: &str = "IMDS_ENDPOINT";
pub(super) const MSI_ENDPOINT: &str = "MSI_ENDPOINT";
pub(super) const MSI_SECRET: &str = "MSI_SECRET";
pub(super) const DEFAULT_IDENTITY_CLIENT_ID: &str = "DEFAULT_IDENTITY_CLIENT_ID";
pub(super) const AZURE_POD_IDENTITY_AUTHORITY_HOST: &str = "AZURE_POD_IDENTITY_AUTHORITY_HOST";
pub(super) const PROGRAM_DATA: (&str, &str) = ("ProgramData", "C:\\ProgramData");
pub(super) const PROGRAM_FILES: (&str, &str) = ("ProgramFiles", "C:\\Program Files");

/// Returns whether a variable is set and not empty.
pub(super) fn is_set(host: &dyn Host, name: &str) -> bool {
    host.variable(name).is_some_and(|value| !value.is_empty())
}

/// Returns the folder that a variable of Windows names, or its usual path if the variable is unset.
/// `None` if it is not an absolute path on a drive.
pub(super) fn windows_folder(host: &dyn Host, (name, usual): (&str, &str)) -> Option<String> {
    let value = host.variable(name).filter(|value| !value.is_empty());
    let folder = value.map_or_else(|| Ok(usual.to_owned()), OsString::into_string).ok()?;
    let is_absolute = matches!(folder.as_bytes(), [drive, b':', b'\\', ..] if drive.is_ascii_alphabetic());
    is_absolute.then(|| folder.trim_end_matches('\\').to_owned())
}

/// The variables of a host, as one source reads them.
pub(super) struct Variables<'a> {
    pub(super) host: &'a dyn Host,
    pub(super) source: Source,
}

impl Variables<'_> {
    /// Returns the text of a variable. An empty variable counts as unset.
    pub(super) fn text(&self, name: &'static str) -> Result<Option<Zeroizing<String>>, ManagedIdentityError> {
        match self.host.variable(name).map(OsString::into_string) {
            None => Ok(None),
            Some(Ok(text)) => Ok(Some(Zeroizing::new(text)).filter(|text| !text.is_empty())),
            Some(Err(_)) => Err(self.invalid(format!("the variable {name} is not UTF-8"))),
        }
    }

    /// Returns the text of a variable that must be set.
    pub(super) fn required(&self, name: &'static str) -> Result<Zeroizing<String>, ManagedIdentityError> {
        self.text(name)?
            .ok_or_else(|| self.invalid(format!("the variable {name} is not set")))
    }

    /// Parses the URL in a variable. It may use plain `http` as far as the route allows it.
    ///
    /// The error does not repeat the value: it may contain a password.
    pub(super) fn endpoint(
        &self,
        name: &'static str,
        value: &str,
        route: &LocalRoute,
    ) -> Result<Uri, ManagedIdentityError> {
        let invalid = |problem: &str| {
            self.invalid(format!("the variable {name} {problem}")).with_hint(
                "leave the variable as the platform sets it, as http://127.0.0.1:41564/msi/token for example",
            )
        };
        let value = value.trim();
        let uri: Uri = value.parse().map_err(|_| invalid("is not a URL"))?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(invalid("is not an absolute URL"));
        };
        if !matches!(scheme, "http" | "https") {
            return Err(invalid("is neither an http nor an https URL"));
        }
        if value.contains('#') || authority.as_str().contains('@') {
            return Err(invalid("is a URL with a user name or a fragment"));
        }
        if !has_valid_port(authority) {
            return Err(invalid("is a URL without a valid host or port"));
        }
        if !route.allows(&uri) {
            return Err(match route.pin() {
                Some(_) => invalid("is not an https URL, which this source requires"),
                None => self
                    .invalid(format!("the variable {name} leads to another network over plain http"))
                    .with_hint(
                        "use https, or http to a loopback address, a link-local address or a name without a dot",
                    ),
            });
        }
        Ok(uri)
    }

    /// Creates the error for an invalid setting.
    pub(super) fn invalid(&self, problem: String) -> ManagedIdentityError {
        ManagedIdentityError::new(ManagedIdentityErrorKind::Configuration, self.source, problem)
    }
}

fn has_valid_port(authority: &Authority) -> bool {
    let host = authority.host();
    !host.is_empty() && (authority.as_str().len() == host.len() || authority.port_u16().is_some())
}
