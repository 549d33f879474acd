//! The laws of every implementation of a tenant store.

use entra_proto::{ClientId, Cloud, Guid, Timestamp};
use entra_tenants::{ConsentedTenant, MemoryTenantStore, SecretName, TenantStore, TenantStoreError};

#[cfg(feature = "redb")]
use crate::folder;

fn guid(byte: u8) -> Guid {
    Guid::from_bytes([byte; 16])
}

fn app(byte: u8) -> ClientId {
    guid(byte).into()
}

fn consent(client_id: u8, tenant: u8, at: u64) -> ConsentedTenant {
    ConsentedTenant::new(app(client_id), guid(tenant), Timestamp::from_secs(at))
}

/// Checks every law with new stores.
fn keeps_the_laws<D: TenantStore>(new: impl Fn() -> D) {
    for law in [
        what_is_put_is_there,
        second_consent_keeps_the_first_time,
        late_report_of_a_consent_removes_nothing,
        list_is_sorted_and_filtered_by_application,
        forgetting_a_tenant_forgets_only_its_secrets,
        secrets_are_keyed_by_application_tenant_and_name,
        too_large_values_are_rejected_without_a_change,
        tenant_of_personal_accounts_is_rejected,
        threads_share_it,
    ] {
        law(&new());
    }
}

#[test]
fn memory_store_obeys_the_laws() {
    keeps_the_laws(MemoryTenantStore::default);
}

#[cfg(feature = "redb")]
#[test]
fn redb_store_obeys_the_laws() {
    use entra_tenants::{RedbTenantStore, TenantStoreKey};

    let folder = folder::folder();
    let number = std::cell::Cell::new(0);
    keeps_the_laws(|| {
        number.set(number.get() + 1);
        let path = folder.path().join(format!("{}.redb", number.get()));
        RedbTenantStore::at(path).with_key(TenantStoreKey::from_bytes([7; 32]))
    });
}

fn tenant_of_personal_accounts_is_rejected(store: &dyn TenantStore) {
    let personal: Guid = "9188040d-6c67-4c5b-b112-36a304b66dad".parse().unwrap();
    let refused = store.put(&ConsentedTenant::new(app(1), personal, Timestamp::from_secs(100)));
    assert!(matches!(refused, Err(TenantStoreError::PersonalAccounts(tenant)) if tenant == personal));
    assert!(store.list(None).unwrap().tenants.is_empty());
}

fn what_is_put_is_there(store: &dyn TenantStore) {
    assert_eq!(store.get(app(1), guid(1)).unwrap(), None);
    assert!(store.list(None).unwrap().tenants.is_empty());
    let bare = consent(1, 1, 100);
    let full = consent(1, 2, 200)
        .with_user("Ädmin@contoso.com")
        .with_cloud(Cloud::UsGovernment)
        .with_granted(["User.Read.All", "Mail.Send"]);
    let emulated = consent(2, 2, 300).with_cloud(Cloud::loopback("http://127.0.0.1:8080").unwrap());
    for tenant in [&bare, &full, &emulated] {
        store.put(tenant).unwrap();
        assert_eq!(
            store.get(tenant.client_id, tenant.tenant).unwrap().as_ref(),
            Some(tenant)
        );
    }
    assert_eq!(store.get(app(2), guid(1)).unwrap(), None);
    let moment = Timestamp::from_epoch(std::time::Duration::from_millis(5500));
    let mut uneven = consent(3, 3, 0);
    (uneven.first_consented_at, uneven.consented_at) = (moment, moment);
    store.put(&uneven).unwrap();
    assert_eq!(store.get(app(3), guid(3)).unwrap(), Some(consent(3, 3, 5)));
}

fn second_consent_keeps_the_first_time(store: &dyn TenantStore) {
    let first = consent(1, 1, 100)
        .with_user("one")
        .with_cloud(Cloud::China)
        .with_granted(["a", "b"]);
    store.put(&first).unwrap();
    store.put(&first).unwrap();
    assert_eq!(store.get(app(1), guid(1)).unwrap(), Some(first));
    store.put(&consent(1, 1, 200).with_granted(["c"])).unwrap();
    let known = store.get(app(1), guid(1)).unwrap().unwrap();
    assert_eq!(known.first_consented_at, Timestamp::from_secs(100));
    assert_eq!(known.consented_at, Timestamp::from_secs(200));
    assert_eq!(known.granted, ["c"]);
    // Data that the second consent lacks comes from the first.
    assert_eq!(
        (known.consented_by.as_deref(), known.cloud),
        (Some("one"), Some(Cloud::China))
    );
    // Within one second, the consent stored last counts.
    store.put(&consent(1, 1, 200).with_user("two")).unwrap();
    let known = store.get(app(1), guid(1)).unwrap().unwrap();
    assert_eq!((known.consented_by.as_deref(), known.granted.len()), (Some("two"), 1));
}

fn late_report_of_a_consent_removes_nothing(store: &dyn TenantStore) {
    store.put(&consent(1, 1, 200).with_user("later")).unwrap();
    store
        .put(&consent(1, 1, 100).with_user("earlier").with_granted(["a"]))
        .unwrap();
    let known = store.get(app(1), guid(1)).unwrap().unwrap();
    assert_eq!(known.first_consented_at, Timestamp::from_secs(100));
    assert_eq!(known.consented_at, Timestamp::from_secs(200));
    assert_eq!(
        (known.consented_by.as_deref(), known.granted),
        (Some("later"), vec!["a".to_owned()])
    );
}

