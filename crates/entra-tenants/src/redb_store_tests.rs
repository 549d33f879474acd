//! Tests of a store on disk with contents that it did not write.

use std::path::Path;
use std::time::Duration;

use entra_proto::{ClientId, Guid, Timestamp};
use redb::{Database, ReadableTable, TableDefinition};

use super::folder::folder;
use super::storage::{SECRETS, TENANTS};
use super::{ConsentedTenant, RedbTenantStore, SecretName, TenantStore, TenantStoreError, TenantStoreKey, record};

fn guid(byte: u8) -> Guid {
    Guid::from_bytes([byte; 16])
}

fn app() -> ClientId {
    guid(1).into()
}

fn consent(tenant: u8) -> ConsentedTenant {
    ConsentedTenant::new(app(), guid(tenant), Timestamp::from_secs(100))
}

fn store(path: &Path) -> RedbTenantStore {
    RedbTenantStore::at(path)
        .with_key(TenantStoreKey::from_bytes([7; 32]))
        .with_wait(Duration::ZERO)
}

/// Changes the file without the store.
fn meddle(path: &Path, act: impl FnOnce(&redb::WriteTransaction)) {
    let database = Database::open(path).unwrap();
    let transaction = database.begin_write().unwrap();
    act(&transaction);
    transaction.commit().unwrap();
}

#[test]
fn unreadable_record_hides_no_other_record() {
    let folder = folder();
    let path = folder.path().join("t.redb");
    let store = store(&path);
    for tenant in [1, 2, 3] {
        store.put(&consent(tenant)).unwrap();
    }
    meddle(&path, |transaction| {
        let mut tenants = transaction.open_table(TENANTS).unwrap();
        tenants
            .insert(record::key(app(), guid(2)).as_slice(), b"garbage".as_slice())
            .unwrap();
        tenants.insert(b"no key".as_slice(), b"garbage".as_slice()).unwrap();
    });
    let list = store.list(None).unwrap();
    assert_eq!(list.tenants, [consent(1), consent(3)]);
    assert!(
        matches!(list.unreadable.as_slice(), [TenantStoreError::Record { tenant, .. }] if *tenant == guid(2)),
        "{list:?}"
    );
    assert!(matches!(
        store.get(app(), guid(2)).unwrap_err(),
        TenantStoreError::Record { .. }
    ));
    // A new consent replaces the record.
    store.put(&consent(2)).unwrap();
    assert_eq!(store.get(app(), guid(2)).unwrap(), Some(consent(2)));
}

#[test]
fn unknown_fields_of_a_later_version_are_kept() {
    let folder = folder();
    let path = folder.path().join("t.redb");
    let store = store(&path);
    let mut later = record::Record {
        tenant: consent(1),
        later: serde_json::Map::new(),
    };
    later.later.insert("display_name".into(), "Contoso".into());
    store.put(&consent(1)).unwrap();
    let key = record::key(app(), guid(1));
    meddle(&path, |transaction| {
        let mut tenants = transaction.open_table(TENANTS).unwrap();
        tenants
            .insert(key.as_slice(), later.encode().unwrap().as_slice())
            .unwrap();
    });
    store.put(&consent(1).with_user("admin")).unwrap();
    meddle(&path, |transaction| {
        let tenants = transaction.open_table(TENANTS).unwrap();
        let bytes = tenants.get(key.as_slice()).unwrap().unwrap();
        let kept = record::Record::decode(&key, bytes.value()).unwrap();
        assert_eq!(kept.later, later.later);
        assert_eq!(kept.tenant.consented_by.as_deref(), Some("admin"));
    });
}

#[test]
fn moved_or_truncated_secret_is_absent() {
    let folder = folder();
    let path = folder.path().join("t.redb");
    let store = store(&path);
    let [one, other] = ["one", "other"].map(|name| SecretName::new(app(), guid(1), name));
    store.put_secret(one, b"first").unwrap();
    store.put_secret(other, b"second").unwrap();
    let full = |name: &str| [record::key(app(), guid(1)).as_slice(), name.as_bytes()].concat();
    meddle(&path, |transaction| {
        let mut secrets = transaction.open_table(SECRETS).unwrap();
        let read = |name| secrets.get(full(name).as_slice()).unwrap().unwrap().value().to_vec();
        let (first, second) = (read("one"), read("other"));
        secrets.insert(full("one").as_slice(), second.as_slice()).unwrap();
        secrets.insert(full("other").as_slice(), first.as_slice()).unwrap();
        secrets.insert(full("short").as_slice(), &first[..5]).unwrap();
    });
    for name in [one, other, SecretName::new(app(), guid(1), "short")] {
        assert!(store.secret(name).unwrap().is_none(), "{name:?}");
    }
    store.put_secret(one, b"again").unwrap();
    assert_eq!(store.secret(one).unwrap().unwrap().as_slice(), b"again");
}

#[test]
fn open_file_is_busy_until_it_is_closed() {
    let folder = folder();
    let path = folder.path().join("t.redb");
    let store = store(&path);
    store.put(&consent(1)).unwrap();
    let held = Database::open(&path).unwrap();
    for error in [
        store.get(app(), guid(1)).unwrap_err(),
        store.put(&consent(2)).unwrap_err(),
    ] {
        assert!(matches!(error, TenantStoreError::Busy { .. }), "{error}");
        assert!(error.to_string().contains("another process has"), "{error}");
    }
    drop(held);
    assert_eq!(store.get(app(), guid(1)).unwrap(), Some(consent(1)));
}

#[test]
fn redb_file_of_another_program_is_unchanged() {
    const THEIRS: TableDefinition<'static, u64, u64> = TableDefinition::new("theirs");
    let folder = folder();
    let path = folder.path().join("t.redb");
    let database = Database::create(&path).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.open_table(THEIRS).unwrap().insert(1, 2).unwrap();
    transaction.commit().unwrap();
    drop(database);
    let store = store(&path);
    for error in [
        store.list(None).unwrap_err(),
        store.put(&consent(1)).unwrap_err(),
        store.check().unwrap_err(),
    ] {
        assert!(matches!(error, TenantStoreError::Unreadable { .. }), "{error}");
        assert!(error.to_string().contains("another program"), "{error}");
    }
    let database = Database::open(&path).unwrap();
    let transaction = database.begin_read().unwrap();
    assert_eq!(transaction.list_tables().unwrap().count(), 1);
    assert_eq!(
        transaction.open_table(THEIRS).unwrap().get(1).unwrap().unwrap().value(),
        2
    );
}

#[test]
fn file_of_a_later_version_is_unchanged() {
    let folder = folder();
    let path = folder.path().join("t.redb");
    let store = store(&path);
    store.put(&consent(1)).unwrap();
    meddle(&path, |transaction| {
        let mut format = transaction.open_table(super::storage::FORMAT).unwrap();
        format.insert("format", 2).unwrap();
    });
    for error in [
        store.get(app(), guid(1)).unwrap_err(),
        store.put(&consent(2)).unwrap_err(),
    ] {
        assert!(error.to_string().contains("later version"), "{error}");
    }
}
