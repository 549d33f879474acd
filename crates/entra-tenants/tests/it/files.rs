//! The files of a tenant store: their content, and the handling of damaged ones.

use std::fs;
use std::path::Path;
use std::sync::{Barrier, Once};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use entra_proto::{ClientId, Guid, Timestamp};
use entra_tenants::{ConsentedTenant, RedbTenantStore, SecretName, TenantStore, TenantStoreError, TenantStoreKey};

use crate::folder::folder;

pub(super) fn guid(byte: u8) -> Guid {
    Guid::from_bytes([byte; 16])
}

pub(super) fn app() -> ClientId {
    guid(1).into()
}

pub(super) fn consent(tenant: u8) -> ConsentedTenant {
    ConsentedTenant::new(app(), guid(tenant), Timestamp::from_secs(100)).with_user("admin@contoso.com")
}

fn name(name: &str) -> SecretName<'_> {
    SecretName::new(app(), guid(1), name)
}

fn key() -> TenantStoreKey {
    TenantStoreKey::from_bytes([7; 32])
}

/// Hides the panics that the store catches, but not those of a failing test.
fn hush_redb() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let shown = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !panic.location().is_some_and(|at| at.file().contains("redb-")) {
                shown(panic);
            }
        }));
    });
}

#[test]
fn to_look_makes_no_file() {
    let folder = folder();
    let path = folder.path().join("none").join("t.redb");
    let store = RedbTenantStore::at(&path).with_key(key());
    assert!(store.list(None).unwrap().tenants.is_empty());
    assert!(store.get(app(), guid(1)).unwrap().is_none());
    assert!(store.secret(name("a")).unwrap().is_none());
    assert!(!store.forget(app(), guid(1)).unwrap());
    assert!(!store.forget_secret(name("a")).unwrap());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    store.check().unwrap();
    assert!(path.exists());
}

