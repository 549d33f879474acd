//! Runs without failures.

use std::time::{Duration, Instant};

use entra_emulator::{ActivityFeed, ContentType, Emulator, NextPageHeader};

use crate::collector::running::{DEADLINE, Running};
use crate::collector::world::{Folder, collect, command, reader, records, tenant};

#[test]
fn all_records_of_all_tenants_are_written_once() {
    let emulator = Emulator::builder()
        .tenant(tenant("contoso.example", 250))
        .tenant(tenant("fabrikam.example", 3))
        .app(reader())
        .start();
    let folder = Folder::new();
    let run = collect(&emulator, &folder, &[]);
    assert!(run.succeeded, "{}", run.stderr);
    let written = records(&folder);
    let counts: Vec<usize> = emulator
        .tenants()
        .iter()
        .map(|tenant| written[&tenant.id].len())
        .collect();
    // There are four content types.
    assert_eq!(counts, [1000, 12], "{}", run.stdout);
    assert!(written.values().flat_map(|ids| ids.values()).all(|times| *times == 1));
    assert!(
        run.stderr.contains("started the subscription to Audit.SharePoint"),
        "{}",
        run.stderr
    );
}

/// Records of six days, most of them on separate pages, some of them repeated, and listed
/// repeatedly.
#[test]
fn records_are_complete_with_every_page_size_and_header() {
    for (page_size, header) in [(1, NextPageHeader::NextPageUrl), (7, NextPageHeader::NextPageUri)] {
        let feed = ActivityFeed::new()
            .contents(60)
            .records(10)
            .span(Duration::from_secs(6 * 86_400))
            .duplicate_records(100)
            .duplicate_contents(100)
            .page_size(page_size)
            .next_page_header(header);
        let emulator = Emulator::builder()
            .tenant_count(3)
            .app(reader().consented_everywhere())
            .activity(feed)
            .start();
        let folder = Folder::new();
        let publisher = ["--since", "7d", "--publisher", emulator.tenant_id()];
        for _ in 0..2 {
            let run = collect(&emulator, &folder, &publisher);
            assert!(run.succeeded, "{}", run.stderr);
        }
        let written = records(&folder);
        for tenant in emulator.tenants() {
            let mut expected: Vec<String> = COLLECTED
                .into_iter()
                .flat_map(|content_type| emulator.activity_record_ids(&tenant.id, content_type))
                .collect();
            expected.sort_unstable();
            let found: Vec<&String> = written[&tenant.id].keys().collect();
            assert!(
                found.iter().copied().eq(&expected),
                "{} of {}",
                found.len(),
                expected.len()
            );
            assert!(written[&tenant.id].values().all(|times| *times == 1));
        }
    }
}

/// The content types that are collected without the permission for DLP.
const COLLECTED: [ContentType; 4] = [
    ContentType::AzureActiveDirectory,
    ContentType::Exchange,
    ContentType::SharePoint,
    ContentType::General,
];

#[test]
fn rounds_without_news_log_nothing() {
    let emulator = Emulator::builder()
        .tenant(tenant("contoso.example", 3))
        .app(reader())
        .start();
    let folder = Folder::new();
    let mut program = command(&emulator, emulator.tenant_id(), &folder);
    let program = Running::spawn(program.args(["--interval", "50ms"]));
    let rounds = || {
        let seen = emulator.requests();
        seen.iter()
            .filter(|event| event.path.ends_with("/subscriptions/list"))
            .count()
    };
    let end = Instant::now() + DEADLINE;
    while rounds() < 5 {
        assert!(Instant::now() < end, "{}", program.log());
        std::thread::sleep(Duration::from_millis(20));
    }
    let log = program.log();
    for line in [": done: 12 new records", "round finished", ": done: "] {
        assert_eq!(log.matches(line).count(), 1, "{log}");
    }
}
