//! Untrusted text (arguments, variables, paths, files, responses), made safe to print.
//!
//! Possible secrets are redacted, because users put keys, tokens and secrets where a path belongs.
//! Control characters are escaped, because a terminal obeys them.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::path::Path;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use entra_proto::Guid;
use zeroize::Zeroizing;

use crate::secret_detection::{LONGEST_PATH, PEM, SHORTEST, holds_secret, is_path, secrets_in};

/// Returns an untrusted text on one line, with control characters escaped and secrets redacted.
pub(crate) fn harmless(text: &str) -> String {
    escape(&without_secrets(text))
}

/// Returns at most `limit` characters of an untrusted text, made [`harmless`].
pub(crate) fn excerpt(text: &str, limit: usize) -> String {
    let text = without_secrets(text);
    match text.char_indices().nth(limit) {
        Some((end, _)) => escape(&text[..end]) + "…",
        None => escape(&text),
    }
}

/// Returns a path, made [`harmless`].
pub(crate) fn shown(path: &Path) -> String {
    harmless(&path.to_string_lossy())
}

/// Returns a word quoted for a shell, without control characters.
pub(crate) fn shell_quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "%+,-./:=@_~".contains(c);
    // In these places a shell expands `~` to a home folder.
    let has_home = text.starts_with('~') || text.contains(":~") || text.contains("=~");
    if !text.is_empty() && text.chars().all(is_plain) && !has_home {
        text.to_owned()
    } else if escape(text) == text {
        format!("'{}'", text.replace('\'', "'\\''"))
    } else {
        // printf restores the bytes.
        let octal: String = text.bytes().map(|byte| format!("\\{byte:03o}")).collect();
        format!("\"$(printf '{octal}')\"")
    }
}

/// Escapes and redacts text of several lines before it is printed. This is the last guard: an
/// untrusted part must be [`harmless`] already, because it could add lines.
pub(crate) fn printable(text: &str) -> String {
    let lines = without_secrets(text);
    lines.split('\n').map(escape).collect::<Vec<_>>().join("\n")
}

/// Returns a text on one line with control characters escaped and nothing redacted, for results
/// that are secrets on purpose.
pub(crate) fn escape(text: &str) -> String {
    entra_proto::error::printable(text)
}

/// Registers the possible secrets in arguments and variables, so that no message repeats them.
/// Called once, before any of them is parsed.
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
        // A secret that begins with hyphens, or ends with equals signs, looks like an option.
        if let Some(name) = &setting {
            register_secrets_in(name.trim_start_matches('-'));
        }
        // A short option may be followed by its value without a space.
        if let Some(letters) = text.strip_prefix('-').filter(|letters| !letters.starts_with('-')) {
            register_secrets_in(letters.get(1..).unwrap_or_default());
        }
        let is_secret = value != text || !text.starts_with("--");
        guard(setting.as_deref().unwrap_or("an argument"), value, is_secret);
    }
    for (name, value) in std::env::vars_os() {
        let (name, value) = (name.to_string_lossy(), value.to_string_lossy());
        if PREFIXES.iter().any(|prefix| name.starts_with(prefix)) || OTHERS.contains(&&*name) {
            guard(&name, &value, true);
        } else if name.to_ascii_lowercase().ends_with("_proxy") {
            register_secrets_in(&value);
            if let Some((before, _)) = value.rsplit_once('@') {
                let login = before.rsplit_once("://").map_or(before, |(_, login)| login);
                register_secret(login.split_once(':').map_or(login, |(_, password)| password));
            }
        }
    }
}

fn guard(setting: &str, value: &str, is_value: bool) {
    let is_named_secret = NAMES.iter().any(|name| setting.to_ascii_lowercase().contains(name))
        && !setting.to_ascii_lowercase().ends_with("file")
        && setting != "AZURE_FEDERATED_TOKEN_FILE";
    // A GUID is not secret, and may be the ID of something that messages name.
    if is_named_secret && is_value && value.trim().parse::<Guid>().is_err() {
        register_secret(value.trim());
    }
    register_secrets_in(value);
    // Users give the secret itself instead of the file that contains it.
    let is_misplaced = FILES_OF_SECRETS.contains(&setting) && is_value && !is_path(value);
    if is_misplaced {
        register_secret(value.trim());
    }
    if is_misplaced || holds_secret(value) || value.contains(['\n', '\r']) || value.len() > LONGEST_PATH {
        let origin = (setting.to_owned(), Zeroizing::new(value.to_owned()));
        guarded().origins.push(origin);
    }
}

fn register_secrets_in(text: &str) {
    for secret in secrets_in(text) {
        register_secret(&secret);
    }
}

/// Redacts a text in all later output, unless it is too short to be a secret.
pub(crate) fn register_secret(secret: &str) {
    let mut guarded = guarded();
    if secret.len() >= WINDOW {
        let lower = Zeroizing::new(secret.to_ascii_lowercase());
        for window in lower.as_bytes().windows(WINDOW) {
            let window = window.try_into().expect("a window has this size");
            guarded.windows.insert(window);
        }
    } else if secret.len() >= SHORTEST {
        guarded.short.push(Zeroizing::new(secret.to_owned()));
    }
}

