//! Tenants that consented, read from a tenant store.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use entra_emulator::Emulator;
use entra_proto::{Guid, Timestamp};
use entra_tenants::{ConsentedTenant, RedbTenantStore, TenantStore};
use redb::TableDefinition;

use crate::collector::world::{Folder, Run, command, reader, records, tenant};

fn emulator() -> Emulator {
    Emulator::builder()
        .tenant(tenant("contoso.example", 1))
        .tenant(tenant("fabrikam.example", 1))
        .app(reader())
        .start()
}

fn consented(emulator: &Emulator, tenant: usize) -> ConsentedTenant {
    let tenant = emulator.tenants()[tenant].id.parse().unwrap();
    ConsentedTenant::new(
        emulator.client_id().parse().unwrap(),
        tenant,
        Timestamp::from_secs(1_800_000_000),
    )
}

#[test]
fn consenting_tenant_joins_the_next_round() {
    let emulator = emulator();
    let folder = Folder::new();
    let store = RedbTenantStore::at(folder.path().join("tenants.redb"));
    store.put(&consented(&emulator, 0)).unwrap();
    // A tenant that consented to another application.
    let mut other = consented(&emulator, 1);
    other.client_id = "00000000-0000-0000-0000-000000000001".parse().unwrap();
    store.put(&other).unwrap();
    let mut collector = command(&emulator, "", &folder)
        .args(["--interval", "100ms", "--tenants"])
        .arg(store.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let id = |tenant: usize| emulator.tenants()[tenant].id.clone();
    let mut wait_for = |expected: &[usize]| {
        let expected: BTreeSet<String> = expected.iter().map(|tenant| id(*tenant)).collect();
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let written = records(&folder);
            let complete = written
                .iter()
                .filter(|(_, ids)| !ids.is_empty())
                .map(|(tenant, _)| tenant.clone());
            if complete.collect::<BTreeSet<String>>() == expected {
                return;
            }
            assert!(
                Instant::now() < deadline && collector.try_wait().unwrap().is_none(),
                "{:?}",
                written.keys()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    wait_for(&[0]);
    store.put(&consented(&emulator, 1)).unwrap();
    wait_for(&[0, 1]);
    collector.kill().unwrap();
    collector.wait().unwrap();
    // Nothing is written twice, whatever the number of rounds.
    assert!(
        records(&folder)
            .values()
            .flat_map(|ids| ids.values())
            .all(|times| *times == 1)
    );
}

#[test]
fn missing_or_empty_tenant_store_is_reported() {
    let emulator = emulator();
    let folder = Folder::new();
    let path = folder.path().join("tenants.redb");
    let collect = |path: &Path| {
        let mut program = command(&emulator, "", &folder);
        let output = program.args(["--once", "--quiet", "--tenants"]).arg(path).output();
        Run::of(&emulator, &output.unwrap())
    };
    let run = collect(&path);
    assert!(
        !run.succeeded && run.stderr.contains("there is no such tenant store"),
        "{}",
        run.stderr
    );
    assert!(!path.exists());
    RedbTenantStore::at(&path).check().unwrap();
    let run = collect(&path);
    assert!(run.stderr.contains("warning: there is no tenant"), "{}", run.stderr);
}

#[test]
fn damaged_tenant_store_is_reported_and_unchanged() {
    let emulator = emulator();
    let folder = Folder::new();
    let path = folder.path().join("tenants.redb");
    std::fs::write(&path, "no store").unwrap();
    let output = command(&emulator, "", &folder)
        .args(["--once", "--tenants"])
        .arg(&path)
        .output()
        .unwrap();
    let run = Run::of(&emulator, &output);
    assert!(!run.succeeded && run.stderr.contains("tenants.redb"), "{}", run.stderr);
    assert_eq!(std::fs::read(&path).unwrap(), b"no store");
}

#[test]
fn unreadable_tenant_fails_and_others_finish() {
    let emulator = emulator();
    let folder = Folder::new();
    let store = RedbTenantStore::at(folder.path().join("tenants.redb"));
    store.put(&consented(&emulator, 0)).unwrap();
    let damaged: Guid = emulator.tenants()[1].id.parse().unwrap();
    let client_id: Guid = emulator.client_id().parse().unwrap();
    let key = [*client_id.as_bytes(), *damaged.as_bytes()].concat();
    let database = redb::Database::open(store.path()).unwrap();
    let transaction = database.begin_write().unwrap();
    let table: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("tenants");
    let put = |value: &[u8]| {
        let mut table = transaction.open_table(table).unwrap();
        table.insert(key.as_slice(), value).unwrap();
    };
    put(b"damaged");
    transaction.commit().unwrap();
    drop(database);
    let mut program = command(&emulator, "", &folder);
    program
        .args(["--once", "--summary", "json", "--tenants"])
        .arg(store.path());
    let run = Run::of(&emulator, &program.output().unwrap());
    assert!(!run.succeeded, "{}", run.stderr);
    let summary: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    let outcomes: Vec<(&str, &str)> = summary["tenants"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["tenant"].as_str().unwrap(), row["outcome"].as_str().unwrap()))
        .collect();
    let mut expected = [
        (emulator.tenants()[0].id.as_str(), "done"),
        (emulator.tenants()[1].id.as_str(), "failed"),
    ];
    expected.sort_unstable();
    assert_eq!(outcomes, expected, "{}", run.stdout);
    assert!(
        run.stderr.contains("consent again, or forget the tenant"),
        "{}",
        run.stderr
    );
    assert!(run.stderr.contains("1 of 2 tenants succeeded"), "{}", run.stderr);
}
