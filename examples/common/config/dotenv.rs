//! `.env` files: `NAME=value`, as the Node package dotenv reads them.

use super::{Entry, at_line};
use crate::common::{Failure, warn};

/// Reads the settings in a text. A value may be quoted; without quotation marks it ends at `#`.
/// Variables in it are not expanded.
pub(crate) fn parse(text: &str) -> Result<Vec<Entry>, Failure> {
    let mut entries = Vec::new();
    for (at, line) in text.lines().enumerate().filter(|(_, line)| is_setting(line)) {
        let number = at + 1;
        let line = line.trim();
        let line = line.strip_prefix("export ").unwrap_or(line);
        let (key, value) = line
            .split_once('=')
            .ok_or_else(|| at_line(number, "is not a setting").hint("write NAME=value, and # before a comment"))?;
        let key = key.trim();
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        if key.is_empty() || !key.chars().all(is_name) {
            return Err(at_line(number, "has an invalid name").hint("write NAME=value"));
        }
        entries.push(Entry::new(key, value_of(value.trim(), number)?, number));
    }
    Ok(entries)
}

fn is_setting(line: &str) -> bool {
    let line = line.trim_start();
    !line.is_empty() && !line.starts_with('#')
}

fn value_of(value: &str, line: usize) -> Result<String, Failure> {
    let Some(quote) = value.chars().next().filter(|first| matches!(first, '"' | '\'' | '`')) else {
        let (value, is_cut) = match value.split_once('#') {
            Some((value, _)) => (value, !value.is_empty() && value.trim_end() == value),
            None => (value, false),
        };
        if is_cut {
            warn(&format!(
                "line {line}: the value ends at #, as in the sample: put it in quotation marks if # is part of it"
            ));
        }
        return Ok(value.trim_end().to_owned());
    };
    let rest = &value[1..];
    let (inner, behind) = rest
        .split_once(quote)
        .ok_or_else(|| at_line(line, "has a quotation mark that is not closed").hint("close it on the same line"))?;
    if !matches!(behind.trim_start().chars().next(), None | Some('#')) {
        return Err(
            at_line(line, "continues after the closing quotation mark").hint("use another kind of quotation mark")
        );
    }
    Ok(match quote {
        '"' => inner.replace("\\n", "\n").replace("\\r", "\r"),
        _ => inner.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_like_in_the_sample() {
        let text = "# Credentials\r\nTENANT_ID=contoso.example\r\n\r\nexport CLIENT_ID = \"a b\" # comment\nCLIENT_SECRET='x#$y'\nAAD_ENDPOINT=https://a # b\nEMPTY=\n";
        let read = parse(text).unwrap();
        let read: Vec<_> = read.iter().map(|it| (&*it.key, &*it.value, it.line.unwrap())).collect();
        assert_eq!(
            read,
            [
                ("TENANT_ID", "contoso.example", 2),
                ("CLIENT_ID", "a b", 4),
                ("CLIENT_SECRET", "x#$y", 5),
                ("AAD_ENDPOINT", "https://a", 6),
                ("EMPTY", "", 7)
            ]
        );
    }

    #[test]
    fn error_names_the_line_but_not_the_text() {
        for (text, line) in [
            ("A=1\r\ncanary\n", 2),
            ("=canary", 1),
            ("\n\nA=\"canary", 3),
            ("A='canary'x", 1),
            ("A B=canary", 1),
        ] {
            let failure = parse(text).unwrap_err();
            assert!(
                failure.problem.starts_with(&format!("line {line} ")),
                "{}",
                failure.problem
            );
            assert!(!format!("{failure:?}").contains("canary"));
        }
    }
}
