//! Tests of the sink of JSON lines.
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::super::samples::{BOUNDS, TYPE, batch, batch_of, contents, files, progress, restore, tenant, window};
use super::super::{Batch, Key, Progress, Sink, SinkError};
use super::JsonLines;

type Files = BTreeMap<String, Vec<u8>>;

const DAY_1: &str = "2026-06-14T23:00:00";
const DAY_2: &str = "2026-06-15T01:00:00";
const DAY_3: &str = "2026-06-16T00:00:00";

fn first() -> Vec<Batch> {
    vec![batch("c1", &[("a", DAY_1), ("b", DAY_2)]), batch("c2", &[("c", DAY_2)])]
}

fn second() -> Vec<Batch> {
    vec![
        batch("c3", &[("d", DAY_2), ("e", DAY_3)]),
        batch("c4", &[]),
        batch("c5", &[("f", DAY_1)]),
    ]
}

fn commit(sink: &dyn Sink, batches: &[Batch]) -> Result<(), SinkError> {
    let (mut tenant, _) = sink.open(tenant(), BOUNDS)?;
    tenant.commit(batches).map(drop)
}

/// Returns the files of the tenant, without the journal.
fn records(folder: &Path) -> Files {
    let mut files = files(folder);
    files.retain(|name, _| name.ends_with(".jsonl"));
    files
}

fn named(name: &str) -> String {
    format!("{}/{name}", tenant())
}

fn sorted(mut progress: Progress) -> Progress {
    progress.contents.sort_unstable();
    progress
}

struct Scratch(tempfile::TempDir);

impl Scratch {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("audit")
    }

    fn sink(&self) -> JsonLines {
        JsonLines::at(self.path()).unwrap()
    }
}

#[test]
fn records_are_written_to_the_file_of_their_day() {
    let scratch = Scratch::new();
    let sink = scratch.sink();
    commit(&sink, &first()).unwrap();
    let body =
        "[{\"Id\":\"d\",\r\n \"n\":1e2},{\"CreationTime\":\"1970-01-01T00:00:00\"}, 5, {\"CreationTime\":\"../../x\"}]";
    commit(&sink, &[batch_of("c3", body)]).unwrap();
    let records = records(&scratch.path());
    let text = |day: &str| String::from_utf8(records[&named(day)].clone()).unwrap();
    assert_eq!(records.len(), 2);
    assert_eq!(
        text("2026-06-14.jsonl"),
        "{\"Id\":\"a\",\"CreationTime\":\"2026-06-14T23:00:00\",\"Workload\":\"Exchange\"}\n"
    );
    // Records without a usable time have the day of their content.
    let added =
        "{\"Id\":\"d\",   \"n\":1e2}\n{\"CreationTime\":\"1970-01-01T00:00:00\"}\n5\n{\"CreationTime\":\"../../x\"}\n";
    assert!(text("2026-06-15.jsonl").ends_with(added));
    assert_eq!(text("2026-06-15.jsonl").lines().count(), 6);
}

