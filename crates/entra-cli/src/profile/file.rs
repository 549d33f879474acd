//! One `entra.toml`, read and checked. Its author may be hostile: it is small, holds no secret, and no message repeats its values.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::directory::home;
use crate::environment::nearest;
use crate::exit::{Exit, Failure};
use crate::files::{excerpt, read_text};
use crate::outside::{keep_out, shown, without_suspects};
use crate::profile::{Entry, Place};
use crate::suspects::{holds_secret, is_path};

/// A file with profiles.
#[derive(Clone, Debug)]
pub(crate) struct ConfigFile {
    pub(crate) path: PathBuf,
    pub(crate) is_project: bool,
    /// The profile that is used where none is named, and where that stands.
    pub(crate) default_profile: Option<(String, Place)>,
    pub(crate) profiles: BTreeMap<String, Vec<Entry>>,
}

/// The value of a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Setting {
    Text(String),
    /// A file: in the folder of `entra.toml` unless it is absolute.
    Path(PathBuf),
    Flag(bool),
    List(Vec<String>),
}

/// What a setting of a profile is.
pub(crate) struct Key {
    pub(crate) name: &'static str,
    kind: Kind,
    /// A value and a remark, for the file that `entra config init` writes.
    pub(crate) example: &'static str,
    pub(crate) remark: &'static str,
}

enum Kind {
    Text,
    Word(&'static [&'static str]),
    Path,
    Flag,
    List,
}

impl ConfigFile {
    pub(crate) fn read(path: &Path, is_project: bool) -> Result<Self, Failure> {
        let wrong = |problem: &str| Failure::text(Exit::Configuration, format!("{}: {problem}", shown(path)));
        let metadata = path.metadata().map_err(|error| {
            wrong(&error.to_string())
                .hint("it is a link that leads nowhere, or in a folder that you may not see into: check both")
        })?;
        // A pipe would keep the command waiting.
        if !metadata.is_file() {
            return Err(wrong("is not a file").hint("put a file there, or remove it"));
        }
        #[cfg(unix)]
        if !is_project && std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o002 != 0 {
            return Err(wrong("every user of the machine may write to it, so it is not used").hint("chmod o-w it"));
        }
        let text = read_text(path, "the profiles", MAX_FILE, Exit::Configuration)?;
        let reader = Reader {
            path,
            is_project,
            text: &text,
        };
        reader.file()
    }
}

struct Reader<'a> {
    path: &'a Path,
    is_project: bool,
    text: &'a str,
}

