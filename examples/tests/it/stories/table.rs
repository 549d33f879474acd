//! The table in README.md, compared with the programs of the manifest.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

fn read(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// Returns the programs of the manifest.
fn programs(manifest: &str) -> BTreeSet<String> {
    let tables = manifest.split("[[bin]]").skip(1);
    let names = tables.filter_map(|table| table.split("name = \"").nth(1)?.split('"').next());
    names.map(str::to_owned).collect()
}

/// Returns the rows of the table whose first cell is a program.
fn rows(readme: &str) -> Vec<(String, Vec<String>)> {
    let rows = readme.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.map(|row| {
        let (name, cells) = row.split_once('`').unwrap();
        (name.to_owned(), cells.split(" | ").skip(1).map(str::to_owned).collect())
    })
    .collect()
}

#[test]
fn each_program_has_one_row_with_a_command() {
    let programs = programs(&read("Cargo.toml"));
    assert!(programs.len() > 5, "{programs:?}");
    let rows = rows(&read("README.md"));
    let listed: Vec<&String> = rows.iter().map(|(name, _)| name).collect();
    let once: BTreeSet<String> = listed.iter().map(|name| (*name).clone()).collect();
    assert_eq!(once.len(), listed.len(), "a program has two rows");
    assert_eq!(once, programs, "README.md and the [[bin]] tables of Cargo.toml differ");
    for (name, cells) in &rows {
        // The head of the program repeats the command, on several lines.
        let command = cells[2].trim_start_matches('`').split('`').next().unwrap();
        let header = ["NAME.rs", "NAME/main.rs"]
            .map(|path| path.replace("NAME", name))
            .into_iter()
            .find_map(|path| fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).ok());
        let header = header.unwrap().replace(" \\\n//!     ", " ");
        assert!(
            header.contains(&format!("//! {command}\n")),
            "{name}: its header has another command than {command}"
        );
        assert_eq!(cells.len(), 4, "{name}: document, what it shows, command, variables");
        assert!(
            cells[2].contains(&format!("cargo run -q -p entra-examples --bin {name}")),
            "{name}: {}",
            cells[2]
        );
        assert!(cells.iter().all(|cell| !cell.trim().is_empty()), "{name}");
    }
}
