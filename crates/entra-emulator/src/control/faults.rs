//! The faults of the control API.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, StatusCode};
use serde_json::{Map, Value, json};

use crate::aadsts::Aadsts;
use crate::control::call::{Call, Reply};
use crate::control::members::{Members, whole};
use crate::control::problem::Problem;
use crate::landing;
use crate::state::fault::{Cut, Fault, Replacement, RetryAfter, Skew};

/// Handles `GET /v1/faults`.
pub(crate) fn list(call: &Call<'_>) -> Reply {
    let faults: Vec<Value> = call.state.script.list().iter().map(shown).collect();
    Ok((StatusCode::OK, json!({"faults": faults})))
}

/// Handles `POST /v1/faults`.
pub(crate) fn add(call: &Call<'_>) -> Reply {
    let fault = read(call.members()?)?;
    let body = json!({"fault": shown(&fault)});
    if call.state.script.push_within(MOST, fault) {
        return Ok((StatusCode::CREATED, body));
    }
    let message = format!("{MOST} faults are pending already; DELETE /v1/faults deletes them");
    Err(Problem::new(StatusCode::CONFLICT, "too_many_faults", message))
}

/// Handles `DELETE /v1/faults`.
pub(crate) fn clear(call: &Call<'_>) -> Reply {
    call.state.script.clear();
    Ok((StatusCode::OK, json!({"faults": []})))
}

fn read(mut members: Members) -> Result<Fault, Problem> {
    let path = members.read_as(
        "path",
        "a part of a path, without host and query, such as \"/oauth2/v2.0/token\", and not /healthz",
        |value| value.as_str().filter(|text| may_strike(text)).map(str::to_owned),
    )?;
    let times = members.read_as("times", "an integer from 1 to 4294967295, or \"always\"", |value| {
        if value.as_str() == Some("always") {
            return Some(None);
        }
        let times = whole(value).and_then(|times| u32::try_from(times).ok());
        times.filter(|times| *times > 0).map(Some)
    })?;
    let one_in = members.integer("one_in", "requests", 1, u64::from(u32::MAX))?;
    let status = members.integer("status", "a status", 200, 599)?;
    let aadsts = members.read_as(
        "aadsts",
        "an AADSTS code of the emulator's table, such as 90033",
        |value| {
            let code = u32::try_from(whole(value)?).ok()?;
            Aadsts::find(code).map(|row| row.code)
        },
    )?;
    let text = members.read_as("body", "a string", |value| {
        value.as_str().map(|text| text.as_bytes().to_vec())
    })?;
    let json = members.any("json").map(|value| value.to_string().into_bytes());
    let bytes = members.read_as("body_base64", "bytes in base64", |value| {
        STANDARD.decode(value.as_str()?).ok()
    })?;
    let is_header = |value: &Value| {
        let text = value.as_str().filter(|text| !text.is_empty())?;
        HeaderValue::from_str(text).is_ok().then(|| text.to_owned())
    };
    let redirect = members.read_as("redirect", "the value of a Location header", is_header)?;
    let reset = members.flag("reset")?;
    let content_type = members.read_as("content_type", "the value of a Content-Type header", is_header)?;
    let retry_after = members.integer("retry_after", "seconds", 0, LONGEST)?;
    let retry_after_date = members.integer("retry_after_date", "seconds from now", 0, LONGEST)?;
    let latency = members.integer("latency_ms", "milliseconds", 0, LONGEST_LATENCY)?;
    let truncate = members.integer("truncate", "bytes", 0, u64::from(u32::MAX))?;
    let huge = members.integer("huge", "bytes", 0, 1 << 40)?;
    let endless = members.flag("endless")?;
    let skew = members.read_as(
        "date_skew",
        "seconds, an integer from -3155760000 to 3155760000",
        |value| whole(value).filter(|seconds| seconds.unsigned_abs() <= LONGEST),
    )?;

    members.finish()?;

    let bodies = [("body", text), ("json", json), ("body_base64", bytes)];
    let given = bodies.each_ref().map(|(name, body)| (*name, body.is_some()));
    Problem::at_most_one(&given)?;
    let named = given
        .iter()
        .find(|(_, is_given)| *is_given)
        .map_or("body", |(name, _)| name);
    let body = bodies.into_iter().find_map(|(_, body)| body);
    let cuts = [
        ("truncate", truncate.is_some()),
        ("huge", huge.is_some()),
        ("endless", endless),
    ];
    Problem::at_most_one(&cuts)?;
    let waits = [
        ("retry_after", retry_after.is_some()),
        ("retry_after_date", retry_after_date.is_some()),
    ];
    Problem::at_most_one(&waits)?;
    Problem::at_most_one(&[
        ("aadsts", aadsts.is_some()),
        ("redirect", redirect.is_some()),
        ("reset", reset),
        (named, body.is_some()),
        // The status may accompany a redirect or a body.
        ("status", status.is_some() && redirect.is_none() && body.is_none()),
    ])?;
    if let (Some(code), Some(_)) = (status, &redirect)
        && ![301, 302, 303, 307, 308].contains(&code)
    {
        let expected = "301, 302, 303, 307 or 308 beside \"redirect\"";
        return Err(Problem::expected("status", expected, &code.into()));
    }
    if reset {
        let more = [("content_type", content_type.is_some()), ("date_skew", skew.is_some())];
        for useless in waits.into_iter().chain(cuts).chain(more) {
            Problem::at_most_one(&[("reset", true), useless])?;
        }
    }

    // The status is in the range of u16.
    let status = status.map(|status| status as u16);
    let mut fault = match (aadsts, redirect, body, status) {
        (Some(code), ..) => Fault::aadsts(code),
        (_, Some(location), _, status) => Fault::redirect(status.unwrap_or(302), location),
        _ if reset => Fault::reset(),
        (_, _, Some(body), status) => Fault::status(status.unwrap_or(200)).with_body(body),
        (.., Some(status)) => Fault::status(status),
        _ if huge.is_some() || endless => Fault::endless(),
        _ => Fault::touching(),
    };
    if let Some(bytes) = truncate {
        fault = fault.cut(Cut::After(bytes as usize));
    }
    if let Some(bytes) = huge {
        fault = fault.cut(Cut::Repeated(bytes));
    }
    if endless {
        fault = fault.cut(Cut::Endless);
    }
    if let Some(seconds) = retry_after {
        fault = fault.retry_after(Duration::from_secs(seconds));
    }
    if let Some(seconds) = retry_after_date {
        fault = fault.retry_after_date(Duration::from_secs(seconds));
    }
    if let Some(content_type) = content_type {
        fault = fault.content_type(content_type);
    }
    if let Some(milliseconds) = latency {
        fault = fault.latency(Duration::from_millis(milliseconds));
    }
    if let Some(seconds) = skew {
        fault = fault.skewed(seconds);
    }
    if !fault.does_something() {
        return Err(Problem::members(
            "missing_member",
            "a fault requires at least one of status, aadsts, body, json, body_base64, redirect, reset, \
             retry_after, retry_after_date, content_type, latency_ms, truncate, huge, endless or date_skew"
                .to_owned(),
        ));
    }
    if let Some(path) = path {
        fault = fault.on(path);
    }
    if let Some(requests) = one_in {
        // The number is in the range of u32.
        fault = fault.one_in(requests as u32);
    }
    Ok(match times {
        None => fault,
        Some(None) => fault.always(),
        Some(Some(times)) => fault.times(times),
    })
}

