//! The to-dos, in SQLite.
//!
//! - `id`: counts up, and is never reused
//! - `tenant`, `owner`: `tid` and `oid`, together the key of a user
//! - `description`: the text
//!
//! Every method takes the caller, and finds only what the caller may see: for others, a to-do does
//! not exist. A change is on the disk when its method returns.

use std::fs::OpenOptions;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use entra_proto::Guid;
use rusqlite::types::Type;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, Row, TransactionBehavior, params};

use crate::common::Failure;
use crate::reach::Reach;

/// The to-dos of all tenants.
#[derive(Debug)]
pub(crate) struct Store(Mutex<Connection>);

/// A to-do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ToDo {
    pub(crate) id: i64,
    pub(crate) owner: Guid,
    pub(crate) description: String,
}

/// The reason that a call of the store failed.
#[derive(Debug)]
pub(crate) enum StoreError {
    /// The owner has the largest permitted number of to-dos.
    Full,
    /// SQLite failed.
    Failed(rusqlite::Error),
}

impl Store {
    /// Opens the store in this file, or creates it.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        let place = format!("--data {}", path.display());
        // SQLite gives some relative names a special meaning, such as `:memory:`.
        let path = std::path::absolute(path).map_err(|error| Failure::from(error).at(&place))?;
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.open(&path).map_err(|error| {
            Failure::from(error)
                .hint("let this user write the file and its folder, or name another file")
                .at(&place)
        })?;
        match connect(&path) {
            Ok(Some(connection)) => Ok(Self(Mutex::new(connection))),
            Ok(None) => Err(
                Failure::new("is the database of another program, or of another version of this one")
                    .hint("name another file; nothing was changed")
                    .at(&place),
            ),
            Err(error) => {
                let hint = match error.sqlite_error_code() {
                    Some(ErrorCode::NotADatabase) => "name another file; nothing was changed",
                    Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => "end the program that writes to it",
                    _ => "check the disk, or name another file",
                };
                Err(Failure::new(error.to_string()).hint(hint).at(&place))
            }
        }
    }

    /// Adds the three to-dos that the API of the Node sample starts with, unless the store has ever
    /// had others.
    pub(crate) fn add_samples(&self, tenant: Guid) -> Result<(), Failure> {
        let mut connection = self.connection();
        let mut add = || {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let is_used = transaction
                .query_row("SELECT seq FROM sqlite_sequence WHERE name = 'todos'", [], |row| {
                    row.get::<_, i64>(0)
                })
                .optional()?
                .is_some();
            for (number, description) in SAMPLES.iter().enumerate().filter(|_| !is_used) {
                // Each has an owner of its own, the same each time.
                let owner = Guid::from_random([u8::try_from(number).unwrap_or_default() + 1; 16]);
                transaction.execute(INSERT, params![tenant.to_string(), owner.to_string(), description])?;
            }
            transaction.commit()
        };
        add().map_err(|error: rusqlite::Error| Failure::new(format!("the database: {error}")))
    }

    /// Returns the to-dos that the caller may see.
    pub(crate) fn list(&self, reach: &Reach) -> Result<Vec<ToDo>, StoreError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(LIST)?;
        let rows = statement.query_map(params![tenant(reach), owner(reach)], todo)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    pub(crate) fn get(&self, reach: &Reach, id: i64) -> Result<Option<ToDo>, StoreError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(GET)?;
        let found = statement.query_row(params![tenant(reach), owner(reach), id], todo);
        Ok(found.optional()?)
    }

    /// Adds a to-do for this owner. If the caller is a user, the owner is the caller.
    pub(crate) fn add(&self, reach: &Reach, owner: Guid, description: &str) -> Result<ToDo, StoreError> {
        let (tenant, name) = (tenant(reach), owner.to_string());
        let mut connection = self.connection();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let count: i64 = transaction
            .prepare_cached(COUNT)?
            .query_row(params![tenant, name], |row| row.get(0))?;
        if count >= MOST_OF_ONE_OWNER {
            return Err(StoreError::Full);
        }
        transaction
            .prepare_cached(INSERT)?
            .execute(params![tenant, name, description])?;
        let id = transaction.last_insert_rowid();
        transaction.commit()?;
        Ok(ToDo {
            id,
            owner,
            description: description.to_owned(),
        })
    }

    /// Changes the description, and returns the changed to-do.
    pub(crate) fn change(&self, reach: &Reach, id: i64, description: &str) -> Result<Option<ToDo>, StoreError> {
        let mut connection = self.connection();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let changed = transaction
            .prepare_cached(UPDATE)?
            .query_row(params![tenant(reach), owner(reach), id, description], todo)
            .optional()?;
        transaction.commit()?;
        Ok(changed)
    }

    /// Removes a to-do. Returns false if it does not exist.
    pub(crate) fn remove(&self, reach: &Reach, id: i64) -> Result<bool, StoreError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(DELETE)?;
        Ok(statement.execute(params![tenant(reach), owner(reach), id])? > 0)
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Failed(error)
    }
}

