//! The device-code flow: a user signs in on another device, and the client waits.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use entra_client::blocking;
use entra_client::observer::EventKind;
use entra_proto::{ClientCredential, Target};

use crate::support::users::{AtOnce, TENANT, blocking_client, of_tenant};
use crate::support::{Reply, Seen, Service, Stage, api, app};

const CODE: &str = r#"{"device_code":"canary-device","user_code":"ABCD",
    "verification_uri":"https://microsoft.com/devicelogin","interval":5,"expires_in":900}"#;

/// Returns a service for a user with this state at the n-th poll, counted from 1.
fn person(polls: &'static [&'static str]) -> Service {
    Service::new(move |n, _: &Seen| {
        let reply = match n.checked_sub(1).map(|poll| polls[poll]) {
            None => Reply::body(200, CODE),
            Some("done") => Reply::Token(of_tenant(), 3600, r#","refresh_token":"rt""#),
            Some(word) => Reply::body(400, &format!(r#"{{"error":"{word}"}}"#)),
        };
        (Duration::ZERO, reply)
    })
}

#[tokio::test(start_paused = true)]
async fn device_code_is_polled_until_the_user_is_done() {
    let stage = Stage::new(person(&[
        "authorization_pending",
        "slow_down",
        "authorization_pending",
        "done",
    ]));
    let mut shown = Vec::new();
    let target = Target::scopes("User.Read").unwrap();
    let sign_in = stage
        .client
        .device_code(&target, |code| shown.push(code.message.clone()))
        .await
        .unwrap();
    assert_eq!(
        shown,
        ["To sign in, open https://microsoft.com/devicelogin and enter the code ABCD."]
    );
    let times: Vec<u64> = (0..5).map(|n| stage.service.seen(n).at.as_secs()).collect();
    assert_eq!(times, [0, 5, 10, 20, 30]);
    let client = stage.client.user(&sign_in.user.unwrap());
    client.token(&target).await.unwrap();
    assert_eq!(stage.service.requests(), 5);
    assert_eq!(
        (stage.count(EventKind::Requested), stage.count(EventKind::Acquired)),
        (1, 1)
    );
}

#[tokio::test(start_paused = true)]
async fn declined_or_expired_code_ends_the_flow() {
    for word in ["authorization_declined", "expired_token", "bad_verification_code"] {
        let polls: &'static [&'static str] = Box::leak(Box::new([word]));
        let stage = Stage::new(person(polls));
        let error = stage.client.device_code(&api("graph"), |_| {}).await.unwrap_err();
        assert_eq!(error.service().unwrap().error, word);
        assert!(!error.is_retryable() && stage.client.cache_entries() == 0, "{error}");
        assert_eq!((stage.service.requests(), stage.count(EventKind::Failed)), (2, 1));
    }
}

/// A runtime that records the waits.
struct Noted(Arc<Mutex<Vec<u64>>>);

impl blocking::Runtime for Noted {
    fn sleep(&self, duration: Duration) {
        self.0.lock().unwrap().push(duration.as_secs());
    }

    fn spawn(&self, _: Box<dyn FnOnce() + Send>) {}
}

#[test]
fn blocking_client_waits_through_its_runtime() {
    let (service, waits) = (person(&["authorization_pending", "slow_down", "done"]), Arc::default());
    let builder = blocking::Client::builder(app(ClientCredential::Public), AtOnce(service));
    let client = builder.runtime(Noted(Arc::clone(&waits))).build().unwrap();
    client.device_code(&api("graph"), |_| {}).unwrap();
    assert_eq!(*waits.lock().unwrap(), [5, 5, 10]);
}

#[test]
fn public_client_signs_in_without_a_credential() {
    let service = person(&["authorization_pending", "done"]);
    let client = blocking_client(app(ClientCredential::Public), &service);
    let mut codes = Vec::new();
    let sign_in = client
        .device_code(&api("graph"), |code| codes.push(code.user_code.clone()))
        .unwrap();
    assert_eq!(
        (codes, sign_in.tenant.to_string()),
        (vec!["ABCD".to_owned()], TENANT.to_owned())
    );
    for n in 0..3 {
        assert!(
            service.seen(n).value("client_secret").is_none() && service.seen(n).value("client_assertion").is_none()
        );
    }
    let error = client.token(&api("graph")).unwrap_err().to_string();
    assert!(error.contains("the client credentials grant requires one"), "{error}");
}
