//! Profiles: named settings of an application in `entra.toml`.
//!
//! A project's file comes with the project, and its author may be hostile. It is trusted less than
//! the user's own file: it may only name Microsoft's authorities and loopback addresses, and only
//! files in its own folder. See `settings::project`.

mod file;
mod keys;
mod places;

use std::fmt;
use std::path::PathBuf;
use std::sync::OnceLock;

use clap::Args;
use serde_json::{Value, json};

pub(crate) use self::file::{ConfigFile, NAME_RULE, Reader, Setting, is_name, text_of_file};
pub(crate) use self::keys::KEYS;
pub(crate) use self::places::{FILE, found_files, project_file, user_file};
use crate::environment::nearest;
use crate::exit::{Exit, Failure};
use crate::files::{excerpt, tell};
use crate::sanitize::{shown, without_secrets};

/// The option for the profile.
#[derive(Args)]
pub(crate) struct ProfileSettings {
    /// The profile of entra.toml for settings that no option and no variable sets [default: its
    /// default_profile]
    #[arg(long, env = "ENTRA_PROFILE", hide_env_values = true, value_name = "NAME")]
    profile: Option<String>,

    /// True if only a named profile is used, and no default one.
    #[arg(skip)]
    pub(crate) is_only_named: bool,

    #[arg(skip)]
    loaded: OnceLock<Result<Profile, Failure>>,
}

impl ProfileSettings {
    /// Returns the profile, which the first call reads.
    ///
    /// # Errors
    /// Returns an error if a file is invalid, or no file has the profile.
    pub(crate) fn get(&self) -> Result<&Profile, Failure> {
        let loaded = self.loaded.get_or_init(|| self.load());
        loaded.as_ref().map_err(Clone::clone)
    }

    fn load(&self) -> Result<Profile, Failure> {
        let requested = self.profile.as_deref().map(str::trim).filter(|name| !name.is_empty());
        if self.is_only_named && requested.is_none() {
            return Ok(Profile {
                name: None,
                files: Vec::new(),
            });
        }
        let files = found_files()?;
        let default = files.iter().find_map(|file| file.default_profile.as_ref());
        let Some(name) = requested.or_else(|| default.map(|(name, _)| name.as_str())) else {
            return Ok(Profile { name: None, files });
        };
        if !files.iter().any(|file| file.profiles.contains_key(name)) {
            return Err(missing(
                name,
                default.filter(|_| requested.is_none()).map(|(_, at)| at),
                &files,
            ));
        }
        let chosen_by_project = requested.is_none() && default.is_some_and(|(_, at)| at.is_project);
        let project = files.iter().find(|file| file.is_project);
        if let Some(file) = project
            .filter(|file| chosen_by_project || file.profiles.get(name).is_some_and(|entries| !entries.is_empty()))
        {
            tell(format_args!(
                "using the profile {name} of this project, from {}",
                shown(&file.path)
            ));
        }
        Ok(Profile {
            name: Some(name.to_owned()),
            files,
        })
    }
}

/// The chosen profile, if any, and the files: the project's before the user's.
#[derive(Clone, Debug)]
pub(crate) struct Profile {
    pub(crate) name: Option<String>,
    pub(crate) files: Vec<ConfigFile>,
}

impl Profile {
    /// Returns the entry for this setting in the first file that has one.
    pub(crate) fn entry(&self, key: &str) -> Option<&Entry> {
        self.layers()
            .find_map(|entries| entries.iter().find(|entry| entry.key == key))
    }

    /// Returns the credential in the first file that names one.
    pub(crate) fn credential(&self) -> Option<&Entry> {
        let is_credential = |entry: &&Entry| keys::CREDENTIALS.contains(&entry.key);
        self.layers().find_map(|entries| entries.iter().find(is_credential))
    }

    /// Returns the entry for this setting in the file of `other`: the settings of a certificate
    /// must be in the same file as the certificate.
    pub(crate) fn beside(&self, other: &Entry, key: &str) -> Option<&Entry> {
        let is_beside = |entry: &&Entry| entry.key == key && entry.at.file == other.at.file;
        self.layers().find_map(|entries| entries.iter().find(is_beside))
    }

    fn layers(&self) -> impl Iterator<Item = &Vec<Entry>> {
        let name = self.name.as_deref();
        self.files.iter().filter_map(move |file| file.profiles.get(name?))
    }
}

/// One setting of a profile.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: &'static str,
    pub(crate) value: Setting,
    pub(crate) at: Place,
}

/// The place of a setting: file and line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) file: PathBuf,
    pub(crate) line: usize,
    /// True if the file is the project's.
    pub(crate) is_project: bool,
}

impl Place {
    /// Returns the place as JSON.
    pub(crate) fn to_json(&self) -> Value {
        json!({ "kind": "profile", "name": without_secrets(&self.file.to_string_lossy()), "line": self.line })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", shown(&self.file), self.line)
    }
}

/// Returns the failure for an unknown profile. `named_at` is the place of `default_profile`.
fn missing(name: &str, named_at: Option<&Place>, files: &[ConfigFile]) -> Failure {
    let shown_name = excerpt(name, 60);
    let problem = match named_at {
        Some(at) => format!("{at}: default_profile names the unknown profile {shown_name}"),
        None => format!("there is no profile {shown_name}"),
    };
    let failure = Failure::text(Exit::Configuration, problem);
    let mut known: Vec<&str> = files
        .iter()
        .flat_map(|file| file.profiles.keys())
        .map(String::as_str)
        .collect();
    known.sort_unstable();
    known.dedup();
    if files.is_empty() {
        return failure.hint("there is no entra.toml here: create one with `entra config init`");
    }
    match nearest(name, &known) {
        Some(near) => failure.hint(format!("did you mean {near}")),
        None if known.is_empty() => failure.hint("add a table [profile.NAME] to entra.toml"),
        None => failure.hint(format!("use one of {}", excerpt(&known.join(", "), 300))),
    }
}
