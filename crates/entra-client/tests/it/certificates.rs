//! Signed assertions: each is used while it is valid, and a new certificate signs its own.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use entra_client::{Client, Policy};
use entra_proto::Tenant;
use entra_proto::assertion::{Signer, SignerError, SigningAlgorithm, SigningCertificate};

use crate::support::{self, CountedRandom, Reply, Seen, Service, VirtualClock, Wire, api, app, pass, seconds};

const TOKEN: Reply = Reply::Token("t", 3600, "");

/// A signer that counts, and whose certificate can be replaced.
#[derive(Clone, Default)]
struct Pen {
    certificate: Arc<AtomicU8>,
    signed: Arc<AtomicUsize>,
}

impl Signer for Pen {
    fn certificate(&self) -> SigningCertificate {
        let number = self.certificate.load(Ordering::Relaxed);
        SigningCertificate::new([number; 20], [number; 32], Vec::new())
    }

    fn sign(&self, _: &SigningCertificate, _: SigningAlgorithm, _: &[u8]) -> Result<Vec<u8>, SignerError> {
        self.signed.fetch_add(1, Ordering::Relaxed);
        Ok(vec![self.certificate.load(Ordering::Relaxed); 3])
    }
}

struct Scene {
    client: Client,
    service: Service,
    clock: VirtualClock,
    pen: Pen,
}

impl Scene {
    fn new(service: Service, policy: Policy) -> Self {
        let (pen, clock) = (Pen::default(), VirtualClock::new());
        let client = Client::builder(app(pen.clone()), Wire::to(&service))
            .clock(clock.clone())
            .secure_random(CountedRandom::default())
            .policy(policy)
            .build()
            .unwrap();
        Self {
            client,
            service,
            clock,
            pen,
        }
    }

    fn signed(&self) -> usize {
        self.pen.signed.load(Ordering::Relaxed)
    }

    /// Requests a token that is not cached.
    async fn ask(&self, name: &str) -> Result<entra_client::Token, entra_client::Error> {
        self.client.token(&api(name)).await
    }
}

fn assertion(seen: &Seen) -> String {
    seen.value("client_assertion").unwrap().to_owned()
}

#[tokio::test(start_paused = true)]
async fn one_assertion_serves_nine_of_its_ten_minutes() {
    let scene = Scene::new(Service::always(TOKEN), Policy::default());
    for n in 0..540 {
        scene.ask(&format!("a{n}")).await.unwrap();
        pass(seconds(1)).await;
    }
    assert_eq!(scene.signed(), 1);
    scene.ask("b").await.unwrap();
    assert_eq!(scene.signed(), 2);
    assert_ne!(assertion(&scene.service.seen(0)), assertion(&scene.service.seen(540)));
}

#[tokio::test(start_paused = true)]
async fn each_tenant_has_its_own_assertion() {
    let scene = Scene::new(Service::always(TOKEN), Policy::default());
    let fabrikam = scene.client.tenant("fabrikam.com".parse::<Tenant>().unwrap());
    for name in ["a", "b"] {
        scene.ask(name).await.unwrap();
        fabrikam.token(&api(name)).await.unwrap();
    }
    assert_eq!(scene.signed(), 2, "the audience is the endpoint of the tenant");
}

#[tokio::test(start_paused = true)]
async fn policy_can_require_a_new_assertion_each_time() {
    let mut policy = Policy::default();
    policy.assertion_margin = None;
    let scene = Scene::new(Service::always(TOKEN), policy);
    for name in ["a", "b", "c"] {
        scene.ask(name).await.unwrap();
    }
    assert_eq!(scene.signed(), 3);
}

#[tokio::test(start_paused = true)]
async fn rotated_certificate_signs_from_the_next_request_on() {
    let scene = Scene::new(Service::always(TOKEN), Policy::default());
    scene.ask("a").await.unwrap();
    scene.pen.certificate.store(1, Ordering::Relaxed);
    scene.ask("b").await.unwrap();
    assert_eq!(scene.signed(), 2);
    assert!(
        assertion(&scene.service.seen(1)).ends_with(".AQEB"),
        "the new key's signature"
    );
}