#[test]
fn remaining_records_are_written_in_order() {
    // Each character is a record: of one of two days, or one that is dropped as repeated.
    let contents = ["aabba", "-aa-bb-", "-", "", "b-b", "ab-ba-"];
    for separator in [",", " ,", ", ", "\n,\r\n"] {
        let mut expected = BTreeMap::from([('a', String::new()), ('b', String::new())]);
        let mut batches = Vec::new();
        for (content, kinds) in contents.iter().enumerate() {
            let record = |(place, kind)| {
                let day = if kind == 'b' { 15 } else { 14 };
                // Some are longer than the writer's buffer.
                let text = "x".repeat((content * 7 + place) % 5 * 4_000);
                format!(r#"{{"CreationTime":"2026-06-{day}T01:00:00","n":"{content}.{place}{text}"}}"#)
            };
            let records: Vec<String> = kinds.chars().enumerate().map(record).collect();
            let mut batch = batch_of(&format!("c{content}"), &format!("[{}]", records.join(separator)));
            let mut kept = kinds.chars().map(|kind| kind != '-');
            batch.records.retain(|_| kept.next().unwrap());
            batches.push(batch);
            for (kind, record) in kinds.chars().zip(records).filter(|(kind, _)| *kind != '-') {
                *expected.get_mut(&kind).unwrap() += &format!("{record}\n");
            }
        }
        let scratch = Scratch::new();
        let sink = scratch.sink();
        commit(&sink, &batches).unwrap();
        let records = records(&scratch.path());
        for (kind, day) in [('a', "2026-06-14.jsonl"), ('b', "2026-06-15.jsonl")] {
            assert!(
                records[&named(day)] == expected[&kind].as_bytes(),
                "{day} {separator:?}"
            );
        }
        // Their checksums are correct.
        assert_eq!(progress(&sink).unwrap().contents.len(), contents.len());
    }
}

#[test]
fn progress_is_what_was_committed() {
    let scratch = Scratch::new();
    let sink = scratch.sink();
    assert_eq!(progress(&sink).unwrap(), Progress::default());
    commit(&sink, &first()).unwrap();
    commit(&sink, &second()).unwrap();
    let (mut open, _) = sink.open(tenant(), BOUNDS).unwrap();
    open.finish(TYPE, window(10)).unwrap();
    drop(open);
    let found = progress(&sink).unwrap();
    assert_eq!(found.finished.into_iter().collect::<Vec<_>>(), [(TYPE, window(10).end)]);
    assert_eq!(found.contents, contents(&["c1", "c2", "c3", "c4", "c5"]));
    assert_eq!(found.records, ["a", "b", "c", "d", "e", "f"].map(Key::of));
    // A window that ends after the overlap forgets contents. The last window counts.
    let (mut open, _) = sink.open(tenant(), BOUNDS).unwrap();
    open.finish(TYPE, window(12)).unwrap();
    open.finish(TYPE, window(3)).unwrap();
    drop(open);
    let found = progress(&sink).unwrap();
    assert_eq!(found.finished[&TYPE], window(3).end);
    assert_eq!(found.contents, []);
}

/// A kill leaves the bytes of a commit up to some position, in the order in which they are written.
#[test]
fn crash_at_every_byte_of_a_commit_undoes_all_of_it() {
    let scratch = Scratch::new();
    let folder = scratch.path();
    let sink = scratch.sink();
    commit(&sink, &first()).unwrap();
    let committed = progress(&sink).unwrap();
    let before = files(&folder);
    commit(&sink, &second()).unwrap();
    let after = files(&folder);
    drop(sink);
    let journal = named("progress.journal");
    let lines = |files: &Files| {
        files[&journal]
            .split_inclusive(|byte| *byte == b'\n')
            .map(<[u8]>::len)
            .collect::<Vec<_>>()
    };
    // The announcement of a new file is written before the records, and the other lines after them.
    let announced: usize = lines(&after)[..=lines(&before).len()].iter().sum();
    let days = ["2026-06-14.jsonl", "2026-06-15.jsonl", "2026-06-16.jsonl"].map(named);
    let mut writes = vec![(&journal, announced)];
    writes.extend(days.iter().map(|day| (day, after[day].len())));
    writes.push((&journal, after[&journal].len()));

    let mut state = before.clone();
    let mut crashes = 0;
    for (name, end) in writes {
        let start = state.get(name).map_or(0, Vec::len);
        for length in start..=end {
            let is_whole = length == after[&journal].len() && *name == journal;
            state.insert(name.clone(), after[name][..length].to_vec());
            restore(&folder, &state);
            let sink = scratch.sink();
            let found = progress(&sink).unwrap();
            if is_whole {
                assert_eq!(found.contents, contents(&["c1", "c2", "c3", "c4", "c5"]));
            } else {
                assert_eq!(found, committed, "{name} cut at {length}");
                let kept = records(&folder);
                assert!(
                    kept.iter()
                        .all(|(name, kept)| before.get(name).unwrap_or(&Vec::new()) == kept),
                    "{name} cut at {length}"
                );
                commit(&sink, &second()).unwrap();
            }
            assert_eq!(records(&folder), records_of(&after), "{name} cut at {length}");
            crashes += 1;
        }
    }
    assert!(crashes > 700, "{crashes}");
}

fn records_of(files: &Files) -> Files {
    let mut files = files.clone();
    files.retain(|name, _| name.ends_with(".jsonl"));
    files
}

/// A power failure may leave any part of the unsynced data: less of it, or other bytes.
#[test]
fn power_failure_leaves_a_consistent_prefix() {
    let scratch = Scratch::new();
    let folder = scratch.path();
    let sink = scratch.sink();
    let (mut open, _) = sink.open(tenant(), BOUNDS).unwrap();
    open.commit(&first()).unwrap();
    open.sync().unwrap();
    let synced = files(&folder);
    // There is no sync in between, because no file is new.
    for number in 0..4 {
        let id = |part: &str| format!("{part}{number}");
        open.commit(&[
            batch(&id("x"), &[(&id("x"), DAY_1), (&id("y"), DAY_2)]),
            batch(&id("z"), &[(&id("z"), DAY_2)]),
        ])
        .unwrap();
        open.finish(TYPE, window(number)).unwrap();
    }
    drop((open, sink));
    let all = files(&folder);
    let mut random = 7_u64;
    let mut draw = move |below: usize| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) as usize % below
    };
    let mut kept = [0; 5];
    for round in 0..400 {
        let mut state = all.clone();
        for (name, bytes) in &mut state {
            let start = synced[name].len();
            let damage = start + draw(bytes.len() - start + 1);
            match draw(5) {
                0 => bytes.truncate(damage),
                1 => bytes[damage..].fill(0),
                2 if damage < bytes.len() => bytes[damage] ^= 1 << draw(8),
                _ => {}
            }
        }
        restore(&folder, &state);
        let sink = scratch.sink();
        let found = progress(&sink).unwrap();
        // The records are those of the contents that are done.
        let done = (0..4)
            .take_while(|number| found.contents.contains(&Key::of(&format!("x{number}"))))
            .count();
        assert_eq!(found.contents.len(), 2 + 2 * done, "round {round}");
        assert_eq!(found.records.len(), 3 + 3 * done, "round {round}");
        assert!(found.finished.len() <= done, "round {round}");
        for (name, bytes) in records(&folder) {
            assert!(all[&name].starts_with(&bytes), "round {round}");
            let lines = bytes.iter().filter(|byte| **byte == b'\n').count();
            assert_eq!(
                lines,
                if name.contains("06-14") { 1 + done } else { 2 + 2 * done },
                "round {round}"
            );
        }
        kept[done] += 1;
    }
    assert!(kept.iter().all(|times| *times > 5), "{kept:?}");
}

