//! The expected and the actual result of each client in each case.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;

use crate::Result;

/// A table of cases and clients, read from a file of `acceptance`.
#[derive(Debug)]
pub(super) struct Matrix {
    clients: Vec<String>,
    /// Each case with a cell for each client.
    rows: Vec<(String, Vec<String>)>,
    /// The comment at the head of the file.
    legend: String,
}

/// The reports of the drivers.
#[derive(Debug, Default)]
pub(super) struct Observed {
    cells: BTreeMap<(String, String), Cell>,
    versions: BTreeMap<String, String>,
    skipped: BTreeMap<String, String>,
}

#[derive(Debug)]
struct Cell {
    text: String,
    why: String,
}

impl Matrix {
    /// Reads a table whose columns have `|` between them. Lines that begin with `#` are the legend.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let (legend, table): (Vec<&str>, Vec<&str>) = text.lines().partition(|line| line.starts_with('#'));
        let mut rows = table.iter().filter(|line| !line.is_empty()).map(|line| {
            let mut cells = line.split('|').map(|cell| cell.trim().to_owned());
            (cells.next().unwrap_or_default(), cells.collect::<Vec<_>>())
        });
        let (_, clients) = rows.next().ok_or("the table of expectations is empty")?;
        let rows: Vec<_> = rows.collect();
        if let Some((case, _)) = rows.iter().find(|(_, cells)| cells.len() != clients.len()) {
            return Err(format!("the row {case:?} of the expectations has not one cell for each client").into());
        }
        Ok(Self {
            clients,
            rows,
            legend: legend.join("\n"),
        })
    }

    /// The table without the rows of a source that this machine cannot test.
    pub(super) fn without(mut self, source: &str) -> Self {
        let is_of = |case: &str| case.split(',').next() == Some(source);
        self.rows.retain(|(case, _)| !is_of(case));
        self
    }

    /// The cells that differ from what is expected, a line each. A client that was skipped differs
    /// nowhere.
    pub(super) fn differences(&self, observed: &Observed) -> Vec<String> {
        let mut differences = Vec::new();
        for (case, client, expected) in self.cells() {
            if observed.skipped.contains_key(client) {
                continue;
            }
            let cell = observed.cell(client, case);
            let text = cell.map_or(NOT_OFFERED, |cell| &cell.text);
            if text != expected {
                let why = cell.map_or("it was not run", |cell| &cell.why);
                let why: Vec<&str> = why.split_whitespace().collect();
                let why: String = why.join(" ").chars().take(LONGEST_REASON).collect();
                differences.push(format!("{client}, {case}: {text} and not {expected}: {why}"));
            }
        }
        for (client, case) in observed.cells.keys() {
            if !self.clients.contains(client) || !self.rows.iter().any(|(name, _)| name == case) {
                differences.push(format!("{client}, {case}: the expectations do not list it"));
            }
        }
        differences
    }

    /// The table of what was observed, the totals of each client, and the versions. `!` marks a
    /// cell that differs.
    pub(super) fn shown(&self, observed: &Observed) -> String {
        let first = self.rows.iter().map(|(case, _)| case.len()).max().unwrap_or(0);
        let mut text = format!("{}\n\n{:first$}", self.legend, "");
        for client in &self.clients {
            let _ = write!(text, " {client:WIDTH$}");
        }
        let mut totals = vec![Totals::default(); self.clients.len()];
        for (case, expected) in &self.rows {
            let _ = write!(text, "\n{case:first$}");
            for ((client, expected), totals) in self.clients.iter().zip(expected).zip(&mut totals) {
                let cell = observed.cell(client, case).map_or(NOT_OFFERED, |cell| &cell.text);
                let shown = if observed.skipped.contains_key(client) {
                    "skipped".to_owned()
                } else {
                    totals.count(cell, cell == expected);
                    format!("{}{cell}", if cell == expected { "" } else { "!" })
                };
                let _ = write!(text, " {shown:WIDTH$}");
            }
        }
        let _ = write!(text, "\n\n{:WIDTH$}    ok  rejected  wrong  not offered", "client");
        for (client, totals) in self.clients.iter().zip(&totals) {
            let _ = match observed.skipped.get(client) {
                Some(reason) => write!(text, "\n{client:WIDTH$} SKIPPED: {reason}"),
                None => write!(
                    text,
                    "\n{client:WIDTH$} {:5} {:9} {:6} {:12}  {}",
                    totals.ok,
                    totals.rejected,
                    totals.wrong,
                    totals.not_offered,
                    observed.versions.get(client).map_or("", String::as_str)
                ),
            };
        }
        let sum = |count: fn(&Totals) -> usize| totals.iter().map(count).sum::<usize>();
        let _ = write!(
            text,
            "\n{:WIDTH$} {:5} {:9} {:6} {:12}",
            "all",
            sum(|it| it.ok),
            sum(|it| it.rejected),
            sum(|it| it.wrong),
            sum(|it| it.not_offered)
        );
        let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
        lines.join("\n")
    }

    fn cells(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.rows.iter().flat_map(|(case, cells)| {
            let clients = self.clients.iter().zip(cells);
            clients.map(move |(client, cell)| (case.as_str(), client.as_str(), cell.as_str()))
        })
    }
}

