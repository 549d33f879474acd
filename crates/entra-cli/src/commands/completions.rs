//! The command `entra completions`: prints a completion script for a shell.

use clap::builder::PossibleValue;
use clap::{Arg, ArgGroup, Args, Command, ValueHint};
use clap_complete::{Shell, generate};

use crate::exit::Failure;
use crate::files::print_secret;

/// Print a completion script for a shell.
#[derive(Args)]
#[command(after_help = "\
To install the script:
  bash (with the package bash-completion)
    mkdir -p ~/.local/share/bash-completion/completions
    entra completions bash \\
      > ~/.local/share/bash-completion/completions/entra
  zsh (a folder of $fpath, before compinit runs)
    mkdir -p ~/.zfunc
    entra completions zsh > ~/.zfunc/_entra
    # in ~/.zshrc: fpath=(~/.zfunc $fpath)
    #              autoload -Uz compinit && compinit
  fish
    mkdir -p ~/.config/fish/completions
    entra completions fish \\
      > ~/.config/fish/completions/entra.fish
  powershell
    entra completions powershell >> $PROFILE
  elvish
    entra completions elvish >> ~/.config/elvish/rc.elv

To try it in the current shell:
  source <(entra completions bash)
  entra completions fish | source

After an update of this command, install the script again.")]
pub(crate) struct Arguments {
    /// The shell that runs the script
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints the completion script. `command` is the root command.
pub(crate) fn run(arguments: &Arguments, command: &Command) -> Result<(), Failure> {
    let mut script = Vec::new();
    generate(arguments.shell, &mut visible(command), "entra", &mut script);
    print_secret(String::from_utf8_lossy(&script).trim_end())
}

/// Returns a copy of the command without hidden options and values: the generator of the scripts
/// would offer them.
fn visible(command: &Command) -> Command {
    let mut copy = Command::new(command.get_name().to_owned())
        .about(command.get_about().cloned().unwrap_or_default())
        .version(env!("CARGO_PKG_VERSION"))
        .propagate_version(true)
        .args(
            command
                .get_arguments()
                .filter(|argument| !argument.is_hide_set())
                .map(|argument| with_hint(with_visible_values(argument))),
        )
        .subcommands(
            command
                .get_subcommands()
                .filter(|command| !command.is_hide_set())
                .map(visible),
        );
    for group in command.get_groups() {
        // Options that exclude each other refer to their group.
        copy = copy.group(ArgGroup::new(group.get_id().clone()).multiple(true));
    }
    copy
}

/// Adds a hint for the value of an option, by the value's name: scripts complete files, folders, or
/// nothing. Without a hint, bash completes files for every option, and splits their names at
/// spaces.
fn with_hint(argument: Arg) -> Arg {
    if !argument.get_action().takes_values() {
        return argument;
    }
    let names = argument.get_value_names().unwrap_or_default();
    let hint = match names.first().map(|name| name.as_str()) {
        Some("FILE" | "PATH") => ValueHint::FilePath,
        Some("FOLDER") => ValueHint::DirPath,
        _ if argument.is_positional() || !argument.get_possible_values().is_empty() => return argument,
        _ => ValueHint::Other,
    };
    argument.value_hint(hint)
}

fn with_visible_values(argument: &Arg) -> Arg {
    let values = argument.get_possible_values();
    if values.iter().any(PossibleValue::is_hide_set) {
        let values: Vec<PossibleValue> = values.into_iter().filter(|value| !value.is_hide_set()).collect();
        return argument.clone().value_parser(values).default_values(None::<&str>);
    }
    argument.clone()
}
