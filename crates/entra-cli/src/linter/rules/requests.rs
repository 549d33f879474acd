//! Rules about requests: a URL and the parameters that belong to it.

use std::borrow::Cow;

use entra_proto::{Guid, KnownApi, Scope};

use crate::linter::line::Line;
use crate::linter::param::{Param, adjacent, after_sign, continues_below, joined};
use crate::linter::request::{Body, Request, is_app_only};
use crate::linter::rule::Level::Problem;
use crate::linter::rule::{Findings, Rule, shown};
use crate::linter::text::Text;
use crate::linter::work;

pub(super) const V1_SCOPE: Rule = Rule {
    id: "v1-scope",
    level: Problem,
    title: "scope is sent to the v1 token endpoint, which requires resource",
    instead: "send resource=AUDIENCE (without /.default), or call /oauth2/v2.0/token with scope",
    why: "/oauth2/token requires the audience of the API as resource, and ignores scope: without resource, the token is for another \
          API, or the service responds with AADSTS500014 or AADSTS90014. A resource that ends with /.default causes AADSTS500011.",
    check: v1_scope,
};

fn v1_scope(text: &Text<'_>, found: &mut Findings) {
    for request in token_requests(text).filter(|request| !request.is_v2) {
        match value_of(&request.params, "resource") {
            Some((line, param)) => {
                if param
                    .literal()
                    .is_some_and(|value| Scope::resource_of_default(&value).is_some())
                {
                    let problem = "resource ends with /.default, which belongs to the scope of the v2 endpoint";
                    found.add_with(line, param.value_at, problem.to_owned(), None);
                }
            }
            None if request.params.iter().any(|(_, param)| param.wire == Some("resource")) => {}
            None => {
                if let Some((line, param)) = value_of(&request.params, "scope") {
                    found.add(line, param.at);
                }
            }
        }
    }
}

pub(super) const V2_RESOURCE: Rule = Rule {
    id: "v2-resource",
    level: Problem,
    title: "resource is sent to a v2 endpoint, which requires scope",
    instead: "send scope=AUDIENCE/.default, or call the v1 endpoint with resource",
    why: "/oauth2/v2.0/token requires a scope. With resource, the service responds with AADSTS901002.",
    check: v2_resource,
};

fn v2_resource(text: &Text<'_>, found: &mut Findings) {
    for request in text.requests.iter().filter(|request| request.is_v2) {
        if let Some((line, param)) = value_of(&request.params, "resource") {
            found.add(line, param.at);
        }
    }
}

pub(super) const MISSING_DEFAULT: Rule = Rule {
    id: "missing-default",
    level: Problem,
    title: "the scope of an app-only token does not end with /.default",
    instead: "write one scope: the audience of the API followed by /.default",
    why: "With client credentials an application gets all permissions that it was granted for one API, so the scope can only name the \
          API: https://graph.microsoft.com/.default. A single permission or several scopes cause AADSTS1002012 or AADSTS70011.",
    check: missing_default,
};

fn missing_default(text: &Text<'_>, found: &mut Findings) {
    for request in token_requests(text).filter(|request| request.is_v2 && is_app_only(&request.params)) {
        scopes_without_default(&request.params, |_| true, found);
    }
    // A body without a URL may be for another service, unless its scope is that of a known API.
    for body in text.bodies.iter().filter(|body| is_app_only(body)) {
        scopes_without_default(body, is_of_known_api, found);
    }
    let mut next = (0, 0);
    for (at, byte, scope) in calls(text).flat_map(|at| literals_of_call(&text.lines, at)) {
        // Calls in lines next to each other have the same texts.
        if (at, byte) < next {
            continue;
        }
        next = (at, byte + 1);
        let is_scope = scope.contains("://") || scope.parse::<Guid>().is_ok() || is_permission(scope);
        let whole = is_scope.then(|| whole(&text.lines, at, byte, scope)).flatten();
        if let Some(scope) = whole.filter(|scope| !is_default(scope)) {
            found.add_with(at, byte, not_default(&scope), None);
        }
    }
}

