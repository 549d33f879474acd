//! Rules about URLs and hosts.

use entra_proto::{KnownApi, is_loopback_host};
use http::Uri;
use percent_encoding::percent_decode_str;

use crate::files::excerpt;
use crate::mistakes::Findings;
use crate::mistakes::param::{Role, params_in};
use crate::mistakes::text::{Kind, Text};

pub(super) fn html_escape(text: &Text<'_>, found: &mut Findings) {
    if text.kind == Kind::Markup {
        return;
    }
    for (at, line) in text.numbered() {
        let places = ESCAPES.iter().flat_map(|escape| {
            line.text
                .match_indices(escape)
                .map(|(byte, _)| (byte, byte + escape.len()))
        });
        let is_before_name = |(_, end): &(usize, usize)| {
            let rest = beginning(&line.text[*end..], 64);
            let name = rest.split('=').next().unwrap_or_default();
            name.len() <= 40
                && rest.contains('=')
                && params_in(&rest[..rest.len().min(name.len() + 2)])
                    .iter()
                    .any(|param| param.at == 0 && param.wire_name().is_some())
        };
        if let Some((byte, _)) = places.filter(is_before_name).min() {
            found.at(at, byte);
        }
    }
}

pub(super) fn resource_slash(text: &Text<'_>, found: &mut Findings) {
    let mut lacking = |line: usize, byte: usize, audience: &str, end: &str| {
        if let Some(api) = KnownApi::lacking_slash(audience) {
            let shown = excerpt(audience, 100);
            let problem = format!("the audience of {} ends with a slash, and {shown} does not", api.name);
            found.told(line, byte, problem, format!("write {}{end}", api.audience));
        }
    };
    for (line, byte, audience) in default_scopes(text) {
        lacking(line, byte, &audience, "/.default");
    }
    for (line, param) in text.params() {
        if param.role() == Some(Role::Resource) && param.is_sent() {
            lacking(line, param.value_at, &param.literal().unwrap_or_default(), "");
        }
    }
}

pub(super) fn doubled_slash(text: &Text<'_>, found: &mut Findings) {
    for (at, start, audience) in default_scopes(text) {
        let bare = audience.trim_end_matches('/');
        if bare.len() == audience.len() || KnownApi::with_audience(&audience).is_some() {
            continue;
        }
        if let Some(api) = KnownApi::lacking_slash(bare).or_else(|| KnownApi::with_audience(bare)) {
            let shown = excerpt(&audience, 100);
            let problem = format!(
                "the audience of {} is {}, and this token is for {shown}",
                api.name, api.audience
            );
            found.told(at, start, problem, format!("write {}/.default", api.audience));
        }
    }
}

/// The audiences of scopes that end with `/.default`, with their lines and where they begin.
fn default_scopes(text: &Text<'_>) -> Vec<(usize, usize, String)> {
    let is_apart = |c: char| c.is_whitespace() || "\"'`=&,;()<>[]|{}*".contains(c);
    let mut found = Vec::new();
    for (at, line) in text.numbered() {
        for (end, _) in line.text.match_indices(".default") {
            let bounds = end.saturating_sub(300)..=end;
            let first = bounds
                .into_iter()
                .find(|at| line.text.is_char_boundary(*at))
                .unwrap_or(end);
            let before = &line.text[first..end];
            let start = before
                .rfind(is_apart)
                .map_or(0, |at| at + before[at..].chars().next().map_or(1, char::len_utf8));
            if let Ok(url) = percent_decode_str(&before[start..]).decode_utf8()
                && let Some(audience) = url.strip_suffix('/')
            {
                found.push((at, first + start, audience.to_owned()));
            }
        }
    }
    found
}

pub(super) fn endpoint_slash(text: &Text<'_>, found: &mut Findings) {
    for (at, line) in text.numbered() {
        if let Some(byte) = joined(line.text) {
            found.at(at, byte);
            continue;
        }
        // The setting of the samples, which put the tenant right behind it.
        let setting = SETTINGS.iter().find_map(|name| Some((line.text.find(name)?, name)));
        if let Some((start, name)) = setting {
            let rest = &line.text[start + name.len()..];
            let url = rest
                .find("https://login.")
                .filter(|byte| rest[..*byte].chars().filter(|c| c.is_alphanumeric()).count() < 12);
            let Some(url) = url else { continue };
            let value = &rest[url..];
            let end = value
                .find(|c: char| c.is_whitespace() || "\"'`<>,;".contains(c))
                .unwrap_or(value.len());
            let is_origin = value[..end].matches('/').count() == 2;
            if is_origin {
                found.told(
                    at,
                    start + name.len() + url,
                    format!("{name} has no slash at its end, and samples put the tenant right behind it"),
                    "end it with a slash: https://login.microsoftonline.com/".to_owned(),
                );
            }
        }
    }
}

