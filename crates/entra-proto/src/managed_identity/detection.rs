//! The detection of the platform from the environment, without any request.

use std::borrow::Cow;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::managed_identity::host::{Host, Platform};
use crate::managed_identity::source::Source;
use crate::managed_identity::variables::{
    IDENTITY_ENDPOINT, IDENTITY_HEADER, IDENTITY_SERVER_THUMBPRINT, IMDS_ENDPOINT, MSI_ENDPOINT, MSI_SECRET,
    PROGRAM_FILES, is_set, windows_folder,
};

/// The source of tokens that was detected, and the facts that decided.
///
/// ```
/// use entra_proto::managed_identity::{
///     Evidence, Host, Identity, ManagedIdentity, Source,
/// };
/// # use std::{ffi::OsString, io, path::Path};
/// # struct Machine;
/// # impl Host for Machine {
/// #     fn variable(&self, name: &str) -> Option<OsString> {
/// #         ["IDENTITY_ENDPOINT", "IDENTITY_HEADER"]
/// #             .contains(&name)
/// #             .then(|| "http://127.0.0.1:41564/msi/token".into())
/// #     }
/// #     fn file_exists(&self, _: &Path) -> bool { false }
/// #     fn read_key_file(&self, _: &Path)
/// #         -> io::Result<zeroize::Zeroizing<Vec<u8>>> {
/// #         Err(io::ErrorKind::NotFound.into())
/// #     }
/// # }
///
/// // `Machine` has two variables: IDENTITY_ENDPOINT and IDENTITY_HEADER.
/// let identity = ManagedIdentity::new(Identity::system(), Machine);
/// let detection = identity.detect();
/// assert_eq!(detection.source(), Source::AppService);
/// assert_eq!(
///     detection.evidence(),
///     [
///         Evidence::Variable("IDENTITY_ENDPOINT"),
///         Evidence::Variable("IDENTITY_HEADER"),
///     ],
/// );
/// assert_eq!(
///     detection.to_string(),
///     "App Service: IDENTITY_ENDPOINT and IDENTITY_HEADER are set"
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detection {
    source: Source,
    evidence: Vec<Evidence>,
}

/// A fact that decided which source of tokens was detected.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Evidence {
    /// The program has chosen the source.
    Chosen,
    /// This environment variable is set and not empty.
    Variable(&'static str),
    /// This file exists: the program of the Azure Arc agent.
    File(PathBuf),
}

impl Detection {
    /// Detects the source. The first match decides.
    pub(crate) fn on(host: &dyn Host) -> Self {
        let (source, evidence) = match Decision::on(host) {
            Decision::Variables(source, names) => (source, names.iter().copied().map(Evidence::Variable).collect()),
            Decision::Agent(path) => (Source::Arc, vec![Evidence::File(path.into_owned())]),
            Decision::Nothing => (Source::Imds, Vec::new()),
        };
        Self { source, evidence }
    }

    /// Returns only the source.
    pub(crate) fn source_on(host: &dyn Host) -> Source {
        match Decision::on(host) {
            Decision::Variables(source, _) => source,
            Decision::Agent(_) => Source::Arc,
            Decision::Nothing => Source::Imds,
        }
    }

    /// Returns the detection of a source that the program has chosen.
    pub(crate) fn chosen(source: Source) -> Self {
        Self {
            source,
            evidence: vec![Evidence::Chosen],
        }
    }

    /// Returns the source.
    #[must_use]
    pub fn source(&self) -> Source {
        self.source
    }

    /// Returns the facts that decided. The list is empty for the instance metadata service, which
    /// remains if nothing names another source: only a request shows whether it exists.
    #[must_use]
    pub fn evidence(&self) -> &[Evidence] {
        &self.evidence
    }
}

impl fmt::Display for Detection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.source)?;
        let Some((last, others)) = self.evidence.split_last() else {
            return f.write_str("the environment names no other source");
        };
        for (at, fact) in others.iter().enumerate() {
            write!(f, "{}{fact}", if at == 0 { "" } else { ", " })?;
        }
        match last {
            Evidence::Variable(_) if !others.is_empty() => write!(f, " and {last} are set"),
            Evidence::Variable(_) => write!(f, "{last} is set"),
            Evidence::File(_) => write!(f, "{last} exists"),
            Evidence::Chosen => last.fmt(f),
        }
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Chosen => f.write_str("chosen by the program"),
            Self::Variable(name) => f.write_str(name),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

/// The facts that decide.
enum Decision {
    /// These variables are set.
    Variables(Source, &'static [&'static str]),
    /// The program of the Azure Arc agent exists.
    Agent(Cow<'static, Path>),
    /// Nothing names a source.
    Nothing,
}

impl Decision {
    /// Looks for the facts. The first match decides.
    fn on(host: &dyn Host) -> Self {
        // Each is read once.
        let set = NAMES.map(|name| (name, is_set(host, name)));
        for (source, names) in VARIABLES {
            if names.iter().all(|name| set.contains(&(*name, true))) {
                return Self::Variables(*source, names);
            }
        }
        match agent(host).filter(|path| host.file_exists(path)) {
            Some(path) => Self::Agent(path),
            None => Self::Nothing,
        }
    }
}

/// Returns the path of the Azure Arc agent's program.
fn agent(host: &dyn Host) -> Option<Cow<'static, Path>> {
    match host.platform() {
        Platform::Linux => Some(Path::new("/opt/azcmagent/bin/himds").into()),
        Platform::Windows => {
            let folder = windows_folder(host, PROGRAM_FILES)?;
            let path = PathBuf::from(format!("{folder}\\AzureConnectedMachineAgent\\himds.exe"));
            Some(path.into())
        }
        Platform::Other => None,
    }
}

/// The variables that decide.
const NAMES: [&str; 6] = [
    IDENTITY_ENDPOINT,
    IDENTITY_HEADER,
    IDENTITY_SERVER_THUMBPRINT,
    IMDS_ENDPOINT,
    MSI_ENDPOINT,
    MSI_SECRET,
];

/// The variables of each source, in the order in which they are looked for. Without any of them,
/// the files decide.
const VARIABLES: &[(Source, &[&str])] = &[
    (
        Source::ServiceFabric,
        &[IDENTITY_ENDPOINT, IDENTITY_HEADER, IDENTITY_SERVER_THUMBPRINT],
    ),
    (Source::AppService, &[IDENTITY_ENDPOINT, IDENTITY_HEADER]),
    (Source::MachineLearning, &[MSI_ENDPOINT, MSI_SECRET]),
    (Source::CloudShell, &[MSI_ENDPOINT]),
    (Source::Arc, &[IDENTITY_ENDPOINT, IMDS_ENDPOINT]),
];
