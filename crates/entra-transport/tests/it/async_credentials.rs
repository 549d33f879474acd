//! Async credentials, in an async acquisition and in a blocking one.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use entra_proto::assertion::{
    AsyncAssertionSource, AsyncSigner, BoxFuture, CertificateCredential, ClientAssertion, FederatedCredential,
    SignerError, SigningAlgorithm, SigningCertificate,
};
use entra_proto::{Application, ClientCredential, Error, Guid, Target, TokenRequest};
use entra_transport::{AcquireError, Acquisition, Body, Request, Response, blocking_transport_fn, transport_fn};

/// A credential whose future is pending once before it completes.
#[derive(Clone, Default)]
struct Slow(Arc<AtomicUsize>);

impl Slow {
    async fn work(&self) {
        let mut is_late = false;
        poll_fn(|_| match std::mem::replace(&mut is_late, true) {
            false => {
                self.0.fetch_add(1, Ordering::Relaxed);
                Poll::Pending
            }
            true => Poll::Ready(()),
        })
        .await;
    }
}

impl AsyncSigner for Slow {
    fn certificate(&self) -> SigningCertificate {
        SigningCertificate::new([1; 20], [1; 32], Vec::new())
    }

    fn sign<'a>(
        &'a self,
        _: &'a SigningCertificate,
        _: SigningAlgorithm,
        _: &'a [u8],
    ) -> BoxFuture<'a, Result<Vec<u8>, SignerError>> {
        Box::pin(async {
            self.work().await;
            Ok(vec![7; 3])
        })
    }
}

impl AsyncAssertionSource for Slow {
    fn assertion<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<ClientAssertion, Error>> {
        Box::pin(async {
            self.work().await;
            ClientAssertion::new("aA.aA.aA")
        })
    }
}

fn request(credential: ClientCredential) -> TokenRequest {
    let authority = "https://login.microsoftonline.com/contoso.com".parse().unwrap();
    let application = Application::new(authority, Guid::from_bytes([0xaa; 16]).into(), credential);
    let graph = Target::resource("https://graph.microsoft.com").unwrap();
    application.client_credentials(graph).unwrap()
}

fn both(slow: &Slow) -> [TokenRequest; 2] {
    [
        request(CertificateCredential::new_async(slow.clone()).into()),
        request(FederatedCredential::new_async(slow.clone()).into()),
    ]
}

fn token() -> Response {
    Response::new(Body::from(r#"{"access_token":"t","expires_in":3599}"#.to_owned()))
}

#[test]
fn acquisition_awaits_a_slow_credential() {
    let slow = Slow::default();
    for (round, request) in both(&slow).into_iter().enumerate() {
        let sent = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&sent);
        let transport = transport_fn(move |request: Request| {
            seen.lock().unwrap().push(request.into_body());
            async { Ok(token()) }
        });
        let mut acquired = pin!(Acquisition::new(request).run(&transport, |_| async {}));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(acquired.as_mut().poll(&mut cx).is_pending());
        assert_eq!(
            (slow.0.load(Ordering::Relaxed), sent.lock().unwrap().len()),
            (round + 1, 0)
        );
        let Poll::Ready(outcome) = acquired.as_mut().poll(&mut cx) else {
            panic!("it is still pending");
        };
        outcome.unwrap();
        let body = String::from_utf8(sent.lock().unwrap()[0].as_bytes().to_vec()).unwrap();
        assert!(
            body.contains("&client_assertion=") && body.contains("jwt-bearer"),
            "{body}"
        );
    }
}

#[test]
fn blocking_acquisition_rejects_async_credential() {
    let slow = Slow::default();
    for request in both(&slow) {
        let transport = blocking_transport_fn(|_| panic!("nothing is sent"));
        let error = Acquisition::new(request).run_blocking(&transport).unwrap_err();
        assert!(matches!(error, AcquireError::Protocol(_)) && !error.is_retryable());
        assert!(error.to_string().contains("is async"), "{error}");
        assert!(error.hint().is_some_and(|hint| hint.contains("async client")));
    }
    assert_eq!(slow.0.load(Ordering::Relaxed), 0);
}
