//! Tests of the SQLite sink.

use std::fs;
use std::path::PathBuf;

use rusqlite::Connection;

use super::super::samples::{BOUNDS, TYPE, batch, batch_of, contents, progress, tenant, window};
use super::super::{Batch, Committed, Progress, Sink, SinkError};
use super::Sqlite;

struct Scratch(tempfile::TempDir);

impl Scratch {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("audit.db")
    }

    fn sink(&self) -> Sqlite {
        Sqlite::at(self.path()).unwrap()
    }

    fn rows(&self, query: &str) -> Vec<String> {
        let connection = Connection::open(self.path()).unwrap();
        let mut statement = connection.prepare(query).unwrap();
        let rows = statement.query_map([], |row| row.get::<_, Option<String>>(0)).unwrap();
        rows.map(|row| row.unwrap().unwrap_or_default()).collect()
    }
}

const DAY_1: &str = "2026-06-14T23:00:00";

fn first() -> Vec<Batch> {
    vec![batch("c1", &[("a", DAY_1), ("b", DAY_1)]), batch("c2", &[("c", DAY_1)])]
}

fn second() -> Vec<Batch> {
    vec![batch("c3", &[("d", DAY_1), ("a", DAY_1)]), batch("c4", &[])]
}

fn commit(sink: &dyn Sink, batches: &[Batch]) -> Result<Committed, SinkError> {
    let (mut tenant, _) = sink.open(tenant(), BOUNDS)?;
    tenant.commit(batches)
}

#[test]
fn records_and_progress_are_rows() {
    let scratch = Scratch::new();
    let sink = scratch.sink();
    assert_eq!(progress(&sink).unwrap(), Progress::default());
    assert_eq!(commit(&sink, &first()).unwrap().repeated, [0, 0]);
    assert_eq!(commit(&sink, &second()).unwrap().repeated, [1, 0]);
    // A reader does not block the collector, and sees the columns that are computed from the
    // records.
    assert_eq!(
        scratch.rows("SELECT id FROM records WHERE workload = 'Exchange' ORDER BY id"),
        ["a", "b", "c", "d"]
    );
    assert_eq!(
        scratch.rows("SELECT DISTINCT tenant || content_type || created FROM records"),
        [format!("{}{TYPE}{DAY_1}", tenant())]
    );
    let (mut open, _) = sink.open(tenant(), BOUNDS).unwrap();
    open.finish(TYPE, window(10)).unwrap();
    drop(open);
    let found = progress(&sink).unwrap();
    assert_eq!(found.finished.into_iter().collect::<Vec<_>>(), [(TYPE, window(10).end)]);
    assert_eq!(found.contents, contents(&["c1", "c2", "c3", "c4"]));
    let (mut open, _) = sink.open(tenant(), BOUNDS).unwrap();
    open.finish(TYPE, window(12)).unwrap();
    open.finish(TYPE, window(3)).unwrap();
    open.sync().unwrap();
    drop(open);
    let found = progress(&sink).unwrap();
    assert_eq!((found.finished[&TYPE], found.contents), (window(3).end, vec![]));
}

#[test]
fn unusual_records_are_kept_as_they_are() {
    let scratch = Scratch::new();
    let deep = format!("{}{}", "[".repeat(120), "]".repeat(120));
    let body = format!(
        r#"[{{"Id":5}}, null, {{"Id":5}}, {{"Id":"x","CreationTime":"soon"}}, {deep}, {{"big":123456789012345678901234567890}}]"#
    );
    let sink = scratch.sink();
    assert_eq!(commit(&sink, &[batch_of("c1", &body)]).unwrap().repeated, [0]);
    let records = scratch.rows("SELECT record FROM records ORDER BY rowid");
    assert_eq!(format!("[{}]", records.join(", ")), body);
    assert_eq!(
        scratch.rows("SELECT created FROM records WHERE created IS NOT NULL"),
        [""; 0]
    );
    assert_eq!(scratch.rows("SELECT id FROM records WHERE key IS NOT NULL"), ["x"]);
}

