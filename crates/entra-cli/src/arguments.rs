//! What is told about arguments that cannot be used: clap repeats them as they came.

use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::environment;
use crate::exit::Exit;
use crate::files::{harmless, tell};

/// Shows an error of the command line, or the help that was asked for, and returns the exit code.
pub(crate) fn report(mut error: clap::Error) -> ExitCode {
    // clap does not say which of them it is.
    if error.kind() == ErrorKind::InvalidUtf8
        && let Some(name) = environment::not_utf8()
    {
        tell(format_args!("entra: {}", environment::refused(name)));
        return Exit::Configuration.into();
    }
    let repeated: Vec<(ContextKind, ContextValue)> = error
        .context()
        .filter_map(|(kind, value)| Some((kind, without_tricks(value)?)))
        .collect();
    for (kind, value) in repeated {
        error.insert(kind, value);
    }
    // Nothing can be done where that fails.
    let _ = error.print();
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(Exit::Usage as u8))
}

fn without_tricks(value: &ContextValue) -> Option<ContextValue> {
    match value {
        ContextValue::String(text) => Some(ContextValue::String(harmless(text))),
        ContextValue::Strings(texts) => Some(ContextValue::Strings(texts.iter().map(|text| harmless(text)).collect())),
        // Suggestions.
        ContextValue::StyledStrs(texts) => {
            let plain = texts.iter().map(|text| harmless(&text.to_string()).into());
            Some(ContextValue::StyledStrs(plain.collect()))
        }
        _ => None,
    }
}
