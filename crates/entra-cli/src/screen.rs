//! The display of `--watch`: one line for each change, and on a terminal a last line that counts
//! down.

use std::io::Write;
use std::time::Duration;

use crate::exit::Failure;
use crate::files::{harmless, not_written};
use crate::observation::{Observation, Source, State};
use crate::terminal::{cut, width_of, wrapped};
use crate::time_format::length;

/// The writer of observations. On a terminal the last line counts down; elsewhere each change gets
/// one line.
pub(crate) struct Screen<W> {
    out: W,
    view: View,
    /// Returns the number of columns of the terminal, which may change at any time, or `None`
    /// without a terminal.
    width: Box<dyn Fn() -> Option<usize>>,
    /// The constant parts of the latest line.
    last: Option<Constants>,
    failure: Option<String>,
    /// The number of columns of the unfinished line.
    open: usize,
}

/// The kinds of lines that are shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum View {
    /// On a terminal, the last line counts down.
    All,
    /// One line for each change and no countdown: log lines appear at any time and must not be
    /// appended to an unfinished line.
    Changes,
    /// Failures only.
    Failures,
}

/// The parts of a line that do not count down: source, state, cooling down or not, requests.
type Constants = (Source, State, bool, u64);

impl<W: Write> Screen<W> {
    pub(crate) fn new(out: W, view: View, width: impl Fn() -> Option<usize> + 'static) -> Self {
        Self {
            out,
            view,
            width: Box::new(width),
            last: None,
            failure: None,
            open: 0,
        }
    }

    /// Shows an observation.
    ///
    /// # Errors
    /// Returns an error if the output cannot be written.
    pub(crate) fn show(&mut self, observation: &Observation) -> Result<(), Failure> {
        let width = (self.width)();
        // A terminal that became too narrow may have wrapped the line, so a new line begins.
        if width.is_some_and(|width| self.open >= width) {
            self.end_line()?;
        }
        if observation.failure != self.failure {
            self.failure.clone_from(&observation.failure);
            if let Some(failure) = &observation.failure {
                self.end_line()?;
                let line = format!("{}  failed   {}", seconds(observation.at), harmless(failure));
                let line = match width {
                    // The blanks before the time are part of the indent.
                    Some(width) => wrapped(&line, width, INDENT - (line.len() - line.trim_start().len())),
                    None => line,
                };
                self.write(&format!("{line}\n"))?;
            }
        }
        let constants = Some((
            observation.source,
            observation.state,
            observation.cooling_down.is_some(),
            observation.requests,
        ));
        let is_change = constants != self.last;
        self.last = constants;
        if self.view == View::Failures {
            return Ok(());
        }
        let line = Line::of(observation);
        // Room for the ^C that the terminal echoes, and for terminals that wrap a full line.
        let line = width.map_or_else(|| line.full(), |width| line.fitting(width.saturating_sub(3)));
        if width.is_none() || self.view == View::Changes {
            return if is_change {
                self.write(&format!("{line}\n"))
            } else {
                Ok(())
            };
        }
        if is_change {
            self.end_line()?;
        }
        let columns = width_of(&line);
        // Spaces overwrite the rest of the longer previous line.
        let rest = " ".repeat(self.open.saturating_sub(columns));
        self.write(&format!("\r{line}{rest}"))?;
        self.open = columns;
        Ok(())
    }

    /// Ends the line that counts down, so that other output starts on a new line.
    pub(crate) fn end_line(&mut self) -> Result<(), Failure> {
        if std::mem::take(&mut self.open) > 0 {
            self.write("\n")?;
        }
        Ok(())
    }

    fn write(&mut self, text: &str) -> Result<(), Failure> {
        let written = self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush());
        written.map_err(|error| not_written("standard error", &error))
    }
}

/// The parts of a line, each with its separator in front.
struct Line {
    time: String,
    source: &'static str,
    state: &'static str,
    fresh: String,
    cooling_down: String,
    expires: String,
    left: String,
    requests: String,
}

