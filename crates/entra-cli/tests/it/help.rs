//! The output of `--help`, `help`, `--version`, and usage lines.

#[cfg(unix)]
use crate::common::terminal;
use crate::common::{command, err, fails, out, run};

/// Returns the words of every command, from the lists of commands in the help.
pub(crate) fn commands() -> Vec<String> {
    let mut commands = vec![String::new()];
    let mut next = 0;
    while let Some(command) = commands.get(next).cloned() {
        commands.extend(
            subcommands(&command)
                .iter()
                .map(|name| format!("{command} {name}").trim_start().to_owned()),
        );
        next += 1;
    }
    assert!(
        commands.len() > 20 && commands.contains(&"cert new".to_owned()),
        "{commands:?}"
    );
    commands
}

/// Returns the names of the subcommands of a command, from its help.
pub(crate) fn subcommands(command: &str) -> Vec<String> {
    let help = help(command, "100");
    let list = help.split_once("\nCommands:\n").map_or("", |(_, list)| list);
    let lines = list.lines().take_while(|line| !line.is_empty());
    // Long descriptions continue on the next line.
    let names = lines.filter_map(|line| line.strip_prefix("  ").filter(|line| !line.starts_with(' ')));
    let names = names.filter_map(|line| line.split(' ').next());
    names.filter(|name| *name != "help").map(str::to_owned).collect()
}

/// Returns the help of a command for a terminal with this many columns.
fn help(command: &str, columns: &str) -> String {
    let words: Vec<&str> = command.split_whitespace().chain(["--help"]).collect();
    let output = run(&words, &[("COLUMNS", columns)]);
    assert!(output.status.success(), "{command}: {}", err(&output));
    assert_eq!(err(&output), "");
    out(&output).to_owned()
}

#[test]
fn help_of_each_command_is_longer_than_its_summary() {
    for (command, expected) in [
        ("demo", "Nothing leaves this machine"),
        ("emulator", "only tests may trust its tokens"),
        ("token", "A slash at the end of an audience is part of it"),
        ("exec", "ENTRA_TOKEN_EXPIRES_ON"),
        ("login", "does not protect against programs that run as you"),
        ("logout", "the service is not informed"),
        ("keycredentials", "as during a rollover"),
        ("assertion", "treat it as a secret"),
    ] {
        let help = help(command, "1000");
        assert!(help.replace('\n', " ").contains(expected), "{command}: {help}");
    }
    let list = help("", "1000");
    assert!(!list.contains("ENTRA_TOKEN_EXPIRES_ON"), "{list}");
}

#[test]
fn help_is_wrapped_to_the_terminal() {
    for command in &commands() {
        for (columns, most) in [("60", 60), ("80", 80), ("1000", 100)] {
            for line in help(command, columns).lines() {
                let is_wide = line.chars().count() > most;
                assert!(!is_wide, "`{command}` at {columns} columns: {line}");
            }
        }
    }
}

#[test]
fn help_at_60_columns_does_not_wrap_examples() {
    for command in &commands() {
        let (narrow, wide) = (help(command, "60"), help(command, "100"));
        let end = |help: &str| {
            let start = help.find("\nExamples:\n").unwrap_or(help.len());
            let lines = help[start..].lines().filter(|line| line.starts_with("  "));
            lines.map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(end(&narrow), end(&wide), "{command}");
    }
}

#[test]
fn short_help_is_readable_on_a_narrow_terminal() {
    let output = run(&["token", "-h"], &[("COLUMNS", "60")]);
    for line in out(&output).lines() {
        assert!(line.chars().count() <= 60, "{line}");
        assert!(!line.starts_with(&" ".repeat(20)), "{line}");
    }
}

#[test]
fn help_does_not_break_words() {
    for command in &commands() {
        let words = |help: &str| help.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(words(&help(command, "40")), words(&help(command, "100")), "{command}");
    }
}

#[test]
#[cfg(unix)]
fn errors_of_the_command_line_are_wrapped() {
    for columns in [20, 40, 60] {
        for words in [
            &["token", "--nosuch", "x"][..],
            &["tenants", "forget", "--x"],
            &["token", "--flow", "x"],
            &["cert", "nw"],
        ] {
            let Some(recording) = terminal::record(columns, words, &[("TERM", "xterm")], &[]) else {
                return;
            };
            let screen = recording.screen();
            let long_word = |row: &usize| screen.lines()[*row].trim().contains(' ');
            let cut: Vec<_> = screen.wrapped.iter().filter(|row| long_word(row)).collect();
            assert!(cut.is_empty(), "{words:?} at {columns}: {:?}", screen.lines());
            assert!(recording.sent().contains("error:"), "{}", recording.sent());
            assert_eq!(recording.exit, 2);
        }
    }
}

#[test]
#[cfg(target_os = "linux")]
fn help_that_cannot_be_written_is_an_error() {
    for words in [&["--help"][..], &["token", "-h"], &["help", "man"], &["-V"]] {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let output = command(words, &[]).stdout(full).output().unwrap();
        fails(&output, 1, &["standard output"]);
    }
}

#[test]
fn version_is_that_of_the_command() {
    let version = concat!("entra ", env!("CARGO_PKG_VERSION"), "\n");
    for words in [
        &["--version"][..],
        &["-V"],
        &["version"],
        &["token", "-V"],
        &["cert", "new", "--version"],
    ] {
        let output = run(words, &[]);
        assert!(output.status.success(), "{words:?}: {}", err(&output));
        assert_eq!(out(&output), version, "{words:?}");
    }
}

#[test]
fn help_is_a_command_too() {
    for (words, of) in [
        (&["help"][..], ""),
        (&["help", "token"], "token"),
        (&["help", "cert", "new"], "cert new"),
    ] {
        let output = run(words, &[("COLUMNS", "100")]);
        assert!(output.status.success(), "{words:?}: {}", err(&output));
        assert_eq!(out(&output), help(of, "100"), "{words:?}");
    }
}

#[test]
fn usage_line_omits_options_set_by_variables() {
    let variables = [
        ("AZURE_TENANT_ID", "contoso.com"),
        ("AZURE_CLIENT_ID", "535fb089-9ff3-47b6-9bfb-4f1264799865"),
        ("AZURE_AUTHORITY_HOST", "public"),
        ("ENTRA_TENANT_STORE", "tenants.redb"),
    ];
    for words in [
        &["token"][..],
        &["consent"],
        &["exec", "--", "true"],
        &["doctor", "--nonsense"],
        &["assertion", "--nonsense"],
        &["tenants", "forget"],
    ] {
        let output = run(words, &variables);
        fails(&output, 2, &["Usage: entra "]);
        for option in ["--tenant ", "--client-id ", "--authority-host ", "--tenant-store "] {
            assert!(!err(&output).contains(option), "{words:?}: {}", err(&output));
        }
    }
}
