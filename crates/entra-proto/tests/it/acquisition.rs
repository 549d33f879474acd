//! The acquisition machine, driven by a script and a clock that stands where the test puts it.

use std::time::Duration;

use entra_proto::acquire::{Delivery, RetryPolicy, Step};
use entra_proto::{
    Application, Authority, Body, ClientCredential, ClientSecret, Error, Guid, Target, Timestamp, TokenRequest,
    TokenResponse,
};
use http::Response;

const NOW: Timestamp = Timestamp::from_secs(1_767_225_600);
const TOKEN: &str = r#"{"token_type":"Bearer","expires_in":3599,"access_token":"t"}"#;

/// What the network does with one request.
enum Network {
    Answers(u16, &'static str, &'static str),
    Breaks,
}
use Network::{Answers, Breaks};

/// How an acquisition went: its outcome (`None` where the network broke for good), the requests sent and the seconds waited.
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
    let mut step = request().start(policy, Guid::from_random([id; 16]), now);
    loop {
        step = match step {
            Step::Exchange(exchange) => {
                run.sent.push(exchange.request().body().as_bytes().to_vec());
                now = now.plus(Duration::from_secs(1));
                let next = match script.next().expect("more requests than the script has answers") {
                    Answers(status, retry_after, body) => {
                        let mut response = Response::builder().status(*status);
                        if !retry_after.is_empty() {
                            response = response.header("retry-after", *retry_after);
                        }
                        exchange
                            .respond(&response.body(Body::from((*body).to_owned())).unwrap(), now)
                            .map(Some)
                    }
                    Breaks => Ok(exchange.failed(Delivery::MaybeSent, now)),
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
                pause.resume(now)
            }
            Step::Sign(_) | Step::Assert(_) => unreachable!("a secret needs neither"),
            Step::Done(token) => {
                run.outcome = Some(Ok(token));
                return run;
            }
        };
    }
}

#[test]
fn one_request_one_token() {
    let run = run(RetryPolicy::default(), 1, &[Answers(200, "", TOKEN)]);
    let token = run.outcome.unwrap().unwrap();
    assert_eq!(token.lifetime.received_at, NOW.plus(Duration::from_secs(1)));
    assert_eq!((run.sent.len(), run.waits.len()), (1, 0));
}

#[test]
fn what_may_pass_is_tried_again_with_the_same_bytes() {
    for first in [
        Answers(500, "", ""),
        Answers(503, "", "<html>"),
        Answers(408, "", ""),
        Answers(200, "", ""),
        Breaks,
    ] {
        let run = run(RetryPolicy::default(), 1, &[first, Answers(200, "", TOKEN)]);
        assert!(run.outcome.unwrap().is_ok());
        assert_eq!(run.sent[0], run.sent[1]);
        assert!(run.waits[0] <= Duration::from_secs(1));
    }
}

#[test]
fn what_will_not_pass_is_not() {
    for (status, body) in [
        (401, r#"{"error":"invalid_client","error_codes":[7000215]}"#),
        (400, r#"{"error":"invalid_scope","error_codes":[70011]}"#),
        (400, r#"{"error":"invalid_grant","error_codes":[65001]}"#),
        (200, r#"{"expires_in":3599}"#),
        (302, ""),
    ] {
        let run = run(RetryPolicy::default(), 1, &[Answers(status, "", body)]);
        assert!(run.outcome.unwrap().is_err());
        assert_eq!(run.sent.len(), 1, "{status} {body}");
    }
}

#[test]
fn there_are_three_tries_and_the_last_error_is_the_outcome() {
    let busy = || Answers(503, "", r#"{"error":"temporarily_unavailable","error_codes":[90033]}"#);
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
fn retry_after_is_waited_in_full_and_a_little_longer() {
    let run = run(
        RetryPolicy::default(),
        1,
        &[Answers(429, "7", ""), Answers(200, "", TOKEN)],
    );
    assert!(run.outcome.unwrap().is_ok());
    assert!(
        (Duration::from_secs(7)..=Duration::from_secs(8)).contains(&run.waits[0]),
        "{:?}",
        run.waits
    );
}

#[test]
fn a_wait_that_is_too_long_is_not_begun() {
    let run = run(RetryPolicy::default(), 1, &[Answers(429, "3600", "")]);
    let error = run.outcome.unwrap().unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_secs(3600)));
    assert!(error.is_retryable() && run.waits.is_empty());
}

#[test]
fn the_waits_depend_on_the_request_id_alone() {
    let waits = |id| run(RetryPolicy::default(), id, &[Breaks, Breaks, Answers(200, "", TOKEN)]).waits;
    assert_eq!(waits(1), waits(1));
    assert_ne!(waits(1), waits(2));
}

/// What an error tells of an answer with this body, to a request with this credential.
fn told(credential: impl Into<ClientCredential>, status: u16, body: &str) -> String {
    let request = application(credential).client_credentials(Target::resource("https://graph.microsoft.com").unwrap());
    let response = Response::builder().status(status).header("content-type", "text/s3cr/t");
    let error = request
        .unwrap()
        .decode(&response.body(Body::from(body.to_owned())).unwrap(), NOW)
        .unwrap_err();
    format!("{error} {error:?}")
}

#[test]
fn a_proxy_that_shows_the_request_does_not_give_the_secret_away() {
    let secret = || ClientSecret::new("s3cr/t-value").unwrap();
    let long = format!("{}s3cr/t-value", "x".repeat(1018));
    for page in [
        "<html>could not pass on: grant_type=client_credentials&client_secret=s3cr%2Ft-value</html>",
        "could not pass on s3cr/t-value, s3cr%2Ft-value, s3cr%2ft-value",
        &long,
        r#"{"error":"s3cr/t-value","error_description":"s3cr%2Ft-value","suberror":"s3cr/t-value","trace_id":"s3cr/t-value"}"#,
        r#"{"error":"x","claims":{"s3cr/t-value":"s3cr/t-value"}}"#,
    ] {
        let told = told(secret(), 502, page);
        assert!(!told.contains("s3cr/t-v") && !told.contains("s3cr%2"), "{told}");
    }
    let told_of = |page| told(secret(), 502, page);
    assert!(told_of("could not pass on s3cr/t-value here").contains("could not pass on [secret] here"));

    // The header of Basic authentication: aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa:s3cr%2Ft-value
    let basic = "YWFhYWFhYWEtYWFhYS1hYWFhLWFhYWEtYWFhYWFhYWFhYWFhOnMzY3IlMkZ0LXZhbHVl";
    for page in [
        format!("you sent {basic}"),
        format!("<pre>Authorization: Basic {basic}</pre>"),
    ] {
        let told = told(ClientCredential::BasicSecret(secret()), 502, &page);
        assert!(!told.contains("YWFhYW"), "{told}");
    }
    let told = told(secret(), 200, r#"{"access_token":"t","token_type":"s3cr/t-value"}"#);
    assert!(!told.contains("s3cr/t-v"), "{told}");
}