impl Line {
    fn of(observation: &Observation) -> Self {
        let fresh_for = || length(observation.fresh_for);
        let has_token = observation.state != State::Missing;
        let expires_in = length(observation.expires_in);
        Self {
            time: format!("{}  ", seconds(observation.at)),
            source: match observation.source {
                Source::Network => "network  ",
                Source::Cache => "cache    ",
                Source::None => "none     ",
            },
            state: match observation.state {
                State::New => "new",
                State::Fresh => "fresh",
                State::NeedsRefresh if observation.cooling_down.is_none() => "refreshing",
                State::NeedsRefresh => "needs refresh",
                State::Refreshed => "refreshed",
                State::ServedAnyway => "served anyway",
                State::Missing => "no token",
            },
            fresh: match observation.state {
                State::Fresh => format!(" for {}", fresh_for()),
                State::New | State::Refreshed if !observation.fresh_for.is_zero() => {
                    format!(", fresh for {}", fresh_for())
                }
                _ => String::new(),
            },
            cooling_down: observation.cooling_down.map_or_else(String::new, |left| {
                format!(", cooling down for {}", length(rounded_up(left)))
            }),
            expires: if has_token {
                format!(", expires in {expires_in}")
            } else {
                String::new()
            },
            left: if has_token {
                format!(", {expires_in} left")
            } else {
                String::new()
            },
            requests: match observation.requests {
                1 => ", 1 request".to_owned(),
                many => format!(", {many} requests"),
            },
        }
    }

    fn full(&self) -> String {
        [&self.time, self.source, &self.core(true, true), &self.requests].concat()
    }

    /// Returns as many parts as fit into `columns`. The state and the expiry are dropped last.
    fn fitting(&self, columns: usize) -> String {
        let forms = [
            self.full(),
            [&self.time, self.source, &self.core(true, true)].concat(),
            [&self.time, &*self.core(true, true)].concat(),
            self.core(true, true),
            self.core(false, true),
            self.core(false, false),
            [self.state, &self.left].concat(),
        ];
        let fitting = forms.into_iter().find(|form| width_of(form) <= columns);
        fitting.unwrap_or_else(|| cut(self.state, columns).to_owned())
    }

    /// Returns the state and the expiry, and the requested ones of the other parts.
    fn core(&self, fresh: bool, cooling_down: bool) -> String {
        let part = |is_included: bool, part: &str| if is_included { part.to_owned() } else { String::new() };
        [
            self.state,
            &part(fresh, &self.fresh),
            &part(cooling_down, &self.cooling_down),
            &self.expires,
        ]
        .concat()
    }
}

/// The column at which the text of a failure begins, on its first line and the following ones.
const INDENT: usize = 17;

fn seconds(at: Duration) -> String {
    format!("{:>4} s", at.as_secs())
}

