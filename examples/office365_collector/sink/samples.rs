//! Sample contents for the tests of sinks.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use entra_proto::{Guid, Timestamp};

use super::{Batch, Bounds, Key, Progress, Sink, SinkError, Window};
use crate::feed::{Blob, ContentType};

pub(super) const BOUNDS: Bounds = Bounds {
    overlap: Duration::from_secs(3600),
    ids: 1000,
};

pub(super) const TYPE: ContentType = ContentType::Exchange;

pub(super) fn tenant() -> Guid {
    "41463f53-8812-40f4-890f-865bf6e35190".parse().unwrap()
}

/// Returns the window of this hour of 2026-06-15.
pub(super) fn window(hour: u64) -> Window {
    let start = Timestamp::from_secs(1_781_481_600 + hour * 3600);
    Window {
        start,
        end: start.plus(Duration::from_secs(3600)),
    }
}

/// Returns a content with these records, given as IDs and the times that they claim.
pub(super) fn batch(content: &str, records: &[(&str, &str)]) -> Batch {
    let records = records
        .iter()
        .map(|(id, created)| format!(r#"{{"Id":"{id}","CreationTime":"{created}","Workload":"Exchange"}}"#));
    batch_of(content, &format!("[{}]", records.collect::<Vec<_>>().join(",")))
}

/// Returns a content with this body.
pub(super) fn batch_of(content: &str, body: &str) -> Batch {
    let Blob { body, records } = Blob::read(body.as_bytes().to_vec()).unwrap();
    Batch {
        content_type: TYPE,
        content_id: content.to_owned(),
        created: "2026-06-15T10:00:00.000Z".to_owned(),
        window: window(10),
        body,
        records,
    }
}

/// Returns the progress that a sink holds of the tenant.
pub(super) fn progress(sink: &dyn Sink) -> Result<Progress, SinkError> {
    let (tenant, mut progress) = sink.open(tenant(), BOUNDS)?;
    drop(tenant);
    progress.contents.sort_unstable();
    Ok(progress)
}

/// Returns the keys of contents, like [`progress`].
pub(super) fn contents(names: &[&str]) -> Vec<Key> {
    let mut keys: Vec<Key> = names.iter().map(|name| Key::of(name)).collect();
    keys.sort_unstable();
    keys
}

/// Returns all files below a folder, by their relative paths.
pub(super) fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(inner) = folders.pop() {
        for entry in fs::read_dir(inner).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
                files.insert(name, fs::read(path).unwrap());
            }
        }
    }
    files
}

/// Replaces the contents of a folder with these files.
pub(super) fn restore(folder: &Path, files: &BTreeMap<String, Vec<u8>>) {
    let _ = fs::remove_dir_all(folder);
    for (name, content) in files {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
}
