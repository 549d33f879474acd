//! The device flow over a transport, with a simulated clock.

use std::cell::{Cell, RefCell};
use std::future::{Future, ready};
use std::pin::pin;
use std::sync::Mutex;
use std::task::{Context, Poll, Waker};

use entra_proto::device::DeviceCodeRequest;
use entra_proto::{Application, ClientCredential, Guid, Target, Timestamp, TokenResponse};
use entra_transport::{
    AcquireError, Acquisition, Body, Request, Response, TransportError, TransportErrorKind, blocking_transport_fn,
    transport_fn,
};

const START: Timestamp = Timestamp::from_secs(1_767_225_600);
const CODE: &str = r#"{"device_code":"canary","user_code":"ABCD1234","verification_uri":"https://microsoft.com/devicelogin","expires_in":900,"interval":5,"message":"Open the page."}"#;
const TOKEN: &str = r#"{"access_token":"t","expires_in":3599,"refresh_token":"r"}"#;
const PENDING: &str = r#"{"error":"authorization_pending"}"#;
const DECLINED: &str = r#"{"error":"authorization_declined"}"#;

fn request() -> DeviceCodeRequest {
    let authority = "https://login.microsoftonline.com/organizations".parse().unwrap();
    let app = Application::new(authority, Guid::from_bytes([0xaa; 16]).into(), ClientCredential::Public);
    app.device_code(Target::scopes("User.Read").unwrap()).unwrap()
}

/// The responses in their order. An empty one stands for a broken connection.
struct Network(Mutex<Vec<&'static str>>);

impl Network {
    fn new(responses: &[&'static str]) -> Self {
        Self(Mutex::new(responses.iter().rev().copied().collect()))
    }

    fn send(&self, request: &Request) -> Result<Response, TransportError> {
        let body = self.0.lock().unwrap().pop().expect("more requests than responses");
        let is_poll = request.uri().path().ends_with("/token");
        assert!(body.is_empty() || is_poll == (body != CODE), "{}", request.uri());
        if body.is_empty() {
            return Err(TransportError::new(TransportErrorKind::Interrupted, "cut"));
        }
        let status = if body.contains("error") { 400 } else { 200 };
        Ok(http::Response::builder()
            .status(status)
            .body(Body::from(body.to_owned()))
            .unwrap())
    }
}

/// The outcome of a flow, the messages shown, and the seconds waited.
type Outcome = (Result<TokenResponse, AcquireError>, Vec<String>, u64);

fn blocking(responses: &[&'static str]) -> Outcome {
    let (network, shown, now) = (Network::new(responses), RefCell::new(Vec::new()), Cell::new(START));
    let transport = blocking_transport_fn(|request| network.send(&request));
    let outcome = Acquisition::device_code(request(), |code| shown.borrow_mut().push(code.message.clone()))
        .request_id(Guid::from_bytes([7; 16]))
        .clock(|| now.get())
        .run_blocking_with(&transport, |wait| now.set(now.get().plus(wait)));
    (outcome, shown.into_inner(), now.get().since(START).as_secs())
}

fn asynchronous(responses: &[&'static str]) -> Outcome {
    let (network, shown, now) = (Network::new(responses), RefCell::new(Vec::new()), Cell::new(START));
    let transport = transport_fn(|request| ready(network.send(&request)));
    let sleep = |wait| {
        now.set(now.get().plus(wait));
        ready(())
    };
    let acquisition = Acquisition::device_code(request(), |code| shown.borrow_mut().push(code.message.clone()))
        .request_id(Guid::from_bytes([7; 16]))
        .clock(|| now.get());
    let outcome = finished(acquisition.run(&transport, sleep));
    (outcome, shown.into_inner(), now.get().since(START).as_secs())
}

fn finished<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => outcome,
        Poll::Pending => panic!("the future waits"),
    }
}

#[test]
fn code_is_shown_once_and_polled_until_token_arrives() {
    for drive in [blocking, asynchronous] {
        let (outcome, shown, waited) = drive(&[CODE, PENDING, PENDING, TOKEN]);
        assert_eq!((shown, waited), (vec!["Open the page.".to_owned()], 15));
        assert_eq!(outcome.unwrap().refresh_token.unwrap().expose(), "r");
    }
}

#[test]
fn broken_connection_between_polls_is_ignored() {
    for drive in [blocking, asynchronous] {
        let (outcome, _, waited) = drive(&[CODE, PENDING, "", PENDING, TOKEN]);
        assert!(outcome.is_ok() && (25..=26).contains(&waited), "{waited}");
        // If the network is down until the code expires, the outcome is the error of the network.
        let mut down = vec![CODE];
        down.resize(100, "");
        let (outcome, shown, waited) = drive(&down);
        assert!(
            matches!(outcome, Err(AcquireError::Transport(error)) if error.kind() == TransportErrorKind::Interrupted)
        );
        assert_eq!((shown.len(), waited), (1, 899));
    }
}

#[test]
fn user_who_declines_ends_flow() {
    for drive in [blocking, asynchronous] {
        let error = drive(&[CODE, PENDING, DECLINED]).0.unwrap_err();
        assert_eq!(error.service().unwrap().error, "authorization_declined");
        assert!(!error.is_retryable() && !format!("{error} {error:?}").contains("canary"));
    }
}

#[test]
fn first_request_is_sent_again_after_failures() {
    for drive in [blocking, asynchronous] {
        let (outcome, shown, _) = drive(&["", "", CODE, TOKEN]);
        assert!(outcome.is_ok(), "{outcome:?}");
        assert_eq!(shown.len(), 1);
        let (outcome, shown, _) = drive(&["", "", ""]);
        assert!(matches!(outcome, Err(AcquireError::Transport(_))));
        assert!(shown.is_empty());
    }
}

#[test]
fn future_of_device_flow_is_send() {
    fn any_thread<T: Send>(_: T) {}
    let transport = transport_fn(|_| ready(Err(TransportError::new(TransportErrorKind::Connect, "no"))));
    any_thread(Acquisition::device_code(request(), |_| {}).run(&transport, |_| ready(())));
}
