//! The schedules of the sources on a virtual clock, and the probe.

use std::time::Duration;

use entra_proto::acquire::RetryPolicy;
use entra_proto::error::ManagedIdentityErrorKind::{Absent, Denied, Malformed, NotAssigned, Throttled, Unavailable};
use entra_proto::managed_identity::Source;

use super::support::*;

fn imds() -> entra_proto::managed_identity::ManagedIdentityRequest {
    Machine::default().system()
}

fn times(count: usize, network: &Network) -> Vec<Network> {
    vec![network.clone(); count]
}

#[test]
fn metadata_service_is_retried_three_times() {
    for network in [
        responds(404, ""),
        responds(408, ""),
        responds(429, ""),
        responds(500, ""),
        responds(502, "<html>"),
        responds(504, ""),
        responds(511, ""),
    ] {
        let run = run(&imds(), &times(4, &network));
        assert_eq!(run.seconds(), [1, 2, 4]);
        let Network::Responds(status, ..) = network else {
            panic!()
        };
        let expected = if status == 429 { Throttled } else { Unavailable };
        assert_eq!((run.kind(), run.error().is_retryable()), (expected, true));
        let mut script = times(3, &network);
        script.push(responds(200, TOKEN));
        assert!(matches!(super::support::run(&imds(), &script).outcome, Some(Ok(_))));
    }
}

#[test]
fn permanent_statuses_are_not_retried() {
    for (status, kind) in [(400, NotAssigned), (401, Denied), (403, Denied), (405, Denied)] {
        for source in Source::ALL.into_iter().filter(|source| *source != Source::Arc) {
            let run = run(&Machine::of(source).system(), &[responds(status, "{}")]);
            assert_eq!((run.kind(), run.waits.len()), (kind, 0), "{source} {status}");
            assert!(!run.error().is_retryable());
        }
    }
    for source in [Source::AppService, Source::CloudShell] {
        for status in [410, 501, 505] {
            assert!(
                run(&Machine::of(source).system(), &[responds(status, "")])
                    .waits
                    .is_empty()
            );
        }
    }
}

#[test]
fn upgrade_of_the_metadata_service_takes_seventy_seconds() {
    let upgrade = responds(410, "");
    let mut script = times(7, &upgrade);
    script.push(responds(200, TOKEN));
    let healed = run_with(&imds(), RetryPolicy::default(), &script);
    assert_eq!((healed.waits.iter().sum::<u128>(), healed.waits.len()), (70_000, 7));
    assert!(matches!(healed.outcome, Some(Ok(_))));

    // Another failure at its end does not shorten the upgrade.
    script[6] = responds(503, "");
    let healed = run_with(&imds(), RetryPolicy::default(), &script);
    assert!(matches!(healed.outcome, Some(Ok(_))), "{:?}", healed.waits);

    let run = run(&imds(), &times(8, &upgrade));
    assert_eq!((run.seconds(), run.kind()), (vec![10; 7], Unavailable));
}

#[test]
fn upgrade_and_other_failures_are_counted_apart() {
    let (upgrade, busy) = (responds(410, ""), responds(503, ""));
    let script: Vec<Network> = [&busy, &upgrade, &busy, &upgrade, &busy, &busy]
        .into_iter()
        .cloned()
        .collect();
    let run = run(&imds(), &script);
    assert_eq!(run.seconds(), [1, 10, 2, 10, 4]);
    assert_eq!(run.kind(), Unavailable);
}

#[test]
fn other_sources_are_retried_each_second() {
    for source in Source::ALL.into_iter().filter(|source| *source != Source::Imds) {
        for status in [404, 408, 429, 500, 502, 503, 504] {
            let network = responds(status, "");
            if (source, status) == (Source::ServiceFabric, 404) {
                let run = run(&Machine::of(source).system(), &[network]);
                assert_eq!((run.kind(), run.waits.len()), (NotAssigned, 0));
                continue;
            }
            let run = run(&Machine::of(source).system(), &times(4, &network));
            assert_eq!(run.seconds(), [1, 1, 1], "{source} {status}");
        }
    }
}

