//! The settings of a sample: those of its configuration file, then those of the environment.

use std::fmt;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use entra_proto::{Guid, may_be_secret};

use crate::common::{Failure, note, optional, warn};
use crate::files::{self, Entry};
use crate::sample::{Names, Sample};

/// The settings of a sample.
pub(crate) struct Settings {
    pub(crate) names: &'static Names,
    /// The folder of the configuration file: other files are relative to it, as they are where the sample is run.
    pub(crate) folder: PathBuf,
    file: Option<(String, Vec<Entry>)>,
}

/// A setting and where it was found.
pub(crate) struct Setting {
    pub(crate) value: String,
    pub(crate) place: Place,
}

/// Where a setting was found.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// The name of the setting, that of the file, and the line where the file has lines of settings.
    File(String, String, Option<usize>),
    /// The name of the variable.
    Environment(String),
}

impl Settings {
    /// Reads the configuration file, if there is one, and refuses placeholders that were left in it.
    pub(crate) fn read(sample: Sample, path: Option<&Path>) -> Result<Self, Failure> {
        let names = sample.names();
        let default = Path::new(names.file);
        let path = match path {
            Some(path) => Some(path),
            // Also where it cannot be looked at: reading it then says why.
            None => (!matches!(default.try_exists(), Ok(false))).then_some(default),
        };
        let mut settings = Self {
            names,
            folder: PathBuf::new(),
            file: None,
        };
        if let Some(path) = path {
            let name = path.display().to_string();
            let text = read_text(path).map_err(|failure| failure.at(&name))?;
            let entries = files::parse(sample, &text).map_err(|failure| failure.at(&name))?;
            settings.folder = path.parent().map(Path::to_path_buf).unwrap_or_default();
            note(&format!("configuration from {name}"));
            warn_of_duplicates(&name, &entries);
            settings.file = Some((name, entries));
        }
        settings.refuse_placeholders()?;
        Ok(settings)
    }

    /// Returns a setting. An empty one is not set. White space around it is left out, which a warning tells.
    pub(crate) fn get(&self, name: &'static str) -> Result<Option<Setting>, Failure> {
        let Some(mut setting) = self.raw(name)? else {
            return Ok(None);
        };
        let trimmed = setting.value.trim();
        if trimmed.len() < setting.value.len() {
            warn(&format!(
                "{} begins or ends with white space, which is left out",
                setting.place
            ));
            setting.value = trimmed.to_owned();
        }
        Ok(Some(setting))
    }

    /// Returns a setting as it is written: a secret may begin with anything.
    pub(crate) fn raw(&self, name: &'static str) -> Result<Option<Setting>, Failure> {
        if name.is_empty() {
            return Ok(None);
        }
        if let Some((file, entries)) = &self.file {
            // As in the samples, the last one counts.
            let found = entries.iter().rev().find(|entry| entry.key == name);
            if let Some(entry) = found.filter(|entry| !entry.value.is_empty()) {
                return Ok(Some(Setting {
                    value: entry.value.clone(),
                    place: Place::File(name.to_owned(), file.clone(), entry.line),
                }));
            }
        }
        Ok(optional(name)?.map(|value| Setting {
            value,
            place: Place::Environment(name.to_owned()),
        }))
    }

    /// Returns an error for a setting that is nowhere.
    pub(crate) fn missing(&self, name: &str, azure: &str) -> Failure {
        let problem = match &self.file {
            Some((file, _)) if !name.is_empty() => format!("{name} is not set in {file}, and neither is {azure}"),
            _ => format!("{azure} is not set"),
        };
        let names = self.names;
        Failure::new(problem).hint(format!(
            "fill in {} as the document has it, name the file with --config, or set the variable {azure}",
            names.file
        ))
    }