#[tokio::test(start_paused = true)]
async fn rejected_assertion_is_not_used_again() {
    let rejection = r#"{"error":"invalid_client","error_codes":[700027]}"#;
    let rejected = || Reply::body(401, rejection);
    let scene = Scene::new(
        Service::replies(&[TOKEN, rejected(), rejected(), TOKEN]),
        Policy::default(),
    );
    scene.ask("a").await.unwrap();
    scene.ask("b").await.unwrap_err();
    assert_eq!(
        (scene.signed(), scene.service.requests()),
        (2, 3),
        "one retry, and no loop"
    );
    pass(seconds(5)).await;
    scene.ask("b").await.unwrap();
    assert_eq!(scene.signed(), 3);
    // An assertion that was never accepted is not cached.
    let scene = Scene::new(
        Service::replies(&[Reply::body(401, rejection), TOKEN]),
        Policy::default(),
    );
    scene.ask("a").await.unwrap_err();
    scene.ask("b").await.unwrap();
    assert_eq!(scene.signed(), 2);
}

/// The service accepts each assertion only once.
#[tokio::test(start_paused = true)]
async fn rejected_cached_assertion_is_signed_again_once() {
    for rejection in [
        r#"{"error":"invalid_client","error_codes":[50012]}"#,
        r#"{"error":"invalid_client","error_description":"client assertion tokens must only be used once"}"#,
    ] {
        let seen = Mutex::new(HashSet::new());
        let service = Service::new(move |_, request| {
            let is_new = seen.lock().unwrap().insert(assertion(request));
            (Duration::ZERO, if is_new { TOKEN } else { Reply::body(401, rejection) })
        });
        let scene = Scene::new(service, Policy::default());
        for name in ["a", "b", "c", "d"] {
            scene.ask(name).await.unwrap();
        }
        // From the second assertion on, the client knows that the service accepts each once.
        assert_eq!((scene.signed(), scene.service.requests()), (4, 5), "{rejection}");
    }
}

#[tokio::test(start_paused = true)]
async fn assertion_signed_by_the_clock_of_the_service_is_cached() {
    let rejection = r#"{"error":"invalid_client","error_codes":[700024]}"#;
    let date = vec![("date", "Thu, 01 Jan 2026 01:00:00 GMT".to_owned())];
    let scene = Scene::new(
        Service::replies(&[Reply::Status(401, date, rejection.to_owned()), TOKEN]),
        Policy::default(),
    );
    scene.ask("a").await.unwrap();
    scene.ask("b").await.unwrap();
    assert_eq!(
        (scene.signed(), scene.service.requests()),
        (2, 3),
        "the second request is accepted at once"
    );
}

#[tokio::test(start_paused = true)]
async fn clock_jump_causes_a_new_signature() {
    for jump in [-1, 600] {
        let scene = Scene::new(Service::always(TOKEN), Policy::default());
        scene.ask("a").await.unwrap();
        scene.clock.set_ahead(jump);
        scene.ask("b").await.unwrap();
        assert_eq!(scene.signed(), 2, "{jump}");
    }
}

#[tokio::test(start_paused = true)]
async fn clear_drops_signed_assertions() {
    let scene = Scene::new(Service::always(TOKEN), Policy::default());
    scene.ask("a").await.unwrap();
    scene.client.clear();
    scene.ask("a").await.unwrap();
    assert_eq!(scene.signed(), 2);
}

#[tokio::test(start_paused = true)]
async fn concurrent_requests_may_each_sign() {
    let scene = Scene::new(Service::always(TOKEN).taking(seconds(1)), Policy::default());
    let failed = Arc::new(Mutex::new(0));
    support::together(50, |n| {
        let (client, failed) = (scene.client.clone(), Arc::clone(&failed));
        async move {
            if client.token(&api(&format!("a{n}"))).await.is_err() {
                *failed.lock().unwrap() += 1;
            }
        }
    })
    .await;
    assert_eq!(*failed.lock().unwrap(), 0);
    assert_eq!(scene.service.requests(), 50);
}
