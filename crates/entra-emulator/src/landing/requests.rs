//! The section with the last requests: each with its response, its errors and advice.

use std::fmt::Write;

use crate::html::escape;
use crate::landing::advice;
use crate::landing::parts::{code, dim, prose, sentence};
use crate::redact::{excerpt, redacted};
use crate::seed::is_guid;
use crate::state::State;
use crate::state::recorder::RequestEvent;
use crate::time::{rfc3339, unix};

pub(super) fn section(state: &State, origin: &str) -> String {
    let mut rows = String::new();
    let shown = state.recorder.newest(MOST_SHOWN, |event| row(state, event, &mut rows));
    let count = state.recorder.count();
    let mut html = "<section id=\"requests\" aria-labelledby=\"requests-title\" data-live>\n<h2 id=\"requests-title\">Last requests</h2>\n".to_owned();
    if shown == 0 {
        let said = if count == 0 {
            "There have been no requests yet."
        } else {
            "The list of requests was cleared."
        };
        let url = format!(
            "{origin}/{}/v2.0/.well-known/openid-configuration",
            state.first_tenant().id
        );
        let _ = writeln!(html, "<p>{said} To try it:</p>\n<pre>curl {}</pre>", escape(&url));
    } else {
        let which = match (shown, count) {
            (1, 1) => "The only request".to_owned(),
            (shown, count) if shown as u64 == count => format!("All {count} requests"),
            (shown, count) => format!("The last {shown} of {count} requests"),
        };
        let _ = writeln!(
            html,
            "<table role=\"table\" class=\"requests\">\n<caption>{which}, newest first; times in UTC by the emulator&#39;s clock</caption>\n\
             <thead role=\"rowgroup\"><tr role=\"row\"><th role=\"columnheader\" scope=\"col\">Time</th><th role=\"columnheader\" scope=\"col\">Request</th><th role=\"columnheader\" scope=\"col\">Client</th><th role=\"columnheader\" scope=\"col\">Response</th></tr></thead>\n{rows}</table>"
        );
    }
    html.push_str("</section>\n");
    html
}

/// Renders one request: a row with request and response, and a row about its errors.
fn row(state: &State, event: &RequestEvent, html: &mut String) {
    let hide = |text: &str| redacted(&state.directory, event, text);
    let is_wrong = advice::is_wrong(event);
    let class = match (event.fault, is_wrong) {
        (Some(_), _) => "fault",
        _ if advice::is_waiting(event) => "waiting",
        (None, true) => "wrong",
        (None, false) => "fine",
    };
    let path = excerpt(&event.shown.path, LONGEST_PATH);
    let status = event.status.as_u16();
    let number = event.aadsts.map(|code| format!(" AADSTS{code}")).unwrap_or_default();
    let said = format!("{} {path} {status}{number}", hide(event.method.as_str()));
    let moment = rfc3339(unix(event.at));
    let (date, time) = moment.trim_end_matches('Z').split_once('T').unwrap_or_default();
    let _ = write!(
        html,
        "<tbody role=\"rowgroup\" class=\"{class}\" data-request=\"{}\" data-said=\"{}\">\n<tr role=\"row\">\
         <td role=\"cell\"><time datetime=\"{moment}\">{time} <span>{date}</span></time></td>\
         <td role=\"cell\"><strong>{}</strong> {}",
        event.index,
        escape(&said),
        escape(&hide(event.method.as_str())),
        code(&path),
    );
    let asked = [&event.grant, &event.target].into_iter().flatten();
    let asked: Vec<String> = asked.map(|text| excerpt(&hide(text), LONGEST_VALUE)).collect();
    if !asked.is_empty() {
        let _ = write!(html, "<br>{}", dim(&asked.join(", ")));
    }
    let _ = writeln!(
        html,
        "</td><td role=\"cell\">{}</td><td role=\"cell\"><b class=\"status\">{status}</b>{number}</td></tr>",
        client(state, event),
    );
    why(event, is_wrong, html);
    html.push_str("</tbody>\n");
}

/// Renders the application that sent a request. A value that is not a GUID is not a client ID, and
/// may be a secret.
fn client(state: &State, event: &RequestEvent) -> String {
    match event.client_id.as_deref() {
        None => dim("no client named"),
        Some(id) if !is_guid(id) => format!("{} {}", dim("no GUID,"), dim("not shown")),
        Some(id) => match state.directory.app(id) {
            Some(app) => format!("{}<br>{}", escape(&app.name), dim(&app.client_id)),
            None => format!(
                "{}<br>{}",
                dim("not registered"),
                escape(&redacted(&state.directory, event, id))
            ),
        },
    }
}

fn why(event: &RequestEvent, is_wrong: bool, html: &mut String) {
    if !is_wrong && event.fault.is_none() && event.lints.is_empty() {
        return;
    }
    html.push_str("<tr role=\"row\" class=\"why\"><td role=\"cell\" colspan=\"4\">");
    if let Some(fault) = event.fault {
        let _ = write!(
            html,
            "<p><strong>Fault:</strong> A test scripted this response (fault <em>{fault}</em>); nothing is wrong with the request.</p>"
        );
    } else if is_wrong {
        // The text is already free of secrets.
        let problem = event.problem.as_deref().unwrap_or("the response is an error");
        // The AADSTS code is in the row above.
        let number = event.aadsts.map(|code| format!("AADSTS{code}: ")).unwrap_or_default();
        let problem = sentence(problem.strip_prefix(&number).unwrap_or(problem));
        let title = if advice::is_waiting(event) { "Waiting" } else { "Wrong" };
        let _ = write!(html, "<p><strong>{title}:</strong> {}</p>", escape(&problem));
        if let Some(advice) = advice::advice(event) {
            let _ = write!(html, "<p><strong>To do:</strong> {}</p>", prose(advice));
        }
    }
    if !event.lints.is_empty() {
        html.push_str("<ul class=\"plain\">");
        for (lint, shown) in event.lints.iter().zip(&event.shown.lints).take(MOST_LINTS) {
            let what = excerpt(shown, LONGEST_VALUE);
            let _ = write!(html, "<li>{}: {}</li>", escape(&what), prose(advice::about(lint)));
        }
        let more = event.lints.len().saturating_sub(MOST_LINTS);
        if more > 0 {
            let _ = write!(html, "<li>and {more} more</li>");
        }
        html.push_str("</ul>");
    }
    html.push_str("</td></tr>\n");
}

const MOST_SHOWN: usize = 50;
const MOST_LINTS: usize = 10;
const LONGEST_PATH: usize = 300;
const LONGEST_VALUE: usize = 200;