/// Where the host of the authority and a tenant are put together without a slash.
fn joined(line: &str) -> Option<usize> {
    // "https://login.microsoftonline.com" + tenant, and `https://login.microsoftonline.com${tenant}`.
    for (byte, host) in line.match_indices("://login.") {
        let rest = &line[byte + host.len()..];
        let end = rest
            .find(|c: char| !c.is_ascii_alphanumeric() && !"-.".contains(c))
            .unwrap_or(rest.len());
        let behind = &rest[end..];
        let is_added = behind.strip_prefix(['"', '\'']).is_some_and(|rest| {
            let rest = rest.trim_start();
            let added = rest.strip_prefix('+').map(str::trim_start);
            added.is_some_and(|added| {
                added
                    .to_ascii_lowercase()
                    .split(|c: char| !c.is_alphanumeric() && c != '_' && c != '.')
                    .next()
                    .is_some_and(|name| name.contains("tenant"))
            })
        });
        let inserted = ["${", "{", "#{"].iter().find_map(|open| behind.strip_prefix(open));
        let is_tenant = inserted.is_some_and(|name| {
            name.split('}')
                .next()
                .unwrap_or_default()
                .to_ascii_lowercase()
                .contains("tenant")
        });
        if is_added || is_tenant {
            return Some(byte);
        }
    }
    for name in SETTINGS {
        for (byte, _) in line.match_indices(name) {
            let rest = line[byte + name.len()..].trim_start_matches(['"', '\'', ']', ')', '}', ' ']);
            let rest = rest
                .strip_prefix('+')
                .map(str::trim_start)
                .or_else(|| rest.strip_prefix("${"))
                .or_else(|| rest.strip_prefix('{'));
            let name = rest
                .and_then(|rest| rest.split(['}', ',', ';', '+', ')']).next())
                .unwrap_or_default();
            if name.to_ascii_lowercase().contains("tenant") {
                return Some(byte);
            }
        }
    }
    None
}

pub(super) fn redirect_http(text: &Text<'_>, found: &mut Findings) {
    for (line, param) in text
        .params()
        .filter(|(_, param)| param.role() == Some(Role::RedirectUri))
    {
        if param.literal().is_some_and(|url| is_plain_elsewhere(&url)) {
            found.at(line, param.value_at);
        }
    }
    for (at, line) in text.numbered() {
        for (byte, _) in line.text.match_indices("http://") {
            let url = beginning(&line.text[byte..], LONGEST_URL);
            let end = url
                .find(|c: char| c.is_whitespace() || "\"'`<>()".contains(c))
                .unwrap_or(url.len());
            let url = &url[..end];
            if (url.contains("?code=") || url.contains("&code="))
                && is_plain_elsewhere(url.split('?').next().unwrap_or_default())
            {
                found.at(at, byte);
            }
        }
    }
}

fn is_plain_elsewhere(url: &str) -> bool {
    let uri = url.parse::<Uri>().ok().filter(|uri| uri.scheme_str() == Some("http"));
    uri.and_then(|uri| uri.host().map(|host| !is_loopback_host(host)))
        .unwrap_or(false)
}

pub(super) fn old_host(text: &Text<'_>, found: &mut Findings) {
    for (at, line) in text.numbered() {
        let first = OLD_HOSTS
            .iter()
            .filter_map(|(old, new)| Some((find_host(line.text, old)?, old, new)))
            .min();
        if let Some((byte, old, new)) = first {
            found.told(
                at,
                byte,
                format!("{old} is an old host of the token service"),
                format!("write {new}"),
            );
        }
    }
}

pub(super) fn azure_ad_graph(text: &Text<'_>, found: &mut Findings) {
    for (at, line) in text.numbered() {
        if let Some(byte) = find_host(line.text, "graph.windows.net") {
            found.at(at, byte);
        }
    }
}

/// Where a host stands in a line as a whole.
fn find_host(line: &str, host: &str) -> Option<usize> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "-.".contains(c);
    let mut places = line.match_indices(host).map(|(byte, _)| byte);
    places.find(|byte| {
        let behind = line[byte + host.len()..].chars().next();
        let is_behind = behind.is_some_and(|c| c.is_ascii_alphanumeric() || c == '-');
        // The F of %2F is no part of it.
        let before = &line[..*byte];
        let is_before = before.ends_with(is_part) && !before.ends_with("%2F") && !before.ends_with("%2f");
        !is_behind && !is_before
    })
}

/// The beginning of a text, of at most this many bytes: what is longer is no URL that anybody wrote.
fn beginning(text: &str, most: usize) -> &str {
    let end = (0..=most.min(text.len()))
        .rev()
        .find(|end| text.is_char_boundary(*end))
        .unwrap_or(0);
    &text[..end]
}

/// How long a URL is that is looked at, in bytes.
const LONGEST_URL: usize = 2048;

/// How HTML writes an ampersand.
const ESCAPES: [&str; 4] = ["&amp;amp;", "&amp;", "&#38;", "\\u0026amp;"];

/// Hosts that were the token service's, and those that are.
const OLD_HOSTS: [(&str, &str); 5] = [
    ("login.windows.net", "login.microsoftonline.com"),
    ("login-us.microsoftonline.com", "login.microsoftonline.us"),
    ("login.usgovcloudapi.net", "login.microsoftonline.us"),
    ("login.chinacloudapi.cn", "login.partner.microsoftonline.cn"),
    (
        "login.microsoftonline.de",
        "login.microsoftonline.com: the cloud in Germany is closed",
    ),
];

/// The settings of samples that hold the host of the authority.
const SETTINGS: [&str; 4] = [
    "AAD_ENDPOINT",
    "Enter_the_Cloud_Instance_Id_Here",
    "CLOUD_INSTANCE",
    "AAD_ENDPOINT_HOST",
];
