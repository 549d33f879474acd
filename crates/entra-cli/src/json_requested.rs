//! The output format for failures: JSON if the command line requests it.

use std::env;

/// Returns true if the command line has `-o json`, in any form that clap accepts, even if the rest
/// of the command line is invalid.
///
/// Searches the words themselves, since clap parses no arguments from an invalid command line.
pub(crate) fn json_requested() -> bool {
    requests_json(env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()))
}

fn requests_json(words: impl IntoIterator<Item = String>) -> bool {
    // The words after `--` belong to another command.
    let mut words = words.into_iter().take_while(|word| word != "--").peekable();
    while let Some(word) = words.next() {
        let is_short = word.starts_with('-') && !word.starts_with("--");
        let value = match word.split_once('=') {
            Some(("--output", value)) => Some(value),
            _ if word == "--output" => words.peek().map(String::as_str),
            // Other short options without a value may precede it.
            _ if is_short => word.split_once('o').and_then(|(before, value)| {
                let is_flags = before.chars().skip(1).all(|flag| flag.is_ascii_alphabetic());
                let value = value.strip_prefix('=').unwrap_or(value);
                let value = if value.is_empty() { words.peek()? } else { value };
                is_flags.then_some(value)
            }),
            _ => None,
        };
        if value.is_some_and(|value| value.eq_ignore_ascii_case("json")) {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_option_is_recognized_in_every_form() {
        let requested = |line: &str| requests_json(line.split(' ').map(str::to_owned));
        for line in [
            "token -o json",
            "token -ojson",
            "token -o=json",
            "token --output json",
            "token --output=json",
            "token -vo json",
            "token -vojson --x",
            "token -o JSON",
            "token --output=Json",
        ] {
            assert!(requested(line), "{line}");
        }
        for line in [
            "token",
            "token -o token",
            "token -o",
            "token --output=text json",
            "exec -- curl -o json",
            "scope explain json",
            "token --other=-o json",
        ] {
            assert!(!requested(line), "{line}");
        }
    }
}