#[test]
fn another_handle_finds_all_entries() {
    let folder = folder();
    let path = folder.path().join("t.redb");
    let store = RedbTenantStore::at(&path).with_key(key());
    store.put(&consent(1)).unwrap();
    store.put_secret(name("a"), b"secret").unwrap();
    let again = RedbTenantStore::at(&path).with_key(key());
    assert_eq!(again.get(app(), guid(1)).unwrap(), Some(consent(1)));
    assert_eq!(again.secret(name("a")).unwrap().unwrap().as_slice(), b"secret");
    // With another key or without one, the secret is absent and the tenants are there.
    let other = RedbTenantStore::at(&path).with_key(TenantStoreKey::from_bytes([8; 32]));
    assert!(other.secret(name("a")).unwrap().is_none());
    let keyless = RedbTenantStore::at(&path);
    assert!(keyless.secret(name("a")).unwrap().is_none());
    assert!(matches!(
        keyless.put_secret(name("a"), b"").unwrap_err(),
        TenantStoreError::NoKey
    ));
    assert_eq!(keyless.list(None).unwrap().tenants, [consent(1)]);
    // A store that cannot be read is an error, not an empty store.
    let beneath_a_file = RedbTenantStore::at(path.join("t.redb"));
    beneath_a_file.forget(app(), guid(1)).unwrap_err();
    beneath_a_file.list(None).unwrap_err();
    // No temporary file is left.
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn key_file_of_another_length_is_rejected() {
    let folder = folder();
    for length in [0, 1, 31, 33, 64, 100_000] {
        let path = folder.path().join(format!("{length}.key"));
        fs::write(&path, vec![b'k'; length]).unwrap();
        #[cfg(unix)]
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        let error = TenantStoreKey::read_or_create(&path).unwrap_err();
        assert!(matches!(error, TenantStoreError::Key { .. }), "{error}");
        assert!(
            error.to_string().contains("32 bytes") && !format!("{error:?}").contains("kk"),
            "{error}"
        );
        assert_eq!(fs::read(&path).unwrap().len(), length);
    }
}

#[test]
fn concurrent_key_creation_yields_one_key() {
    let folder = folder();
    let data = folder.path().join("t.redb");
    for round in 0..20 {
        let path = folder.path().join(format!("{round}.key"));
        let start = Barrier::new(4);
        let keys: Vec<TenantStoreKey> = std::thread::scope(|scope| {
            let make = || {
                start.wait();
                TenantStoreKey::read_or_create(&path).unwrap()
            };
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(make)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let [first, others @ ..] = keys.as_slice() else {
            unreachable!()
        };
        let secret = format!("round {round}");
        RedbTenantStore::at(&data)
            .with_key(first.clone())
            .put_secret(name("a"), secret.as_bytes())
            .unwrap();
        for other in others {
            let found = RedbTenantStore::at(&data)
                .with_key(other.clone())
                .secret(name("a"))
                .unwrap();
            assert_eq!(found.unwrap().as_slice(), secret.as_bytes());
        }
    }
}

#[test]
fn secret_is_in_no_file_or_debug_text() {
    const CANARY: &[u8] = b"canary-0.AVYAq-refresh-token-canary";
    let folder = folder();
    let path = folder.path().join("t.redb");
    let key = TenantStoreKey::from_bytes(*b"canary-key-canary-key-canary-key");
    let store = RedbTenantStore::at(&path).with_key(key.clone());
    let memory = entra_tenants::MemoryTenantStore::default();
    let mut shown = format!("{key:?}");
    for store in [&store as &dyn TenantStore, &memory] {
        store.put(&consent(1)).unwrap();
        store.put_secret(name("a"), CANARY).unwrap();
        assert_eq!(store.secret(name("a")).unwrap().unwrap().as_slice(), CANARY);
        let long = CANARY.repeat(1000);
        let error = store.put_secret(name("a"), &long).unwrap_err();
        shown += &format!("{error} {error:?} {:?}", store.list(None).unwrap());
    }
    let error = RedbTenantStore::at(&path).put_secret(name("a"), CANARY).unwrap_err();
    shown += &format!("{error} {error:?} {store:?} {memory:?}");
    assert!(!shown.contains("canary"), "{shown}");

    let file = fs::read(&path).unwrap();
    // One of the three alignments matches any base64 text that contains it.
    let mut forms = vec![CANARY.to_vec(), b"canary-key".to_vec()];
    for skipped in 0..3 {
        forms.push(STANDARD_NO_PAD.encode(&CANARY[skipped..33]).into_bytes());
        forms.push(URL_SAFE_NO_PAD.encode(&CANARY[skipped..33]).into_bytes());
    }
    for form in forms {
        let form = &form[..form.len().min(20)];
        assert!(!file.windows(form.len()).any(|window| window == form));
    }
    // The search finds a text that is there.
    assert!(file.windows(17).any(|window| window == b"admin@contoso.com"));
}

/// A consent with all optional data.
fn granted(tenant: u8) -> ConsentedTenant {
    consent(tenant).with_granted([(tenant as char).to_string().repeat(150)])
}

/// Returns a store whose tree has several pages, and the bytes of its file.
fn filled(path: &Path) -> (RedbTenantStore, Vec<u8>) {
    let store = RedbTenantStore::at(path).with_key(key());
    for tenant in 1..=40 {
        store.put(&granted(tenant)).unwrap();
    }
    store.put_secret(name("a"), &[9; 3000]).unwrap();
    let bytes = fs::read(path).unwrap();
    (store, bytes)
}

/// Runs every operation on a file that may be damaged. The caller checks that it returns, and the
/// state of the file.
fn survive(store: &RedbTenantStore, bytes: &[u8], what: &str) -> Vec<TenantStoreError> {
    fs::write(store.path(), bytes).unwrap();
    let mut errors = Vec::new();
    match store.list(None) {
        // The list holds what was stored, so a changed record was detected.
        Ok(list) => {
            for tenant in list.tenants {
                let number = tenant.tenant.as_bytes()[0];
                assert_eq!(tenant, granted(number), "{what}");
            }
        }
        Err(error) => errors.push(error),
    }
    errors.extend(store.get(app(), guid(20)).err());
    match store.secret(name("a")) {
        Ok(secret) => assert!(secret.is_none_or(|secret| secret.as_slice() == [9; 3000]), "{what}"),
        Err(error) => errors.push(error),
    }
    assert!(fs::read(store.path()).unwrap() == bytes, "{what}: to read changed it");
    if let Err(error) = store.put(&granted(20)) {
        assert!(
            fs::read(store.path()).unwrap() == bytes,
            "{what}: to write changed it, and failed"
        );
        errors.push(error);
    }
    errors
}

#[test]
fn truncated_file_is_an_error_and_unchanged() {
    hush_redb();
    let folder = folder();
    let path = folder.path().join("t.redb");
    let (store, bytes) = filled(&path);
    let lengths = (0..400).chain((400..bytes.len()).step_by(4096 * 4 + 61));
    for length in lengths.chain([bytes.len() - 1]) {
        let cut = &bytes[..length];
        let errors = survive(&store, cut, &format!("{length} bytes"));
        assert_eq!(errors.len(), 4, "{length} bytes: {errors:?}");
        for error in errors {
            assert!(
                matches!(error, TenantStoreError::Unreadable { .. }),
                "{length} bytes: {error}"
            );
        }
        assert!(fs::read(&path).unwrap() == cut, "{length} bytes: to write changed it");
    }
    assert!(survive(&store, &bytes, "whole").is_empty());
}

#[test]
fn garbage_is_an_error_and_unchanged() {
    hush_redb();
    let folder = folder();
    let path = folder.path().join("t.redb");
    let (store, bytes) = filled(&path);
    let magic = &bytes[..9];
    for garbage in [
        b"hello".to_vec(),
        vec![0; 10_000],
        vec![0xff; 10_000],
        magic.to_vec(),
        [magic, &[0; 10_000]].concat(),
        [magic, &[0xff; 100_000]].concat(),
        [&bytes[..4096], &vec![0xff; bytes.len() - 4096]].concat(),
        [bytes.as_slice(), &[0; 4096]].concat()[4096..].to_vec(),
    ] {
        for error in survive(&store, &garbage, "garbage") {
            assert!(matches!(error, TenantStoreError::Unreadable { .. }), "{error}");
        }
        assert!(fs::read(&path).unwrap() == garbage);
    }
}

#[test]
fn flipped_bits_are_detected_without_a_panic() {
    hush_redb();
    let folder = folder();
    let path = folder.path().join("t.redb");
    let (store, bytes) = filled(&path);
    let used: Vec<usize> = (0..bytes.len()).filter(|&at| bytes[at] != 0).collect();
    let places = (0..320).chain(used.iter().copied().skip(320).step_by(used.len() / 100));
    let (mut detected, mut places_tried) = (0, 0);
    for (number, at) in places.enumerate() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (number % 8);
        detected += usize::from(!survive(&store, &flipped, &format!("byte {at}")).is_empty());
        places_tried += 1;
    }
    assert!(
        detected > 0 && detected < places_tried,
        "{detected} of {places_tried}: the flipped bits must be partly relevant"
    );
}

#[test]
fn secrets_change_together_or_not_at_all() {
    let folder = folder();
    let store = RedbTenantStore::at(folder.path().join("t.redb")).with_key(key());
    assert!(store.secrets().unwrap().is_empty());
    store.put_secret(name("a"), b"first").unwrap();
    let failed = store.change_secrets(|secrets| {
        secrets.put(name("a"), b"second")?;
        secrets.put(name("b"), &[0; 20_000])
    });
    assert!(matches!(failed, Err(TenantStoreError::TooLarge { .. })), "{failed:?}");
    assert_eq!(store.secret(name("a")).unwrap().unwrap().as_slice(), b"first");
    let listed = store.change_secrets(|secrets| {
        secrets.put(name("b"), b"other")?;
        assert_eq!(secrets.get(name("b"))?.unwrap().as_slice(), b"other");
        assert!(secrets.remove(name("a"))? && !secrets.remove(name("a"))?);
        secrets.list()
    });
    let listed = listed.unwrap();
    assert_eq!((listed.len(), &*listed[0].name), (1, "b"));
    assert_eq!(listed[0].secret_name(), name("b"));
    let listed = store.secrets().unwrap();
    assert_eq!(listed[0].secret.as_ref().unwrap().as_slice(), b"other");
    assert!(!format!("{listed:?}").contains("111, 116, 104"), "a secret is shown");
    // A store with another key lists only the names.
    let other = RedbTenantStore::at(store.path()).with_key(TenantStoreKey::from_bytes([8; 32]));
    assert!(other.secrets().unwrap()[0].secret.is_none());
    let keyless = RedbTenantStore::at(store.path()).change_secrets(|_| Ok(()));
    assert!(matches!(keyless, Err(TenantStoreError::NoKey)));
}

#[test]
fn lock_is_held_by_one_process_at_a_time() {
    let folder = folder();
    let store = RedbTenantStore::at(folder.path().join("t.redb")).with_key(key());
    let turn = store.lock(std::time::Duration::ZERO).unwrap();
    let other = RedbTenantStore::at(store.path());
    let waited = other.lock(std::time::Duration::from_millis(5));
    assert!(matches!(waited, Err(TenantStoreError::Busy { .. })), "{waited:?}");
    // The store itself stays usable.
    store.put_secret(name("a"), b"x").unwrap();
    drop(turn);
    other.lock(std::time::Duration::ZERO).unwrap();
}

#[test]
fn pseudonym_depends_on_its_parts_and_key() {
    let of = |key: u8, parts: &[&[u8]]| TenantStoreKey::from_bytes([key; 32]).pseudonym(parts);
    let one = of(1, &[b"ab", b"c"]);
    assert_eq!((one.len(), &one), (32, &of(1, &[b"ab", b"c"])));
    for other in [of(1, &[b"a", b"bc"]), of(1, &[b"abc"]), of(2, &[b"ab", b"c"])] {
        assert_ne!(one, other);
    }
}
