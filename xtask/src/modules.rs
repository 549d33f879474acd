//! The files of a crate's modules.

use std::fs;
use std::path::{Path as FilePath, PathBuf};

use crate::Result;
use crate::source::Source;

/// Reads the Rust files below `folder`, except those of modules that exist in tests only.
pub(crate) fn files(folder: &FilePath) -> Result<Vec<(PathBuf, Source)>> {
    let mut found = Vec::new();
    let mut tests_only = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let source = Source::read(&fs::read_to_string(&path)?);
                let below = folder_of_modules(&path);
                tests_only.extend(source.test_modules.iter().map(|module| below.join(module)));
                found.push((path, source));
            }
        }
    }
    found.retain(|(path, _)| !tests_only.iter().any(|module| belongs_to(path, module)));
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(found)
}

/// Returns true if `file` holds the module `module` (a path without extension) or one below it.
fn belongs_to(file: &FilePath, module: &FilePath) -> bool {
    file.starts_with(module) || file == module.with_extension("rs")
}

/// Returns the folder of the modules that `file` declares.
fn folder_of_modules(file: &FilePath) -> PathBuf {
    let is_root = file.file_stem().is_some_and(|stem| stem == "lib" || stem == "mod");
    if is_root {
        file.with_file_name("")
    } else {
        file.with_extension("")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_has_a_file_or_a_folder() {
        let module = FilePath::new("src/acquire/tests");
        for file in [
            "src/acquire/tests.rs",
            "src/acquire/tests/mod.rs",
            "src/acquire/tests/device.rs",
        ] {
            assert!(belongs_to(FilePath::new(file), module), "{file}");
        }
        for file in ["src/acquire.rs", "src/tests.rs", "src/acquire/tests2.rs"] {
            assert!(!belongs_to(FilePath::new(file), module), "{file}");
        }
    }

    #[test]
    fn modules_have_their_files_beside_a_root_and_below_others() {
        assert_eq!(folder_of_modules(FilePath::new("src/lib.rs")), FilePath::new("src/"));
        assert_eq!(
            folder_of_modules(FilePath::new("src/a/mod.rs")),
            FilePath::new("src/a/")
        );
        assert_eq!(folder_of_modules(FilePath::new("src/a.rs")), FilePath::new("src/a"));
    }
}
