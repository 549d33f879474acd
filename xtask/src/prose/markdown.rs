//! The rules for Markdown files.

use super::page::{Fault, MOST_COLUMNS, Page};
use super::words;

/// Reads a Markdown file whose code blocks have at most `limit` columns.
pub(super) fn read(text: &str, limit: usize) -> Page {
    let mut page = Page::default();
    let mut fenced = false;
    for (line, content) in (1..).zip(text.lines()) {
        page.lines += 1;
        let columns = content.chars().count();
        if is_fence(content) {
            fenced = !fenced;
        } else if fenced {
            if columns > limit {
                page.faults.push(Fault::LongCode { line, columns, limit });
            }
        } else {
            if columns > MOST_COLUMNS && !cannot_wrap(content) {
                page.faults.push(Fault::Long { line, columns });
            }
            page.faults.extend(words::find(line, &words::without_code(content)));
        }
    }
    page
}

/// Returns true if a line opens or closes a fenced block.
pub(super) fn is_fence(content: &str) -> bool {
    let content = content.trim_start();
    content.starts_with("```") || content.starts_with("~~~")
}

/// Returns true if Markdown gives no way to break the line: a row of a table, or an address.
pub(super) fn cannot_wrap(content: &str) -> bool {
    content.trim_start().starts_with('|') || content.contains("://") || content.contains("](")
}
