//! The device flow against a script, on a clock that stands where the test puts it.

use std::time::Duration;

use entra_proto::acquire::{Delivery, RetryPolicy, Step};
use entra_proto::device::{DeviceCodeRequest, DeviceStep};
use entra_proto::error::ErrorClass;
use entra_proto::report::Report;
use entra_proto::{Application, Authority, Body, ClientCredential, Error, Guid, Target, Timestamp, TokenResponse};
use http::Response;

pub(super) const NOW: Timestamp = Timestamp::from_secs(1_767_225_600);
pub(super) const CODE: &str = r#"{"device_code":"canary-device-code","user_code":"ABCD1234","verification_uri":"https://microsoft.com/devicelogin","expires_in":900,"interval":5,"message":"To sign in, open the page."}"#;
pub(super) const LONG: &str =
    r#"{"device_code":"d","user_code":"u","verification_uri":"https://a.example","expires_in":86400}"#;

const TOKEN: &str = r#"{"token_type":"Bearer","expires_in":3599,"access_token":"t"}"#;
pub(super) const PENDING: &str = r#"{"error":"authorization_pending","error_description":"AADSTS70016: pending","error_codes":[70016],"trace_id":"00000000-0000-4000-8000-000000000001"}"#;
pub(super) const SLOW_DOWN: &str = r#"{"error":"slow_down"}"#;

/// What the network does with one request: a status, a `Retry-After` and a body, or nothing at all.
#[derive(Clone, Copy)]
pub(super) enum Network {
    Answers(u16, &'static str, &'static str),
    Breaks,
}

use Network::{Answers, Breaks};

/// One thing that happened, with the second at which it did.
#[derive(Debug, PartialEq, Eq, Clone)]
pub(super) enum Event {
    /// A request to the device-code endpoint.
    Asked(u64),
    /// The code was shown.
    Shown(u64),
    /// A poll of the token endpoint.
    Polled(u64),
}

use Event::{Asked, Polled, Shown};

pub(super) struct Run {
    /// `None` where the network broke for good.
    pub(super) outcome: Option<Result<TokenResponse, Error>>,
    pub(super) events: Vec<Event>,
    pub(super) waits: Vec<Duration>,
    pub(super) assertions: Vec<String>,
    /// What all steps showed of themselves.
    pub(super) shown: String,
}

impl Run {
    pub(super) fn polls(&self) -> Vec<u64> {
        let at = |event: &Event| match event {
            Polled(at) => Some(*at),
            _ => None,
        };
        self.events.iter().filter_map(at).collect()
    }

    pub(super) fn failed(mut self, error: Error) -> Self {
        self.shown += &format!("{error} {error:?} {error:#?}");
        self.outcome = Some(Err(error));
        self
    }

    pub(super) fn refusal(&self) -> Error {
        match &self.outcome {
            Some(Err(error)) => error.clone(),
            other => panic!("{other:?}"),
        }
    }
}

pub(super) fn request(credential: impl Into<ClientCredential>) -> DeviceCodeRequest {
    let authority: Authority = "https://login.microsoftonline.com/organizations".parse().unwrap();
    let app = Application::new(authority, Guid::from_bytes([0xaa; 16]).into(), credential);
    app.device_code(Target::scopes("User.Read").unwrap()).unwrap()
}

