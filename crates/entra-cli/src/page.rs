//! The pages that a browser shows after it returns to the loopback server.

use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use entra_client::Error;
use entra_proto::error::ErrorClass;

/// A page for the browser. All of its text is escaped, and it loads no resources.
pub(crate) struct Page {
    heading: String,
    text: String,
    /// Lines below the text, such as IDs.
    detail: Vec<String>,
    is_good: bool,
}

impl Page {
    /// Creates a page about a success.
    pub(crate) fn good(heading: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            is_good: true,
            ..Self::bad(heading, text)
        }
    }

    /// Creates a page about a failure.
    pub(crate) fn bad(heading: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            heading: heading.into(),
            text: text.into(),
            detail: Vec::new(),
            is_good: false,
        }
    }

    /// Creates a page about an error. `outcome` is a sentence; the IDs of the service's request are
    /// separate from the reason.
    pub(crate) fn failed(heading: &str, outcome: &str, error: &Error) -> Self {
        let Some(service) = error.service() else {
            let advice = match (error.class(), error.hint()) {
                // Only the reader of the page can choose another account.
                (ErrorClass::Tenant, Some(hint)) => format!("; {hint}"),
                _ => String::new(),
            };
            return Self::bad(heading, format!("{outcome} The reason: {error}{advice}"));
        };
        let ids = [
            ("Trace ID", &service.trace_id),
            ("Correlation ID", &service.correlation_id),
            ("Time", &service.timestamp),
        ];
        let ids = ids
            .iter()
            .filter_map(|(name, id)| Some(format!("{name}: {}", id.as_deref()?)));
        Self {
            detail: ids.collect(),
            ..Self::bad(heading, format!("{outcome} The reason: {service}"))
        }
    }

    /// Sends the page, and closes the connection.
    ///
    /// A script removes the code and the state from the address bar, and so from the browser's
    /// history. The script and the style are allowed by a nonce. Without scripts the page shows the
    /// same text.
    pub(crate) fn show(&self, stream: &mut TcpStream, status: &str) {
        // Without a source of randomness the page has no style and no script.
        let nonce = entra_transport::request_id()
            .map(|id| id.to_string())
            .unwrap_or_default();
        let allowed = match &*nonce {
            "" => String::new(),
            nonce => format!("style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; "),
        };
        let page = self.html(&nonce);
        let head = format!(
            "HTTP/1.1 {status}\r\nallow: GET\r\ncontent-type: text/html; charset=utf-8\r\ncontent-length: {}\r\n\
             cache-control: no-store\r\ncontent-security-policy: default-src 'none'; {allowed}base-uri 'none'; form-action 'none'; \
             frame-ancestors 'none'\r\nreferrer-policy: no-referrer\r\nx-content-type-options: nosniff\r\nconnection: close\r\n\r\n",
            page.len()
        );
        // A browser that closed the connection is not a failure.
        let _ = stream.set_write_timeout(Some(PATIENCE));
        let _ = stream
            .write_all(head.as_bytes())
            .and_then(|()| stream.write_all(page.as_bytes()));
        let _ = stream.shutdown(Shutdown::Write);
    }

    fn html(&self, nonce: &str) -> String {
        let (heading, text) = (escaped(&self.heading), escaped(&self.text));
        let detail = self.detail.iter().map(|line| escaped(line)).collect::<Vec<_>>();
        let detail = match detail.as_slice() {
            [] => String::new(),
            lines => format!("<p class=\"quiet\">{}</p>\n", lines.join("<br>\n")),
        };
        let class = if self.is_good { "good" } else { "bad" };
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{heading}</title>\n\
             <style nonce=\"{nonce}\">{STYLE}</style>\n<script nonce=\"{nonce}\">{SCRIPT}</script>\n</head>\n<body>\n\
             <main>\n<h1>{heading}</h1>\n<p id=\"message\" class=\"{class}\" role=\"status\">{text}</p>\n{detail}\
             <p>You can close this page and go back to the terminal.</p>\n</main>\n</body>\n</html>\n"
        )
    }
}

/// Redirects the browser to this URL. The referrer policy hides the short address from the other
/// site.
pub(crate) fn redirect(stream: &mut TcpStream, url: &str) {
    let head = format!(
        "HTTP/1.1 302 Found\r\nlocation: {url}\r\ncontent-length: 0\r\ncache-control: no-store\r\nreferrer-policy: no-referrer\r\n\
         connection: close\r\n\r\n"
    );
    let _ = stream.set_write_timeout(Some(PATIENCE));
    let _ = stream.write_all(head.as_bytes());
    let _ = stream.shutdown(Shutdown::Write);
}

fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            '\0' => safe.push('\u{fffd}'),
            other => safe.push(other),
        }
    }
    safe
}

const SCRIPT: &str = "history.replaceState(null,'',location.pathname)";

/// The style of the emulator's pages.
const STYLE: &str = "
:root{color-scheme:light dark;font:16px/1.5 system-ui,sans-serif;--dim:#595959;--good:#188038;--bad:#b3261e}
@media(prefers-color-scheme:dark){:root{--dim:#b3b3b3;--good:#81c995;--bad:#ff8a80}}
body{margin:0;padding:2rem 1rem;background:Canvas;color:CanvasText}
main{max-width:32rem;margin:0 auto;padding:1.5rem clamp(1rem,6vw,2rem);border:1px solid var(--dim);border-radius:6px;overflow-wrap:anywhere}
h1{font-size:1.5rem;line-height:1.25;margin:0 0 .5rem}
.good,.bad{padding-left:.75rem;border-left:4px solid var(--good)}.bad{border-color:var(--bad)}
.quiet{color:var(--dim);font-size:.85rem}main>:last-child{margin-bottom:0}
";

/// The time limit for a browser to receive the page.
const PATIENCE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_parts_of_a_page_are_escaped() {
        let page = Page {
            detail: vec!["<3>".to_owned(), "4".to_owned()],
            ..Page::bad("<1>", "<2>")
        };
        let html = page.html("n");
        for text in [
            "<h1>&lt;1&gt;</h1>",
            "class=\"bad\" role=\"status\">&lt;2&gt;</p>",
            "&lt;3&gt;<br>\n4</p>",
        ] {
            assert!(html.contains(text), "{text}: {html}");
        }
        assert!(Page::good("", "").html("n").contains("class=\"good\""));
    }

    #[test]
    fn markup_in_a_text_is_escaped() {
        assert_eq!(
            escaped("<a href='x'>&\"</a>\0"),
            "&lt;a href=&#39;x&#39;&gt;&amp;&quot;&lt;/a&gt;\u{fffd}"
        );
    }
}
