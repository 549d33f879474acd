//! The acquisition machine, driven by a script and a virtual clock.

use std::time::Duration;

use entra_proto::acquire::{Delivery, RetryPolicy, Step};
use entra_proto::{
    Application, Authority, Body, ClientCredential, ClientSecret, Error, Guid, Target, Timestamp, TokenRequest,
    TokenResponse,
};
use http::Response;

const NOW: Timestamp = Timestamp::from_secs(1_767_225_600);
const TOKEN: &str = r#"{"token_type":"Bearer","expires_in":3599,"access_token":"t"}"#;

/// The network's reaction to one request.
enum Network {
    Responds(u16, &'static str, &'static str),
    Breaks,
}
use Network::{Breaks, Responds};

/// The result of an acquisition: its outcome (`None` after a permanent network failure), the
/// requests sent and the waits.
struct Run {
    outcome: Option<Result<TokenResponse, Error>>,
    sent: Vec<Vec<u8>>,
    waits: Vec<Duration>,
}

fn application(credential: impl Into<ClientCredential>) -> Application {
    let authority: Authority = "https://login.microsoftonline.com/contoso.com".parse().unwrap();
    Application::new(authority, Guid::from_bytes([0xaa; 16]).into(), credential)
}

fn request() -> TokenRequest {
    let app = application(ClientSecret::new("s3cr/t").unwrap());
    app.client_credentials(Target::resource("https://graph.microsoft.com").unwrap())
        .unwrap()
}

fn run(policy: RetryPolicy, id: u8, script: &[Network]) -> Run {
    let mut run = Run {
        outcome: None,
        sent: Vec::new(),
        waits: Vec::new(),
    };
    let mut now = NOW;
    let mut script = script.iter();
    let mut step = request().start(policy, Guid::from_random([id; 16]), now).unwrap();
    loop {
        step = match step {
            Step::Exchange(exchange) => {
                run.sent.push(exchange.request().body().as_bytes().to_vec());
                now = now.plus(Duration::from_secs(1));
                let next = match script.next().expect("more requests than the script has responses") {
                    Responds(status, retry_after, body) => {
                        let mut response = Response::builder().status(*status);
                        if !retry_after.is_empty() {
                            response = response.header("retry-after", *retry_after);
                        }
                        exchange
                            .respond(&response.body(Body::from((*body).to_owned())).unwrap(), now)
                            .map(Some)
                    }
                    Breaks => exchange.failed(Delivery::MaybeSent, now),
                };
                match next {
                    Ok(Some(step)) => step,
                    Ok(None) => return run,
                    Err(error) => {
                        run.outcome = Some(Err(error));
                        return run;
                    }
                }
            }
            Step::Pause(pause) => {
                run.waits.push(pause.duration());
                now = now.plus(pause.duration());
                pause.resume(now).unwrap()
            }
            Step::Sign(_) | Step::Assert(_) => unreachable!("a secret does not need an assertion"),
            Step::Done(token) => {
                run.outcome = Some(Ok(token));
                return run;
            }
        };
    }
}

#[test]
fn one_request_yields_one_token() {
    let run = run(RetryPolicy::default(), 1, &[Responds(200, "", TOKEN)]);
    let token = run.outcome.unwrap().unwrap();
    assert_eq!(token.lifetime.received_at, NOW.plus(Duration::from_secs(1)));
    assert_eq!((run.sent.len(), run.waits.len()), (1, 0));
}

#[test]
fn transient_failures_are_retried_with_the_same_bytes() {
    for first in [
        Responds(500, "", ""),
        Responds(503, "", "<html>"),
        Responds(408, "", ""),
        Responds(200, "", ""),
        Breaks,
    ] {
        let run = run(RetryPolicy::default(), 1, &[first, Responds(200, "", TOKEN)]);
        assert!(run.outcome.unwrap().is_ok());
        assert_eq!(run.sent[0], run.sent[1]);
        assert!(run.waits[0] <= Duration::from_secs(1));
    }
}

