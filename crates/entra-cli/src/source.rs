//! The sources of settings: options, variables, files, profiles and defaults.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;

use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command, FromArgMatches};
use serde_json::{Value, json};

use crate::profile::Place;
use crate::sanitize::{shown, without_secrets};

/// The source of a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// An option on the command line, such as `--tenant`.
    Flag(String),
    /// An environment variable.
    Variable(String),
    /// A file; `-` is standard input.
    File(PathBuf),
    /// A profile in `entra.toml`.
    Profile(Place),
    /// The default, since the setting is not set.
    Default,
}

impl Source {
    /// Returns the source as JSON.
    pub(crate) fn to_json(&self) -> Value {
        match self {
            Self::Flag(name) => json!({ "kind": "flag", "name": name }),
            Self::Variable(name) => json!({ "kind": "variable", "name": name }),
            Self::File(path) => json!({ "kind": "file", "name": without_secrets(&path.to_string_lossy()) }),
            Self::Profile(place) => place.to_json(),
            Self::Default => json!({ "kind": "default" }),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) | Self::Variable(name) => write!(f, "from {name}"),
            Self::File(path) if path.as_os_str() == "-" => f.write_str("from standard input"),
            Self::File(path) => write!(f, "from the file {}", shown(path)),
            Self::Profile(place) => write!(f, "from {place}"),
            Self::Default => f.write_str("the default"),
        }
    }
}

/// Arguments with the source of each, which clap knows only while it parses them.
pub(crate) struct Traced<T> {
    pub(crate) settings: T,
    given: HashMap<String, Given>,
}

struct Given {
    source: Source,
    has_blanks: bool,
}

impl<T> Traced<T> {
    /// Returns the source of an argument, by the name of its field.
    pub(crate) fn source(&self, argument: &str) -> Source {
        self.given
            .get(argument)
            .map_or(Source::Default, |given| given.source.clone())
    }

    /// Returns the options on the command line, each with the name of its field, sorted by these
    /// names.
    pub(crate) fn flags(&self) -> impl Iterator<Item = (&str, &str)> {
        let flags = self.given.iter().filter_map(|(name, given)| match &given.source {
            Source::Flag(flag) => Some((name.as_str(), flag.as_str())),
            _ => None,
        });
        let mut flags: Vec<(&str, &str)> = flags.collect();
        flags.sort_unstable();
        flags.into_iter()
    }

    /// Returns true if the value was given with white space before or after it.
    pub(crate) fn has_blanks(&self, argument: &str) -> bool {
        self.given.get(argument).is_some_and(|given| given.has_blanks)
    }
}

impl<T: Args> Args for Traced<T> {
    fn augment_args(command: Command) -> Command {
        T::augment_args(command)
    }

    fn augment_args_for_update(command: Command) -> Command {
        T::augment_args_for_update(command)
    }
}

impl<T: Args> FromArgMatches for Traced<T> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Ok(Self {
            given: given::<T>(matches),
            settings: T::from_arg_matches(matches)?,
        })
    }

    fn from_arg_matches_mut(matches: &mut ArgMatches) -> Result<Self, clap::Error> {
        Ok(Self {
            given: given::<T>(matches),
            settings: T::from_arg_matches_mut(matches)?,
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.given.extend(given::<T>(matches));
        self.settings.update_from_arg_matches(matches)
    }
}

/// Returns the arguments of `T` that an option or a variable sets, by their names.
fn given<T: Args>(matches: &ArgMatches) -> HashMap<String, Given> {
    let mut found = HashMap::new();
    for argument in T::augment_args(Command::new("")).get_arguments() {
        let name = argument.get_id().as_str();
        let source = match matches.value_source(name) {
            Some(ValueSource::CommandLine) => Source::Flag(format!("--{}", argument.get_long().unwrap_or(name))),
            Some(ValueSource::EnvVariable) => {
                let variable = argument.get_env().unwrap_or_default();
                Source::Variable(variable.to_string_lossy().into_owned())
            }
            _ => continue,
        };
        let has_blanks = matches.get_raw(name).is_some_and(|mut values| {
            values.any(|value| value.to_str().is_some_and(|text| text.trim().len() < text.len()))
        });
        found.insert(name.to_owned(), Given { source, has_blanks });
    }
    found
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Args)]
    struct Settings {
        #[arg(long)]
        flag_given: Option<String>,
        // Cargo sets it for every test.
        #[arg(long, env = "CARGO_MANIFEST_DIR")]
        variable: Option<String>,
        #[arg(long, default_value_t = 3)]
        number: u8,
    }

    #[derive(Parser)]
    struct All {
        #[command(flatten)]
        traced: Traced<Settings>,
    }

    #[test]
    fn source_of_each_argument_is_known() {
        let traced = All::parse_from(["test", "--flag-given", "x\n"]).traced;
        assert_eq!(traced.source("flag_given"), Source::Flag("--flag-given".into()));
        assert!(traced.has_blanks("flag_given"));
        assert_eq!(traced.source("variable"), Source::Variable("CARGO_MANIFEST_DIR".into()));
        assert!(!traced.has_blanks("variable"));
        assert_eq!(traced.source("number"), Source::Default);
        let given = traced.settings;
        assert_eq!((given.flag_given.as_deref(), given.number), (Some("x\n"), 3));
        assert!(given.variable.is_some());
    }
}
