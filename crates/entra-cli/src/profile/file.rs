//! Parser of `entra.toml`. The author may be hostile: the size is limited, secrets are rejected,
//! and no message repeats a value.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};
use zeroize::Zeroizing;

use crate::environment::nearest;
use crate::exit::{Exit, Failure};
use crate::files::{excerpt, read_text};
use crate::folders::home;
use crate::profile::keys::{CREDENTIALS, HOLD_SECRETS, KEYS, Key, Kind, OTHER_NAMES, SECRET_NAMES};
use crate::profile::{Entry, Place};
use crate::sanitize::{register_secret, shown, without_suspected_secrets};
use crate::secret_detection::{holds_secret, is_path};

/// A file with profiles.
#[derive(Clone, Debug)]
pub(crate) struct ConfigFile {
    pub(crate) path: PathBuf,
    pub(crate) is_project: bool,
    /// The profile that is used by default, and the place that names it.
    pub(crate) default_profile: Option<(String, Place)>,
    pub(crate) profiles: BTreeMap<String, Vec<Entry>>,
}

/// The value of a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Setting {
    Text(String),
    /// A path, resolved against the folder of `entra.toml`.
    Path(PathBuf),
    Flag(bool),
    List(Vec<String>),
}

impl ConfigFile {
    /// Reads a file with profiles.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read, is not valid, contains a secret, or is the
    /// user's file and every user can write to it.
    pub(crate) fn read(path: &Path, is_project: bool) -> Result<Self, Failure> {
        let text = text_of_file(path, is_project, "the profiles")?;
        let reader = Reader {
            path,
            is_project,
            text: &text,
            section: "profile",
        };
        reader.file()
    }
}

/// Reads the text of a file with settings.
///
/// # Errors
/// Returns an error if the file cannot be read, or is not a project's file and every user can write
/// to it.
pub(crate) fn text_of_file(path: &Path, is_project: bool, what: &str) -> Result<Zeroizing<String>, Failure> {
    let invalid = |problem: &str| Failure::text(Exit::Configuration, format!("{}: {problem}", shown(path)));
    let metadata = path.metadata().map_err(|error| {
        invalid(&error.to_string()).hint("check for a broken link, and for a folder that you have no access to")
    })?;
    // Reading a pipe would block.
    if !metadata.is_file() {
        return Err(invalid("not a file").hint("replace it with a file, or remove it"));
    }
    #[cfg(unix)]
    if !is_project && std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o002 != 0 {
        return Err(invalid("not used, because every user of this machine can write to it").hint("run chmod o-w on it"));
    }
    read_text(path, what, MAX_FILE, Exit::Configuration)
}

/// A reader of settings in TOML, which reports the place of each problem.
pub(crate) struct Reader<'a> {
    pub(crate) path: &'a Path,
    pub(crate) is_project: bool,
    pub(crate) text: &'a str,
    /// The table that contains one table for each application.
    pub(crate) section: &'static str,
}

impl<'a> Reader<'a> {
    /// Parses the text.
    ///
    /// # Errors
    /// Returns an error if it is not TOML.
    pub(crate) fn root(&self) -> Result<Spanned<DeTable<'a>>, Failure> {
        let section = self.section;
        let text = self.text;
        if let Some(at) = text.find('\0') {
            let failure = self.invalid(&(at..at), "not TOML: a NUL character, so this is not a text file");
            return Err(match section {
                "profile" => failure.hint("write a new file with `entra config init --force`"),
                _ => failure.hint("write the file again, as plain text"),
            });
        }
        DeTable::parse(text).map_err(|error| {
            // The message contains no value; the Display output would show the line.
            let message = excerpt(&without_suspected_secrets(error.message()), 100).replace('\n', " ");
            let at = error.span().unwrap_or_default();
            let failure = self.invalid(&at, format_args!("not TOML: {message}"));
            if message == DUPLICATE {
                return failure.hint("remove one of the two");
            }
            failure.hint(format!(
                "write tables such as [{section}.contoso], and lines such as tenant = \"contoso.com\""
            ))
        })
    }
}

