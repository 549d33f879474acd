//! SQLite: records and progress of all tenants in one database.
//!
//! The tables and their columns:
//!
//! - `records`, with a row for each record: `tenant`, `content_type`, `created` (its
//!   `CreationTime`), `record` (the JSON as the API sent it) and `key` (16 bytes that represent its
//!   ID). Computed from the record: `id`, `workload`, `operation` and `user_id`.
//! - `contents`, with a row for each content that is done and may be listed again: `tenant`,
//!   `content_type`, `key` and `window_end` (seconds since 1970).
//! - `finished`, with a row for each tenant and content type: `tenant`, `content_type` and `until`
//!   (seconds since 1970). Everything before that time is collected.
//!
//! ```sql
//! SELECT created, user_id, operation FROM records
//! WHERE tenant = '...' AND created >= '2026-01-31' AND workload = 'Exchange'
//! ORDER BY created;
//! ```
//!
//! A commit is one transaction. The pair of `tenant` and `key` is unique, so a record is never
//! written twice, however much later it is repeated. A record without an ID has no key.
//!
//! The database is in WAL mode: readers do not block the collector. A power failure may undo the
//! transactions since the last checkpoint, each together with its progress, so that their content
//! is collected again. `FILE.lock` is locked while a collector runs.

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use entra_proto::{Guid, Timestamp};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ErrorCode, OpenFlags, Row, ToSql, Transaction, TransactionBehavior, ffi, params};

use super::exclusive::{LockFile, OpenTenant, OpenTenants, create_private_folder, private_file};
use super::{Batch, Bounds, Committed, Key, Progress, Sink, SinkError, TenantSink, Window};
use crate::feed::ContentType;

/// A sink in a database.
pub(crate) struct Sqlite {
    database: Arc<Database>,
    open: OpenTenants,
    _lock: LockFile,
}

struct Database {
    path: PathBuf,
    connection: Mutex<Connection>,
}

impl Sqlite {
    /// Opens the sink in this file, which is created if it does not exist.
    ///
    /// # Errors
    /// Returns an error if the file cannot be used, is the database of another program, or is in
    /// use by another process.
    pub(crate) fn at(path: impl Into<PathBuf>) -> Result<Self, SinkError> {
        // SQLite gives some relative names a special meaning, such as `:memory:`.
        let path = path.into();
        let path = std::path::absolute(&path).map_err(|error| SinkError::io(&path, "open", error))?;
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            create_private_folder(folder).map_err(|error| SinkError::io(folder, "create", error))?;
        }
        let mut lock = path.clone().into_os_string();
        lock.push(".lock");
        let lock = LockFile::take(Path::new(&lock), &path)?;
        // SQLite creates its other files with the permissions of this one.
        let created = private_file().write(true).create(true).truncate(false).open(&path);
        created.map_err(|error| SinkError::io(&path, "open", error))?;
        let connection = connect(&path).map_err(|error| failed(&path, "open", error))??;
        Ok(Self {
            database: Arc::new(Database {
                path,
                connection: Mutex::new(connection),
            }),
            open: OpenTenants::default(),
            _lock: lock,
        })
    }
}

impl Sink for Sqlite {
    fn open(&self, tenant: Guid, bounds: Bounds) -> Result<(Box<dyn TenantSink>, Progress), SinkError> {
        let open = self.open.open(tenant);
        let tenant = TenantRows {
            database: Arc::clone(&self.database),
            tenant: tenant.to_string(),
            bounds,
            _open: open,
        };
        let progress = tenant
            .database
            .run("read", |transaction| progress(transaction, &tenant.tenant))?;
        Ok((Box::new(tenant), progress))
    }
}

