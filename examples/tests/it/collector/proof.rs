//! The proof that nothing is lost or repeated: many contents of many tenants, during an outage.
//!
//! The files are compared with the feed's own list of record IDs, which the emulator computes
//! without the collector.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use entra_emulator::{ActivityFeed, App, ContentType, Emulator, Fault};

use crate::collector::world::{Folder, Run, bare_command, records};

const TENANTS: u32 = 6;
const TYPES: [ContentType; 2] = [ContentType::Exchange, ContentType::SharePoint];

#[test]
fn nothing_is_lost_or_repeated_in_an_outage() {
    let app = App::new("collector")
        .multi_tenant()
        .consented_everywhere()
        .grant(Emulator::OFFICE_MANAGEMENT, "ActivityFeed.Read");
    let feed = ActivityFeed::new()
        .content_type(TYPES[0])
        .content_type(TYPES[1])
        .contents(20)
        .records(20)
        .span(Duration::from_secs(40 * 3_600))
        .page_size(3)
        .duplicate_records(100)
        .duplicate_contents(100)
        .requests_per_minute(1_000_000);
    // The number of content requests so far determines the events in the middle.
    let (fetched, is_over) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let counter = Arc::clone(&fetched);
    let emulator = Emulator::builder()
        .tenant_count(TENANTS)
        .app(app)
        .activity(feed)
        .on_request(move |event| {
            if event.path.contains("/audit/") {
                counter.fetch_add(1, Ordering::Relaxed);
            }
        })
        .start();
    for fault in [
        Fault::activity("AF429").on("/activity/feed/"),
        Fault::status(429).retry_after(Duration::ZERO).on("/activity/feed/"),
        Fault::status(503).on("/activity/feed/"),
        Fault::reset().on("/activity/feed/"),
        Fault::truncated(2_000).on("/activity/feed/audit/"),
    ] {
        emulator.fault(fault.always().one_in(60));
    }
    // Two in a row would mean that the permission is missing.
    emulator.fault(Fault::status(401).on("/activity/feed/audit/"));
    let revoked = emulator.tenants()[2].id.clone();
    let folder = Folder::new();
    let tenants: Vec<&str> = emulator.tenants().iter().map(|tenant| tenant.id.as_str()).collect();
    let mut command = bare_command(&emulator, &tenants.join(","));
    command.arg("--output").arg(folder.path().join("audit")).args([
        "--once",
        "--since",
        "47h",
        "--back-off",
        "20ms",
        "--per-tenant",
        "2",
        "--concurrency",
        "8",
    ]);
    for content_type in TYPES {
        command.args(["--content-type", content_type.as_str()]);
    }
    let output = std::thread::scope(|scope| {
        scope.spawn(|| {
            let wait = |count: usize| {
                while fetched.load(Ordering::Relaxed) < count && !is_over.load(Ordering::Relaxed) {
                    std::thread::sleep(Duration::from_millis(1));
                }
            };
            wait(40);
            emulator.revoke_consent("collector", &revoked);
            wait(120);
            emulator.revoke_tokens();
        });
        let output = command.output();
        is_over.store(true, Ordering::Relaxed);
        output
    });
    let run = Run::of(&emulator, &output.unwrap());
    assert!(!run.succeeded, "one tenant failed: {}", run.stderr);
    // The API rejects the token, and then Entra rejects the request for another one.
    let prefix = format!("tenant {revoked}");
    let is_reported = |line: &str| line.contains(&prefix) && (line.contains("AADSTS700016") || line.contains("401"));
    assert!(run.stderr.lines().any(is_reported), "{}", run.stderr);
    let written = records(&folder);
    for tenant in emulator.tenants() {
        let expected: BTreeSet<String> = TYPES
            .iter()
            .flat_map(|content_type| emulator.activity_record_ids(&tenant.id, *content_type))
            .collect();
        let none = BTreeMap::new();
        let found = written.get(&tenant.id).unwrap_or(&none);
        let twice: Vec<_> = found.iter().filter(|(_, times)| **times > 1).collect();
        let foreign = found.keys().filter(|id| !expected.contains(*id)).count();
        assert_eq!((twice.len(), foreign), (0, 0), "{}: {twice:?}", tenant.id);
        if tenant.id == revoked {
            assert!(found.len() < expected.len(), "it was revoked in the middle");
            continue;
        }
        let lost: Vec<_> = expected.iter().filter(|id| !found.contains_key(*id)).collect();
        assert_eq!(lost.len(), 0, "{}: {lost:?}\n{}", tenant.id, run.stderr);
    }
    let struck: BTreeSet<&str> = emulator.requests().iter().filter_map(|event| event.fault).collect();
    assert!(struck.len() >= 4, "{struck:?}");
}
