//! The commands in blocks of shell.

use super::markdown::Block;

/// Returns the commands that a block of shell shows, each as its words.
///
/// In a block with prompts (`$ `), all other lines are output. Comments, continued lines, pipes,
/// `&&`, quotes and settings before a command (`RUST_LOG=info cargo ..`) are understood; nothing is
/// expanded.
pub(crate) fn commands(block: &Block) -> Vec<Vec<String>> {
    let joined = block.text.replace("\\\n", " ");
    let prompted = joined.lines().any(|line| line.trim_start().starts_with("$ "));
    let mut commands = Vec::new();
    for line in joined.lines().map(str::trim_start) {
        match line.strip_prefix("$ ") {
            Some(command) => commands.extend(split(command)),
            None if !prompted => commands.extend(split(line)),
            None => {}
        }
    }
    commands
}

/// Returns the commands of one line.
fn split(line: &str) -> Vec<Vec<String>> {
    let mut commands = vec![Vec::new()];
    let mut word: Option<String> = None;
    let mut quote = None;
    // Inside of `$( )` there is another command, which is one word here.
    let mut depth = 0_usize;
    let mut previous = ' ';
    for c in line.chars() {
        let plain = quote.is_none() && depth == 0;
        match c {
            '\'' | '"' if depth == 0 && quote.is_none_or(|open| open == c) => {
                quote = if quote.is_some() { None } else { Some(c) };
                word.get_or_insert_default();
            }
            '#' if plain && word.is_none() => break,
            '|' | '&' | ';' | ' ' | '\t' if plain => {
                let command = commands.last_mut().expect("there is always one");
                command.extend(word.take());
                if !c.is_whitespace() {
                    commands.push(Vec::new());
                }
            }
            _ => {
                if c == '(' && (previous == '$' || depth > 0) {
                    depth += 1;
                } else if c == ')' {
                    depth = depth.saturating_sub(1);
                }
                word.get_or_insert_default().push(c);
            }
        }
        previous = c;
    }
    commands.last_mut().expect("there is always one").extend(word);
    for command in &mut commands {
        let settings = command.iter().take_while(|word| is_setting(word)).count();
        command.drain(..settings);
        if let Some(redirect) = command.iter().position(|word| is_redirect(word)) {
            command.truncate(redirect);
        }
    }
    commands.retain(|command| !command.is_empty());
    commands
}

/// `> file`, `2> file`
fn is_redirect(word: &str) -> bool {
    word.trim_start_matches(|c: char| c.is_ascii_digit())
        .starts_with(['>', '<'])
}

/// `NAME=value`
fn is_setting(word: &str) -> bool {
    let name = word.split_once('=').map_or("", |(name, _)| name);
    !name.is_empty()
        && name
            .chars()
            .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
}

/// Returns the value of the first option called one of `names`, written `--name value`,
/// `--name=value` or, for one letter, `-nvalue`.
pub(crate) fn option<'a>(words: &'a [String], names: &[&str]) -> Option<&'a str> {
    for (at, word) in words.iter().enumerate() {
        for name in names {
            match word.strip_prefix(name) {
                Some("") => return words.get(at + 1).map(String::as_str),
                Some(value) if value.starts_with('=') => return Some(&value[1..]),
                Some(value) if name.len() == 2 && !value.is_empty() => return Some(value),
                _ => {}
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::markdown::blocks;
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        let blocks = blocks(&format!("```sh\n{text}\n```\n"));
        commands(&blocks[0]).iter().map(|words| words.join("·")).collect()
    }

    #[test]
    fn prompts_separate_commands_from_output() {
        assert_eq!(
            shown("$ cargo test\ncargo says hello\n$ entra token"),
            ["cargo·test", "entra·token"]
        );
        assert_eq!(
            shown("cargo test\n\nentra token # gets one\n# nothing"),
            ["cargo·test", "entra·token"]
        );
    }

    #[test]
    fn shell_syntax_is_understood() {
        assert_eq!(
            shown("RUST_LOG=info A=1 entra token --scope 'a b' \\\n  --x=\"c d\" | jq .x && cargo test; ls > out"),
            ["entra·token·--scope·a b·--x=c d", "jq·.x", "cargo·test", "ls"]
        );
        assert_eq!(
            shown("curl -H \"Bearer $(entra token | cat)\" $(entra url --a b)"),
            ["curl·-H·Bearer $(entra token | cat)·$(entra url --a b)"]
        );
    }

    #[test]
    fn redirects_end_a_command() {
        assert_eq!(shown("entra token > out 2>&1"), ["entra·token", "1"]);
        assert_eq!(
            shown("entra token 2>&1 | entra explain"),
            ["entra·token", "1", "entra·explain"]
        );
        assert_eq!(shown("entra decode 2> out"), ["entra·decode"]);
    }

    #[test]
    fn options_are_found_in_every_spelling() {
        for text in ["run -p x", "run -px", "run --package x", "run --package=x"] {
            let words: Vec<String> = text.split(' ').map(str::to_owned).collect();
            assert_eq!(option(&words, &["-p", "--package"]), Some("x"), "{text}");
        }
        assert_eq!(option(&["--packages".to_owned()], &["-p", "--package"]), None);
    }
}