impl Reader<'_> {
    fn file(&self) -> Result<ConfigFile, Failure> {
        let root = self.root()?;
        let mut file = ConfigFile {
            path: self.path.to_owned(),
            is_project: self.is_project,
            default_profile: None,
            profiles: BTreeMap::new(),
        };
        for (key, value) in root.get_ref() {
            match key.get_ref().as_ref() {
                "default_profile" => {
                    let name = self.text_of(key, value)?;
                    self.check_name(&name, &value.span())?;
                    file.default_profile = Some((name, self.place(&key.span())));
                }
                "profile" => {
                    for (name, section) in self.table_of(key, value)? {
                        self.check_name(name.get_ref(), &name.span())?;
                        let entries = self.entries(name, section)?;
                        file.profiles.insert(name.get_ref().to_string(), entries);
                    }
                }
                _ => return Err(self.unknown(key, value, &["default_profile", "profile"])),
            }
        }
        Ok(file)
    }

    fn entries(&self, name: &Spanned<impl AsRef<str>>, section: &Spanned<DeValue<'_>>) -> Result<Vec<Entry>, Failure> {
        let mut entries: Vec<Entry> = Vec::new();
        let names: Vec<&str> = KEYS.iter().map(|key| key.name).collect();
        for (key, value) in self.table_of(name, section)? {
            let known = KEYS.iter().find(|known| known.name == key.get_ref().as_ref());
            let known = known.ok_or_else(|| match value.get_ref() {
                DeValue::Table(_) => self.nested(name.get_ref().as_ref(), key),
                _ => self.unknown(key, value, &names),
            })?;
            let entry = Entry {
                key: known.name,
                value: self.setting(known, key, value)?,
                at: self.place(&key.span()),
            };
            let credential = |name: &str| CREDENTIALS.contains(&name);
            if credential(known.name)
                && let Some(other) = entries.iter().find(|other| credential(other.key))
            {
                let problem = format!("{} is a second credential besides {}", known.name, other.key);
                return Err(self.invalid(&key.span(), problem).hint("remove one of them"));
            }
            entries.push(entry);
        }
        Ok(entries)
    }

    fn setting(
        &self,
        known: &Key,
        key: &Spanned<impl AsRef<str>>,
        value: &Spanned<DeValue<'_>>,
    ) -> Result<Setting, Failure> {
        Ok(match known.kind {
            Kind::Text => Setting::Text(self.text_of(key, value)?),
            Kind::Word(words) => {
                let text = self.text_of(key, value)?;
                let word = words.iter().find(|word| word.eq_ignore_ascii_case(&text));
                let word = word.ok_or_else(|| {
                    self.invalid(&value.span(), format_args!("{} has an unknown value", known.name))
                        .hint(format!("use one of {}", words.join(", ")))
                })?;
                Setting::Text((*word).to_owned())
            }
            Kind::Path => Setting::Path(self.path_of(key, value)?),
            Kind::Flag => match value.get_ref().as_bool() {
                Some(flag) => Setting::Flag(flag),
                None => return Err(self.wrong_type(known.name, "true or false", value)),
            },
            Kind::List => {
                let items = value.get_ref().as_array();
                let items = items.ok_or_else(|| self.wrong_type(known.name, "a list of texts", value))?;
                Setting::List(
                    items
                        .iter()
                        .map(|item| self.text_of(key, item))
                        .collect::<Result<_, _>>()?,
                )
            }
        })
    }

    /// Returns a path, resolved against the folder of the file.
    ///
    /// # Errors
    /// Returns an error if the value is not a path.
    pub(crate) fn path_of(
        &self,
        key: &Spanned<impl AsRef<str>>,
        value: &Spanned<DeValue<'_>>,
    ) -> Result<PathBuf, Failure> {
        let name = key.get_ref().as_ref();
        let text = self.text_of(key, value)?;
        let path = self.resolved(&text).ok_or_else(|| {
            let problem = format!("{name} begins with ~, and no home folder is known");
            self.invalid(&value.span(), problem)
                .hint("set HOME, or write the absolute path")
        })?;
        // The file system is checked last: the path may be on another machine.
        let holds_plain_secret = HOLD_SECRETS.contains(&name) && !is_path(&text) && !path.exists();
        if holds_plain_secret {
            register_secret(&text);
            return Err(self
                .invalid(&value.span(), format_args!("{name} is not a path"))
                .hint("write the secret to a file, and give its path, such as ./secret.txt"));
        }
        if cfg!(not(windows)) && text.contains('\\') && !path.exists() {
            let problem = format!("{name} contains a backslash, which does not separate folders here");
            return Err(self
                .invalid(&value.span(), problem)
                .hint("write / between folders, which works on Windows too"));
        }
        Ok(path)
    }

    /// Returns a text that is neither empty nor a possible secret.
    ///
    /// # Errors
    /// Returns an error if the value is another one.
    pub(crate) fn text_of(
        &self,
        key: &Spanned<impl AsRef<str>>,
        value: &Spanned<DeValue<'_>>,
    ) -> Result<String, Failure> {
        let name = excerpt(&without_suspected_secrets(key.get_ref().as_ref()), 40);
        let text = value
            .get_ref()
            .as_str()
            .ok_or_else(|| self.wrong_type(&name, "a text in quotes", value))?;
        let text = text.trim();
        if text.is_empty() {
            return Err(self
                .invalid(&value.span(), format_args!("{name} is empty"))
                .hint("remove it"));
        }
        if text.contains(char::is_control) {
            register_secret(text);
            return Err(self.invalid(
                &value.span(),
                format_args!("{name} contains line breaks or control characters"),
            ));
        }
        if holds_secret(text) {
            register_secret(text);
            return Err(self
                .invalid(
                    &value.span(),
                    format_args!("{name} looks like a key, a token or a secret"),
                )
                .hint(NO_SECRETS));
        }
        Ok(text.to_owned())
    }

    /// Returns the table in a value.
    ///
    /// # Errors
    /// Returns an error if the value is another one.
    pub(crate) fn table_of<'t, 'v>(
        &self,
        key: &Spanned<impl AsRef<str>>,
        value: &'t Spanned<DeValue<'v>>,
    ) -> Result<&'t DeTable<'v>, Failure> {
        let name = excerpt(&without_suspected_secrets(key.get_ref().as_ref()), 40);
        value
            .get_ref()
            .as_table()
            .ok_or_else(|| self.wrong_type(&name, format_args!("a table such as [{}.contoso]", self.section), value))
    }

    fn check_name(&self, name: &str, at: &Range<usize>) -> Result<(), Failure> {
        if is_name(name) {
            return Ok(());
        }
        Err(self.invalid(at, "the name of the profile is not valid").hint(NAME_RULE))
    }

    /// Returns the failure for a table within a profile. An unquoted name with a dot is such a
    /// table.
    fn nested(&self, profile: &str, key: &Spanned<impl AsRef<str>>) -> Failure {
        let name = excerpt(&without_suspected_secrets(key.get_ref().as_ref()), 40);
        let problem = format!("{name} is a table within the profile {profile}");
        let failure = self.invalid(&key.span(), problem);
        let whole = format!("{profile}.{name}");
        if is_name(&whole) {
            failure.hint(format!("write [profile.\"{whole}\"] if this is the profile's name"))
        } else {
            failure.hint("write each setting on its own line, such as tenant = \"contoso.com\"")
        }
    }

    /// Returns the failure for an unknown setting or table.
    pub(crate) fn unknown(
        &self,
        key: &Spanned<impl AsRef<str>>,
        value: &Spanned<DeValue<'_>>,
        names: &[&str],
    ) -> Failure {
        let name = key.get_ref().as_ref();
        let plain: String = name
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .collect::<String>()
            .to_ascii_lowercase();
        let bare = plain.strip_prefix("azure").unwrap_or(&plain);
        let near = nearest(name, names).or_else(|| {
            let same = |known: &&&str| known.replace('_', "") == bare;
            let other = || {
                OTHER_NAMES
                    .iter()
                    .find(|(other, _)| *other == bare)
                    .map(|(_, known)| *known)
            };
            let found = names.iter().find(same).copied().or_else(other);
            found.filter(|found| names.contains(found))
        });
        if near.is_none() && SECRET_NAMES.iter().any(|part| plain.contains(part)) {
            if let Some(text) = value.get_ref().as_str() {
                register_secret(text);
            }
            let problem = format_args!(
                "{} is not a setting: this file must not contain secrets",
                excerpt(&without_suspected_secrets(name), 40)
            );
            return self.invalid(&key.span(), problem).hint(NO_SECRETS);
        }
        let failure = self.invalid(
            &key.span(),
            format_args!("{} is not a setting", excerpt(&without_suspected_secrets(name), 40)),
        );
        let belongs = KEYS.iter().any(|known| known.name == name) && !names.contains(&"tenant");
        let is_table = value.get_ref().is_table();
        let section = self.section;
        match near {
            None if is_table && is_name(name) => failure.hint(format!("write [{section}.{name}] if it is a {section}")),
            _ if belongs => failure.hint(format!("put {name} below a line [{section}.NAME]")),
            Some(near) => failure.hint(format!("did you mean {near}")),
            None if section == "profile" && matches!(plain.as_str(), "scope" | "scopes" | "resource" | "audience") => {
                failure.hint("a profile names the application: give the API with --scope or --resource")
            }
            None => failure.hint(format!("use one of {}", names.join(", "))),
        }
    }

    /// Returns the failure for a value of another type.
    pub(crate) fn wrong_type(
        &self,
        name: &str,
        expected: impl std::fmt::Display,
        value: &Spanned<DeValue<'_>>,
    ) -> Failure {
        let kind = value.get_ref().type_str();
        let article = if kind.starts_with(['a', 'e', 'i', 'o', 'u']) {
            "an"
        } else {
            "a"
        };
        self.invalid(&value.span(), format_args!("{name} is {article} {kind}"))
            .hint(format!("write {expected}"))
    }

    /// Returns the failure for a problem at this place.
    pub(crate) fn invalid(&self, at: &Range<usize>, problem: impl std::fmt::Display) -> Failure {
        let (line, column) = position(self.text, at.start);
        let problem = format!("{}:{line}:{column}: {problem}", shown(self.path));
        Failure::text(Exit::Configuration, problem)
    }

    fn place(&self, at: &Range<usize>) -> Place {
        Place {
            file: self.path.to_owned(),
            line: position(self.text, at.start).0,
            is_project: self.is_project,
        }
    }

    /// Resolves a path: `~` is the home folder, and relative paths begin at the folder of the file.
    /// Returns `None` if no home folder is known.
    pub(crate) fn resolved(&self, text: &str) -> Option<PathBuf> {
        let is_separator = |c: char| std::path::is_separator(c);
        match text.strip_prefix('~') {
            Some("") => home(),
            Some(rest) if rest.starts_with(is_separator) => Some(home()?.join(rest.trim_start_matches(is_separator))),
            _ => Some(self.path.parent().unwrap_or_else(|| Path::new("")).join(text)),
        }
    }
}

/// Returns the line and the column of a byte, both from 1.
fn position(text: &str, at: usize) -> (usize, usize) {
    let end = (0..=at.min(text.len()))
        .rev()
        .find(|end| text.is_char_boundary(*end))
        .unwrap_or(0);
    let before = &text[..end];
    let line = before.rsplit('\n').next().unwrap_or_default();
    (before.matches('\n').count() + 1, line.chars().count() + 1)
}

/// Returns true if a profile can have this name.
pub(crate) fn is_name(name: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    (1..=60).contains(&name.len()) && name.chars().all(is_plain) && !holds_secret(name)
}

/// The rule for the names of profiles.
pub(crate) const NAME_RULE: &str = "use at most 60 letters, digits, hyphens, dots and underscores";

/// The parser's message for a duplicate key or table.
const DUPLICATE: &str = "duplicate key";

/// The hint for a secret in the file.
const NO_SECRETS: &str =
    "write the secret to a file that only you can read and give its path as secret_file, or set AZURE_CLIENT_SECRET";

/// The maximum length of a file, in bytes.
const MAX_FILE: u64 = 64 * 1024;