fn scopes_without_default(body: &Body<'_>, is_checked: fn(&str) -> bool, found: &mut Findings) {
    for (line, param) in body.iter().filter(|(_, param)| param.wire == Some("scope")) {
        let literal = param.literal().filter(|value| !is_default(value) && is_checked(value));
        if let Some(value) = literal {
            found.add_with(*line, param.value_at, not_default(&value), None);
        }
    }
}

/// Returns true if a scope is a single one that ends with `/.default`.
fn is_default(scope: &str) -> bool {
    Scope::resource_of_default(scope).is_some() && !scope.contains(' ')
}

fn is_of_known_api(scope: &str) -> bool {
    let is_of = |api: &KnownApi| scope.starts_with(api.audience.trim_end_matches('/'));
    scope.starts_with("api://") || KnownApi::all().iter().any(is_of)
}

/// Returns true if a text is a permission such as `User.Read.All`.
fn is_permission(text: &str) -> bool {
    let is_word = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_uppercase()) && word.chars().all(|c| c.is_ascii_alphabetic())
    };
    let acts = ["Read", "ReadWrite", "ReadBasic", "Send", "Write"];
    text.split('.').count() > 1 && text.split('.').all(is_word) && text.split('.').any(|word| acts.contains(&word))
}

fn not_default(scope: &str) -> String {
    let scope = shown(scope, 80);
    format!("an app-only token cannot be requested with the scope \"{scope}\"")
}

pub(super) const COMMON_APP_ONLY: Rule = Rule {
    id: "common-app-only",
    level: Problem,
    title: "an app-only token is requested without naming a tenant",
    instead: "replace common, organizations or consumers with the tenant's ID or domain",
    why: "An app-only token is issued by one tenant. At common the service cannot know which one: it responds with AADSTS50194 or \
          AADSTS90002, or issues a token of the wrong tenant.",
    check: common_app_only,
};

fn common_app_only(text: &Text<'_>, found: &mut Findings) {
    for request in token_requests(text).filter(|request| is_app_only(&request.params)) {
        if MANY.contains(&request.tenant) {
            found.add_with(request.line, request.at, many(request.tenant), None);
        }
    }
    if !text.has_any(&APP_ONLY) || text.has_any(&FOR_USERS) {
        return;
    }
    for (at, line) in text.numbered().filter(|(_, line)| line.text.contains("://login.")) {
        for (byte, url) in literals(line.text).filter(|(_, url)| url.contains("://login.")) {
            let tenant = url.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
            if MANY.contains(&tenant) {
                found.add_with(at, byte, many(tenant), None);
            }
        }
    }
}

fn many(tenant: &str) -> String {
    format!("an app-only token is requested at {tenant}, which is not a tenant")
}

/// Path segments that stand for many tenants.
const MANY: [&str; 3] = ["common", "organizations", "consumers"];

/// Texts that show that users also sign in.
const FOR_USERS: [&str; 10] = [
    "authorization_code",
    "AcquireTokenInteractive",
    "acquireTokenInteractive",
    "acquire_token_interactive",
    "AcquireTokenByAuthorizationCode",
    "acquireTokenByCode",
    "acquire_token_by_authorization_code",
    "acquire_token_by_auth_code_flow",
    "loginRedirect",
    "PublicClientApplication",
];

pub(super) const NO_TENANT: Rule = Rule {
    id: "no-tenant",
    level: Problem,
    title: "the URL of an endpoint has no tenant",
    instead: "write https://login.microsoftonline.com/TENANT/oauth2/v2.0/token",
    why: "The tenant is the first segment of the path. Without it, the endpoint does not exist (status 404).",
    check: no_tenant,
};

