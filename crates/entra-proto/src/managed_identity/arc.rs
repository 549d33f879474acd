//! The challenge of the Azure Arc agent: the proof that a process may read the agent's files.

use std::io;
use std::path::PathBuf;

use http::header::{HeaderValue, WWW_AUTHENTICATE};
use http::{HeaderMap, Response};
use zeroize::Zeroizing;

use crate::body::Body;
use crate::error::{ManagedIdentityError, ManagedIdentityErrorKind};
use crate::managed_identity::host::{Host, Platform};
use crate::managed_identity::source::Source;
use crate::managed_identity::variables::{PROGRAM_DATA, windows_folder};
use crate::post::sensitive;
use crate::printable::excerpt;

/// Reads the key that the agent's challenge names, and returns the `Authorization` header with it.
///
/// The challenge comes from a server that has proved nothing yet. The only file that it can cause
/// to be opened is a key in the agent's own folder: the path is composed from this crate's own
/// constants and the checked name.
pub(super) fn authorization(host: &dyn Host, response: &Response<Body>) -> Result<HeaderValue, ManagedIdentityError> {
    let folder = Folder::of(host)?;
    let named = realm(response.headers()).ok_or_else(|| {
        malformed("the agent's challenge is not exactly one header \"WWW-Authenticate: Basic realm=FILE\"")
    })?;
    let path = folder
        .path_of(named)
        .ok_or_else(|| malformed(format!("the agent's challenge names no key file in {}", folder.path)))?;
    let key = host.read_key_file(&path).map_err(|error| unreadable(&folder, &error))?;
    header(&key).ok_or_else(|| malformed("the agent's key file is empty, longer than 4,096 bytes, or not ASCII text"))
}

/// The folder with the agent's keys.
struct Folder {
    path: String,
    separator: char,
    /// `true` if the system ignores the case of paths.
    ignores_case: bool,
}

impl Folder {
    fn of(host: &dyn Host) -> Result<Self, ManagedIdentityError> {
        let invalid =
            |problem| ManagedIdentityError::new(ManagedIdentityErrorKind::Configuration, Source::Arc, problem);
        match host.platform() {
            Platform::Linux => Ok(Self {
                path: "/var/opt/azcmagent/tokens".to_owned(),
                separator: '/',
                ignores_case: false,
            }),
            Platform::Windows => {
                let data = windows_folder(host, PROGRAM_DATA)
                    .ok_or_else(|| invalid("the variable ProgramData is not an absolute path on a drive"))?;
                Ok(Self {
                    path: format!("{data}\\AzureConnectedMachineAgent\\Tokens"),
                    separator: '\\',
                    ignores_case: true,
                })
            }
            Platform::Other => Err(invalid("its agent runs on Linux and on Windows only")),
        }
    }

    /// Returns our own path of the key file that a challenge names, if the file is directly in this
    /// folder and has the name of a key.
    fn path_of(&self, named: &str) -> Option<PathBuf> {
        let (folder, name) = named.rsplit_once(self.separator)?;
        let is_ours = if self.ignores_case {
            folder.eq_ignore_ascii_case(&self.path)
        } else {
            folder == self.path
        };
        let stem = name.strip_suffix(".key").filter(|stem| is_ours && is_stem(stem))?;
        Some(format!("{}{}{stem}.key", self.path, self.separator).into())
    }
}

/// Returns whether a text is a plain file name: no separator, no stream, no device of Windows.
fn is_stem(stem: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let first = stem.split('.').next().unwrap_or_default().to_ascii_uppercase();
    let is_device = matches!(&*first, "CON" | "PRN" | "AUX" | "NUL")
        || (first.len() == 4 && (first.starts_with("COM") || first.starts_with("LPT")));
    (1..=MAX_NAME).contains(&stem.len()) && !stem.starts_with('.') && stem.bytes().all(is_plain) && !is_device
}

/// Returns the realm of the only challenge: `Basic realm=FILE`, perhaps in quotation marks.
fn realm(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(WWW_AUTHENTICATE).iter();
    let (value, None) = (values.next()?, values.next()) else {
        return None;
    };
    let (scheme, parameter) = value.to_str().ok()?.trim().split_once(' ')?;
    let (name, file) = parameter.split_once('=')?;
    let is_realm = scheme.eq_ignore_ascii_case("basic") && name.trim().eq_ignore_ascii_case("realm");
    let file = file.trim();
    let file = match file.strip_prefix('"') {
        Some(quoted) => quoted.strip_suffix('"')?,
        None => file,
    };
    is_realm.then_some(file)
}

/// Returns the header with a key, which is sent as it is. Only line ends behind it are removed.
fn header(key: &[u8]) -> Option<HeaderValue> {
    if key.len() > MAX_KEY {
        return None;
    }
    let end = key.iter().rposition(|byte| !matches!(byte, b'\r' | b'\n'))?;
    let text = std::str::from_utf8(key.get(..=end)?).ok()?;
    if !text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) {
        return None;
    }
    let mut value = Zeroizing::new(String::with_capacity("Basic ".len() + text.len()));
    value.push_str("Basic ");
    value.push_str(text);
    sensitive(value)
}

fn unreadable(folder: &Folder, error: &io::Error) -> ManagedIdentityError {
    let reason = excerpt(&error.to_string(), 200);
    let problem = format!("a key file in {} cannot be read: {reason}", folder.path);
    if error.kind() == io::ErrorKind::PermissionDenied {
        let hint = if folder.ignores_case {
            "run the program as an administrator, or as a member of the group \"Hybrid agent extension applications\""
        } else {
            "run the program as root, or as a member of the group himds"
        };
        return ManagedIdentityError::new(ManagedIdentityErrorKind::Denied, Source::Arc, problem).with_hint(hint);
    }
    malformed(problem)
}

fn malformed(problem: impl Into<std::borrow::Cow<'static, str>>) -> ManagedIdentityError {
    ManagedIdentityError::new(ManagedIdentityErrorKind::Malformed, Source::Arc, problem)
        .with_hint("look for another service at the agent's address, and repair the Azure Connected Machine agent")
}

/// The maximum length of a key in bytes.
const MAX_KEY: usize = 4096;
/// The maximum length of the name of a key file in bytes. The agent uses GUIDs.
const MAX_NAME: usize = 128;