/// Rounds a duration up to whole seconds.
fn rounded_up(duration: Duration) -> Duration {
    Duration::from_secs(duration.as_secs() + u64::from(duration.subsec_nanos() > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn observation(expires_in: u64, cooling_down: Option<Duration>) -> Observation {
        Observation {
            at: Duration::ZERO,
            source: Source::Cache,
            state: State::NeedsRefresh,
            fresh_for: Duration::ZERO,
            expires_in: Duration::from_secs(expires_in),
            cooling_down,
            failure: None,
            requests: 1,
            new_token: None,
            outcome: Ok(()),
        }
    }

    fn wide(columns: usize) -> impl Fn() -> Option<usize> {
        move || Some(columns)
    }

    #[test]
    fn shorter_line_overwrites_the_longer_one() {
        let mut shown = Vec::new();
        let mut screen = Screen::new(&mut shown, View::All, wide(80));
        screen.show(&observation(100, None)).unwrap();
        screen.show(&observation(99, None)).unwrap();
        let shown = String::from_utf8(shown).unwrap();
        assert!(shown.ends_with("expires in 99 s, 1 request "), "{shown:?}");
    }

    #[test]
    fn failure_is_escaped_and_stays_on_its_line() {
        let mut shown = Vec::new();
        let mut seen = observation(100, None);
        seen.failure = Some("a\u{1b}[2J\u{9b}b\r\nFORGED".to_owned());
        Screen::new(&mut shown, View::All, || None).show(&seen).unwrap();
        let shown = String::from_utf8(shown).unwrap();
        assert!(
            shown.starts_with("   0 s  failed   a\\u{1b}[2J\\u{9b}b\\r\\nFORGED\n"),
            "{shown:?}"
        );
    }

    #[test]
    fn failure_is_wrapped_to_the_terminal() {
        let mut shown = Vec::new();
        let mut seen = observation(100, None);
        seen.failure = Some("no token 日本語日本語日本語 for this API, and none for another one".to_owned());
        Screen::new(&mut shown, View::All, wide(40)).show(&seen).unwrap();
        let shown = String::from_utf8(shown).unwrap();
        assert!(shown.lines().all(|line| width_of(line) <= 40), "{shown}");
        assert!(
            shown.starts_with("   0 s  failed   no token\n          日本"),
            "{shown}"
        );
    }

    #[test]
    fn quiet_shows_failures_only() {
        let mut shown = Vec::new();
        let mut screen = Screen::new(&mut shown, View::Failures, wide(80));
        let mut seen = observation(100, None);
        screen.show(&seen).unwrap();
        seen.failure = Some("no".to_owned());
        screen.show(&seen).unwrap();
        screen.end_line().unwrap();
        assert_eq!(String::from_utf8(shown).unwrap(), "   0 s  failed   no\n");
    }

    #[test]
    fn lines_between_log_lines_fit_the_terminal() {
        let mut shown = Vec::new();
        let mut screen = Screen::new(&mut shown, View::Changes, wide(50));
        screen.show(&observation(100, None)).unwrap();
        screen.show(&observation(99, None)).unwrap();
        screen.end_line().unwrap();
        assert_eq!(
            String::from_utf8(shown).unwrap(),
            "   0 s  cache    refreshing, expires in 100 s\n"
        );
    }

    #[test]
    fn cool_down_is_rounded_up_to_seconds() {
        for (milliseconds, text) in [(4001, "for 5 s,"), (4000, "for 4 s,"), (1, "for 1 s,")] {
            let line = Line::of(&observation(9, Some(Duration::from_millis(milliseconds)))).full();
            assert!(line.contains(text), "{line}");
        }
    }

    #[test]
    fn least_important_parts_are_dropped_first() {
        let cooling = Line::of(&observation(9, Some(Duration::from_secs(5))));
        for (columns, line) in [
            (
                79,
                "   0 s  cache    needs refresh, cooling down for 5 s, expires in 9 s, 1 request",
            ),
            (
                78,
                "   0 s  cache    needs refresh, cooling down for 5 s, expires in 9 s",
            ),
            (67, "   0 s  needs refresh, cooling down for 5 s, expires in 9 s"),
            (58, "needs refresh, cooling down for 5 s, expires in 9 s"),
            (50, "needs refresh, expires in 9 s"),
            (28, "needs refresh, 9 s left"),
            (22, "needs refresh"),
            (9, "needs ref"),
            (0, ""),
        ] {
            assert_eq!(cooling.fitting(columns), line);
        }
    }

    #[test]
    fn no_line_is_as_wide_as_the_terminal() {
        for columns in 1..120 {
            for state in [
                State::New,
                State::Fresh,
                State::NeedsRefresh,
                State::Refreshed,
                State::ServedAnyway,
                State::Missing,
            ] {
                let mut seen = observation(3600, Some(Duration::from_secs(60)));
                seen.state = state;
                seen.fresh_for = Duration::from_secs(3300);
                seen.requests = 1000;
                assert!(width_of(&Line::of(&seen).fitting(columns - 1)) < columns);
            }
        }
    }

    #[test]
    fn narrowed_terminal_gets_a_new_line() {
        let columns = std::rc::Rc::new(std::cell::Cell::new(80));
        let mut shown = Vec::new();
        let now = std::rc::Rc::clone(&columns);
        let mut screen = Screen::new(&mut shown, View::All, move || Some(now.get()));
        screen.show(&observation(100, None)).unwrap();
        columns.set(50);
        screen.show(&observation(99, None)).unwrap();
        columns.set(100);
        screen.show(&observation(98, None)).unwrap();
        let shown = String::from_utf8(shown).unwrap();
        assert_eq!(
            shown,
            "\r   0 s  cache    refreshing, expires in 100 s, 1 request\n\
             \r   0 s  cache    refreshing, expires in 99 s\
             \r   0 s  cache    refreshing, expires in 98 s, 1 request"
        );
    }
}
