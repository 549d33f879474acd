//! JSON Lines: one file per tenant and day.
//!
//! ```text
//! DIR/.lock                         one process at a time
//! DIR/{tenant}/progress.journal     the commits
//! DIR/{tenant}/2026-01-31.jsonl     that day's records, one per line
//! ```
//!
//! The records are written as the API sent them. The day is that of a record's `CreationTime`, in
//! UTC, or else the day of its content.
//!
//! A commit appends the records to their files, and then one line to the journal, with the new
//! lengths of the files and the keys of contents and records. When the tenant is opened, files are
//! cut to the lengths in the journal. So whenever the process is killed, the next run continues
//! with exactly what was committed.
//!
//! **After a power failure**, data that was not on the disk yet is missing: at most the last
//! [`SYNC_AFTER`] or [`SYNC_BYTES`] of a tenant. The journal holds checksums of the data. Data that
//! does not match them is cut off as if it had not been committed, and is collected again: nothing
//! is lost as long as the API still lists it (7 days), and nothing is written twice.
//!
//! If a journal has lost more than that, or does not name a file of a later day, that is an error,
//! and no file is cut.
//!
//! **Repeated records** are recognized by their IDs. The journal holds the latest IDs, as many as
//! `--remember` says.
//!
//! Files of past days can be moved away while no collector runs. Files that the journal does not
//! name are never changed.

mod journal;
mod recovery;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use entra_proto::Guid;

use self::journal::{ContentTypeName, Done, Entry, KEYS_PER_LINE, Part, encode, seconds};
use self::recovery::Recovered;
use super::exclusive::{LockFile, OpenTenant, OpenTenants, create_private_folder, private_file, sync_folder};
use super::{Batch, Bounds, Committed, Day, Key, Progress, Sink, SinkError, TenantSink, Window};
use crate::feed::ContentType;

/// A folder with a subfolder for each tenant.
pub(crate) struct JsonLines {
    folder: PathBuf,
    open: OpenTenants,
    _lock: LockFile,
}

impl JsonLines {
    /// Opens the sink in this folder, which is created if it does not exist.
    ///
    /// # Errors
    /// Returns an error if the folder cannot be created, or if another process uses it.
    pub(crate) fn at(folder: impl Into<PathBuf>) -> Result<Self, SinkError> {
        let folder = folder.into();
        create_private_folder(&folder).map_err(|error| SinkError::io(&folder, "create", error))?;
        Ok(Self {
            _lock: LockFile::take(&folder.join(LOCK), &folder)?,
            open: OpenTenants::default(),
            folder,
        })
    }
}

impl Sink for JsonLines {
    fn open(&self, tenant: Guid, bounds: Bounds) -> Result<(Box<dyn TenantSink>, Progress), SinkError> {
        let open = self.open.open(tenant);
        let folder = self.folder.join(tenant.to_string());
        let (folder, progress) = TenantFolder::open(folder, tenant, bounds, open)?;
        Ok((Box::new(folder), progress))
    }
}

/// The folder of one tenant.
struct TenantFolder {
    folder: PathBuf,
    bounds: Bounds,
    journal: File,
    journal_length: u64,
    journal_lines: u64,
    /// The committed lengths of the files.
    files: BTreeMap<Day, u64>,
    /// The open files, the most recently used last.
    handles: Vec<(Day, File)>,
    unsynced: BTreeSet<Day>,
    unsynced_bytes: u64,
    synced_at: Instant,
    /// True if something failed: the files and the journal may hold more than was committed, which
    /// is removed at the next opening.
    is_broken: bool,
    _open: OpenTenant,
}