fn tenant(reach: &Reach) -> String {
    reach.tenant.to_string()
}

/// Returns the owner as a parameter; `NULL` stands for all owners.
fn owner(reach: &Reach) -> Option<String> {
    reach.owner().map(|owner| owner.to_string())
}

fn todo(row: &Row<'_>) -> rusqlite::Result<ToDo> {
    let owner: String = row.get(1)?;
    Ok(ToDo {
        id: row.get(0)?,
        owner: owner
            .parse()
            .map_err(|error| rusqlite::Error::FromSqlConversionFailure(1, Type::Text, Box::new(error)))?,
        description: row.get(2)?,
    })
}

/// Opens the database, and creates missing tables. Returns `None` if it belongs to another program.
fn connect(path: &Path) -> rusqlite::Result<Option<Connection>> {
    // Without SQLITE_OPEN_URI, `file:` has no meaning.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(Duration::from_secs(10))?;
    // A transaction, because another process may open the new file at the same time.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let number = |pragma| transaction.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    let own = (number("application_id")?, number("user_version")?);
    let objects: i64 = transaction.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if objects == 0 && own == (0, 0) {
        transaction.execute_batch(SCHEMA)?;
        transaction.pragma_update(None, "application_id", APPLICATION)?;
        transaction.pragma_update(None, "user_version", VERSION)?;
    } else if own != (APPLICATION, VERSION) {
        return Ok(None);
    }
    transaction.commit()?;
    connection.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;")?;
    Ok(Some(connection))
}

/// "todo", as `file` shows it.
const APPLICATION: i64 = 0x746f_646f;
const VERSION: i64 = 1;

/// A list is returned as a whole, so its length is bounded.
const MOST_OF_ONE_OWNER: i64 = 1000;

const SAMPLES: [&str; 3] = ["Pick up grocery", "Finish invoice report", "Water plants"];

const SCHEMA: &str = "
CREATE TABLE todos (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant TEXT NOT NULL,
    owner TEXT NOT NULL,
    description TEXT NOT NULL
);
CREATE INDEX todos_by_owner ON todos (tenant, owner);
";

const INSERT: &str = "INSERT INTO todos (tenant, owner, description) VALUES (?1, ?2, ?3)";

const COUNT: &str = "SELECT count(*) FROM todos WHERE tenant = ?1 AND owner = ?2";

const LIST: &str =
    "SELECT id, owner, description FROM todos WHERE tenant = ?1 AND (?2 IS NULL OR owner = ?2) ORDER BY id";

const GET: &str =
    "SELECT id, owner, description FROM todos WHERE tenant = ?1 AND (?2 IS NULL OR owner = ?2) AND id = ?3";

const UPDATE: &str = "
UPDATE todos SET description = ?4 WHERE tenant = ?1 AND (?2 IS NULL OR owner = ?2) AND id = ?3
RETURNING id, owner, description";

const DELETE: &str = "DELETE FROM todos WHERE tenant = ?1 AND (?2 IS NULL OR owner = ?2) AND id = ?3";