impl Observed {
    /// Adds what the drivers printed and `judge.py` judged, a line of JSON each.
    pub(super) fn read(&mut self, lines: &str) -> Result<()> {
        for line in lines.lines() {
            // A client may print a warning, and a driver that was ended half a line.
            let Ok(line) = serde_json::from_str::<Value>(line) else {
                continue;
            };
            let text = |name: &str| line[name].as_str().map(str::to_owned);
            let client = text("client").ok_or("a driver printed a line without a client")?;
            if let Some(case) = text("case") {
                let cell = Cell {
                    text: text("cell").unwrap_or_default(),
                    why: text("why").unwrap_or_default(),
                };
                self.cells.insert((client, case), cell);
            } else if let Some(reason) = text("skipped") {
                self.skip(&client, &reason);
            } else {
                self.versions.insert(client, text("version").unwrap_or_default());
            }
        }
        Ok(())
    }

    /// Notes that a client cannot run here.
    pub(super) fn skip(&mut self, client: &str, reason: &str) {
        self.skipped.insert(client.to_owned(), reason.to_owned());
    }

    /// Returns whether a client cannot run here.
    pub(super) fn is_skipped(&self, client: &str) -> bool {
        self.skipped.contains_key(client)
    }

    /// The reason for each client that was skipped.
    pub(super) fn skipped(&self) -> Vec<String> {
        self.skipped.values().cloned().collect()
    }

    fn cell(&self, client: &str, case: &str) -> Option<&Cell> {
        self.cells.get(&(client.to_owned(), case.to_owned()))
    }
}

/// The number of each result of a client.
#[derive(Clone, Debug, Default)]
struct Totals {
    ok: usize,
    rejected: usize,
    wrong: usize,
    not_offered: usize,
}

impl Totals {
    fn count(&mut self, cell: &str, is_expected: bool) {
        let counter = match cell {
            _ if !is_expected => &mut self.wrong,
            "ok" => &mut self.ok,
            NOT_OFFERED => &mut self.not_offered,
            _ => &mut self.rejected,
        };
        *counter += 1;
    }
}

