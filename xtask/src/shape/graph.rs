//! The graph of the files of a crate and their imports.
//!
//! A file imports another one if its code names an item of it: `crate::a::Item`, `super::Item`, or
//! a name that a `use` binds. An item belongs to the file that defines it, not to the files that
//! re-export it, and `pub use` alone is no import.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::source::{self, Source};

/// The path of the module that a file holds; none for the root of the crate.
pub(super) fn module_of(file: &Path) -> Vec<String> {
    let mut path = PathBuf::from(file).with_extension("");
    if path
        .file_name()
        .is_some_and(|name| name == "mod" || name == "lib" || name == "main")
    {
        path.pop();
    }
    path.iter().map(|part| part.to_string_lossy().into_owned()).collect()
}

/// The files of a crate and their imports.
pub(super) struct Graph {
    modules: Vec<Module>,
    /// By the path of the module.
    index: BTreeMap<Vec<String>, usize>,
    /// For each file the files that it imports, each with the first place.
    edges: Vec<BTreeMap<usize, Place>>,
}

struct Module {
    file: String,
    path: Vec<String>,
    /// The paths of its imports by the names that they bind.
    names: BTreeMap<String, Vec<String>>,
    /// The modules that it declares; the file of one may lie elsewhere (`#[path]`).
    declared: BTreeSet<String>,
}

/// The line and the path of an import.
#[derive(Clone)]
struct Place {
    line: usize,
    path: String,
}

/// Files that import one another.
#[derive(Debug)]
pub(super) struct Circle {
    pub(super) files: Vec<String>,
    pub(super) imports: Vec<String>,
}

impl Circle {
    pub(super) fn in_words(&self, most: usize) -> String {
        format!(
            "{} files import one another, at most {most} may; move what they share below them, or cut some of these imports:\n    {}",
            self.files.len(),
            self.imports.join("\n    ")
        )
    }
}

impl Graph {
    pub(super) fn new<'a>(files: impl Iterator<Item = (String, Vec<String>, &'a Source)>) -> Self {
        let mut modules = Vec::new();
        let mut code = Vec::new();
        for (file, path, source) in files {
            let paths = source.paths();
            let names = paths
                .iter()
                .filter(|path| path.inline == 0)
                .filter_map(|path| Some((path.import.as_ref()?.name.clone(), path.segments.clone())))
                .collect();
            let declared = source.modules().map(str::to_owned).collect();
            modules.push(Module {
                file,
                path,
                names,
                declared,
            });
            code.push(paths);
        }
        let index = modules
            .iter()
            .enumerate()
            .map(|(at, module)| (module.path.clone(), at))
            .collect();
        let mut graph = Self {
            edges: vec![BTreeMap::new(); modules.len()],
            modules,
            index,
        };
        for (from, paths) in code.iter().enumerate() {
            for path in paths
                .iter()
                .filter(|path| !path.import.as_ref().is_some_and(|import| import.reexport))
            {
                if let Some(to) = graph.home(from, outside(path), DEEPEST).filter(|to| *to != from) {
                    graph.edges[from].entry(to).or_insert_with(|| Place {
                        line: path.line,
                        path: path.segments.join("::"),
                    });
                }
            }
        }
        graph
    }

    /// The files that no module declares: no compiler reads them.
    pub(super) fn orphans(&self) -> impl Iterator<Item = &str> {
        let orphans = self.modules.iter().enumerate().filter(|(at, module)| {
            let declares = |name: &String| {
                self.parent(*at)
                    .is_some_and(|at| self.modules[at].declared.contains(name))
            };
            module.path.last().is_some_and(|name| !declares(name))
        });
        orphans.map(|(_, module)| module.file.as_str())
    }

    /// The files of the crate.
    pub(super) fn files(&self) -> impl Iterator<Item = &str> {
        self.modules.iter().map(|module| module.file.as_str())
    }

    /// Every import: the importing file, the imported one, and the place.
    pub(super) fn imports(&self) -> impl Iterator<Item = (&str, &str, String)> {
        self.edges.iter().zip(&self.modules).flat_map(|(edges, from)| {
            edges.iter().map(|(to, place)| {
                let shown = format!("{}:{}: {}", from.file, place.line, place.path);
                (from.file.as_str(), self.modules[*to].file.as_str(), shown)
            })
        })
    }

    /// Finds the file that defines the item which `path` names in the module `from`. None for a
    /// module and for what is not of this crate.
    fn home(&self, from: usize, path: &[String], depth: usize) -> Option<usize> {
        let depth = depth.checked_sub(1)?;
        let (first, rest) = path.split_first()?;
        match first.as_str() {
            "crate" => self.home_in(*self.index.get(&[][..])?, rest, depth),
            "self" => self.home_in(from, rest, depth),
            "super" => self.home_in(self.parent(from)?, rest, depth),
            name => match (self.child(from, name), self.modules[from].names.get(name)) {
                (Some(child), _) => self.home_in(child, rest, depth),
                // A crate of another, or an item that is defined here.
                (None, None) => None,
                (None, Some(import)) if import[0] == name => None,
                (None, Some(import)) => self.home(from, &[import, rest].concat(), depth),
            },
        }
    }

    fn home_in(&self, module: usize, path: &[String], depth: usize) -> Option<usize> {
        let (first, rest) = path.split_first()?;
        match first.as_str() {
            "self" => self.home_in(module, rest, depth),
            "super" => self.home_in(self.parent(module)?, rest, depth),
            name => match (self.child(module, name), self.modules[module].names.get(name)) {
                (Some(child), _) => self.home_in(child, rest, depth),
                (None, Some(import)) => self.home(module, &[import, rest].concat(), depth),
                (None, None) if self.modules[module].declared.contains(name) => None,
                (None, None) => Some(module),
            },
        }
    }

    fn parent(&self, module: usize) -> Option<usize> {
        let (_, parent) = self.modules[module].path.split_last()?;
        self.index.get(parent).copied()
    }

    fn child(&self, module: usize, name: &str) -> Option<usize> {
        let mut path = self.modules[module].path.clone();
        path.push(name.to_owned());
        self.index.get(&path).copied()
    }

    /// The circles, each file in one at most.
    pub(super) fn circles(&self) -> Vec<Circle> {
        let reached: Vec<BTreeSet<usize>> = (0..self.modules.len()).map(|file| self.reached(file)).collect();
        let mut seen = BTreeSet::new();
        let mut circles = Vec::new();
        for file in 0..self.modules.len() {
            if !reached[file].contains(&file) || !seen.insert(file) {
                continue;
            }
            let members: BTreeSet<usize> = reached[file]
                .iter()
                .copied()
                .filter(|other| reached[*other].contains(&file))
                .collect();
            seen.extend(&members);
            circles.push(self.circle(&members));
        }
        circles
    }

    /// Every file that `file` needs, itself only if it is in a circle.
    fn reached(&self, file: usize) -> BTreeSet<usize> {
        let mut reached = BTreeSet::new();
        let mut open = vec![file];
        while let Some(file) = open.pop() {
            open.extend(self.edges[file].keys().filter(|next| reached.insert(**next)));
        }
        reached
    }

    fn circle(&self, members: &BTreeSet<usize>) -> Circle {
        let file = |at: usize| self.modules[at].file.clone();
        let mut imports = Vec::new();
        for from in members {
            for (to, place) in self.edges[*from].iter().filter(|(to, _)| members.contains(to)) {
                imports.push(format!(
                    "{}:{}: {} of {}",
                    file(*from),
                    place.line,
                    place.path,
                    file(*to)
                ));
            }
        }
        Circle {
            files: members.iter().map(|at| file(*at)).collect(),
            imports,
        }
    }
}

