//! The settings of a sample: those in its configuration file, then those in the environment.

use std::fmt;
use std::path::{Path, PathBuf};

use entra_proto::error::may_be_secret;

use crate::common::config::{Entry, is_placeholder, read_text};
use crate::common::{Failure, note, optional, warn};
use crate::files;
use crate::sample::{Names, Sample};

/// The settings of a sample.
pub(crate) struct Settings {
    pub(crate) names: &'static Names,
    /// The folder of the configuration file. Paths in it are relative to this folder, which is
    /// where the sample is run.
    pub(crate) folder: PathBuf,
    file: Option<(String, Vec<Entry>)>,
}

/// A setting and its place.
pub(crate) struct Setting {
    pub(crate) value: String,
    pub(crate) place: Place,
}

/// The place of a setting.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// The name of the setting, the file name, and the line, if the format has one setting per
    /// line.
    File(String, String, Option<usize>),
    /// The name of the variable.
    Environment(String),
}

impl Settings {
    /// Reads the configuration file, if there is one, and rejects placeholders that were left in
    /// it.
    pub(crate) fn read(sample: Sample, path: Option<&Path>) -> Result<Self, Failure> {
        let names = sample.names();
        let default = Path::new(names.file);
        let path = match path {
            Some(path) => Some(path),
            // This includes a file that cannot be inspected: the error on reading it says why.
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
        settings.reject_placeholders()?;
        Ok(settings)
    }

    /// Returns a setting. An empty setting counts as not set. White space around it is removed with
    /// a warning.
    pub(crate) fn get(&self, name: &'static str) -> Result<Option<Setting>, Failure> {
        let Some(mut setting) = self.raw(name)? else {
            return Ok(None);
        };
        let trimmed = setting.value.trim();
        if trimmed.len() < setting.value.len() {
            warn(&format!(
                "{} begins or ends with white space, which is ignored",
                setting.place
            ));
            setting.value = trimmed.to_owned();
        }
        Ok(Some(setting))
    }

    /// Returns a setting as it is written: a secret may begin with any character.
    pub(crate) fn raw(&self, name: &'static str) -> Result<Option<Setting>, Failure> {
        if name.is_empty() {
            return Ok(None);
        }
        if let Some((file, entries)) = &self.file {
            // As in the samples, the last one takes effect.
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

    /// Returns the error for a setting that is not set.
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

    fn reject_placeholders(&self) -> Result<(), Failure> {
        let mut left = Vec::new();
        for name in self.names.all() {
            let Some(setting) = self.raw(name)? else { continue };
            if is_placeholder(&setting.value) {
                // A placeholder is public, but a partly replaced one may not be.
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

fn warn_of_duplicates(file: &str, entries: &[Entry]) {
    for (at, entry) in entries.iter().enumerate() {
        if entries[..at].iter().any(|earlier| earlier.key == entry.key) {
            let line = entry
                .line
                .map_or_else(String::new, |line| format!(" again on line {line}"));
            warn(&format!(
                "{file}: {} is set{line} more than once; the last one is used",
                entry.key
            ));
        }
    }
}

const LONGEST_PLACEHOLDER: usize = 160;
