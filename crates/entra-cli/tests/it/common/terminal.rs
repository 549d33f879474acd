//! Runs of programs in a pseudo terminal, and the content of its screen.

use std::process::Command;

use serde_json::{Value, json};
use unicode_width::UnicodeWidthChar;

use super::skips::skip;

/// An action on the terminal while the command runs.
pub(crate) enum Action<'a> {
    /// Wait until this text has appeared since the last resize.
    Wait(&'a str),
    /// Type this.
    Send(&'a str),
    /// Give the terminal this many columns.
    Resize(usize),
    /// Wait for this number of seconds.
    Pause(f64),
    /// Write the printed address for the browser to this file.
    Url(&'a str),
    /// Send a signal to the command, such as "SIGTERM".
    Signal(&'a str),
    /// Send a signal to the foreground process group, such as a command that a shell runs.
    SignalChild(&'a str),
}

/// A recorded run.
pub(crate) struct Recording {
    /// The output, in chunks with the number of columns at that time.
    chunks: Vec<(usize, String)>,
    /// The exit code, or the negative number of a signal.
    pub(crate) exit: i64,
    /// True if the settings of the terminal are the same as before.
    pub(crate) restored: bool,
}

/// Runs `entra` in a terminal with this many columns. Without Python, skips the test, which is an
/// error in CI.
pub(crate) fn record(
    columns: usize,
    words: &[&str],
    variables: &[(&str, &str)],
    actions: &[Action<'_>],
) -> Option<Recording> {
    // Tests of other programs include this file too.
    let program = option_env!("CARGO_BIN_EXE_entra").unwrap_or_else(|| panic!("this is not a test of the command"));
    let program = [&[program], words].concat();
    record_program(columns, &program, variables, actions)
}

/// Runs a program in a terminal.
pub(crate) fn record_program(
    columns: usize,
    program: &[&str],
    variables: &[(&str, &str)],
    actions: &[Action<'_>],
) -> Option<Recording> {
    let actions: Vec<Value> = actions
        .iter()
        .map(|action| match action {
            Action::Wait(text) => json!(["wait", text]),
            Action::Send(text) => json!(["send", text]),
            Action::Resize(columns) => json!(["resize", columns]),
            Action::Pause(seconds) => json!(["pause", seconds]),
            Action::Url(file) => json!(["url", file]),
            Action::Signal(name) => json!(["signal", name]),
            Action::SignalChild(name) => json!(["signal-child", name]),
        })
        .collect();
    let variables: serde_json::Map<String, Value> = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), json!(value)))
        .collect();
    let run = json!({ "columns": columns, "command": program, "variables": variables, "actions": actions });
    let script = include_str!("pty.py");
    let Ok(output) = Command::new("python3")
        .args(["-c", script])
        .arg(run.to_string())
        .output()
    else {
        skip(
            "python3-venv",
            "python3, which creates pseudo terminals, is not installed",
        );
        return None;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let recorded: Value = serde_json::from_slice(&output.stdout).unwrap();
    let chunks = recorded["chunks"].as_array().unwrap().iter();
    Some(Recording {
        chunks: chunks
            .map(|chunk| {
                let columns = usize::try_from(chunk[0].as_u64().unwrap()).unwrap();
                (columns, chunk[1].as_str().unwrap().to_owned())
            })
            .collect(),
        exit: recorded["exit"].as_i64().unwrap(),
        restored: recorded["restored"].as_bool().unwrap(),
    })
}

impl Recording {
    /// Returns the complete output.
    pub(crate) fn sent(&self) -> String {
        self.chunks.iter().map(|chunk| chunk.1.as_str()).collect()
    }

    /// Returns the screens that contain this text, each before a cursor movement.
    #[allow(dead_code, reason = "the tests of the examples use it")]
    pub(crate) fn frames(&self, text: &str) -> Vec<String> {
        let mut frames = Vec::new();
        let mut screen = Screen::default();
        for (columns, sent) in &self.chunks {
            screen.resize(*columns);
            let mut rest = sent.as_str();
            // A program that draws bars moves the cursor up to the first bar, and redraws all bars.
            while let Some(up) = rest.find("\u{1b}[") {
                let (before, after) = rest.split_at(up);
                screen.take(before);
                let lines = screen.lines().join("\n");
                if lines.contains(text) && frames.last() != Some(&lines) {
                    frames.push(lines);
                }
                let end = after
                    .find(|c: char| c.is_ascii_alphabetic())
                    .map_or(after.len(), |at| at + 1);
                screen.take(&after[..end]);
                rest = &after[end..];
            }
            screen.take(rest);
        }
        frames
    }

    pub(crate) fn screen(&self) -> Screen {
        let mut screen = Screen::default();
        for (columns, text) in &self.chunks {
            screen.resize(*columns);
            screen.take(text);
        }
        screen
    }
}

/// The lines of a terminal, including those that scrolled away.
#[derive(Default)]
pub(crate) struct Screen {
    columns: usize,
    /// The cells. A character of two columns is in the first of its cells.
    rows: Vec<Vec<Option<char>>>,
    row: usize,
    column: usize,
    /// The rows that the terminal wrapped because they were too long.
    pub(crate) wrapped: Vec<usize>,
}

impl Screen {
    /// Returns the lines, without trailing blanks.
    pub(crate) fn lines(&self) -> Vec<String> {
        let text = |row: &Vec<Option<char>>| row.iter().flatten().collect::<String>().trim_end().to_owned();
        self.rows.iter().map(text).collect()
    }

    /// Changes the width, and truncates lines that are too long, as xterm does.
    fn resize(&mut self, columns: usize) {
        self.columns = columns;
        self.rows.iter_mut().for_each(|row| row.truncate(columns));
        self.column = self.column.min(columns);
    }

    fn take(&mut self, text: &str) {
        let mut characters = text.chars();
        while let Some(character) = characters.next() {
            match character {
                '\r' => self.column = 0,
                '\n' => self.row += 1,
                '\u{1b}' => self.sequence(&mut characters),
                '\u{7}' => {}
                character => self.put(character),
            }
        }
    }

    /// Interprets colours, cursor movement up and down, and erasing a line or its end.
    fn sequence(&mut self, characters: &mut std::str::Chars<'_>) {
        assert_eq!(characters.next(), Some('['), "an unknown sequence");
        let mut parameter = String::new();
        let last = characters.find(|character| {
            let is_last = ('@'..='~').contains(character);
            if !is_last {
                parameter.push(*character);
            }
            is_last
        });
        match last {
            Some('m') => {}
            Some('A') => self.row = self.row.saturating_sub(parameter.parse().unwrap_or(1)),
            Some('B') => self.row += parameter.parse().unwrap_or(1),
            Some('K') if parameter == "2" => self.line().clear(),
            Some('K') => {
                let column = self.column;
                self.line().truncate(column);
            }
            other => panic!("an unknown sequence: {other:?}"),
        }
    }

    fn put(&mut self, character: char) {
        let width = character.width().unwrap_or(0);
        assert!(!character.is_control(), "{character:?} reached the terminal");
        if self.column + width > self.columns {
            self.wrapped.push(self.row);
            self.row += 1;
            self.column = 0;
        }
        let (column, cells) = (self.column, self.column + width);
        let line = self.line();
        if line.len() < cells {
            line.resize(cells, Some(' '));
        }
        for cell in line.iter_mut().take(cells).skip(column) {
            *cell = None;
        }
        if width > 0 {
            line[column] = Some(character);
        }
        self.column += width;
    }

    fn line(&mut self) -> &mut Vec<Option<char>> {
        if self.rows.len() <= self.row {
            self.rows.resize(self.row + 1, Vec::new());
        }
        &mut self.rows[self.row]
    }
}
