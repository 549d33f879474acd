//! The common parts of all pages: the document and its style, the headers that restrict it, and the
//! escaping of every value.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, Response};

use crate::certificate::sha256;

/// A complete page. The policy allows only its own styles and script, by their hashes.
pub(crate) struct Document<'a> {
    pub(crate) title: &'a str,
    /// Attributes of the main element, each preceded by a space.
    pub(crate) mark: &'a str,
    /// Additional elements of the head.
    pub(crate) head: &'a str,
    /// The content of the main element.
    pub(crate) body: &'a str,
    /// A style in addition to [`STYLE`].
    pub(crate) style: Option<&'a str>,
    pub(crate) script: Option<&'a str>,
    /// Additional policy directives, each followed by `; `.
    pub(crate) policy: &'a str,
}

impl Document<'_> {
    pub(crate) fn html(&self) -> String {
        let style = self
            .style
            .map(|style| format!("<style>{style}</style>\n"))
            .unwrap_or_default();
        let script = self
            .script
            .map(|script| format!("<script>{script}</script>\n"))
            .unwrap_or_default();
        format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{} - entra-emulator</title>\n<style>{STYLE}</style>\n{style}{}</head>\n<body>\n<main{}>\n{}</main>\n<footer>This is an emulator: no password is needed, and nothing here is a real account.</footer>\n{script}</body>\n</html>\n",
            escape(self.title),
            self.head,
            self.mark,
            self.body,
        )
    }

    /// Adds the headers that restrict this page to a response.
    pub(crate) fn confine(&self, response: &mut Response<Vec<u8>>) {
        let styles = [Some(STYLE), self.style].into_iter().flatten().map(source);
        let styles = styles.collect::<Vec<_>>().join(" ");
        let script = self.script.map(|script| format!("script-src {}; ", source(script)));
        let policy = format!(
            "default-src 'none'; style-src {styles}; {}{}frame-ancestors 'none'; base-uri 'none'",
            script.unwrap_or_default(),
            self.policy
        );
        let headers = response.headers_mut();
        let policy = HeaderValue::from_str(&policy)
            .unwrap_or_else(|_| HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"));
        headers.insert("content-security-policy", policy);
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
}

/// Returns the hash of a style or script in the syntax of a content security policy.
fn source(text: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(sha256(text.as_bytes())))
}

/// Escapes a text for use inside an element and inside a quoted attribute.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // HTML cannot express NUL in any form. Line breaks in values are escaped, because
            // browsers normalize them.
            '\0' => escaped.push('\u{fffd}'),
            '\r' => escaped.push_str("&#13;"),
            '\n' => escaped.push_str("&#10;"),
            other => escaped.push(other),
        }
    }
    escaped
}

const STYLE: &str = "
:root{color-scheme:light dark;font:16px/1.5 system-ui,sans-serif;--dim:#595959;--bad:#b3261e}
@media(prefers-color-scheme:dark){:root{--dim:#b3b3b3;--bad:#ff8a80}}
body{margin:0;padding:2rem 1rem;background:Canvas;color:CanvasText}
main{max-width:32rem;margin:0 auto;padding:1.5rem clamp(1rem,6vw,2rem);border:1px solid var(--dim);border-radius:6px;overflow-wrap:anywhere}
h1{font-size:1.5rem;line-height:1.25;margin:0 0 .5rem}h2{font-size:1.05rem;margin:1.2rem 0 .5rem}
ul{list-style:none;margin:0;padding:0}ul.plain{list-style:disc;padding-left:1.2rem}li{margin:.4rem 0}
button{font:inherit;overflow-wrap:anywhere;padding:.5rem 1.2rem;border:1px solid #0b57d0;border-radius:4px;background:#0b57d0;color:#fff;cursor:pointer}
li button{width:100%;text-align:left;background:Canvas;color:CanvasText;border-color:var(--dim)}
button.quiet{background:Canvas;color:CanvasText;border-color:var(--dim)}
button:hover{filter:brightness(.93)}
input{font:inherit;padding:.4rem .6rem}input:not([type=checkbox]){box-sizing:border-box;width:15rem;max-width:100%;letter-spacing:.1em}
:focus-visible:not(h1){outline:3px solid #d97706;outline-offset:2px}
h1:focus{outline:0}.who{margin-top:0}li span,.who,p.quiet,footer{color:var(--dim)}.bad{color:var(--bad);font-weight:600}
footer{max-width:32rem;margin:1rem auto;font-size:.85rem;text-align:center}
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_in_values_is_escaped() {
        assert_eq!(
            escape("<a href='x\"y'>&\0"),
            "&lt;a href=&#39;x&quot;y&#39;&gt;&amp;\u{fffd}"
        );
    }
}
