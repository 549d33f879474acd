//! Full disks and file size limits.

use std::process::Command;

use entra_emulator::Emulator;
use serde_json::Value;

use crate::collector::world::{Folder, Run, bare_command, collect, ids, reader, tenant};

/// Collects once with this file size limit, or with twice as much.
#[cfg(unix)]
fn collect_limited(emulator: &Emulator, folder: &Folder, sink: &str, kib: u32) -> Run {
    let program = bare_command(emulator, emulator.tenant_id());
    // Some shells count blocks of 512 bytes, and some of 1024.
    let script = format!(r#"ulimit -f {}; exec "$@""#, 2 * kib);
    let mut limited = Command::new("/bin/sh");
    limited
        .args(["-c", &script, "sh"])
        .arg(program.get_program())
        .env_clear();
    limited.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
    limited
        .args(["--once", "--summary", "json", sink])
        .arg(folder.path().join("audit"));
    Run::of(emulator, &limited.output().unwrap())
}

#[cfg(unix)]
#[test]
fn failed_write_has_a_hint_and_counts_no_records() {
    let emulator = Emulator::builder()
        .tenant(tenant("contoso.example", 300))
        .app(reader())
        .start();
    for (sink, kib) in [("--output", 64), ("--sqlite", 256)] {
        let folder = Folder::new();
        let run = collect_limited(&emulator, &folder, sink, kib);
        assert!(!run.succeeded, "{sink}: {}", run.stderr);
        assert!(
            run.stderr.contains("cannot ") && run.stderr.contains("ulimit -f"),
            "{sink}: {}",
            run.stderr
        );
        let summary: Value = serde_json::from_str(&run.stdout).unwrap_or_else(|_| panic!("{sink}: {}", run.stderr));
        let counted = summary["total"]["records"].as_u64().unwrap();
        assert!(counted < 1200, "{sink}: {}", run.stdout);
        if sink == "--sqlite" {
            let database = rusqlite::Connection::open(folder.path().join("audit")).unwrap();
            let stored = database.query_row("SELECT count(*) FROM records", [], |row| row.get::<_, i64>(0));
            assert_eq!(stored.unwrap(), counted.cast_signed(), "the counted records are stored");
            continue;
        }
        // With more room, the next run collects the rest: together they count each record once.
        let run = collect(&emulator, &folder, &["--summary", "json"]);
        assert!(run.succeeded, "{}", run.stderr);
        let summary: Value = serde_json::from_str(&run.stdout).unwrap();
        assert_eq!(counted + summary["total"]["records"].as_u64().unwrap(), 1200);
        assert_eq!(ids(&folder).len(), 1200);
    }
}
