use std::io::{self, ErrorKind, Write};
use std::time::Duration;

use crate::commands::watch::{Seen, Source, State};
use crate::exit::{Exit, Failure};
use crate::files::harmless;
use crate::moment::length;

/// Shows what is seen of a client: on a terminal its last line counts down, elsewhere there is a line for each change.
pub(crate) struct Screen<W> {
    out: W,
    is_terminal: bool,
    /// What a change is told by.
    last: Option<Look>,
    failure: Option<String>,
    /// How many characters stand on the line that is not ended yet.
    open: usize,
}

/// All of a line that does not count down.
type Look = (Source, State, bool, u64);

impl<W: Write> Screen<W> {
    pub(crate) fn new(out: W, is_terminal: bool) -> Self {
        Self {
            out,
            is_terminal,
            last: None,
            failure: None,
            open: 0,
        }
    }

    pub(crate) fn show(&mut self, seen: &Seen) -> Result<(), Failure> {
        if seen.failure != self.failure {
            self.failure.clone_from(&seen.failure);
            if let Some(failure) = &seen.failure {
                self.end_line()?;
                let line = format!("{}  failed   {}\n", moment(seen.at), harmless(failure));
                self.write(&line)?;
            }
        }
        let look = Some((seen.source, seen.state, seen.cooling_down.is_some(), seen.asked));
        let is_change = look != self.last;
        self.last = look;
        let line = describe(seen);
        if !self.is_terminal {
            return if is_change {
                self.write(&format!("{line}\n"))
            } else {
                Ok(())
            };
        }
        if is_change {
            self.end_line()?;
        }
        // What stood there before is overwritten with spaces.
        self.write(&format!("\r{line:<0$}", self.open))?;
        self.open = line.chars().count();
        Ok(())
    }

    /// Ends the line that counts down, so that something else may stand below it.
    pub(crate) fn end_line(&mut self) -> Result<(), Failure> {
        if std::mem::take(&mut self.open) > 0 {
            self.write("\n")?;
        }
        Ok(())
    }

    /// Whoever looked on may have gone: that ends it, and is no failure.
    fn write(&mut self, text: &str) -> Result<(), Failure> {
        let written = self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush());
        written.map_err(|error: io::Error| {
            let exit = if error.kind() == ErrorKind::BrokenPipe {
                Exit::OutputClosed
            } else {
                Exit::Output
            };
            Failure::text(exit, format!("standard error: {error}"))
        })
    }
}

fn describe(seen: &Seen) -> String {
    let source = match seen.source {
        Source::Network => "network",
        Source::Cache => "cache",
        Source::Nowhere => "nowhere",
    };
    let state = match seen.state {
        State::New => "new",
        State::Fresh => "fresh",
        State::Due if seen.cooling_down.is_none() => "due, being renewed",
        State::Due => "due, not renewed",
        State::Refreshed => "refreshed",
        State::ServedAnyway => "served anyway",
        State::Missing => "no token",
    };
    let mut line = format!("{}  {source:<7}  {state}", moment(seen.at));
    match seen.state {
        State::Fresh => line += &format!(" for {}", length(seen.fresh_for)),
        State::New | State::Refreshed if !seen.fresh_for.is_zero() => {
            line += &format!(", fresh for {}", length(seen.fresh_for));
        }
        _ => {}
    }
    if let Some(left) = seen.cooling_down {
        line += &format!(", cooling down for {}", length(whole(left)));
    }
    if seen.state != State::Missing {
        line += &format!(", expires in {}", length(seen.expires_in));
    }
    let times = match seen.asked {
        1 => "once".to_owned(),
        many => format!("{many} times"),
    };
    line + &format!(", asked {times}")
}

fn moment(at: Duration) -> String {
    format!("{:>4} s", at.as_secs())
}

/// Whole seconds, none of them lost.
fn whole(duration: Duration) -> Duration {
    Duration::from_secs(duration.as_secs() + u64::from(duration.subsec_nanos() > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(expires_in: u64, cooling_down: Option<Duration>) -> Seen {
        Seen {
            at: Duration::ZERO,
            source: Source::Cache,
            state: State::Due,
            fresh_for: Duration::ZERO,
            expires_in: Duration::from_secs(expires_in),
            cooling_down,
            failure: None,
            asked: 1,
            new_token: None,
            outcome: Ok(()),
        }
    }

    #[test]
    fn what_is_shorter_leaves_nothing_of_what_stood_there() {
        let mut shown = Vec::new();
        let mut screen = Screen::new(&mut shown, true);
        screen.show(&due(100, None)).unwrap();
        screen.show(&due(99, None)).unwrap();
        let shown = String::from_utf8(shown).unwrap();
        assert!(shown.ends_with("expires in 99 s, asked once "), "{shown:?}");
    }

    #[test]
    fn a_failure_is_escaped_and_stays_on_its_line() {
        let mut shown = Vec::new();
        let mut seen = due(100, None);
        seen.failure = Some("a\u{1b}[2J\u{9b}b\r\nFORGED".to_owned());
        Screen::new(&mut shown, false).show(&seen).unwrap();
        let shown = String::from_utf8(shown).unwrap();
        assert!(
            shown.starts_with("   0 s  failed   a\\u{1b}[2J\\u{9b}b\\r\\nFORGED\n"),
            "{shown:?}"
        );
    }

    #[test]
    fn it_cools_down_until_nothing_is_left() {
        for (milliseconds, said) in [(4001, "for 5 s,"), (4000, "for 4 s,"), (1, "for 1 s,")] {
            let line = describe(&due(9, Some(Duration::from_millis(milliseconds))));
            assert!(line.contains(said), "{line}");
        }
    }
}
