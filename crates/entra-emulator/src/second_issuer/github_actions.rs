//! The endpoint of GitHub Actions, which issues an assertion to a job.

use http::{Response, StatusCode};
use serde_json::{Map, Value, json};

use crate::exchange::{Exchange, no_store};
use crate::second_issuer::{failed, is_authorized, issue, unauthorized};
use crate::state::second_issuer::{GITHUB_SUBJECT, SecondIssuer};

/// Issues the assertion of a job. The parameter `subject`, which GitHub does not have, chooses
/// another subject.
pub(super) fn handle(exchange: &Exchange<'_>, issuer: &SecondIssuer) -> Response<Vec<u8>> {
    if !is_authorized(exchange, issuer) {
        return unauthorized(exchange, "ACTIONS_ID_TOKEN_REQUEST_TOKEN");
    }
    if exchange.query.duplicate().is_some() {
        return failed(
            exchange,
            StatusCode::BAD_REQUEST,
            "bad_request",
            "a parameter is given twice",
        );
    }
    let subject = exchange.query.value("subject").unwrap_or(GITHUB_SUBJECT);
    let claims = about(subject);
    let owner = claims
        .get("repository_owner")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let owner = format!("https://github.com/{owner}");
    let audience = exchange.query.value("audience").unwrap_or(&owner);
    let token = issue(exchange, issuer, (subject, audience), LIFETIME, claims);
    let body = json!({"count": token.len(), "value": token});
    no_store(exchange.json(StatusCode::OK, &body))
}

/// Returns the claims about the repository, the reference and the workflow of a subject.
fn about(subject: &str) -> Map<String, Value> {
    let mut parts = subject.split(':');
    let repository = match (parts.next(), parts.next()) {
        (Some("repo"), Some(repository)) => repository,
        _ => DEFAULT_REPOSITORY,
    };
    let reference = match (parts.next(), parts.next()) {
        (Some("ref"), Some(reference)) => reference,
        _ => "refs/heads/main",
    };
    let owner = repository.split('/').next().unwrap_or_default();
    let workflow = format!("{repository}/.github/workflows/build.yml@{reference}");
    let claims = json!({
        "repository": repository,
        "repository_owner": owner,
        "ref": reference,
        "workflow": "build",
        "workflow_ref": workflow,
        "job_workflow_ref": workflow,
        "runner_environment": "github-hosted",
    });
    match claims {
        Value::Object(claims) => claims,
        _ => Map::new(),
    }
}

const DEFAULT_REPOSITORY: &str = "contoso/app";
/// The lifetime in seconds.
const LIFETIME: u64 = 300;
