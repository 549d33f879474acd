//! The language of the project: line lengths, summaries, module heads, test names, and words that are not used here.
//!
//! The comments and string literals of Rust files and the text of Markdown files are read; code is not.

mod markdown;
mod page;
mod rust;
mod words;

use std::fs;
use std::path::{Path, PathBuf};

use crate::Result;
use crate::workspace::Workspace;
use page::{Fault, Page};

/// Checks every text file of the workspace, and prints the counts of each part of it.
pub(crate) fn check(workspace: &Workspace) -> Result<Vec<String>> {
    let mut files = Vec::new();
    collect(&workspace.root, &mut files)?;
    files.sort();
    let mut report = Report::default();
    for path in &files {
        let name = shown(path, &workspace.root);
        report.add(&name, &fs::read_to_string(path)?);
    }
    print!("{}", report.table());
    Ok(report.findings(EXEMPT))
}

/// Collects the Rust and Markdown files below `folder`. Of the hidden folders only `.github` is ours.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            continue;
        };
        if name == "target" || name == "node_modules" || (name.starts_with('.') && name != ".github") {
            continue;
        }
        if path.is_dir() {
            collect(&path, files)?;
        } else if [".rs", ".md"].iter().any(|ending| name.ends_with(ending)) {
            files.push(path);
        }
    }
    Ok(())
}

/// Returns the path below the root of the workspace, with `/` on every system.
fn shown(file: &Path, root: &Path) -> String {
    let file = file.strip_prefix(root).unwrap_or(file);
    let parts: Vec<_> = file.iter().map(|part| part.to_string_lossy()).collect();
    parts.join("/")
}

/// The files read so far.
#[derive(Debug, Default)]
struct Report {
    /// In the order of their files.
    parts: Vec<Part>,
    /// Each with its file.
    faults: Vec<(String, Fault)>,
}

/// A crate, or a folder beside the crates.
#[derive(Debug, Default)]
struct Part {
    name: String,
    files: usize,
    lines: usize,
    summaries: usize,
    questions: usize,
    faults: [usize; Fault::KINDS.len()],
}

impl Report {
    fn add(&mut self, file: &str, text: &str) {
        if QUOTED.iter().any(|(folder, _)| file.starts_with(folder)) {
            return;
        }
        let page = Page::read(file, text);
        let name = part_of(file);
        if self.parts.last().is_none_or(|last| last.name != name) {
            self.parts.push(Part {
                name: name.to_owned(),
                ..Part::default()
            });
        }
        if let Some(part) = self.parts.last_mut() {
            part.files += 1;
            part.lines += page.lines;
            part.summaries += page.summaries;
            part.questions += page.questions;
            for fault in &page.faults {
                part.faults[fault.kind()] += 1;
            }
        }
        let faults = page.faults.into_iter().map(|fault| (file.to_owned(), fault));
        self.faults.extend(faults);
    }

    /// Returns what is wrong. An exemption that nothing needs is wrong too, so that the list stays short.
    fn findings(&self, exempt: &[Exemption]) -> Vec<String> {
        let excuses = |row: &Exemption, file: &str, fault: &Fault| row.file == file && fault.word() == Some(row.word);
        let mut findings: Vec<String> = self
            .faults
            .iter()
            .filter(|(file, fault)| !exempt.iter().any(|row| excuses(row, file, fault)))
            .map(|(file, fault)| format!("{file}:{fault}"))
            .collect();
        let idle = exempt
            .iter()
            .filter(|row| !self.faults.iter().any(|(file, fault)| excuses(row, file, fault)));
        findings.extend(idle.map(|row| {
            format!(
                "{} has no {:?}: remove the row from EXEMPT (xtask/src/prose.rs)",
                row.file, row.word
            )
        }));
        findings.extend(self.parts.iter().filter_map(Part::too_many_questions));
        findings
    }

    fn table(&self) -> String {
        let mut text = format!("{:<28} files  lines  summaries", "");
        for kind in ["questions"].iter().chain(Fault::KINDS) {
            text += &format!("  {kind}");
        }
        text.push('\n');
        let all = self.parts.iter().fold(Part::default(), |sum, part| sum.plus(part));
        for part in self.parts.iter().chain([&all]) {
            let name = if part.name.is_empty() { "all" } else { &part.name };
            text += &format!("{name:<28} {:>5} {:>6}  {:>9}", part.files, part.lines, part.summaries);
            text += &format!("  {:>9}", part.questions);
            for (kind, count) in Fault::KINDS.iter().zip(part.faults) {
                text += &format!("  {count:>width$}", width = kind.len());
            }
            text.push('\n');
        }
        text
    }
}

impl Part {
    fn too_many_questions(&self) -> Option<String> {
        (self.questions * 100 > self.summaries * MOST_QUESTIONS).then(|| {
            format!(
                "{}: {} of {} summaries begin with a question word, more than {MOST_QUESTIONS} %: \
                 begin with a noun (types, fields) or with a verb such as \"Returns\" (functions)",
                self.name, self.questions, self.summaries
            )
        })
    }

    fn plus(mut self, other: &Self) -> Self {
        self.files += other.files;
        self.lines += other.lines;
        self.summaries += other.summaries;
        self.questions += other.questions;
        for (sum, count) in self.faults.iter_mut().zip(other.faults) {
            *sum += count;
        }
        self
    }
}

/// Returns the folder whose texts are counted together: a crate, or a top-level folder.
fn part_of(file: &str) -> &str {
    let deep = if file.starts_with("crates/") { 2 } else { 1 };
    match file.match_indices('/').nth(deep - 1) {
        Some((at, _)) => &file[..at],
        None => "documents",
    }
}

/// The largest share of summaries that may begin with a question word, in percent of a part.
const MOST_QUESTIONS: usize = 5;

/// A word that one file may contain.
struct Exemption {
    file: &'static str,
    word: &'static str,
    /// Why the file contains it.
    #[cfg_attr(not(test), expect(dead_code, reason = "for readers and for the test that wants one"))]
    reason: &'static str,
}

/// The words that single files may contain.
const EXEMPT: &[Exemption] = &[
    Exemption {
        file: "crates/entra-cli/tests/it/snapshots/outputs.rs",
        word: "nobody",
        reason: "a user name that no tenant has",
    },
    Exemption {
        file: "crates/entra-emulator/src/aadsts.rs",
        word: "given out",
        reason: "a text of the service (AADSTS70018)",
    },
    Exemption {
        file: "crates/entra-emulator/src/aadsts.rs",
        word: "refused",
        reason: "a text of the service (AADSTS700005)",
    },
    Exemption {
        file: "crates/entra-emulator/src/state/mod.rs",
        word: "answers",
        reason: "the label of a seed, from which every generated ID derives",
    },
    Exemption {
        file: "xtask/acceptance/rust/src/main.rs",
        word: "refused",
        reason: "a member of the JSON lines that the judge reads",
    },
];

/// The folders whose texts are not ours, and why they are here.
const QUOTED: &[(&str, &str)] = &[
    ("crates/entra-cli/tests/lint/", "documents that the lint command reads"),
    ("crates/entra-credential/tests/vectors/", "test vectors"),
    (
        "xtask/src/prose",
        "the list of the words, and the tests that break the rules",
    ),
];

#[cfg(test)]
mod tests;