#[test]
fn damage_in_the_middle_of_a_journal_is_rejected() {
    let scratch = Scratch::new();
    let folder = scratch.path();
    let sink = scratch.sink();
    let mut early = Vec::new();
    for batches in [first(), second()] {
        early = files(&folder).remove(&named("progress.journal")).unwrap_or_default();
        let (mut open, _) = sink.open(tenant(), BOUNDS).unwrap();
        open.commit(&batches).unwrap();
        open.sync().unwrap();
    }
    drop(sink);
    let intact = files(&folder);
    let journal = &intact[&named("progress.journal")];
    let last_line = journal[..journal.len() - 1]
        .iter()
        .rposition(|byte| *byte == b'\n')
        .unwrap()
        + 1;
    let rejected = |damaged: Vec<u8>, what: &str| {
        let mut state = intact.clone();
        state.insert(named("progress.journal"), damaged);
        restore(&folder, &state);
        let error = progress(&scratch.sink()).unwrap_err();
        assert!(error.to_string().contains("progress.journal"), "{what}: {error}");
        assert!(!error.hint().is_empty());
        assert_eq!(files(&folder), state, "{what}");
    };
    // Damage to the last mark itself is treated like a crash.
    for place in 0..last_line - 1 {
        let mut damaged = journal.clone();
        damaged[place] ^= 0x10;
        rejected(damaged, &format!("byte {place}"));
    }
    let lines: Vec<&[u8]> = journal.split_inclusive(|byte| *byte == b'\n').collect();
    for line in 0..lines.len() - 1 {
        let mut without = lines.clone();
        without.remove(line);
        rejected(without.concat(), &format!("without line {line}"));
        let mut twice = lines.clone();
        twice.insert(line, lines[line]);
        rejected(twice.concat(), &format!("line {line} twice"));
    }
    // Lines that were written when the journal was created cannot be missing at its end either.
    rejected(Vec::new(), "empty");
    rejected(lines[..2].concat(), "two lines");
    // Nor can a part that was on the disk before a later day had a file: the files would be cut
    // back to that time.
    rejected(early, "early part");
}

