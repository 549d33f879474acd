//! Text from outside (arguments, variables, paths, files, responses), made safe to repeat to a person.
//!
//! Two things happen to it on its way out. It is searched for what may be a secret, because people put keys, tokens and
//! secrets where the name of a file belongs; and everything that a terminal obeys is escaped.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::path::Path;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use entra_proto::Guid;
use zeroize::Zeroizing;

use crate::suspects::{LONGEST_PATH, PEM, SHORTEST, holds_secret, is_path, secrets_in};

/// A text from outside, such that no terminal obeys it, that it stays on its line, and that it repeats no secret.
pub(crate) fn harmless(text: &str) -> String {
    escape(&without_secrets(text))
}

/// At most `limit` characters of a text from outside, made [`harmless`].
pub(crate) fn excerpt(text: &str, limit: usize) -> String {
    let text = without_secrets(text);
    match text.char_indices().nth(limit) {
        Some((end, _)) => escape(&text[..end]) + "…",
        None => escape(&text),
    }
}

/// A path, made [`harmless`].
pub(crate) fn shown(path: &Path) -> String {
    harmless(&path.to_string_lossy())
}

/// A word as a shell reads it, with nothing in it that a terminal obeys.
pub(crate) fn shell_quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "%+,-./:=@_~".contains(c);
    // A shell reads a home folder out of it in these places.
    let has_home = text.starts_with('~') || text.contains(":~") || text.contains("=~");
    if !text.is_empty() && text.chars().all(is_plain) && !has_home {
        text.to_owned()
    } else if escape(text) == text {
        format!("'{}'", text.replace('\'', "'\\''"))
    } else {
        // printf makes the bytes again.
        let octal: String = text.bytes().map(|byte| format!("\\{byte:03o}")).collect();
        format!("\"$(printf '{octal}')\"")
    }
}

/// Several lines of our own with texts from outside in them, as they may be printed. The last guard: a text from outside
/// is made [`harmless`] where it is put in, or it could add lines.
pub(crate) fn printable(text: &str) -> String {
    let lines = without_secrets(text);
    lines.split('\n').map(escape).collect::<Vec<_>>().join("\n")
}

/// A text such that no terminal obeys it and that it stays on its line, with whatever else it holds: for results that are
/// secrets on purpose.
pub(crate) fn escape(text: &str) -> String {
    entra_proto::error::printable(text)
}

/// Notes which arguments and variables hold what may be a secret, so that no message repeats it. Called once, before any
/// of them is read.
pub(crate) fn guard_inputs() {
    let mut name = None::<String>;
    for word in std::env::args_os().skip(1) {
        let text = word.to_string_lossy();
        let (setting, value) = match text.split_once('=') {
            Some((flag, value)) if flag.starts_with('-') => (Some(flag.to_owned()), value),
            _ if text.starts_with("--") && !text.contains(char::is_whitespace) => {
                name = Some(text.to_string());
                (name.clone(), &*text)
            }
            _ => (name.take(), &*text),
        };
        // A secret that begins with hyphens, or ends with equals signs, is taken for an option.
        if let Some(name) = &setting {
            keep_all_out(name.trim_start_matches('-'));
        }
        // A short option may have its value right behind it.
        if let Some(letters) = text.strip_prefix('-').filter(|letters| !letters.starts_with('-')) {
            keep_all_out(letters.get(1..).unwrap_or_default());
        }
        let is_secret = value != text || !text.starts_with("--");
        guard(setting.as_deref().unwrap_or("an argument"), value, is_secret);
    }
    for (name, value) in std::env::vars_os() {
        let (name, value) = (name.to_string_lossy(), value.to_string_lossy());
        if PREFIXES.iter().any(|prefix| name.starts_with(prefix)) || OTHERS.contains(&&*name) {
            guard(&name, &value, true);
        } else if name.to_ascii_lowercase().ends_with("_proxy") {
            keep_all_out(&value);
            if let Some((before, _)) = value.rsplit_once('@') {
                let login = before.rsplit_once("://").map_or(before, |(_, login)| login);
                keep_out(login.split_once(':').map_or(login, |(_, password)| password));
            }
        }
    }
}

