//! The driver without a runtime.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::time::Duration;

use entra_transport::{BlockingTransport, Request, TransportError, blocking_transport_fn};
use entra_validate::blocking::Validator;
use entra_validate::{FORCED_REFRESH_INTERVAL, REFRESH_INTERVAL, Rejection};

use crate::support::*;

fn transport(cloud: &Cloud) -> impl BlockingTransport + use<> {
    let cloud = cloud.clone();
    blocking_transport_fn(move |request: Request| Ok::<_, TransportError>(cloud.respond(&request)))
}

#[test]
fn threads_share_one_fetch() {
    let cloud = Cloud::new();
    let validator = Validator::with_clock(api(), transport(&cloud), Clock::new().reader());
    let (token, start) = (daemon().sign(), Barrier::new(32));
    std::thread::scope(|scope| {
        for _ in 0..32 {
            scope.spawn(|| {
                start.wait();
                validator.validate(&token).unwrap();
            });
        }
    });
    assert_eq!(cloud.requests().len(), 2, "{:?}", cloud.requests());
}

#[test]
fn keys_rotate_and_refresh_without_a_runtime() {
    let (cloud, clock) = (Cloud::new(), Clock::new());
    let validator = Validator::with_clock(api(), transport(&cloud), clock.reader());
    validator.validate(&clock.token(0)).unwrap();
    for _ in 0..1000 {
        assert_eq!(
            validator.validate(&daemon().header("kid", "forged").sign()),
            Err(Rejection::UnknownKey)
        );
        assert_eq!(validator.validate(&clock.token(1)), Err(Rejection::UnknownKey));
    }
    clock.advance(FORCED_REFRESH_INTERVAL);
    cloud.publish([KEYS[1].jwk()]);
    validator.validate(&clock.token(1)).unwrap();
    assert_eq!(cloud.fetches(), 2);
    clock.advance(REFRESH_INTERVAL);
    cloud.fail(500, None);
    validator.validate(&clock.token(1)).unwrap();
    assert_eq!(cloud.fetches(), 3);
    assert!(validator.report(&clock.token(1)).is_valid());
}

#[test]
fn panic_of_the_transport_fails_all_callers() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let transport = blocking_transport_fn(move |_: Request| {
        counted.fetch_add(1, Ordering::SeqCst);
        panic!("a bug of the transport")
    });
    let clock = Clock::new();
    let validator = Validator::with_clock(api(), transport, clock.reader());
    let token = daemon().sign();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                assert!(matches!(
                    validator.validate(&token),
                    Err(Rejection::KeysUnavailable { .. })
                ))
            });
        }
    });
    assert_eq!(calls.load(Ordering::SeqCst), 1);
    clock.advance(Duration::from_secs(5));
    assert!(validator.validate(&token).is_err());
    assert_eq!(calls.load(Ordering::SeqCst), 2);
}

#[test]
fn transport_that_never_responds_blocks_one_thread() {
    let (cloud, clock, calls) = (Cloud::new(), Clock::new(), Arc::new(AtomicUsize::new(0)));
    let (release, released) = std::sync::mpsc::channel::<()>();
    let counted = Arc::clone(&calls);
    let released = std::sync::Mutex::new(released);
    let transport = blocking_transport_fn(move |request: Request| {
        if counted.fetch_add(1, Ordering::SeqCst) == 0 {
            let _ = released.lock().unwrap().recv();
        }
        Ok::<_, TransportError>(cloud.respond(&request))
    });
    let validator = Validator::with_clock(api(), transport, clock.reader());
    let token = clock.token(0);
    std::thread::scope(|scope| {
        let stuck = scope.spawn(|| validator.validate(&token).map(drop));
        while calls.load(Ordering::SeqCst) == 0 {
            std::thread::yield_now();
        }
        let waiting = scope.spawn(|| validator.validate(&token).map(drop));
        clock.advance(Duration::from_secs(120));
        assert!(validator.validate(&token).is_ok());
        assert_eq!(waiting.join().unwrap(), Ok(()));
        drop(release);
        assert_eq!(stuck.join().unwrap(), Ok(()));
    });
}