/// Drives a flow: the person takes so many seconds to be shown the code, and each exchange takes none.
pub(super) fn drive(
    request: DeviceCodeRequest,
    policy: RetryPolicy,
    showing: u64,
    mut network: impl FnMut(usize) -> Network,
) -> Run {
    let mut run = Run {
        outcome: None,
        events: Vec::new(),
        waits: Vec::new(),
        assertions: Vec::new(),
        shown: String::new(),
    };
    let (mut now, mut count) = (NOW, 0);
    let mut network = || {
        count += 1;
        assert!(count < 2000, "it never ends");
        network(count - 1)
    };
    let mut step = request.start(policy, Guid::from_random([7; 16]), now);
    let mut step = loop {
        run.shown += &format!("{step:?}\n");
        let at = now.since(NOW).as_secs();
        let next = match step {
            DeviceStep::Exchange(exchange) => {
                assert!(exchange.request().uri().path().ends_with("/devicecode"));
                run.events.push(Asked(at));
                match network() {
                    Answers(status, retry_after, body) => exchange.respond(&response(status, retry_after, body), now),
                    Breaks => match exchange.failed(Delivery::MaybeSent, now) {
                        Some(step) => Ok(step),
                        None => return run,
                    },
                }
            }
            DeviceStep::Pause(pause) => {
                run.waits.push(pause.duration());
                now = now.plus(pause.duration());
                Ok(pause.resume())
            }
            DeviceStep::ShowCode(show) => {
                run.events.push(Shown(at));
                now = now.plus(Duration::from_secs(showing));
                break show.shown();
            }
        };
        step = match next {
            Ok(step) => step,
            Err(error) => return run.failed(error),
        };
    };
    loop {
        run.shown += &format!("{step:?}\n");
        let at = now.since(NOW).as_secs();
        let next = match step {
            Step::Exchange(exchange) => {
                assert!(exchange.request().uri().path().ends_with("/token"));
                run.events.push(Polled(at));
                run.assertions
                    .extend(exchange.assertion().map(|jwt| jwt.expose().to_owned()));
                match network() {
                    Answers(status, retry_after, body) => exchange.respond(&response(status, retry_after, body), now),
                    Breaks => match exchange.failed(Delivery::MaybeSent, now) {
                        Some(step) => Ok(step),
                        None => return run,
                    },
                }
            }
            Step::Pause(pause) => {
                run.waits.push(pause.duration());
                now = now.plus(pause.duration());
                Ok(pause.resume(now))
            }
            Step::Sign(sign) => sign.sign(),
            Step::Assert(assert) => assert.fetch(),
            Step::Done(token) => {
                run.outcome = Some(Ok(token));
                return run;
            }
        };
        step = match next {
            Ok(step) => step,
            Err(error) => return run.failed(error),
        };
    }
}

pub(super) fn response(status: u16, retry_after: &str, body: &str) -> Response<Body> {
    let mut response = Response::builder().status(status);
    if !retry_after.is_empty() {
        response = response.header("retry-after", retry_after);
    }
    response.body(Body::from(body.to_owned())).unwrap()
}

pub(super) fn run(script: &[Network]) -> Run {
    drive(request(ClientCredential::Public), RetryPolicy::default(), 0, |at| {
        script[at]
    })
}

pub(super) const PENDS: Network = Answers(400, "", PENDING);
pub(super) const STARTS: Network = Answers(200, "", CODE);
pub(super) const DONE: Network = Answers(200, "", TOKEN);

#[test]
fn the_code_is_shown_and_asked_after_in_its_interval_until_the_person_is_done() {
    let run = run(&[STARTS, PENDS, PENDS, PENDS, DONE]);
    assert_eq!(
        run.events,
        [Asked(0), Shown(0), Polled(5), Polled(10), Polled(15), Polled(20)]
    );
    assert!(run.outcome.unwrap().is_ok());
    assert!(!run.shown.contains("canary"), "{}", run.shown);
}

#[test]
fn slow_down_adds_five_seconds_for_good() {
    let slower = Answers(400, "", SLOW_DOWN);
    let run = run(&[STARTS, slower, PENDS, slower, PENDS, PENDS, DONE]);
    assert_eq!(run.polls(), [5, 15, 25, 40, 55, 70]);
}

