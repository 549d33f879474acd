//! The rules for Rust files: their comments, string literals and test names.

use super::markdown::{cannot_wrap, is_fence};
use super::page::{Fault, MOST_CODE_COLUMNS, MOST_COLUMNS, MOST_NAME, Page};
use super::words;
use crate::source::texts;

/// Reads a Rust file. A file with code of the product needs a head.
pub(super) fn read(code: &str, needs_head: bool) -> Page {
    let mut page = Page::default();
    if needs_head && !has_head(code) {
        page.faults.push(Fault::Headless);
    }
    comments(code, &mut page);
    test_names(code, &mut page);
    for (line, text) in texts(code) {
        let text = if text.starts_with("//") {
            words::without_code(&text)
        } else {
            text
        };
        page.faults.extend(words::find(line, &text));
    }
    page.faults.sort_by_key(|fault| match fault {
        Fault::Headless => 0,
        Fault::Long { line, .. }
        | Fault::LongCode { line, .. }
        | Fault::LongName { line, .. }
        | Fault::Word { line, .. } => *line,
    });
    page
}

/// Returns true if the file begins with `//!`. Only other comments and blank lines may stand above.
fn has_head(code: &str) -> bool {
    let above = |line: &&str| line.trim().is_empty() || (line.starts_with("//") && !line.starts_with("//!"));
    code.lines()
        .find(|line| !above(line))
        .is_none_or(|line| line.starts_with("//!"))
}

fn comments(code: &str, page: &mut Page) {
    let mut fenced = false;
    let mut documented = false;
    for (line, content) in (1..).zip(code.lines()) {
        let trimmed = content.trim_start();
        let doc = trimmed.strip_prefix("///").or_else(|| trimmed.strip_prefix("//!"));
        if doc.is_none() && !trimmed.starts_with("//") {
            (fenced, documented) = (false, false);
            continue;
        }
        page.lines += 1;
        let columns = content.chars().count();
        let Some(doc) = doc else {
            (fenced, documented) = (false, false);
            if columns > MOST_COLUMNS && !cannot_wrap(trimmed) {
                page.faults.push(Fault::Long { line, columns });
            }
            continue;
        };
        let doc = doc.strip_prefix(' ').unwrap_or(doc);
        if is_fence(doc) {
            fenced = !fenced;
        } else if fenced {
            let columns = doc.chars().count();
            if columns > MOST_CODE_COLUMNS {
                let limit = MOST_CODE_COLUMNS;
                page.faults.push(Fault::LongCode { line, columns, limit });
            }
        } else if columns > MOST_COLUMNS && !cannot_wrap(doc) {
            page.faults.push(Fault::Long { line, columns });
        }
        if !documented {
            page.summaries += 1;
            page.questions += usize::from(begins_with_question(doc));
        }
        documented = true;
    }
}

fn begins_with_question(summary: &str) -> bool {
    let first = summary
        .split(|c: char| !c.is_alphanumeric())
        .find(|word| !word.is_empty());
    first.is_some_and(|first| QUESTIONS.contains(&first))
}

/// Reports the long names of functions that an attribute ending in `test` marks.
fn test_names(code: &str, page: &mut Page) {
    let mut marked = false;
    for (line, content) in (1..).zip(code.lines()) {
        let content = content.trim();
        if let Some(attribute) = content.strip_prefix("#[") {
            let path = attribute.split(['(', ']']).next().unwrap_or_default();
            marked |= path.rsplit("::").next() == Some("test");
        } else if let Some(name) = name_of_function(content) {
            let characters = name.chars().count();
            if marked && characters > MOST_NAME {
                page.faults.push(Fault::LongName { line, characters });
            }
            marked = false;
        }
    }
}

fn name_of_function(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("pub ").unwrap_or(line);
    let rest = rest.strip_prefix("async ").unwrap_or(rest).strip_prefix("fn ")?;
    rest.split(['(', '<']).next()
}

/// The words that no summary should begin with.
const QUESTIONS: &[&str] = &[
    "What", "Who", "Whose", "Whom", "Whoever", "Whether", "Where", "How", "If", "Whatever", "Which", "Why", "When",
];
