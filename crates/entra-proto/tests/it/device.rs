//! The device flow, driven by a script and a virtual clock.

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

/// The network's reaction to one request: a status, a `Retry-After` and a body, or nothing at all.
#[derive(Clone, Copy)]
pub(super) enum Network {
    Responds(u16, &'static str, &'static str),
    Breaks,
}

use Network::{Breaks, Responds};

/// An event with the second at which it happened.
#[derive(Debug, PartialEq, Eq, Clone)]
pub(super) enum Event {
    /// A request to the device-code endpoint.
    Requested(u64),
    /// The code was shown.
    Shown(u64),
    /// A poll of the token endpoint.
    Polled(u64),
}

use Event::{Polled, Requested, Shown};

pub(super) struct Run {
    /// `None` after a permanent network failure.
    pub(super) outcome: Option<Result<TokenResponse, Error>>,
    pub(super) events: Vec<Event>,
    pub(super) waits: Vec<Duration>,
    pub(super) assertions: Vec<String>,
    /// The `Debug` output of all steps.
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

    pub(super) fn error(&self) -> Error {
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

/// Drives a flow. The code is shown for `showing` seconds, and each exchange takes none.
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
        assert!(count < 2000, "the flow never ends");
        network(count - 1)
    };
    let mut step = request.start(policy, Guid::from_random([7; 16]), now);
    let mut step = loop {
        run.shown += &format!("{step:?}\n");
        let at = now.since(NOW).as_secs();
        let next = match step {
            DeviceStep::Exchange(exchange) => {
                assert!(exchange.request().uri().path().ends_with("/devicecode"));
                run.events.push(Requested(at));
                match network() {
                    Responds(status, retry_after, body) => exchange.respond(&response(status, retry_after, body), now),
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
                    Responds(status, retry_after, body) => exchange.respond(&response(status, retry_after, body), now),
                    Breaks => match exchange.failed(Delivery::MaybeSent, now) {
                        Ok(Some(step)) => Ok(step),
                        Ok(None) => return run,
                        Err(error) => Err(error),
                    },
                }
            }
            Step::Pause(pause) => {
                run.waits.push(pause.duration());
                now = now.plus(pause.duration());
                pause.resume(now)
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

pub(super) const PENDS: Network = Responds(400, "", PENDING);
pub(super) const STARTS: Network = Responds(200, "", CODE);
pub(super) const DONE: Network = Responds(200, "", TOKEN);

#[test]
fn code_is_shown_and_polled_in_its_interval() {
    let run = run(&[STARTS, PENDS, PENDS, PENDS, DONE]);
    assert_eq!(
        run.events,
        [Requested(0), Shown(0), Polled(5), Polled(10), Polled(15), Polled(20)]
    );
    assert!(run.outcome.unwrap().is_ok());
    assert!(!run.shown.contains("canary"), "{}", run.shown);
}

#[test]
fn slow_down_adds_five_seconds_permanently() {
    let slower = Responds(400, "", SLOW_DOWN);
    let run = run(&[STARTS, slower, PENDS, slower, PENDS, PENDS, DONE]);
    assert_eq!(run.polls(), [5, 15, 25, 40, 55, 70]);
}

#[test]
fn retries_of_the_start_do_not_count_for_the_polls() {
    let busy = Responds(503, "", "");
    for first in [busy, Breaks, Responds(200, "", "")] {
        let run = run(&[first, busy, STARTS, busy, Breaks, PENDS, busy, busy, DONE]);
        assert_eq!(
            run.events.iter().filter(|event| matches!(event, Requested(_))).count(),
            3
        );
        assert!(run.outcome.unwrap().is_ok());
        // The waits between polls are never shorter than the interval.
        assert!(
            run.waits[2..].iter().all(|wait| *wait >= Duration::from_secs(5)),
            "{:?}",
            run.waits
        );
    }
    assert!(run(&[Breaks, Breaks, Breaks]).outcome.is_none());
    assert!(run(&[busy, busy, busy]).error().is_retryable());
    let unauthorized = Responds(401, "", r#"{"error":"invalid_client","error_codes":[7000218]}"#);
    assert_eq!(
        run(&[unauthorized]).error().service().unwrap().class(),
        ErrorClass::Credential
    );
}

/// The deadline applies to each request: a user may take longer.
#[test]
fn slow_start_does_not_shorten_the_first_poll() {
    let script = [Breaks, STARTS, Responds(503, "30", ""), DONE];
    let run = drive(request(ClientCredential::Public), RetryPolicy::default(), 300, |at| {
        script[at]
    });
    assert!(run.outcome.unwrap().is_ok(), "{:?}", run.events);
}

#[test]
fn retry_after_longer_than_the_interval_is_respected() {
    let run = run(&[
        STARTS,
        Responds(400, "20", PENDING),
        Responds(429, "12", SLOW_DOWN),
        Responds(400, "2", PENDING),
        Responds(429, "30", ""),
        DONE,
    ]);
    let polls = run.polls();
    assert_eq!(polls[..4], [5, 25, 37, 47]);
    assert!((77..=79).contains(&polls[4]), "{polls:?}");
    assert!(run.outcome.unwrap().is_ok());
}

#[test]
fn status_407_of_a_proxy_ends_the_flow() {
    for body in [PENDING, SLOW_DOWN, r#"{"error":"temporarily_unavailable"}"#, ""] {
        let run = run(&[STARTS, PENDS, Responds(407, "", body)]);
        assert_eq!(run.polls(), [5, 10], "{body}");
        let error = run.outcome.unwrap().unwrap_err();
        let report = format!("{:#}", Report::of(&error));
        assert!(!error.is_retryable() && report.contains("proxy"), "{report}");
    }
}

/// Returns codes with this interval in seconds, valid for 900 seconds.
fn every(interval: u64) -> Network {
    let body = format!(
        r#"{{"device_code":"d","user_code":"u","verification_uri":"https://a.example","expires_in":900,"interval":{interval}}}"#
    );
    Responds(200, "", Box::leak(body.into_boxed_str()))
}

/// Returns the second at which the flow ended.
fn end(run: &Run) -> f64 {
    run.waits.iter().map(Duration::as_secs_f64).sum()
}

/// RFC 8628, section 3.5: after a timeout the polls must become less frequent, ideally by doubling
/// the interval.
#[test]
fn failing_polls_become_less_frequent() {
    for broken in [
        Breaks,
        Responds(503, "", ""),
        Responds(500, "", "<html>"),
        Responds(200, "", ""),
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
fn transient_failures_do_not_end_the_flow() {
    let slower = Responds(400, "", SLOW_DOWN);
    let busy = Responds(503, "", "");
    let scripts: [&[Network]; 7] = [
        &[every(60), PENDS, busy, DONE],
        &[every(60), PENDS, Breaks, DONE],
        &[every(60), Breaks, Breaks, Breaks, Breaks, DONE],
        &[every(300), Breaks, DONE],
        &[every(5), PENDS, Breaks, Breaks, Breaks, Breaks, Breaks, Breaks, DONE],
        &[every(5), PENDS, Responds(503, "600", ""), DONE],
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

/// The sum of the waits equals the lifetime of the code, whatever the clock does.
#[test]
fn clock_set_back_does_not_extend_the_flow() {
    let body = |text: &str| {
        Response::builder()
            .status(if text == CODE { 200 } else { 400 })
            .body(Body::from(text.to_owned()))
    };
    for poll_response in [None, Some(PENDING)] {
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
                    let next = match poll_response {
                        None => exchange.failed(Delivery::MaybeSent, now).unwrap(),
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
                    pause.resume(now).unwrap()
                }
                other => panic!("{other:?}"),
            };
        }
        assert!((850..=900).contains(&waited.as_secs()), "{waited:?}");
    }
}

#[test]
fn wait_beyond_the_expiry_of_the_code_is_not_started() {
    let endless = |interval, response| {
        drive(
            request(ClientCredential::Public),
            RetryPolicy::default(),
            0,
            move |at| {
                if at == 0 { every(interval) } else { response }
            },
        )
    };
    for interval in [1, 5, 7, 60, 299, 300, 450, 600] {
        for response in [PENDS, Responds(400, "", SLOW_DOWN), Responds(400, "100", PENDING)] {
            let run = endless(interval, response);
            assert_eq!(run.error().service().unwrap().error, "expired_token", "{interval}");
            assert!(end(&run) < 900.0, "{interval}: {:?}", run.waits);
        }
        for response in [Breaks, Responds(503, "", ""), Responds(429, "200", "")] {
            let run = endless(interval, response);
            assert!(!matches!(run.outcome, Some(Ok(_))));
            assert!(end(&run) < 900.0, "{interval}: {:?}", run.waits);
            assert!(
                run.waits.iter().all(|wait| wait.as_secs() >= interval),
                "{:?}",
                run.waits
            );
        }
        // The last poll before the expiry is sent, if the interval allows one.
        let run = endless(interval, Breaks);
        assert!(
            end(&run) > 898.0 || 900 - run.polls().last().unwrap() <= interval + 1,
            "{:?}",
            run.waits
        );
    }
    // The wait that the service requests is not shortened.
    let error = run(&[STARTS, PENDS, Responds(503, "895", "")]).error();
    assert_eq!(error.retry_after(), Some(Duration::from_secs(895)));
}

#[test]
fn final_errors_end_the_flow() {
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
        let run = run(&[STARTS, PENDS, Responds(400, "", body)]);
        let error = run.error();
        let service = error.service().unwrap();
        assert_eq!(
            (service.class(), service.codes.first().copied(), error.is_retryable()),
            (class, code, false),
            "{body}"
        );
        assert!(service.hint().is_some(), "{body}");
    }
}