fn list_is_sorted_and_filtered_by_application(store: &dyn TenantStore) {
    for (client_id, tenant) in [(2, 9), (1, 5), (2, 1), (1, 200), (3, 3)] {
        store.put(&consent(client_id, tenant, 1)).unwrap();
    }
    let listed = |client_id| -> Vec<(u8, u8)> {
        let list = store.list(client_id).unwrap();
        assert!(list.unreadable.is_empty());
        let ids = |it: &ConsentedTenant| (it.client_id.guid().as_bytes()[0], it.tenant.as_bytes()[0]);
        list.tenants.iter().map(ids).collect()
    };
    assert_eq!(listed(None), [(1, 5), (1, 200), (2, 1), (2, 9), (3, 3)]);
    assert_eq!(listed(Some(app(2))), [(2, 1), (2, 9)]);
    assert_eq!(listed(Some(app(4))), []);
}

fn forgetting_a_tenant_forgets_only_its_secrets(store: &dyn TenantStore) {
    assert!(!store.forget(app(1), guid(1)).unwrap());
    let names = [(1, 1), (1, 2), (2, 1), (0xff, 0xff)];
    for (client_id, tenant) in names {
        store.put(&consent(client_id, tenant, 1)).unwrap();
        for name in ["", "a", "\u{10ffff}"] {
            let name = SecretName::new(app(client_id), guid(tenant), name);
            store.put_secret(name, b"secret").unwrap();
        }
    }
    for (at, (client_id, tenant)) in names.into_iter().enumerate() {
        assert!(store.forget(app(client_id), guid(tenant)).unwrap());
        assert!(!store.forget(app(client_id), guid(tenant)).unwrap());
        for (other, (client_id, tenant)) in names.into_iter().enumerate() {
            let is_left = other > at;
            assert_eq!(store.get(app(client_id), guid(tenant)).unwrap().is_some(), is_left);
            for name in ["", "a", "\u{10ffff}"] {
                let name = SecretName::new(app(client_id), guid(tenant), name);
                assert_eq!(store.secret(name).unwrap().is_some(), is_left, "{name:?}");
            }
        }
    }
    // Secrets of a tenant whose administrator never consented.
    store
        .put_secret(SecretName::new(app(1), guid(1), "a"), b"secret")
        .unwrap();
    assert!(store.forget(app(1), guid(1)).unwrap());
    assert!(!store.forget(app(1), guid(1)).unwrap());
}

fn secrets_are_keyed_by_application_tenant_and_name(store: &dyn TenantStore) {
    let all = [
        (1, 1, "a"),
        (1, 1, "b"),
        (1, 1, "A"),
        (1, 1, ""),
        (1, 2, "a"),
        (2, 1, "a"),
    ];
    let name = |(client_id, tenant, name): (u8, u8, &'static str)| SecretName::new(app(client_id), guid(tenant), name);
    for (at, it) in all.into_iter().enumerate() {
        assert!(store.secret(name(it)).unwrap().is_none());
        assert!(!store.forget_secret(name(it)).unwrap());
        store.put_secret(name(it), b"of before").unwrap();
        store.put_secret(name(it), &[at as u8, 0, 0xff]).unwrap();
    }
    for (at, it) in all.into_iter().enumerate() {
        assert_eq!(store.secret(name(it)).unwrap().unwrap().as_slice(), [at as u8, 0, 0xff]);
        assert!(store.forget_secret(name(it)).unwrap());
        assert!(!store.forget_secret(name(it)).unwrap());
        assert!(store.secret(name(it)).unwrap().is_none());
    }
    store.put_secret(name(all[0]), b"").unwrap();
    assert!(store.secret(name(all[0])).unwrap().unwrap().is_empty());
    assert!(store.list(None).unwrap().tenants.is_empty(), "a secret makes no tenant");
}

fn too_large_values_are_rejected_without_a_change(store: &dyn TenantStore) {
    let text = |length| "x".repeat(length);
    let known = consent(1, 1, 1)
        .with_user(text(256))
        .with_granted((0..16).map(|_| text(1023)));
    store.put(&known).unwrap();
    for bad in [
        consent(1, 1, 2).with_user(text(257)),
        consent(1, 1, 2).with_granted([text(16 * 1024)]),
        consent(1, 1, 2).with_granted((0..=16 * 1024).map(|_| "")),
    ] {
        assert!(matches!(
            store.put(&bad).unwrap_err(),
            TenantStoreError::TooLarge { .. }
        ));
    }
    assert_eq!(store.get(app(1), guid(1)).unwrap(), Some(known));
    // Characters that JSON escapes with six bytes are accepted as well.
    store
        .put(&consent(1, 2, 1).with_granted(["\0".repeat(16_000)]))
        .unwrap();

    let (longest, longer) = (text(1024), text(1025));
    let good = SecretName::new(app(1), guid(1), &longest);
    store.put_secret(good, &vec![1; 16 * 1024]).unwrap();
    for (name, length) in [(good, 16 * 1024 + 1), (SecretName::new(app(1), guid(1), &longer), 1)] {
        let error = store.put_secret(name, &vec![2; length]).unwrap_err();
        assert!(matches!(error, TenantStoreError::TooLarge { .. }), "{error}");
    }
    assert_eq!(store.secret(good).unwrap().unwrap().as_slice(), vec![1; 16 * 1024]);
}

fn threads_share_it(store: &dyn TenantStore) {
    std::thread::scope(|scope| {
        for thread in 0..4_u8 {
            scope.spawn(move || {
                for tenant in 0..10 {
                    store.put(&consent(thread, tenant, 1)).unwrap();
                    let name = SecretName::new(app(thread), guid(tenant), "n");
                    store.put_secret(name, &[thread, tenant]).unwrap();
                    assert_eq!(store.secret(name).unwrap().unwrap().as_slice(), [thread, tenant]);
                }
            });
        }
    });
    assert_eq!(store.list(None).unwrap().tenants.len(), 40);
}
