//! The progress: bars on a terminal, or an occasional line otherwise.

use std::io::{IsTerminal, stderr};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::board::{Board, Figures, Phase, Row, grouped, megabytes};
use crate::console::{columns, keep_above, note};

/// Shows the progress until it is dropped. It reads the board a few times a second, so that no
/// event waits for a terminal.
pub(crate) struct Progress(Option<(Sender<()>, JoinHandle<()>)>);

impl Progress {
    /// Shows bars on a terminal, or lines otherwise; nothing if `quiet`.
    pub(crate) fn start(board: Arc<Board>, quiet: bool) -> Self {
        if quiet {
            return Self(None);
        }
        let is_terminal = stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        let (stop, stopped) = channel();
        let mut shown: Box<dyn FnMut(bool) + Send> = if is_terminal {
            let mut bars = Bars::new();
            Box::new(move |is_end| bars.show(&board, is_end))
        } else {
            let mut lines = Lines::new();
            Box::new(move |_| {
                let line = lines.next(&board.figures().clone(), Instant::now());
                line.iter().for_each(|line| note(line));
            })
        };
        let step = if is_terminal { FRAME } else { LINE_STEP };
        let thread = thread::spawn(move || {
            while stopped.recv_timeout(step) == Err(RecvTimeoutError::Timeout) {
                shown(false);
            }
            shown(true);
        });
        Self(Some((stop, thread)))
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.0.take() {
            drop(stop);
            let _ = thread.join();
        }
    }
}

/// A bar for the round, and a line for each of some tenants.
struct Bars {
    multi: MultiProgress,
    total: ProgressBar,
    lines: Vec<ProgressBar>,
    started: Instant,
    round: u64,
    before: u64,
}

impl Bars {
    fn new() -> Self {
        let multi = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10));
        keep_above(&multi);
        Self {
            total: multi.add(ProgressBar::new(0)),
            multi,
            lines: Vec::new(),
            started: Instant::now(),
            round: 0,
            before: 0,
        }
    }

    fn show(&mut self, board: &Board, is_end: bool) {
        let figures = board.figures().clone();
        let width = columns(&stderr()).unwrap_or(80);
        if figures.round.number != self.round {
            self.round = figures.round.number;
            self.started = Instant::now();
            self.before = figures.total().bytes;
        }
        let seconds = self.started.elapsed().as_secs_f64();
        let active = if is_end { Vec::new() } else { active(&figures) };
        while self.lines.len() > active.len() {
            if let Some(line) = self.lines.pop() {
                self.multi.remove(&line);
            }
        }
        while self.lines.len() < active.len() {
            let line = self.multi.add(ProgressBar::new_spinner());
            line.set_style(style("{msg}"));
            self.lines.push(line);
        }
        for (line, text) in self.lines.iter().zip(&active) {
            line.set_message(cut(text, width));
        }
        if figures.round.number == 0 || is_end {
            self.multi.remove(&self.total);
            if is_end {
                let _ = self.multi.clear();
            } else {
                self.total = self.multi.insert(0, ProgressBar::new(0));
            }
            return;
        }
        let message = total(&figures, self.before, seconds, width);
        // The terminal would wrap a line that fills it.
        let bar = width.saturating_sub(message.chars().count() + 4);
        self.total.set_style(style(&match bar {
            ..SHORTEST_BAR => "{msg}".to_owned(),
            _ => format!("[{{bar:{bar}}}] {{msg}}"),
        }));
        self.total.set_length(figures.round.tenants as u64);
        self.total.set_position(figures.round.finished as u64);
        self.total.set_message(cut(&message, width));
        self.total.tick();
    }
}

fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template).expect("the template is one");
    style.progress_chars("=> ")
}