fn guard(setting: &str, value: &str, is_value: bool) {
    let is_named_secret = NAMES.iter().any(|name| setting.to_ascii_lowercase().contains(name))
        && !setting.to_ascii_lowercase().ends_with("file")
        && setting != "AZURE_FEDERATED_TOKEN_FILE";
    // One that is an ID is known to others, and may be the ID of something that messages name.
    if is_named_secret && is_value && value.trim().parse::<Guid>().is_err() {
        keep_out(value.trim());
    }
    keep_all_out(value);
    // People name the secret where the file with it belongs.
    let is_misplaced = FILES_OF_SECRETS.contains(&setting) && is_value && !is_path(value);
    if is_misplaced {
        keep_out(value.trim());
    }
    if is_misplaced || holds_secret(value) || value.contains(['\n', '\r']) || value.len() > LONGEST_PATH {
        let origin = (setting.to_owned(), Zeroizing::new(value.to_owned()));
        guarded().origins.push(origin);
    }
}

fn keep_all_out(text: &str) {
    for secret in secrets_in(text) {
        keep_out(&secret);
    }
}

/// Keeps a text out of everything that is printed from now on, unless it is too short to be a secret.
pub(crate) fn keep_out(secret: &str) {
    let mut guarded = guarded();
    if secret.len() >= WINDOW {
        let lower = Zeroizing::new(secret.to_ascii_lowercase());
        for window in lower.as_bytes().windows(WINDOW) {
            guarded.windows.insert(window.try_into().expect("of that size"));
        }
    } else if secret.len() >= SHORTEST {
        guarded.short.push(Zeroizing::new(secret.to_owned()));
    }
}

/// A text without any part of what was [kept out](keep_out). What is cut or written in other letters counts as well.
pub(crate) fn without_secrets(text: &str) -> String {
    let guarded = guarded();
    if guarded.windows.is_empty() && guarded.short.is_empty() {
        return text.to_owned();
    }
    let lower = text.to_ascii_lowercase();
    let mut hidden = vec![false; text.len()];
    for (at, window) in lower.as_bytes().windows(WINDOW).enumerate() {
        if <&[u8; WINDOW]>::try_from(window).is_ok_and(|window| guarded.windows.contains(window)) {
            hidden[at..at + WINDOW].fill(true);
        }
    }
    for secret in &guarded.short {
        for (at, found) in text.match_indices(secret.as_str()) {
            hidden[at..at + found.len()].fill(true);
        }
    }
    let mut clean = String::with_capacity(text.len());
    let mut was_hidden = false;
    for (at, character) in text.char_indices() {
        match hidden[at] {
            false => clean.push(character),
            true if !was_hidden => clean.push_str(BLOT),
            true => {}
        }
        was_hidden = hidden[at];
    }
    clean
}

/// A text about the content of a file, without the parts of it that may be secrets.
pub(crate) fn without_suspects(text: &str) -> String {
    if let Some((before, _)) = text.split_once(PEM) {
        return without_suspects(before) + BLOT;
    }
    let suspects = secrets_in(text);
    suspects
        .iter()
        .fold(text.to_owned(), |text, suspect| text.replace(suspect, BLOT))
}

/// What a file is called in messages: by its path, or by the setting that names it where the path may be a secret.
pub(crate) fn file_name(path: &Path) -> String {
    let text = path.to_string_lossy();
    match origin_of(path.as_os_str()) {
        Some(setting) if without_secrets(&text) != text => format!("the file that {setting} names"),
        _ => harmless(&text),
    }
}

/// The option or the variable that holds this text.
pub(crate) fn origin_of(value: &OsStr) -> Option<String> {
    let text = value.to_string_lossy();
    let guarded = guarded();
    let found = guarded.origins.iter().find(|(_, held)| held.as_str() == text);
    found.map(|(setting, _)| setting.clone())
}

