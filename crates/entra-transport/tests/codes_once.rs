//! An authorization code over a connection that breaks: it is sent again only where nothing of it went out.

use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

use entra_proto::{Application, ClientCredential, Redirect, Target, Timestamp, TokenRequest};
use entra_transport::{
    AcquireError, Body, Request, Response, TransportError, TransportErrorKind, blocking_transport_fn, drive_blocking,
    start,
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
fn it_goes_out_again_where_no_connection_was_had_and_never_else() {
    use TransportErrorKind::{Connect, Dns, Interrupted, Malformed, Timeout, Tls};
    for (kind, retryable, sent) in [
        (Dns, true, 2),
        (Connect, true, 2),
        (Tls, true, 2),
        (Tls, false, 1),
        (Timeout, true, 1),
        (Interrupted, true, 1),
        (Malformed, true, 1),
        (Malformed, false, 1),
    ] {
        let count = AtomicU32::new(0);
        let transport = blocking_transport_fn(|_: Request| -> Result<Response, TransportError> {
            if count.fetch_add(1, SeqCst) == 0 {
                return Err(TransportError::new(kind, "first").retryable(retryable));
            }
            let token = r#"{"access_token":"t","expires_in":3599}"#;
            Ok(Response::new(Body::from(token.to_owned())))
        });
        let step = start(redemption(), entra_proto::RetryPolicy::default()).unwrap();
        let outcome = drive_blocking(&transport, step, || NOW, |_| {});
        assert_eq!(count.load(SeqCst), sent, "{kind:?}");
        match outcome {
            Ok(_) => assert_eq!(sent, 2, "{kind:?}"),
            Err(AcquireError::Transport(error)) => assert_eq!((sent, error.kind()), (1, kind)),
            Err(error) => panic!("{error}"),
        }
    }
}