impl Reader<'_> {
    fn file(&self) -> Result<ConfigFile, Failure> {
        if let Some(at) = self.text.find('\0') {
            let failure = self.wrong(&(at..at), "not TOML: a NUL character, so this is not a text file");
            return Err(failure.hint("write it again: `entra config init --force`"));
        }
        let root = DeTable::parse(self.text).map_err(|error| {
            // Its message names no value; its Display shows the line.
            let message = excerpt(&without_suspects(error.message()), 100).replace('\n', " ");
            let at = error.span().unwrap_or_default();
            let hint = if message == DUPLICATE {
                "it is there twice: leave one of them"
            } else {
                "write tables such as [profile.contoso], and lines such as tenant = \"contoso.com\""
            };
            self.wrong(&at, format_args!("not TOML: {message}")).hint(hint)
        })?;
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
                let problem = format!("{} is a second credential, beside {}", known.name, other.key);
                return Err(self.wrong(&key.span(), problem).hint("leave one of them"));
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
                    self.wrong(&value.span(), format_args!("{} has another value", known.name))
                        .hint(format!("use one of {}", words.join(", ")))
                })?;
                Setting::Text((*word).to_owned())
            }
            Kind::Path => {
                let text = self.text_of(key, value)?;
                let path = self.resolved(&text).ok_or_else(|| {
                    let problem = format!("{} begins at the home folder, and there is none", known.name);
                    self.wrong(&value.span(), problem)
                        .hint("set HOME, or write the whole path")
                })?;
                // The look at the file comes last: it may be on another machine.
                let holds_plain_secret = HOLD_SECRETS.contains(&known.name) && !is_path(&text) && !path.exists();
                if holds_plain_secret {
                    keep_out(&text);
                    return Err(self
                        .wrong(&value.span(), format_args!("{} names no file", known.name))
                        .hint("write the secret to a file and name that, such as ./secret.txt"));
                }
                if cfg!(not(windows)) && text.contains('\\') && !path.exists() {
                    let problem = format!("{} has a backslash in it, which separates no folders here", known.name);
                    return Err(self
                        .wrong(&value.span(), problem)
                        .hint("write / between folders: it works on Windows as well"));
                }
                Setting::Path(path)
            }
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

    /// A text that is neither empty nor a secret.
    fn text_of(&self, key: &Spanned<impl AsRef<str>>, value: &Spanned<DeValue<'_>>) -> Result<String, Failure> {
        let name = excerpt(&without_suspects(key.get_ref().as_ref()), 40);
        let text = value
            .get_ref()
            .as_str()
            .ok_or_else(|| self.wrong_type(&name, "a text in quotes", value))?;
        let text = text.trim();
        if text.is_empty() {
            return Err(self
                .wrong(&value.span(), format_args!("{name} is empty"))
                .hint("leave it out"));
        }
        if text.contains(char::is_control) {
            keep_out(text);
            return Err(self.wrong(
                &value.span(),
                format_args!("{name} has line ends or control characters in it"),
            ));
        }
        if holds_secret(text) {
            keep_out(text);
            return Err(self
                .wrong(
                    &value.span(),
                    format_args!("{name} looks like a key, a token or a secret"),
                )
                .hint(NO_SECRETS));
        }
        Ok(text.to_owned())
    }

    fn table_of<'t, 'v>(
        &self,
        key: &Spanned<impl AsRef<str>>,
        value: &'t Spanned<DeValue<'v>>,
    ) -> Result<&'t DeTable<'v>, Failure> {
        let name = excerpt(&without_suspects(key.get_ref().as_ref()), 40);
        value
            .get_ref()
            .as_table()
            .ok_or_else(|| self.wrong_type(&name, "a table such as [profile.contoso]", value))
    }

    fn check_name(&self, name: &str, at: &Range<usize>) -> Result<(), Failure> {
        if is_name(name) {
            return Ok(());
        }
        Err(self.wrong(at, "the name of the profile is not valid").hint(NAME_RULE))
    }

    /// The failure for a table within a profile. A dot in a name that has no quotes is read as one.
    fn nested(&self, profile: &str, key: &Spanned<impl AsRef<str>>) -> Failure {
        let name = excerpt(&without_suspects(key.get_ref().as_ref()), 40);
        let problem = format!("{name} is a table within the profile {profile}");
        let failure = self.wrong(&key.span(), problem);
        let whole = format!("{profile}.{name}");
        if is_name(&whole) {
            failure.hint(format!("write [profile.\"{whole}\"] if that is its name"))
        } else {
            failure.hint("write each setting on a line of its own, as tenant = \"contoso.com\"")
        }
    }

    fn unknown(&self, key: &Spanned<impl AsRef<str>>, value: &Spanned<DeValue<'_>>, names: &[&str]) -> Failure {
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
                keep_out(text);
            }
            let problem = format_args!(
                "{} is no setting: the file holds no secret",
                excerpt(&without_suspects(name), 40)
            );
            return self.wrong(&key.span(), problem).hint(NO_SECRETS);
        }
        let failure = self.wrong(
            &key.span(),
            format_args!("{} is no setting", excerpt(&without_suspects(name), 40)),
        );
        let belongs = KEYS.iter().any(|known| known.name == name);
        let is_table = value.get_ref().is_table();
        match near {
            None if is_table && is_name(name) => failure.hint(format!("write [profile.{name}] if it is a profile")),
            _ if belongs => failure.hint(format!("put {name} below a line [profile.NAME]")),
            Some(near) => failure.hint(format!("did you mean {near}")),
            None if matches!(plain.as_str(), "scope" | "scopes" | "resource" | "audience") => {
                failure.hint("a profile names the application: name the API with --scope or --resource")
            }
            None => failure.hint(format!("use one of {}", names.join(", "))),
        }
    }

    fn wrong_type(&self, name: &str, wanted: &str, value: &Spanned<DeValue<'_>>) -> Failure {
        let kind = value.get_ref().type_str();
        let article = if kind.starts_with(['a', 'e', 'i', 'o', 'u']) {
            "an"
        } else {
            "a"
        };
        self.wrong(&value.span(), format_args!("{name} is {article} {kind}"))
            .hint(format!("write {wanted}"))
    }

    fn wrong(&self, at: &Range<usize>, problem: impl std::fmt::Display) -> Failure {
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

    /// A path as the file means it: `~` is the home folder, and all else begins at the file's own folder. Returns `None` if there is no
    /// home folder.
    fn resolved(&self, text: &str) -> Option<PathBuf> {
        let is_separator = |c: char| std::path::is_separator(c);
        match text.strip_prefix('~') {
            Some("") => home(),
            Some(rest) if rest.starts_with(is_separator) => Some(home()?.join(rest.trim_start_matches(is_separator))),
            _ => Some(self.path.parent().unwrap_or_else(|| Path::new("")).join(text)),
        }
    }
}

