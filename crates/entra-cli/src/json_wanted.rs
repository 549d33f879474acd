//! What the command line says about the form of a failure.

use std::env;

/// Whether the command line asks for JSON, be the rest of it wrong: `-o json` in any of the forms that clap takes.
///
/// Looked for in the words themselves, since an error of the command line has no arguments.
pub(crate) fn wants_json() -> bool {
    asks_for_json(env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()))
}

fn asks_for_json(words: impl IntoIterator<Item = String>) -> bool {
    // What follows `--` belongs to another command.
    let mut words = words.into_iter().take_while(|word| word != "--").peekable();
    while let Some(word) = words.next() {
        let is_short = word.starts_with('-') && !word.starts_with("--");
        let value = match word.split_once('=') {
            Some(("--output", value)) => Some(value),
            _ if word == "--output" => words.peek().map(String::as_str),
            // Other short options, which take no value, may stand before it.
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
    fn json_is_recognized_in_every_form() {
        let asks = |line: &str| asks_for_json(line.split(' ').map(str::to_owned));
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
            assert!(asks(line), "{line}");
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
            assert!(!asks(line), "{line}");
        }
    }
}