/// A kill or a power failure leaves the write-ahead log up to some position.
#[test]
fn crash_at_every_byte_of_a_commit_undoes_all_of_it() {
    let scratch = Scratch::new();
    let wal = scratch.path().with_extension("db-wal");
    let sink = scratch.sink();
    commit(&sink, &first()).unwrap();
    let committed = progress(&sink).unwrap();
    let database = fs::read(scratch.path()).unwrap();
    let before = fs::read(&wal).unwrap().len();
    commit(&sink, &second()).unwrap();
    let log = fs::read(&wal).unwrap();
    assert_eq!(
        fs::read(scratch.path()).unwrap(),
        database,
        "no checkpoint came between"
    );
    drop(sink);
    let mut undone = 0;
    // Testing all bytes takes long: the ends of frames matter.
    let frame = 24 + 4096;
    let near_a_frame = |length: &usize| (length - 32) % frame < 26 || (length - 32) % frame > frame - 3;
    for length in (before..=log.len()).filter(near_a_frame) {
        let crashed = Scratch::new();
        fs::write(crashed.path(), &database).unwrap();
        fs::write(crashed.path().with_extension("db-wal"), &log[..length]).unwrap();
        let sink = crashed.sink();
        let found = progress(&sink).unwrap();
        if length == log.len() {
            assert_eq!(found.contents, contents(&["c1", "c2", "c3", "c4"]));
        } else {
            assert_eq!(found, committed, "cut at {length}");
            assert_eq!(crashed.rows("SELECT id FROM records ORDER BY id"), ["a", "b", "c"]);
            commit(&sink, &second()).unwrap();
            undone += 1;
        }
        assert_eq!(crashed.rows("SELECT id FROM records ORDER BY id"), ["a", "b", "c", "d"]);
    }
    assert!(undone > 20, "{undone}");
}

#[test]
fn other_databases_are_never_changed() {
    for (content, reason) in [
        (None, "another program"),
        (
            Some(&b"this is not a database, and it is longer than the header of one: so it is rejected"[..]),
            "not a database",
        ),
    ] {
        let scratch = Scratch::new();
        match content {
            Some(content) => fs::write(scratch.path(), content).unwrap(),
            None => Connection::open(scratch.path())
                .unwrap()
                .execute_batch("CREATE TABLE records (mine TEXT)")
                .unwrap(),
        }
        let before = fs::read(scratch.path()).unwrap();
        let Err(error) = Sqlite::at(scratch.path()) else {
            panic!("it was opened")
        };
        assert!(
            error.to_string().contains(reason) && error.to_string().contains("audit.db"),
            "{error}"
        );
        assert!(error.hint().contains("--sqlite"), "{}", error.hint());
        assert_eq!(fs::read(scratch.path()).unwrap(), before);
    }
}

#[test]
fn one_process_at_a_time_uses_a_database() {
    let scratch = Scratch::new();
    let sink = scratch.sink();
    let Err(error) = Sqlite::at(scratch.path()) else {
        panic!("it was opened twice")
    };
    assert!(error.to_string().contains("another process"), "{error}");
    drop(sink);
    scratch.sink();
}

#[cfg(unix)]
#[test]
fn files_are_readable_by_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let scratch = Scratch::new();
    let sink = scratch.sink();
    commit(&sink, &first()).unwrap();
    for entry in fs::read_dir(scratch.0.path()).unwrap().map(Result::unwrap) {
        assert_eq!(
            entry.metadata().unwrap().permissions().mode() & 0o777,
            0o600,
            "{:?}",
            entry.file_name()
        );
    }
    assert!(scratch.path().with_extension("db-wal").exists());
}

#[test]
fn damaged_progress_has_a_hint_to_restore_it() {
    for damage in ["DROP TABLE finished", "UPDATE finished SET until = 'soon'"] {
        let scratch = Scratch::new();
        let sink = scratch.sink();
        let (mut open, _) = sink.open(tenant(), BOUNDS).unwrap();
        open.finish(TYPE, window(10)).unwrap();
        drop(open);
        let database = Connection::open(scratch.path()).unwrap();
        database.execute_batch(damage).unwrap();
        let error = progress(&sink).unwrap_err();
        assert!(
            error.hint().contains("restore it from a copy"),
            "{damage}: {error}; {}",
            error.hint()
        );
    }
}
