//! A person signs in elsewhere, and the client waits.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use entra_client::blocking;
use entra_client::observer::EventKind;
use entra_proto::{ClientCredential, Target};

use crate::support::people::{AtOnce, TENANT, blocking_client, of_tenant};
use crate::support::{Answer, Seen, Service, Stage, api, app};

const CODE: &str = r#"{"device_code":"canary-device","user_code":"ABCD","verification_uri":"https://microsoft.com/devicelogin","interval":5,"expires_in":900}"#;

/// A person who does what is said by the n-th poll, counted from 1.
fn person(polls: &'static [&'static str]) -> Service {
    Service::new(move |n, _: &Seen| {
        let answer = match n.checked_sub(1).map(|poll| polls[poll]) {
            None => Answer::refusal(200, CODE),
            Some("done") => Answer::Token(of_tenant(), 3600, r#","refresh_token":"rt""#),
            Some(word) => Answer::refusal(400, &format!(r#"{{"error":"{word}"}}"#)),
        };
        (Duration::ZERO, answer)
    })
}

#[tokio::test(start_paused = true)]
async fn a_person_without_a_browser_is_waited_for() {
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
async fn a_person_who_declines_or_does_not_come_ends_it() {
    for word in ["authorization_declined", "expired_token", "bad_verification_code"] {
        let polls: &'static [&'static str] = Box::leak(Box::new([word]));
        let stage = Stage::new(person(polls));
        let error = stage.client.device_code(&api("graph"), |_| {}).await.unwrap_err();
        assert_eq!(error.service().unwrap().error, word);
        assert!(!error.is_retryable() && stage.client.cache_entries() == 0, "{error}");
        assert_eq!((stage.service.requests(), stage.count(EventKind::Failed)), (2, 1));
    }
}

/// Takes note of how long it was to wait.
struct Noted(Arc<Mutex<Vec<u64>>>);

impl blocking::Runtime for Noted {
    fn sleep(&self, duration: Duration) {
        self.0.lock().unwrap().push(duration.as_secs());
    }

    fn spawn(&self, _: Box<dyn FnOnce() + Send>) {}
}

#[test]
fn a_thread_waits_for_a_person_as_its_runtime_does() {
    let (service, waits) = (person(&["authorization_pending", "slow_down", "done"]), Arc::default());
    let builder = blocking::Client::builder(app(ClientCredential::Public), AtOnce(service));
    let client = builder.runtime(Noted(Arc::clone(&waits))).build().unwrap();
    client.device_code(&api("graph"), |_| {}).unwrap();
    assert_eq!(*waits.lock().unwrap(), [5, 5, 10]);
}

#[test]
fn a_public_client_signs_in_without_a_credential() {
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
    assert!(error.contains("a daemon has to prove who it is"), "{error}");
}
