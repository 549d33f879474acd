//! Rules about URLs and hosts.

use entra_proto::endpoint::is_loopback_host;
use http::Uri;

use crate::linter::kind::Kind;
use crate::linter::line::{Line, beginning, ending};
use crate::linter::param::{Role, known};
use crate::linter::rule::Level::Problem;
use crate::linter::rule::{Findings, Rule};
use crate::linter::text::Text;

pub(super) const HTML_ESCAPE: Rule = Rule {
    id: "html-escape",
    level: Problem,
    title: "&amp; is used in a URL or a form",
    instead: "write & instead of &amp;",
    why: "&amp; is the escape of & in HTML. In a URL or in the body of a request it causes parameters named amp;client_id, which the \
          service ignores: it responds that the parameter is missing (AADSTS900144).",
    check: html_escape,
};

fn html_escape(text: &Text<'_>, found: &mut Findings) {
    let has_fences = text.lines.iter().any(|line| line.is_fence);
    let mut in_tag = false;
    for (at, line) in text.numbered() {
        // A tag ends with its line, except in a file with markup.
        in_tag &= line.kind == Kind::Mixed;
        // Documentation comments are markup, too.
        let is_comment = ["///", "//!", "*"]
            .iter()
            .any(|mark| line.text.trim_start().starts_with(mark));
        let mut scanned = 0;
        for (byte, _) in line.text.match_indices(['&', '\\']) {
            in_tag = is_tag_open(&line.text[scanned..byte], in_tag);
            scanned = byte;
            let is_wrong = line.kind != Kind::Markup
                && !is_comment
                && !in_tag
                && escapes_parameter(&line.text[byte..])
                && match line.kind {
                    Kind::Mixed => in_string_of_code(&line.text[..byte]),
                    Kind::Document => !is_rendered(line, byte, has_fences),
                    _ => true,
                };
            if is_wrong {
                found.add(at, byte);
                break;
            }
        }
        in_tag = is_tag_open(&line.text[scanned..], in_tag);
    }
}

/// Returns true if an HTML tag is open after this text.
fn is_tag_open(text: &str, mut is_open: bool) -> bool {
    let bytes = text.as_bytes();
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'<' => is_open = bytes.get(at + 1).is_some_and(u8::is_ascii_alphabetic),
            b'>' => is_open = false,
            _ => {}
        }
    }
    is_open
}

/// Returns true if a text begins with an escaped ampersand and a parameter.
fn escapes_parameter(text: &str) -> bool {
    let Some(escape) = ESCAPES.iter().find(|escape| text.starts_with(**escape)) else {
        return false;
    };
    let name = beginning(&text[escape.len()..], 40)
        .split_once('=')
        .map(|(name, _)| name);
    name.is_some_and(|name| known(name).is_some_and(|known| known.wire.is_some()))
}

/// Returns true if a position in a file with markup and code is in a string of the code, which is
/// assigned, passed or returned.
fn in_string_of_code(before: &str) -> bool {
    let before = ending(before, 512);
    let Some(quote) = before.rfind(['"', '\'', '`']) else {
        return false;
    };
    let before = &before[..quote];
    before.ends_with("= ") || before.ends_with("return ") || before.trim_end().ends_with(['(', ',', '[', ':', '+', '?'])
}

/// Returns true if a position in a document is rendered as `&`: in the prose of Markdown, or in the
/// target of a link.
fn is_rendered(line: &Line<'_>, byte: usize, has_fences: bool) -> bool {
    let before = ending(&line.text[..byte], 512);
    let is_target = before
        .rfind("](")
        .is_some_and(|at| !before[at + 2..].contains([')', ' ']));
    let in_span = before.matches('`').count() % 2 == 1;
    !in_span && (is_target || has_fences && !line.is_code)
}

/// The escapes of an ampersand in HTML, and in JSON that contains HTML.
const ESCAPES: [&str; 5] = ["&amp;amp;", "&amp;", "&#38;", "&#x26;", "\\u0026amp;"];

pub(super) const ENDPOINT_SLASH: Rule = Rule {
    id: "endpoint-slash",
    level: Problem,
    title: "the host of the authority and the tenant are joined without a slash",
    instead: "end the setting with a slash, or insert one between the two",
    why: "AAD_ENDPOINT + TENANT_ID becomes https://login.microsoftonline.comTENANT, which is not the host of the service. With two \
          slashes, the tenant is the second segment of the path, and the endpoint is not found (status 404).",
    check: endpoint_slash,
};

fn endpoint_slash(text: &Text<'_>, found: &mut Findings) {
    for (at, line) in text.numbered() {
        if let Some(byte) = joined(line.text) {
            found.add(at, byte);
        } else if let Some(byte) = doubled(line.text) {
            let problem = "there are two slashes between the host of the authority and the tenant".to_owned();
            found.add_with(at, byte, problem, "write one slash".to_owned());
        } else if let Some((byte, name)) = without_slash(line.text) {
            found.add_with(
                at,
                byte,
                format!("{name} does not end with a slash, and samples append the tenant to it"),
                "end it with a slash: https://login.microsoftonline.com/".to_owned(),
            );
        }
    }
}

