//! Runs of the command on a terminal, recorded in `target/artifacts` for inspection.

use std::fs;
use std::path::Path;
use std::time::Duration;

use entra_emulator::{App, Emulator};

use crate::common::terminal::Action::{Pause, Resize, Send, Signal, Url, Wait};
use crate::common::terminal::{Action, Recording, record};
use crate::common::waiting;
use crate::common::{GRAPH, private_folder, variables};

const WIDTHS: [usize; 2] = [60, 120];

/// Writes what stands on the screen to a file, and checks that no line is wider than the terminal:
/// only what is one word, such as a token or a URL, may go on in the next line.
#[track_caller]
fn keep(name: &str, columns: usize, words: &[&str], recording: &Recording) -> Vec<String> {
    let screen = recording.screen();
    let lines = screen.lines();
    for row in &screen.wrapped {
        let line = lines[*row].trim_start();
        assert!(
            !line.contains(' '),
            "wider than {columns} columns: {line}\n{}",
            lines.join("\n")
        );
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("artifacts");
    fs::create_dir_all(&folder).unwrap();
    let text = format!("$ entra {}\n{}\n", words.join(" "), lines.join("\n").trim_end());
    fs::write(folder.join(format!("entra-{name}-{columns}.txt")), text).unwrap();
    lines
}

#[test]
fn token_doctor_and_watch_fit_the_terminal() {
    let emulator = Emulator::start();
    let settings = variables(&emulator);
    let watch = [
        "token",
        "--resource",
        GRAPH,
        "--watch",
        "--count",
        "3",
        "--interval",
        "0.2",
    ];
    for columns in WIDTHS {
        for (name, words, expected) in [
            ("token", &["token", "--resource", GRAPH][..], "valid for 60 min"),
            (
                "doctor",
                &["doctor", "--resource", GRAPH],
                "the service accepts the credential",
            ),
            ("watch", &watch, "fresh for 55 min"),
            ("verbose", &["token", "--resource", GRAPH, "-v"], "/token: 200 in "),
            ("help", &["token", "--help"], "Examples:"),
        ] {
            let Some(recording) = record(columns, words, &settings, &[]) else {
                return;
            };
            assert_eq!(recording.exit, 0, "{}", recording.sent());
            let lines = keep(name, columns, words, &recording);
            let text = lines.join(" ");
            let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(text.contains(expected), "{text}");
        }
    }
}

#[test]
fn errors_fit_the_terminal() {
    let emulator = Emulator::start();
    let mut settings = variables(&emulator);
    settings[3].1 = "wrong-secret";
    for columns in WIDTHS {
        for (name, words, exit) in [
            ("rejected", &["token", "--resource", GRAPH][..], 5),
            ("doctor-rejected", &["doctor", "--resource", GRAPH], 5),
            ("usage", &["token"], 2),
        ] {
            let Some(recording) = record(columns, words, &settings, &[]) else {
                return;
            };
            assert_eq!(recording.exit, exit, "{}", recording.sent());
            keep(name, columns, words, &recording);
        }
    }
}

#[test]
fn sign_in_fits_the_terminal() {
    for columns in WIDTHS {
        let emulator = Emulator::builder()
            .app(
                App::new("tool")
                    .public_client()
                    .redirect_uri("http://localhost")
                    .grant_scope(Emulator::GRAPH, "User.Read"),
            )
            .start();
        let folder = private_folder();
        let (url, store) = (folder.path().join("url"), folder.path().join("store"));
        let mut settings = variables(&emulator).to_vec();
        settings.remove(3);
        settings.push(("ENTRA_STORE", store.to_str().unwrap()));
        // The short address fits on a line and redirects to the long one.
        let words = ["login", "--listen", "localhost:0", "--wait", "1"];
        let Some(recording) = record(columns, &words, &settings, &[]) else {
            return;
        };
        assert_eq!(recording.exit, 8, "{}", recording.sent());
        let lines = keep("login-address", columns, &words, &recording);
        assert!(
            lines.iter().any(|line| line.starts_with("http://localhost:")),
            "{lines:?}"
        );
        let words = ["login", "--no-browser", "--listen", "localhost:0"];
        let recording = std::thread::scope(|scope| {
            let browser = scope.spawn(|| {
                for _ in 0..600 {
                    if let Ok(url) = fs::read_to_string(&url) {
                        let back = emulator.approve(&url, "Adele Vance").unwrap().url;
                        waiting::get(&back);
                        return;
                    }
                    std::thread::sleep(Duration::from_millis(100));
                }
            });
            let recording = record(columns, &words, &settings, &[Url(url.to_str().unwrap())]);
            if recording.is_none() {
                // No text is expected.
                fs::write(&url, "").unwrap();
            }
            let _ = browser.join();
            recording
        });
        let Some(recording) = recording else {
            return;
        };
        assert_eq!(recording.exit, 0, "{}", recording.sent());
        keep("login", columns, &words, &recording);
        let words = ["token", "--account", "--scope", "User.Read"];
        let recording = record(columns, &words, &settings, &[]).unwrap();
        assert_eq!(recording.exit, 0, "{}", recording.sent());
        keep("account", columns, &words, &recording);
    }
}

/// Records a watch with a line that changes each second.
fn watch(columns: usize, actions: &[Action<'_>]) -> Option<Recording> {
    let emulator = Emulator::builder().token_lifetime(Duration::from_secs(90)).start();
    let words = ["token", "--resource", GRAPH, "--watch", "--interval", "0.1"];
    let recording = record(columns, &words, &variables(&emulator), actions)?;
    assert_eq!(recording.exit, -2, "{}", recording.sent());
    Some(recording)
}

#[test]
fn watch_does_not_wrap_at_any_width() {
    for columns in [120, 80, 60, 40, 20, 10, 3, 1] {
        let Some(recording) = watch(columns, &[Wait("\r"), Pause(1.5), Signal("SIGINT")]) else {
            return;
        };
        let screen = recording.screen();
        assert!(screen.wrapped.is_empty(), "{columns}: {:?}", screen.lines());
        let lines = screen.lines();
        // One line for the new token, and one that counts down.
        assert!(lines.len() <= 2, "{columns}: {lines:?}");
        let end = match columns {
            70.. => ", 1 request",
            30.. => " s",
            20.. => " left",
            _ => "",
        };
        // A few columns are too narrow for any word.
        let last = lines.last().map_or("", String::as_str);
        assert!(last.ends_with(end), "{columns}: {lines:?}");
    }
}

#[test]
fn ctrl_c_does_not_wrap_the_line_of_a_watch() {
    for columns in [66, 60, 40] {
        let Some(recording) = watch(columns, &[Wait("\r"), Pause(0.5), Send("\u{3}")]) else {
            return;
        };
        // The terminal echoes ^C after the line.
        let screen = recording.screen();
        assert!(screen.wrapped.is_empty(), "{columns}: {:?}", screen.lines());
    }
}

#[test]
fn resized_watch_leaves_no_old_text() {
    let actions = [
        Wait("1 request\r"),
        Resize(60),
        Pause(0.6),
        Resize(40),
        Pause(0.6),
        Resize(20),
        Pause(0.6),
        Resize(100),
        Pause(0.6),
        Signal("SIGINT"),
    ];
    let Some(recording) = watch(120, &actions) else {
        return;
    };
    let screen = recording.screen();
    assert!(screen.wrapped.is_empty(), "{:?}", screen.lines());
    let lines = screen.lines();
    // The last line is complete again.
    let last = lines.iter().rfind(|line| line.contains("fresh")).unwrap();
    assert!(
        last.contains(" s  cache    fresh for ") && last.ends_with(", 1 request"),
        "{lines:?}"
    );
    assert!(lines.len() <= 6, "{lines:?}");
}
