//! Several processes with one tenant store, and processes that are killed.
//!
//! A child process is this test binary again; its environment names its task. It prints each
//! acknowledged write.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use entra_proto::{ClientId, Guid, Timestamp};
use entra_tenants::{ConsentedTenant, RedbTenantStore, SecretName, TenantStore, TenantStoreKey};

use crate::folder::folder;

const FOLDER: &str = "ENTRA_TENANTS_CHILD_FOLDER";
const WRITER: &str = "ENTRA_TENANTS_CHILD_WRITER";
const FROM: &str = "ENTRA_TENANTS_CHILD_FROM";
const WRITES: &str = "ENTRA_TENANTS_CHILD_WRITES";

fn app(writer: u8) -> ClientId {
    Guid::from_bytes([writer; 16]).into()
}

fn tenant(number: u32) -> Guid {
    Guid::from_bytes((u128::from(number) << 64).to_be_bytes())
}

fn consent(writer: u8, number: u32) -> ConsentedTenant {
    ConsentedTenant::new(app(writer), tenant(number), Timestamp::from_secs(number.into()))
        .with_user(format!("admin{number}@contoso.com"))
}

fn secret_name(writer: u8, number: u32) -> SecretName<'static> {
    SecretName::new(app(writer), tenant(number), "refresh token")
}

fn store(folder: &Path) -> RedbTenantStore {
    let key = TenantStoreKey::read_or_create(folder.join("tenants.key")).unwrap();
    RedbTenantStore::at(folder.join("tenants.redb"))
        .with_key(key)
        .with_wait(Duration::from_secs(60))
}

#[test]
#[ignore = "run by the tests below in a process of its own"]
fn child() {
    let folder = std::env::var(FOLDER).expect("a child has its work in its environment");
    let number = |name| std::env::var(name).unwrap().parse::<u32>().unwrap();
    let (writer, from, writes) = (number(WRITER) as u8, number(FROM), number(WRITES));
    let store = store(&PathBuf::from(folder));
    let acknowledge = |what: char, number: u32| {
        let mut out = std::io::stdout().lock();
        writeln!(out, "\nkept {what} {number}")
            .and_then(|()| out.flush())
            .unwrap();
    };
    for number in from..from + writes {
        store.put(&consent(writer, number)).unwrap();
        acknowledge('t', number);
        let secret = format!("secret {writer} {number}");
        store
            .put_secret(secret_name(writer, number), secret.as_bytes())
            .unwrap();
        acknowledge('s', number);
    }
}

/// A child process that is killed when dropped.
struct Writer {
    process: Child,
    out: BufReader<ChildStdout>,
    writer: u8,
    kept: Vec<(char, u32)>,
}

impl Writer {
    fn start(folder: &Path, writer: u8, from: u32, writes: u32) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args([
                "processes::child",
                "--exact",
                "--ignored",
                "--nocapture",
                "--test-threads=1",
            ])
            .env(FOLDER, folder)
            .env(WRITER, writer.to_string())
            .env(FROM, from.to_string())
            .env(WRITES, writes.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let out = BufReader::new(process.stdout.take().unwrap());
        Self {
            process,
            out,
            writer,
            kept: Vec::new(),
        }
    }

    /// Reads until this many writes are acknowledged or the child has ended.
    fn read_until(&mut self, count: usize) {
        let mut line = String::new();
        while self.kept.len() < count {
            line.clear();
            if self.out.read_line(&mut line).unwrap() == 0 {
                return;
            }
            // An incomplete last line of a killed child is not an acknowledgement.
            let Some(kept) = line.strip_suffix('\n').and_then(|line| line.strip_prefix("kept ")) else {
                continue;
            };
            let (what, number) = kept.split_once(' ').unwrap();
            self.kept.push((what.chars().next().unwrap(), number.parse().unwrap()));
        }
    }

    fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        self.read_until(usize::MAX);
    }

    /// Returns true if every acknowledged write is there.
    fn check(&self, store: &RedbTenantStore) {
        for &(what, number) in &self.kept {
            if what == 't' {
                let found = store.get(app(self.writer), tenant(number)).unwrap();
                assert_eq!(found, Some(consent(self.writer, number)), "tenant {number}");
            } else {
                let found = store.secret(secret_name(self.writer, number)).unwrap();
                let secret = format!("secret {} {number}", self.writer);
                assert_eq!(
                    found.expect("an acknowledged secret").as_slice(),
                    secret.as_bytes(),
                    "{number}"
                );
            }
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A xorshift generator, so that the kills repeat as far as the machine's speed permits.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

#[test]
fn after_200_kills_all_that_was_acknowledged_is_there() {
    let mut dice = Dice(0x5eed);
    let (mut kept, mut before_any, mut unacknowledged, mut drafts) = (0, 0, 0, 0);
    // Twenty stores with ten kills each, so that new and grown stores are both covered.
    for _ in 0..20 {
        let folder = folder();
        let mut writers: Vec<Writer> = Vec::new();
        for kill in 0..10 {
            let mut writer = Writer::start(folder.path(), 1, kill * 1000, 1000);
            // The first child is killed while it creates the files, the others during a later write
            // or before the first one.
            let (writes, steps) = if kill == 0 {
                (0, 30_000_000)
            } else {
                (dice.below(6), 4_000_000)
            };
            writer.read_until(writes as usize);
            for step in 0..dice.below(steps) {
                std::hint::black_box(step);
            }
            writer.kill();
            before_any += usize::from(writer.kept.is_empty());
            writers.push(writer);
            let store = store(folder.path());
            let list = store.list(None).unwrap();
            assert!(list.unreadable.is_empty(), "{list:?}");
            for tenant in &list.tenants {
                let number = u32::try_from(tenant.consented_at.as_secs()).unwrap();
                assert_eq!(*tenant, consent(1, number), "whole or not at all");
            }
            writers[writers.len() - 1].check(&store);
            let acknowledged = writers.iter().flat_map(|writer| &writer.kept);
            unacknowledged += list.tenants.len() - acknowledged.filter(|(what, _)| *what == 't').count();
        }
        // Later processes see every acknowledged write, and the store is still writable.
        let store = store(folder.path());
        for writer in &writers {
            writer.check(&store);
            kept += writer.kept.len();
        }
        let files = std::fs::read_dir(folder.path()).unwrap();
        drafts += files.count() - 2;
        store.put(&consent(2, 1)).unwrap();
        assert_eq!(store.get(app(2), tenant(1)).unwrap(), Some(consent(2, 1)));
    }
    assert!(kept > 200, "only {kept} writes were acknowledged");
    writeln!(
        std::io::stderr(),
        "{kept} acknowledged; {before_any} killed before any, {drafts} while they made a file; {unacknowledged} times there unacknowledged"
    )
    .unwrap();
}

#[test]
fn concurrent_processes_lose_no_write() {
    const WRITES: u32 = 40;
    let folder = folder();
    let mut writers: Vec<Writer> = (1..=3)
        .map(|writer| Writer::start(folder.path(), writer, 0, WRITES))
        .collect();
    for writer in &mut writers {
        writer.read_until(usize::MAX);
        assert!(writer.process.wait().unwrap().success());
        assert_eq!(writer.kept.len(), 2 * WRITES as usize);
    }
    let store = store(folder.path());
    for writer in &writers {
        writer.check(&store);
    }
    assert_eq!(store.list(None).unwrap().tenants.len(), 3 * WRITES as usize);
    // One key file, one store, and no temporary files.
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
}
