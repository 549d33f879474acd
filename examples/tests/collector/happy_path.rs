//! The usual course.

use entra_emulator::Emulator;

use crate::world::{Folder, collect, reader, records, tenant};

#[test]
fn all_records_of_all_tenants_are_written_once() {
    let emulator = Emulator::builder()
        .tenant(tenant("contoso.example", 250))
        .tenant(tenant("fabrikam.example", 3))
        .app(reader())
        .start();
    let folder = Folder::new();
    let run = collect(&emulator, &folder, &[]);
    assert!(run.succeeded, "{}", run.stderr);
    let written = records(&folder);
    let counts: Vec<usize> = emulator
        .tenants()
        .iter()
        .map(|tenant| written[&tenant.id].len())
        .collect();
    // Four content types.
    assert_eq!(counts, [1000, 12], "{}", run.stdout);
    assert!(written.values().flat_map(|ids| ids.values()).all(|times| *times == 1));
    assert!(
        run.stderr.contains("started the subscription to Audit.SharePoint"),
        "{}",
        run.stderr
    );
}
