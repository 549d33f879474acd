//! Rules about requests: a URL and the parameters near it.

use entra_proto::Guid;

use crate::files::excerpt;
use crate::mistakes::Findings;
use crate::mistakes::request::Request;
use crate::mistakes::text::Text;

pub(super) fn v1_scope(text: &Text<'_>, found: &mut Findings) {
    for request in text
        .requests
        .iter()
        .filter(|request| request.is_token && !request.is_v2)
    {
        let has_resource = request
            .params
            .iter()
            .any(|(_, param)| param.wire_name() == Some("resource"));
        let scope = request
            .params
            .iter()
            .find(|(_, param)| param.wire_name() == Some("scope") && is_value(param.value));
        if let Some((line, param)) = scope.filter(|_| !has_resource) {
            found.at(*line, param.at);
        }
    }
}

pub(super) fn v2_resource(text: &Text<'_>, found: &mut Findings) {
    for request in text.requests.iter().filter(|request| request.is_v2) {
        let resource = request
            .params
            .iter()
            .find(|(_, param)| param.wire_name() == Some("resource") && is_value(param.value));
        if let Some((line, param)) = resource {
            found.at(*line, param.at);
        }
    }
}

pub(super) fn missing_default(text: &Text<'_>, found: &mut Findings) {
    for request in text
        .requests
        .iter()
        .filter(|request| request.is_token && request.is_app_only())
    {
        for (line, param) in request
            .params
            .iter()
            .filter(|(_, param)| param.wire_name() == Some("scope"))
        {
            if let Some(value) = param.literal().filter(|value| !is_default(value)) {
                found.told(*line, param.value_at, not_default(&value), None);
            }
        }
    }
    for (at, line) in text
        .numbered()
        .filter(|(_, line)| APP_ONLY.iter().any(|call| line.text.contains(call)))
    {
        for (byte, scope) in literals(line.text) {
            let is_scope = scope.contains("://") || scope.parse::<Guid>().is_ok() || is_permission(scope);
            if is_scope && !is_default(scope) {
                found.told(at, byte, not_default(scope), None);
            }
        }
    }
}

pub(super) fn common_app_only(text: &Text<'_>, found: &mut Findings) {
    for request in text
        .requests
        .iter()
        .filter(|request| request.is_token && request.is_app_only())
    {
        if MANY.contains(&request.tenant) {
            found.told(request.line, request.at, many(request.tenant), None);
        }
    }
    if text.has_any(&APP_ONLY) && !text.has_any(&FOR_USERS) {
        for (at, line) in text.numbered() {
            for (byte, url) in literals(line.text).filter(|(_, url)| url.contains("://login.")) {
                let tenant = url.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
                if MANY.contains(&tenant) {
                    found.told(at, byte, many(tenant), None);
                }
            }
        }
    }
}

pub(super) fn no_tenant(text: &Text<'_>, found: &mut Findings) {
    let is_host = |request: &Request<'_>| {
        let before = request.url.split("/oauth2/").next().unwrap_or_default();
        let host = before.split_once("://").map_or("", |(_, host)| host);
        !host.is_empty()
            && !host.contains('/')
            && (host.starts_with("login.") || host.ends_with(".ciamlogin.com") && host.contains("login."))
    };
    for request in text.requests.iter().filter(|request| is_host(request)) {
        found.at(request.line, request.at);
    }
}

/// Whether a value stands there, and not a word in capitals that a text explains it by.
fn is_value(value: &str) -> bool {
    let word = value.trim().split('/').next().unwrap_or_default();
    let is_word = word.len() > 3 && word.chars().all(|c| c.is_ascii_uppercase()) && value.contains('/');
    !value.trim().is_empty() && !is_word
}

fn not_default(scope: &str) -> String {
    format!(
        "an application's own token cannot be asked for with the scope \"{}\"",
        excerpt(scope, 80)
    )
}

fn many(tenant: &str) -> String {
    format!("an application asks for its own token at {tenant}, which is no tenant")
}

/// Whether a scope is all that an application was granted on one API.
fn is_default(scope: &str) -> bool {
    scope.ends_with("/.default") && !scope.contains(' ')
}

/// Whether a text is a permission such as `User.Read.All`.
fn is_permission(text: &str) -> bool {
    let is_word = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_uppercase()) && word.chars().all(|c| c.is_ascii_alphabetic())
    };
    let acts = ["Read", "ReadWrite", "ReadBasic", "Send", "Write"];
    text.split('.').count() > 1 && text.split('.').all(is_word) && text.split('.').any(|word| acts.contains(&word))
}

/// The texts in quotes in a line, and where they begin.
fn literals(line: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut found = Vec::new();
    let mut start: Option<(usize, char)> = None;
    for (at, c) in line.char_indices().filter(|(_, c)| "\"'`".contains(*c)) {
        match start {
            Some((from, quote)) if quote == c => {
                found.push((from, &line[from..at]));
                start = None;
            }
            None => start = Some((at + 1, c)),
            _ => {}
        }
    }
    found.into_iter()
}

/// What stands for many tenants.
const MANY: [&str; 3] = ["common", "organizations", "consumers"];

/// Calls of libraries for an application's own tokens.
const APP_ONLY: [&str; 6] = [
    "AcquireTokenForClient",
    "acquireTokenForClient",
    "acquire_token_for_client",
    "acquireTokenByClientCredential",
    "AcquireTokenByCredential",
    "ClientCredentialParameters",
];

/// What shows that users sign in as well.
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
