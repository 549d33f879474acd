//! The device flow at its limits: a service that never ends it, one attempt, short codes, many assertions.

use std::time::Duration;

use super::device::Event::Asked;
use super::device::Network::{Answers, Breaks};
use super::device::{CODE, DONE, LONG, NOW, Network, PENDING, PENDS, SLOW_DOWN, STARTS, drive, request};
use entra_proto::acquire::{RetryPolicy, Step};
use entra_proto::assertion::{Signer, SignerError, SigningAlgorithm, SigningCertificate};
use entra_proto::claims::UnverifiedClaims;
use entra_proto::error::ErrorClass;
use entra_proto::report::Report;
use entra_proto::{Body, ClientCredential, Guid};
use http::Response;

#[test]
fn a_service_that_says_pending_for_ever_is_asked_until_the_code_has_expired() {
    let run = drive(request(ClientCredential::Public), RetryPolicy::default(), 0, |at| {
        if at == 0 { STARTS } else { PENDS }
    });
    assert_eq!((run.polls().len(), run.polls().last()), (179, Some(&895)));
    let error = run.refusal();
    let service = error.service().unwrap();
    assert_eq!(
        (service.error.as_str(), service.class(), service.status),
        ("expired_token", ErrorClass::Grant, 400)
    );
    assert_eq!(
        (service.trace_id.as_deref(), error.is_retryable()),
        (Some("00000000-0000-4000-8000-000000000001"), false)
    );
    assert!(
        format!("{:#}", Report::of(&error)).starts_with("expired_token; start"),
        "{error}"
    );
    // It is not waited for longer than the code lives.
    let script = [STARTS, Answers(400, "896", PENDING)];
    let late = drive(request(ClientCredential::Public), RetryPolicy::default(), 0, |at| {
        script[at]
    });
    assert_eq!(
        (late.polls(), late.refusal().service().unwrap().error.as_str()),
        (vec![5], "expired_token")
    );
}

#[test]
fn pending_may_pass_but_nobody_else_waits_for_a_person() {
    let started = Response::new(Body::from(CODE.to_owned()));
    let authorization = request(ClientCredential::Public).decode(&started, NOW).unwrap();
    let poll = request(ClientCredential::Public).poll(&authorization).unwrap();
    for body in [PENDING, SLOW_DOWN] {
        let response = Response::builder()
            .status(400)
            .body(Body::from(body.to_owned()))
            .unwrap();
        let error = poll.decode(&response, NOW).unwrap_err();
        assert!(
            error.is_retryable() && error.service().unwrap().class() == ErrorClass::Transient,
            "{error}"
        );
        let Step::Exchange(exchange) = poll
            .clone()
            .start(RetryPolicy::default(), Guid::from_bytes([7; 16]), NOW)
        else {
            panic!("a public client proves nothing")
        };
        assert!(
            exchange.respond(&response, NOW).is_err(),
            "the interval is the caller's to keep"
        );
    }
}

#[test]
fn a_policy_of_one_attempt_polls_on_and_forgives_nothing() {
    let with = |script: &[Network]| {
        drive(request(ClientCredential::Public), RetryPolicy::never(), 0, |at| {
            script[at]
        })
    };
    assert!(with(&[STARTS, PENDS, PENDS, DONE]).outcome.unwrap().is_ok());
    assert!(with(&[STARTS, PENDS, Answers(503, "", "")]).refusal().is_retryable());
    assert!(with(&[STARTS, PENDS, Breaks]).outcome.is_none());
    assert!(with(&[Breaks]).outcome.is_none());
}

struct Pen;

impl Signer for Pen {
    fn certificate(&self) -> SigningCertificate {
        SigningCertificate::new([1; 20], [2; 32], Vec::new())
    }

    fn sign(&self, _: &SigningCertificate, _: SigningAlgorithm, input: &[u8]) -> Result<Vec<u8>, SignerError> {
        Ok(input.len().to_string().into_bytes())
    }
}

#[test]
fn a_certificate_signs_every_poll_with_an_assertion_of_its_own() {
    let busy = Answers(503, "", "");
    let script = [busy, STARTS, PENDS, busy, PENDS, PENDS, DONE];
    let run = drive(request(Pen), RetryPolicy::default(), 0, |at| script[at]);
    assert!(run.outcome.unwrap().is_ok());
    // The device-code endpoint asks for no proof.
    assert_eq!((run.events[0].clone(), run.assertions.len()), (Asked(0), 5));
    let mut ids: Vec<String> = run
        .assertions
        .iter()
        .map(|jwt| UnverifiedClaims::decode(jwt).unwrap().get("jti").unwrap().to_string())
        .collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 5);
}

/// A word of the protocol stays one where the code is a letter of it.
#[test]
fn the_shortest_device_code_is_waited_for_too() {
    let script = [Answers(200, "", LONG), PENDS, Answers(400, "", SLOW_DOWN), DONE];
    let run = drive(request(ClientCredential::Public), RetryPolicy::default(), 0, |at| {
        script[at]
    });
    assert_eq!(run.polls(), [5, 10, 20]);
}

/// However many attempts a policy allows, no assertion has the id of another one.
#[test]
fn not_even_hundreds_of_attempts_repeat_an_assertion() {
    let mut policy = RetryPolicy::default();
    (policy.max_attempts, policy.deadline) = (1000, Duration::from_secs(100_000));
    let long = Answers(200, "", LONG);
    let run = drive(request(Pen), policy, 0, |at| match at {
        0 => long,
        1..=400 => Answers(503, "", ""),
        401..=404 => PENDS,
        _ => DONE,
    });
    let mut ids: Vec<String> = run
        .assertions
        .iter()
        .map(|jwt| UnverifiedClaims::decode(jwt).unwrap().get("jti").unwrap().to_string())
        .collect();
    let count = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!((count, ids.len()), (405, 405));
}
