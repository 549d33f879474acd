//! The pages in `crates/entra/docs`, compared with the code that they describe.
//!
//! `ENTRA_DOCS=write` updates the list of AADSTS codes.

use std::env;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use entra_proto::error::Aadsts;

#[test]
fn aadsts_list_is_the_table_of_the_code() {
    let path = root().join("crates/entra/docs/troubleshooting.md");
    let page = fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(BEGIN).expect("the page has the first marker");
    let (listed, after) = rest.split_once(END).expect("the page has the second marker");
    let wanted = aadsts_list();
    if env::var_os("ENTRA_DOCS").is_some_and(|value| value == "write") {
        return fs::write(path, format!("{before}{BEGIN}{wanted}{END}{after}")).unwrap();
    }
    let stale: Vec<&str> = wanted.lines().filter(|row| !listed.contains(row)).collect();
    assert_eq!(stale, [""; 0], "ENTRA_DOCS=write updates the list");
    assert!(listed == wanted, "ENTRA_DOCS=write updates the list");
}

#[test]
fn code_before_a_migration_is_compiled() {
    let page = fs::read_to_string(root().join("crates/entra/docs/migrating.md")).unwrap();
    let shown = page.matches("```rs\n").count();
    let mut compiled = 0;
    for entry in fs::read_dir(root().join("xtask/acceptance/rust/migrating")).unwrap() {
        let path = entry.unwrap().path();
        let code = fs::read_to_string(&path).unwrap();
        assert!(
            page.contains(&format!("```rs\n{code}```\n")),
            "migrating.md does not hold {}",
            path.display()
        );
        compiled += 1;
    }
    assert!(compiled > 0 && shown == compiled, "{shown} blocks, {compiled} files");
}

/// The table of AADSTS codes, in Markdown.
fn aadsts_list() -> String {
    let mut list = "\n\n| code | OAuth error | class | meaning | remedy |\n|---|---|---|---|---|\n".to_owned();
    for row in Aadsts::all() {
        writeln!(
            list,
            "| {} | `{}` | {:?} | {} | {} |",
            row.code,
            row.error,
            row.class,
            cell(row.meaning),
            cell(row.hint)
        )
        .unwrap();
    }
    list + "\n"
}

/// Escapes a text for a cell of a table. URLs become code, since most are scopes and not pages.
fn cell(text: &str) -> String {
    let words = text.split(' ').map(|word| {
        let url = word.trim_end_matches([',', ';', '.']);
        match word.starts_with("https://") {
            true => format!("`{url}`{}", &word[url.len()..]),
            false => word.replace('|', "\\|").replace('<', "&lt;"),
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

/// The folder of the workspace.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the folder is below the root")
        .to_owned()
}

const BEGIN: &str = "<!-- aadsts: begin -->";
const END: &str = "<!-- aadsts: end -->";
