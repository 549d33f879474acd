//! The command `entra decode`: shows the claims of a token without validating it.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use entra_proto::Timestamp;
use entra_proto::claims::UnverifiedClaims;
use serde_json::{Map, Value, json};

use crate::exit::{Exit, Failure};
use crate::files::{harmless, print, print_json, read_loosely, tell};
use crate::pasted_token;
use crate::time_format::{from_now, utc};

/// Show the claims of a token without validating it.
///
/// The token is read from standard input or a file, because other users can see the command line.
/// The input may be the token itself, a header, or JSON (of `az account get-access-token` or a
/// token endpoint); the token may be quoted or broken into lines.
///
/// The signature is not checked, so the claims may be forged. Access tokens are meant for the API:
/// use this command to find errors, not to make decisions. `entra validate` validates a token.
#[derive(Args)]
#[command(after_help = "\
Examples:
  entra token --resource https://graph.microsoft.com |
    entra decode
  az account get-access-token | entra decode
  entra decode token.txt -o json")]
pub(crate) struct Arguments {
    /// File with the token; "-" is standard input
    #[arg(default_value = "-", value_name = "FILE")]
    file: PathBuf,

    /// Output format
    #[arg(short, long, value_enum, ignore_case = true, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Clone, Copy, ValueEnum)]
enum Output {
    /// One line for each claim, with its meaning
    Text,
    /// The header and the claims, as JSON
    Json,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    if arguments.file.to_str().is_some_and(|name| name.starts_with("eyJ")) {
        return Err(Failure::text(
            Exit::Usage,
            "all users of this machine can see a token on the command line",
        )
        .hint("read it from standard input: entra decode < token.txt"));
    }
    let text = read_loosely(&arguments.file, "a token", MAX_TOKEN, Exit::Credential)?;
    let pasted = pasted_token::find(&text)?;
    if let Some(note) = pasted.note {
        tell(note);
    }
    tell("not verified: these claims may be forged");
    let claims = pasted.claims;
    match arguments.output {
        Output::Text => print(describe(&claims, meaning).trim_end()),
        Output::Json => print_json(&json_of(&claims)),
    }
}

/// Returns the header and the claims as JSON.
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

/// Formats each member as one line: its name, its value, and its meaning if it is known.
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

/// Returns the meaning of a member of a token's header or claims.
pub(crate) fn meaning(name: &str, value: &Value) -> Option<String> {
    let fixed = match name {
        "alg" => "the signature algorithm",
        "kid" => "the ID of the signing key",
        "x5t" => "the SHA-1 thumbprint of the signing certificate, base64url",
        "aud" => "the API that the token is for",
        "iss" => "the issuer",
        "tid" => "the tenant",
        "oid" => "the object ID of the service principal or the user",
        "sub" => "the subject; equal to oid in an app-only token",
        "azp" | "appid" => "the application that requested the token",
        "azpacr" | "appidacr" => match value.as_str() {
            Some("0") => "the application did not authenticate: a public client",
            Some("1") => "the application authenticated with a secret",
            Some("2") => "the application authenticated with a certificate",
            _ => "the authentication method of the application",
        },
        "roles" => "the granted application permissions",
        "scp" => "the permissions that a user delegated",
        "idtyp" => "\"app\" for an app-only token",
        "ver" => "the token version; the API chooses it",
        "uti" => "the ID of the token",
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

/// The longest input, in bytes. No header can contain a longer token.
const MAX_TOKEN: u64 = 256 * 1024;
