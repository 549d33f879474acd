//! Profiles: the settings of an application under a name, in `entra.toml`.
//!
//! A project's file comes with the project, from an author who may be a stranger. So it is trusted less than the user's own file: it
//! names no authority but Microsoft's own and this machine, and no file outside its folder. See `settings::project`.

mod file;
mod places;

use std::fmt;
use std::path::PathBuf;
use std::sync::OnceLock;

use clap::Args;
use serde_json::{Value, json};

pub(crate) use self::file::{ConfigFile, KEYS, NAME_RULE, Setting, is_name};
pub(crate) use self::places::{FILE, found_files, project_file, user_file};
use crate::environment::nearest;
use crate::exit::{Exit, Failure};
use crate::files::{excerpt, tell};
use crate::outside::{shown, without_secrets};

/// Which profile supplies what no option and no variable sets.
#[derive(Args)]
pub(crate) struct ProfileSettings {
    /// Take what no option and no variable sets from this profile of entra.toml [default: what default_profile names there]
    #[arg(long, env = "ENTRA_PROFILE", hide_env_values = true, value_name = "NAME")]
    profile: Option<String>,

    #[arg(skip)]
    loaded: OnceLock<Result<Profile, Failure>>,
}

impl ProfileSettings {
    /// The profile, read at the first call.
    ///
    /// # Errors
    /// Where a file cannot be used, or none has the profile.
    pub(crate) fn get(&self) -> Result<&Profile, Failure> {
        let loaded = self.loaded.get_or_init(|| self.load());
        loaded.as_ref().map_err(Clone::clone)
    }

    fn load(&self) -> Result<Profile, Failure> {
        let files = found_files()?;
        let asked = self.profile.as_deref().map(str::trim).filter(|name| !name.is_empty());
        let default = files.iter().find_map(|file| file.default_profile.as_ref());
        let Some(name) = asked.or_else(|| default.map(|(name, _)| name.as_str())) else {
            return Ok(Profile { name: None, files });
        };
        if !files.iter().any(|file| file.profiles.contains_key(name)) {
            return Err(missing(
                name,
                default.filter(|_| asked.is_none()).map(|(_, at)| at),
                &files,
            ));
        }
        let chosen_by_project = asked.is_none() && default.is_some_and(|(_, at)| at.is_project);
        let project = files.iter().find(|file| file.is_project);
        if let Some(file) = project
            .filter(|file| chosen_by_project || file.profiles.get(name).is_some_and(|entries| !entries.is_empty()))
        {
            tell(format_args!(
                "the profile {name} of this project is used, from {}",
                shown(&file.path)
            ));
        }
        Ok(Profile {
            name: Some(name.to_owned()),
            files,
        })
    }
}

/// A profile, or none, and the files that were read for it: the project's before the user's.
#[derive(Clone, Debug)]
pub(crate) struct Profile {
    pub(crate) name: Option<String>,
    pub(crate) files: Vec<ConfigFile>,
}

impl Profile {
    /// The entry for this setting, of the first file that has one.
    pub(crate) fn entry(&self, key: &str) -> Option<&Entry> {
        self.layers()
            .find_map(|entries| entries.iter().find(|entry| entry.key == key))
    }

    /// The credential of the first file that names one.
    pub(crate) fn credential(&self) -> Option<&Entry> {
        let is_credential = |entry: &&Entry| file::CREDENTIALS.contains(&entry.key);
        self.layers().find_map(|entries| entries.iter().find(is_credential))
    }

    /// The entry for this setting in the file that also has `other`: what belongs to a certificate stands beside it.
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

/// Where a setting stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) file: PathBuf,
    pub(crate) line: usize,
    /// Whether the file is the project's.
    pub(crate) is_project: bool,
}

impl Place {
    pub(crate) fn to_json(&self) -> Value {
        json!({ "kind": "profile", "name": without_secrets(&self.file.to_string_lossy()), "line": self.line })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", shown(&self.file), self.line)
    }
}

/// The failure for a profile that no file has. `named_at` is where `default_profile` names it.
fn missing(name: &str, named_at: Option<&Place>, files: &[ConfigFile]) -> Failure {
    let shown_name = excerpt(name, 60);
    let problem = match named_at {
        Some(at) => format!("{at}: default_profile names {shown_name}, and no file has such a profile"),
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
        return failure.hint("there is no entra.toml here: `entra config init` writes one");
    }
    match nearest(name, &known) {
        Some(near) => failure.hint(format!("did you mean {near}")),
        None if known.is_empty() => failure.hint("add a table [profile.NAME] to entra.toml"),
        None => failure.hint(format!("use one of {}", excerpt(&known.join(", "), 300))),
    }
}
