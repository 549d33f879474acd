//! Slow signers and sources of assertions: a vault, an HSM, a command.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use entra_client::observer::EventKind;
use entra_client::runtime::Runtime;
use entra_client::{BuildError, Client, Error, TokenOptions, blocking};
use entra_proto::ClientCredential;
use entra_proto::acquired::AcquiredCredential;
use entra_proto::assertion::{
    AsyncAssertionSource, AsyncSigner, BoxFuture, CertificateCredential, ClientAssertion, FederatedCredential, Signer,
    SignerError, SigningAlgorithm, SigningCertificate,
};
use entra_proto::error::ErrorClass;
use entra_transport::{Body, Response, blocking_transport_fn};

use crate::support::{
    CountedRandom, Reply, Service, VirtualClock, Wire, api, app, pass, seconds, secret, settle, together,
};

const TOKEN: Reply = Reply::Token("t", 3600, "");

/// The result of each request to the vault, counted from 0.
type Script = dyn Fn(usize) -> Result<(), SignerError> + Send + Sync;

/// A vault with a delay, on tokio's clock.
#[derive(Clone)]
struct Vault {
    takes: Duration,
    script: Arc<Script>,
    begun: Arc<AtomicUsize>,
    ended: Arc<AtomicUsize>,
}

impl Vault {
    fn taking(takes: Duration) -> Self {
        Self {
            takes,
            script: Arc::new(|_| Ok(())),
            begun: Arc::default(),
            ended: Arc::default(),
        }
    }

    fn doing(self, script: impl Fn(usize) -> Result<(), SignerError> + Send + Sync + 'static) -> Self {
        Self {
            script: Arc::new(script),
            ..self
        }
    }

    async fn work(&self) -> Result<(), SignerError> {
        let number = self.begun.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(self.takes).await;
        self.ended.fetch_add(1, Ordering::SeqCst);
        (self.script)(number)
    }

    fn counts(&self) -> (usize, usize) {
        (self.begun.load(Ordering::SeqCst), self.ended.load(Ordering::SeqCst))
    }
}

impl AsyncSigner for Vault {
    fn certificate(&self) -> SigningCertificate {
        SigningCertificate::new([1; 20], [1; 32], Vec::new())
    }

    fn sign<'a>(
        &'a self,
        certificate: &'a SigningCertificate,
        _: SigningAlgorithm,
        input: &'a [u8],
    ) -> BoxFuture<'a, Result<Vec<u8>, SignerError>> {
        Box::pin(async move {
            assert_eq!((certificate.sha1(), input.is_ascii()), (&[1; 20], true));
            self.work().await.map(|()| vec![7; 3])
        })
    }
}

impl AsyncAssertionSource for Vault {
    fn assertion<'a>(&'a self, audience: &'a str) -> BoxFuture<'a, Result<ClientAssertion, entra_proto::Error>> {
        Box::pin(async move {
            assert_eq!(audience, "api://AzureADTokenExchange");
            self.work().await?;
            ClientAssertion::new("aA.aA.aA")
        })
    }
}

/// Returns both kinds of credential, over this vault.
fn both(vault: &Vault) -> [ClientCredential; 2] {
    [
        CertificateCredential::new_async(vault.clone()).into(),
        FederatedCredential::new_async(vault.clone()).into(),
    ]
}

