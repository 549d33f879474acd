//! Small pieces of HTML. All texts are escaped here.

use std::fmt::Write;

use crate::html::escape;

pub(super) fn code(text: &str) -> String {
    format!("<code>{}</code>", escape(text))
}

pub(super) fn dim(text: &str) -> String {
    format!("<span class=\"dim\">{}</span>", escape(text))
}

/// Renders a text of the emulator itself, with code between backticks.
pub(super) fn prose(text: &str) -> String {
    let parts = text.split('`').enumerate();
    parts
        .map(|(at, part)| if at % 2 == 1 { code(part) } else { escape(part) })
        .collect()
}

/// Renders a list of names and values. The values are HTML.
pub(super) fn definitions(pairs: &[(&str, String)]) -> String {
    let mut html = "<dl>\n".to_owned();
    for (name, value) in pairs {
        let _ = writeln!(html, "<div><dt>{}</dt><dd>{value}</dd></div>", escape(name));
    }
    html.push_str("</dl>\n");
    html
}

/// Renders a table with HTML cells. On a narrow screen, it is displayed as blocks that keep the
/// roles of a table.
pub(super) fn table<const N: usize>(class: &str, caption: &str, columns: [&str; N], rows: &[[String; N]]) -> String {
    let mut html = format!(
        "<table role=\"table\" class=\"{class}\">\n<caption>{}</caption>\n<thead role=\"rowgroup\"><tr role=\"row\">",
        escape(caption)
    );
    for column in columns {
        let _ = write!(html, "<th role=\"columnheader\" scope=\"col\">{}</th>", escape(column));
    }
    html.push_str("</tr></thead>\n<tbody role=\"rowgroup\">\n");
    for row in rows {
        html.push_str("<tr role=\"row\">");
        for (column, cell) in columns.iter().zip(row) {
            let _ = write!(
                html,
                "<td role=\"cell\" data-label=\"{}\"><div>{cell}</div></td>",
                escape(column)
            );
        }
        html.push_str("</tr>\n");
    }
    html.push_str("</tbody>\n</table>\n");
    html
}

/// Renders the first values of a list, and the number of the others.
pub(super) fn list<'a>(values: impl Iterator<Item = &'a String> + Clone, limit: usize) -> String {
    let more = values.clone().count().saturating_sub(limit);
    let mut html: String = values
        .take(limit)
        .map(|value| code(value))
        .collect::<Vec<_>>()
        .join(", ");
    match (html.is_empty(), more) {
        (true, _) => dim("none"),
        (false, 0) => html,
        (false, more) => {
            let _ = write!(html, " {}", dim(&format!("and {more} more")));
            html
        }
    }
}

/// Capitalizes the first letter of a text.
pub(super) fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    match characters.next() {
        Some(first) => first.to_uppercase().chain(characters).collect(),
        None => String::new(),
    }
}

/// Renders a sentence with the number of items that a list leaves out, if any.
pub(super) fn more(all: usize, limit: usize, what: &str) -> String {
    match all.saturating_sub(limit) {
        0 => String::new(),
        left => format!("<p class=\"quiet\">And {left} more {what}.</p>\n"),
    }
}
