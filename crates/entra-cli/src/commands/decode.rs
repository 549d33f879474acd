use std::path::PathBuf;

use clap::{Args, ValueEnum};
use entra_proto::Timestamp;
use entra_proto::claims::UnverifiedClaims;
use serde_json::{Map, Value, json};

use crate::exit::{Exit, Failure};
use crate::files::{harmless, print, print_json, read_loosely, tell};
use crate::pasted_token;
use crate::time_format::{from_now, utc};

/// Show the claims of a token, without checking it.
///
/// The token is read from standard input or a file: on the command line, other users could see it. It may stand in JSON (of `az account
/// get-access-token`, of a token endpoint), in a header, in quotation marks, or on several lines. Its signature is not looked at, so
/// whatever it says may be made up. Access tokens are the API's to read: use this to find mistakes, not to make decisions.
#[derive(Args)]
#[command(after_help = "\
Examples:
  entra token --resource https://graph.microsoft.com |
    entra decode
  az account get-access-token | entra decode
  entra decode token.txt -o json")]
pub(crate) struct Arguments {
    /// The file with the token; "-" is standard input
    #[arg(default_value = "-", value_name = "FILE")]
    file: PathBuf,

    /// What to print
    #[arg(short, long, value_enum, ignore_case = true, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Clone, Copy, ValueEnum)]
enum Output {
    /// One line a claim, with what it means
    Text,
    /// The header and the claims, as JSON
    Json,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    if arguments.file.to_str().is_some_and(|name| name.starts_with("eyJ")) {
        return Err(Failure::text(
            Exit::Usage,
            "a token on the command line is seen by every user of the machine",
        )
        .hint("pipe it in: entra decode < token.txt"));
    }
    let text = read_loosely(&arguments.file, "a token", MAX_TOKEN, Exit::Credential)?;
    let pasted = pasted_token::find(&text)?;
    if let Some(note) = pasted.note {
        tell(note);
    }
    tell("not verified: a token with these claims can be forged");
    let claims = pasted.claims;
    match arguments.output {
        Output::Text => print(describe(&claims, meaning).trim_end()),
        Output::Json => print_json(&json_of(&claims)),
    }
}

/// The header and the claims, as JSON.
pub(crate) fn json_of(claims: &UnverifiedClaims) -> Value {
    let object = |members: Vec<(&str, &Value)>| -> Map<String, Value> {
        members
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.clone()))
            .collect()
    };
    let (header, claims) = (object(claims.header().collect()), object(claims.iter().collect()));
    json!({ "header": header, "claims": claims })
}

/// One line a member: its name, its value, and what that means where it is known.
pub(crate) fn describe(claims: &UnverifiedClaims, meaning: impl Fn(&str, &Value) -> Option<String>) -> String {
    let mut text = String::new();
    for (part, members) in [
        ("header", claims.header().collect::<Vec<_>>()),
        ("claims", claims.iter().collect()),
    ] {
        text.push_str(part);
        text.push('\n');
        for (name, value) in members {
            let shown = match value {
                Value::String(text) => harmless(text),
                other => harmless(&other.to_string()),
            };
            let (known, name) = (meaning(name, value), harmless(name));
            let line = match known {
                Some(meaning) => format!("  {name:<9} {shown}  ({meaning})"),
                None => format!("  {name:<9} {shown}"),
            };
            text.push_str(line.trim_end());
            text.push('\n');
        }
    }
    text
}

pub(crate) fn meaning(name: &str, value: &Value) -> Option<String> {
    let fixed = match name {
        "alg" => "how it is signed",
        "kid" => "the signing key's id",
        "x5t" => "the signing certificate's SHA-1 thumbprint, base64url",
        "aud" => "the API it is for",
        "iss" => "who issued it",
        "tid" => "the tenant",
        "oid" => "the object id: of the service principal, or of the user",
        "sub" => "the subject: of an app-only token, the oid again",
        "azp" | "appid" => "the application that asked for it",
        "azpacr" | "appidacr" => match value.as_str() {
            Some("0") => "the application proved nothing: a public client",
            Some("1") => "the application proved itself with a secret",
            Some("2") => "the application proved itself with a certificate",
            _ => "how the application proved itself",
        },
        "roles" => "the application permissions granted",
        "scp" => "the permissions delegated by a user",
        "idtyp" => "app: no user is behind it",
        "ver" => "its format; the API chooses it",
        "uti" => "its own id",
        "exp" | "nbf" | "iat" => {
            let moment = Timestamp::from_secs(value.as_f64().filter(|seconds| *seconds >= 0.0)? as u64);
            let what = match name {
                "exp" => "expires",
                "nbf" => "valid from",
                _ => "issued",
            };
            return Some(format!("{what} {}, {}", utc(moment), from_now(moment)));
        }
        _ => return None,
    };
    Some(fixed.to_owned())
}

/// How long a token may be, in bytes: no header may hold a longer one.
const MAX_TOKEN: u64 = 256 * 1024;
