//! The collector, killed at random moments.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use entra_emulator::{ActivityFeed, App, ContentType, Emulator};
use rusqlite::{Connection, OpenFlags};

use crate::collector::world::{Folder, Run, bare_command, records};

/// The IDs of records, by tenant, each with the number of its occurrences.
type Written = BTreeMap<String, BTreeMap<String, usize>>;

const KILLS: u64 = 20;
const TYPES: [ContentType; 2] = [ContentType::Exchange, ContentType::SharePoint];

#[test]
fn json_lines_match_the_feed_after_random_kills() {
    survives_kills("audit", "--output", &|path| {
        // Journals grow with the records.
        let folders = fs::read_dir(path).into_iter().flatten().flatten();
        let files = folders.flat_map(|folder| fs::read_dir(folder.path()).into_iter().flatten().flatten());
        files.filter_map(|file| Some(file.metadata().ok()?.len())).sum()
    });
}

#[test]
fn database_matches_the_feed_after_random_kills() {
    survives_kills("audit.db", "--sqlite", &|path| {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
        let count = || {
            Connection::open_with_flags(path, flags)?
                .query_row("SELECT count(*) FROM records", [], |row| row.get::<_, i64>(0))
        };
        count().unwrap_or_default().unsigned_abs()
    });
}

/// Kills the collector whenever `size` of its output has grown by an amount that varies a little,
/// lets it finish, and compares its output with the feed.
fn survives_kills(name: &str, option: &str, size: &dyn Fn(&Path) -> u64) {
    let emulator = emulator();
    let expected = expected(&emulator);
    let tenants: Vec<&str> = expected.keys().map(String::as_str).collect();
    let tenants = tenants.join(",");
    let start = |folder: &Folder| {
        let mut command = bare_command(&emulator, &tenants);
        command
            .args(["--once", "--since", "48h"])
            .arg(option)
            .arg(folder.path().join(name));
        for content_type in TYPES {
            command.args(["--content-type", content_type.as_str()]);
        }
        command
    };

    let whole = Folder::new();
    let run = Run::of(&emulator, &start(&whole).output().unwrap());
    assert!(run.succeeded, "{}{}", run.stdout, run.stderr);
    assert_same(&written(&whole, name), &expected);
    let end = size(&whole.path().join(name));

    let folder = Folder::new();
    let path = folder.path().join(name);
    let mut random = 12;
    let mut draw = move |below: u64| {
        random = u64::wrapping_add(
            u64::wrapping_mul(random, 6_364_136_223_846_793_005),
            1_442_695_040_888_963_407,
        );
        (random >> 33) % below
    };
    let mut in_the_middle = 0;
    for kill in 0..KILLS {
        let target = (end * kill + draw(end)) / (KILLS + 1);
        let mut child = start(&folder)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        while size(&path) < target && Instant::now() < deadline && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_micros(500));
        }
        std::thread::sleep(Duration::from_micros(draw(5000)));
        in_the_middle += usize::from(child.try_wait().unwrap().is_none());
        // This is SIGKILL on Unix.
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert!(
        in_the_middle >= KILLS as usize / 2,
        "{in_the_middle} runs were killed before they ended"
    );
    let run = Run::of(&emulator, &start(&folder).output().unwrap());
    assert!(run.succeeded, "{}{}", run.stdout, run.stderr);
    assert_same(&written(&folder, name), &expected);
}

fn emulator() -> Emulator {
    let app = App::new("collector").multi_tenant().consented_everywhere();
    let feed = ActivityFeed::new()
        .contents(150)
        .records(10)
        .span(Duration::from_secs(30 * 3600))
        .page_size(20)
        .duplicate_records(100)
        .duplicate_contents(50)
        .requests_per_minute(1_000_000);
    Emulator::builder()
        .tenant_count(3)
        .app(app.grant(Emulator::OFFICE_MANAGEMENT, "ActivityFeed.Read"))
        .activity(feed)
        .start()
}

fn expected(emulator: &Emulator) -> BTreeMap<String, BTreeSet<String>> {
    let tenants = emulator.tenants().iter().map(|tenant| {
        let ids = TYPES
            .iter()
            .flat_map(|content_type| emulator.activity_record_ids(&tenant.id, *content_type));
        (tenant.id.clone(), ids.collect())
    });
    tenants.collect()
}

fn written(folder: &Folder, name: &str) -> Written {
    let path = folder.path().join(name);
    if path.is_dir() {
        return records(folder);
    }
    let mut written = Written::new();
    let connection = Connection::open(path).unwrap();
    let mut statement = connection.prepare("SELECT tenant, id FROM records").unwrap();
    let mut rows = statement.query([]).unwrap();
    while let Some(row) = rows.next().unwrap() {
        *written
            .entry(row.get(0).unwrap())
            .or_default()
            .entry(row.get(1).unwrap())
            .or_default() += 1;
    }
    written
}

fn assert_same(written: &Written, expected: &BTreeMap<String, BTreeSet<String>>) {
    assert_eq!(written.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (tenant, expected) in expected {
        let written = &written[tenant];
        let lost: Vec<_> = expected.iter().filter(|id| !written.contains_key(*id)).collect();
        let twice: Vec<_> = written.iter().filter(|(_, times)| **times > 1).collect();
        let unknown = written.keys().filter(|id| !expected.contains(*id)).count();
        assert!(
            lost.is_empty() && twice.is_empty() && unknown == 0,
            "{} lost, {} repeated, {unknown} unknown",
            lost.len(),
            twice.len()
        );
    }
}