#[test]
fn longer_retry_after_is_honored() {
    let script = [later(429, "5"), later(503, "1"), later(429, "0"), later(429, "9")];
    let run = run(&imds(), &script);
    assert_eq!(run.seconds(), [5, 2, 4]);
    assert_eq!(run.error().retry_after(), Some(Duration::from_secs(9)));
    let app_service = Machine::of(Source::AppService).system();
    let run = super::support::run(&app_service, &[later(429, "5"), later(503, "0"), responds(200, TOKEN)]);
    assert_eq!(run.seconds(), [5, 1]);
}

#[test]
fn wait_beyond_the_deadline_is_not_started() {
    let run = run(&imds(), &[later(429, "60")]);
    assert_eq!((run.kind(), run.waits.len()), (Throttled, 0));
    assert_eq!(run.error().retry_after(), Some(Duration::from_secs(60)));
    let mut policy = exact();
    policy.deadline = Duration::from_secs(25);
    let upgrade = responds(410, "");
    let run = run_with(&imds(), policy, &times(3, &upgrade));
    assert_eq!((run.seconds(), run.kind()), (vec![10, 10], Unavailable));
}

#[test]
fn stricter_policy_limits_the_schedule() {
    let busy = responds(503, "");
    for (attempts, requests) in [(1, 1), (2, 2), (3, 4), (9, 4)] {
        let mut policy = exact();
        policy.max_attempts = attempts;
        let run = run_with(&imds(), policy, &times(requests, &busy));
        assert_eq!(run.sent.len(), requests);
    }
    let upgrade = responds(410, "");
    assert_eq!(run_with(&imds(), RetryPolicy::never(), &[upgrade]).sent.len(), 1);
    assert_eq!(run_with(&imds(), RetryPolicy::never(), &[BROKEN]).sent.len(), 1);
}

#[test]
fn waits_are_spread_by_the_request_id() {
    let busy = responds(503, "");
    let run = run_with(&imds(), RetryPolicy::default(), &times(4, &busy));
    for (wait, base) in run.waits.iter().zip([1000, 2000, 4000]) {
        assert!((base..=base + 250).contains(wait), "{:?}", run.waits);
    }
    assert!(run.waits.iter().any(|wait| wait % 1000 != 0), "{:?}", run.waits);
}

#[test]
fn broken_connections_are_retried() {
    for network in [DOWN, BROKEN] {
        let run = run(&imds(), &times(4, &network));
        assert_eq!((run.seconds(), run.outcome.is_none()), (vec![1, 2, 4], true));
    }
    let run = run(&imds(), &[IMPOSSIBLE]);
    assert!(run.outcome.is_none() && run.waits.is_empty());
    // The transport's own error names the source.
    assert_eq!(
        run.leg.as_deref(),
        Some("a token for https://vault.azure.net from the instance metadata service (IMDS)")
    );
}

#[test]
fn acquisitions_count_apart() {
    let (request, busy) = (imds(), responds(503, ""));
    for _ in 0..2 {
        assert_eq!(run(&request, &times(4, &busy)).seconds(), [1, 2, 4]);
    }
}

#[test]
fn probe_has_no_header_and_one_second() {
    let request = imds().probing(true);
    let run = run(&request, &[responds(400, "{}"), responds(200, TOKEN)]);
    let [probe, second] = &run.sent[..] else {
        panic!("{:?}", run.sent)
    };
    assert_eq!(probe.line, second.line);
    assert!(probe.headers.is_empty() && second.headers.contains(&"metadata: true".to_owned()));
    assert_eq!(probe.route().timeout(), Some(Duration::from_secs(1)));
    assert_eq!(second.route().timeout(), None);
    assert!(matches!(run.outcome, Some(Ok(_))));
}