impl TenantFolder {
    fn open(folder: PathBuf, tenant: Guid, bounds: Bounds, open: OpenTenant) -> Result<(Self, Progress), SinkError> {
        create_private_folder(&folder).map_err(|error| SinkError::io(&folder, "create", error))?;
        let path = folder.join(JOURNAL);
        let found = private_file().write(true).open(&path);
        let (journal, recovered) = match found {
            Ok(journal) => Self::recover(&folder, &path, journal, tenant, bounds)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                reject_records(&folder)?;
                let mut nothing = Recovered::new(bounds);
                (create_journal(&folder, &path, tenant, &mut nothing)?, nothing)
            }
            Err(error) => return Err(SinkError::io(&path, "open", error)),
        };
        let (journal_length, journal_lines) = (recovered.journal, recovered.lines);
        let unsynced: BTreeSet<Day> = recovered.unsynced.iter().copied().collect();
        let (progress, files) = recovered.into_progress();
        let mut tenant = Self {
            folder,
            bounds,
            journal,
            journal_length,
            journal_lines,
            files,
            handles: Vec::new(),
            unsynced_bytes: unsynced.len() as u64,
            unsynced,
            synced_at: Instant::now(),
            is_broken: false,
            _open: open,
        };
        tenant.sync_all()?;
        Ok((tenant, progress))
    }

    fn recover(
        folder: &Path,
        path: &Path,
        journal: File,
        tenant: Guid,
        bounds: Bounds,
    ) -> Result<(File, Recovered), SinkError> {
        let mut recovered = Recovered::read(folder, path, &journal, tenant, bounds)?;
        recovered.reject_early_end(folder, path)?;
        // The journal first: it never names data that a file does not hold.
        let length = journal
            .metadata()
            .map_err(|error| SinkError::io(path, "inspect", error))?
            .len();
        if length > recovered.journal {
            let cut = journal.set_len(recovered.journal).and_then(|()| journal.sync_data());
            cut.map_err(|error| SinkError::io(path, "cut", error))?;
        }
        recovered.cut_files(folder)?;
        if recovered.journal > JOURNAL_ROOM + 2 * recovered.weight() {
            // A newly created journal is trusted without checking the files.
            sync_files(folder, recovered.unsynced.drain(..))?;
            drop(journal);
            return Ok((create_journal(folder, path, tenant, &mut recovered)?, recovered));
        }
        Ok((journal, recovered))
    }

    /// Runs an action. Unless it succeeds, the tenant is broken afterwards.
    fn attempt<T>(&mut self, act: impl FnOnce(&mut Self) -> Result<T, SinkError>) -> Result<T, SinkError> {
        if self.is_broken {
            return Err(SinkError::new(&self.folder, "write", "an earlier write failed"));
        }
        self.is_broken = true;
        let done = act(self)?;
        self.is_broken = false;
        Ok(done)
    }

    fn write(&mut self, batches: &[Batch]) -> Result<(), SinkError> {
        let lines = lines_by_day(batches);
        self.announce(lines.keys().copied())?;
        let mut parts = Vec::with_capacity(lines.len());
        for (day, lines) in &lines {
            let start = self.files[day];
            let mut crc = crc32fast::Hasher::new();
            let written = self.handle(*day).and_then(|mut file| {
                file.seek(SeekFrom::Start(start))?;
                // Long parts bypass the buffer.
                let mut file = BufWriter::new(file);
                for lines in lines {
                    crc.update(lines);
                    file.write_all(lines)?;
                }
                file.flush()
            });
            written.map_err(|error| SinkError::io(path_of(&self.folder, *day), "write", error))?;
            let length: usize = lines.iter().map(|lines| lines.len()).sum();
            parts.push(Part {
                day: *day,
                end: start + length as u64,
                crc: crc.finalize(),
            });
            self.unsynced.insert(*day);
            self.unsynced_bytes += length as u64;
        }
        let mut entries = Vec::new();
        let keys: Vec<Key> = batches
            .iter()
            .flat_map(|batch| batch.records.iter().filter_map(|record| record.key))
            .collect();
        entries.extend(keys.chunks(KEYS_PER_LINE).map(|keys| Entry::Ids(keys.to_vec())));
        let contents: Vec<Done> = batches.iter().map(done).collect();
        self.files.extend(parts.iter().map(|part| (part.day, part.end)));
        entries.push(Entry::Commit { contents, files: parts });
        self.append(&entries)?;
        self.sync_in_time()
    }

    /// Announces files of these days in the journal before they are created, so that a file that it
    /// does not name belongs to another program.
    fn announce(&mut self, days: impl Iterator<Item = Day>) -> Result<(), SinkError> {
        let new: BTreeMap<Day, u64> = days
            .filter(|day| !self.files.contains_key(day))
            .map(|day| (day, 0))
            .collect();
        if new.is_empty() {
            return Ok(());
        }
        for day in new.keys() {
            let path = path_of(&self.folder, *day);
            // A dangling symbolic link exists as well.
            if path.symlink_metadata().is_ok() {
                return Err(foreign(&path));
            }
        }
        self.sync_all()?;
        let days: Vec<Day> = new.keys().copied().collect();
        self.append(&[Entry::Files(new)])?;
        self.sync_journal()?;
        // The files are created at once: one that is missing later was moved away.
        for day in days {
            let path = path_of(&self.folder, day);
            let created = private_file().write(true).create_new(true).open(&path);
            created.map_err(|error| SinkError::io(&path, "create", error))?;
            self.files.insert(day, 0);
        }
        self.sync_folder()
    }

    /// Opens the file of a day, and returns it.
    fn handle(&mut self, day: Day) -> io::Result<&File> {
        if let Some(at) = self.handles.iter().position(|(open, _)| *open == day) {
            self.handles[at..].rotate_left(1);
        } else {
            let file = File::options().write(true).open(path_of(&self.folder, day))?;
            if self.handles.len() >= MOST_HANDLES {
                self.handles.remove(0);
            }
            self.handles.push((day, file));
        }
        Ok(&self.handles[self.handles.len() - 1].1)
    }

    fn append(&mut self, entries: &[Entry]) -> Result<(), SinkError> {
        let mut lines = Vec::new();
        let appended = encode(&mut self.journal_lines, entries, &mut lines).and_then(|()| {
            self.journal.seek(SeekFrom::Start(self.journal_length))?;
            self.journal.write_all(&lines)
        });
        appended.map_err(|error| SinkError::io(self.folder.join(JOURNAL), "write", error))?;
        self.journal_length += lines.len() as u64;
        self.unsynced_bytes += lines.len() as u64;
        Ok(())
    }

    fn sync_in_time(&mut self) -> Result<(), SinkError> {
        if self.unsynced_bytes >= SYNC_BYTES || self.synced_at.elapsed() >= SYNC_AFTER {
            return self.sync_all();
        }
        Ok(())
    }

    /// Makes everything survive a power failure, and marks that in the journal.
    fn sync_all(&mut self) -> Result<(), SinkError> {
        self.synced_at = Instant::now();
        if self.unsynced_bytes == 0 {
            return Ok(());
        }
        let others = std::mem::take(&mut self.unsynced);
        let is_open = |day: &Day| self.handles.iter().any(|(open, _)| open == day);
        sync_files(&self.folder, others.into_iter().filter(|day| !is_open(day)))?;
        for (day, file) in &self.handles {
            file.sync_data()
                .map_err(|error| SinkError::io(path_of(&self.folder, *day), "sync", error))?;
        }
        self.sync_journal()?;
        self.append(&[Entry::Synced])?;
        // The mark itself may be lost: then more data is compared with its checksums.
        self.unsynced_bytes = 0;
        Ok(())
    }

    fn sync_folder(&self) -> Result<(), SinkError> {
        sync_folder(&self.folder).map_err(|error| SinkError::io(&self.folder, "sync", error))
    }

    fn sync_journal(&self) -> Result<(), SinkError> {
        let synced = self.journal.sync_data();
        synced.map_err(|error| SinkError::io(self.folder.join(JOURNAL), "sync", error))
    }
}