#[test]
fn a_start_that_fails_in_passing_is_tried_again_and_leaves_the_polls_their_attempts() {
    let busy = Answers(503, "", "");
    for first in [busy, Breaks, Answers(200, "", "")] {
        let run = run(&[first, busy, STARTS, busy, Breaks, PENDS, busy, busy, DONE]);
        assert_eq!(run.events.iter().filter(|event| matches!(event, Asked(_))).count(), 3);
        assert!(run.outcome.unwrap().is_ok());
        // Between two polls it is never less than the interval.
        assert!(
            run.waits[2..].iter().all(|wait| *wait >= Duration::from_secs(5)),
            "{:?}",
            run.waits
        );
    }
    assert!(run(&[Breaks, Breaks, Breaks]).outcome.is_none());
    assert!(run(&[busy, busy, busy]).refusal().is_retryable());
    let unauthorized = Answers(401, "", r#"{"error":"invalid_client","error_codes":[7000218]}"#);
    assert_eq!(
        run(&[unauthorized]).refusal().service().unwrap().class(),
        ErrorClass::Credential
    );
}

/// The deadline is that of one request: a person may take his time.
#[test]
fn a_slow_start_and_a_slow_showing_leave_the_first_poll_its_time() {
    let script = [Breaks, STARTS, Answers(503, "30", ""), DONE];
    let run = drive(request(ClientCredential::Public), RetryPolicy::default(), 300, |at| {
        script[at]
    });
    assert!(run.outcome.unwrap().is_ok(), "{:?}", run.events);
}

#[test]
fn retry_after_is_heard_where_it_is_longer_than_the_interval() {
    let run = run(&[
        STARTS,
        Answers(400, "20", PENDING),
        Answers(429, "12", SLOW_DOWN),
        Answers(400, "2", PENDING),
        Answers(429, "30", ""),
        DONE,
    ]);
    let polls = run.polls();
    assert_eq!(polls[..4], [5, 25, 37, 47]);
    assert!((77..=79).contains(&polls[4]), "{polls:?}");
    assert!(run.outcome.unwrap().is_ok());
}

#[test]
fn a_proxys_407_ends_the_flow_whatever_its_body_says() {
    for body in [PENDING, SLOW_DOWN, r#"{"error":"temporarily_unavailable"}"#, ""] {
        let run = run(&[STARTS, PENDS, Answers(407, "", body)]);
        assert_eq!(run.polls(), [5, 10], "{body}");
        let error = run.outcome.unwrap().unwrap_err();
        let report = format!("{:#}", Report::of(&error));
        assert!(!error.is_retryable() && report.contains("proxy"), "{report}");
    }
}

/// A code whose service wants polls this many seconds apart, good for 900.
fn every(interval: u64) -> Network {
    let body = format!(
        r#"{{"device_code":"d","user_code":"u","verification_uri":"https://a.example","expires_in":900,"interval":{interval}}}"#
    );
    Answers(200, "", Box::leak(body.into_boxed_str()))
}

/// The second at which the flow was over.
fn end(run: &Run) -> f64 {
    run.waits.iter().map(Duration::as_secs_f64).sum()
}

/// RFC 8628, section 3.5: on a timeout the polls must become rarer, best by doubling the interval.
#[test]
fn polls_that_fail_grow_rarer_until_one_is_answered() {
    for broken in [
        Breaks,
        Answers(503, "", ""),
        Answers(500, "", "<html>"),
        Answers(200, "", ""),
    ] {
        let run = run(&[
            STARTS, PENDS, broken, broken, broken, broken, broken, PENDS, broken, PENDS, DONE,
        ]);
        assert!(run.outcome.as_ref().is_some_and(Result::is_ok), "{:?}", run.waits);
        for (wait, least) in run.waits.iter().zip([5, 5, 10, 20, 40, 60, 60, 5, 10, 5]) {
            let least = Duration::from_secs(least);
            assert!(
                (least..=least + Duration::from_secs(1)).contains(wait),
                "{:?}",
                run.waits
            );
        }
        assert_eq!(run.waits.len(), 10);
    }
}

#[test]
fn nothing_that_passes_ends_a_flow_whose_code_lives() {
    let slower = Answers(400, "", SLOW_DOWN);
    let busy = Answers(503, "", "");
    let scripts: [&[Network]; 7] = [
        &[every(60), PENDS, busy, DONE],
        &[every(60), PENDS, Breaks, DONE],
        &[every(60), Breaks, Breaks, Breaks, Breaks, DONE],
        &[every(300), Breaks, DONE],
        &[every(5), PENDS, Breaks, Breaks, Breaks, Breaks, Breaks, Breaks, DONE],
        &[every(5), PENDS, Answers(503, "600", ""), DONE],
        &[
            every(5),
            slower,
            slower,
            slower,
            slower,
            slower,
            slower,
            slower,
            slower,
            slower,
            slower,
            slower,
            Breaks,
            DONE,
        ],
    ];
    for script in scripts {
        let run = run(script);
        assert!(run.outcome.as_ref().is_some_and(Result::is_ok), "{:?}", run.waits);
        assert!(end(&run) < 900.0);
    }
}

/// The waits alone are as long as the code lives, whatever the time of day does meanwhile.
#[test]
fn a_clock_that_is_set_back_makes_no_flow_longer() {
    let body = |text: &str| {
        Response::builder()
            .status(if text == CODE { 200 } else { 400 })
            .body(Body::from(text.to_owned()))
    };
    for answer in [None, Some(PENDING)] {
        let (mut now, mut waited, mut polls) = (NOW, Duration::ZERO, 1);
        let start = request(ClientCredential::Public).start(RetryPolicy::default(), Guid::from_bytes([7; 16]), NOW);
        let DeviceStep::Exchange(exchange) = start else {
            panic!("{start:?}")
        };
        let DeviceStep::ShowCode(code) = exchange.respond(&body(CODE).unwrap(), now).unwrap() else {
            panic!("there is a code")
        };
        let mut step = code.shown();
        loop {
            step = match step {
                Step::Exchange(exchange) => {
                    polls += 1;
                    if polls == 4 {
                        now = now.minus(Duration::from_secs(86_400));
                    }
                    let next = match answer {
                        None => exchange.failed(Delivery::MaybeSent, now),
                        Some(text) => exchange.respond(&body(text).unwrap(), now).ok(),
                    };
                    match next {
                        Some(step) => step,
                        None => break,
                    }
                }
                Step::Pause(pause) => {
                    waited += pause.duration();
                    now = now.plus(pause.duration());
                    pause.resume(now)
                }
                other => panic!("{other:?}"),
            };
        }
        assert!((850..=900).contains(&waited.as_secs()), "{waited:?}");
    }
}

#[test]
fn nobody_waits_for_a_code_that_is_dead_by_then() {
    let for_ever = |interval, answer| {
        drive(
            request(ClientCredential::Public),
            RetryPolicy::default(),
            0,
            move |at| {
                if at == 0 { every(interval) } else { answer }
            },
        )
    };
    for interval in [1, 5, 7, 60, 299, 300, 450, 600] {
        for answer in [PENDS, Answers(400, "", SLOW_DOWN), Answers(400, "100", PENDING)] {
            let run = for_ever(interval, answer);
            assert_eq!(run.refusal().service().unwrap().error, "expired_token", "{interval}");
            assert!(end(&run) < 900.0, "{interval}: {:?}", run.waits);
        }
        for answer in [Breaks, Answers(503, "", ""), Answers(429, "200", "")] {
            let run = for_ever(interval, answer);
            assert!(!matches!(run.outcome, Some(Ok(_))));
            assert!(end(&run) < 900.0, "{interval}: {:?}", run.waits);
            assert!(
                run.waits.iter().all(|wait| wait.as_secs() >= interval),
                "{:?}",
                run.waits
            );
        }
        // The last chance is taken where the interval leaves one.
        let run = for_ever(interval, Breaks);
        assert!(
            end(&run) > 898.0 || 900 - run.polls().last().unwrap() <= interval + 1,
            "{:?}",
            run.waits
        );
    }
    // What the service asks for is not cut.
    let refusal = run(&[STARTS, PENDS, Answers(503, "895", "")]).refusal();
    assert_eq!(refusal.retry_after(), Some(Duration::from_secs(895)));
}

#[test]
fn what_is_over_is_over() {
    for (body, class, code) in [
        (
            r#"{"error":"authorization_declined","error_description":"AADSTS65004"}"#,
            ErrorClass::Consent,
            Some(65_004),
        ),
        (r#"{"error":"authorization_declined"}"#, ErrorClass::Consent, None),
        (r#"{"error":"access_denied"}"#, ErrorClass::Consent, None),
        (
            r#"{"error":"expired_token","error_description":"AADSTS70020: expired","error_codes":[70020]}"#,
            ErrorClass::Grant,
            Some(70_020),
        ),
        (r#"{"error":"expired_token"}"#, ErrorClass::Grant, None),
        (
            r#"{"error":"bad_verification_code","error_codes":[70018]}"#,
            ErrorClass::Grant,
            Some(70_018),
        ),
        (r#"{"error":"bad_verification_code"}"#, ErrorClass::Grant, None),
    ] {
        let run = run(&[STARTS, PENDS, Answers(400, "", body)]);
        let error = run.refusal();
        let service = error.service().unwrap();
        assert_eq!(
            (service.class(), service.codes.first().copied(), error.is_retryable()),
            (class, code, false),
            "{body}"
        );
        assert!(service.hint().is_some(), "{body}");
    }
}
