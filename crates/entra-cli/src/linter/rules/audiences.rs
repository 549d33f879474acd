//! Rules about slashes at the end of audiences.

use entra_proto::KnownApi;
use percent_encoding::percent_decode_str;

use crate::linter::line::ending;
use crate::linter::param::Role;
use crate::linter::rule::Level::{Note, Problem};
use crate::linter::rule::{Findings, Rule, shown};
use crate::linter::text::Text;

pub(super) const RESOURCE_SLASH: Rule = Rule {
    id: "resource-slash",
    level: Problem,
    title: "the slash at the end of an audience is missing",
    instead: "copy the audience from `entra resources`",
    why: "APIs compare audiences character by character. The v2 endpoint cuts the scope at its last slash, so the scope for an \
          audience with a slash at the end needs two: https://database.windows.net//.default. With one, Azure SQL rejects the token.",
    check: resource_slash,
};

fn resource_slash(text: &Text<'_>, found: &mut Findings) {
    let mut lacking = |line: usize, byte: usize, audience: &str, end: &str| {
        if let Some(api) = KnownApi::lacking_slash(audience) {
            let shown = shown(audience, 100);
            let problem = format!("the audience of {} ends with a slash, but {shown} does not", api.name);
            found.add_with(line, byte, problem, format!("write {}{end}", api.audience));
        }
    };
    for (line, byte, audience) in default_scopes(text) {
        lacking(line, byte, &audience, "/.default");
    }
    for (line, param) in text.params() {
        if param.role == Some(Role::Resource) && param.is_sent() {
            lacking(line, param.value_at, &param.literal().unwrap_or_default(), "");
        }
    }
}

pub(super) const DOUBLED_SLASH: Rule = Rule {
    id: "doubled-slash",
    level: Note,
    title: "an audience ends with an extra slash",
    instead: "copy the audience from `entra resources`",
    why: "The token has exactly the requested audience. The v2 endpoint cuts the scope at its last slash: with two slashes before \
          .default the audience ends with one. Azure SQL requires that, but few APIs accept both forms.",
    check: doubled_slash,
};

fn doubled_slash(text: &Text<'_>, found: &mut Findings) {
    for (line, byte, audience) in default_scopes(text) {
        let bare = audience.trim_end_matches('/');
        if bare.len() < audience.len() {
            doubled(line, byte, &audience, "/.default", found);
        }
    }
    for (line, param) in text.params() {
        if param.role == Some(Role::Resource)
            && param.is_sent()
            && let Some(audience) = param.literal().filter(|audience| audience.ends_with("//"))
        {
            doubled(line, param.value_at, &audience, "", found);
        }
    }
}

fn doubled(line: usize, byte: usize, audience: &str, end: &str, found: &mut Findings) {
    let bare = audience.trim_end_matches('/');
    let api = KnownApi::lacking_slash(bare).or_else(|| KnownApi::with_audience(bare));
    if let Some(api) = api.filter(|_| KnownApi::with_audience(audience).is_none()) {
        let shown = shown(audience, 100);
        let problem = format!(
            "the audience of {} is {}, but this token is for {shown}",
            api.name, api.audience
        );
        found.add_with(line, byte, problem, format!("write {}{end}", api.audience));
    }
}

/// Returns the audiences of scopes that end with `/.default`, with their lines and positions.
fn default_scopes(text: &Text<'_>) -> Vec<(usize, usize, String)> {
    let is_apart = |c: char| c.is_whitespace() || "\"'`=&,;()<>[]|{}*".contains(c);
    let mut found = Vec::new();
    for (at, line) in text.numbered() {
        for (end, _) in line.text.match_indices(".default") {
            let before = ending(&line.text[..end], LONGEST_AUDIENCE);
            if !before.ends_with(['/', 'F', 'f']) {
                continue;
            }
            let start = before
                .rfind(is_apart)
                .map_or(0, |at| at + before[at..].chars().next().map_or(1, char::len_utf8));
            if let Ok(url) = percent_decode_str(&before[start..]).decode_utf8()
                && let Some(audience) = url.strip_suffix('/')
            {
                found.push((at, end - before.len() + start, audience.to_owned()));
            }
        }
    }
    // A scope that is joined of several texts.
    for (at, param) in text.params() {
        if param.role == Some(Role::Scope)
            && param.is_joined()
            && let Some(scopes) = param.literal()
        {
            let scopes = scopes.split_whitespace();
            let audiences = scopes.filter_map(|scope| scope.strip_suffix("/.default"));
            found.extend(audiences.map(|audience| (at, param.value_at, audience.to_owned())));
        }
    }
    found
}

/// The longest audience, in bytes.
const LONGEST_AUDIENCE: usize = 200;
