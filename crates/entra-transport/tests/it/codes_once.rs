//! Requests that are sent only once: an authorization code that may have been sent, and a password
//! that a proxy rejected.

use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

use entra_proto::authorize::Redirect;
use entra_proto::{Application, ClientCredential, ClientSecret, Target, Timestamp, TokenRequest, TokenResponse};
use entra_transport::adapter::unauthorized;
use entra_transport::{
    AcquireError, Acquisition, Body, Proxies, Request, Response, TransportError, TransportErrorKind,
    blocking_transport_fn,
};

const NOW: Timestamp = Timestamp::from_secs(1_767_225_600);

fn redemption() -> TokenRequest {
    let authority = "https://login.microsoftonline.com/common".parse().unwrap();
    let id = "2d4d11a2-f814-46a7-890a-274a72a7309e".parse().unwrap();
    let app = Application::new(authority, id, ClientCredential::Public);
    let request = app.authorize(
        Target::scopes("User.Read").unwrap(),
        "https://a.example/cb".parse().unwrap(),
    );
    let (_, pending) = request.start(&[7; 96]).unwrap();
    let redirect = Redirect::from_query(&format!("code=c&state={}", pending.state())).unwrap();
    pending.redeem(&app, &redirect).unwrap()
}

#[test]
fn code_is_sent_again_only_if_it_was_not_sent() {
    use TransportErrorKind::{Connect, Dns, Interrupted, Malformed, Timeout, Tls};
    let new = |kind, retryable| TransportError::new(kind, "first").retryable(retryable);
    for (first, sent) in [
        (new(Dns, true), 2),
        (new(Connect, true), 2),
        (new(Tls, true), 2),
        (new(Tls, false), 1),
        (new(Timeout, true), 1),
        (new(Interrupted, true), 1),
        (new(Malformed, true), 1),
        (new(Malformed, false), 1),
        (TransportError::late_connection(), 2),
        (TransportError::late_response(), 1),
    ] {
        let (outcome, count) = exchange(redemption(), || Err(first.clone()));
        assert_eq!(count, sent, "{first:?}");
        match outcome {
            Ok(_) => assert_eq!(sent, 2, "{first:?}"),
            Err(AcquireError::Transport(error)) => assert_eq!((sent, error.kind()), (1, first.kind())),
            Err(error) => panic!("{error}"),
        }
    }
}

/// Each attempt may count as a wrong password.
#[test]
fn a_request_is_not_sent_again_after_407() {
    let proxies = Proxies::through("http://user:secret@proxy.example:3128").unwrap();
    let error = unauthorized(proxies.proxy().unwrap(), None);
    let (outcome, count) = exchange(client_credentials(), || Err(error.clone()));
    assert_eq!((outcome.is_err(), count), (true, 1));

    for body in ["", "<html>Proxy Authentication Required</html>"] {
        let (outcome, count) = exchange(client_credentials(), || {
            let mut response = Response::new(Body::from(body.to_owned()));
            *response.status_mut() = http::StatusCode::PROXY_AUTHENTICATION_REQUIRED;
            Ok(response)
        });
        assert!(!outcome.unwrap_err().is_retryable(), "{body}");
        assert_eq!(count, 1, "{body}");
    }
}

/// Returns the outcome and the number of requests, for `first` as the first response and a token as
/// the second.
fn exchange(
    request: TokenRequest,
    first: impl Fn() -> Result<Response, TransportError> + Send + Sync,
) -> (Result<TokenResponse, AcquireError>, u32) {
    let count = AtomicU32::new(0);
    let transport = blocking_transport_fn(|_: Request| {
        if count.fetch_add(1, SeqCst) == 0 {
            return first();
        }
        let token = r#"{"access_token":"t","expires_in":3599}"#;
        Ok(Response::new(Body::from(token.to_owned())))
    });
    let outcome = Acquisition::new(request)
        .clock(|| NOW)
        .run_blocking_with(&transport, |_| {});
    (outcome, count.load(SeqCst))
}

fn client_credentials() -> TokenRequest {
    let authority = "https://login.microsoftonline.com/contoso.onmicrosoft.com"
        .parse()
        .unwrap();
    let id = "2d4d11a2-f814-46a7-890a-274a72a7309e".parse().unwrap();
    let app = Application::new(authority, id, ClientSecret::new("s3cret").unwrap());
    app.client_credentials(Target::resource("https://graph.microsoft.com").unwrap())
        .unwrap()
}
