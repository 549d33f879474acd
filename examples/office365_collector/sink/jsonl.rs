//! JSON Lines: one file per tenant and day.

use std::fs::{File, OpenOptions, create_dir_all};
use std::io::Write;
use std::path::PathBuf;

use entra_proto::Guid;

use super::{Batch, Bounds, Progress, Sink, SinkError, TenantSink, Window};
use crate::feed::ContentType;

/// A folder with a folder for each tenant.
pub(crate) struct JsonLines {
    folder: PathBuf,
}

impl JsonLines {
    /// The sink in this folder, which is created.
    ///
    /// # Errors
    /// Returns an error if the folder cannot be created.
    pub(crate) fn at(folder: impl Into<PathBuf>) -> Result<Self, SinkError> {
        let folder = folder.into();
        create_dir_all(&folder).map_err(|error| SinkError::new(&folder, "create", error))?;
        Ok(Self { folder })
    }
}

impl Sink for JsonLines {
    fn open(&self, tenant: Guid, _: Bounds) -> Result<(Box<dyn TenantSink>, Progress), SinkError> {
        let folder = self.folder.join(tenant.to_string());
        create_dir_all(&folder).map_err(|error| SinkError::new(&folder, "create", error))?;
        Ok((Box::new(TenantFolder { folder }), Progress::default()))
    }
}

struct TenantFolder {
    folder: PathBuf,
}

impl TenantFolder {
    fn append(&self, day: &str) -> std::io::Result<File> {
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.folder.join(format!("{day}.jsonl")))
    }
}

impl TenantSink for TenantFolder {
    fn commit(&mut self, batches: &[Batch]) -> Result<(), SinkError> {
        for batch in batches {
            for record in &batch.records {
                let mut line = batch.raw(record).to_vec();
                line.push(b'\n');
                self.append(batch.day(record).unwrap_or("undated"))
                    .and_then(|mut file| file.write_all(&line))
                    .map_err(|error| SinkError::new(&self.folder, "write", error))?;
            }
        }
        Ok(())
    }

    fn finish(&mut self, _: ContentType, _: Window) -> Result<(), SinkError> {
        Ok(())
    }
}
