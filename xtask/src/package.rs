//! The archives to publish: their required files, and their tests without the repository.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::process::{Command, ExitCode};

use crate::Result;
use crate::cargo::{cargo, output, passes};
use crate::workspace::{Package, Workspace};

/// Returns the files that are missing from the archives.
pub(crate) fn check(workspace: &Workspace) -> Result<Vec<String>> {
    let mut findings = Vec::new();
    for package in workspace.crates() {
        let list = output(cargo([
            "package",
            "--list",
            "--allow-dirty",
            "--package",
            &package.name,
        ]))?;
        let archive: BTreeSet<&str> = list.lines().collect();
        findings.extend(missing_texts(&package.name, &archive));
        for file in archive.iter().filter(|file| file.ends_with(".rs")) {
            let code = fs::read_to_string(package.folder.join(file))?;
            let shown = format!("{}/{file}", package.name);
            findings.extend(missing_files(&shown, file, &code, &archive));
        }
    }
    Ok(findings)
}

/// Unpacks every archive beside the others and runs the tests of each crate there. Needs `tar`, and
/// no network.
pub(crate) fn run() -> ExitCode {
    match test_archives() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            println!("archives: {error}");
            ExitCode::FAILURE
        }
    }
}

fn test_archives() -> Result<bool> {
    let workspace = Workspace::load()?;
    let folder = workspace.target.join("archives");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;

    let crates: Vec<&Package> = workspace.crates().collect();
    let selected = || crates.iter().flat_map(|package| ["--package", &package.name]);
    let mut pack = cargo(["package", "--no-verify", "--allow-dirty", "--quiet"]);
    pack.args(selected());
    if !passes(pack)? {
        return Err("the crates cannot be packaged".into());
    }
    for package in &crates {
        let archive = format!("{}-{}.crate", package.name, package.version);
        let mut unpack = Command::new("tar");
        unpack.arg("-xzf").arg(workspace.target.join("package").join(archive));
        unpack.arg("-C").arg(&folder);
        if !passes(unpack)? {
            return Err(format!("the archive of {} cannot be unpacked", package.name).into());
        }
    }
    let manifest = fs::read_to_string(workspace.root.join("Cargo.toml"))?;
    fs::write(folder.join("Cargo.toml"), manifest_of(&crates, profiles(&manifest)))?;
    // The versions that the workspace was tested with.
    fs::copy(workspace.root.join("Cargo.lock"), folder.join("Cargo.lock"))?;

    let mut test = cargo(["test", "--offline", "--no-fail-fast", "--manifest-path"]);
    test.arg(folder.join("Cargo.toml"));
    // The same folder as always: the dependencies are built already.
    test.arg("--target-dir").arg(&workspace.target).args(selected());
    passes(test)
}

/// A workspace of the unpacked crates, each of which finds the others there and not at the
/// registry.
fn manifest_of(crates: &[&Package], profiles: &str) -> String {
    let folder = |package: &Package| format!("{}-{}", package.name, package.version);
    let mut text = "[workspace]\nresolver = \"3\"\nmembers = [\n".to_owned();
    for package in crates {
        text += &format!("    \"{}\",\n", folder(package));
    }
    text += "]\n\n[patch.crates-io]\n";
    for package in crates {
        text += &format!("{} = {{ path = \"{}\" }}\n", package.name, folder(package));
    }
    text + "\n" + profiles
}

/// The part of a manifest that begins with its first profile.
fn profiles(manifest: &str) -> &str {
    manifest.find("[profile.").map_or("", |start| &manifest[start..])
}

fn missing_texts(name: &str, archive: &BTreeSet<&str>) -> Vec<String> {
    let texts = ["CHANGELOG.md", "LICENSE-APACHE", "LICENSE-MIT", "README.md"];
    let missing = texts.iter().filter(|text| !archive.contains(*text));
    missing
        .map(|text| format!("the archive of {name} has no {text}: put it, or a link to it, into its folder"))
        .collect()
}

