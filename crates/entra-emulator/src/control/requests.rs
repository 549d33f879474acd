//! The recorded requests, without secrets.

use http::StatusCode;
use serde_json::{Value, json};

use crate::control::call::{Call, Reply, with_moment};
use crate::control::problem::Problem;
use crate::redact::redacted;
use crate::state::State;
use crate::state::recorder::{Channel, Endpoint, Purpose, RequestEvent};

/// Handles `GET /v1/requests`.
pub(crate) fn list(call: &Call<'_>) -> Reply {
    let query = call.request.uri().query().unwrap_or_default();
    let mut after = None;
    for (_, value) in form_urlencoded::parse(query.as_bytes()) {
        let number = value.parse::<u64>().ok().filter(|_| after.is_none());
        let problem = || Problem::query("after", "takes the number of a request, once", &["after"]);
        after = Some(number.ok_or_else(problem)?);
    }
    let (events, count) = call.state.recorder.events_after(after.unwrap_or(0));
    let requests: Vec<Value> = events.iter().map(|event| shown(call.state, event)).collect();
    Ok((StatusCode::OK, json!({"count": count, "requests": requests})))
}

/// Handles `DELETE /v1/requests`.
pub(crate) fn clear(call: &Call<'_>) -> Reply {
    call.state.recorder.clear();
    let count = call.state.recorder.count();
    Ok((StatusCode::OK, json!({"count": count, "requests": []})))
}

fn shown(state: &State, event: &RequestEvent) -> Value {
    let clean = |text: &str| redacted(&state.directory, event, text);
    let lints = &event.shown.lints;
    let request = json!({
        "number": event.index + 1,
        "channel": match event.channel {
            Channel::Memory => "memory",
            Channel::Http => "http",
            Channel::Https => "https",
        },
        "method": clean(event.method.as_str()),
        "path": event.shown.path,
        "purpose": event.purpose.map(|purpose| match purpose {
            Purpose::Token => "token",
            Purpose::Authorize => "authorize",
            Purpose::AdminConsent => "admin_consent",
            Purpose::DeviceCode => "device_code",
            Purpose::DeviceLogin => "device_login",
            Purpose::SignIn => "sign_in",
            Purpose::ManagedIdentity => "managed_identity",
            Purpose::InstanceMetadata => "instance_metadata",
            Purpose::Assertion => "assertion",
        }),
        "endpoint": event.endpoint.map(|endpoint| match endpoint {
            Endpoint::V1 => "v1",
            Endpoint::V2 => "v2",
        }),
        "tenant": event.tenant.as_deref().map(clean),
        "client_id": event.client_id.as_deref().map(clean),
        "grant": event.grant.as_deref().map(clean),
        "target": event.target.as_deref().map(clean),
        "status": event.status.as_u16(),
        "aadsts": event.aadsts,
        "problem": event.problem,
        "lints": lints,
        "fault": event.fault,
    });
    with_moment(request, "received", event.at)
}
