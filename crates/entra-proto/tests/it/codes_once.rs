//! An authorization code is good for one request: when it may be sent again, and when it may not (RFC 6749, section 4.1.2).

use std::time::Duration;

use entra_proto::acquire::{Delivery, Exchange, RetryPolicy, Step};
use entra_proto::authorize::{Redirect, RefreshToken};
use entra_proto::report::Report;
use entra_proto::{Body, Error, Guid, Timestamp, TokenRequest};
use http::Response;

use crate::browser::{common, graph, started};

const NOW: Timestamp = Timestamp::from_secs(1_767_225_600);

fn redemption() -> TokenRequest {
    let app = common();
    let pending = started(&app);
    let redirect = Redirect::from_query(&format!("code=c&state={}", pending.state())).unwrap();
    pending.redeem(&app, &redirect).unwrap()
}

fn sent(request: TokenRequest) -> Exchange {
    match request.start(RetryPolicy::default(), Guid::from_bytes([7; 16]), NOW) {
        Step::Exchange(exchange) => exchange,
        other => panic!("{other:?}"),
    }
}

fn answered(exchange: Exchange, status: u16, body: &str) -> Result<Step, Error> {
    let response = Response::builder().status(status).body(Body::from(body.to_owned()));
    exchange.respond(&response.unwrap(), NOW)
}

#[test]
fn an_answer_that_was_cut_ends_it_and_is_the_error_told() {
    for (body, problem) in [
        (r#"{"access_token":"abc"#, "ends too early"),
        ("", "is empty"),
        (" \n", "is empty"),
    ] {
        let error = answered(sent(redemption()), 200, body).expect_err(body);
        assert!(!error.is_retryable(), "{error}");
        let text = format!("{:#}", Report::of(&error));
        assert!(
            text.contains(problem)
                && text.contains("proxy that cuts responses")
                && text.contains("start the sign-in again"),
            "{text}"
        );
    }
}

#[test]
fn what_came_in_between_may_have_redeemed_it_and_who_refuses_has_not() {
    for (status, body, again) in [
        (500, "", false),
        (502, "<html>bad gateway</html>", false),
        (504, "", false),
        (408, "", true),
        (429, "", true),
        (503, "<html>busy</html>", true),
        (500, r#"{"error":"server_error"}"#, true),
        (
            502,
            r#"{"error":"temporarily_unavailable","error_codes":[90033]}"#,
            true,
        ),
    ] {
        let outcome = answered(sent(redemption()), status, body);
        assert_eq!(
            matches!(outcome, Ok(Step::Pause(_))),
            again,
            "{status} {body}: {outcome:?}"
        );
    }
}

#[test]
fn a_connection_that_broke_ends_it_and_one_that_was_never_had_does_not() {
    assert!(sent(redemption()).failed(Delivery::MaybeSent, NOW).is_none());
    let Some(Step::Pause(pause)) = sent(redemption()).failed(Delivery::NotSent, NOW) else {
        panic!("nobody has the code")
    };
    let Step::Exchange(again) = pause.resume(NOW.plus(Duration::from_secs(1))) else {
        panic!("a secret proves it")
    };
    assert!(again.failed(Delivery::MaybeSent, NOW).is_none());
}

#[test]
fn what_may_be_sent_again_is() {
    let app = common();
    let refresh = || app.refresh(RefreshToken::new("rt").unwrap(), graph()).unwrap();
    assert!(
        sent(refresh()).failed(Delivery::MaybeSent, NOW).is_some()
            && sent(refresh()).failed(Delivery::NotSent, NOW).is_some()
    );
    for (status, body) in [(200, ""), (200, "{"), (502, "")] {
        assert!(
            matches!(answered(sent(refresh()), status, body), Ok(Step::Pause(_))),
            "{status} {body}"
        );
    }
}