/// The line and the column of a byte, both from 1.
fn position(text: &str, at: usize) -> (usize, usize) {
    let end = (0..=at.min(text.len()))
        .rev()
        .find(|end| text.is_char_boundary(*end))
        .unwrap_or(0);
    let before = &text[..end];
    let line = before.rsplit('\n').next().unwrap_or_default();
    (before.matches('\n').count() + 1, line.chars().count() + 1)
}

/// Whether a profile can have this name.
pub(crate) fn is_name(name: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    (1..=60).contains(&name.len()) && name.chars().all(is_plain) && !holds_secret(name)
}

/// The names that a profile can have.
pub(crate) const NAME_RULE: &str = "use at most 60 letters, digits, hyphens, dots and underscores";

/// What a profile can hold.
pub(crate) const KEYS: [Key; 13] = [
    key(
        "tenant",
        Kind::Text,
        "\"contoso.onmicrosoft.com\"",
        "its ID, or one of its domains",
    ),
    key(
        "client_id",
        Kind::Text,
        "\"00001111-aaaa-2222-bbbb-3333cccc4444\"",
        "the application (client) ID",
    ),
    key(
        "authority_host",
        Kind::Text,
        "\"public\"",
        "public, usgovernment, china or an address; in a project's file only Microsoft's own and this machine",
    ),
    key(
        "endpoint",
        Kind::Word(&["v1", "v2"]),
        "\"v2\"",
        "v2 (with scope) or v1 (with resource)",
    ),
    key("region", Kind::Text, "\"westeurope\"", "a region's own endpoint"),
    key("capabilities", Kind::List, "[\"cp1\"]", "what the client can handle"),
    key(
        "secret_file",
        Kind::Path,
        "\"secret.txt\"",
        "one credential: a file with the client secret",
    ),
    key(
        "certificate",
        Kind::Path,
        "\"daemon.pem\"",
        "or a certificate with its key, PEM or PFX",
    ),
    key(
        "certificate_key",
        Kind::Path,
        "\"daemon.key\"",
        "the key, where it is in another file",
    ),
    key(
        "certificate_password_file",
        Kind::Path,
        "\"password.txt\"",
        "a file with the password of the certificate's file",
    ),
    key(
        "send_certificate_chain",
        Kind::Flag,
        "false",
        "send the chain along (x5c)",
    ),
    key("algorithm", Kind::Word(&["ps256", "rs256"]), "\"ps256\"", "how to sign"),
    key(
        "federated_token_file",
        Kind::Path,
        "\"token.jwt\"",
        "or a file with another issuer's assertion",
    ),
];

const fn key(name: &'static str, kind: Kind, example: &'static str, remark: &'static str) -> Key {
    Key {
        name,
        kind,
        example,
        remark,
    }
}

/// The settings that name a credential.
pub(super) const CREDENTIALS: [&str; 3] = ["secret_file", "certificate", "federated_token_file"];

/// The settings that name a file whose whole content is a secret.
const HOLD_SECRETS: [&str; 2] = ["secret_file", "certificate_password_file"];

/// What other programs and the variables call these settings, without separators.
const OTHER_NAMES: [(&str, &str); 16] = [
    ("tenantid", "tenant"),
    ("tenantname", "tenant"),
    ("directoryid", "tenant"),
    ("domain", "tenant"),
    ("clientid", "client_id"),
    ("client", "client_id"),
    ("app", "client_id"),
    ("appid", "client_id"),
    ("applicationid", "client_id"),
    ("authority", "authority_host"),
    ("cloud", "authority_host"),
    ("environment", "authority_host"),
    ("cert", "certificate"),
    ("certificatepath", "certificate"),
    ("certificatefile", "certificate"),
    ("clientcertificatepath", "certificate"),
];

/// The parser's message for a key or table that is there twice.
const DUPLICATE: &str = "duplicate key";

/// What stands in the names of settings that would hold a secret.
const SECRET_NAMES: [&str; 6] = ["secret", "password", "passphrase", "token", "key", "assertion"];

const NO_SECRETS: &str = "write a secret to a file that only you may read and name it with secret_file, or set AZURE_CLIENT_SECRET; no command is run";

/// How long a file may be, in bytes.
const MAX_FILE: u64 = 64 * 1024;