    fn refuse_placeholders(&self) -> Result<(), Failure> {
        let mut left = Vec::new();
        for name in self.names.all() {
            let Some(setting) = self.raw(name)? else { continue };
            if is_placeholder(&setting.value) {
                // A placeholder is public, but one that was half filled in may not be.
                left.push(
                    if may_be_secret(&setting.value) || setting.value.len() > LONGEST_PLACEHOLDER {
                        setting.place.to_string()
                    } else {
                        format!("{} (\"{}\")", setting.place, setting.value.trim())
                    },
                );
            }
        }
        if left.is_empty() {
            return Ok(());
        }
        let are = if left.len() == 1 {
            "is still a placeholder"
        } else {
            "are still placeholders"
        };
        Err(Failure::new(format!("{} {are} of the sample", left.join(", "))).hint(
            "replace them with the values of the app registration: Application (client) ID, Directory (tenant) ID, \
             the value of a client secret, the Object ID; the cloud is https://login.microsoftonline.com, Graph is \
             https://graph.microsoft.com/",
        ))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(name, file, Some(line)) => write!(f, "{name} ({file}, line {line})"),
            Self::File(name, file, None) => write!(f, "{name} ({file})"),
            Self::Environment(name) => write!(f, "the variable {name}"),
        }
    }
}

/// Reads a small file of text. A byte order mark is no part of it.
fn read_text(path: &Path) -> Result<String, Failure> {
    let failed = |error: std::io::Error| {
        let failure = Failure::new(format!("cannot be read: {error}"));
        match error.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory => failure.hint("check the path"),
            ErrorKind::IsADirectory => failure.hint("name the file in this folder"),
            ErrorKind::PermissionDenied => failure.hint("run as a user who may read it"),
            _ => failure,
        }
    };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(LONGEST_FILE + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > LONGEST_FILE {
        return Err(Failure::new(format!("is longer than {LONGEST_FILE} bytes"))
            .hint("name the configuration file: it has a few lines"));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let line = error.as_bytes()[..error.utf8_error().valid_up_to()]
            .iter()
            .filter(|byte| **byte == b'\n')
            .count();
        Failure::new(format!("line {} is not UTF-8", line + 1)).hint("save the file as UTF-8")
    })?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

fn warn_of_duplicates(file: &str, entries: &[Entry]) {
    for (at, entry) in entries.iter().enumerate() {
        if entries[..at].iter().any(|earlier| earlier.key == entry.key) {
            let line = entry
                .line
                .map_or_else(String::new, |line| format!(" again on line {line}"));
            warn(&format!(
                "{file}: {} is set{line} more than once; the last one counts",
                entry.key
            ));
        }
    }
}

/// Whether a value is one that the samples and their documents leave to be replaced.
fn is_placeholder(value: &str) -> bool {
    let value = value.trim().to_ascii_lowercase();
    // Some tools write an id in braces: it is no placeholder, and what reads it says what is wrong.
    if value.trim_matches(['{', '}']).parse::<Guid>().is_ok() {
        return false;
    }
    let between = |open: char, close: char| value.starts_with(open) && value.ends_with(close);
    [
        "enter_the_",
        "enter the ",
        "enter_here",
        "[enter",
        "your_client_id",
        "your_tenant",
        "your-tenant",
        "your-client",
    ]
    .iter()
    .any(|sign| value.contains(sign))
        || value.starts_with("the secret generated by aad")
        || value.contains("the thumbprint generated by aad")
        || value.contains("<tenant")
        || value.contains("{tenant")
        || between('<', '>')
        || between('{', '}')
}

/// Many times what a configuration has.
const LONGEST_FILE: u64 = 256 * 1024;
const LONGEST_PLACEHOLDER: usize = 160;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_of_samples_and_documents_are_recognised() {
        for value in [
            "Enter_the_Tenant_Id_Here",
            "Enter_the_Cloud_Instance_Id_Here",
            " https://login.microsoftonline.com/Enter_the_tenant_ID_obtained_from_the_Microsoft_Entra_admin_center",
            "Enter the client secret value obtained from the Microsoft Entra admin center",
            "https://login.microsoftonline.com/Enter_the_Tenant_Name_Here",
            "[Enter here the tenantID or domain name for your Azure AD tenant]",
            "your_client_id",
            "The secret generated by AAD during your confidential app registration",
            "790E... The thumbprint generated by AAD when you upload your public cert",
            "https://login.microsoftonline.com/<tenant_id>",
            "{client-id}",
        ] {
            assert!(is_placeholder(value), "{value}");
        }
        for value in [
            "contoso.onmicrosoft.com",
            "https://login.microsoftonline.com/9198cc71-02da-43ef-8532-e151093e9beb",
            "emulator~<abc",
            "{535fb089-9ff3-47b6-9bfb-4f1264799865}",
            "https://graph.microsoft.com/",
            "a8Q~yours_truly.center",
        ] {
            assert!(!is_placeholder(value), "{value}");
        }
    }
}
