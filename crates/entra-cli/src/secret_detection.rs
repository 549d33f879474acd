//! Detection of possible secrets by their shape, as opposed to paths and other names.
//!
//! `entra_proto::error::may_be_secret` judges the words of messages. Users also type paths, which
//! may look random without being secret, and passwords, which do not look like tokens.

use std::path::Path;

use entra_proto::error::may_be_secret;
use serde_json::Value;

/// Returns true if a text may contain a key, a token or a secret.
pub(crate) fn holds_secret(text: &str) -> bool {
    !secrets_in(text).is_empty()
}

/// Returns true if a text from a file may contain a key, a token or a secret. Does not look up
/// paths in the file system.
pub(crate) fn looks_secret(text: &str) -> bool {
    !suspects_in(text, |text| text).is_empty()
}

/// Returns the parts of a text that may be secrets: words, or parts of a URL between delimiters.
pub(crate) fn secrets_in(text: &str) -> Vec<String> {
    suspects_in(text, unknown_part)
}

/// Returns the parts of a text that may be secrets. `unknown` removes the part that is an existing
/// path.
fn suspects_in(text: &str, unknown: fn(&str) -> &str) -> Vec<String> {
    if let Some((before, pem)) = text.split_once(PEM) {
        let mut found = suspects_in(before, unknown);
        // The line breaks may be missing, or written as backslash and n.
        let words = pem
            .split(|c: char| c.is_whitespace() || c == '-')
            .flat_map(|word| word.split("\\n"));
        let is_label = |word: &&str| word.len() < 16 && word.bytes().all(|byte| byte.is_ascii_uppercase());
        found.extend(words.filter(|word| !is_label(word)).map(str::to_owned));
        return found;
    }
    // In a claims request or a response, members have names such as `access_token`.
    if text.trim_start().starts_with(['{', '['])
        && let Ok(json) = serde_json::from_str::<Value>(text)
    {
        let mut found = Vec::new();
        secrets_in_json("", &json, &mut found);
        return found;
    }
    let mut found = Vec::new();
    for word in unknown(text).split_whitespace() {
        let is_too_long = word.split(['/', '\\']).any(|name| name.len() > LONGEST_NAME);
        match word.split_once("://") {
            Some((_, rest)) if may_be_secret(word) => {
                if let Some((login, _)) = rest.rsplit_once('@') {
                    found.push(login.to_owned());
                }
                let before = found.len();
                let parts = rest.split(['/', '?', '#', '&', '=', '@']);
                found.extend(parts.filter(|part| may_be_secret(part)).map(str::to_owned));
                // A base64 key may contain a slash at any position.
                if found.len() == before
                    && let Some((_, path)) = rest.split_once('/')
                {
                    found.push(path.to_owned());
                }
            }
            None if is_too_long
                || is_token(word)
                || is_base64(word)
                || is_password(word)
                || may_be_secret(word) && !is_file_name(word) =>
            {
                found.push(word.to_owned())
            }
            _ => {}
        }
    }
    found
}

/// Returns true if a word is a path of usual file names, and neither a parameter nor JSON.
fn is_file_name(word: &str) -> bool {
    let is_drive = |at| at == 1;
    if word.contains(['=', '"', '\'']) || word.rfind(':').is_some_and(|at| !is_drive(at)) {
        return false;
    }
    let extension = word.rsplit_once('.').map_or("", |(_, extension)| extension);
    let may_be_hash = EXTENSIONS.iter().any(|known| extension.eq_ignore_ascii_case(known));
    word.split(['/', '\\']).all(|part| is_name(part, may_be_hash))
}

/// Returns true if a part of a path is a name: words with digits only at their end, as in
/// `Contoso-Prod2-2024.pem`. Random text has digits between letters. So does a hash, such as a
/// thumbprint or the folder of a container, but its letters have one case.
fn is_name(part: &str, may_be_hash: bool) -> bool {
    let mut words = part.split(|c: char| !c.is_ascii_alphanumeric());
    let is_word = |word: &str| {
        let letters = word.trim_end_matches(|c: char| c.is_ascii_digit());
        !letters.contains(|c: char| c.is_ascii_digit()) && word.len() <= LONGEST_WORD
    };
    let is_hash = |word: &str| {
        let has = |kind: fn(&char) -> bool| word.chars().any(|c| kind(&c));
        word.len() <= LONGEST_HASH && !(has(char::is_ascii_lowercase) && has(char::is_ascii_uppercase))
    };
    !part.starts_with("eyJ")
        && !part.starts_with("MII")
        && words.all(|word| is_word(word) || may_be_hash && is_hash(word))
}

