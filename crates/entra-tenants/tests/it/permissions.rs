//! Owners and permissions of the files, and files that other users placed there.

use std::fs;
use std::io::Write;
use std::path::Path;

use entra_tenants::{RedbTenantStore, TenantStore, TenantStoreError, TenantStoreKey};

use crate::folder::folder;

use super::files::{app, consent, guid};

use std::os::unix::fs::{PermissionsExt, lchown, symlink};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn files_and_new_folders_are_private_to_the_owner() {
    let folder = folder();
    let path = folder.path().join("a").join("b").join("t.redb");
    let key_path = folder.path().join("c").join("t.key");
    let key = TenantStoreKey::read_or_create(&key_path).unwrap();
    RedbTenantStore::at(&path).with_key(key).put(&consent(1)).unwrap();
    assert_eq!((mode(&path), mode(&key_path)), (0o600, 0o600));
    for made in ["a", "a/b", "c"] {
        assert_eq!(mode(&folder.path().join(made)), 0o700, "{made}");
    }
}

#[test]
fn permission_of_others_is_removed() {
    let folder = folder();
    let path = folder.path().join("t.redb");
    let store = RedbTenantStore::at(&path);
    store.put(&consent(1)).unwrap();
    set_mode(&path, 0o644);
    assert_eq!(store.get(app(), guid(1)).unwrap(), Some(consent(1)));
    assert_eq!(mode(&path), 0o600);
    // A file that is not a store stays unchanged, with its mode.
    let other = folder.path().join("other");
    fs::write(&other, "another program's notes").unwrap();
    set_mode(&other, 0o644);
    RedbTenantStore::at(&other).list(None).unwrap_err();
    assert_eq!(mode(&other), 0o644);
}

#[test]
fn key_readable_by_others_is_rejected() {
    let folder = folder();
    let path = folder.path().join("t.key");
    TenantStoreKey::read_or_create(&path).unwrap();
    for open in [0o640, 0o604, 0o620, 0o601] {
        set_mode(&path, open);
        let error = TenantStoreKey::read_or_create(&path).unwrap_err();
        assert!(matches!(error, TenantStoreError::Exposed { .. }), "{error}");
        assert!(error.hint().unwrap().contains("chmod 600"), "{error}");
        assert_eq!(mode(&path), open);
    }
    set_mode(&path, 0o400);
    TenantStoreKey::read_or_create(&path).unwrap();
}

#[test]
fn folder_writable_by_everyone_is_rejected() {
    let folder = folder();
    let open = folder.path().join("open");
    fs::create_dir(&open).unwrap();
    set_mode(&open, 0o777);
    for error in [
        RedbTenantStore::at(open.join("t.redb")).put(&consent(1)).unwrap_err(),
        RedbTenantStore::at(open.join("t.redb")).list(None).unwrap_err(),
        TenantStoreKey::read_or_create(open.join("t.key")).unwrap_err(),
    ] {
        assert!(matches!(error, TenantStoreError::Exposed { .. }), "{error}");
    }
    assert_eq!(fs::read_dir(&open).unwrap().count(), 0);
    // Like /tmp.
    set_mode(&open, 0o1777);
    RedbTenantStore::at(open.join("t.redb")).put(&consent(1)).unwrap();
    TenantStoreKey::read_or_create(open.join("t.key")).unwrap();
}

/// Reports a test that only root can run. It is an error where CI is set, unless `.ci/run` does not
/// run as root and says so in `CI_NOT_INSTALLED`.
fn skipped(why: &str) {
    let variable = |name| std::env::var(name).unwrap_or_default();
    let is_excused = variable("CI_NOT_INSTALLED")
        .split_whitespace()
        .any(|name| name == "root");
    assert!(variable("CI").is_empty() || is_excused, "{why}");
    let test = std::thread::current().name().unwrap_or_default().to_owned();
    // libtest does not capture what is written to the stream itself.
    let _ = writeln!(std::io::stderr(), "{test}: SKIPPED: {why}");
}

