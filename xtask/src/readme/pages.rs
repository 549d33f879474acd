//! The guides in `crates/entra/docs`: pages of Markdown that rustdoc shows as modules.

use std::fs;
use std::path::{Path, PathBuf};

use super::Facts;
use super::markdown::{anchors, links, prose};
use crate::Result;

/// Returns the files of the guides, sorted.
pub(super) fn files(root: &Path) -> Result<Vec<PathBuf>> {
    let folder = root.join("crates").join("entra").join("docs");
    let mut pages = Vec::new();
    for entry in fs::read_dir(folder)? {
        pages.push(entry?.path());
    }
    pages.sort();
    Ok(pages)
}

impl Facts<'_> {
    /// Checks a guide: its programs, commands, links and the paths of its map.
    pub(super) fn judge_page(&self, page: &str) -> Vec<String> {
        let mut findings = self.code(page);
        let anchors = anchors(page);
        for link in links(page) {
            let target = link.target.as_str();
            let leads = match target.strip_prefix('#') {
                Some(fragment) => anchors.iter().any(|anchor| anchor == fragment),
                // rustdoc itself checks the paths of items.
                None => target.contains("://") || target.starts_with("crate::") || target.starts_with("entra_"),
            };
            if !leads {
                findings.push(format!(
                    "line {}: rustdoc cannot follow the link to `{target}`: link to an item or a URL",
                    link.line
                ));
            }
        }
        for (line, path) in mapped_paths(page) {
            if !(self.exists)(&path) {
                findings.push(format!("line {line}: the map leads to `{path}`, which does not exist"));
            }
        }
        findings
    }
}

/// Returns the paths in the second column of a table `| to change | look at |`, with their lines.
///
/// A path is relative to `crates/` unless it begins with `xtask`. `a/{b,c}.rs` is two paths.
fn mapped_paths(page: &str) -> Vec<(usize, String)> {
    let mut paths = Vec::new();
    let mut in_map = false;
    for (line, text) in prose(page) {
        let cells: Vec<&str> = text.trim().split('|').map(str::trim).collect();
        in_map = cells.len() > 2 && (in_map || cells[1..3] == ["to change", "look at"]);
        if !in_map {
            continue;
        }
        for code in cells[2].split('`').skip(1).step_by(2) {
            paths.extend(expanded(code).into_iter().map(|path| (line, from_root(path))));
        }
    }
    paths
}

fn from_root(path: String) -> String {
    if path.starts_with("xtask/") {
        path
    } else {
        format!("crates/{path}")
    }
}

/// Returns the paths that a pattern with at most one pair of braces stands for.
fn expanded(pattern: &str) -> Vec<String> {
    let parts = pattern.split_once('{').and_then(|(before, rest)| {
        let (inside, after) = rest.split_once('}')?;
        Some((before, inside, after))
    });
    match parts {
        Some((before, inside, after)) => inside.split(',').map(|part| format!("{before}{part}{after}")).collect(),
        None => vec![pattern.to_owned()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn map_names_each_path() {
        let page = "| to change | look at |\n|---|---|\n| a | `x/src/{b,c}.rs`, \
                    then `xtask/d.txt` |\n\n| e | `f` |\n";
        let paths: Vec<_> = mapped_paths(page).into_iter().map(|(_, path)| path).collect();
        assert_eq!(paths, ["crates/x/src/b.rs", "crates/x/src/c.rs", "xtask/d.txt"]);
    }
}