/// Returns true if a word has the prefix of another service's tokens.
fn is_token(word: &str) -> bool {
    word.len() >= 20 && TOKENS.iter().any(|start| word.starts_with(start))
}

/// Returns true if a word is padded base64, as of a 16-byte key, which is too short to be detected
/// by its letters.
fn is_base64(word: &str) -> bool {
    let plain = word.trim_end_matches('=');
    let has = |kind: fn(&u8) -> bool| plain.as_bytes().iter().any(kind);
    plain.len() < word.len()
        && word.len().is_multiple_of(4)
        && word.len() >= 16
        && plain.bytes().all(|c| c.is_ascii_alphanumeric() || b"+/-_".contains(&c))
        && has(u8::is_ascii_lowercase)
        && has(u8::is_ascii_uppercase)
}

/// Returns true if a word follows common password rules: lower case, upper case, digits, and
/// punctuation that names do not contain.
fn is_password(word: &str) -> bool {
    let has = |kind: fn(&u8) -> bool| word.as_bytes().iter().any(kind);
    let is_name = word.contains(['/', '\\', '=']) || has_extension(Path::new(word));
    !is_name
        && word.len() >= SHORTEST
        && has(u8::is_ascii_lowercase)
        && has(u8::is_ascii_uppercase)
        && has(u8::is_ascii_digit)
        && word.contains(['!', '$', '^', '&', '#', '*', '?', '@'])
}

/// Collects the possible secrets in a JSON value. `name` is the name of its member.
fn secrets_in_json(name: &str, json: &Value, found: &mut Vec<String>) {
    match json {
        Value::String(text) if may_be_secret(&format!("{name}={text}")) && !may_be_secret(text) => {
            found.push(text.clone());
        }
        Value::String(text) => found.extend(secrets_in(text)),
        Value::Array(items) => items.iter().for_each(|item| secrets_in_json(name, item, found)),
        Value::Object(members) => {
            for (name, member) in members {
                if may_be_secret(name) {
                    found.push(name.clone());
                }
                secrets_in_json(name, member, found);
            }
        }
        _ => {}
    }
}

/// Removes the longest prefix of a text that is an existing path, which is not a secret.
fn unknown_part(text: &str) -> &str {
    if text.len() > LONGEST_PATH {
        return text;
    }
    let is_root = |path: &Path| path.parent().is_none();
    let known = Path::new(text)
        .ancestors()
        .take_while(|path| !is_root(path) && !path.as_os_str().is_empty())
        .find(|path| path.exists());
    known
        .and_then(Path::to_str)
        .and_then(|known| text.strip_prefix(known))
        .unwrap_or(text)
}

/// Returns true if a text is an existing path, or looks like a path and not like a secret.
pub(crate) fn is_path(text: &str) -> bool {
    let path = Path::new(text);
    let is_relative = ["./", "../", ".\\", "..\\"].iter().any(|start| text.starts_with(start));
    let has_folder = text.starts_with(['/', '~']) || is_relative || path.is_absolute();
    text == "-" || has_folder || has_extension(path) || path.exists()
}

fn has_extension(path: &Path) -> bool {
    let extension = path.extension().unwrap_or_default().to_string_lossy();
    (1..=4).contains(&extension.len()) && extension.chars().all(char::is_alphabetic)
}

/// The minimum length of a secret in bytes. A shorter one would occur within ordinary words.
pub(crate) const SHORTEST: usize = 8;

/// The beginning of a PEM block.
pub(crate) const PEM: &str = "-----BEGIN";

/// The maximum length of a word in a file name.
const LONGEST_WORD: usize = 24;

/// The maximum length of a hash in a file name: SHA-256 in hexadecimal.
const LONGEST_HASH: usize = 64;

/// The prefixes of tokens of GitHub, GitLab, Slack, npm and OpenAI, which users also paste.
const TOKENS: [&str; 11] = [
    "ghp_",
    "gho_",
    "ghu_",
    "ghs_",
    "ghr_",
    "github_pat_",
    "glpat-",
    "xoxb-",
    "xoxp-",
    "npm_",
    "sk-proj-",
];

/// The extensions of files with keys, certificates, tokens and settings. Their names may be hashes.
const EXTENSIONS: [&str; 11] = [
    "pem", "crt", "cer", "der", "key", "p12", "pfx", "txt", "json", "jwt", "redb",
];

/// The maximum length of a path on most systems.
pub(crate) const LONGEST_PATH: usize = 4096;

