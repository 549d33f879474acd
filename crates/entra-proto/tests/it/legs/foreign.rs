//! Assertions that a service other than Entra issues.

use std::time::Duration;

use entra_proto::acquire::{RetryPolicy, Step};
use entra_proto::acquired::{AcquiredCredential, AssertionExchange};
use entra_proto::assertion::ClientAssertion;
use entra_proto::error::ErrorClass;
use entra_proto::{Body, Error, Guid, Timestamp};
use http::{Request, Response};

use super::support::*;

#[test]
fn foreign_service_can_issue_the_first_assertion() {
    let assertion = Responds(200, r#"{"count":1,"value":"o.i.dc"}"#);
    let run = run(
        two_legs(of_pipeline()),
        &[assertion, Issues("t.1.x", 3600), Issues("graph", 3600)],
    );
    assert!(run.is_done());
    assert_eq!(run.clients(), "xbc");
    assert_eq!(run.sent[0].authorization.as_deref(), Some("Bearer canary~of~the~job"));
    assert!(run.sent[0].form.is_empty());
    assert_eq!(run.sent[1].get("client_assertion"), Some("o.i.dc"));
    // The secrets of one service are never sent to another.
    for sent in &run.sent[1..] {
        assert!(sent.uri.starts_with("https://login.microsoftonline.com/") && sent.authorization.is_none());
    }
}

#[test]
fn foreign_failures_are_retried_by_their_status() {
    const ASSERTION: Network = Responds(200, r#"{"value":"o.i.dc"}"#);
    let one = || for_graph(&application(0xbb, of_pipeline()));
    for busy in [408, 429, 500, 502, 503] {
        let run = run(one(), &[Responds(busy, ""), ASSERTION, Issues("graph", 3600)]);
        assert!(run.is_done() && run.waits.len() == 1, "{busy}");
    }
    let run_with = |script: &[Network]| run(one(), script);
    let run = run_with(&[
        RespondsWith(429, "retry-after", "7", ""),
        ASSERTION,
        Issues("graph", 3600),
    ]);
    assert!(run.is_done() && run.waits[0] >= Duration::from_secs(7));
    let run = run_with(&[RespondsWith(429, "retry-after", "600", "")]);
    assert_eq!(run.error().retry_after(), Some(Duration::from_secs(600)));
    assert!(run.error().is_retryable() && run.error().class() == ErrorClass::Transient);
    for status in [400, 401, 403, 404] {
        let run = run_with(&[Responds(status, "canary")]);
        let text = run.error().to_string();
        assert!(!run.error().is_retryable() && !text.contains("canary"), "{text}");
        assert!(
            text.contains(&format!("status {status}"))
                && run.error().hint() == Some("grant the job the permission id-tokens")
        );
    }
}

#[test]
fn foreign_redirects_and_floods_are_not_decoded() {
    struct Unread;
    impl AssertionExchange for Unread {
        fn name(&self) -> &str {
            "the pipeline"
        }

        fn request(&self, audience: &str, id: Guid) -> Request<Body> {
            Pipeline.request(audience, id)
        }

        fn decode(&self, response: &Response<Body>, _: Timestamp) -> Result<ClientAssertion, Error> {
            panic!("{}", response.status())
        }
    }
    let start = || {
        let app = application(0xbb, AcquiredCredential::of_exchange(Unread));
        for_graph(&app)
            .start(RetryPolicy::default(), Guid::from_random([7; 16]), NOW)
            .unwrap()
    };
    let redirect = RespondsWith(302, "location", "https://canary.example/", "");
    let run = drive(start(), &[redirect], Duration::ZERO);
    assert!(run.error().to_string().contains("redirect") && !run.shown.contains("canary"));

    let Step::Exchange(exchange) = start() else { panic!() };
    let flood = Response::new(Body::new(vec![b' '; entra_proto::acquire::MAX_RESPONSE + 1]));
    let error = exchange.respond(&flood, NOW).unwrap_err();
    assert!(error.to_string().contains("longer than"), "{error}");
}
