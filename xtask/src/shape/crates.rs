//! The graphs of all crates.

use std::path::Path;

use crate::Result;
use crate::modules::files;
use crate::shape::graph::{Graph, module_of};
use crate::shape::shown;
use crate::workspace::{Target, Workspace};

/// Returns the folder and the graph of each target that has modules.
pub(super) fn graphs(workspace: &Workspace) -> Result<Vec<(String, Graph)>> {
    let roots: Vec<&Path> = workspace
        .ours()
        .flat_map(|package| &package.targets)
        .filter(|target| has_modules(target))
        .map(|target| target.source.as_path())
        .collect();
    let mut graphs = Vec::new();
    for root in &roots {
        let folder = root.parent().unwrap_or(root);
        let mut files = files(folder)?;
        files.retain(|(file, _)| !is_of_another(file, root, &roots));
        let files = files.iter().map(|(file, source)| {
            let module = module_of(file.strip_prefix(folder).unwrap_or(file));
            (shown(file, &workspace.root), module, source)
        });
        graphs.push((shown(folder, &workspace.root), Graph::new(files)));
    }
    Ok(graphs)
}

/// Returns true if `file` is the root of another target than `root`, or is in the folder of a
/// target below it.
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

/// Returns true if the other files of the target are beside its root and below.
fn has_modules(target: &Target) -> bool {
    target
        .source
        .file_name()
        .is_some_and(|name| name == "lib.rs" || name == "main.rs")
}
