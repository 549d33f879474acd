//! The operations on clock, revocations, approvals, signing keys, activity feed and reset.

use std::time::{Duration, UNIX_EPOCH};

use http::{StatusCode, Uri};
use serde_json::{Map, Value, json};

use crate::config::{App, ContentType, Tenant, User};
use crate::control::call::{Call, Reply, with_moment};
use crate::control::members::Members;
use crate::control::problem::Problem;
use crate::headless::{ErrorPage, Redirect};
use crate::state::State;
use crate::time::{LAST_SECOND, parse_rfc3339, unix};

/// Handles `GET /v1/clock`.
pub(crate) fn clock(call: &Call<'_>) -> Reply {
    let clock = &call.state.clock;
    let body = with_moment(json!({"frozen": clock.is_frozen()}), "now", clock.now());
    Ok((StatusCode::OK, body))
}

/// Handles `POST /v1/clock`.
pub(crate) fn set_clock(call: &Call<'_>) -> Reply {
    let mut members = call.members()?;
    let expected = "a time of RFC 3339, such as \"2026-01-31T23:59:58Z\", or seconds since the epoch";
    let set = members.read_as("set", expected, |value| match value {
        Value::String(text) => parse_rfc3339(text),
        // A fraction is dropped, as in RFC 3339 texts.
        value => value
            .as_f64()
            .filter(|at| (0.0..=LAST_SECOND as f64).contains(at))
            .map(|at| UNIX_EPOCH + Duration::from_secs(at as u64)),
    })?;
    let advance = members.integer("advance_seconds", "seconds", 0, LAST_SECOND)?;
    let frozen = members.read_as("frozen", "true to freeze the clock, false to resume it", Value::as_bool)?;
    members.finish()?;
    if set.is_none() && advance.is_none() && frozen.is_none() {
        let message = "nothing to do: give set, advance_seconds or frozen".to_owned();
        return Err(Problem::members("missing_member", message));
    }
    let clock = &call.state.clock;
    let ahead = Duration::from_secs(advance.unwrap_or(0));
    let time = set.unwrap_or_else(|| clock.now());
    let time = time.checked_add(ahead).filter(|time| unix(*time) <= LAST_SECOND);
    // A clock that has passed the year 9999 can still be frozen.
    if advance.is_some() && time.is_none() {
        let expected = "a time up to the year 9999";
        return Err(Problem::expected("advance_seconds", expected, &advance.into()));
    }
    // Frozen before it is set, so that it shows exactly that time.
    if frozen == Some(true) {
        clock.freeze();
    }
    match (set, time) {
        (Some(_), Some(time)) => clock.set(time),
        _ => clock.advance(ahead),
    }
    if frozen == Some(false) {
        clock.unfreeze();
    }
    self::clock(call)
}

/// Handles `POST /v1/revocations`.
pub(crate) fn revoke(call: &Call<'_>) -> Reply {
    let state = call.state;
    let mut members = call.members()?;
    let all = members.flag("all")?;
    let app = members.text("app", APP)?;
    let user = members.text("user", USER)?;
    let tenant = members.text("tenant", TENANT)?;
    members.finish()?;
    Problem::at_most_one(&[("all", all), ("app", app.is_some()), ("user", user.is_some())])?;
    if tenant.is_some() && app.is_none() {
        let message = "\"tenant\" requires \"app\"".to_owned();
        return Err(Problem::members("missing_member", message).with("member", "app".into()));
    }
    let now = state.clock.now();
    let at = unix(now);
    let revoked = match (all, app, user) {
        (true, None, None) => {
            state.revocations.revoke(None, at);
            json!({"all": true})
        }
        (false, Some(name), None) => {
            let app = app_named(state, &name)?;
            match tenant {
                Some(name) => {
                    let tenant = tenant_named(state, &name)?;
                    state.withdraw(app, tenant);
                    json!({"app": app.client_id, "tenant": tenant.id})
                }
                None => {
                    state.revocations.revoke(Some(&app.client_id), at);
                    json!({"app": app.client_id})
                }
            }
        }
        (false, None, Some(name)) => {
            let users = users_named(state, &name)?;
            state.revoke_sessions(&users);
            let names: Vec<&str> = users
                .iter()
                .map(|(_, user)| user.user_principal_name.as_str())
                .collect();
            json!({"users": names})
        }
        _ => {
            let message = "give one of all (true), app and user".to_owned();
            return Err(Problem::members("missing_member", message));
        }
    };
    Ok((StatusCode::OK, with_moment(json!({"revoked": revoked}), "revoked", now)))
}

/// Handles `POST /v1/approvals`.
pub(crate) fn approve(call: &Call<'_>) -> Reply {
    let state = call.state;
    let mut members = call.members()?;
    let expected =
        "the URL of an authorize or adminconsent page, percent-encoded, as the application opens it in a browser";
    let url = members.read_as("url", expected, |value| {
        let uri: Uri = value.as_str()?.parse().ok()?;
        uri.path().starts_with('/').then_some(uri)
    })?;
    let user_code = members.text("user_code", "the code that a device shows")?;
    let user = members.text("user", USER)?;
    let accept = members.read_as("decision", "\"accept\" or \"decline\"", |value| {
        match value.as_str()? {
            "accept" => Some(true),
            "decline" => Some(false),
            _ => None,
        }
    })?;
    members.finish()?;
    Problem::at_most_one(&[("url", url.is_some()), ("user_code", user_code.is_some())])?;
    let accept = accept.unwrap_or(true);
    let user = user.map(|name| users_named(state, &name)).transpose()?;
    let outcome = match (url, user_code, user) {
        (Some(url), None, Some(users)) => state.visit(url, &users, accept).map(redirect),
        (None, Some(code), Some(users)) if accept => state
            .decide_device(&code, &users)
            .map(|()| json!({"result": "accepted"})),
        (None, Some(code), _) if !accept => state.decide_device(&code, &[]).map(|()| json!({"result": "declined"})),
        (Some(_), None, None) | (None, Some(_), None) => {
            let users: Vec<&str> = names(state);
            let message = format!("\"user\" is missing: {USER}, such as {}", some_of(&users));
            return Err(Problem::members("missing_member", message).with("member", "user".into()));
        }
        _ => {
            let message = "give one of url and user_code".to_owned();
            return Err(Problem::members("missing_member", message));
        }
    };
    outcome.map(|body| (StatusCode::OK, body)).map_err(error_page)
}

