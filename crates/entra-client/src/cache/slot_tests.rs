//! Known orders of events at one slot.

use entra_proto::assertion::SignerError;
use entra_proto::cache::{FreshnessPolicy, Lifetime};
use entra_proto::{AccessToken, Target, Timestamp};

use super::*;
use crate::policy::Policy;

fn now(seconds: u64) -> Moment {
    Moment {
        wall: Timestamp::from_secs(1_767_225_600 + seconds),
        monotonic: Duration::from_secs(seconds),
    }
}

/// A slot with a token from second 0 that is due from second 1800 on.
fn due() -> Arc<Slot> {
    let slot = Arc::new(Slot::new(
        Key {
            tenant: "contoso.com".parse().unwrap(),
            target: Target::resource("https://graph.microsoft.com").unwrap(),
            claims: None,
            user: None,
        },
        &Ledger::default(),
    ));
    let mut lead = slot.refresh(now(0)).unwrap();
    let lifetime = Lifetime::new(now(0).wall, Duration::from_secs(3600), Some(Duration::from_secs(1800)));
    let stages = FreshnessPolicy::default().stages(&lifetime, 0);
    let token = AccessToken::new("t").unwrap();
    let token = Token::new(
        token,
        &lifetime,
        stages,
        now(0),
        None,
        (Arc::downgrade(&slot), lead.number()),
    );
    lead.land(&token, true, now(0), Duration::ZERO);
    slot
}

const PATIENCE: Duration = Duration::from_secs(120);

fn fail(mut lead: Lead, at: u64) {
    let error = entra_proto::Error::from(SignerError::new("sealed"));
    let error = Error::from(error);
    let wait = lead.cool_down(&error, &Policy::default());
    lead.fail(error, wait, now(at));
}

#[test]
fn one_refresh_at_a_time_and_none_too_soon() {
    let slot = due();
    assert!(
        !slot.peek(now(1799)).unwrap().1 && slot.refresh(now(1799)).is_none(),
        "it is fresh"
    );
    assert!(slot.peek(now(1800)).unwrap().1);
    let lead = slot.refresh(now(1800)).unwrap();
    assert!(!slot.peek(now(1800)).unwrap().1, "nobody needs to try");
    assert!(slot.refresh(now(1800)).is_none(), "one is in the air");
    fail(lead, 1801);
    assert!(
        !slot.peek(now(1805)).unwrap().1 && slot.refresh(now(1805)).is_none(),
        "it cools down"
    );
    assert!(slot.peek(now(1806)).unwrap().1);
    drop(slot.refresh(now(1806)).unwrap());
    assert!(slot.peek(now(1806)).unwrap().1, "whoever was to do it went away");
}

#[test]
fn a_failure_is_over_when_either_clock_says_so() {
    for (what, wall, monotonic, over) in [
        ("neither", 3, 3, false),
        ("the time of day", 6, 3, true),
        ("the other clock", 3, 6, true),
        ("the time of day was set back", 0, 3, false),
        ("set back, and time has passed", 0, 6, true),
    ] {
        let slot = due();
        slot.forget();
        let Turn::Lead(lead) = slot.join(now(1), None, PATIENCE) else {
            panic!("nobody leads")
        };
        fail(lead, 1);
        let later = Moment {
            wall: now(wall).wall,
            monotonic: Duration::from_secs(monotonic),
        };
        assert_eq!(
            matches!(slot.join(later, None, PATIENCE), Turn::Lead(_)),
            over,
            "{what}"
        );
    }
}

#[test]
fn what_is_forgotten_is_the_failure_too() {
    let slot = due();
    fail(slot.refresh(now(1800)).unwrap(), 1800);
    slot.forget();
    assert!(matches!(slot.join(now(1801), None, PATIENCE), Turn::Lead(_)));
}

#[test]
fn a_flight_that_takes_too_long_gets_a_successor_and_leaves_it_alone() {
    let slot = due();
    slot.forget();
    let lead = |at| match slot.join(now(at), None, PATIENCE) {
        Turn::Lead(lead) => Some(lead),
        _ => None,
    };
    let first = lead(0).unwrap();
    let Turn::Wait { left, .. } = slot.join(now(50), None, PATIENCE) else {
        panic!("nobody waits")
    };
    assert_eq!(left, Duration::from_secs(70));
    assert!(lead(119).is_none());
    let second = lead(120).unwrap();
    fail(first, 121);
    assert!(
        lead(122).is_none(),
        "the second is in the air, and no failure is remembered"
    );
    drop(second);
    assert!(lead(123).is_some());
}

#[test]
fn token_that_came_after_a_look_at_the_clock_is_used() {
    let slot = due();
    slot.forget();
    let Turn::Lead(mut lead) = slot.join(now(10), None, PATIENCE) else {
        panic!("nobody leads")
    };
    let lifetime = Lifetime::new(now(12).wall, Duration::from_secs(3600), None);
    let stages = FreshnessPolicy::default().stages(&lifetime, 0);
    let home = (Arc::downgrade(&slot), lead.number());
    let token = Token::new(AccessToken::new("t").unwrap(), &lifetime, stages, now(12), None, home);
    lead.land(&token, true, now(12), Duration::ZERO);
    assert!(matches!(slot.join(now(11), None, PATIENCE), Turn::Ready(_)));
    assert!(slot.peek(now(11)).is_some());
    // The time of day was set back since: that is another matter.
    let set_back = Moment {
        wall: now(11).wall,
        ..now(13)
    };
    assert!(matches!(slot.join(set_back, None, PATIENCE), Turn::Lead(_)));
}
