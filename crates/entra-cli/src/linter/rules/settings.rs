//! Rules about insecure settings and obsolete libraries.

use crate::linter::line::beginning;
use crate::linter::rule::Level::{Note, Problem};
use crate::linter::rule::{Findings, Rule};
use crate::linter::text::Text;

pub(super) const TLS_OFF: Rule = Rule {
    id: "tls-off",
    level: Problem,
    title: "the validation of TLS certificates is turned off",
    instead: "trust your CA instead: NODE_EXTRA_CA_CERTS, SSL_CERT_FILE, REQUESTS_CA_BUNDLE",
    why: "Without validation, others on the network can read the secret and the token.",
    check: tls_off,
};

fn tls_off(text: &Text<'_>, found: &mut Findings) {
    for (at, line) in text.numbered() {
        for (name, values) in SWITCHES {
            for (byte, _) in line.text.match_indices(name) {
                let rest = beginning(&line.text[byte + name.len()..], 40);
                let value = rest.trim_start_matches([' ', '"', '\'', ']', '`', ')', ':', '=', '(']);
                let is_set = rest.len() > value.len()
                    && !rest.trim_start_matches(['"', '\'', ']']).trim_start().starts_with("==");
                let is_off = values.iter().any(|off| {
                    let after = value.strip_prefix(off);
                    after.is_some_and(|after| !after.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
                });
                if is_set && is_off {
                    found.add(at, byte);
                }
            }
        }
    }
}

/// Settings for the validation of certificates, with the values that turn it off.
const SWITCHES: [(&str, &[&str]); 8] = [
    ("NODE_TLS_REJECT_UNAUTHORIZED", &["0", "false"]),
    ("rejectUnauthorized", &["false"]),
    ("PYTHONHTTPSVERIFY", &["0"]),
    ("AZURE_CLI_DISABLE_CONNECTION_VERIFICATION", &["1", "true", "True"]),
    ("ADAL_PYTHON_SSL_NO_VERIFY", &["1", "true", "True"]),
    ("verify", &["False"]),
    ("InsecureSkipVerify", &["true"]),
    ("danger_accept_invalid_certs", &["true"]),
];

pub(super) const ADAL: Rule = Rule {
    id: "adal",
    level: Note,
    title: "ADAL is not supported any more",
    instead: "use MSAL, or this library",
    why: "The Azure AD Authentication Libraries get no fixes since June 2023, and use only the v1 endpoint.",
    check: adal,
};

fn adal(text: &Text<'_>, found: &mut Findings) {
    let is_letter = |c: char| c.is_alphanumeric() || c == '_';
    for (at, line) in text.numbered() {
        let byte = LIBRARIES.iter().find_map(|mark| {
            let byte = line.text.find(mark)?;
            let is_whole =
                !line.text[..byte].ends_with(is_letter) && !line.text[byte + mark.len()..].starts_with(is_letter);
            is_whole.then_some(byte)
        });
        if let Some(byte) = byte {
            found.add(at, byte);
        }
    }
}

/// Names that show that a text uses ADAL.
const LIBRARIES: [&str; 7] = [
    "ADAL",
    "Azure AD Authentication Library",
    "Microsoft.IdentityModel.Clients.ActiveDirectory",
    "adal-node",
    "adal4j",
    "import adal",
    "com.microsoft.aad.adal",
];
