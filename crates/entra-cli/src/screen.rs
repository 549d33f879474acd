use std::io::Write;
use std::time::Duration;

use crate::exit::Failure;
use crate::files::{harmless, not_written};
use crate::moment::length;
use crate::seen::{Seen, Source, State};
use crate::terminal::{cut, width_of, wrapped};

/// Shows what is seen of a client: on a terminal its last line counts down, elsewhere there is a line for each change.
pub(crate) struct Screen<W> {
    out: W,
    view: View,
    /// Returns the columns of the terminal, or nothing where there is none. It may change at any time.
    width: Box<dyn Fn() -> Option<usize>>,
    /// The change that was shown last.
    last: Option<Look>,
    failure: Option<String>,
    /// How many columns the line takes that is not ended yet.
    open: usize,
}

/// What is shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum View {
    /// On a terminal, the last line counts down.
    All,
    /// There is a line for each change: the lines of a log come at any time, and must not go on behind one that counts down.
    Changes,
    Failures,
}

/// All of a line that does not count down.
type Look = (Source, State, bool, u64);

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

    pub(crate) fn show(&mut self, seen: &Seen) -> Result<(), Failure> {
        let width = (self.width)();
        // A terminal that has become too narrow for the line may have wrapped it: it stays, and another one begins.
        if width.is_some_and(|width| self.open >= width) {
            self.end_line()?;
        }
        if seen.failure != self.failure {
            self.failure.clone_from(&seen.failure);
            if let Some(failure) = &seen.failure {
                self.end_line()?;
                let line = format!("{}  failed   {}", moment(seen.at), harmless(failure));
                let line = match width {
                    // The blanks before the time count as well.
                    Some(width) => wrapped(&line, width, INDENT - (line.len() - line.trim_start().len())),
                    None => line,
                };
                self.write(&format!("{line}\n"))?;
            }
        }
        let look = Some((seen.source, seen.state, seen.cooling_down.is_some(), seen.asked));
        let is_change = look != self.last;
        self.last = look;
        if self.view == View::Failures {
            return Ok(());
        }
        let line = Line::of(seen);
        // The terminal shows ^C behind it in the end, and some wrap a line as soon as its last column is taken.
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
        // What stood there before is overwritten with spaces.
        let rest = " ".repeat(self.open.saturating_sub(columns));
        self.write(&format!("\r{line}{rest}"))?;
        self.open = columns;
        Ok(())
    }

    /// Ends the line that counts down, so that something else may stand below it.
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

/// The parts of a line, each with what stands before it.
struct Line {
    time: String,
    source: &'static str,
    state: &'static str,
    fresh: String,
    cooling_down: String,
    expires: String,
    left: String,
    asked: String,
}

