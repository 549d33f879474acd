//! The destinations of records on the command line.

use entra_emulator::Emulator;

use crate::collector::world::{Folder, Run, bare_command, reader, tenant};

#[test]
fn every_name_of_a_database_is_a_file() {
    let emulator = Emulator::builder()
        .tenant(tenant("contoso.example", 1))
        .app(reader())
        .start();
    let folder = Folder::new();
    for name in [":memory:", "file:audit.db?mode=memory"] {
        let output = bare_command(&emulator, &emulator.tenants()[0].id)
            .current_dir(folder.path())
            .args(["--once", "--sqlite", name])
            .output();
        let run = Run::of(&emulator, &output.unwrap());
        assert!(run.succeeded, "{}", run.stderr);
        let database = rusqlite::Connection::open(folder.path().join(name)).unwrap();
        let records: i64 = database
            .query_row("SELECT count(*) FROM records", [], |row| row.get(0))
            .unwrap();
        assert!(records > 0, "{name}");
    }
}

#[test]
fn folder_of_another_collector_is_rejected() {
    let emulator = Emulator::builder()
        .tenant(tenant("contoso.example", 1))
        .app(reader())
        .start();
    let folder = Folder::new();
    let audit = folder.path().join("audit");
    std::fs::create_dir(&audit).unwrap();
    let lock = std::fs::File::create(audit.join(".lock")).unwrap();
    lock.lock().unwrap();
    let run = crate::collector::world::collect(&emulator, &folder, &[]);
    assert!(
        !run.succeeded && run.stderr.contains("another process"),
        "{}",
        run.stderr
    );
    drop(lock);
    assert!(crate::collector::world::collect(&emulator, &folder, &[]).succeeded);
}
