//! Acquisitions with a credential that other requests acquire.

mod agents;
mod agents_inputs;
mod federation;
mod foreign;
mod support;

use std::time::Duration;

use entra_proto::acquire::{Delivery, RetryPolicy, SendFailure};
use entra_proto::acquired::AcquiredCredential;
use entra_proto::assertion::ClientAssertion;
use entra_proto::authorize::RefreshToken;
use entra_proto::device::DeviceStep;
use entra_proto::error::ErrorClass;
use entra_proto::{Body, ClientSecret, Error, Guid, Target, TokenRequest};
use http::Response;

use support::*;

/// The largest number of requests for one token.
const MAX_LEGS: usize = 4;

#[test]
fn token_of_one_request_authenticates_the_next() {
    let run = run(two_legs(secret()), &[Issues("t.1.x", 3600), Issues("graph", 3600)]);
    assert!(run.is_done());
    let [first, second] = &run.sent[..] else {
        panic!("{:?}", run.sent)
    };
    assert_eq!((first.client(), second.client()), ('b', 'c'));
    assert_eq!(
        (
            first.get("scope"),
            first.get("client_secret"),
            first.get("client_assertion")
        ),
        (Some("api://AzureADTokenExchange/.default"), Some("canary~secret"), None)
    );
    assert_eq!(
        (
            second.get("scope"),
            second.get("client_secret"),
            second.get("client_assertion")
        ),
        (Some("https://graph.microsoft.com/.default"), None, Some("t.1.x"))
    );
    assert_eq!(
        second.get("client_assertion_type"),
        Some("urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
    );
}

#[test]
fn three_requests_authenticate_each_other() {
    let run = run(
        three_legs(Pen(None)),
        &[Issues("t.1.x", 3600), Issues("t.2.x", 3600), Issues("graph", 3600)],
    );
    assert!(run.is_done());
    assert_eq!((run.clients().as_str(), run.signed.len()), ("abc", 1));
    assert!(run.sent[0].get("client_assertion").unwrap().ends_with(".AQID"));
    assert_eq!(run.sent[1].get("client_assertion"), Some("t.1.x"));
    assert_eq!(run.sent[2].get("client_assertion"), Some("t.2.x"));
}

#[test]
fn error_names_the_request_that_failed() {
    const REJECTED: Network = Responds(401, r#"{"error":"invalid_client","error_codes":[7000215]}"#);
    for at in 0..3 {
        let mut script = vec![Issues("t.1.x", 3600); at];
        script.push(REJECTED);
        let run = run(three_legs(secret()), &script);
        let error = run.error();
        assert_eq!(error.service().unwrap().codes, [7_000_215]);
        assert_eq!(error.class(), ErrorClass::Credential);
        assert!(error.hint().is_some() && !error.is_retryable());
        match (at, error) {
            (2, error) => assert!(matches!(error, Error::Service(_)), "{error}"),
            (_, Error::Leg(failed)) => {
                assert_eq!((failed.leg().number(), failed.leg().total()), (at + 1, 3));
                let client = ["aaaaaaaa", "bbbbbbbb"][at];
                let problem = failed.to_string();
                assert!(
                    problem.starts_with(&format!("request {} of 3 (", at + 1)) && problem.contains(client),
                    "{problem}"
                );
            }
            (_, error) => panic!("{error}"),
        }
    }
}

#[test]
fn request_without_a_response_is_named() {
    for (at, leg) in [(0, "request 1 of 3 (the pipeline)"), (1, "request 2 of 3 (")] {
        let mut script = vec![Responds(200, r#"{"value":"o.i.dc"}"#); at];
        script.extend([DOWN; 3]);
        let run = run(two_legs(of_pipeline()), &script);
        assert!(run.outcome.is_none() && run.waits.len() == 2);
        assert!(
            run.failed_leg.as_ref().unwrap().starts_with(leg),
            "{:?}",
            run.failed_leg
        );
    }
    let failure = Fails(SendFailure::permanent(Delivery::NotSent));
    let run = run(two_legs(of_pipeline()), &[failure]);
    assert!(run.outcome.is_none() && run.sent.len() == 1);
}

#[test]
fn failing_signer_names_its_request() {
    let error = run(two_legs(Pen(Some("the vault is sealed"))), &[]).error().clone();
    let text = error.to_string();
    assert!(
        text.starts_with("request 1 of 2 (") && text.contains("the vault is sealed"),
        "{text}"
    );
    assert!(matches!(error, Error::Leg(_)));
}

#[test]
fn each_request_has_its_own_attempts() {
    const BUSY: Network = Responds(503, "");
    let run_with = |script: &[Network]| run(two_legs(secret()), script);
    let run = run_with(&[BUSY, DOWN, Issues("t.1.x", 3600), BUSY, DOWN, Issues("graph", 3600)]);
    assert!(run.is_done());
    // The assertion is used for all attempts of its request.
    assert_eq!(run.clients(), "bbbccc");
    assert!(
        run.sent[3..]
            .iter()
            .all(|sent| sent.get("client_assertion") == Some("t.1.x"))
    );

    let run = run_with(&[BUSY, BUSY, BUSY]);
    assert!(matches!(run.error(), Error::Leg(failed) if failed.leg().number() == 1));
    assert!(run.error().is_retryable() && run.error().class() == ErrorClass::Transient);
    let run = run_with(&[BUSY, Issues("t.1.x", 3600), BUSY, BUSY, BUSY]);
    assert!(matches!(run.error(), Error::Service(_)) && run.clients() == "bbccc");
}

#[test]
fn all_requests_share_one_deadline() {
    let start = || {
        two_legs(secret())
            .start(RetryPolicy::default(), Guid::from_random([7; 16]), NOW)
            .unwrap()
    };
    let script = [Issues("t.1.x", 3600), Responds(503, "")];
    let slow = drive(start(), &script, Duration::from_secs(31));
    assert!(slow.error().is_retryable() && slow.waits.is_empty());
    let fast = drive(
        start(),
        &[script[0], script[1], Issues("graph", 3600)],
        Duration::from_secs(20),
    );
    assert!(fast.is_done());
}

#[test]
fn expiring_assertion_is_acquired_again() {
    let run = run(
        two_legs(secret()),
        &[
            Issues("t.1.x", 61),
            Responds(503, ""),
            Issues("t.2.x", 3600),
            Issues("graph", 3600),
        ],
    );
    assert!(run.is_done());
    assert_eq!(run.clients(), "bcbc");
    assert_eq!(run.sent[3].get("client_assertion"), Some("t.2.x"));
}

#[test]
fn out_of_time_assertion_is_acquired_again() {
    let script = [Issues("t.1.x", 3600), Responds(401, OUT_OF_TIME), Issues("t.2.x", 3600)];
    let run_with = |last| run(two_legs(secret()), &[&script[..], &[last]].concat());
    let run = run_with(Issues("graph", 3600));
    assert!(run.is_done());
    assert_eq!((run.clients().as_str(), run.waits.len()), ("bcbc", 0));
    assert_eq!(run.sent[3].get("client_assertion"), Some("t.2.x"));
    // The second rejection is final.
    let run = run_with(Responds(401, OUT_OF_TIME));
    assert_eq!(run.error().service().unwrap().codes, [700_024]);
    assert_eq!(run.clients(), "bcbc");
}

#[test]
fn service_that_rejects_every_assertion_gets_few_requests() {
    let issues = Issues("t.1.x", 3600);
    let late = Responds(401, OUT_OF_TIME);
    // The order is: a, b (rejected); a, b; c (rejected); a, b (renewed before, so final); c is not
    // sent again.
    let script = [issues, late, issues, issues, late, issues, late];
    let run = run(three_legs(secret()), &script);
    assert_eq!(run.clients(), "ababcab");
    assert!(matches!(run.error(), Error::Leg(failed) if failed.leg().number() == 2));
}

#[test]
fn clock_of_the_service_applies_to_all_requests() {
    let run = run(
        two_legs(Pen(None)),
        &[
            RespondsWith(401, "date", LATER, OUT_OF_TIME),
            Issues("t.1.x", 3600),
            Responds(401, OUT_OF_TIME),
            Issues("t.2.x", 3600),
            Issues("graph", 3600),
        ],
    );
    assert!(run.is_done());
    let issued: Vec<u64> = run
        .signed
        .iter()
        .map(|claims| claims["iat"].as_u64().unwrap())
        .collect();
    let (first, later) = (NOW.as_secs(), NOW.as_secs() + 600);
    assert_eq!(issued, [first, later, later + 2]);
    // The IDs of the assertions are unique.
    assert!(run.signed[0]["jti"] != run.signed[1]["jti"] && run.signed[1]["jti"] != run.signed[2]["jti"]);
}

#[test]
fn nesting_of_credentials_is_limited() {
    let mut app = application(0xaa, secret());
    for _ in 1..MAX_LEGS {
        app = application(0xaa, AcquiredCredential::of_token(for_exchange(&app)).unwrap());
    }
    let script = vec![Issues("t.1.x", 3600); MAX_LEGS];
    assert!(run(for_graph(&app), &script).is_done());
    let error = AcquiredCredential::of_token(for_exchange(&app)).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("nested too deep") && text.contains('4'), "{text}");

    // A request to another service counts towards the limit.
    let mut app = application(0xaa, of_pipeline());
    for _ in 2..MAX_LEGS {
        app = application(0xaa, AcquiredCredential::of_token(for_exchange(&app)).unwrap());
    }
    assert!(AcquiredCredential::of_token(for_exchange(&app)).is_err());
}

#[test]
fn token_of_a_user_cannot_be_a_credential() {
    let app = application(0xaa, secret());
    let users = app
        .refresh(RefreshToken::new("rt").unwrap(), Target::resource(EXCHANGE).unwrap())
        .unwrap();
    let error = AcquiredCredential::of_token(users).unwrap_err();
    assert!(error.to_string().contains("a user's token"), "{error}");
}

#[test]
fn token_that_is_not_a_jwt_cannot_be_an_assertion() {
    let error = run(two_legs(secret()), &[Issues("opaque", 3600)]).error().clone();
    let text = error.to_string();
    assert!(
        text.starts_with("request 1 of 2 (") && !text.contains("opaque"),
        "{text}"
    );
}

#[test]
fn no_secret_is_shown() {
    const ECHO: Network = Responds(
        400,
        "<html>canary~secret canary~of~the~job ca.na.ry client_assertion=ca.na.ry client_secret=canary~secret</html>",
    );
    let scripts: [&[Network]; 4] = [
        &[ECHO],
        &[Issues("ca.na.ry", 3600), ECHO],
        &[Issues("ca.na.ry", 3600), Issues("ca.na.ry", 3600), ECHO],
        &[Issues("ca.na.ry", 3600), DOWN, DOWN, DOWN],
    ];
    for script in scripts {
        let run = run(three_legs(secret()), script);
        for canary in ["canary~", "ca.na.ry"] {
            assert!(!run.shown.contains(canary), "{}", run.shown);
        }
    }
    let assertion = Responds(200, r#"{"value":"ca.na.ry"}"#);
    let scripts: [&[Network]; 3] = [
        &[ECHO],
        &[assertion, ECHO],
        &[assertion, Issues("ca.na.ry", 3600), ECHO],
    ];
    for script in scripts {
        let run = run(two_legs(of_pipeline()), script);
        for canary in ["canary~", "ca.na.ry"] {
            assert!(!run.shown.contains(canary), "{}", run.shown);
        }
    }
    let request = for_graph(&application(0xbb, of_pipeline()));
    let shown = format!(
        "{request:?} {:?} {}",
        request.application(),
        request.cache_key().as_str()
    );
    assert!(!shown.contains("canary") && shown.contains("the pipeline"), "{shown}");
}

#[test]
fn cache_key_includes_the_acquired_credential() {
    let key = |request: TokenRequest| request.cache_key();
    assert_eq!(
        key(two_legs(secret())),
        key(two_legs(ClientSecret::new("other").unwrap()))
    );
    let mut keys = vec![
        key(two_legs(secret())),
        key(two_legs(Pen(None))),
        key(two_legs(of_pipeline())),
        key(three_legs(secret())),
        key(for_graph(&application(0xcc, secret()))),
        key(for_graph(&application(0xcc, Pen(None)))),
        key(for_graph(&application(0xcc, of_pipeline()))),
    ];
    let count = keys.len();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), count);
    assert!(keys.iter().all(|key| key.as_str().lines().count() <= 7));
}

#[test]
fn given_assertion_replaces_the_inner_request() {
    let given = ClientAssertion::new("g.iv.en").unwrap();
    let request = two_legs(secret()).with_assertion(given);
    let run_with = |script: &[Network]| run(request.clone(), script);
    let run = run_with(&[Issues("graph", 3600)]);
    assert!(run.is_done() && run.sent[0].get("client_assertion") == Some("g.iv.en"));
    let run = run_with(&[Responds(401, OUT_OF_TIME), Issues("t.1.x", 3600), Issues("graph", 3600)]);
    assert!(run.is_done() && run.clients() == "cbc");
}

#[test]
fn one_assertion_serves_several_polls() {
    let b = application(0xbb, secret());
    let app = application(0xcc, AcquiredCredential::of_token(for_exchange(&b)).unwrap());
    let request = app.device_code(Target::scopes("User.Read").unwrap()).unwrap();
    let DeviceStep::Exchange(exchange) = request.start(RetryPolicy::default(), Guid::from_random([7; 16]), NOW) else {
        panic!()
    };
    let codes = r#"{"device_code":"d","user_code":"u","verification_uri":"https://a.example","interval":5}"#;
    let DeviceStep::ShowCode(code) = exchange
        .respond(&Response::new(Body::from(codes.to_owned())), NOW)
        .unwrap()
    else {
        panic!()
    };
    let pending = Responds(400, r#"{"error":"authorization_pending"}"#);
    let script = [
        Issues("t.1.x", 75),
        pending,
        Responds(503, ""),
        Issues("t.2.x", 3600),
        pending,
        Issues("user", 3600),
    ];
    let run = drive(code.shown(), &script, Duration::ZERO);
    assert!(run.is_done(), "{:?}", run.outcome);
    assert_eq!(run.clients(), "bccbcc");
}
