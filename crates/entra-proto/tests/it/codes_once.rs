//! An authorization code is valid for one request: the conditions under which it may be sent again
//! (RFC 6749, section 4.1.2).

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
    match request
        .start(RetryPolicy::default(), Guid::from_bytes([7; 16]), NOW)
        .unwrap()
    {
        Step::Exchange(exchange) => exchange,
        other => panic!("{other:?}"),
    }
}

fn responded(exchange: Exchange, status: u16, body: &str) -> Result<Step, Error> {
    let response = Response::builder().status(status).body(Body::from(body.to_owned()));
    exchange.respond(&response.unwrap(), NOW)
}

#[test]
fn truncated_response_ends_the_redemption() {
    for (body, problem) in [
        (r#"{"access_token":"abc"#, "ends too early"),
        ("", "is empty"),
        (" \n", "is empty"),
    ] {
        let error = responded(sent(redemption()), 200, body).expect_err(body);
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
fn redemption_is_retried_only_after_a_clear_rejection() {
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
        let outcome = responded(sent(redemption()), status, body);
        assert_eq!(
            matches!(outcome, Ok(Step::Pause(_))),
            again,
            "{status} {body}: {outcome:?}"
        );
    }
}

#[test]
fn redemption_is_retried_only_if_it_was_never_sent() {
    assert!(matches!(sent(redemption()).failed(Delivery::MaybeSent, NOW), Ok(None)));
    let Ok(Some(Step::Pause(pause))) = sent(redemption()).failed(Delivery::NotSent, NOW) else {
        panic!("the code was never sent")
    };
    let Step::Exchange(again) = pause.resume(NOW.plus(Duration::from_secs(1))).unwrap() else {
        panic!("a secret does not need a signature")
    };
    assert!(matches!(again.failed(Delivery::MaybeSent, NOW), Ok(None)));
}

#[test]
fn refresh_is_retried_after_any_transient_failure() {
    let app = common();
    let refresh = || app.refresh(RefreshToken::new("rt").unwrap(), graph()).unwrap();
    assert!(
        matches!(sent(refresh()).failed(Delivery::MaybeSent, NOW), Ok(Some(_)))
            && matches!(sent(refresh()).failed(Delivery::NotSent, NOW), Ok(Some(_)))
    );
    for (status, body) in [(200, ""), (200, "{"), (502, "")] {
        assert!(
            matches!(responded(sent(refresh()), status, body), Ok(Step::Pause(_))),
            "{status} {body}"
        );
    }
}