#[test]
fn other_files_are_never_changed() {
    let scratch = Scratch::new();
    let folder = scratch.path();
    let own = folder.join(tenant().to_string());
    fs::create_dir_all(&own).unwrap();
    fs::write(own.join("notes.txt"), "mine").unwrap();
    fs::write(own.join("2026-06-16.jsonl.gz"), "mine").unwrap();
    let sink = scratch.sink();
    commit(&sink, &first()).unwrap();
    fs::write(own.join("2026-06-16.jsonl"), "mine").unwrap();
    let error = commit(&sink, &second()).unwrap_err();
    assert!(error.to_string().contains("2026-06-16.jsonl"), "{error}");
    assert!(error.hint().contains("move it away"), "{}", error.hint());
    assert_eq!(fs::read(own.join("2026-06-16.jsonl")).unwrap(), b"mine");
    assert_eq!(progress(&sink).unwrap().contents, contents(&["c1", "c2"]));
    fs::rename(own.join("2026-06-16.jsonl"), own.join("moved")).unwrap();
    commit(&sink, &second()).unwrap();
    assert_eq!(fs::read(own.join("notes.txt")).unwrap(), b"mine");
    assert_eq!(fs::read(own.join("2026-06-16.jsonl.gz")).unwrap(), b"mine");
}

#[test]
fn records_without_a_journal_are_rejected() {
    let scratch = Scratch::new();
    let sink = scratch.sink();
    commit(&sink, &first()).unwrap();
    let journal = scratch.path().join(named("progress.journal"));
    fs::remove_file(&journal).unwrap();
    let error = progress(&sink).unwrap_err();
    assert!(error.to_string().contains("progress.journal"), "{error}");
    assert!(!journal.exists());
    assert_eq!(records(&scratch.path()).len(), 2);
}

#[test]
fn moved_file_is_started_again() {
    let scratch = Scratch::new();
    let sink = scratch.sink();
    commit(&sink, &first()).unwrap();
    fs::remove_file(scratch.path().join(named("2026-06-15.jsonl"))).unwrap();
    let found = progress(&sink).unwrap();
    assert_eq!((found.contents.len(), found.records.len()), (2, 3));
    commit(&sink, &second()).unwrap();
    let records = records(&scratch.path());
    let lines = |name: &str| records[&named(name)].split_inclusive(|byte| *byte == b'\n').count();
    assert_eq!(
        (
            lines("2026-06-14.jsonl"),
            lines("2026-06-15.jsonl"),
            lines("2026-06-16.jsonl")
        ),
        (2, 1, 1)
    );
    assert_eq!(progress(&sink).unwrap().records.len(), 6);
}

#[test]
fn shortened_file_is_rejected() {
    let scratch = Scratch::new();
    let sink = scratch.sink();
    let (mut open, _) = sink.open(tenant(), BOUNDS).unwrap();
    open.commit(&first()).unwrap();
    open.sync().unwrap();
    drop(open);
    let path = scratch.path().join(named("2026-06-15.jsonl"));
    fs::write(&path, "{}\n").unwrap();
    let error = progress(&sink).unwrap_err();
    assert!(error.to_string().contains("2026-06-15.jsonl"), "{error}");
    assert!(error.hint().contains("move it away"), "{}", error.hint());
    assert_eq!(fs::read(&path).unwrap(), b"{}\n");
    fs::remove_file(&path).unwrap();
    assert_eq!(progress(&sink).unwrap().records.len(), 3);
}

