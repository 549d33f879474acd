//! The schedule of key fetches, in virtual time.

use std::time::Duration;

use entra_proto::EndpointVersion::{V1, V2};
use entra_proto::Timestamp;
use entra_validate::{
    FORCED_REFRESH_INTERVAL, Fetch, FetchStep, Fetched, KeyCache, LAST_KNOWN_GOOD, Lookup, REFRESH_INTERVAL, Rejection,
};

use crate::support::*;

fn carry_out(cloud: &Cloud, mut fetch: Fetch, at: Timestamp) -> Fetched {
    loop {
        let response = cloud.respond(&fetch.request());
        match fetch.respond(&response, at) {
            FetchStep::Send(next) => fetch = next,
            FetchStep::Done(fetched) => return fetched,
        }
    }
}

/// A cache with a clock.
struct Scene {
    cache: KeyCache,
    cloud: Cloud,
    now: Timestamp,
}

impl Scene {
    /// Creates a cache that has fetched the first key.
    fn new() -> Self {
        let mut scene = Self {
            cache: KeyCache::new(&api()),
            cloud: Cloud::new(),
            now: now(),
        };
        assert_eq!(scene.look("first"), "fetch");
        assert_eq!(scene.look("first"), "ready");
        scene
    }

    fn pass(&mut self, time: Duration) {
        self.now = self.now.plus(time);
    }

    /// Looks up a key, and carries out the fetch if there is one.
    fn look(&mut self, kid: &str) -> &'static str {
        let (word, fetch) = match self.cache.lookup(V2, kid, self.now) {
            Lookup::Ready(keys) => (
                if keys.kids().any(|it| it == kid) {
                    "ready"
                } else {
                    "unknown"
                },
                None,
            ),
            Lookup::Refresh(_, fetch) => ("refresh", Some(fetch)),
            Lookup::Fetch(fetch) => ("fetch", Some(fetch)),
            Lookup::InFlight => ("in flight", None),
            Lookup::Unavailable(_) => ("unavailable", None),
        };
        if let Some(fetch) = fetch {
            let fetched = carry_out(&self.cloud, fetch, self.now);
            self.cache.complete(fetched, self.now);
        }
        word
    }
}

#[test]
fn fresh_keys_are_not_fetched_again() {
    let mut scene = Scene::new();
    scene.pass(REFRESH_INTERVAL - Duration::from_secs(1));
    assert_eq!(scene.look("first"), "ready");
    assert_eq!(scene.cloud.fetches(), 1);
    scene.pass(Duration::from_secs(1));
    assert_eq!(scene.look("first"), "refresh");
    assert_eq!(scene.look("first"), "ready");
    assert_eq!(scene.cloud.fetches(), 2);
}

#[test]
fn unknown_keys_force_one_fetch_in_five_minutes() {
    let mut scene = Scene::new();
    for _ in 0..100 {
        assert_eq!(scene.look("forged"), "unknown");
    }
    scene.pass(FORCED_REFRESH_INTERVAL);
    for at in 0..100 {
        assert_eq!(
            scene.look(&format!("forged {at}")),
            if at == 0 { "fetch" } else { "unknown" }
        );
    }
    scene.pass(FORCED_REFRESH_INTERVAL - Duration::from_secs(1));
    assert_eq!(scene.look("forged"), "unknown");
    assert_eq!(scene.cloud.fetches(), 2);
}

#[test]
fn failed_forced_fetch_counts_too() {
    let mut scene = Scene::new();
    scene.pass(FORCED_REFRESH_INTERVAL);
    scene.cloud.fail(503, None);
    assert_eq!(scene.look("second"), "fetch");
    scene.pass(Duration::from_secs(60));
    assert_eq!(scene.look("second"), "unknown");
    assert_eq!(scene.look("first"), "ready");
    assert_eq!(scene.cloud.fetches(), 2);
}

#[test]
fn new_key_is_known_without_a_restart() {
    let mut scene = Scene::new();
    scene.pass(Duration::from_secs(3600));
    scene.cloud.publish([KEYS[1].jwk(), KEYS[0].jwk()]);
    assert_eq!(scene.look("first"), "ready");
    assert_eq!(scene.look("second"), "fetch");
    assert_eq!((scene.look("second"), scene.look("first")), ("ready", "ready"));
    scene.cloud.publish([KEYS[1].jwk()]);
    scene.pass(REFRESH_INTERVAL);
    assert_eq!(scene.look("first"), "refresh");
    assert_eq!((scene.look("second"), scene.look("first")), ("ready", "unknown"));
}