#[test]
fn probe_without_a_response_means_absent() {
    for network in [DOWN, BROKEN] {
        let run = run(&imds().probing(true), &[network]);
        assert_eq!((run.kind(), run.waits.len()), (Absent, 0));
        assert!(matches!(&run.outcome, Some(Err(error)) if error.is_absent()));
    }
    // A request that the transport cannot send says nothing about the machine.
    assert!(run(&imds().probing(true), &[IMPOSSIBLE]).outcome.is_none());
    // A response that the transport rejects, as too long or compressed for example, is that of
    // another service.
    assert_eq!(run(&imds().probing(true), &[UNREADABLE]).kind(), Absent);
    let after = run(&imds().probing(true), &[responds(302, ""), UNREADABLE]);
    assert_eq!(after.kind(), Absent);
    assert!(run(&imds(), &[UNREADABLE]).outcome.is_none());
    let arc = Machine::of(Source::Arc).system().probing(true);
    assert!(run(&arc, &[UNREADABLE]).outcome.is_none());
    // After the probe, a missing response is an ordinary failure.
    let mut script = vec![responds(400, "{}")];
    script.extend(times(4, &BROKEN));
    assert!(run(&imds().probing(true), &script).outcome.is_none());
}

#[test]
fn every_response_to_the_probe_but_one_means_present() {
    for network in [
        responds(200, "<html>"),
        responds(302, ""),
        responds(404, ""),
        responds(500, ""),
        responds(403, "forbidden"),
    ] {
        let run = run(&imds().probing(true), &[network, responds(200, TOKEN)]);
        assert!(matches!(run.outcome, Some(Ok(_))));
    }
    let docker = "connecting to 169.254.169.254:80: connecting to 169.254.169.254:80: dial tcp 169.254.169.254:80: \
                  connectex: A socket operation was attempted to an Unreachable network.";
    let run = run(&imds().probing(true), &[responds(403, docker)]);
    assert_eq!(run.kind(), Absent);
    assert!(!run.shown.contains("connectex"));
    let run = super::support::run(&imds(), &[responds(403, docker)]);
    assert_eq!(run.kind(), Absent);
}

#[test]
fn response_of_another_service_is_absent_in_a_chain_only() {
    let html = "<html><title>Sign in to the network canary~page</title></html>";
    for (status, requests) in [(200, 1), (401, 1), (404, 4)] {
        let run = run(&imds().probing(true), &[responds(status, html), responds(status, html)]);
        assert_eq!((run.kind(), run.waits.len()), (Absent, 0), "{status}");
        assert!(!run.shown.contains("canary~page"));
        let run = super::support::run(&imds(), &times(requests, &responds(status, html)));
        assert_eq!(run.kind(), Malformed, "{status}");
        assert!(!run.shown.contains("canary~page"));
    }
    let redirect = || {
        let location = "http://portal.example/canary~page".to_owned();
        Network::Responds(302, vec![("location", location)], Vec::new())
    };
    let in_chain = run(&imds().probing(true), &[redirect(), redirect()]);
    assert_eq!(in_chain.kind(), Absent);
    let alone = run(&imds(), &[redirect()]);
    assert_eq!(alone.kind(), Malformed);
    assert!(!alone.shown.contains("canary~page"));
    // A gateway in front of the service may send a page.
    let mut script = times(5, &responds(502, html));
    script[0] = responds(400, "{}");
    assert_eq!(run(&imds().probing(true), &script).kind(), Unavailable);
    // A rejection in JSON comes from the service itself.
    let rejected = run(&imds().probing(true), &times(2, &responds(400, "{}")));
    assert_eq!(rejected.kind(), NotAssigned);
    assert!(matches!(&rejected.outcome, Some(Err(error)) if !error.is_absent()));
}

#[test]
fn only_the_metadata_service_is_probed() {
    for source in Source::ALL {
        let request = Machine::of(source).system().probing(true);
        let run = run(&request, &[IMPOSSIBLE]);
        assert_eq!(run.sent[0].headers.is_empty(), source == Source::Imds, "{source}");
    }
}