fn no_tenant(text: &Text<'_>, found: &mut Findings) {
    let is_host = |request: &&Request<'_>| {
        let before = request.url.split("/oauth2/").next().unwrap_or_default();
        let host = before
            .split_once("://")
            .map_or("", |(_, host)| host)
            .trim_end_matches('/');
        !host.is_empty()
            && !host.contains('/')
            && (host.starts_with("login.") || host.ends_with(".ciamlogin.com") && host.contains("login."))
    };
    for request in text.requests.iter().filter(is_host) {
        found.add(request.line, request.at);
    }
}

fn token_requests<'t, 'a>(text: &'t Text<'a>) -> impl Iterator<Item = &'t Request<'a>> {
    text.requests.iter().filter(|request| request.is_token)
}

/// Returns the parameter with this name and a value.
fn value_of<'b, 'a>(body: &'b Body<'a>, wire: &str) -> Option<(usize, &'b Param<'a>)> {
    // Explanations use a word in capital letters as the value.
    let is_value = |value: &str| {
        let word = value.trim().split('/').next().unwrap_or_default();
        let is_word = word.len() > 3 && word.chars().all(|c| c.is_ascii_uppercase()) && value.contains('/');
        !value.trim().is_empty() && !is_word
    };
    let mut found = body
        .iter()
        .filter(|(_, param)| param.wire == Some(wire) && is_value(param.value));
    found.next().map(|(line, param)| (*line, param))
}

/// Returns the lines with a library call for an app-only token.
fn calls(text: &Text<'_>) -> impl Iterator<Item = usize> {
    let is_call = |line: &Line<'_>| APP_ONLY.iter().any(|call| line.text.contains(call));
    text.numbered().filter(move |(_, line)| is_call(line)).map(|(at, _)| at)
}

/// Returns the quoted texts of a call that begins in a line: up to its last bracket, but at most
/// [`LINES_OF_CALL`] lines.
fn literals_of_call<'a>(lines: &[Line<'a>], first: usize) -> Vec<(usize, usize, &'a str)> {
    let mut found = Vec::new();
    let mut depth = 0_isize;
    for (at, line) in lines.iter().enumerate().skip(first).take(LINES_OF_CALL) {
        work::count(line.text.len());
        found.extend(literals(line.text).map(|(byte, text)| (at, byte, text)));
        depth += line.text.matches(['(', '{', '[']).count() as isize;
        depth -= line.text.matches([')', '}', ']']).count() as isize;
        if depth <= 0 {
            break;
        }
    }
    found
}

/// Returns a quoted text with the texts that are added to it in its line, or `None` if one of them
/// is unknown.
fn whole<'a>(lines: &[Line<'a>], at: usize, byte: usize, text: &'a str) -> Option<Cow<'a, str>> {
    let after = lines[at].text.get(byte + text.len() + 1..).unwrap_or_default();
    let below = lines.get(at + 1).map_or("", |line| line.text);
    if continues_below(after, below, true) {
        return None;
    }
    if after_sign(after).is_none() && adjacent(after).is_none() {
        return Some(Cow::Borrowed(text));
    }
    let is_known = |text: &String| !text.contains(['{', '$']);
    joined(text, after).filter(is_known).map(Cow::Owned)
}

/// Returns the quoted texts in a line, with their positions.
fn literals(line: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut start: Option<(usize, char)> = None;
    let quotes = line.char_indices().filter(|(_, c)| "\"'`".contains(*c));
    quotes.filter_map(move |(at, c)| match start {
        Some((from, quote)) if quote == c => {
            start = None;
            Some((from, &line[from..at]))
        }
        None => {
            start = Some((at + 1, c));
            None
        }
        _ => None,
    })
}

/// Library calls for app-only tokens.
const APP_ONLY: [&str; 6] = [
    "AcquireTokenForClient",
    "acquireTokenForClient",
    "acquire_token_for_client",
    "acquireTokenByClientCredential",
    "AcquireTokenByCredential",
    "ClientCredentialParameters",
];
/// The most lines of a call that are read.
const LINES_OF_CALL: usize = 5;
