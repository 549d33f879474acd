//! Circles of imports: files of one crate that need one another, directly or through others.

use std::path::Path;

use crate::Result;
use crate::modules::files;
use crate::shape::graph::{Circle, Graph, module_of};
use crate::shape::shown;
use crate::workspace::{Target, Workspace};

/// The most files that a circle may have.
pub(super) const MOST: usize = 4;

/// Returns the circles of more than [`MOST`] files, each with the imports that make it.
pub(super) fn check(workspace: &Workspace) -> Result<Vec<String>> {
    let roots: Vec<&Path> = workspace
        .ours()
        .flat_map(|package| &package.targets)
        .filter(|target| has_modules(target))
        .map(|target| target.source.as_path())
        .collect();
    let mut findings = Vec::new();
    for root in &roots {
        let folder = root.parent().unwrap_or(root);
        let mut files = files(folder)?;
        files.retain(|(file, _)| !is_of_another(file, root, &roots));
        let files = files.iter().map(|(file, source)| {
            let module = module_of(file.strip_prefix(folder).unwrap_or(file));
            (shown(file, &workspace.root), module, source)
        });
        let circles = Graph::new(files).circles();
        findings.extend(judge(&shown(folder, &workspace.root), &circles, LARGER));
    }
    Ok(findings)
}

/// Compares the circles below `folder` with the limit, or with the folder's own. A limit of its own that nothing needs is a
/// finding too, so that the list stays true.
fn judge(folder: &str, circles: &[Circle], larger: &[(&str, usize, &str)]) -> Vec<String> {
    let exception = larger.iter().find(|(of, ..)| *of == folder);
    let most = exception.map_or(MOST, |(_, most, _)| *most);
    let mut findings: Vec<String> = circles
        .iter()
        .filter(|circle| circle.files.len() > most)
        .map(|circle| circle.in_words(most))
        .collect();
    let largest = circles
        .iter()
        .map(|circle| circle.files.len())
        .max()
        .unwrap_or(0)
        .max(MOST);
    if exception.is_some() && largest < most {
        findings.push(format!(
            "{folder} has no circle of more than {largest} files: lower its row in LARGER (xtask/src/shape/circles.rs), or take it out"
        ));
    }
    findings
}

/// The folders whose circles may be larger, with their limits and the reasons.
const LARGER: &[(&str, usize, &str)] = &[
    (
        "crates/entra-cli/src",
        9,
        "checks of `doctor` and rules of `lint` use the heads of their folders",
    ),
    (
        "crates/entra-client/src",
        7,
        "a token knows the slot of the cache that it came from",
    ),
    (
        "crates/entra-emulator/src",
        16,
        "the tables of Graph use the head of their folder",
    ),
    (
        "crates/entra-proto/src",
        42,
        "the advice on an error knows the credential of the request",
    ),
    (
        "crates/entra-transport/src",
        13,
        "the cases of the conformance suite use its head",
    ),
    (
        "crates/entra-validate/src",
        7,
        "the keys know the API that they are fetched for",
    ),
    (
        "examples/office365_collector",
        5,
        "the parts of the collection use its head",
    ),
    (
        "tests/src/bin/figures",
        5,
        "each measurement uses the report of the head",
    ),
];

/// Whether `file` is the root of another target than `root`, or lies in the folder of one that lies deeper.
fn is_of_another(file: &Path, root: &Path, roots: &[&Path]) -> bool {
    let folder = root.parent();
    let mut others = roots.iter().filter(|other| **other != root);
    others.any(|other| {
        file == *other
            || other.parent() != folder
                && other
                    .parent()
                    .is_some_and(|it| folder.is_some_and(|folder| it.starts_with(folder)) && file.starts_with(it))
    })
}

/// Whether the other files of the target lie beside its root and below.
fn has_modules(target: &Target) -> bool {
    target
        .source
        .file_name()
        .is_some_and(|name| name == "lib.rs" || name == "main.rs")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_limits_hold_only_while_they_are_needed() {
        let circle = |files: usize| Circle {
            files: vec![String::new(); files],
            imports: Vec::new(),
        };
        let own = [("a/src", 9, "errors know every request")];
        for (folder, sizes, findings) in [
            ("b/src", vec![4, 2], 0),
            ("b/src", vec![5, 2, 6], 2),
            ("a/src", vec![9, 5], 0),
            ("a/src", vec![10], 1),
            ("a/src", vec![8], 1),
            ("a/src", vec![], 1),
        ] {
            let circles: Vec<_> = sizes.iter().copied().map(circle).collect();
            assert_eq!(judge(folder, &circles, &own).len(), findings, "{folder} {sizes:?}");
        }
    }
}
