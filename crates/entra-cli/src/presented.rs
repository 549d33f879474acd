//! An assertion of another issuer, for people: what it says, why Entra would reject it, and what to
//! register.

use std::fmt::Write as _;

use entra_proto::assertion::ClientAssertion;
use entra_proto::federation::{PresentedAssertion, Workload};
use entra_proto::{Cloud, Timestamp};
use serde_json::{Map, Value, json};

use crate::exit::Failure;
use crate::files::{print, print_json, tell};
use crate::message::warn;
use crate::sanitize::harmless;
use crate::time_format::{from_now, put_time, utc};

/// Prints an assertion without its signature: its claims, and the federated credential that
/// matches it. Its problems are warnings.
///
/// # Errors
/// Returns an error if the text is no assertion, or if it cannot be registered.
pub(crate) fn show(assertion: &ClientAssertion, cloud: &Cloud, as_json: bool) -> Result<(), Failure> {
    let presented = PresentedAssertion::read(assertion.expose())?;
    tell("not verified: these claims may be forged");
    let now = entra_transport::now();
    for problem in presented.problems(cloud, now) {
        warn(&problem, problem.hint());
    }
    if let Some((problem, hint)) = other_subject(&presented) {
        warn(problem, hint);
    }
    if as_json {
        return print_json(&to_json(&presented, cloud, now)?);
    }
    print(&describe(&presented))?;
    let registration = presented.registration(cloud)?;
    print(&format!("\nregistration\n{}", registration.to_json()))
}

/// Returns a warning about the two forms of the subjects of GitHub.
pub(crate) fn other_subject(presented: &PresentedAssertion) -> Option<(String, &'static str)> {
    let other = presented.other_subject()?;
    let Workload::GitHubActions(subject) = presented.workload() else {
        return None;
    };
    Some(match subject.ids() {
        Some(_) => (
            format!("the subject contains the IDs of owner and repository; the subject {other} does not match it"),
            "register the subject with the IDs: an owner or a repository that takes over the name later does not match it",
        ),
        None => (
            format!("the subject contains names only; the subject {other} of GitHub's newer format does not match it"),
            "register both subjects before the repository changes to subjects with IDs",
        ),
    })
}

fn describe(presented: &PresentedAssertion) -> String {
    let shown = |value: Option<&str>| value.map_or_else(|| "none".to_owned(), harmless);
    let audiences: Vec<String> = presented.audiences().map(harmless).collect();
    let mut text = String::new();
    let mut row = |name: &str, value: &str| {
        let _ = writeln!(text, "{name:<10} {value}");
    };
    row("issuer", &shown(presented.issuer()));
    row("subject", &shown(presented.subject()));
    row(
        "audience",
        &match audiences.is_empty() {
            true => "none".to_owned(),
            false => audiences.join(", "),
        },
    );
    row("algorithm", &shown(presented.algorithm()));
    if presented.workload() != Workload::Other {
        row("workload", &harmless(&presented.workload().to_string()));
    }
    row(
        "expires",
        &match presented.expires_at() {
            Some(moment) => format!("{}, {}", utc(moment), from_now(moment)),
            None => "never".to_owned(),
        },
    );
    text.truncate(text.trim_end().len());
    text
}

fn to_json(presented: &PresentedAssertion, cloud: &Cloud, now: Timestamp) -> Result<Value, Failure> {
    let workload = presented.workload();
    let mut object = Map::new();
    object.insert("issuer".to_owned(), presented.issuer().into());
    object.insert("subject".to_owned(), presented.subject().into());
    object.insert("audiences".to_owned(), presented.audiences().collect());
    object.insert("algorithm".to_owned(), presented.algorithm().into());
    if workload != Workload::Other {
        object.insert("workload".to_owned(), workload.to_string().into());
    }
    if let Some(moment) = presented.expires_at() {
        put_time(&mut object, "expires", moment);
    }
    if let Some(other) = presented.other_subject() {
        object.insert("other_subject".to_owned(), other.to_string().into());
    }
    let problems = presented.problems(cloud, now);
    let problems = problems.iter().map(|problem| {
        json!({
            "problem": problem.to_string(),
            "hints": [problem.hint()],
            "aadsts_code": problem.code(),
        })
    });
    object.insert("problems".to_owned(), problems.collect());
    let registration = presented.registration(cloud)?.to_json();
    let registration: Value = serde_json::from_str(&registration).unwrap_or_default();
    object.insert("registration".to_owned(), registration);
    Ok(object.into())
}
