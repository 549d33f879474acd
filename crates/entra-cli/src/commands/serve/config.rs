//! The configuration file of `entra serve`. Its keys are the options: `key_file` is `--key-file`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::{Arg, ArgAction, Command, CommandFactory, FromArgMatches, Parser};
use entra_serve::DownstreamApi;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::arguments::usage;
use crate::commands::serve::apis;
use crate::commands::serve::identities::IdentityOptions;
use crate::commands::serve::options::ServerOptions;
use crate::exit::{Exit, Failure};
use crate::named_file::reject_contents;
use crate::profile::{NAME_RULE, Reader, is_name, text_of_file};
use crate::sanitize::shown;

/// The contents of a configuration file.
#[derive(Default)]
pub(super) struct ConfigFile {
    pub(super) options: ServerOptions,
    /// The identities, the default first.
    pub(super) identities: Vec<Named>,
    pub(super) apis: Vec<DownstreamApi>,
}

/// An identity of a configuration file.
pub(super) struct Named {
    pub(super) name: String,
    pub(super) options: IdentityOptions,
    /// Where the table is, for messages.
    pub(super) place: String,
}

/// The options of the file outside of its tables.
#[derive(Parser)]
#[command(name = "entra serve", no_binary_name = true, disable_help_flag = true)]
struct Top {
    #[command(flatten)]
    options: ServerOptions,
}