impl Database {
    /// Runs one transaction, which is rolled back unless it succeeds.
    fn run<T>(
        &self,
        action: &'static str,
        act: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, SinkError> {
        let mut connection = self.connection();
        let run = || {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let done = act(&transaction)?;
            transaction.commit()?;
            Ok(done)
        };
        run().map_err(|error| failed(&self.path, action, error))
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The rows of one tenant.
struct TenantRows {
    database: Arc<Database>,
    tenant: String,
    bounds: Bounds,
    _open: OpenTenant,
}

impl TenantSink for TenantRows {
    fn commit(&mut self, batches: &[Batch]) -> Result<Committed, SinkError> {
        self.database.run("write", |transaction| {
            let mut insert_record = transaction.prepare_cached(INSERT_RECORD)?;
            let mut insert_content = transaction.prepare_cached(INSERT_CONTENT)?;
            let mut committed = Committed::default();
            for batch in batches {
                let content_type = batch.content_type.as_str();
                let mut repeated = 0;
                for record in &batch.records {
                    // A text that is not a time would be sorted among the times, so it is left out.
                    let created = batch.created(record);
                    let inserted = insert_record.execute(params![
                        self.tenant,
                        record.key,
                        content_type,
                        created.map(Text),
                        Text(batch.raw(record)),
                    ])?;
                    repeated += usize::from(inserted == 0);
                }
                committed.repeated.push(repeated);
                let key = Key::of(&batch.content_id);
                insert_content.execute(params![self.tenant, content_type, key, seconds(batch.window.end)])?;
            }
            Ok(committed)
        })
    }

    fn finish(&mut self, content_type: ContentType, window: Window) -> Result<(), SinkError> {
        let keep = window.end.minus(self.bounds.overlap);
        let content_type = content_type.as_str();
        self.database.run("write", |transaction| {
            transaction
                .prepare_cached(FINISH)?
                .execute(params![self.tenant, content_type, seconds(window.end)])?;
            transaction
                .prepare_cached(FORGET)?
                .execute(params![self.tenant, content_type, seconds(keep)])?;
            Ok(())
        })
    }

    /// Moves the log into the database and syncs both. Because of readers, a part may remain in the
    /// log, which is synced too.
    fn sync(&mut self) -> Result<(), SinkError> {
        let connection = self.database.connection();
        connection
            .query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))
            .map_err(|error| failed(&self.database.path, "sync", error))
    }
}

fn progress(transaction: &Transaction<'_>, tenant: &str) -> rusqlite::Result<Progress> {
    transaction
        .prepare_cached(FORGET_OLD)?
        .execute(params![tenant, LISTED])?;
    let mut progress = Progress::default();
    let mut finished = transaction.prepare_cached(FINISHED)?;
    let mut rows = finished.query([tenant])?;
    while let Some(row) = rows.next()? {
        // A type that this version does not know is left for a version that does.
        if let Ok(content_type) = row.get_ref(0)?.as_str()?.parse() {
            let until = u64::try_from(row.get::<_, i64>(1)?).unwrap_or_default();
            progress.finished.insert(content_type, Timestamp::from_secs(until));
        }
    }
    let mut contents = transaction.prepare_cached(CONTENTS)?;
    let key = |row: &Row<'_>| row.get(0).map(Key::from_bytes);
    progress.contents = contents.query_map([tenant], key)?.collect::<Result<_, _>>()?;
    Ok(progress)
}

/// Opens the database, and creates missing tables.
fn connect(path: &Path) -> rusqlite::Result<Result<Connection, SinkError>> {
    // Without SQLITE_OPEN_URI, `file:` has no meaning.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(Duration::from_secs(30))?;
    let number =
        |connection: &Connection, pragma| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    let (application, version) = (
        number(&connection, "application_id")?,
        number(&connection, "user_version")?,
    );
    let objects = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0))?;
    let is_new = objects == 0 && application == 0 && version == 0;
    if !is_new && application != APPLICATION {
        return Ok(Err(SinkError::new(
            path,
            "use",
            "it is the database of another program",
        )
        .with_hint("name another file with --sqlite; nothing was changed")));
    }
    if !is_new && version != VERSION {
        return Ok(Err(SinkError::new(
            path,
            "use",
            "it belongs to another version of the collector",
        )
        .with_hint("use the version that created it, or name another file with --sqlite")));
    }
    let mode: String = connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    if !mode.eq_ignore_ascii_case("wal") {
        return Ok(Err(SinkError::new(
            path,
            "use",
            "its disk does not allow a write-ahead log",
        )
        .with_hint("name a file on a local disk with --sqlite")));
    }
    connection.execute_batch(SETTINGS)?;
    if is_new {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(SCHEMA)?;
        transaction.pragma_update(None, "application_id", APPLICATION)?;
        transaction.pragma_update(None, "user_version", VERSION)?;
        transaction.commit()?;
    }
    Ok(Ok(connection))
}

