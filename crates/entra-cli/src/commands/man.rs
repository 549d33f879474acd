//! The command `entra man`: prints or writes manual pages.

use std::io;
use std::path::{Path, PathBuf};

use clap::{Args, Command};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};

use crate::exit::{Exit, Failure};
use crate::files::{harmless, print_secret, tell, write_new};
use crate::named_file::reject_contents;
use crate::sanitize::shown;

/// Print a manual page, or write all of them to a folder.
///
/// The pages are in the format of man(1), and contain the texts of --help.
#[derive(Args)]
#[command(after_help = "\
Examples:
  entra man | man -l -
  entra man token | man -l -
  entra man --out ~/.local/share/man/man1
  man entra-token

Existing pages in the folder are replaced.")]
pub(crate) struct Arguments {
    /// Command to describe, such as token or cert new [default: entra itself]
    #[arg(value_name = "COMMAND", conflicts_with = "out")]
    command: Vec<String>,

    /// Write the pages of all commands to this folder, which is created if necessary
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
}

/// Prints or writes the pages. `command` is the root command.
pub(crate) fn run(arguments: &Arguments, command: Command) -> Result<(), Failure> {
    // `entra help token` is not a separate command.
    let mut command = command.disable_help_subcommand(true);
    command.build();
    match &arguments.out {
        Some(folder) => write_all(&command, folder),
        None => print_secret(page(find(&command, &arguments.command)?)?.trim_end()),
    }
}

fn find<'a>(command: &'a Command, words: &[String]) -> Result<&'a Command, Failure> {
    words.iter().try_fold(command, |command, word| {
        command
            .find_subcommand(word)
            .filter(|found| !found.is_hide_set())
            .ok_or_else(|| {
                let whole = command.get_bin_name().unwrap_or_else(|| command.get_name());
                Failure::text(Exit::Usage, format!("{whole} has no command {}", harmless(word)))
                    .hint(format!("`{whole} --help` lists them"))
            })
    })
}

fn write_all(command: &Command, folder: &Path) -> Result<(), Failure> {
    reject_contents(folder, Exit::Usage)?;
    let failed = |path: &Path, error: io::Error| {
        Failure::text(Exit::Output, format!("{}: {error}", shown(path))).hint("name a folder that you can write to")
    };
    std::fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
    let mut count = 0;
    let mut commands = vec![command];
    while let Some(command) = commands.pop() {
        let path = folder.join(format!("{}.1", name(command)));
        let text = page(command)?;
        // An existing page is removed first, so that a link in its place is not followed.
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(failed(&path, error));
            }
            _ => write_new(&path, &text, false)?,
        }
        count += 1;
        commands.extend(command.get_subcommands().filter(|command| !command.is_hide_set()));
    }
    tell(format_args!("wrote {count} pages to {}", shown(folder)));
    Ok(())
}

/// Returns the page of one command in roff.
fn page(command: &Command) -> Result<String, Failure> {
    let man = Man::new(command.clone())
        .title(name(command).to_uppercase())
        .source(concat!("entra ", env!("CARGO_PKG_VERSION")))
        .manual("entra");
    let mut page = Vec::new();
    render(command, &man, &mut page).map_err(|error| Failure::of(Exit::Output, &error))?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}

fn render(command: &Command, man: &Man, page: &mut Vec<u8>) -> io::Result<()> {
    man.render_title(page)?;
    man.render_name_section(page)?;
    man.render_synopsis_section(page)?;
    man.render_description_section(page)?;
    man.render_options_section(page)?;
    if command.get_subcommands().any(|command| !command.is_hide_set()) {
        man.render_subcommands_section(page)?;
    }
    if let Some(notes) = command.get_after_help() {
        let mut roff = Roff::new();
        roff.control("SH", ["NOTES"]);
        let mut is_example = false;
        for line in notes.to_string().lines() {
            // Examples keep their lines; other text is filled.
            if line.starts_with(' ') != is_example {
                is_example = !is_example;
                roff.control(if is_example { "nf" } else { "fi" }, []);
            }
            match line {
                "" => roff.control("PP", []),
                line => roff.text([roman(line)]),
            };
        }
        roff.control("fi", []).to_writer(page)?;
    }
    Ok(())
}

/// Returns the name of a command's page, such as `entra-cert-new`.
fn name(command: &Command) -> &str {
    command.get_display_name().unwrap_or_else(|| command.get_name())
}
