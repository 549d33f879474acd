//! Small pieces of HTML. Every text is escaped here.

use std::fmt::Write;

use crate::html::escape;

pub(super) fn code(text: &str) -> String {
    format!("<code>{}</code>", escape(text))
}

pub(super) fn dim(text: &str) -> String {
    format!("<span class=\"dim\">{}</span>", escape(text))
}

/// A sentence of our own, with code between backticks.
pub(super) fn prose(text: &str) -> String {
    let parts = text.split('`').enumerate();
    parts
        .map(|(at, part)| if at % 2 == 1 { code(part) } else { escape(part) })
        .collect()
}

/// Names and values, the values in HTML.
pub(super) fn definitions(pairs: &[(&str, String)]) -> String {
    let mut html = "<dl>\n".to_owned();
    for (name, value) in pairs {
        let _ = writeln!(html, "<div><dt>{}</dt><dd>{value}</dd></div>", escape(name));
    }
    html.push_str("</dl>\n");
    html
}

/// A table, its cells in HTML, that becomes a list of blocks on a narrow screen. There it has the roles of a table still.
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

/// The first values of a list, with how many more there are.
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

/// A text as a sentence begins.
pub(super) fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    match characters.next() {
        Some(first) => first.to_uppercase().chain(characters).collect(),
        None => String::new(),
    }
}

/// A sentence about what is left out of a list, if anything is.
pub(super) fn more(all: usize, limit: usize, what: &str) -> String {
    match all.saturating_sub(limit) {
        0 => String::new(),
        left => format!("<p class=\"quiet\">And {left} more {what}.</p>\n"),
    }
}
