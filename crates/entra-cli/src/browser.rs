//! Opening a web browser without a shell, so that no part of a URL is run as a command.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::files::tell_always;
use crate::sanitize::harmless;
use crate::settings::SECRET_VARIABLES;

/// Opens a URL in a browser: the one in the `BROWSER` variable, or the system's default.
///
/// # Errors
/// Returns the reason if no browser can be started. A browser that fails after it started is
/// reported on standard error.
pub(crate) fn open(url: &str) -> Result<(), String> {
    let mut reason = String::new();
    for command in commands(url)? {
        let Some((program, words)) = command.split_first() else {
            continue;
        };
        let name = harmless(&program.to_string_lossy());
        match start(program, words) {
            Ok(child) => {
                // The process does not wait for this thread when it exits.
                thread::spawn(move || report_failure(child, &name));
                return Ok(());
            }
            Err(error) => reason = format!("{name}: {error}"),
        }
    }
    Err(reason)
}

/// Starts a program without standard streams, so that a text browser exits instead of taking over
/// the terminal.
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
    // Ctrl-C must stop this command and not the browser.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    command.spawn()
}

fn report_failure(mut child: Child, name: &str) {
    let start = Instant::now();
    if let Ok(status) = child.wait()
        && !status.success()
        && start.elapsed() < STARTUP
    {
        tell_always(format_args!(
            "no browser was opened: {name} ended with {status}; open the address yourself"
        ));
    }
}

/// Returns the commands to try, in this order.
fn commands(url: &str) -> Result<Vec<Vec<OsString>>, String> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    if let Some(setting) = variable("BROWSER") {
        let commands = commands_in(&setting, url);
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

/// Returns the commands in `BROWSER`: separated by colons (semicolons on Windows), with `%s` for
/// the URL, which otherwise is the last word. Quotation marks group words.
fn commands_in(setting: &OsStr, url: &str) -> Vec<Vec<OsString>> {
    let setting = setting.to_string_lossy();
    let separator = if cfg!(windows) { ';' } else { ':' };
    let commands = setting
        .split(separator)
        .map(str::trim)
        .filter(|command| !command.is_empty());
    commands
        .map(|command| {
            // The path of a program may contain spaces.
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

/// Splits a command into words as a shell does. Only quotation marks and blanks are special.
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

/// The time in which a browser that cannot start exits. One that exits later was in use.
const STARTUP: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn url_is_one_word_of_the_command() {
        let url = "http://localhost/?a=1&b=$(reboot);'\"";
        let commands = |setting: &str| commands_in(OsStr::new(setting), url);
        assert_eq!(commands("firefox"), [["firefox", url]]);
        assert_eq!(
            commands("firefox --new-window=%s -x : w3m"),
            [
                vec!["firefox", "--new-window=http://localhost/?a=1&b=$(reboot);'\"", "-x"],
                vec!["w3m", url]
            ]
        );
        assert!(commands(" : ").is_empty());
        for (setting, words) in [
            ("'/a b/firefox' '%s'", &["/a b/firefox", url][..]),
            (
                "\"/a b\"/firefox --app=\"%s\"",
                &["/a b/firefox", &format!("--app={url}")],
            ),
            ("sh -c 'echo \"x\"' ''", &["sh", "-c", "echo \"x\"", "", url]),
            ("fire'fox", &["firefox", url]),
        ] {
            assert_eq!(commands(setting), [words], "{setting}");
        }
    }
}
