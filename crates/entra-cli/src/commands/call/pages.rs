//! The pages of a list (`--paginate`): prints the items of all pages, one on each line.

use std::collections::{BTreeMap, HashSet};
use std::hash::{BuildHasher, RandomState};

use clap::Args;
use entra_transport::adapter::endpoint;
use http::{HeaderMap, Method, Uri};
use serde_json::value::RawValue;

use crate::commands::call::output::{Sink, collect};
use crate::commands::call::send::{ApiResponse, Caller};
use crate::exit::{Exit, Failure};
use crate::files::{excerpt, tell};
use crate::json_text::{for_terminal, on_one_line};

/// The options for pages.
#[derive(Args)]
pub(super) struct PageSettings {
    /// Request all pages of a list, and print each item as JSON on one line
    ///
    /// The address of the next page comes from @odata.nextLink or nextLink in the body, or from the
    /// header NextPageUri or NextPageUrl. A page at another host is an error, because that host
    /// would receive the token.
    #[arg(long)]
    paginate: bool,

    /// With --paginate: fail after this many pages
    #[arg(long, value_name = "COUNT", default_value_t = 10_000, requires = "paginate", value_parser = clap::value_parser!(u32).range(1..))]
    max_pages: u32,
}

impl PageSettings {
    pub(super) fn are_wanted(&self) -> bool {
        self.paginate
    }

    /// Returns an error if `--paginate` is combined with `--include` or a method other than GET.
    pub(super) fn check(&self, method: &Method, include: bool) -> Result<(), Failure> {
        if self.paginate && include {
            return Err(
                Failure::text(Exit::Usage, "--include cannot be combined with --paginate")
                    .hint("omit one of them: each page has its own headers"),
            );
        }
        if self.paginate && *method != Method::GET {
            return Err(
                Failure::text(Exit::Usage, format!("--paginate requires GET, not {method}")).hint("omit --paginate"),
            );
        }
        Ok(())
    }
}

pub(super) fn run(caller: &mut Caller, settings: &PageSettings, mut sink: Sink) -> Result<(), Failure> {
    let first = Origin::of(caller.uri());
    // Only hashes are stored, because a URI may be long.
    let hasher = RandomState::new();
    let mut seen = HashSet::from([hasher.hash_one(caller.uri())]);
    let mut next: Option<Uri> = None;
    let mut items = 0_u64;
    for page in 1..=settings.max_pages {
        let response = match caller.send(next.as_ref())? {
            ApiResponse::Success(response) => *response,
            ApiResponse::Rejected(rejected) => {
                return Err(rejected.into_failure().context(format_args!("page {page}")));
            }
        };
        let (parts, mut body) = response.into_parts();
        let bytes = collect(&mut body, MAX_PAGE)?;
        let read =
            Page::read(&parts.headers, &bytes).map_err(|failure| failure.context(format_args!("page {page}")))?;
        for item in &read.items {
            let line = on_one_line(item);
            let line = if sink.is_terminal() { for_terminal(&line) } else { line };
            sink.write(line.as_bytes())?;
            sink.write(b"\n")?;
            items += 1;
        }
        let Some(link) = read.next else {
            tell(format_args!("{items} items on {page} pages"));
            return sink.finish();
        };
        let base = next.as_ref().unwrap_or_else(|| caller.uri());
        let link = first
            .resolve(base, &link)
            .map_err(|failure| failure.context(format_args!("page {page}")))?;
        if !seen.insert(hasher.hash_one(&link)) {
            return Err(Failure::text(
                Exit::Api,
                format!("page {page} names as its next page one that was already read"),
            )
            .hint("the list of the API has no end: omit --paginate to see one page"));
        }
        next = Some(link);
    }
    Err(
        Failure::text(Exit::Api, format!("there are more than {} pages", settings.max_pages))
            .hint("allow more with --max-pages, or request larger pages"),
    )
}

/// A page of a list.
struct Page {
    /// The JSON text of each item.
    items: Vec<String>,
    next: Option<String>,
}

impl Page {
    fn read(headers: &HeaderMap, body: &[u8]) -> Result<Self, Failure> {
        let header = |name: &str| Some(headers.get(name)?.to_str().ok()?.trim().to_owned());
        let in_header = || HEADERS.into_iter().find_map(header).filter(|link| !link.is_empty());
        let wrong = || {
            Failure::text(Exit::Api, "the response is not a JSON list")
                .hint("omit --paginate to see the response unchanged")
        };
        let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
        if body.trim_ascii().is_empty() {
            return Ok(Self {
                items: Vec::new(),
                next: in_header(),
            });
        }
        let list = |json: &str| {
            serde_json::from_str::<Vec<Box<RawValue>>>(json)
                .map(|items| items.iter().map(|item| item.get().to_owned()).collect::<Vec<_>>())
        };
        let text = std::str::from_utf8(body).map_err(|_| wrong())?;
        if let Ok(items) = list(text) {
            return Ok(Self {
                items,
                next: in_header(),
            });
        }
        let members: BTreeMap<String, Box<RawValue>> = serde_json::from_str(text).map_err(|_| wrong())?;
        let value = members.get("value").ok_or_else(wrong)?;
        let items = list(value.get()).map_err(|_| wrong())?;
        let links = members
            .iter()
            .filter(|(name, _)| LINKS.iter().any(|link| link.eq_ignore_ascii_case(name)));
        let mut in_body = None;
        for (name, link) in links {
            // An unreadable link is an error and not the end of the list.
            let link: Option<String> = serde_json::from_str(link.get()).map_err(|_| {
                Failure::text(Exit::Api, format!("{name} is not a URL"))
                    .hint("omit --paginate to see the response unchanged")
            })?;
            in_body = in_body.or_else(|| link.filter(|link| !link.is_empty()));
        }
        Ok(Self {
            items,
            next: in_body.or_else(in_header),
        })
    }
}

