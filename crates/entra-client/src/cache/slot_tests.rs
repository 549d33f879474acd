//! Fixed sequences of events at one slot.

use std::task::{Context, Waker};

use entra_proto::assertion::SignerError;
use entra_proto::cache::{FreshnessPolicy, Lifetime};
use entra_proto::{AccessToken, Target, Timestamp};

use super::super::watcher::Watcher;
use super::*;
use crate::policy::Policy;
use crate::subject::Subject;

fn now(seconds: u64) -> Moment {
    Moment {
        wall: Timestamp::from_secs(1_767_225_600 + seconds),
        monotonic: Duration::from_secs(seconds),
    }
}

/// Returns a slot with a token from second 0 that needs refresh from second 1800 on.
fn due() -> Arc<Slot> {
    let slot = Arc::new(Slot::new(
        Key {
            tenant: Some("contoso.com".parse().unwrap()),
            target: Target::resource("https://graph.microsoft.com").unwrap(),
            claims: None,
            subject: Subject::Principal,
        },
        &TotalSize::default(),
    ));
    let mut owner = slot.start_refresh(now(0)).unwrap();
    let lifetime = Lifetime::new(now(0).wall, Duration::from_secs(3600), Some(Duration::from_secs(1800)));
    let stages = FreshnessPolicy::default().stages(&lifetime, 0);
    let token = AccessToken::new("t").unwrap();
    let token = Token::new(token, &lifetime, stages, now(0), None, owner.origin());
    owner.complete(&token, true, now(0), Duration::ZERO);
    slot
}

const PATIENCE: Duration = Duration::from_secs(120);

fn fail(mut owner: FlightOwner, at: u64) {
    let error = entra_proto::Error::from(SignerError::new("sealed"));
    let error = Error::from(error);
    let cool_down = owner.cool_down(&error, &Policy::default());
    owner.fail(error, cool_down, now(at));
}

#[test]
fn one_refresh_at_a_time_with_pauses_between() {
    let slot = due();
    assert!(
        !slot.peek(now(1799)).unwrap().1 && slot.start_refresh(now(1799)).is_none(),
        "the token is fresh"
    );
    assert!(slot.peek(now(1800)).unwrap().1);
    let owner = slot.start_refresh(now(1800)).unwrap();
    assert!(!slot.peek(now(1800)).unwrap().1, "a refresh is in flight");
    assert!(slot.start_refresh(now(1800)).is_none(), "a refresh is in flight");
    fail(owner, 1801);
    assert!(
        !slot.peek(now(1805)).unwrap().1 && slot.start_refresh(now(1805)).is_none(),
        "the slot cools down"
    );
    assert!(slot.peek(now(1806)).unwrap().1);
    drop(slot.start_refresh(now(1806)).unwrap());
    assert!(slot.peek(now(1806)).unwrap().1, "the owner was dropped");
}

#[test]
fn cool_down_ends_when_either_clock_says_so() {
    for (which, wall, monotonic, is_over) in [
        ("neither", 3, 3, false),
        ("the time of day", 6, 3, true),
        ("the monotonic clock", 3, 6, true),
        ("the time of day was set back", 0, 3, false),
        ("the time of day was set back, and time has passed", 0, 6, true),
    ] {
        let slot = due();
        slot.forget().wake();
        let JoinOutcome::Start(owner) = slot.join(now(1), None, PATIENCE) else {
            panic!("no flight starts")
        };
        fail(owner, 1);
        let later = Moment {
            wall: now(wall).wall,
            monotonic: Duration::from_secs(monotonic),
        };
        assert_eq!(
            matches!(slot.join(later, None, PATIENCE), JoinOutcome::Start(_)),
            is_over,
            "{which}"
        );
    }
}

#[test]
fn forgetting_a_slot_drops_its_failure() {
    let slot = due();
    fail(slot.start_refresh(now(1800)).unwrap(), 1800);
    slot.forget().wake();
    assert!(matches!(slot.join(now(1801), None, PATIENCE), JoinOutcome::Start(_)));
}

#[test]
fn flight_beyond_patience_gets_an_independent_successor() {
    let slot = due();
    slot.forget().wake();
    let start = |at| match slot.join(now(at), None, PATIENCE) {
        JoinOutcome::Start(owner) => Some(owner),
        _ => None,
    };
    let first = start(0).unwrap();
    let JoinOutcome::Wait { left, .. } = slot.join(now(50), None, PATIENCE) else {
        panic!("the caller does not wait")
    };
    assert_eq!(left, Duration::from_secs(70));
    assert!(start(119).is_none());
    let second = start(120).unwrap();
    fail(first, 121);
    assert!(
        start(122).is_none(),
        "the second flight goes on, and no failure is cached"
    );
    drop(second);
    assert!(start(123).is_some());
}

#[test]
fn token_that_arrived_after_the_clock_was_read_is_used() {
    let slot = due();
    slot.forget().wake();
    let JoinOutcome::Start(mut owner) = slot.join(now(10), None, PATIENCE) else {
        panic!("no flight starts")
    };
    let lifetime = Lifetime::new(now(12).wall, Duration::from_secs(3600), None);
    let stages = FreshnessPolicy::default().stages(&lifetime, 0);
    let token = AccessToken::new("t").unwrap();
    let token = Token::new(token, &lifetime, stages, now(12), None, owner.origin());
    owner.complete(&token, true, now(12), Duration::ZERO);
    assert!(matches!(slot.join(now(11), None, PATIENCE), JoinOutcome::Ready(_)));
    assert!(slot.peek(now(11)).is_some());
    // Setting the time of day back since then is a different case.
    let set_back = Moment {
        wall: now(11).wall,
        ..now(13)
    };
    assert!(matches!(slot.join(set_back, None, PATIENCE), JoinOutcome::Start(_)));
}

#[test]
fn each_change_is_noticed_once() {
    let slot = due();
    let mut watcher = Watcher::new(Arc::clone(&slot));
    let start = |at| slot.start_refresh(now(at)).unwrap();
    let complete = |mut owner: FlightOwner| {
        let token = slot.unexpired(now(1800)).unwrap();
        owner.complete(&token, true, now(1800), Duration::ZERO);
    };
    let changes: [&dyn Fn(); 6] = [
        &|| complete(start(1800)),
        &|| drop(start(1801)),
        &|| fail(start(1802), 1803),
        &|| assert!(slot.reject(1, now(1804), &Policy::default())),
        &|| slot.mark_stale(),
        &|| slot.forget().wake(),
    ];
    let cx = Context::from_waker(Waker::noop());
    for (n, change) in changes.into_iter().enumerate() {
        assert!(watcher.poll_change(&cx).is_pending(), "{n}: nothing has changed");
        change();
        assert!(watcher.poll_change(&cx).is_ready(), "{n}");
    }
}

#[test]
fn last_watcher_that_leaves_takes_the_record_along() {
    let slot = due();
    let (first, last) = (Watcher::new(Arc::clone(&slot)), Watcher::new(Arc::clone(&slot)));
    let has_record = || lock(&slot.state).events().watchers.is_some();
    drop(first);
    assert!(has_record());
    drop(last);
    assert!(!has_record());
}