fn rejected(path: &Path, why: &str) {
    for error in [
        TenantStoreKey::read_or_create(path).unwrap_err(),
        RedbTenantStore::at(path).list(None).unwrap_err(),
        RedbTenantStore::at(path).put(&consent(1)).unwrap_err(),
    ] {
        assert!(matches!(error, TenantStoreError::Exposed { .. }), "{path:?}: {error}");
        assert!(error.to_string().contains(why), "{path:?}: {error}");
    }
}

#[test]
fn files_of_other_users_are_rejected() {
    const SOMEBODY: Option<u32> = Some(12345);
    let folder = folder();
    let sticky = folder.path().join("sticky");
    fs::create_dir(&sticky).unwrap();
    set_mode(&sticky, 0o1777);
    let key = folder.path().join("mine.key");
    TenantStoreKey::read_or_create(&key).unwrap();
    let (planted, link, theirs) = (
        sticky.join("planted"),
        sticky.join("link"),
        folder.path().join("theirs"),
    );
    fs::copy(&key, &planted).unwrap();
    symlink(&key, &link).unwrap();
    fs::create_dir(&theirs).unwrap();
    set_mode(&theirs, 0o755);
    TenantStoreKey::read_or_create(&planted).unwrap();
    TenantStoreKey::read_or_create(&link).unwrap();
    if lchown(&planted, SOMEBODY, SOMEBODY).is_err() {
        return skipped("only root may give files away");
    }
    lchown(&link, SOMEBODY, SOMEBODY).unwrap();
    lchown(&theirs, SOMEBODY, SOMEBODY).unwrap();
    let to_planted = folder.path().join("to planted");
    symlink(&planted, &to_planted).unwrap();
    for path in [
        planted,
        to_planted,
        link,
        theirs.join("file"),
        theirs.join("new").join("file"),
    ] {
        rejected(&path, "belongs to another user");
    }
    assert_eq!(fs::read_dir(&theirs).unwrap().count(), 0);
}

#[test]
fn a_link_leads_round_no_check() {
    let folder = folder();
    let (open, mine) = (folder.path().join("open"), folder.path().join("mine"));
    let inner = open.join("inner");
    fs::create_dir_all(&inner).unwrap();
    fs::create_dir(&mine).unwrap();
    set_mode(&mine, 0o700);
    for folder in [&mine, &open] {
        let key = folder.join("key");
        fs::write(&key, [7; 32]).unwrap();
        set_mode(&key, 0o600);
    }
    symlink(open.join("key"), mine.join("outwards")).unwrap();
    symlink(mine.join("key"), open.join("inwards")).unwrap();
    symlink(&inner, mine.join("folder")).unwrap();
    symlink(mine.join("key"), mine.join("within")).unwrap();
    set_mode(&inner, 0o700);
    set_mode(&open, 0o777);
    for path in [
        open.join("key"),
        mine.join("outwards"),
        open.join("inwards"),
        inner.join("key"),
        mine.join("folder").join("key"),
    ] {
        rejected(&path, "every user can replace files");
    }
    assert_eq!(fs::read_dir(&inner).unwrap().count(), 0);
    TenantStoreKey::read_or_create(mine.join("within")).unwrap();
    set_mode(&open, 0o755);
    TenantStoreKey::read_or_create(mine.join("outwards")).unwrap();
}

#[test]
fn dangling_link_is_reported() {
    let folder = folder();
    let path = folder.path().join("dangling");
    symlink(folder.path().join("nothing"), &path).unwrap();
    let store = RedbTenantStore::at(&path);
    for error in [
        TenantStoreKey::read_or_create(&path).unwrap_err(),
        store.list(None).unwrap_err(),
        store.check().unwrap_err(),
        store.forget(app(), guid(1)).unwrap_err(),
    ] {
        assert!(error.to_string().contains("cannot follow the link"), "{error}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn named_pipe_is_not_opened() {
    let folder = folder();
    let path = folder.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&path).status();
    if !made.is_ok_and(|status| status.success()) {
        return skipped("there is no `mkfifo`");
    }
    RedbTenantStore::at(&path).list(None).unwrap_err();
    RedbTenantStore::at(&path).put(&consent(1)).unwrap_err();
    TenantStoreKey::read_or_create(&path).unwrap_err();
    RedbTenantStore::at(folder.path()).list(None).unwrap_err();
}