impl Line {
    fn of(seen: &Seen) -> Self {
        let fresh_for = || length(seen.fresh_for);
        let has_token = seen.state != State::Missing;
        let expires_in = length(seen.expires_in);
        Self {
            time: format!("{}  ", moment(seen.at)),
            source: match seen.source {
                Source::Network => "network  ",
                Source::Cache => "cache    ",
                Source::Nowhere => "nowhere  ",
            },
            state: match seen.state {
                State::New => "new",
                State::Fresh => "fresh",
                State::Due if seen.cooling_down.is_none() => "due, being renewed",
                State::Due => "due, not renewed",
                State::Refreshed => "refreshed",
                State::ServedAnyway => "served anyway",
                State::Missing => "no token",
            },
            fresh: match seen.state {
                State::Fresh => format!(" for {}", fresh_for()),
                State::New | State::Refreshed if !seen.fresh_for.is_zero() => {
                    format!(", fresh for {}", fresh_for())
                }
                _ => String::new(),
            },
            cooling_down: seen.cooling_down.map_or_else(String::new, |left| {
                format!(", cooling down for {}", length(whole(left)))
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
            asked: match seen.asked {
                1 => ", asked once".to_owned(),
                many => format!(", asked {many} times"),
            },
        }
    }

    fn full(&self) -> String {
        [&self.time, self.source, &self.core(true, true), &self.asked].concat()
    }

    /// As much of it as a line of so many columns holds. The state and the end of the token stay longest.
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

    /// The state and the end of the token, and what is wanted of the rest.
    fn core(&self, fresh: bool, cooling_down: bool) -> String {
        let part = |wanted: bool, part: &str| if wanted { part.to_owned() } else { String::new() };
        [
            self.state,
            &part(fresh, &self.fresh),
            &part(cooling_down, &self.cooling_down),
            &self.expires,
        ]
        .concat()
    }
}

/// Where the text of a failure begins, and goes on in the next line.
const INDENT: usize = 17;

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

    fn wide(columns: usize) -> impl Fn() -> Option<usize> {
        move || Some(columns)
    }

    #[test]
    fn a_shorter_line_leaves_nothing_of_the_longer_one() {
        let mut shown = Vec::new();
        let mut screen = Screen::new(&mut shown, View::All, wide(80));
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
        Screen::new(&mut shown, View::All, || None).show(&seen).unwrap();
        let shown = String::from_utf8(shown).unwrap();
        assert!(
            shown.starts_with("   0 s  failed   a\\u{1b}[2J\\u{9b}b\\r\\nFORGED\n"),
            "{shown:?}"
        );
    }

    #[test]
    fn a_failure_is_wrapped_to_the_terminal() {
        let mut shown = Vec::new();
        let mut seen = due(100, None);
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
    fn quiet_shows_failures_alone() {
        let mut shown = Vec::new();
        let mut screen = Screen::new(&mut shown, View::Failures, wide(80));
        let mut seen = due(100, None);
        screen.show(&seen).unwrap();
        seen.failure = Some("no".to_owned());
        screen.show(&seen).unwrap();
        screen.end_line().unwrap();
        assert_eq!(String::from_utf8(shown).unwrap(), "   0 s  failed   no\n");
    }

    #[test]
    fn lines_between_those_of_a_log_fit_as_well() {
        let mut shown = Vec::new();
        let mut screen = Screen::new(&mut shown, View::Changes, wide(60));
        screen.show(&due(100, None)).unwrap();
        screen.show(&due(99, None)).unwrap();
        screen.end_line().unwrap();
        assert_eq!(
            String::from_utf8(shown).unwrap(),
            "   0 s  cache    due, being renewed, expires in 100 s\n"
        );
    }

    #[test]
    fn it_cools_down_until_nothing_is_left() {
        for (milliseconds, said) in [(4001, "for 5 s,"), (4000, "for 4 s,"), (1, "for 1 s,")] {
            let line = Line::of(&due(9, Some(Duration::from_millis(milliseconds)))).full();
            assert!(line.contains(said), "{line}");
        }
    }

    #[test]
    fn a_line_is_shortened_by_what_matters_least() {
        let cooling = Line::of(&due(9, Some(Duration::from_secs(5))));
        for (columns, line) in [
            (
                99,
                "   0 s  cache    due, not renewed, cooling down for 5 s, expires in 9 s, asked once",
            ),
            (
                80,
                "   0 s  cache    due, not renewed, cooling down for 5 s, expires in 9 s",
            ),
            (68, "   0 s  due, not renewed, cooling down for 5 s, expires in 9 s"),
            (59, "due, not renewed, cooling down for 5 s, expires in 9 s"),
            (39, "due, not renewed, expires in 9 s"),
            (29, "due, not renewed, 9 s left"),
            (19, "due, not renewed"),
            (9, "due, not "),
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
                State::Due,
                State::Refreshed,
                State::ServedAnyway,
                State::Missing,
            ] {
                let mut seen = due(3600, Some(Duration::from_secs(60)));
                seen.state = state;
                seen.fresh_for = Duration::from_secs(3300);
                seen.asked = 1000;
                assert!(width_of(&Line::of(&seen).fitting(columns - 1)) < columns);
            }
        }
    }

    #[test]
    fn a_terminal_that_becomes_narrower_gets_a_new_line() {
        let columns = std::rc::Rc::new(std::cell::Cell::new(80));
        let mut shown = Vec::new();
        let now = std::rc::Rc::clone(&columns);
        let mut screen = Screen::new(&mut shown, View::All, move || Some(now.get()));
        screen.show(&due(100, None)).unwrap();
        columns.set(60);
        screen.show(&due(99, None)).unwrap();
        columns.set(100);
        screen.show(&due(98, None)).unwrap();
        let shown = String::from_utf8(shown).unwrap();
        assert_eq!(
            shown,
            "\r   0 s  cache    due, being renewed, expires in 100 s, asked once\n\
             \r   0 s  cache    due, being renewed, expires in 99 s\
             \r   0 s  cache    due, being renewed, expires in 98 s, asked once"
        );
    }
}