const NOT_OFFERED: &str = "-";
/// Of a finding, in characters.
const LONGEST_REASON: usize = 300;
/// Of a column.
const WIDTH: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acceptance::{EXPECTED_OF_CLIENTS, EXPECTED_OF_IDENTITIES, EXPECTED_OF_VALIDATORS};

    const TABLE: &str = "# legend\n       | a    | b\nsecret | ok   | R 1*\nother  | -    | ok\n";

    fn observed(cells: &[(&str, &str, &str)]) -> Observed {
        let mut observed = Observed::default();
        for (client, case, cell) in cells {
            let line = format!(r#"{{"client":"{client}","case":"{case}","cell":"{cell}","why":"because"}}"#);
            observed.read(&line).unwrap();
        }
        observed
    }

    #[test]
    fn expected_cells_make_no_difference() {
        let matrix = Matrix::parse(TABLE).unwrap();
        let observed = observed(&[("a", "secret", "ok"), ("b", "secret", "R 1*"), ("b", "other", "ok")]);
        assert_eq!(matrix.differences(&observed), Vec::<String>::new());
        let shown = matrix.shown(&observed);
        assert!(shown.starts_with("# legend\n") && !shown.contains('!'), "{shown}");
    }

    #[test]
    fn wrong_cell_is_a_difference() {
        let matrix = Matrix::parse(TABLE).unwrap();
        for (client, case, cell) in [("a", "secret", "R 1"), ("b", "secret", "R 1"), ("a", "other", "ok")] {
            let mut cells = vec![("a", "secret", "ok"), ("b", "secret", "R 1*"), ("b", "other", "ok")];
            cells.push((client, case, cell));
            let observed = observed(&cells);
            let differences = matrix.differences(&observed);
            assert_eq!(differences.len(), 1, "{differences:?}");
            assert!(differences[0].starts_with(&format!("{client}, {case}: {cell} and not ")));
            assert!(differences[0].ends_with("because"));
            assert!(matrix.shown(&observed).contains(&format!(" !{cell}")));
        }
    }

    #[test]
    fn missing_cell_is_a_difference() {
        let matrix = Matrix::parse(TABLE).unwrap();
        let differences = matrix.differences(&observed(&[("a", "secret", "ok"), ("b", "secret", "R 1*")]));
        assert_eq!(differences, ["b, other: - and not ok: it was not run"]);
        assert_eq!(matrix.differences(&Observed::default()).len(), 3);
    }

    #[test]
    fn broken_line_leaves_its_cell_missing() {
        let matrix = Matrix::parse("| a\nsecret | ok\n").unwrap();
        let mut observed = Observed::default();
        observed.read("a warning\n{\"client\":\"a\",\"case\":\"sec").unwrap();
        assert_eq!(matrix.differences(&observed).len(), 1);
    }

    #[test]
    fn unlisted_cell_is_a_difference() {
        let matrix = Matrix::parse("| a\nsecret | ok\n").unwrap();
        let observed = observed(&[("a", "secret", "ok"), ("a", "new", "ok"), ("c", "secret", "ok")]);
        assert_eq!(matrix.differences(&observed).len(), 2);
    }

    #[test]
    fn skipped_client_is_no_difference_and_no_pass() {
        let matrix = Matrix::parse(TABLE).unwrap();
        let mut observed = observed(&[("a", "secret", "ok")]);
        let line = r#"{"client":"b","skipped":"it needs Node 22 or newer"}"#;
        observed.read(line).unwrap();
        assert_eq!(matrix.differences(&observed), Vec::<String>::new());
        assert_eq!(observed.skipped(), ["it needs Node 22 or newer"]);
        let shown = matrix.shown(&observed);
        assert!(
            shown.contains("b          SKIPPED: it needs Node 22 or newer"),
            "{shown}"
        );
        assert!(!shown.contains("R 1*"), "{shown}");
    }

    #[test]
    fn totals_count_each_cell_once() {
        let matrix = Matrix::parse(TABLE).unwrap();
        let mut observed = observed(&[("a", "secret", "ok"), ("b", "secret", "R 1*"), ("b", "other", "R 2")]);
        observed.read(r#"{"client":"a","version":"a 1.0"}"#).unwrap();
        let shown = matrix.shown(&observed);
        let numbers = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let lines: Vec<_> = shown.lines().rev().take(3).map(numbers).collect();
        assert_eq!(lines[0], ["all", "1", "1", "1", "1"]);
        assert_eq!(lines[1], ["b", "0", "1", "1", "0"]);
        assert_eq!(lines[2], ["a", "1", "0", "0", "1", "a", "1.0"]);
    }

    #[test]
    fn source_that_cannot_be_tested_has_no_rows() {
        let matrix = Matrix::parse("| a\narc | ok\narc, client ID | ok\narch | ok\n").unwrap();
        let differences = matrix.without("arc").differences(&Observed::default());
        assert_eq!(differences, ["a, arch: - and not ok: it was not run"]);
    }

    #[test]
    fn row_of_another_length_is_an_error() {
        assert!(Matrix::parse("| a | b\nsecret | ok\n").is_err());
        assert!(Matrix::parse("# legend\n").is_err());
    }

    #[test]
    fn tables_of_expectations_are_readable() {
        let known = |cell: &str| ["ok", "other", "rejected", NOT_OFFERED].contains(&cell) || cell.starts_with('R');
        for (text, clients) in [
            (EXPECTED_OF_CLIENTS, 12),
            (EXPECTED_OF_VALIDATORS, 3),
            (EXPECTED_OF_IDENTITIES, 5),
        ] {
            let matrix = Matrix::parse(text).unwrap();
            assert_eq!(matrix.clients.len(), clients);
            assert!(matrix.shown(&Observed::default()).lines().all(|line| line.len() <= 200));
            assert!(matrix.cells().all(|(_, _, cell)| known(cell)));
        }
    }
}