#[test]
fn old_keys_are_used_for_a_day_of_an_outage() {
    let mut scene = Scene::new();
    scene.cloud.fail(500, None);
    scene.pass(REFRESH_INTERVAL);
    assert_eq!((scene.look("first"), scene.look("first")), ("refresh", "ready"));
    let fetches = scene.cloud.fetches();
    let start = scene.now;
    while scene.now.since(start) < LAST_KNOWN_GOOD - REFRESH_INTERVAL - Duration::from_secs(60) {
        scene.pass(Duration::from_secs(30));
        assert!(matches!(scene.look("first"), "ready" | "refresh"));
    }
    // Each pause is twice as long as the previous one, up to five minutes.
    let attempts = scene.cloud.fetches() - fetches;
    assert!((120..160).contains(&attempts), "{attempts}");
    scene.pass(Duration::from_secs(400));
    assert_eq!((scene.look("first"), scene.look("first")), ("fetch", "unavailable"));
    scene.cloud.recover();
    scene.pass(Duration::from_secs(300));
    assert_eq!((scene.look("first"), scene.look("first")), ("fetch", "ready"));
}

#[test]
fn outage_at_the_start_is_503_and_short() {
    let mut cache = KeyCache::new(&api());
    let cloud = Cloud::new();
    cloud.fail(500, None);
    let Lookup::Fetch(fetch) = cache.lookup(V2, "first", now()) else {
        panic!("it fetches")
    };
    cache.complete(carry_out(&cloud, fetch, now()), now());
    let Lookup::Unavailable(rejection) = cache.lookup(V2, "first", now().plus(Duration::from_secs(2))) else {
        panic!("it waits");
    };
    assert_eq!(
        (rejection.status().as_u16(), rejection.retry_after()),
        (503, Some(Duration::from_secs(3)))
    );
    assert!(rejection.to_string().contains("status 500"), "{rejection}");
    assert!(matches!(
        cache.lookup(V2, "first", now().plus(Duration::from_secs(5))),
        Lookup::Fetch(_)
    ));
}

#[test]
fn retry_after_is_obeyed_within_bounds() {
    for (header, seconds) in [("90", 90), ("1", 5), ("garbage", 5), ("99999999", 3600)] {
        let mut cache = KeyCache::new(&api());
        let cloud = Cloud::new();
        cloud.fail(429, Some(header));
        let Lookup::Fetch(fetch) = cache.lookup(V2, "first", now()) else {
            panic!("it fetches")
        };
        cache.complete(carry_out(&cloud, fetch, now()), now());
        let almost = now().plus(Duration::from_secs(seconds) - Duration::from_millis(1));
        assert!(
            matches!(cache.lookup(V2, "first", almost), Lookup::Unavailable(_)),
            "{header}"
        );
        assert!(
            matches!(
                cache.lookup(V2, "first", now().plus(Duration::from_secs(seconds))),
                Lookup::Fetch(_)
            ),
            "{header}"
        );
    }
}

#[test]
fn one_fetch_is_in_flight_for_each_version() {
    let mut cache = KeyCache::new(&api());
    let Lookup::Fetch(first) = cache.lookup(V2, "a", now()) else {
        panic!("it fetches")
    };
    for _ in 0..10 {
        assert!(matches!(cache.lookup(V2, "a", now()), Lookup::InFlight));
    }
    assert!(matches!(cache.lookup(V1, "a", now()), Lookup::Fetch(_)));
    cache.complete(first.failed("no connection"), now());
    let Lookup::Unavailable(Rejection::KeysUnavailable { problem, .. }) = cache.lookup(V2, "a", now()) else {
        panic!("it failed");
    };
    assert!(problem.contains("no connection"), "{problem}");
    assert!(matches!(cache.lookup(V1, "a", now()), Lookup::InFlight));
}