/// Handles `GET /v1/signing-keys`.
pub(crate) fn keys(call: &Call<'_>) -> Reply {
    let ids = call.state.keys.ids();
    Ok((StatusCode::OK, json!({"signing": ids.last(), "published": ids})))
}

/// Handles `POST /v1/signing-keys`.
pub(crate) fn change_keys(call: &Call<'_>) -> Reply {
    let mut members = call.members()?;
    let action: Option<fn(&State)> = members.read_as(
        "action",
        "\"rotate\" (old keys stay published), \"replace\" (old keys are withdrawn) or \"retire\" (no new key, old keys are withdrawn)",
        |value| match value.as_str()? {
            "rotate" => Some((|state| state.keys.rotate(true)) as fn(&State)),
            "replace" => Some(|state| state.keys.rotate(false)),
            "retire" => Some(|state| state.keys.retire()),
            _ => None,
        },
    )?;
    members.finish()?;
    let missing = || {
        Problem::members(
            "missing_member",
            "give action: \"rotate\", \"replace\" or \"retire\"".to_owned(),
        )
    };
    action.ok_or_else(missing)?(call.state);
    keys(call)
}

/// Handles `POST /v1/activity`.
pub(crate) fn publish_activity(call: &Call<'_>) -> Reply {
    let state = call.state;
    let mut members = call.members()?;
    let tenant = members.text("tenant", TENANT)?;
    let expected = "the name of a content type, such as \"Audit.Exchange\"";
    let content_type = members.read_as("content_type", expected, |value| ContentType::find(value.as_str()?))?;
    let contents = members.integer("contents", "contents", 1, 1_000_000)?.unwrap_or(1);
    members.finish()?;
    let missing = |name: &'static str| {
        Problem::members("missing_member", format!("\"{name}\" is missing")).with("member", name.into())
    };
    let tenant = tenant_named(state, &tenant.ok_or_else(|| missing("tenant"))?)?;
    let content_type = content_type.ok_or_else(|| missing("content_type"))?;
    // The number is in the range of u32.
    let all = state
        .feed
        .publish(tenant, content_type, contents as u32, unix(state.clock.now()));
    let body = json!({"tenant": tenant.id, "content_type": content_type.as_str(), "contents": all});
    Ok((StatusCode::OK, body))
}

/// Handles `POST /v1/reset`.
pub(crate) fn reset(call: &Call<'_>) -> Reply {
    let members: Members = call.members_if_any()?;
    members.finish()?;
    call.state.reset();
    clock(call)
}

/// Returns a redirect to the application as JSON, with its parameters.
fn redirect(redirect: Redirect) -> Value {
    let parameters: Map<String, Value> = redirect
        .parameters()
        .map(|(name, value)| (name, value.into()))
        .collect();
    json!({"result": "redirect", "redirect_url": redirect.url, "body": redirect.body, "parameters": parameters})
}

fn error_page(page: ErrorPage) -> Problem {
    Problem::new(StatusCode::CONFLICT, "error_page", page.message)
        .with("page_status", page.status.as_u16().into())
        .with("aadsts", page.aadsts.into())
}

pub(super) fn app_named<'a>(state: &'a State, name: &str) -> Result<&'a App, Problem> {
    state.directory.client_named(name).ok_or_else(|| {
        let names = state.directory.apps.iter().map(|app| app.name.as_str());
        unknown("app", name, APP, &names.collect::<Vec<_>>())
    })
}

pub(super) fn users_named<'a>(state: &'a State, name: &str) -> Result<Vec<(&'a Tenant, &'a User)>, Problem> {
    let users = state.users_named(name);
    if users.is_empty() {
        return Err(unknown("user", name, USER, &names(state)));
    }
    Ok(users)
}

pub(super) fn tenant_named<'a>(state: &'a State, name: &str) -> Result<&'a Tenant, Problem> {
    state.directory.tenant(name).ok_or_else(|| {
        let domains = state.directory.tenants.iter().map(|tenant| tenant.domain.as_str());
        unknown("tenant", name, TENANT, &domains.collect::<Vec<_>>())
    })
}

fn names(state: &State) -> Vec<&str> {
    state
        .users()
        .map(|(_, user)| user.user_principal_name.as_str())
        .collect()
}

pub(super) fn unknown(member: &str, name: &str, expected: &str, known: &[&str]) -> Problem {
    Problem::expected(member, &format!("{expected}, such as {}", some_of(known)), &name.into())
}

fn some_of(names: &[&str]) -> String {
    let some: Vec<&str> = names.iter().copied().take(MOST_NAMES).collect();
    some.join(", ")
}

pub(super) const APP: &str = "the name or the client ID of an application or a managed identity";
pub(super) const USER: &str = "the sign-in name, the object ID or the full name of a user";
pub(super) const TENANT: &str = "the ID or the domain of a tenant";
const MOST_NAMES: usize = 10;