fn client(service: &Service, credential: ClientCredential) -> Client {
    Client::builder(app(credential), Wire::to(service))
        .clock(VirtualClock::new())
        .secure_random(CountedRandom::default())
        .build()
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn slow_credential_does_not_block_the_runtime() {
    let vault = Vault::taking(seconds(1));
    for credential in both(&vault) {
        let service = Service::always(TOKEN);
        let client = client(&service, credential);
        let ticks = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&ticks);
        let other = tokio::spawn(async move {
            loop {
                tokio::time::sleep(Duration::from_millis(100)).await;
                count.fetch_add(1, Ordering::SeqCst);
            }
        });
        let begun = vault.counts().0;
        let all = together(10, |_| {
            let client = client.clone();
            async move { client.token(&api("graph")).await }
        });
        for outcome in all.await {
            outcome.unwrap();
        }
        other.abort();
        // The runtime has one thread: the other task ran while the vault was busy.
        assert!((9..=10).contains(&ticks.load(Ordering::SeqCst)), "{ticks:?}");
        assert_eq!((vault.counts().0 - begun, service.requests()), (1, 1));
        assert_eq!(
            service.seen(0).value("client_assertion_type"),
            Some("urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
        );
    }
}

#[tokio::test(start_paused = true)]
async fn signature_goes_on_after_its_caller_gives_up() {
    let vault = Vault::taking(seconds(5));
    for (round, credential) in both(&vault).into_iter().enumerate() {
        let service = Service::always(TOKEN);
        let client = client(&service, credential);
        let given_up = tokio::time::timeout(seconds(1), client.token(&api("graph"))).await;
        assert!(given_up.is_err());
        client.token(&api("graph")).await.unwrap();
        assert_eq!((vault.counts(), service.requests()), ((round + 1, round + 1), 1));
    }
}

/// A runtime that runs no task, so each flight runs within its caller.
struct NoTasks;

impl Runtime for NoTasks {
    fn sleep(&self, duration: Duration) -> entra_client::runtime::BoxFuture<()> {
        Box::pin(tokio::time::sleep(duration))
    }

    fn spawn(&self, _: entra_client::runtime::BoxFuture<()>) {}
}

#[tokio::test(start_paused = true)]
async fn signature_within_a_caller_is_dropped_with_it() {
    let vault = Vault::taking(seconds(5));
    for (round, credential) in both(&vault).into_iter().enumerate() {
        let service = Service::always(TOKEN);
        let builder = Client::builder(app(credential), Wire::to(&service));
        let client = builder.clock(VirtualClock::new()).runtime(NoTasks).build().unwrap();
        let given_up = tokio::time::timeout(seconds(1), client.token(&api("graph"))).await;
        assert!(given_up.is_err());
        assert_eq!((vault.counts(), service.requests()), ((2 * round + 1, round), 0));
        // The dropped signature does not delay another caller.
        let next = tokio::time::timeout(seconds(6), client.token(&api("graph"))).await;
        next.unwrap().unwrap();
        assert_eq!((vault.counts(), service.requests()), ((2 * round + 2, round + 1), 1));
    }
}

#[tokio::test(start_paused = true)]
async fn panic_of_a_slow_credential_is_a_failure_for_all_callers() {
    let vault = Vault::taking(seconds(1)).doing(|number| match number % 2 {
        0 => panic!("the vault panics"),
        _ => Ok(()),
    });
    for credential in both(&vault) {
        let service = Service::always(TOKEN);
        let client = client(&service, credential);
        let all = together(5, |_| {
            let client = client.clone();
            async move { client.token(&api("graph")).await }
        });
        for outcome in all.await {
            assert!(outcome.unwrap_err().to_string().contains("panic"));
        }
        assert_eq!(service.requests(), 0);
        pass(seconds(10)).await;
        client.token(&api("graph")).await.unwrap();
    }
}

/// A blocking signer with the same failure.
struct Broken;

fn broken() -> SignerError {
    SignerError::new("the key is locked").with_hint("unlock it")
}

impl Signer for Broken {
    fn certificate(&self) -> SigningCertificate {
        SigningCertificate::new([1; 20], [1; 32], Vec::new())
    }

    fn sign(&self, _: &SigningCertificate, _: SigningAlgorithm, _: &[u8]) -> Result<Vec<u8>, SignerError> {
        Err(broken())
    }
}

#[tokio::test(start_paused = true)]
async fn failure_of_a_slow_credential_is_reported_like_any_other() {
    let vault = Vault::taking(seconds(1)).doing(|_| Err(broken()));
    let at_once: [ClientCredential; 2] = [
        CertificateCredential::new(Broken).into(),
        FederatedCredential::new(|_: &str| Err(broken().into())).into(),
    ];
    let summary = |error: &Error| (error.to_string(), error.class(), error.is_retryable());
    for (slow, quick) in both(&vault).into_iter().zip(at_once) {
        let service = Service::always(TOKEN);
        let error = client(&service, slow).token(&api("graph")).await.unwrap_err();
        let expected = client(&service, quick).token(&api("graph")).await.unwrap_err();
        assert_eq!(summary(&error), summary(&expected));
        assert_eq!((error.class(), service.requests()), (ErrorClass::Credential, 0));
        assert!(error.to_string().contains("the key is locked"));
    }
}

#[tokio::test(start_paused = true)]
async fn lifetime_of_a_slow_signature_counts_from_its_beginning() {
    let vault = Vault::taking(seconds(100));
    let service = Service::always(TOKEN);
    let client = client(&service, CertificateCredential::new_async(vault.clone()).into());
    let force = TokenOptions::default().with_force_refresh(true);
    client.token(&api("graph")).await.unwrap();
    // An assertion is used for nine of its ten minutes.
    pass(seconds(430)).await;
    client.token_with(&api("graph"), &force).await.unwrap();
    assert_eq!(vault.counts().0, 1);
    pass(seconds(15)).await;
    client.token_with(&api("graph"), &force).await.unwrap();
    assert_eq!(vault.counts().0, 2);
}

#[tokio::test(start_paused = true)]
async fn rejected_assertion_is_signed_again_by_a_slow_signer() {
    let vault = Vault::taking(seconds(1));
    let rejection = r#"{"error":"invalid_client","error_codes":[700027]}"#;
    let service = Service::replies(&[TOKEN, Reply::body(401, rejection), TOKEN]);
    let client = client(&service, CertificateCredential::new_async(vault.clone()).into());
    client.token(&api("graph")).await.unwrap();
    client.token(&api("mail")).await.unwrap();
    assert_eq!((vault.counts().0, service.requests()), (2, 3));
}

#[tokio::test(start_paused = true)]
async fn refresh_with_a_slow_signer_runs_in_the_background() {
    let vault = Vault::taking(seconds(30));
    let service = Service::always(Reply::Token("t", 3600, r#","refresh_in":1800"#));
    let counters = Arc::new(entra_client::observer::Counters::default());
    let builder = Client::builder(app(CertificateCredential::new_async(vault.clone())), Wire::to(&service));
    let client = builder
        .clock(VirtualClock::new())
        .observer(Arc::clone(&counters))
        .build()
        .unwrap();
    client.token(&api("graph")).await.unwrap();
    pass(seconds(1800)).await;
    let start = tokio::time::Instant::now();
    client.token(&api("graph")).await.unwrap();
    assert_eq!(start.elapsed(), Duration::ZERO);
    pass(seconds(31)).await;
    settle().await;
    assert_eq!((counters.of(EventKind::Acquired), service.requests()), (2, 2));
}

#[test]
fn blocking_client_rejects_async_credentials() {
    let sent = Arc::new(Mutex::new(0));
    let transport = || {
        let sent = Arc::clone(&sent);
        blocking_transport_fn(move |_| {
            *sent.lock().unwrap() += 1;
            Ok(Response::new(Body::default()))
        })
    };
    let [certificate, federated] = both(&Vault::taking(seconds(1)));
    let parent = app(certificate.clone()).client_credentials(api("exchange")).unwrap();
    let nested = AcquiredCredential::of_token(parent).unwrap();
    for credential in [certificate, federated, nested.into()] {
        let built = blocking::Client::builder(app(credential.clone()), transport()).build();
        let error = built.unwrap_err();
        assert_eq!(error, BuildError::AsyncCredential);
        assert!(error.hint().is_some_and(|hint| hint.contains("async client")));

        let client = blocking::Client::new(app(credential), transport());
        let error = client.token(&api("graph")).unwrap_err();
        assert_eq!(error.class(), ErrorClass::Credential);
        assert!(error.to_string().contains("async"), "{error}");
    }
    assert_eq!(*sent.lock().unwrap(), 0);
    assert!(blocking::Client::builder(app(secret()), transport()).build().is_ok());
}
