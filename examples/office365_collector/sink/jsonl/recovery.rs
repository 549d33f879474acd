//! Recovery of a tenant's folder after the program ended, however it ended.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use entra_proto::{Guid, Timestamp};

use super::super::{Bounds, Day, Key, Progress, SinkError};
use super::journal::{self, CONTENTS_PER_LINE, ContentTypeName, Done, Entry, KEYS_PER_LINE, Line, Part};
use super::{MOST_UNNAMED, days_in, path_of};
use crate::feed::ContentType;

/// The committed state.
#[derive(Default)]
pub(super) struct Recovered {
    /// The lengths of the files.
    pub(super) files: BTreeMap<Day, u64>,
    finished: BTreeMap<ContentType, u64>,
    contents: Vec<Done>,
    ids: VecDeque<Key>,
    /// Keys whose commit has not been read yet.
    pending: VecDeque<Key>,
    most_ids: usize,
    /// The end of the last valid entry, where the journal continues.
    pub(super) journal: u64,
    /// The number of lines up to there.
    pub(super) lines: u64,
    /// Days whose files may not be on the disk yet.
    pub(super) unsynced: Vec<Day>,
}

impl Recovered {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            most_ids: bounds.ids,
            ..Self::default()
        }
    }

    /// Reads the journal, and checks the parts of the files that a crash may have damaged. Changes
    /// nothing.
    pub(super) fn read(
        folder: &Path,
        path: &Path,
        file: &File,
        tenant: Guid,
        bounds: Bounds,
    ) -> Result<Self, SinkError> {
        let mut recovered = Self::new(bounds);
        let tail = journal::read(path, file, tenant, |lines| {
            for line in lines {
                recovered.apply(line);
            }
        })?;
        for line in tail {
            if let Entry::Commit { files, .. } = &line.entry {
                for part in files {
                    if !recovered.holds(folder, part)? {
                        return Ok(recovered);
                    }
                    recovered.unsynced.push(part.day);
                }
            }
            recovered.apply(line);
        }
        Ok(recovered)
    }

    fn apply(&mut self, line: Line) {
        match line.entry {
            // Keys take effect with their commit only.
            Entry::Ids(keys) => return keep_latest(&mut self.pending, keys, self.most_ids),
            Entry::Journal { .. } | Entry::Synced => {}
            Entry::Files(files) => self.files.extend(files),
            Entry::Commit { contents, files } => {
                self.contents.extend(contents);
                self.files.extend(files.into_iter().map(|part| (part.day, part.end)));
                keep_latest(&mut self.ids, self.pending.drain(..), self.most_ids);
            }
            Entry::Finish {
                content_type,
                end,
                keep,
            } => {
                self.finished.insert(content_type.0, end);
                self.contents
                    .retain(|content| content.content_type != content_type || content.window >= keep);
            }
        }
        (self.journal, self.lines) = (line.end, line.number);
    }

    /// Returns true if the file holds this part.
    fn holds(&self, folder: &Path, part: &Part) -> Result<bool, SinkError> {
        let path = path_of(folder, part.day);
        let Some(start) = self.files.get(&part.day).copied().filter(|start| *start <= part.end) else {
            return Ok(false);
        };
        let read = || -> io::Result<bool> {
            let mut file = match File::open(&path) {
                Ok(file) => file,
                // The file was on the disk before the first commit that needs it, so it was moved
                // away with everything in it.
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
                Err(error) => return Err(error),
            };
            file.seek(SeekFrom::Start(start))?;
            let mut hasher = crc32fast::Hasher::new();
            let mut left = file.take(part.end - start);
            let mut buffer = vec![0; 1 << 16];
            loop {
                match left.read(&mut buffer)? {
                    0 => break,
                    read => hasher.update(&buffer[..read]),
                }
            }
            Ok(left.limit() == 0 && hasher.finalize() == part.crc)
        };
        read().map_err(|error| SinkError::io(&path, "read", error))
    }

    /// Rejects a journal that has lost its end although that was on the disk. The files would be
    /// cut back to a much earlier time, whose records the API may no longer list. A crash leaves at
    /// most [`MOST_UNNAMED`] bytes, and no file of a later day, because files are named in the
    /// journal before they are created.
    pub(super) fn reject_early_end(&self, folder: &Path, path: &Path) -> Result<(), SinkError> {
        let unnamed = |(day, length): (&Day, &u64)| {
            let found = path_of(folder, *day).metadata();
            found.map_or(0, |found| found.len().saturating_sub(*length))
        };
        let unnamed: u64 = self.files.iter().map(unnamed).sum();
        let latest = self.files.last_key_value().map(|(day, _)| *day);
        let is_later = |day: &Day| latest.is_some_and(|latest| *day > latest);
        if unnamed == 0 || unnamed <= MOST_UNNAMED && !days_in(folder)?.iter().any(is_later) {
            return Ok(());
        }
        let problem = format!("its end is missing: it does not name the last {unnamed} bytes of the records");
        Err(SinkError::new(path, "use", problem).with_hint(
            "restore the journal from a copy, or move the tenant's folder away to start again with it; nothing was changed",
        ))
    }

    /// Removes uncommitted data from the files. A missing file was moved away: its day starts a new
    /// file.
    pub(super) fn cut_files(&mut self, folder: &Path) -> Result<(), SinkError> {
        let mut moved = Vec::new();
        for (&day, &length) in &self.files {
            let path = path_of(folder, day);
            let found = match path.metadata() {
                Ok(found) => found,
                // A file that was announced but never created is announced again.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    moved.push(day);
                    continue;
                }
                Err(error) => return Err(SinkError::io(&path, "inspect", error)),
            };
            if !found.is_file() {
                return Err(SinkError::new(&path, "write", "it is not a file").with_hint("move it away"));
            }
            if found.len() < length {
                return Err(SinkError::new(
                    &path,
                    "continue",
                    format!("it has {} bytes, and {length} were written", found.len()),
                )
                .with_hint("restore it from a copy, or move it away: then its day starts a new file"));
            }
            if found.len() > length {
                let cut = File::options()
                    .write(true)
                    .open(&path)
                    .and_then(|file| file.set_len(length));
                cut.map_err(|error| SinkError::io(&path, "cut", error))?;
                self.unsynced.push(day);
            }
        }
        for day in moved {
            self.files.remove(&day);
        }
        Ok(())
    }

    /// Returns the approximate length of a journal with these contents.
    pub(super) fn weight(&self) -> u64 {
        (self.ids.len() * 22 + self.contents.len() * 96 + self.files.len() * 24) as u64
    }

    /// Returns the entries of a new journal with these contents.
    pub(super) fn entries(&mut self, tenant: Guid) -> Vec<Entry> {
        self.forget_old();
        let mut entries = vec![Entry::Files(self.files.clone())];
        // First the entries that would forget contents.
        entries.extend(self.finished.iter().map(|(content_type, end)| Entry::Finish {
            content_type: ContentTypeName(*content_type),
            end: *end,
            keep: 0,
        }));
        let commit = |contents: &[Done]| Entry::Commit {
            contents: contents.to_vec(),
            files: Vec::new(),
        };
        for keys in self.ids.make_contiguous().chunks(KEYS_PER_LINE) {
            entries.push(Entry::Ids(keys.to_vec()));
            entries.push(commit(&[]));
        }
        entries.extend(self.contents.chunks(CONTENTS_PER_LINE).map(commit));
        entries.push(Entry::Synced);
        entries.insert(
            0,
            Entry::Journal {
                version: 1,
                tenant: tenant.to_string(),
                lines: entries.len() as u64 + 1,
            },
        );
        entries
    }

    /// Forgets contents that the API no longer lists, if no finished window has done so.
    fn forget_old(&mut self) {
        let latest = self.contents.iter().map(|content| content.window).max();
        let oldest = latest.unwrap_or_default().saturating_sub(LISTED);
        self.contents.retain(|content| content.window >= oldest);
    }

    pub(super) fn into_progress(self) -> (Progress, BTreeMap<Day, u64>) {
        let progress = Progress {
            finished: self
                .finished
                .into_iter()
                .map(|(content_type, end)| (content_type, Timestamp::from_secs(end)))
                .collect(),
            contents: self.contents.into_iter().flat_map(|content| content.key).collect(),
            records: self.ids.into(),
        };
        (progress, self.files)
    }
}

/// Appends keys, and retains the latest `most` only.
fn keep_latest(kept: &mut VecDeque<Key>, keys: impl IntoIterator<Item = Key>, most: usize) {
    for key in keys {
        if kept.len() >= most {
            kept.pop_front();
        }
        if most > 0 {
            kept.push_back(key);
        }
    }
}

/// The time that the API lists a content, in seconds: 7 days, with room for clocks that differ.
const LISTED: u64 = 9 * 86_400;
