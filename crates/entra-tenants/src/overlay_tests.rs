//! Tests of the file during a transaction, and after a crash while it is written.

use std::fs::{self, File};
use std::path::Path;
use std::time::Duration;

use entra_proto::{ClientId, Guid, Timestamp};
use proptest::prelude::*;
use redb::backends::FileBackend;
use redb::{StorageBackend, WriteTransaction};

use super::folder::folder;
use super::overlay::{Change, Overlay, replay};
use super::record::{self, Record};
use super::storage::{self, Fault, SECRETS, TENANTS};
use super::{ConsentedTenant, RedbTenantStore, SecretName, TenantStore, TenantStoreError, TenantStoreKey};

fn guid(byte: u8) -> Guid {
    Guid::from_bytes([byte; 16])
}

fn app() -> ClientId {
    guid(1).into()
}

fn consent(tenant: u8) -> ConsentedTenant {
    ConsentedTenant::new(app(), guid(tenant), Timestamp::from_secs(100)).with_granted(["x".repeat(150)])
}

fn store(path: &Path) -> RedbTenantStore {
    RedbTenantStore::at(path)
        .with_key(TenantStoreKey::from_bytes([7; 32]))
        .with_wait(Duration::ZERO)
}

fn backend(path: &Path) -> FileBackend {
    FileBackend::new(File::options().read(true).write(true).open(path).unwrap()).unwrap()
}

type Kept = (Vec<ConsentedTenant>, Option<Vec<u8>>);

/// Creates the tenants, and a secret of the first one.
fn kept(path: &Path) -> Kept {
    let store = store(path);
    let list = store.list(None).unwrap();
    assert!(list.unreadable.is_empty());
    let secret = store.secret(SecretName::new(app(), guid(1), "a")).unwrap();
    (list.tenants, secret.map(|secret| secret.to_vec()))
}

fn insert(transaction: &WriteTransaction, tenants: &[u8]) -> Result<(), Fault> {
    for &tenant in tenants {
        let record = Record {
            tenant: consent(tenant),
            later: serde_json::Map::new(),
        };
        let key = record::key(app(), guid(tenant));
        transaction
            .open_table(TENANTS)?
            .insert(key.as_slice(), record.encode()?.as_slice())?;
    }
    Ok(())
}

fn forget_first(transaction: &WriteTransaction) -> Result<(), Fault> {
    let key = record::key(app(), guid(1));
    transaction.open_table(TENANTS)?.remove(key.as_slice())?;
    transaction.open_table(SECRETS)?.retain(|_, _| false)?;
    Ok(())
}

/// Returns the possible states of a disk after a crash: each write that was not synced is there or
/// not.
fn crashes(changes: &[Change]) -> Vec<Vec<Change>> {
    let mut crashes = Vec::new();
    let mut synced = 0;
    for (end, change) in changes.iter().enumerate() {
        crashes.push(changes[..end].to_vec());
        match change {
            Change::Write { at, bytes } if bytes.len() > 4000 => {
                let half = Change::Write {
                    at: *at,
                    bytes: bytes[..bytes.len() / 2].to_vec(),
                };
                crashes.push([&changes[..end], &[half]].concat());
            }
            Change::Write { .. } | Change::SetLen(_) => {}
            Change::Sync => {
                for odd in synced..end {
                    crashes.push([&changes[..odd], &changes[odd + 1..end]].concat());
                    crashes.push([&changes[..synced], &changes[odd..=odd]].concat());
                }
                synced = end;
            }
        }
    }
    crashes.push(changes.to_vec());
    crashes
}

/// Writes to the file, and checks the state after each possible crash in another file.
fn write_and_crash(path: &Path, act: impl FnOnce(&WriteTransaction) -> Result<(), Fault>) {
    let other = path.with_extension("crashed");
    let bytes = fs::read(path).unwrap();
    let before = kept(path);
    let ((), file) = storage::prepare(path, Duration::ZERO, act).unwrap();
    let changes = file.changes();
    assert!(matches!(changes.last(), Some(Change::Sync)), "it is on the disk");
    assert!(
        fs::read(path).unwrap() == bytes,
        "nothing is written before all is known"
    );
    file.replay().unwrap();
    drop(file);
    let after = kept(path);
    assert_ne!(before, after);
    let (mut old, mut new) = (0, 0);
    for crash in crashes(&changes) {
        fs::write(&other, &bytes).unwrap();
        replay(&crash, &backend(&other)).unwrap();
        let found = kept(&other);
        old += usize::from(found == before);
        new += usize::from(found == after);
        assert!(found == before || found == after, "{found:?}");
        // The file is still writable.
        store(&other).put(&consent(200)).unwrap();
        let (mut tenants, secret) = kept(&other);
        assert_eq!(tenants.pop(), Some(consent(200)));
        assert_eq!((tenants, secret), found);
    }
    assert!(old > 0 && new > 0);
}

