//! The command `entra validate`: validates an access token as a web API does.

mod accepted;
mod arguments;
mod keys;
mod verdict;

use crate::commands::validate::accepted::Accepted;
use crate::commands::validate::keys::{offline, online};
use crate::commands::validate::verdict::Verdict;
use crate::exit::{Exit, Failure};
use crate::files::{print, print_json, read_loosely, tell};
use crate::listing::Form;
use crate::pasted_token;
use crate::terminal::{Stream, columns};

pub(crate) use self::arguments::Arguments;

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    if arguments.file.to_str().is_some_and(|name| name.starts_with("eyJ")) {
        return Err(Failure::text(
            Exit::Usage,
            "all users of this machine can see a token on the command line",
        )
        .hint("read it from standard input: entra validate < token.txt"));
    }
    let inputs = [
        Some(&arguments.file),
        arguments.jwks.as_ref(),
        arguments.metadata.as_ref(),
    ];
    if inputs.iter().flatten().filter(|path| path.as_os_str() == "-").count() > 1 {
        return Err(Failure::text(
            Exit::Usage,
            "standard input is named for more than one of the token, --jwks and --metadata",
        )
        .hint("read one of them from standard input, and name files for the others"));
    }
    let now = arguments.at.unwrap_or_else(entra_transport::now);
    let accepted = Accepted::of(arguments)?;
    let text = read_loosely(&arguments.file, "a token", MAX_TOKEN, Exit::Credential)?;
    let (token, note) = pasted_token::token_in(&text)?;
    if let Some(note) = note {
        tell(note);
    }
    let report = match &arguments.jwks {
        Some(jwks) => offline(&accepted.api, &token, jwks, arguments.metadata.as_deref(), now)?,
        None => online(&accepted.api, &token, arguments.network.transport()?, now)?,
    };
    let verdict = Verdict {
        accepted,
        report,
        is_offline: arguments.jwks.is_some(),
        now,
    };
    match arguments.output.form() {
        Form::Json => print_json(&verdict.to_json())?,
        Form::Table => print(&verdict.table().fitted(Stream::Out.width()))?,
        Form::Text => print(&columns(&verdict.rows()))?,
    }
    verdict.end()
}

/// The longest text with a token, in bytes. It is longer than any API accepts, so that a token that
/// is too long is reported as such.
const MAX_TOKEN: u64 = 2 * 1024 * 1024;