/// Redacts every part of the [registered secrets](register_secret) in a text, including parts that
/// are truncated or in the other case.
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
            true if !was_hidden => clean.push_str(REDACTED),
            true => {}
        }
        was_hidden = hidden[at];
    }
    clean
}

/// Redacts the possible secrets in a text about the content of a file.
pub(crate) fn without_suspected_secrets(text: &str) -> String {
    if let Some((before, _)) = text.split_once(PEM) {
        return without_suspected_secrets(before) + REDACTED;
    }
    let suspects = secrets_in(text);
    suspects
        .iter()
        .fold(text.to_owned(), |text, suspect| text.replace(suspect, REDACTED))
}

/// Returns the name of a file for messages: its path, or the setting that names it if the path may
/// be a secret.
pub(crate) fn file_name(path: &Path) -> String {
    let text = path.to_string_lossy();
    match origin_of(path.as_os_str()) {
        Some(setting) if without_secrets(&text) != text => format!("the file that {setting} names"),
        _ => harmless(&text),
    }
}

/// Returns the option or variable with this value.
pub(crate) fn origin_of(value: &OsStr) -> Option<String> {
    let text = value.to_string_lossy();
    let guarded = guarded();
    let found = guarded.origins.iter().find(|(_, held)| held.as_str() == text);
    found.map(|(setting, _)| setting.clone())
}

/// The registered secrets and the settings that contain them.
#[derive(Default)]
struct Guarded {
    /// Every part of [`WINDOW`] bytes of the secrets, in lower case.
    windows: HashSet<[u8; WINDOW]>,
    /// The secrets shorter than [`WINDOW`].
    short: Vec<Zeroizing<String>>,
    /// The settings with values that must not be shown.
    origins: Vec<(String, Zeroizing<String>)>,
}

static GUARDED: LazyLock<Mutex<Guarded>> = LazyLock::new(Mutex::default);

fn guarded() -> MutexGuard<'static, Guarded> {
    GUARDED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The prefixes of variables that this program reads, or that users mistake for those.
const PREFIXES: [&str; 5] = ["AZURE_", "ENTRA_", "ARM_", "AAD_", "SSL_CERT_"];

/// The other variables that this program reads.
const OTHERS: [&str; 7] = [
    "HOME",
    "LOCALAPPDATA",
    "RUST_LOG",
    "TMPDIR",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_STATE_HOME",
];

/// Parts of the names of settings with a secret value, whatever the value looks like.
const NAMES: [&str; 2] = ["secret", "password"];

/// Options that name a file with a secret.
const FILES_OF_SECRETS: [&str; 2] = ["--secret-file", "--certificate-password-file"];

/// The length of the shortest recognized part of a longer secret, in bytes.
const WINDOW: usize = 12;

/// The replacement for a secret in output.
pub(crate) const REDACTED: &str = "[not shown]";

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "MIIKUAIBAzCCCgYGCSqGSIb3DQEHAaCCCfcEggnzMIIJ7zCCBf8GCSqGSIb3DQEHAaCCBfAEggXsMIIF6DCCBeQGCyqG";

    #[test]
    fn pem_key_is_found_with_any_line_ends() {
        for end in ["\n", "\r\n", " ", "\\n", ""] {
            let pem =
                format!("-----BEGIN RSA PRIVATE KEY-----{end}{KEY}{end}AQ=={end}-----END RSA PRIVATE KEY-----{end}");
            let found = secrets_in(&pem);
            assert!(found.iter().any(|word| word.starts_with(KEY)), "{found:?}");
            assert!(!found.iter().any(|word| word == "PRIVATE"), "{found:?}");
            assert_eq!(without_suspected_secrets(&format!("key {pem:?}")), "key \"[not shown]");
        }
    }

    #[test]
    fn parts_of_a_secret_are_redacted() {
        register_secret(KEY);
        for text in [
            KEY.to_owned(),
            format!("host: {}", KEY.to_lowercase()),
            format!("\"{}…", &KEY[..30]),
            KEY[7..40].to_owned(),
        ] {
            let clean = without_secrets(&text);
            assert!(
                clean.contains(REDACTED) && !clean.to_lowercase().contains("iibazcccgy"),
                "{clean}"
            );
        }
        assert_eq!(without_secrets("key: é"), "key: é");
        assert_eq!(excerpt(KEY, 4), "[not…");
    }

    #[test]
    fn words_are_quoted_for_a_shell() {
        assert_eq!(shell_quoted("http://127.0.0.1:80"), "http://127.0.0.1:80");
        assert_eq!(shell_quoted("a~b"), "a~b");
        assert_eq!(shell_quoted("~b"), "'~b'");
        assert_eq!(shell_quoted("a b'c~"), "'a b'\\''c~'");
        assert_eq!(shell_quoted(""), "''");
        assert_eq!(shell_quoted("a\u{1b}"), "\"$(printf '\\141\\033')\"");
    }

    #[test]
    fn control_characters_are_escaped() {
        let hostile = "a\r\n\u{1b}[2J\u{9b}31m\u{202e}\u{200b}\u{2028}\u{7f}\"b\\";
        assert_eq!(
            harmless(hostile),
            r#"a\r\n\u{1b}[2J\u{9b}31m\u{202e}\u{200b}\u{2028}\u{7f}"b\"#
        );
        assert!(printable(hostile).starts_with("a\\r\n\\u{1b}"));
    }
}