/// The maximum length of a name in a path on most systems.
const LONGEST_NAME: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "MIIKUAIBAzCCCgYGCSqGSIb3DQEHAaCCCfcEggnzMIIJ7zCCBf8GCSqGSIb3DQEHAaCCBfAEggXsMIIF6DCCBeQGCyqG";

    #[test]
    fn secrets_are_distinguished_from_names() {
        for secret in [
            KEY,
            "a/MIIEvQIBADANBgkqhkiG9w0BAQEFAASC",
            "eyJhbGciOiJub25lIn0.eyJzdWIiOiJjYW5hcnkifQ.canary",
            "abc8Q~kD93jfKEl20sPq81LmZx7vQwT4uYbNhGcR",
            "k7.8Q~x.y-kD9.jfKEl.0sPq.1LmZx.vQwT.uYb",
            "9f86d081884c7d659a2feaa0c55ad015",
            "-----BEGIN PRIVATE KEY-----\nMIIEcanary\n-----END PRIVATE KEY-----\n",
            "https://user:pPq81LmZx7vQwT4uYbNh@host.example/",
            "https://host.example/u3+7QAAA/AIAAAABAA/AAQAGZGFlb/W9uAAABjX2/kL3Q7pQ8zT1/xY9",
            "https://user:short/pass@host.example/",
            "https://ann.example:12/pass@host.example/",
            "Zm9vYmFyYmF6cXV4MTIzNDU2Nzg5MGFiY2RlZg==",
            "q1w2e3r4t5y6u7i8o9p0a1s2d3",
            "PovegMtVe4eUOi+hUuFRyg==",
            "glpat-RPwtBVZlYZIMhXtNsDSH",
            "i7@OC%naVB0#HQG#",
            "Xk9$mQ2!",
            "ap.GmtQP0c#mmx1H",
            "client_secret=correcthorsebattery",
            r#"{"client_secret":"correcthorsebattery"}"#,
            r#"{"client_secret":"correcthorsebattery""#,
            r#"[{"app":{"password":["correcthorsebattery"]}}]"#,
            "client_secret:correcthorsebattery",
            "Abc8Q~kD93jfKEl20sPq81LmZx7vQwT4uYbNhGcR.pem",
        ] {
            assert!(holds_secret(secret), "{secret}");
        }
        for name in [
            "daemon.pem",
            "/etc/ssl/certs/MyCompany-Prod-Certificate-2024.pem",
            "ContosoProductionDaemon2024.pfx",
            "My-App-Prod-EU-West-2-Cert-v1.pfx",
            "https://graph.microsoft.com/.default",
            "api://535fb089-9ff3-47b6-9bfb-4f1264799865/access_as_user",
            "/var/run/secrets/azure/tokens/azure-identity-token",
            "C:\\Users\\Ann\\AppData\\Local\\Temp\\entra-emulator-ca.pem",
            "contoso.onmicrosoft.com",
            r#"{"access_token":{"nbf":{"essential":true,"value":"1604106651"}}}"#,
            "/home/ann/Projekte/Kundenverwaltungsprogramm/zertifikat.pem",
            "84E05C1D98BCE3A5421D225B140B36E86A3D5534.p12",
            "daemon-7d9f8b6c5d-x2x4z.PEM",
            "/nix/store/0c7c96gikmzv87i7lv3vq5s1cmfjd6zf-nss-cacert-3.92/etc/ssl/certs/ca-bundle.crt",
            "/var/lib/volumes/9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08/_data/cert.pem",
            "\\\\fileserver01\\share$\\Certs2024\\DaemonProdEU1.pfx",
            "R&D-Daemon2024.pem",
            "Ann.Smith2@contoso.com",
            "My%20Daemon2",
            "https://graph.microsoft.com/v1.0/users?$filter=startswith(displayName,'A')&$top=10",
            "https://graph.microsoft.com/v1.0/users/ann@contoso.com",
            "http://127.0.0.1:8500/v1.0/users/ann@contoso.com/messages",
        ] {
            assert!(!holds_secret(name), "{name}: {:?}", secrets_in(name));
        }
    }

    #[test]
    fn existing_path_is_not_a_secret() {
        let folder = std::env::temp_dir().join(format!("xYz12345abcDEF67890ghiJKL{}", std::process::id()));
        let file = folder.join("key.pem");
        assert!(holds_secret(file.to_str().unwrap()));
        std::fs::create_dir(&folder).unwrap();
        assert!(!holds_secret(file.to_str().unwrap()));
        std::fs::remove_dir(&folder).unwrap();
    }
}