/// Returns the text beside the bar of the round, as much as fits.
fn total(figures: &Figures, before: u64, seconds: f64, width: usize) -> String {
    let total = figures.total();
    let round = &figures.round;
    let mut text = format!("{}/{} tenants", round.finished, round.tenants);
    #[expect(clippy::cast_precision_loss, reason = "the speed is shown in tenths of a megabyte")]
    let speed = (total.bytes - before) as f64 / seconds.max(0.1) / 1e6;
    let next = round.next.filter(|_| round.is_over);
    let last = match next {
        Some(next) => format!("next round at {}", next.to_rfc3339()),
        None => format!("{speed:.1} MB/s"),
    };
    for more in [
        format!("{} records", grouped(total.records)),
        format!("{} MB", megabytes(total.bytes)),
        last,
    ] {
        if text.len() + more.len() + SHORTEST_BAR + 6 > width {
            break;
        }
        text = format!("{text}, {more}");
    }
    text
}

/// Returns the lines of the tenants in progress: those whose turns began first, a bounded number.
fn active(figures: &Figures) -> Vec<String> {
    let is_active = |row: &Row| matches!(row.phase, Phase::Collecting | Phase::Paused);
    let mut rows: Vec<(&String, &Row)> = figures.tenants.iter().filter(|(_, row)| is_active(row)).collect();
    rows.sort_by_key(|(_, row)| row.turn);
    let more = rows.len().saturating_sub(MOST_LINES);
    let mut lines: Vec<String> = rows
        .iter()
        .take(MOST_LINES)
        .map(|(tenant, row)| line(tenant, row))
        .collect();
    if more > 0 {
        lines.push(format!("  and {more} more"));
    }
    lines
}

fn line(tenant: &str, row: &Row) -> String {
    let records = grouped(row.records);
    let place = match (row.phase, row.now) {
        (Phase::Paused, _) => "paused".to_owned(),
        (_, Some(content_type)) => content_type.to_string(),
        (_, None) => "subscriptions".to_owned(),
    };
    format!("  {tenant}  {records} records  {place}")
}

/// Cuts a line off at the width of the terminal.
fn cut(text: &str, width: usize) -> String {
    text.chars().take(width.max(1) - 1).collect()
}

/// Produces a line if something is new, at bounded intervals.
struct Lines {
    last: Instant,
    text: String,
}

impl Lines {
    fn new() -> Self {
        Self {
            last: Instant::now(),
            text: String::new(),
        }
    }

    /// Returns the line if it is time for one. Between rounds there are no lines.
    fn next(&mut self, figures: &Figures, now: Instant) -> Option<String> {
        if now.saturating_duration_since(self.last) < LINE_PERIOD || figures.round.is_over {
            return None;
        }
        let (round, total) = (figures.round, figures.total());
        let text = format!(
            "progress: {} of {} tenants, {} contents, {} records, {} MB",
            round.finished,
            round.tenants,
            grouped(total.contents),
            grouped(total.records),
            megabytes(total.bytes)
        );
        self.last = now;
        (text != self.text).then(|| {
            self.text.clone_from(&text);
            text
        })
    }
}

const FRAME: Duration = Duration::from_millis(100);
const LINE_STEP: Duration = Duration::from_millis(500);
const LINE_PERIOD: Duration = Duration::from_secs(30);
/// The most tenants with a line.
const MOST_LINES: usize = 8;
/// Below this width in columns, the bar is left out.
const SHORTEST_BAR: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_is_shown_every_30_seconds_if_something_is_new() {
        let (board, mut lines) = (Board::default(), Lines::new());
        let start = lines.last;
        let mut at = |records: u64, is_over: bool, seconds: u64| {
            let mut figures = board.figures();
            figures.round.tenants = 3;
            figures.round.is_over = is_over;
            figures.tenants.entry("contoso.example".to_owned()).or_default().records = records;
            lines.next(&figures, start + Duration::from_secs(seconds))
        };
        assert_eq!(at(1_000, false, 29), None, "too early");
        let line = "progress: 0 of 3 tenants, 0 contents, 1,000 records, 0.0 MB";
        assert_eq!(at(1_000, false, 30).as_deref(), Some(line));
        assert_eq!(at(2_000, false, 59), None, "too early");
        assert_eq!(at(1_000, false, 60), None, "nothing new");
        assert_eq!(at(2_000, true, 90), None, "no round");
        assert!(at(2_000, false, 95).unwrap().contains(" 2,000 records"));
    }
}