#[test]
fn one_process_at_a_time_uses_a_folder() {
    let scratch = Scratch::new();
    let sink = scratch.sink();
    let Err(error) = JsonLines::at(scratch.path()) else {
        panic!("it was opened twice")
    };
    assert!(error.to_string().contains("another process"), "{error}");
    drop(sink);
    scratch.sink();
}

#[test]
fn tenant_is_opened_once_at_a_time() {
    let scratch = Scratch::new();
    let sink = scratch.sink();
    let (mut open, _) = sink.open(tenant(), BOUNDS).unwrap();
    std::thread::scope(|scope| {
        let later = scope.spawn(|| progress(&sink).unwrap());
        open.commit(&first()).unwrap();
        drop(open);
        assert_eq!(later.join().unwrap().records.len(), 3);
    });
}

#[test]
fn failed_commit_ends_the_use_of_a_tenant() {
    let scratch = Scratch::new();
    let sink = scratch.sink();
    let (mut open, _) = sink.open(tenant(), BOUNDS).unwrap();
    open.commit(&first()).unwrap();
    let folder = scratch.path().join(tenant().to_string());
    let away = scratch.path().join("away");
    fs::rename(&folder, &away).unwrap();
    let error = open.commit(&second()).unwrap_err();
    assert!(error.to_string().contains(&tenant().to_string()), "{error}");
    fs::rename(&away, &folder).unwrap();
    assert!(open.commit(&second()).is_err());
    drop(open);
    assert_eq!(progress(&sink).unwrap().contents, contents(&["c1", "c2"]));
    commit(&sink, &second()).unwrap();
    assert_eq!(progress(&sink).unwrap().records.len(), 6);
}

#[test]
fn long_journal_is_rewritten() {
    let scratch = Scratch::new();
    let sink = scratch.sink();
    let journal = scratch.path().join(named("progress.journal"));
    let mut expected = Progress::default();
    let mut was_shorter = false;
    let mut longest = 0;
    for round in 0..40 {
        let (mut open, found) = sink.open(tenant(), BOUNDS).unwrap();
        let length = fs::metadata(&journal).unwrap().len();
        was_shorter |= length < longest;
        longest = longest.max(length);
        assert_eq!(sorted(found), sorted(expected.clone()), "round {round}");
        let names: Vec<String> = (0..2000).map(|number| format!("r{round}-{number}")).collect();
        let records: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), DAY_2)).collect();
        let content = format!("c{round}");
        open.commit(&[batch(&content, &records)]).unwrap();
        expected.contents.push(Key::of(&content));
        expected.records.extend(names.iter().map(|name| Key::of(name)));
        expected
            .records
            .drain(..expected.records.len().saturating_sub(BOUNDS.ids));
        if round == 30 {
            open.finish(TYPE, window(10)).unwrap();
            expected.finished.insert(TYPE, window(10).end);
        }
    }
    assert!(was_shorter && longest < 2 << 20, "{longest}");
    assert_eq!(
        records(&scratch.path())[&named("2026-06-15.jsonl")]
            .iter()
            .filter(|byte| **byte == b'\n')
            .count(),
        80_000
    );
}

#[cfg(unix)]
#[test]
fn files_are_readable_by_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let scratch = Scratch::new();
    let sink = scratch.sink();
    commit(&sink, &first()).unwrap();
    let mode = |name: &str| fs::metadata(scratch.path().join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(
        (mode(""), mode(".lock"), mode(&tenant().to_string())),
        (0o700, 0o600, 0o700)
    );
    for name in files(&scratch.path()).keys() {
        assert_eq!(mode(name), 0o600, "{name}");
    }
}