fn failed(path: &Path, action: &'static str, error: rusqlite::Error) -> SinkError {
    // SQLite has an error code for a full disk, but none for a quota or a file size limit.
    let is_unwritten = error
        .sqlite_error()
        .is_some_and(|error| error.extended_code == ffi::SQLITE_IOERR_WRITE);
    let hint = match error.sqlite_error_code() {
        _ if is_unwritten => {
            "make room on that disk, or raise the disk quota of this user or the file size limit (ulimit -f, LimitFSIZE): \
             the next run continues where this one stopped"
        }
        Some(ErrorCode::DiskFull) => "make room on that disk: the next run continues where this one stopped",
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            "let this user write the file and its folder, or name another file with --sqlite"
        }
        Some(ErrorCode::NotADatabase) => "name another file with --sqlite, or move this one away; nothing was changed",
        // An error without an SQLite code is a value of the wrong type; `Unknown` is a missing
        // table.
        None | Some(ErrorCode::Unknown | ErrorCode::DatabaseCorrupt) => {
            "restore it from a copy, or save what can be read with `sqlite3 FILE .recover`, and start with a new file"
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => "end the program that writes to it",
        _ => "check the disk: the next run continues where this one stopped",
    };
    SinkError::new(path, action, error).with_hint(hint)
}

/// A text that is not copied. It is UTF-8, because it comes from JSON that was read.
struct Text<'a>(&'a [u8]);

impl ToSql for Text<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(ValueRef::Text(self.0)))
    }
}

impl ToSql for Key {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(ValueRef::Blob(self.as_bytes())))
    }
}

fn seconds(at: Timestamp) -> i64 {
    i64::try_from(at.as_secs()).unwrap_or(i64::MAX)
}

/// "o365", as `file` shows it.
const APPLICATION: i64 = 0x6f33_3635;
const VERSION: i64 = 1;
/// The time that the API lists a content, in seconds: 7 days, with room for clocks that differ.
const LISTED: i64 = 9 * 86_400;

/// The log grows to 32 MiB before it is moved into the database, which syncs the disk. Caches are
/// bounded.
const SETTINGS: &str = "
PRAGMA synchronous = NORMAL;
PRAGMA wal_autocheckpoint = 8192;
PRAGMA cache_size = -16384;
";

const SCHEMA: &str = "
CREATE TABLE records (
    tenant TEXT NOT NULL,
    key BLOB,
    content_type TEXT NOT NULL,
    created TEXT,
    record TEXT NOT NULL,
    id TEXT AS (CASE WHEN json_valid(record) THEN json_extract(record, '$.Id') END) VIRTUAL,
    workload TEXT AS (CASE WHEN json_valid(record) THEN json_extract(record, '$.Workload') END) VIRTUAL,
    operation TEXT AS (CASE WHEN json_valid(record) THEN json_extract(record, '$.Operation') END) VIRTUAL,
    user_id TEXT AS (CASE WHEN json_valid(record) THEN json_extract(record, '$.UserId') END) VIRTUAL
);
CREATE UNIQUE INDEX records_by_key ON records (tenant, key) WHERE key IS NOT NULL;
CREATE INDEX records_by_time ON records (tenant, created);
CREATE TABLE contents (
    tenant TEXT NOT NULL,
    content_type TEXT NOT NULL,
    key BLOB NOT NULL,
    window_end INTEGER NOT NULL,
    PRIMARY KEY (tenant, content_type, key)
) WITHOUT ROWID;
CREATE TABLE finished (
    tenant TEXT NOT NULL,
    content_type TEXT NOT NULL,
    until INTEGER NOT NULL,
    PRIMARY KEY (tenant, content_type)
) WITHOUT ROWID;
";

const INSERT_RECORD: &str = "
INSERT INTO records (tenant, key, content_type, created, record) VALUES (?1, ?2, ?3, ?4, ?5)
ON CONFLICT (tenant, key) WHERE key IS NOT NULL DO NOTHING";

const INSERT_CONTENT: &str = "
INSERT INTO contents (tenant, content_type, key, window_end) VALUES (?1, ?2, ?3, ?4)
ON CONFLICT DO UPDATE SET window_end = max(window_end, excluded.window_end)";

const FINISH: &str = "
INSERT INTO finished (tenant, content_type, until) VALUES (?1, ?2, ?3)
ON CONFLICT DO UPDATE SET until = excluded.until";

const FORGET: &str = "DELETE FROM contents WHERE tenant = ?1 AND content_type = ?2 AND window_end < ?3";

/// Deletes contents that the API no longer lists, if no finished window has deleted them.
const FORGET_OLD: &str = "
DELETE FROM contents WHERE tenant = ?1 AND window_end < (SELECT max(window_end) FROM contents WHERE tenant = ?1) - ?2";

const FINISHED: &str = "SELECT content_type, until FROM finished WHERE tenant = ?1";

const CONTENTS: &str = "SELECT key FROM contents WHERE tenant = ?1";
