//! Rules about the slashes of audiences.

use entra_proto::KnownApi;
use percent_encoding::percent_decode_str;

use crate::mistakes::line::ending;
use crate::mistakes::param::Role;
use crate::mistakes::rule::Level::{Note, Problem};
use crate::mistakes::rule::{Findings, Rule, shown};
use crate::mistakes::text::Text;

pub(super) const RESOURCE_SLASH: Rule = Rule {
    id: "resource-slash",
    level: Problem,
    title: "the slash at the end of an audience is missing",
    instead: "copy the audience from `entra resources`",
    why: "Audiences are compared letter for letter. The v2 endpoint cuts the scope at its last slash, so an audience that ends with a \
          slash needs two: https://database.windows.net//.default. With one, Azure SQL rejects the token.",
    check: resource_slash,
};

fn resource_slash(text: &Text<'_>, found: &mut Findings) {
    let mut lacking = |line: usize, byte: usize, audience: &str, end: &str| {
        if let Some(api) = KnownApi::lacking_slash(audience) {
            let shown = shown(audience, 100);
            let problem = format!("the audience of {} ends with a slash, and {shown} does not", api.name);
            found.told(line, byte, problem, format!("write {}{end}", api.audience));
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
    title: "a slash too many stands at the end of an audience",
    instead: "copy the audience from `entra resources`",
    why: "The audience of the token is what is requested, letter for letter. The v2 endpoint cuts the scope at its last slash: two slashes \
          before .default make a token whose audience ends with one. Few APIs take both. Azure SQL needs it.",
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
            "the audience of {} is {}, and this token is for {shown}",
            api.name, api.audience
        );
        found.told(line, byte, problem, format!("write {}{end}", api.audience));
    }
}

/// The audiences of scopes that end with `/.default`, with their lines and where they begin.
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
    found
}

const LONGEST_AUDIENCE: usize = 200;
