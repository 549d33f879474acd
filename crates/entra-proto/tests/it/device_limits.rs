//! The device flow at its limits: endless polling, one attempt, short codes, many assertions.

use std::time::Duration;

use super::device::Event::Requested;
use super::device::Network::{Breaks, Responds};
use super::device::{CODE, DONE, LONG, NOW, Network, PENDING, PENDS, SLOW_DOWN, STARTS, drive, request};
use entra_proto::acquire::{RetryPolicy, Step};
use entra_proto::assertion::{Signer, SignerError, SigningAlgorithm, SigningCertificate};
use entra_proto::claims::UnverifiedClaims;
use entra_proto::error::ErrorClass;
use entra_proto::report::Report;
use entra_proto::{Body, ClientCredential, Guid};
use http::Response;

#[test]
fn pending_service_is_polled_until_the_code_expires() {
    let run = drive(request(ClientCredential::Public), RetryPolicy::default(), 0, |at| {
        if at == 0 { STARTS } else { PENDS }
    });
    assert_eq!((run.polls().len(), run.polls().last()), (179, Some(&895)));
    let error = run.error();
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
    // A wait that exceeds the lifetime of the code is not started.
    let script = [STARTS, Responds(400, "896", PENDING)];
    let late = drive(request(ClientCredential::Public), RetryPolicy::default(), 0, |at| {
        script[at]
    });
    assert_eq!(
        (late.polls(), late.error().service().unwrap().error.as_str()),
        (vec![5], "expired_token")
    );
}

#[test]
fn pending_is_retryable_but_not_retried_by_an_acquisition() {
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
            .unwrap()
        else {
            panic!("a public client has no credential")
        };
        assert!(
            exchange.respond(&response, NOW).is_err(),
            "the caller must respect the interval"
        );
    }
}

#[test]
fn policy_of_one_attempt_ends_with_the_first_failure() {
    let with = |script: &[Network]| {
        drive(request(ClientCredential::Public), RetryPolicy::never(), 0, |at| {
            script[at]
        })
    };
    assert!(with(&[STARTS, PENDS, PENDS, DONE]).outcome.unwrap().is_ok());
    assert!(with(&[STARTS, PENDS, Responds(503, "", "")]).error().is_retryable());
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
fn certificate_signs_a_new_assertion_for_each_poll() {
    let busy = Responds(503, "", "");
    let script = [busy, STARTS, PENDS, busy, PENDS, PENDS, DONE];
    let run = drive(request(Pen), RetryPolicy::default(), 0, |at| script[at]);
    assert!(run.outcome.unwrap().is_ok());
    // The device-code endpoint requires no credential.
    assert_eq!((run.events[0].clone(), run.assertions.len()), (Requested(0), 5));
    let mut ids: Vec<String> = run
        .assertions
        .iter()
        .map(|jwt| UnverifiedClaims::decode(jwt).unwrap().get("jti").unwrap().to_string())
        .collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 5);
}

/// The code `d` occurs in "slow_down", whose redaction must not hide the error code.
#[test]
fn shortest_device_code_is_polled() {
    let script = [Responds(200, "", LONG), PENDS, Responds(400, "", SLOW_DOWN), DONE];
    let run = drive(request(ClientCredential::Public), RetryPolicy::default(), 0, |at| {
        script[at]
    });
    assert_eq!(run.polls(), [5, 10, 20]);
}

/// The IDs of the assertions are unique, however many attempts a policy allows.
#[test]
fn assertion_ids_are_unique_across_many_attempts() {
    let mut policy = RetryPolicy::default();
    (policy.max_attempts, policy.deadline) = (1000, Duration::from_secs(100_000));
    let long = Responds(200, "", LONG);
    let run = drive(request(Pen), policy, 0, |at| match at {
        0 => long,
        1..=400 => Responds(503, "", ""),
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
