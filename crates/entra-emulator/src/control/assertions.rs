//! Assertions of the second issuer.

use std::time::Duration;

use http::StatusCode;
use serde_json::json;

use crate::control::call::{Call, Reply};
use crate::control::problem::Problem;
use crate::control::tokens::{algorithm, changes};
use crate::forge::AssertionForge;

/// Handles `POST /v1/assertions`.
pub(crate) fn issue(call: &Call<'_>) -> Reply {
    let mut members = call.members_if_any()?;
    let Some(issuer) = &call.state.second_issuer else {
        let message = "the emulator has no second issuer: start it with --second-issuer";
        return Err(Problem::new(StatusCode::CONFLICT, "no_second_issuer", message));
    };
    let mut forge = AssertionForge::new(call.state, issuer);
    let subject = members.text("subject", "the subject (sub)")?;
    let audience = members.text("audience", "the audience (aud)")?;
    let account = members.read_as("service_account", "NAMESPACE/NAME of a cluster", |value| {
        let (namespace, name) = value.as_str()?.split_once('/')?;
        let is_name = |name: &str| !name.is_empty() && !name.contains([':', '/']);
        (is_name(namespace) && is_name(name)).then(|| (namespace.to_owned(), name.to_owned()))
    })?;
    Problem::at_most_one(&[("subject", subject.is_some()), ("service_account", account.is_some())])?;
    if let Some(audience) = audience {
        forge = forge.audience(audience);
    }
    if let Some(subject) = subject {
        forge = forge.subject(subject);
    }
    if let Some((namespace, name)) = account {
        forge = forge.kubernetes(&namespace, &name);
    }
    if let Some(seconds) = members.integer("lifetime_seconds", "seconds", 0, LONGEST)? {
        forge = forge.lifetime(Duration::from_secs(seconds));
    }
    let key = members.read_as("key", "\"unpublished\"", |value| {
        value.as_str().filter(|key| *key == "unpublished").map(drop)
    })?;
    if key.is_some() {
        forge = forge.unpublished_key();
    }
    if let Some(algorithm) = algorithm(&mut members)? {
        forge = forge.algorithm(algorithm);
    }
    for change in changes(&mut members)? {
        forge = forge.change(change);
    }
    members.finish()?;
    let issued = forge.make();
    let body = json!({"assertion": issued.token, "header": issued.header, "claims": issued.claims});
    Ok((StatusCode::CREATED, body))
}

/// The longest lifetime: a hundred years, in seconds.
const LONGEST: u64 = 3_155_760_000;