#[derive(Default)]
struct Guarded {
    /// Every part of [`WINDOW`] bytes of the secrets, in lower case.
    windows: HashSet<[u8; WINDOW]>,
    /// The secrets that are shorter.
    short: Vec<Zeroizing<String>>,
    /// Settings whose value is not shown.
    origins: Vec<(String, Zeroizing<String>)>,
}

static GUARDED: LazyLock<Mutex<Guarded>> = LazyLock::new(Mutex::default);

fn guarded() -> MutexGuard<'static, Guarded> {
    GUARDED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Variables that are read here, or that people take for some that are: by how their names begin, and by their names.
const PREFIXES: [&str; 5] = ["AZURE_", "ENTRA_", "ARM_", "AAD_", "SSL_CERT_"];
const OTHERS: [&str; 7] = [
    "HOME",
    "LOCALAPPDATA",
    "RUST_LOG",
    "TMPDIR",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_STATE_HOME",
];

/// What stands in the name of a setting whose value is a secret, however it looks.
const NAMES: [&str; 2] = ["secret", "password"];

/// Options that name a file with a secret.
const FILES_OF_SECRETS: [&str; 2] = ["--secret-file", "--certificate-password-file"];

/// How many bytes of a secret are recognized, where only a part of it is shown.
const WINDOW: usize = 12;

/// What is printed in the place of a secret.
pub(crate) const BLOT: &str = "[not shown]";

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "MIIKUAIBAzCCCgYGCSqGSIb3DQEHAaCCCfcEggnzMIIJ7zCCBf8GCSqGSIb3DQEHAaCCBfAEggXsMIIF6DCCBeQGCyqG";

    #[test]
    fn a_key_in_pem_is_found_however_its_lines_end() {
        for end in ["\n", "\r\n", " ", "\\n", ""] {
            let pem =
                format!("-----BEGIN RSA PRIVATE KEY-----{end}{KEY}{end}AQ=={end}-----END RSA PRIVATE KEY-----{end}");
            let found = secrets_in(&pem);
            assert!(found.iter().any(|word| word.starts_with(KEY)), "{found:?}");
            assert!(!found.iter().any(|word| word == "PRIVATE"), "{found:?}");
            assert_eq!(without_suspects(&format!("key {pem:?}")), "key \"[not shown]");
        }
    }

    #[test]
    fn no_part_of_a_secret_is_shown() {
        keep_out(KEY);
        for text in [
            KEY.to_owned(),
            format!("host: {}", KEY.to_lowercase()),
            format!("\"{}…", &KEY[..30]),
            KEY[7..40].to_owned(),
        ] {
            let clean = without_secrets(&text);
            assert!(
                clean.contains(BLOT) && !clean.to_lowercase().contains("iibazcccgy"),
                "{clean}"
            );
        }
        assert_eq!(without_secrets("key: é"), "key: é");
        assert_eq!(excerpt(KEY, 4), "[not…");
    }

    #[test]
    fn a_shell_reads_back_what_was_quoted() {
        assert_eq!(shell_quoted("http://127.0.0.1:80"), "http://127.0.0.1:80");
        assert_eq!(shell_quoted("a~b"), "a~b");
        assert_eq!(shell_quoted("~b"), "'~b'");
        assert_eq!(shell_quoted("a b'c~"), "'a b'\\''c~'");
        assert_eq!(shell_quoted(""), "''");
        assert_eq!(shell_quoted("a\u{1b}"), "\"$(printf '\\141\\033')\"");
    }

    #[test]
    fn terminals_obey_nothing_from_outside() {
        let hostile = "a\r\n\u{1b}[2J\u{9b}31m\u{202e}\u{200b}\u{2028}\u{7f}\"b\\";
        assert_eq!(
            harmless(hostile),
            r#"a\r\n\u{1b}[2J\u{9b}31m\u{202e}\u{200b}\u{2028}\u{7f}"b\"#
        );
        assert!(printable(hostile).starts_with("a\\r\n\\u{1b}"));
    }
}