/// Returns the position where the host of the authority and a tenant are joined without a slash.
fn joined(line: &str) -> Option<usize> {
    // "https://login.microsoftonline.com" + tenant, and
    // `https://login.microsoftonline.com${tenant}`.
    for (byte, host) in line.match_indices("://login.") {
        let after = after_host(&line[byte + host.len()..]);
        let added = after
            .strip_prefix(['"', '\''])
            .and_then(|rest| rest.trim_start().strip_prefix(['+', '.']));
        let inserted = ["${", "#{", "{", "\" & "]
            .iter()
            .find_map(|open| after.strip_prefix(open));
        if added.is_some_and(names_tenant) || inserted.is_some_and(names_tenant) {
            return Some(byte);
        }
    }
    for name in SETTINGS {
        for (byte, _) in line.match_indices(name) {
            let rest = beginning(&line[byte + name.len()..], LONGEST_EXPRESSION);
            let rest = rest.trim_start_matches(['"', '\'', ']', ')', '}', ' ']);
            let next = ["+", "${", "{"].iter().find_map(|open| rest.strip_prefix(open));
            if next.is_some_and(names_tenant) {
                return Some(byte);
            }
        }
    }
    None
}

/// Returns the position of a host of the service with two slashes between it and the tenant.
fn doubled(line: &str) -> Option<usize> {
    let mut hosts = line.match_indices("://login.").filter(|(byte, host)| {
        let after = after_host(&line[byte + host.len()..]);
        let name = &line[byte + 3..line.len() - after.len()];
        let is_tenant = |rest: &str| rest.starts_with(|c: char| c.is_ascii_alphanumeric() || "{$<%#".contains(c));
        // The tenant is in the same text, or added to it.
        let is_doubled = after.strip_prefix("//").is_some_and(|rest| {
            let added = rest.strip_prefix(['"', '\'']).map(str::trim_start);
            is_tenant(rest)
                || added
                    .and_then(|rest| rest.strip_prefix(['+', '.']))
                    .is_some_and(names_tenant)
        });
        HOSTS.contains(&name) && (is_doubled || DOUBLED.iter().any(|mark| after.starts_with(mark)))
    });
    hosts.next().map(|(byte, _)| byte + 3)
}

/// Returns the position and the name of a setting without a slash at the end, to which the samples
/// append the tenant.
fn without_slash(line: &str) -> Option<(usize, &'static str)> {
    let (start, name) = SETTINGS.iter().find_map(|name| Some((line.find(name)?, *name)))?;
    let rest = &line[start + name.len()..];
    let url = rest.find("https://login.")?;
    if rest[..url].chars().filter(|c| c.is_alphanumeric()).count() >= 12 {
        return None;
    }
    let value = rest[url..]
        .split(|c: char| c.is_whitespace() || "\"'`<>,;".contains(c))
        .next()
        .unwrap_or_default();
    (value.matches('/').count() == 2).then_some((start + name.len() + url, name))
}

/// Returns the text after the rest of a host.
fn after_host(rest: &str) -> &str {
    rest.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || "-.".contains(c))
}

/// Returns true if an expression begins with the name of a tenant.
fn names_tenant(text: &str) -> bool {
    let text = beginning(text, LONGEST_EXPRESSION).trim_start();
    let end = text.find(|c: char| !c.is_alphanumeric() && !"_.$[]\"'->(:".contains(c));
    text[..end.unwrap_or(text.len())]
        .to_ascii_lowercase()
        .contains("tenant")
}

/// The settings of samples that contain the host of the authority.
const SETTINGS: [&str; 4] = [
    "AAD_ENDPOINT",
    "Enter_the_Cloud_Instance_Id_Here",
    "CLOUD_INSTANCE",
    "AAD_ENDPOINT_HOST",
];

/// Hosts of the service with the tenant as the first segment of the path.
const HOSTS: [&str; 5] = [
    "login.microsoftonline.com",
    "login.microsoftonline.us",
    "login.partner.microsoftonline.cn",
    "login.microsoft.com",
    "login.windows.net",
];

/// A slash at the end of a text, and one at the beginning of the text that is appended to it.
const DOUBLED: [&str; 4] = ["/\" + \"/", "/' + '/", "/\"+\"/", "/'+'/"];

/// The longest expression that is read, in bytes.
const LONGEST_EXPRESSION: usize = 80;

pub(super) const REDIRECT_HTTP: Rule = Rule {
    id: "redirect-http",
    level: Problem,
    title: "a redirect URI uses plain http for a host other than localhost",
    instead: "use https; plain http is only for localhost",
    why: "The authorization code is sent to this URI, and others on the network can read it. The service does not register such URIs.",
    check: redirect_http,
};