#[test]
fn permanent_failures_are_not_retried() {
    for (status, body) in [
        (401, r#"{"error":"invalid_client","error_codes":[7000215]}"#),
        (400, r#"{"error":"invalid_scope","error_codes":[70011]}"#),
        (400, r#"{"error":"invalid_grant","error_codes":[65001]}"#),
        (200, r#"{"expires_in":3599}"#),
        (302, ""),
    ] {
        let run = run(RetryPolicy::default(), 1, &[Responds(status, "", body)]);
        assert!(run.outcome.unwrap().is_err());
        assert_eq!(run.sent.len(), 1, "{status} {body}");
    }
}

#[test]
fn last_error_of_three_attempts_is_the_outcome() {
    let busy = || Responds(503, "", r#"{"error":"temporarily_unavailable","error_codes":[90033]}"#);
    let down = run(RetryPolicy::default(), 1, &[busy(), busy(), busy()]);
    assert!(matches!(down.outcome, Some(Err(Error::Service(error))) if error.codes == [90033]));
    assert_eq!(down.sent.len(), 3);
    assert!(
        run(RetryPolicy::default(), 1, &[Breaks, Breaks, Breaks])
            .outcome
            .is_none()
    );
    assert_eq!(run(RetryPolicy::never(), 1, &[busy()]).sent.len(), 1);
}

#[test]
fn retry_after_is_waited_in_full_plus_jitter() {
    let run = run(
        RetryPolicy::default(),
        1,
        &[Responds(429, "7", ""), Responds(200, "", TOKEN)],
    );
    assert!(run.outcome.unwrap().is_ok());
    assert!(
        (Duration::from_secs(7)..=Duration::from_secs(8)).contains(&run.waits[0]),
        "{:?}",
        run.waits
    );
}

#[test]
fn wait_beyond_the_deadline_is_not_started() {
    let run = run(RetryPolicy::default(), 1, &[Responds(429, "3600", "")]);
    let error = run.outcome.unwrap().unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_secs(3600)));
    assert!(error.is_retryable() && run.waits.is_empty());
}

#[test]
fn waits_depend_on_the_request_id_only() {
    let waits = |id| run(RetryPolicy::default(), id, &[Breaks, Breaks, Responds(200, "", TOKEN)]).waits;
    assert_eq!(waits(1), waits(1));
    assert_ne!(waits(1), waits(2));
}

/// Returns the error for a response with this body to a request with this credential.
fn error_text(credential: impl Into<ClientCredential>, status: u16, body: &str) -> String {
    let request = application(credential).client_credentials(Target::resource("https://graph.microsoft.com").unwrap());
    let response = Response::builder().status(status).header("content-type", "text/s3cr/t");
    let error = request
        .unwrap()
        .decode(&response.body(Body::from(body.to_owned())).unwrap(), NOW)
        .unwrap_err();
    format!("{error} {error:?}")
}

#[test]
fn secret_echoed_by_a_proxy_is_redacted() {
    let secret = || ClientSecret::new("s3cr/t-value").unwrap();
    let long = format!("{}s3cr/t-value", "x".repeat(1018));
    for page in [
        "<html>could not pass on: grant_type=client_credentials&client_secret=s3cr%2Ft-value</html>",
        "could not pass on s3cr/t-value, s3cr%2Ft-value, s3cr%2ft-value",
        &long,
        r#"{"error":"s3cr/t-value","error_description":"s3cr%2Ft-value","suberror":"s3cr/t-value","trace_id":"s3cr/t-value"}"#,
        r#"{"error":"x","claims":{"s3cr/t-value":"s3cr/t-value"}}"#,
    ] {
        let text = error_text(secret(), 502, page);
        assert!(!text.contains("s3cr/t-v") && !text.contains("s3cr%2"), "{text}");
    }
    let text_of = |page| error_text(secret(), 502, page);
    assert!(text_of("could not pass on s3cr/t-value here").contains("could not pass on [secret] here"));

    // The header of Basic authentication: aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa:s3cr%2Ft-value
    let basic = "YWFhYWFhYWEtYWFhYS1hYWFhLWFhYWEtYWFhYWFhYWFhYWFhOnMzY3IlMkZ0LXZhbHVl";
    for page in [
        format!("you sent {basic}"),
        format!("<pre>Authorization: Basic {basic}</pre>"),
    ] {
        let text = error_text(ClientCredential::BasicSecret(secret()), 502, &page);
        assert!(!text.contains("YWFhYW"), "{text}");
    }
    let text = error_text(secret(), 200, r#"{"access_token":"t","token_type":"s3cr/t-value"}"#);
    assert!(!text.contains("s3cr/t-v"), "{text}");
}
