//! The workspace: its packages, targets and features.

use std::path::PathBuf;

use serde_json::Value;

use crate::Result;
use crate::cargo::{cargo, output};

/// The workspace and its dependencies, from `cargo metadata`.
#[derive(Debug, Default)]
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    /// The target folder of cargo.
    pub(crate) target: PathBuf,
    pub(crate) packages: Vec<Package>,
}

/// A package of the workspace, or a dependency.
#[derive(Clone, Debug, Default)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    /// The oldest Rust it says it builds with: `1.85` or `1.85.0`.
    pub(crate) rust_version: Option<String>,
    /// The folder of its manifest.
    pub(crate) folder: PathBuf,
    /// True for a member of the workspace.
    pub(crate) ours: bool,
    /// The dependencies in its manifest, with all features.
    pub(crate) dependencies: Vec<Dependency>,
    pub(crate) targets: Vec<Target>,
    pub(crate) features: Vec<String>,
}

/// One line of a manifest's dependencies.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// Only its tests need it.
    pub(crate) dev: bool,
}

/// Something a package builds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Target {
    pub(crate) name: String,
    /// `lib`, `bin`, `example`, `test` ..
    pub(crate) kind: String,
    /// True if the examples in its documentation are run as tests.
    pub(crate) doctest: bool,
    pub(crate) source: PathBuf,
}

impl Workspace {
    /// Asks cargo.
    pub(crate) fn load() -> Result<Self> {
        let text = output(cargo(["metadata", "--format-version", "1"]))?;
        Ok(Self::parse(&serde_json::from_str(&text)?))
    }

    fn parse(metadata: &Value) -> Self {
        let members = texts(&metadata["workspace_members"]);
        let packages = list(&metadata["packages"])
            .iter()
            .map(|package| Package::parse(package, &members))
            .collect();
        Self {
            root: text(&metadata["workspace_root"]).into(),
            target: text(&metadata["target_directory"]).into(),
            packages,
        }
    }

    /// The members of the workspace.
    pub(crate) fn ours(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|package| package.ours)
    }

    /// The members in `crates/`: what is published, and what README has to list.
    pub(crate) fn crates(&self) -> impl Iterator<Item = &Package> {
        self.ours()
            .filter(|package| package.folder.starts_with(self.root.join("crates")))
    }

    /// The member called `name`.
    pub(crate) fn member(&self, name: &str) -> Option<&Package> {
        self.ours().find(|package| package.name == name)
    }
}

impl Package {
    fn parse(package: &Value, members: &[String]) -> Self {
        let mut folder = PathBuf::from(text(&package["manifest_path"]));
        folder.pop();
        Self {
            name: text(&package["name"]),
            version: text(&package["version"]),
            rust_version: package["rust_version"].as_str().map(str::to_owned),
            folder,
            ours: members.contains(&text(&package["id"])),
            dependencies: list(&package["dependencies"])
                .iter()
                .map(|dependency| Dependency {
                    name: text(&dependency["name"]),
                    dev: dependency["kind"] == "dev",
                })
                .collect(),
            targets: list(&package["targets"])
                .iter()
                .map(|target| Target {
                    name: text(&target["name"]),
                    kind: texts(&target["kind"]).into_iter().next().unwrap_or_default(),
                    doctest: target["doctest"] == true,
                    source: text(&target["src_path"]).into(),
                })
                .collect(),
            features: package["features"]
                .as_object()
                .map(|all| all.keys().cloned().collect())
                .unwrap_or_default(),
        }
    }

    /// Returns true if it has a target of this kind and name.
    pub(crate) fn builds(&self, kind: &str, name: &str) -> bool {
        self.targets
            .iter()
            .any(|target| target.kind == kind && target.name == name)
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn texts(value: &Value) -> Vec<String> {
    list(value).iter().map(text).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_facts_of_a_package_are_read() {
        let workspace = Workspace::parse(&json!({
            "workspace_root": "/w",
            "workspace_members": ["path+a"],
            "packages": [
                {
                    "id": "path+a", "name": "a", "version": "0.1.0", "rust_version": "1.85",
                    "manifest_path": "/w/crates/a/Cargo.toml",
                    "dependencies": [
                        { "name": "b", "kind": null },
                        { "name": "c", "kind": "dev" },
                        { "name": "d", "kind": "build" },
                    ],
                    "targets": [{ "name": "a", "kind": ["lib"], "doctest": true, "src_path": "/w/crates/a/src/lib.rs" }],
                    "features": { "default": [], "x": ["b"] },
                },
                { "id": "registry+b", "name": "b", "version": "1.0.0", "rust_version": null, "manifest_path": "/r/b/Cargo.toml" },
            ],
        }));
        let a = workspace.member("a").expect("it is a member");
        assert_eq!((a.version.as_str(), a.rust_version.as_deref()), ("0.1.0", Some("1.85")));
        let normal: Vec<_> = a
            .dependencies
            .iter()
            .filter(|it| !it.dev)
            .map(|it| it.name.as_str())
            .collect();
        assert_eq!(normal, ["b", "d"]);
        assert!(a.builds("lib", "a") && !a.builds("bin", "a"));
        assert_eq!(a.features, ["default", "x"]);
        assert_eq!(workspace.crates().count(), 1);
        assert!(workspace.member("b").is_none(), "b is another's");
    }
}
