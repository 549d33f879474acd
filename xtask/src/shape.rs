//! The shape of the code: small circles of imports, imports that lead down, and short files.

mod circles;
mod crates;
mod floors;
mod graph;

use std::fs;
use std::path::{Path, PathBuf};

use crate::Result;
use crate::workspace::Workspace;

/// Returns the circles that are too large, the imports that lead up, and the files of more than
/// [`MOST_LINES`] lines.
pub(crate) fn check(workspace: &Workspace) -> Result<Vec<String>> {
    let mut findings = Vec::new();
    for (folder, graph) in crates::graphs(workspace)? {
        findings.extend(circles::check(&folder, &graph));
        findings.extend(floors::check(&folder, &graph));
        // A test file that is not compiled fails nowhere else.
        if folder.ends_with("tests/it") {
            let orphans = graph.orphans();
            findings.extend(orphans.map(|file| format!("{file}: no module declares it, so its tests never run")));
        }
    }
    let mut lengths = Vec::new();
    for package in workspace.ours() {
        collect_lengths(&package.folder, &mut lengths)?;
    }
    // A member's folder may hold another member.
    lengths.sort();
    lengths.dedup();
    let lengths: Vec<(String, usize)> = lengths
        .into_iter()
        .map(|(file, lines)| (shown(&file, &workspace.root), lines))
        .collect();
    findings.extend(judge_lengths(&lengths, LONG_FILES));
    Ok(findings)
}

fn collect_lengths(folder: &Path, lengths: &mut Vec<(PathBuf, usize)>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let is_ours = path
            .file_name()
            .and_then(|name| name.to_str())
            .is_some_and(|name| name != "target" && !name.starts_with('.'));
        if !is_ours {
            continue;
        }
        if path.is_dir() {
            collect_lengths(&path, lengths)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let lines = fs::read_to_string(&path)?.lines().count();
            lengths.push((path, lines));
        }
    }
    Ok(())
}

/// Compares the lengths with the limit. An exception that nothing needs is a finding too, so that
/// the list stays true.
fn judge_lengths(lengths: &[(String, usize)], exceptions: &[(&str, &str)]) -> Vec<String> {
    let is_exception = |file: &str| exceptions.iter().any(|(exception, _)| *exception == file);
    let long = lengths.iter().filter(|(_, lines)| *lines > MOST_LINES);
    let mut findings: Vec<String> = long
        .clone()
        .filter(|(file, _)| !is_exception(file))
        .map(|(file, lines)| format!("{file} has {lines} lines, more than {MOST_LINES}: split it by subject"))
        .collect();
    for (exception, _) in exceptions {
        if !long.clone().any(|(file, _)| file == exception) {
            findings.push(format!(
                "{exception} has at most {MOST_LINES} lines or is gone: take it out of LONG_FILES (xtask/src/shape.rs)"
            ));
        }
    }
    findings
}

/// The path below the root of the workspace, with `/` on every system.
fn shown(file: &Path, root: &Path) -> String {
    let file = file.strip_prefix(root).unwrap_or(file);
    let parts: Vec<_> = file.iter().map(|part| part.to_string_lossy()).collect();
    parts.join("/")
}

const MOST_LINES: usize = 500;

/// The files that may be longer, and why.
const LONG_FILES: &[(&str, &str)] = &[(
    "crates/entra-proto/src/error/aadsts/table.rs",
    "a table: one row for each code",
)];

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(lengths: &[(&str, usize)], exceptions: &[(&str, &str)]) -> Vec<String> {
        let lengths: Vec<_> = lengths
            .iter()
            .map(|(file, lines)| ((*file).to_owned(), *lines))
            .collect();
        judge_lengths(&lengths, exceptions)
    }

    #[test]
    fn long_file_is_a_finding() {
        assert_eq!(judge(&[("a.rs", 500)], &[]), [""; 0]);
        let findings = judge(&[("a.rs", 500), ("b.rs", 501)], &[]);
        assert_eq!(findings, ["b.rs has 501 lines, more than 500: split it by subject"]);
    }

    #[test]
    fn exception_holds_only_while_it_is_needed() {
        let table = [("table.rs", "one row a line")];
        assert_eq!(judge(&[("table.rs", 900)], &table), [""; 0]);
        assert_eq!(judge(&[("table.rs", 400)], &table).len(), 1);
        assert_eq!(judge(&[], &table).len(), 1);
    }

    #[test]
    fn exceptions_have_reasons() {
        for (file, reason) in LONG_FILES {
            assert!(reason.len() > 10, "{file}: {reason:?}");
        }
    }

    #[test]
    fn build_folders_are_passed_over() {
        let mut lengths = Vec::new();
        let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
        collect_lengths(xtask, &mut lengths).expect("the folder can be read");
        let files: Vec<_> = lengths.iter().map(|(file, _)| shown(file, xtask)).collect();
        assert!(files.iter().any(|file| file == "src/shape.rs"), "{files:?}");
        assert!(!files.iter().any(|file| file.contains("target/")), "{files:?}");
    }
}