#[test]
fn requests_during_a_refresh_use_the_old_keys() {
    let mut scene = Scene::new();
    scene.pass(REFRESH_INTERVAL);
    let Lookup::Refresh(_, fetch) = scene.cache.lookup(V2, "first", scene.now) else {
        panic!("it refreshes")
    };
    assert_eq!(scene.look("first"), "ready");
    // An unknown key may be in the response, so the lookup waits.
    assert_eq!(scene.look("second"), "in flight");
    let fetched = carry_out(&scene.cloud, fetch, scene.now);
    scene.cache.complete(fetched, scene.now);
    assert_eq!(scene.look("second"), "unknown");
}

#[test]
fn clock_that_is_set_back_does_not_keep_old_keys() {
    let mut scene = Scene::new();
    scene.now = scene.now.minus(REFRESH_INTERVAL);
    assert_eq!(scene.look("first"), "refresh");
    scene.now = scene.now.minus(LAST_KNOWN_GOOD);
    assert_eq!(scene.look("first"), "fetch");
    assert_eq!(scene.look("first"), "ready");
}

#[test]
fn documents_without_keys_do_not_replace_keys() {
    let mut scene = Scene::new();
    scene.pass(REFRESH_INTERVAL);
    scene.cloud.publish([]);
    assert_eq!((scene.look("first"), scene.look("first")), ("refresh", "ready"));
    scene.pass(Duration::from_secs(5));
    scene.cloud.publish([KEYS[0].jwk()]);
    scene.cloud.metadata("jwks_uri", "https://evil.example/keys");
    assert_eq!((scene.look("first"), scene.look("first")), ("refresh", "ready"));
    assert!(scene.cloud.requests().iter().all(|uri| !uri.contains("evil")));
}

#[test]
fn fetch_that_never_completes_is_followed_by_another() {
    let mut scene = Scene::new();
    scene.pass(FORCED_REFRESH_INTERVAL);
    let Lookup::Fetch(lost) = scene.cache.lookup(V2, "second", scene.now) else {
        panic!("it fetches")
    };
    scene.pass(Duration::from_secs(119));
    assert_eq!((scene.look("second"), scene.look("first")), ("in flight", "ready"));
    // After the interval, an unknown key forces a fetch, and a second one does not.
    scene.pass(Duration::from_secs(181));
    scene.cloud.publish([KEYS[1].jwk()]);
    assert_eq!((scene.look("second"), scene.look("second")), ("fetch", "ready"));
    // The late response of the lost fetch is ignored: older keys do not replace newer ones.
    scene.cloud.publish([KEYS[0].jwk()]);
    let late = carry_out(&scene.cloud, lost, scene.now);
    scene.cache.complete(late, scene.now);
    assert_eq!(scene.look("second"), "ready");
}

#[test]
fn late_keys_are_used_if_there_are_none() {
    let (mut cache, cloud) = (KeyCache::new(&api()), Cloud::new());
    let Lookup::Fetch(slow) = cache.lookup(V2, "first", now()) else {
        panic!("it fetches")
    };
    let later = now().plus(Duration::from_secs(120));
    let Lookup::Fetch(next) = cache.lookup(V2, "first", later) else {
        panic!("it fetches again")
    };
    cache.complete(carry_out(&cloud, slow, later), later);
    assert!(matches!(cache.lookup(V2, "first", later), Lookup::Ready(_)));
    // The failure of the last fetch keeps the keys that arrived.
    cache.complete(next.failed("no connection"), later);
    assert!(matches!(cache.lookup(V2, "first", later), Lookup::Ready(_)));
}

#[test]
fn late_failure_of_a_lost_fetch_causes_no_pause() {
    let mut scene = Scene::new();
    scene.pass(FORCED_REFRESH_INTERVAL);
    let Lookup::Fetch(lost) = scene.cache.lookup(V2, "second", scene.now) else {
        panic!("it fetches")
    };
    scene.pass(FORCED_REFRESH_INTERVAL);
    assert_eq!(scene.look("second"), "fetch");
    scene.cloud.fail(429, Some("3600"));
    let late = carry_out(&scene.cloud, lost, scene.now);
    scene.cache.complete(late, scene.now);
    scene.cloud.recover();
    scene.pass(FORCED_REFRESH_INTERVAL);
    assert_eq!(scene.look("second"), "fetch");
}
