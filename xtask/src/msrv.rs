//! The oldest Rust that each crate promises, compared with its dependencies.

use std::collections::BTreeMap;

use crate::Result;
use crate::cargo::tree;
use crate::workspace::Workspace;

/// Returns the crates of ours that promise an older Rust than something in their tree builds with,
/// or that have a pre-release in it, on any platform and with any feature.
pub(crate) fn check(workspace: &Workspace) -> Result<Vec<String>> {
    let wanted: BTreeMap<(&str, &str), &str> = workspace
        .packages
        .iter()
        .filter_map(|it| Some(((it.name.as_str(), it.version.as_str()), it.rust_version.as_deref()?)))
        .collect();
    let mut findings = Vec::new();
    for package in workspace.ours() {
        let Some(promised) = &package.rust_version else {
            findings.push(format!(
                "{} has no rust-version: say `rust-version.workspace = true`",
                package.name
            ));
            continue;
        };
        for line in tree(&package.name, "normal,build", &["--all-features", "--target", "all"])? {
            let Some((name, version)) = name_and_version(&line) else {
                continue;
            };
            if is_pre_release(version) {
                let ours = &package.name;
                findings.push(format!(
                    "{ours} has the pre-release {name} {version} in its tree: use a release, or pin it with `=` and say why in the manifest and here"
                ));
            }
            let wants = wanted.get(&(name, version)).copied().unwrap_or_default();
            if release(wants) > release(promised) {
                let ours = &package.name;
                findings.push(format!(
                    "{ours} promises Rust {promised}, but {name} {version} in its tree wants {wants}"
                ));
            }
        }
    }
    Ok(findings)
}

/// `1.85` and `1.85.0` are the same release. What cannot be read is the oldest of all.
pub(crate) fn release(version: &str) -> [u32; 3] {
    let mut release = [0; 3];
    for (number, text) in release.iter_mut().zip(version.split('.')) {
        *number = text.parse().unwrap_or(0);
    }
    release
}

/// `1.0.0-rc.1` is one, `1.0.0+build-7` is not.
fn is_pre_release(version: &str) -> bool {
    version.split('+').next().is_some_and(|release| release.contains('-'))
}

/// Of a line of `cargo tree`: `name v1.2.3 (proc-macro)`.
fn name_and_version(line: &str) -> Option<(&str, &str)> {
    let mut words = line.split(' ');
    Some((words.next()?, words.next()?.strip_prefix('v')?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_compare_as_numbers() {
        assert!(release("1.100") > release("1.85"));
        assert!(release("1.85.1") > release("1.85"));
        assert_eq!(release("1.85"), release("1.85.0"));
        assert!(release("") < release("1.0"));
    }

    #[test]
    fn pre_releases_are_told_from_builds() {
        assert!(is_pre_release("0.2.0-pre.0") && is_pre_release("1.0.0-rc.1+7"));
        assert!(!is_pre_release("1.0.0") && !is_pre_release("0.11.1+wasi-snapshot-preview1"));
    }

    #[test]
    fn a_line_of_the_tree_names_a_package() {
        assert_eq!(
            name_and_version("serde_derive v1.0.219 (proc-macro)"),
            Some(("serde_derive", "1.0.219"))
        );
        assert_eq!(
            name_and_version("entra-proto v0.1.0 (/w/crates/entra-proto)"),
            Some(("entra-proto", "0.1.0"))
        );
        assert_eq!(name_and_version(""), None);
    }
}