#[test]
fn a_crash_leaves_the_store_before_or_after() {
    let folder = folder();
    let path = folder.path().join("t.redb");
    storage::create(&path).unwrap();
    let len = || fs::metadata(&path).unwrap().len();
    let empty = len();
    write_and_crash(&path, |transaction| insert(transaction, &[1]));
    assert!(len() > empty, "one that grows is among them");
    for tenant in 2..=40 {
        store(&path).put(&consent(tenant)).unwrap();
    }
    store(&path)
        .put_secret(SecretName::new(app(), guid(1), "a"), &[9; 3000])
        .unwrap();
    write_and_crash(&path, |transaction| insert(transaction, &[41]));
    write_and_crash(&path, forget_first);
}

#[test]
fn a_crash_while_one_is_mended_after_a_crash_loses_nothing() {
    let folder = folder();
    let path = folder.path().join("t.redb");
    store(&path).put(&consent(1)).unwrap();
    let ((), file) = storage::prepare(&path, Duration::ZERO, |transaction| insert(transaction, &[2])).unwrap();
    let changes = file.changes();
    drop(file);
    let syncs = |end: &usize| matches!(changes[end - 1], Change::Sync);
    let bytes = fs::read(&path).unwrap();
    for end in (1..changes.len()).filter(syncs) {
        fs::write(&path, &bytes).unwrap();
        replay(&changes[..end], &backend(&path)).unwrap();
        write_and_crash(&path, |transaction| insert(transaction, &[3]));
    }
}

#[test]
fn what_fails_leaves_the_file_as_it_is() {
    let folder = folder();
    let path = folder.path().join("t.redb");
    store(&path).put(&consent(1)).unwrap();
    let bytes = fs::read(&path).unwrap();
    let result = storage::write(&path, Duration::ZERO, |transaction| {
        insert(transaction, &[2])?;
        Err::<(), _>(TenantStoreError::Crypto.into())
    });
    assert!(matches!(result, Err(TenantStoreError::Crypto)));
    assert!(fs::read(&path).unwrap() == bytes);
}

#[test]
fn nobody_else_has_the_file_before_all_is_written() {
    let folder = folder();
    let path = folder.path().join("t.redb");
    store(&path).put(&consent(1)).unwrap();
    let ((), file) = storage::prepare(&path, Duration::ZERO, |transaction| insert(transaction, &[2])).unwrap();
    let error = store(&path).list(None).unwrap_err();
    assert!(matches!(error, TenantStoreError::Busy { .. }), "{error}");
    file.replay().unwrap();
    store(&path).list(None).unwrap_err();
    drop(file);
    assert_eq!(kept(&path).0, [consent(1), consent(2)]);
}

fn some_change() -> impl Strategy<Value = Change> {
    prop_oneof![
        4 => (0..300_u64, proptest::collection::vec(any::<u8>(), 1..80)).prop_map(|(at, bytes)| Change::Write { at, bytes }),
        2 => (0..400_u64).prop_map(Change::SetLen),
        1 => Just(Change::Sync),
    ]
}

proptest! {
    #[test]
    fn it_reads_as_the_file_will_when_it_is_written(
        start in proptest::collection::vec(any::<u8>(), 0..300),
        changes in proptest::collection::vec(some_change(), 0..12),
        reads in proptest::collection::vec((0..450_u64, 1..200_usize), 8),
    ) {
        let folder = folder();
        let [path, plain, other] = ["overlaid", "plain", "other"].map(|name| {
            let path = folder.path().join(name);
            fs::write(&path, &start).unwrap();
            path
        });
        let overlay = Overlay::new(backend(&path)).unwrap();
        let file = backend(&plain);
        for change in changes {
            let done = match &change {
                Change::Write { at, bytes } => overlay.write(*at, bytes),
                Change::SetLen(len) => overlay.set_len(*len),
                Change::Sync => overlay.sync_data(false),
            };
            // A write beyond the longest file is rejected.
            if done.is_ok() {
                replay(&[change], &file).unwrap();
            }
        }
        prop_assert_eq!(overlay.len().unwrap(), file.len().unwrap());
        for (at, len) in reads {
            prop_assert_eq!(overlay.read(at, len).ok(), file.read(at, len).ok());
        }
        prop_assert!(fs::read(&path).unwrap() == start);
        overlay.replay().unwrap();
        prop_assert!(fs::read(&path).unwrap() == fs::read(&plain).unwrap());
        // The order and the syncs are kept.
        let other = Overlay::new(backend(&other)).unwrap();
        replay(&overlay.changes(), &other).unwrap();
        prop_assert_eq!(other.changes(), overlay.changes());
    }
}