/// Returns true if this can be a part of the path of a request that faults apply to.
fn may_strike(part: &str) -> bool {
    let is_foreign = |c: char| matches!(c, '?' | '#') || c.is_whitespace();
    !part.is_empty() && !part.contains(is_foreign) && !part.contains("://") && !landing::is_health(part)
}

/// Returns a fault as JSON, with the number of times that are left.
fn shown(fault: &Fault) -> Value {
    let mut members = Map::new();
    let mut put = |name: &str, value: Value| members.insert(name.to_owned(), value);
    put("name", fault.name().into());
    put("path", fault.path.clone().into());
    if fault.one_in != 1 {
        put("one_in", fault.one_in.into());
    }
    put("times", fault.left.map_or_else(|| "always".into(), Value::from));
    match &fault.replace {
        Some(Replacement::Status(status)) => {
            put("status", status.as_u16().into());
        }
        Some(Replacement::Aadsts(code)) => {
            put("aadsts", (*code).into());
        }
        Some(Replacement::Redirect(status, location)) => {
            put("status", status.as_u16().into());
            put("redirect", location.clone().into());
        }
        Some(Replacement::Reset) => {
            put("reset", true.into());
        }
        Some(Replacement::Body(status, body)) => {
            put("status", status.as_u16().into());
            put("body_bytes", body.len().into());
            if let Ok(text) = std::str::from_utf8(body)
                && body.len() <= LONGEST_SHOWN
            {
                put("body", text.into());
            }
        }
        None => {}
    }
    match fault.delivery.cut {
        Cut::After(bytes) => put("truncate", bytes.into()),
        Cut::Repeated(bytes) => put("huge", bytes.into()),
        Cut::Endless => put("endless", true.into()),
        Cut::Whole | Cut::Reset => None,
    };
    match fault.retry_after {
        Some(RetryAfter::Seconds(seconds)) => put("retry_after", seconds.into()),
        Some(RetryAfter::Date(delay)) => put("retry_after_date", delay.as_secs().into()),
        None => None,
    };
    if let Some(content_type) = &fault.content_type {
        put("content_type", content_type.clone().into());
    }
    if let Some(latency) = fault.delivery.latency {
        put("latency_ms", (latency.as_millis() as u64).into());
    }
    match fault.date_skew {
        Some(Skew::Ahead(by)) => put("date_skew", by.as_secs().into()),
        Some(Skew::Behind(by)) => put("date_skew", (-(by.as_secs() as i64)).into()),
        None => None,
    };
    Value::Object(members)
}

/// The largest number of pending faults: each may have a body of its own.
const MOST: usize = 256;
/// The longest delay and clock skew: a hundred years, in seconds.
const LONGEST: u64 = 3_155_760_000;
/// The longest latency in milliseconds: ten minutes, the age limit of connections.
const LONGEST_LATENCY: u64 = 600_000;
/// The largest body, in bytes, that the list of faults shows.
const LONGEST_SHOWN: usize = 4_096;