impl TenantSink for TenantFolder {
    fn commit(&mut self, batches: &[Batch]) -> Result<Committed, SinkError> {
        self.attempt(|tenant| tenant.write(batches))?;
        Ok(Committed::default())
    }

    fn finish(&mut self, content_type: ContentType, window: Window) -> Result<(), SinkError> {
        self.attempt(|tenant| {
            tenant.append(&[Entry::Finish {
                content_type: ContentTypeName(content_type),
                end: seconds(window.end),
                keep: seconds(window.end.minus(tenant.bounds.overlap)),
            }])?;
            tenant.sync_in_time()
        })
    }

    fn sync(&mut self) -> Result<(), SinkError> {
        self.attempt(Self::sync_all)
    }
}

/// Returns the lines of each day, as ranges of the bodies. Consecutive records form one range.
fn lines_by_day(batches: &[Batch]) -> BTreeMap<Day, Vec<&[u8]>> {
    let mut days: BTreeMap<Day, Vec<&[u8]>> = BTreeMap::new();
    for batch in batches {
        let created_on = batch.created_on();
        let mut records = batch.records.iter().peekable();
        while let Some(record) = records.next() {
            let day = Batch::day(record, created_on);
            let mut lines = batch.line(record);
            while let Some(next) =
                records.next_if(|next| batch.line(next).start == lines.end && Batch::day(next, created_on) == day)
            {
                lines.end = batch.line(next).end;
            }
            days.entry(day).or_default().push(&batch.body[lines]);
        }
    }
    days
}

