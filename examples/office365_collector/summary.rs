//! The summary at the end: a table, or JSON.

use std::fmt::Write;
use std::io::stdout;

use clap::ValueEnum;
use serde_json::{Value, json};

use crate::board::{Board, Figures, Row, grouped, megabytes};
use crate::console::{columns, wrap};

/// The form of the summary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// A table for people
    Table,
    /// One JSON document
    Json,
    /// Nothing
    None,
}

/// Returns the summary for standard output.
pub(crate) fn summary(board: &Board, form: Form) -> String {
    let figures = board.figures().clone();
    match form {
        Form::None => String::new(),
        Form::Json => format!("{}\n", json(&figures)),
        Form::Table => table(&figures, columns(&stdout())),
    }
}

fn json(figures: &Figures) -> Value {
    let tenants = figures.tenants.iter().map(|(tenant, row)| {
        let mut object = counters(row);
        object["tenant"] = json!(tenant);
        object["outcome"] = json!(row.phase.as_str());
        object["lastSuccess"] = json!(row.last_success.map(|at| at.to_rfc3339()));
        object["failures"] = row
            .failures
            .iter()
            .map(|(problem, hint)| json!({"problem": problem, "hint": hint}))
            .collect();
        object["moreFailures"] = json!(row.more_failures);
        object
    });
    json!({"tenants": tenants.collect::<Vec<_>>(), "total": counters(&figures.total())})
}

fn counters(row: &Row) -> Value {
    json!({
        "windows": row.windows,
        "contents": row.contents,
        "records": row.records,
        "duplicates": row.duplicates,
        "bytes": row.bytes,
        "retries": row.retries,
    })
}

/// Returns a table if the terminal is wide enough for it, or else some lines for each tenant.
fn table(figures: &Figures, width: Option<usize>) -> String {
    let mut rows: Vec<[String; COLUMNS]> = vec![HEAD.map(str::to_owned)];
    rows.extend(
        figures
            .tenants
            .iter()
            .map(|(tenant, row)| cells(tenant, row, row.phase.as_str())),
    );
    if figures.tenants.len() > 1 {
        rows.push(cells("total", &figures.total(), ""));
    }
    let widths: Vec<usize> = (0..COLUMNS)
        .map(|column| {
            rows.iter()
                .map(|row| row[column].chars().count())
                .max()
                .unwrap_or_default()
        })
        .collect();
    let needed = widths.iter().sum::<usize>() + 2 * (COLUMNS - 1);
    let mut text = String::new();
    if width.is_none_or(|width| needed <= width) {
        for row in &rows {
            let mut line = String::new();
            for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
                let gap = if column == 0 { "" } else { "  " };
                let _ = match column {
                    1..OUTCOME => write!(line, "{gap}{cell:>width$}"),
                    _ => write!(line, "{gap}{cell:<width$}"),
                };
            }
            let _ = writeln!(text, "{}", line.trim_end());
        }
    } else {
        let width = width.unwrap_or(usize::MAX);
        for row in &rows[1..] {
            let head = format!("{}  {}", row[0], row[OUTCOME]);
            wrap(&mut text, head.trim_end(), width, "", "  ");
            let figures: Vec<String> = (1..OUTCOME)
                .map(|column| format!("{} {}", row[column], HEAD[column]))
                .collect();
            wrap(&mut text, &figures.join(", "), width, "  ", "  ");
        }
    }
    for row in figures.tenants.values() {
        let width = width.unwrap_or(usize::MAX);
        for (problem, hint) in &row.failures {
            wrap(&mut text, problem, width, "failed: ", "  ");
            if let Some(hint) = hint {
                wrap(&mut text, hint, width, "  to do: ", "  ");
            }
        }
        if row.more_failures > 0 {
            let _ = writeln!(text, "  and {} more failures", row.more_failures);
        }
    }
    text
}

const HEAD: [&str; COLUMNS] = [
    "tenant",
    "windows",
    "contents",
    "records",
    "duplicates",
    "MB",
    "retries",
    "outcome",
];
const COLUMNS: usize = 8;
const OUTCOME: usize = COLUMNS - 1;

fn cells(tenant: &str, row: &Row, outcome: &str) -> [String; COLUMNS] {
    [
        tenant.to_owned(),
        grouped(row.windows),
        grouped(row.contents),
        grouped(row.records),
        grouped(row.duplicates),
        megabytes(row.bytes),
        grouped(row.retries),
        outcome.to_owned(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::Phase;

    fn figures() -> Figures {
        let board = Board::default();
        let mut figures = board.figures();
        let done = Row {
            phase: Phase::Done,
            windows: 5,
            contents: 1_200,
            records: 120_000,
            duplicates: 12,
            bytes: 61_234_567,
            retries: 3,
            ..Row::default()
        };
        let failed = Row {
            phase: Phase::Failed,
            failures: vec![(
                "tenant fabrikam.example: no token: AADSTS7000229 invalid_client".to_owned(),
                Some("let an administrator of the tenant consent to the application".to_owned()),
            )],
            more_failures: 2,
            ..Row::default()
        };
        figures
            .tenants
            .insert("41463f53-8812-40f4-890f-865bf6e35190".to_owned(), done);
        figures.tenants.insert("fabrikam.example".to_owned(), failed);
        figures.clone()
    }

    #[test]
    fn table_is_aligned() {
        let text = table(&figures(), None);
        let expected = "\
tenant                                windows  contents  records  duplicates    MB  retries  outcome
41463f53-8812-40f4-890f-865bf6e35190        5     1,200  120,000          12  61.2        3  done
fabrikam.example                            0         0        0           0   0.0        0  failed
total                                       5     1,200  120,000          12  61.2        3
failed: tenant fabrikam.example: no token: AADSTS7000229 invalid_client
  to do: let an administrator of the tenant consent to the application
  and 2 more failures
";
        assert_eq!(text, expected);
        assert_eq!(table(&figures(), Some(120)), expected);
    }

    #[test]
    fn narrow_terminal_gets_lines_that_fit() {
        for width in [60, 40] {
            let text = table(&figures(), Some(width));
            assert!(text.lines().all(|line| line.chars().count() <= width), "{text}");
            let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(
                words.contains("41463f53-8812-40f4-890f-865bf6e35190 done 5 windows, 1,200 contents, 120,000 records,"),
                "{text}"
            );
        }
    }

    #[test]
    fn json_has_numbers_and_failures() {
        let summary = json(&figures());
        assert_eq!(summary["total"]["records"], 120_000);
        let [done, failed] = summary["tenants"].as_array().unwrap().as_slice() else {
            panic!("{summary}")
        };
        assert_eq!(
            (done["outcome"].as_str(), done["bytes"].as_u64()),
            (Some("done"), Some(61_234_567))
        );
        assert_eq!(
            failed["failures"][0]["hint"],
            "let an administrator of the tenant consent to the application"
        );
    }
}
