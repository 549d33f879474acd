//! The output format of lists and records: a table for a terminal, JSON for a pipe or a file.

use clap::{Args, ValueEnum};

use crate::sanitize::harmless;
use crate::terminal::{Stream, width_of, wrapped_behind};

/// The option for the output format.
#[derive(Args)]
pub(crate) struct ListOutput {
    /// The output format [default: table for a terminal, json for a pipe or a file]
    #[arg(short, long, value_enum, ignore_case = true)]
    output: Option<Form>,
}

impl ListOutput {
    /// Returns the chosen format, or the default for standard output.
    pub(crate) fn form(&self) -> Form {
        self.output.unwrap_or_else(|| {
            if Stream::Out.is_terminal() {
                Form::Table
            } else {
                Form::Json
            }
        })
    }
}

/// An output format of a list or a record.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// Columns with a heading, fitted to the width of the terminal
    Table,
    /// JSON
    Json,
    /// Lines for grep and awk, independent of the width: columns separated by at least two spaces
    /// (awk -F '  +')
    Text,
}

/// A table. On a terminal that is too narrow, each row becomes a block of lines.
///
/// The text of a cell may be untrusted: it is made [`harmless`] here.
pub(crate) struct Table<const N: usize> {
    /// The heading, in upper case.
    heading: [String; N],
    rows: Vec<[String; N]>,
}

impl<const N: usize> Table<N> {
    pub(crate) fn new(heading: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> Self {
        Self {
            heading: heading.map(str::to_owned),
            rows: rows.into_iter().map(|row| row.map(|cell| harmless(&cell))).collect(),
        }
    }

    /// Returns the table fitted to this many columns, or at its full width if `width` is `None`.
    pub(crate) fn fitted(&self, width: Option<usize>) -> String {
        let table = self.table();
        match width {
            Some(width) if table.lines().any(|line| width_of(line) > width) => self.blocks(width),
            _ => table,
        }
    }

    fn table(&self) -> String {
        let all = || std::iter::once(&self.heading).chain(&self.rows);
        let widths: [usize; N] =
            std::array::from_fn(|column| all().map(|row| width_of(&row[column])).max().unwrap_or_default());
        let lines = all().map(|row| {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(widths) {
                line += cell;
                line += &" ".repeat(width - width_of(cell) + GAP);
            }
            line.trim_end().to_owned()
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    /// Returns a block for each row: the first cell, and below it the others with their headings.
    /// Tables of two columns keep them side by side.
    fn blocks(&self, width: usize) -> String {
        if N == 2 {
            return self.pairs(width);
        }
        let labels = self.heading.each_ref().map(|label| label.to_lowercase());
        let column = labels.iter().skip(1).map(|label| width_of(label)).max();
        let column = column.unwrap_or_default();
        let blocks = self.rows.iter().map(|row| {
            let title = row.first().map(String::as_str).unwrap_or_default();
            let mut block = wrapped_behind(0, title, width, GAP);
            for (label, cell) in labels.iter().zip(row).skip(1).filter(|(_, cell)| !cell.is_empty()) {
                block += "\n";
                block += &pair(GAP, label, column, cell, width);
            }
            block
        });
        blocks.collect::<Vec<_>>().join("\n\n")
    }

    fn pairs(&self, width: usize) -> String {
        let rows = || {
            std::iter::once(&self.heading)
                .chain(&self.rows)
                .filter_map(|row| Some((row.first()?, row.last()?)))
        };
        let column = rows().map(|(label, _)| width_of(label)).max().unwrap_or_default();
        let lines = rows().map(|(label, cell)| pair(0, label, column, cell, width));
        lines.collect::<Vec<_>>().join("\n")
    }
}

/// Returns a label in a column, followed by a wrapped text.
fn pair(indent: usize, label: &str, column: usize, text: &str, width: usize) -> String {
    let taken = indent + column + GAP;
    let text = wrapped_behind(taken, text, width, taken);
    format!(
        "{}{label}{}{text}",
        " ".repeat(indent),
        " ".repeat(column - width_of(label) + GAP)
    )
}

/// The number of blanks between two columns.
const GAP: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table<3> {
        Table::new(
            ["USER", "TENANT", "AT"],
            [["megan", "contoso.com", "now"], ["日本", "a\u{1b}[2Jb\nc", ""]].map(|row| row.map(str::to_owned)),
        )
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let expected = "\
USER   TENANT          AT
megan  contoso.com     now
日本   a\\u{1b}[2Jb\\nc";
        assert_eq!(table().fitted(None), expected);
        assert_eq!(table().fitted(Some(26)), expected);
    }

    #[test]
    fn too_wide_table_becomes_blocks() {
        for width in [25, 24] {
            let expected = "\
megan
  tenant  contoso.com
  at      now

日本
  tenant  a\\u{1b}[2Jb\\nc";
            assert_eq!(table().fitted(Some(width)), expected, "{width}");
        }
    }

    #[test]
    fn two_columns_stay_side_by_side() {
        let rows = [
            ["kind", "workforce"],
            ["v2 token", "https://login.example/token and more"],
        ];
        let table = Table::new(["PROPERTY", "VALUE"], rows.map(|row| row.map(str::to_owned)));
        let expected = "\
PROPERTY  VALUE
kind      workforce
v2 token  https://login.example/token
          and more";
        assert_eq!(table.fitted(Some(40)), expected);
    }

    #[test]
    fn every_width_is_supported() {
        for width in 0..30 {
            assert!(table().fitted(Some(width)).contains("megan"));
        }
    }
}