fn done(batch: &Batch) -> Done {
    Done {
        content_type: ContentTypeName(batch.content_type),
        key: vec![Key::of(&batch.content_id)],
        window: seconds(batch.window.end),
    }
}

/// Writes a journal under another name, and moves it into place once it is on the disk.
fn create_journal(folder: &Path, path: &Path, tenant: Guid, recovered: &mut Recovered) -> Result<File, SinkError> {
    let draft = folder.join(DRAFT);
    let (mut lines, mut number) = (Vec::new(), 0);
    let written = encode(&mut number, &recovered.entries(tenant), &mut lines)
        .and_then(|()| match fs::remove_file(&draft) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => private_file().write(true).create_new(true).open(&draft),
        })
        .and_then(|mut file| {
            file.write_all(&lines)?;
            file.sync_all()
        });
    written.map_err(|error| SinkError::io(&draft, "write", error))?;
    let moved = fs::rename(&draft, path).and_then(|()| sync_folder(folder));
    moved.map_err(|error| SinkError::io(path, "create", error))?;
    (recovered.journal, recovered.lines) = (lines.len() as u64, number);
    private_file()
        .write(true)
        .open(path)
        .map_err(|error| SinkError::io(path, "open", error))
}

/// Rejects records without a journal: they would be taken for parts of failed commits.
fn reject_records(folder: &Path) -> Result<(), SinkError> {
    let Some(day) = days_in(folder)?.pop() else {
        return Ok(());
    };
    let problem = format!("it is missing, and there are records ({day}{EXTENSION})");
    Err(SinkError::new(folder.join(JOURNAL), "find", problem)
        .with_hint("restore the journal from a copy, or move the records away to start again with this tenant"))
}

/// Returns the days that have files.
fn days_in(folder: &Path) -> Result<Vec<Day>, SinkError> {
    let failed = |error| SinkError::io(folder, "read", error);
    let mut days = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        let day = name.to_str().and_then(|name| name.strip_suffix(EXTENSION));
        days.extend(day.and_then(|day| day.parse::<Day>().ok()));
    }
    Ok(days)
}

fn foreign(path: &Path) -> SinkError {
    SinkError::new(path, "create", "a file that is not the collector's has this name")
        .with_hint("move it away, or name another folder; nothing was changed")
}

fn sync_files(folder: &Path, days: impl IntoIterator<Item = Day>) -> Result<(), SinkError> {
    for day in days {
        let path = path_of(folder, day);
        match File::options()
            .write(true)
            .open(&path)
            .and_then(|file| file.sync_data())
        {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            synced => synced.map_err(|error| SinkError::io(&path, "sync", error))?,
        }
    }
    Ok(())
}

/// Returns the path of a day's file. The name is made of numbers, whatever the records contain.
fn path_of(folder: &Path, day: Day) -> PathBuf {
    folder.join(format!("{day}{EXTENSION}"))
}

const LOCK: &str = ".lock";
const JOURNAL: &str = "progress.journal";
const DRAFT: &str = "progress.journal.new";
const EXTENSION: &str = ".jsonl";
/// The time after which a tenant's records are synced to the disk; they are also synced at the end
/// of its turn.
const SYNC_AFTER: Duration = Duration::from_secs(5);
/// The number of bytes after which they are synced earlier.
const SYNC_BYTES: u64 = 32 << 20;
/// More bytes than a crash leaves in the files that the journal does not name.
const MOST_UNNAMED: u64 = 4 * SYNC_BYTES;
/// The most open files of one tenant.
const MOST_HANDLES: usize = 4;
/// A journal is rewritten when it is larger than this, and than twice its contents.
const JOURNAL_ROOM: u64 = 1 << 20;