fn redirect_http(text: &Text<'_>, found: &mut Findings) {
    for (line, param) in text.params().filter(|(_, param)| param.role == Some(Role::RedirectUri)) {
        if param.literal().is_some_and(|url| is_plain_remote(&url)) {
            found.add(line, param.value_at);
        }
    }
    let is_apart = |c: char| c.is_whitespace() || "\"'`<>()".contains(c);
    for (at, line) in text.numbered().filter(|(_, line)| line.text.contains("code=")) {
        let mut start = 0;
        for word in line.text.split(is_apart) {
            let query = word.find("?code=").or_else(|| word.find("&code="));
            if let Some(query) = query
                && let Some(scheme) = word[..query].rfind("http://")
                && is_plain_remote(word[scheme..query].split('?').next().unwrap_or_default())
            {
                found.add(at, start + scheme);
            }
            start += word.len() + line.text[start + word.len()..].chars().next().map_or(0, char::len_utf8);
        }
    }
}

fn is_plain_remote(url: &str) -> bool {
    let uri = Some(url)
        .filter(|url| url.len() <= LONGEST_URL)
        .and_then(|url| url.parse::<Uri>().ok());
    uri.filter(|uri| uri.scheme_str() == Some("http"))
        .is_some_and(|uri| uri.host().is_some_and(|host| !is_loopback_host(host)))
}

/// The longest URL that is parsed, in bytes.
const LONGEST_URL: usize = 2048;

pub(super) const OLD_HOST: Rule = Rule {
    id: "old-host",
    level: Problem,
    title: "an old host of the token service",
    instead: "write login.microsoftonline.com",
    why: "Only some of the old names still work, and current documentation does not use them: tokens, caches and firewalls use the new host.",
    check: old_host,
};

fn old_host(text: &Text<'_>, found: &mut Findings) {
    for (at, line) in text.numbered() {
        let first = OLD_HOSTS
            .iter()
            .filter_map(|(old, new)| Some((find_host(line.text, old)?, old, new)))
            .filter(|(byte, old, _)| !is_listed(line, *byte, old))
            .min();
        if let Some((byte, old, new)) = first {
            found.add_with(
                at,
                byte,
                format!("{old} is an old host of the token service"),
                format!("write {new}"),
            );
        }
    }
}

/// Returns true if a host is an item of a list or is compared: a program that only knows an old
/// name does not call it.
fn is_listed(line: &Line<'_>, byte: usize, host: &str) -> bool {
    let before = ending(&line.text[..byte], 80);
    let is_alone = before.ends_with(['"', '\'']) && line.text[byte + host.len()..].starts_with(['"', '\'']);
    let before = before.trim_end_matches(['"', '\'']).trim_end();
    let is_compared = ["==", "!=", "contains(", "matches!("]
        .iter()
        .any(|mark| before.ends_with(mark));
    matches!(line.kind, Kind::Code | Kind::Plain)
        && is_alone
        && (is_compared || before.is_empty() || before.ends_with(['[', ',', '{', '|', '&']))
}

/// Old hosts of the token service, with the new ones. `login.chinacloudapi.cn` is not one of them:
/// Azure's own libraries use it.
const OLD_HOSTS: [(&str, &str); 4] = [
    ("login.windows.net", "login.microsoftonline.com"),
    ("login-us.microsoftonline.com", "login.microsoftonline.us"),
    ("login.usgovcloudapi.net", "login.microsoftonline.us"),
    (
        "login.microsoftonline.de",
        "login.microsoftonline.com: the cloud in Germany is closed",
    ),
];

pub(super) const AZURE_AD_GRAPH: Rule = Rule {
    id: "azure-ad-graph",
    level: Problem,
    title: "Azure AD Graph (graph.windows.net) is retired",
    instead: "call Microsoft Graph: https://graph.microsoft.com",
    why: "The API is turned off. Its permissions do not apply to Microsoft Graph, which needs its own.",
    check: azure_ad_graph,
};

fn azure_ad_graph(text: &Text<'_>, found: &mut Findings) {
    for (at, line) in text.numbered() {
        if let Some(byte) = find_host(line.text, "graph.windows.net") {
            found.add(at, byte);
        }
    }
}

/// Returns the position of a host that is not part of a longer host.
fn find_host(line: &str, host: &str) -> Option<usize> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "-.".contains(c);
    let mut places = line.match_indices(host).map(|(byte, _)| byte);
    places.find(|byte| {
        let after = line[byte + host.len()..].chars().next();
        let is_continued = after.is_some_and(|c| c.is_ascii_alphanumeric() || c == '-');
        // The F of %2F is not part of the host.
        let before = &line[..*byte];
        let has_prefix = before.ends_with(is_part) && !before.ends_with("%2F") && !before.ends_with("%2f");
        !is_continued && !has_prefix
    })
}