impl ConfigFile {
    /// Reads a configuration file. `network` has the options for identities without their own.
    ///
    /// # Errors
    /// Returns an error with the place of the problem.
    pub(super) fn read(path: &Path, network: &[(&'static str, OsString)]) -> Result<Self, Failure> {
        reject_contents(path, Exit::Configuration)?;
        let text = text_of_file(path, false, "the configuration")?;
        let reader = Reader {
            path,
            is_project: false,
            text: &text,
            section: "identity",
        };
        let root = reader.root()?;
        let mut words = Vec::new();
        let (mut identities, mut apis) = (Vec::new(), Vec::new());
        let top = Keys::of(Top::command(), &[IDENTITY, API]);
        for (key, value) in root.get_ref() {
            match key.get_ref().as_ref() {
                IDENTITY => identities = named(&reader, reader.table_of(key, value)?, network)?,
                API => apis = apis::read(&reader, reader.table_of(key, value)?)?,
                _ => words.extend(top.words(&reader, key, value)?),
            }
        }
        let matches = Top::command().try_get_matches_from(words);
        let parsed = matches.and_then(|mut matches| Top::from_arg_matches_mut(&mut matches));
        let top = parsed.map_err(|error| Failure::new(Exit::Configuration, usage(&error)).context(shown(path)))?;
        Ok(Self {
            options: top.options,
            identities,
            apis,
        })
    }
}

/// Reads the tables of identities, the default first.
fn named(
    reader: &Reader<'_>,
    tables: &DeTable<'_>,
    network: &[(&'static str, OsString)],
) -> Result<Vec<Named>, Failure> {
    let keys = Keys::of(IdentityOptions::of_table(), &[DEFAULT]);
    // The parser sorts by name.
    let mut tables: Vec<_> = tables.iter().collect();
    tables.sort_by_key(|(name, _)| name.span().start);
    let mut identities: Vec<Named> = Vec::new();
    let mut default = None;
    for (name, table) in tables {
        if !is_name(name.get_ref()) {
            return Err(reader
                .invalid(&name.span(), "the name of the identity is not valid")
                .hint(NAME_RULE));
        }
        let place = reader
            .invalid(&name.span(), format_args!("identity {}", name.get_ref()))
            .problem;
        let mut words = Vec::new();
        let mut missing: Vec<_> = network.iter().collect();
        for (key, value) in reader.table_of(name, table)? {
            let text = key.get_ref().as_ref();
            missing.retain(|(name, _)| *name != text);
            if text != DEFAULT {
                words.extend(keys.words(reader, key, value)?);
                continue;
            }
            match value.get_ref().as_bool() {
                None => return Err(reader.wrong_type(DEFAULT, "true or false", value)),
                Some(false) => {}
                Some(true) if default.is_some() => {
                    return Err(reader
                        .invalid(&key.span(), "a second identity is the default")
                        .hint("remove one of them"));
                }
                Some(true) => default = Some(identities.len()),
            }
        }
        words.extend(missing.iter().map(|(name, value)| word(name, value)));
        let options = IdentityOptions::parse(words).map_err(|failure| failure.context(&place))?;
        identities.push(Named {
            name: name.get_ref().to_string(),
            options,
            place,
        });
    }
    if let Some(at) = default {
        identities[..=at].rotate_right(1);
    }
    Ok(identities)
}

/// The keys of a table, and the options that they stand for.
struct Keys {
    command: Command,
    /// The keys, with those that are no options.
    names: Vec<String>,
}

impl Keys {
    fn of(mut command: Command, more: &[&str]) -> Self {
        command.build();
        let keys = command.get_arguments().filter_map(key_of);
        let names = keys.chain(more.iter().map(|name| (*name).to_owned())).collect();
        Self { command, names }
    }

    /// Returns the words of the command line that a key and its value stand for.
    fn words(
        &self,
        reader: &Reader<'_>,
        key: &Spanned<impl AsRef<str>>,
        value: &Spanned<DeValue<'_>>,
    ) -> Result<Vec<OsString>, Failure> {
        let name = key.get_ref().as_ref();
        if name == ENDPOINT && self.names.iter().any(|known| known == ENDPOINT) {
            return match reader.text_of(key, value)?.to_ascii_lowercase().as_str() {
                version @ ("v1" | "v2") => Ok(vec![format!("--{version}").into()]),
                _ => Err(reader
                    .invalid(&value.span(), "endpoint has an unknown value")
                    .hint("use one of v1, v2")),
            };
        }
        let mut arguments = self.command.get_arguments();
        let Some(argument) = arguments.find(|argument| key_of(argument).is_some_and(|known| known == name)) else {
            let names: Vec<&str> = self.names.iter().map(String::as_str).collect();
            return Err(reader.unknown(key, value, &names));
        };
        let long = argument.get_long().unwrap_or_default();
        let is_path = argument.get_value_parser().type_id() == std::any::TypeId::of::<PathBuf>();
        Ok(match (argument.get_action(), value.get_ref()) {
            (ArgAction::SetTrue, DeValue::Boolean(true)) => vec![format!("--{long}").into()],
            (ArgAction::SetTrue, DeValue::Boolean(false)) => Vec::new(),
            (ArgAction::SetTrue, _) => return Err(reader.wrong_type(name, "true or false", value)),
            (ArgAction::Append, DeValue::Array(items)) => {
                let texts = items.iter().map(|item| match item.get_ref() {
                    DeValue::Integer(number) => Ok(number.to_string()),
                    _ => reader.text_of(key, item),
                });
                let texts: Vec<String> = texts.collect::<Result<_, _>>()?;
                texts.iter().map(|text| word(long, text.as_ref())).collect()
            }
            (ArgAction::Append, DeValue::String(_)) => vec![word(long, reader.text_of(key, value)?.as_ref())],
            (ArgAction::Append, DeValue::Integer(number)) => vec![word(long, number.to_string().as_ref())],
            (ArgAction::Append, _) => return Err(reader.wrong_type(name, "a list of texts", value)),
            (_, DeValue::Integer(number)) if !is_path => vec![word(long, number.to_string().as_ref())],
            // The option has a default value.
            (_, DeValue::Boolean(true)) if argument.get_num_args().is_some_and(|count| count.min_values() == 0) => {
                vec![format!("--{long}").into()]
            }
            _ if is_path => vec![word(long, reader.path_of(key, value)?.as_ref())],
            _ => vec![word(long, reader.text_of(key, value)?.as_ref())],
        })
    }
}

/// Returns the key of an option. A list has the plural.
fn key_of(argument: &Arg) -> Option<String> {
    let long = argument.get_long().filter(|_| !argument.is_hide_set())?;
    Some(match long {
        "v1" => ENDPOINT.to_owned(),
        "v2" | "help" | "version" => return None,
        "capability" => "capabilities".to_owned(),
        "resource" | "name" | "socket-user" => format!("{}s", long.replace('-', "_")),
        _ => long.replace('-', "_"),
    })
}

/// Returns the word `--NAME=VALUE`.
fn word(long: &str, value: &std::ffi::OsStr) -> OsString {
    let mut word = OsString::from(format!("--{}=", long.replace('_', "-")));
    word.push(value);
    word
}

const IDENTITY: &str = "identity";
const API: &str = "api";
const DEFAULT: &str = "default";
const ENDPOINT: &str = "endpoint";