/// The part of a path in an inline module that leads out of that module. Inside of it everything is
/// of the same file.
fn outside(path: &source::Path) -> &[String] {
    let up = path
        .segments
        .iter()
        .take(path.inline)
        .take_while(|segment| *segment == "super")
        .count();
    &path.segments[up..]
}

/// The longest chain of re-exports that is followed: they could refer to each other.
const DEEPEST: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    /// The circles of a crate with these files.
    fn circles(files: &[(&str, &str)]) -> Vec<Circle> {
        let sources: Vec<_> = files.iter().map(|(_, code)| Source::read(code)).collect();
        let files = files
            .iter()
            .zip(&sources)
            .map(|((file, _), source)| ((*file).to_owned(), module_of(Path::new(file)), source));
        Graph::new(files).circles()
    }

    /// The imports of the only circle.
    fn imports(files: &[(&str, &str)]) -> Vec<String> {
        let mut circles = circles(files);
        assert_eq!(circles.len(), 1, "{circles:?}");
        circles.remove(0).imports
    }

    #[test]
    fn a_circle_is_shown_with_its_imports() {
        let files = [
            ("lib.rs", "mod a;\nmod b;\nmod c;"),
            ("a.rs", "use std::fmt;\nuse crate::b::B;\nfn a() { crate::b::b() }"),
            ("b.rs", "fn f() { crate::c::c() }"),
            ("c.rs", "use super::a;\nfn f() { a::a() }"),
            ("d.rs", "use crate::{a::A, b::B};"),
        ];
        assert_eq!(
            imports(&files),
            [
                "a.rs:2: crate::b::B of b.rs",
                "b.rs:1: crate::c::c of c.rs",
                "c.rs:2: a::a of a.rs"
            ]
        );
    }

    #[test]
    fn a_large_circle_is_told_with_its_size() {
        let next = |at: usize| format!("use crate::m{0}::X{0};", (at + 1) % 5);
        let files: Vec<(String, String)> = (0..5).map(|at| (format!("m{at}.rs"), next(at))).collect();
        let mut files: Vec<(&str, &str)> = files
            .iter()
            .map(|(file, code)| (file.as_str(), code.as_str()))
            .collect();
        files.push(("lib.rs", ""));
        let circles = circles(&files);
        assert_eq!(circles[0].files.len(), 5);
        let words = circles[0].in_words(4);
        assert!(
            words.starts_with("5 files import one another, at most 4 may"),
            "{words}"
        );
        assert!(words.contains("\n    m4.rs:1: crate::m0::X0 of m0.rs"), "{words}");
    }

    #[test]
    fn a_reexport_leads_to_the_file_that_defines() {
        let files = [
            (
                "lib.rs",
                "pub use crate::a::{A, Other as Renamed};\npub(crate) use a::deep;",
            ),
            ("a/mod.rs", "pub use self::inner::A;\npub use inner::Other;"),
            ("a/inner.rs", "use crate::b::B;"),
            ("a/deep.rs", ""),
            ("b.rs", "use crate::A;\nuse crate::Renamed;"),
        ];
        assert_eq!(
            imports(&files),
            ["a/inner.rs:1: crate::b::B of b.rs", "b.rs:1: crate::A of a/inner.rs"]
        );
        // Seen from the folder, the names that its head only re-exports are not its own.
        let user = ("a/inner.rs", "use super::helper;\nuse crate::c::C;");
        let files = [
            ("lib.rs", ""),
            ("a/mod.rs", "pub use inner::A;\nfn helper() {}"),
            user,
            ("c.rs", "use crate::a::A;"),
        ];
        assert_eq!(
            imports(&files),
            ["a/inner.rs:2: crate::c::C of c.rs", "c.rs:1: crate::a::A of a/inner.rs"]
        );
    }

    #[test]
    fn a_folder_that_uses_what_it_reexports_imports_it() {
        let files = [
            ("main.rs", ""),
            ("a/mod.rs", "pub use inner::A;\nfn f() -> A {}\nfn helper() {}"),
            ("a/inner.rs", "use super::helper;"),
        ];
        assert_eq!(
            imports(&files),
            ["a/mod.rs:2: A of a/inner.rs", "a/inner.rs:1: super::helper of a/mod.rs"]
        );
    }

    #[test]
    fn modules_tests_and_other_crates_are_no_imports() {
        let files = [
            ("lib.rs", "mod a;\nmod b;"),
            (
                "a.rs",
                "use crate::b;\nuse std::b::B;\nuse b as c;\n#[cfg(test)]\nmod tests { use crate::b::B; }",
            ),
            ("b.rs", "use crate::a::A;\n/// See `crate::b::B`.\nfn b() {}"),
        ];
        assert!(circles(&files).is_empty(), "{:?}", circles(&files));
    }

    #[test]
    fn super_in_an_inline_module_is_the_file_itself() {
        let inline = (
            "a.rs",
            "use crate::b::B;\nmod inner { use super::A; fn f() { super::super::x(); super::a() } }",
        );
        let files = [("lib.rs", "fn x() {}"), inline, ("b.rs", "")];
        assert!(circles(&files).is_empty());
        let files = [("lib.rs", "fn x() { a::A }"), inline, ("b.rs", "")];
        assert_eq!(
            imports(&files),
            ["lib.rs:1: a::A of a.rs", "a.rs:2: super::super::x of lib.rs"]
        );
    }

    #[test]
    fn files_that_no_module_declares_are_orphans() {
        let files = [
            ("main.rs", "mod a;"),
            ("a/mod.rs", "mod inner;"),
            ("a/inner.rs", ""),
            ("a/lost.rs", ""),
            ("b/c.rs", ""),
        ];
        let sources: Vec<_> = files.iter().map(|(_, code)| Source::read(code)).collect();
        let files = files.iter().zip(&sources);
        let graph =
            Graph::new(files.map(|((file, _), source)| ((*file).to_owned(), module_of(Path::new(file)), source)));
        assert_eq!(graph.orphans().collect::<Vec<_>>(), ["a/lost.rs", "b/c.rs"]);
    }

    #[test]
    fn modules_with_files_elsewhere_are_no_imports() {
        let files = [
            ("main.rs", "#[path = \"../common.rs\"]\nmod common;\nfn f() { a::A }"),
            ("a.rs", "use crate::common::C;"),
        ];
        assert!(circles(&files).is_empty());
    }

    #[test]
    fn reexports_that_lead_nowhere_end() {
        let files = [
            ("lib.rs", "use crate::a::X;"),
            (
                "a.rs",
                "pub use crate::b::X;\nuse y::y;\nfn f() { y::z(); X::z(); super::super::w(); }",
            ),
            ("b.rs", "pub use crate::a::X;"),
        ];
        assert!(circles(&files).is_empty());
    }
}
