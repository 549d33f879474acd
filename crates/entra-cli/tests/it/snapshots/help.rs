//! The help of every command, on a wide and a narrow terminal.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::common::{err, out, run};
use crate::help::{commands, subcommands};

use super::transcript::{assert_snapshot, snapshots};

fn help(command: &str, option: &str, columns: &str) -> String {
    let words: Vec<&str> = command.split_whitespace().chain([option]).collect();
    let output = run(&words, &[("COLUMNS", columns)]);
    assert!(
        output.status.success() && err(&output).is_empty(),
        "{command}: {}",
        err(&output)
    );
    out(&output).to_owned()
}

fn name(command: &str) -> String {
    let command = if command.is_empty() { "entra" } else { command };
    format!("help-{}", command.replace(' ', "-"))
}

#[test]
fn help_of_every_command() {
    let commands = commands();
    let mut failed = Vec::new();
    for command in &commands {
        let mut all = String::new();
        for columns in ["100", "60"] {
            for option in ["--help", "-h"] {
                let shown = format!("entra {command} {option}").replace("  ", " ");
                all += &format!("$ {shown}    # {columns} columns\n{}\n", help(command, option, columns));
            }
        }
        let name = name(command);
        if std::panic::catch_unwind(|| assert_snapshot(&name, &all)).is_err() {
            failed.push(name);
        }
    }
    assert!(failed.is_empty(), "the help of these has changed: {failed:?}");
    let expected: BTreeSet<String> = commands.iter().map(|command| name(command)).collect();
    let present: BTreeSet<String> = snapshots()
        .into_iter()
        .filter(|name| name.starts_with("help-"))
        .collect();
    assert_eq!(
        present, expected,
        "a snapshot without its command, or a command without its snapshot"
    );
}

#[test]
fn every_command_has_an_output() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots");
    let outputs = snapshots().into_iter().filter(|name| !name.starts_with("help-"));
    let texts: String = outputs
        .map(|name| fs::read_to_string(folder.join(format!("{name}.snap"))).unwrap())
        .collect();
    for command in commands() {
        let is_group = command.is_empty() || !subcommands(&command).is_empty();
        if !is_group && !LONG.contains(&&*command) {
            assert!(
                texts.contains(&format!("$ entra {command}")),
                "{command} has no output among the snapshots"
            );
        }
    }
}

/// Commands with long output that is derived from the help or from a file in the repository. Other
/// tests check it.
const LONG: [&str; 3] = ["completions", "man", "emulator config"];