/// The scheme, the host and the port that receive the token.
struct Origin {
    scheme: String,
    endpoint: String,
}

impl Origin {
    fn of(uri: &Uri) -> Self {
        Self {
            scheme: uri.scheme_str().unwrap_or_default().to_ascii_lowercase(),
            endpoint: endpoint(uri).to_ascii_lowercase(),
        }
    }

    /// Resolves the link to the next page against the URI of the page that contains it.
    ///
    /// # Errors
    /// Returns an error if the link is malformed or leads to another origin.
    fn resolve(&self, base: &Uri, link: &str) -> Result<Uri, Failure> {
        let link = link.trim();
        let is_absolute = link.starts_with("//")
            || link
                .split(['/', '?', '#'])
                .next()
                .is_some_and(|start| start.contains(':'));
        let path = match link.chars().next() {
            Some('/') => "",
            Some('?') => base.path(),
            _ => base.path().rfind('/').map_or("/", |end| &base.path()[..=end]),
        };
        let absolute = if is_absolute || link.is_empty() {
            link.to_owned()
        } else {
            format!("{}://{}{path}{link}", self.scheme, self.endpoint)
        };
        let uri = super::request::uri(&absolute).map_err(|_| {
            Failure::text(Exit::Api, "the address of the next page is not a valid URL")
                .hint("omit --paginate to see the response unchanged")
        })?;
        let origin = Self::of(&uri);
        if (&origin.scheme, &origin.endpoint) != (&self.scheme, &self.endpoint) {
            let problem = format!(
                "the next page is at another host, {}, which must not receive the token",
                excerpt(&origin.endpoint, 100)
            );
            return Err(Failure::text(Exit::Api, problem).hint("if you trust that host, call the address separately"));
        }
        Ok(uri)
    }
}

/// The JSON members in which APIs name the next page.
const LINKS: [&str; 4] = ["@odata.nextLink", "@nextLink", "odata.nextLink", "nextLink"];

/// The headers in which the Office 365 Management APIs name the next page.
const HEADERS: [&str; 2] = ["nextpageuri", "nextpageurl"];

/// The longest page, in bytes.
const MAX_PAGE: usize = 64 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn page(body: &str, headers: &[(&'static str, &str)]) -> Result<(Vec<String>, Option<String>), Failure> {
        let headers = headers
            .iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap()))
            .collect();
        Page::read(&headers, body.as_bytes()).map(|page| (page.items, page.next))
    }

    #[test]
    fn page_formats_of_known_apis_are_read() {
        let link = Some("https://a.example/2".to_owned());
        for (body, headers) in [
            (
                r#"{"value":[{"b":1.0,"a":2}],"@odata.nextLink":"https://a.example/2"}"#,
                &[][..],
            ),
            (
                r#"{"nextLink":"https:\/\/a.example\/2","value":[{"b":1.0,"a":2}]}"#,
                &[],
            ),
            (
                r#"{"value":[{"b":1.0,"a":2}],"@odata.nextlink":"https://a.example/2","nextLink":""}"#,
                &[],
            ),
            (r#"[{"b":1.0,"a":2}]"#, &[("nextpageuri", "https://a.example/2")]),
            (r#"[{"b":1.0,"a":2}]"#, &[("nextpageurl", " https://a.example/2")]),
        ] {
            assert_eq!(
                page(body, headers).unwrap(),
                (vec![r#"{"b":1.0,"a":2}"#.to_owned()], link.clone())
            );
        }
        for body in [
            r#"{"value":[]}"#,
            r#"{"value":[],"nextLink":null}"#,
            "[]",
            "",
            r#"{"value":[],"nextLink":""}"#,
        ] {
            assert_eq!(page(body, &[]).unwrap(), (Vec::new(), None), "{body}");
        }
        for body in [
            "{}",
            "1",
            r#"{"value":{}}"#,
            "<html>",
            r#"{"error":{}}"#,
            r#"{"value":[],"@odata.nextLink":5}"#,
            r#"{"value":[],"nextLink":{"href":"https://a.example/2"}}"#,
        ] {
            assert!(page(body, &[]).is_err(), "{body}");
        }
    }

    #[test]
    fn next_page_at_another_origin_is_rejected() {
        let base: Uri = "https://a.example/v1/list?x=/y".parse().unwrap();
        let origin = Origin::of(&base);
        for (link, resolved) in [
            ("https://a.example/2?x=y", "https://a.example/2?x=y"),
            ("HTTPS://A.example:443/2", "https://A.example:443/2"),
            ("/2", "https://a.example:443/2"),
            ("2?x=y:z", "https://a.example:443/v1/2?x=y:z"),
            ("?skip=2", "https://a.example:443/v1/list?skip=2"),
        ] {
            assert_eq!(origin.resolve(&base, link).unwrap().to_string(), resolved);
        }
        for link in [
            "http://a.example/2",
            "https://a.example:8443/2",
            "https://a.example.evil.example/2",
            "https://a.example@evil.example/2",
            "//evil.example/2",
            "https://evil.example/2",
            "",
            "javascript:x",
            "a.example:443/2",
            "https:/2",
            "/2#x",
        ] {
            assert_eq!(origin.resolve(&base, link).unwrap_err().exit, Exit::Api, "{link}");
        }
    }
}
