//! Requests on a local route: which are admitted, and under which rules.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::time::Duration;

use entra_proto::acquire::{RetryPolicy, Step};
use entra_proto::managed_identity::{Host, Identity, LocalRoute, ManagedIdentity};
use entra_proto::{Guid, Target, Timestamp};
use entra_transport::{Request, TransportErrorKind, TransportPolicy};
use zeroize::Zeroizing;

/// A machine with these variables.
struct Machine(&'static [(&'static str, &'static str)]);

impl Host for Machine {
    fn variable(&self, name: &str) -> Option<OsString> {
        let variable = self.0.iter().find(|(known, _)| *known == name);
        variable.map(|(_, value)| value.into())
    }

    fn file_exists(&self, _: &Path) -> bool {
        false
    }

    fn read_key_file(&self, _: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
        Err(io::ErrorKind::NotFound.into())
    }
}

const APP_SERVICE: &[(&str, &str)] = &[
    ("IDENTITY_ENDPOINT", "http://127.0.0.1:41564/msi/token"),
    ("IDENTITY_HEADER", "canary"),
];
const SERVICE_FABRIC: &[(&str, &str)] = &[
    ("IDENTITY_ENDPOINT", "https://localhost:2377/metadata"),
    ("IDENTITY_HEADER", "canary"),
    ("IDENTITY_SERVER_THUMBPRINT", "abababababababababababababababababababab"),
];

/// Returns the first request for a token on a machine with these variables.
fn request(variables: &'static [(&'static str, &'static str)]) -> Request {
    let identity = ManagedIdentity::new(Identity::system(), Machine(variables));
    let request = identity
        .request(Target::resource("https://vault.azure.net").unwrap())
        .unwrap();
    let (id, now) = (Guid::from_random([7; 16]), Timestamp::from_secs(1_767_225_600));
    match request.probing(true).start(RetryPolicy::never(), id, now).unwrap() {
        Step::Exchange(exchange) => exchange.request(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn transport_that_does_not_know_the_route_rejects_it() {
    let mut policy = TransportPolicy::default();
    for allow_plain_loopback in [false, true] {
        policy.allow_plain_loopback = allow_plain_loopback;
        for variables in [&[][..], APP_SERVICE, SERVICE_FABRIC] {
            let error = policy.admit(&mut request(variables)).unwrap_err();
            assert_eq!(error.kind(), TransportErrorKind::NotAllowed);
            assert!(error.is_unsent() && !error.is_retryable());
            assert!(error.hint().unwrap().contains("HyperTransport"));
        }
    }
}

#[test]
fn transport_that_knows_the_route_admits_local_uris_only() {
    let policy = TransportPolicy::default();
    for variables in [&[][..], APP_SERVICE, SERVICE_FABRIC] {
        let mut request = request(variables);
        let route = policy.admit_routed(&mut request).unwrap().unwrap();
        assert_eq!(route.pin().is_some(), variables == SERVICE_FABRIC);
        assert_eq!(request.headers()["accept-encoding"], "identity");
        assert!(!format!("{request:?}").contains("canary"));
    }
    for (uri, of_plain, of_pinned) in [
        ("http://169.254.169.254/metadata", true, false),
        ("http://[fe80::1]:80/metadata", true, false),
        ("http://127.0.0.1:40342/metadata", true, false),
        ("http://imds/metadata", true, false),
        ("https://10.0.0.4/metadata", true, true),
        ("http://10.0.0.4/metadata", false, false),
        ("http://login.example/", false, false),
        ("http://user:canary@127.0.0.1/", false, false),
        ("https://canary@localhost/", false, false),
        ("http://127.0.0.1:99999/", false, false),
        ("ftp://127.0.0.1/", false, false),
        ("/metadata", false, false),
    ] {
        for (variables, is_allowed) in [(&[][..], of_plain), (SERVICE_FABRIC, of_pinned)] {
            let mut request = request(variables);
            *request.uri_mut() = uri.parse().unwrap();
            let outcome = policy.admit_routed(&mut request);
            assert_eq!(outcome.is_ok(), is_allowed, "{uri}: {outcome:?}");
            if let Err(error) = outcome {
                assert_eq!(error.kind(), TransportErrorKind::NotAllowed, "{uri}");
                assert!(!format!("{error:?}").contains("canary"), "{error:?}");
            }
        }
    }
}

#[test]
fn request_without_a_route_has_no_more_rights() {
    let policy = TransportPolicy::default();
    for uri in ["http://127.0.0.1/", "http://169.254.169.254/", "http://imds/"] {
        let mut request = Request::default();
        *request.uri_mut() = uri.parse().unwrap();
        assert!(policy.admit_routed(&mut request).is_err(), "{uri}");
    }
    let mut request = Request::default();
    *request.uri_mut() = "https://login.example/".parse().unwrap();
    assert!(policy.admit_routed(&mut request).unwrap().is_none());
}

#[test]
fn shorter_timeouts_apply() {
    let second = Duration::from_secs(1);
    for (variables, own, expected) in [
        // A probe of one second.
        (&[][..], (30, 10), (second, second)),
        (&[], (30, 0), (second, Duration::ZERO)),
        (&[], (0, 0), (Duration::ZERO, Duration::ZERO)),
        // No limits of the route.
        (APP_SERVICE, (30, 10), (30 * second, 10 * second)),
    ] {
        let mut policy = TransportPolicy::default();
        (policy.timeout, policy.connect_timeout) = (own.0 * second, own.1 * second);
        let on_route = policy.on_route(LocalRoute::of(&request(variables)).unwrap());
        assert_eq!((on_route.timeout, on_route.connect_timeout), expected, "{own:?}");
    }
}