/// The files that `code`, which is `file` of the archive, names and the archive does not hold.
fn missing_files(shown: &str, file: &str, code: &str, archive: &BTreeSet<&str>) -> Vec<String> {
    let folder = Path::new(file).parent().unwrap_or_else(|| Path::new(""));
    let beside = ["include_str!(\"", "include_bytes!(\"", "include!(\"", "#[path = \""];
    let from_root = [
        "env!(\"CARGO_MANIFEST_DIR\")).join(\"",
        "env!(\"CARGO_MANIFEST_DIR\"), \"/",
    ];
    let beside = beside.iter().map(|start| (*start, folder));
    let from_root = from_root.iter().map(|start| (*start, Path::new("")));
    let mut findings = Vec::new();
    for (start, base) in beside.chain(from_root) {
        for named in code.split(start).skip(1).filter_map(|rest| rest.split('"').next()) {
            if !normal(&base.join(named)).is_some_and(|path| holds(archive, &path)) {
                findings.push(format!(
                    "{shown}: \"{named}\" is not in the archive: move or copy it into the crate"
                ));
            }
        }
    }
    findings
}

/// A path without `..`; `None` where it leads out of the archive.
fn normal(path: &Path) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => parts.push(name.to_str()?),
            Component::ParentDir => drop(parts.pop()?),
            Component::CurDir => {}
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(parts.join("/"))
}

/// Returns true if there is such a file or folder.
fn holds(archive: &BTreeSet<&str>, path: &str) -> bool {
    archive.contains(path) || archive.iter().any(|file| PathBuf::from(file).starts_with(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive() -> BTreeSet<&'static str> {
        BTreeSet::from(["src/lib.rs", "keys/a.der", "tests/x/mod.rs", "tests/corpora/pem/one"])
    }

    #[test]
    fn files_outside_the_archive_are_found() {
        for (code, wrong) in [
            ("include_bytes!(\"../keys/a.der\")", 0),
            ("#[doc = include_str!(\"../../README.md\")]", 1),
            ("include_str!(\"../keys/b.der\")", 1),
            (
                "Path::new(env!(\"CARGO_MANIFEST_DIR\")).join(\"tests/corpora\").join(target)",
                0,
            ),
            ("Path::new(env!(\"CARGO_MANIFEST_DIR\")).join(\"fuzz/corpus\")", 1),
            (
                "PathBuf::from(env!(\"CARGO_MANIFEST_DIR\")).join(\"../other/tests\")",
                1,
            ),
            ("concat!(env!(\"CARGO_MANIFEST_DIR\"), \"/keys/a.der\")", 0),
        ] {
            let found = missing_files("a", "src/lib.rs", code, &archive());
            assert_eq!(found.len(), wrong, "{code}: {found:?}");
        }
        assert_eq!(
            missing_files("a", "tests/y.rs", "#[path = \"x/mod.rs\"]\nmod x;", &archive()),
            [""; 0]
        );
    }

    #[test]
    fn archive_without_its_texts_is_found() {
        assert_eq!(missing_texts("a", &archive()).len(), 4);
        let complete = BTreeSet::from(["CHANGELOG.md", "LICENSE-APACHE", "LICENSE-MIT", "README.md"]);
        assert_eq!(missing_texts("a", &complete), [""; 0]);
    }

    #[test]
    fn unpacked_crates_use_each_other_and_our_profiles() {
        let package = |name: &str| Package {
            name: name.to_owned(),
            version: "0.1.0".to_owned(),
            ..Package::default()
        };
        let (a, b) = (package("a"), package("b"));
        let text = manifest_of(&[&a, &b], profiles("[workspace]\n[profile.dev]\ndebug = 1\n"));
        assert!(text.contains("    \"a-0.1.0\",\n    \"b-0.1.0\",\n"), "{text}");
        assert!(text.contains("\nb = { path = \"b-0.1.0\" }\n"), "{text}");
        assert!(text.ends_with("\n[profile.dev]\ndebug = 1\n"), "{text}");
    }
}
