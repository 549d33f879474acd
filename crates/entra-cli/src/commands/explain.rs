//! The command `entra explain`: explains AADSTS codes.

use std::io::{self, IsTerminal};

use clap::{Args, ValueEnum};
use entra_proto::error::Aadsts;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::exit::{Exit, Failure};
use crate::files::{print, print_json, read_loosely, tell};

/// Explain an error of Entra: an AADSTS code, or a text with such codes.
///
/// The text may be a message, a URL such as https://login.microsoftonline.com/error?code=7000215,
/// or JSON. Without arguments it is read from standard input. Prints the meaning of each code, a
/// hint, and whether the same request can succeed later. The exit code is 2 if no code is found or
/// known.
#[derive(Args)]
#[command(after_help = "\
Examples:
  entra explain AADSTS7000215
  entra explain 70011
  entra explain \"AADSTS500011: The resource principal ...\"
  entra token --resource https://graph.microsoft.com 2>&1 |
    entra explain
  entra explain all")]
pub(crate) struct Arguments {
    /// A code, a text with codes, "-" for standard input, or "all" for all known codes
    #[arg(value_name = "ERROR")]
    errors: Vec<String>,

    /// Output format
    #[arg(short, long, value_enum, ignore_case = true, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// A few lines for each code
    Text,
    /// A JSON list with one object for each code
    Json,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    if arguments.errors.iter().any(|error| error == "all") {
        let rows = Aadsts::all();
        return match arguments.output {
            Output::Json => print_json(&rows.iter().map(to_json).collect()),
            Output::Text => {
                let lines = rows.iter().map(|row| format!("AADSTS{:<8} {}", row.code, row.meaning));
                print(&lines.collect::<Vec<_>>().join("\n"))
            }
        };
    }
    let text = text(&arguments.errors)?;
    let codes = Aadsts::codes_in(&text);
    if codes.is_empty() {
        return Err(Failure::text(Exit::Usage, "the text contains no AADSTS code")
            .hint("pass a code, such as AADSTS7000215, or a text that contains one"));
    }
    let known: Vec<Aadsts> = codes.iter().filter_map(|code| Aadsts::find(*code)).collect();
    for code in codes.iter().filter(|code| Aadsts::find(**code).is_none()) {
        tell(format_args!(
            "AADSTS{code} is not known to this command; see {}",
            page(*code)
        ));
    }
    if known.is_empty() {
        return Err(Failure::text(Exit::Usage, "none of the codes is known to this command")
            .hint(format!("see {}", page(codes[0]))));
    }
    match arguments.output {
        Output::Json => print_json(&known.iter().map(to_json).collect()),
        Output::Text => print(&known.iter().map(describe).collect::<Vec<_>>().join("\n\n")),
    }
}

/// Returns the arguments as one text. Without arguments, or with `-`, reads standard input.
fn text(errors: &[String]) -> Result<Zeroizing<String>, Failure> {
    match errors {
        [] if io::stdin().is_terminal() => Err(Failure::text(Exit::Usage, "no error is given")
            .hint("pass a code, such as AADSTS7000215, or pipe a message to standard input")),
        [] => read_loosely("-".as_ref(), "an error", MAX_TEXT, Exit::Usage),
        [dash] if dash == "-" => read_loosely("-".as_ref(), "an error", MAX_TEXT, Exit::Usage),
        errors => Ok(errors.join(" ").into()),
    }
}

/// Returns the URL of Microsoft's page about a code.
fn page(code: u32) -> String {
    format!("https://login.microsoftonline.com/error?code={code}")
}

fn to_json(row: &Aadsts) -> Value {
    json!({
        "aadsts_code": row.code,
        "oauth_error": row.error,
        "class": row.class.to_string(),
        "meaning": row.meaning,
        "hints": [row.hint],
        "retryable": row.retryable,
        "url": page(row.code),
    })
}

fn describe(row: &Aadsts) -> String {
    let again = if row.retryable {
        "yes, after a pause"
    } else {
        "no: the same request will fail again"
    };
    let Aadsts {
        code,
        error,
        class,
        meaning,
        hint,
        ..
    } = row;
    format!(
        "AADSTS{code}  {error}\n  meaning     {meaning}\n  what to do  {hint}\n  class       {class}\n  try again   {again}"
    )
}

/// The longest text, such as a log, in bytes.
const MAX_TEXT: u64 = 1024 * 1024;
