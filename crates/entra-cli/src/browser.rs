//! A web browser, opened without a shell: nothing in an address is a command.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::files::tell_always;
use crate::outside::harmless;
use crate::settings::SECRET_VARIABLES;

/// Opens this address in a browser, by the `BROWSER` variable or by what the system has for it.
///
/// # Errors
/// Returns why no browser is opened. One that fails later is told of when it does.
pub(crate) fn open(url: &str) -> Result<(), String> {
    let mut why = String::new();
    for command in commands(url)? {
        let Some((program, words)) = command.split_first() else {
            continue;
        };
        let name = harmless(&program.to_string_lossy());
        match start(program, words) {
            Ok(child) => {
                // The command does not wait for it, and ends without it.
                thread::spawn(move || tell_of_failure(child, &name));
                return Ok(());
            }
            Err(error) => why = format!("{name}: {error}"),
        }
    }
    Err(why)
}

/// Its streams lead nowhere: a browser for terminals ends rather than take the terminal.
fn start(program: &OsStr, words: &[OsString]) -> std::io::Result<Child> {
    let mut command = Command::new(program);
    command
        .args(words)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    for name in SECRET_VARIABLES {
        command.env_remove(name);
    }
    // Ctrl-C is for this command.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    command.spawn()
}

fn tell_of_failure(mut child: Child, name: &str) {
    let since = Instant::now();
    if let Ok(status) = child.wait()
        && !status.success()
        && since.elapsed() < SOON
    {
        tell_always(format_args!(
            "no browser was opened: {name} ended with {status}; open the address yourself"
        ));
    }
}

/// The commands to try, one after the other.
fn commands(url: &str) -> Result<Vec<Vec<OsString>>, String> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    if let Some(wanted) = variable("BROWSER") {
        let commands = wanted_commands(&wanted, url);
        return match commands.is_empty() {
            true => Err("BROWSER names no program".to_owned()),
            false => Ok(commands),
        };
    }
    if variable("SSH_CONNECTION").is_some() || variable("SSH_TTY").is_some() {
        return Err("this is a remote session".to_owned());
    }
    let of_system: &[&str] = if cfg!(windows) {
        &["rundll32", "url.dll,FileProtocolHandler"]
    } else if cfg!(target_os = "macos") {
        &["/usr/bin/open"]
    } else if variable("DISPLAY").is_some() || variable("WAYLAND_DISPLAY").is_some() {
        &["xdg-open"]
    } else {
        return Err("there is no display".to_owned());
    };
    let words = of_system.iter().chain([&url]);
    Ok(vec![words.map(OsString::from).collect()])
}

/// The commands that `BROWSER` names: separated by colons, `%s` in the place of the address, which otherwise comes last. Quotation marks
/// hold a word together.
fn wanted_commands(wanted: &OsStr, url: &str) -> Vec<Vec<OsString>> {
    let wanted = wanted.to_string_lossy();
    let separator = if cfg!(windows) { ';' } else { ':' };
    let wanted = wanted
        .split(separator)
        .map(str::trim)
        .filter(|command| !command.is_empty());
    wanted
        .map(|command| {
            // The path of a program may hold spaces.
            let words = if Path::new(command).is_file() {
                vec![command.to_owned()]
            } else {
                words(command)
            };
            let mut words: Vec<OsString> = words.iter().map(|word| word.replace("%s", url).into()).collect();
            if !command.contains("%s") {
                words.push(url.into());
            }
            words
        })
        .collect()
}

/// The words of a command, as a shell parts them: nothing else in it means anything.
fn words(command: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for character in command.chars() {
        match (quote, character) {
            (Some(open), _) if open == character => quote = None,
            (None, '"' | '\'') => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            (None, _) if character.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(character),
        }
    }
    words.extend(word);
    words
}

/// What ends later than that was a browser in use.
const SOON: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_one_word_of_the_command() {
        let url = "http://localhost/?a=1&b=$(reboot);'\"";
        let commands = |wanted: &str| wanted_commands(OsStr::new(wanted), url);
        assert_eq!(commands("firefox"), [["firefox", url]]);
        assert_eq!(
            commands("firefox --new-window=%s -x : w3m"),
            [
                vec!["firefox", "--new-window=http://localhost/?a=1&b=$(reboot);'\"", "-x"],
                vec!["w3m", url]
            ]
        );
        assert!(commands(" : ").is_empty());
        for (wanted, words) in [
            ("'/a b/firefox' '%s'", &["/a b/firefox", url][..]),
            (
                "\"/a b\"/firefox --app=\"%s\"",
                &["/a b/firefox", &format!("--app={url}")],
            ),
            ("sh -c 'echo \"x\"' ''", &["sh", "-c", "echo \"x\"", "", url]),
            ("fire'fox", &["firefox", url]),
        ] {
            assert_eq!(commands(wanted), [words], "{wanted}");
        }
    }
}
