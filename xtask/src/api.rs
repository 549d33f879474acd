//! The list of all public names of the library crates, kept in `xtask/api`, so that a growing API
//! shows as a diff.
//!
//! The names come from the documentation that rustdoc writes: `all.html` links each item by a path
//! such as `blocking/struct.Client.html`, and the page of an item has an anchor such as
//! `method.token` for each of its parts. Nothing else of the pages is read, and what traits bring
//! in is left out.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::cargo::{document, passes};
use crate::error::Result;
use crate::verdict::Verdict;
use crate::workspace::Workspace;

/// Compares the documented names with the lists, after `document` has built the documentation.
pub(crate) fn check() -> Result<Verdict> {
    let Some(lists) = lists()? else {
        return Ok(Verdict::Failed(Vec::new()));
    };
    let mut findings = Vec::new();
    for List { path, names } in &lists {
        let kept = fs::read_to_string(path).unwrap_or_default();
        findings.extend(differences(&path.display().to_string(), &kept, names));
    }
    findings.extend(superfluous(&lists)?);
    if !findings.is_empty() {
        findings.push("if that is meant, `cargo xtask api --write` writes the lists".to_owned());
    }
    Ok(Verdict::of_findings(findings))
}

/// Writes the lists.
pub(crate) fn write() -> Result<Verdict> {
    let Some(lists) = lists()? else {
        return Ok(Verdict::Failed(Vec::new()));
    };
    fs::create_dir_all(folder(&Workspace::load()?))?;
    for List { path, names } in &lists {
        fs::write(path, names.join("\n") + "\n")?;
    }
    for path in superfluous_files(&lists)? {
        fs::remove_file(path)?;
    }
    Ok(Verdict::Passed)
}

/// The names of a crate, sorted, and the file that they are kept in.
struct List {
    path: PathBuf,
    names: Vec<String>,
}

/// The list of each library crate; `None` if the documentation cannot be built.
fn lists() -> Result<Option<Vec<List>>> {
    if !passes(document())? {
        return Ok(None);
    }
    let workspace = Workspace::load()?;
    let mut lists = Vec::new();
    for package in workspace.crates() {
        let Some(library) = package.targets.iter().find(|target| target.kind == "lib") else {
            continue;
        };
        let pages = workspace.target.join("doc").join(library.name.replace('-', "_"));
        let path = folder(&workspace).join(format!("{}.txt", package.name));
        lists.push(List {
            path,
            names: names(&pages)?,
        });
    }
    Ok(Some(lists))
}

fn folder(workspace: &Workspace) -> PathBuf {
    workspace.root.join("xtask").join("api")
}

/// The public names that the pages of a crate document, sorted.
fn names(pages: &Path) -> Result<Vec<String>> {
    let all = read(&pages.join("all.html"))?;
    let mut found = BTreeSet::new();
    let mut modules = BTreeSet::from([String::new()]);
    for link in attributes(&all, "href=\"") {
        let Some(item) = Item::of_link(link) else { continue };
        let mut module = item.module.clone();
        loop {
            modules.insert(module.clone());
            match module.rsplit_once("::") {
                Some((outer, _)) => module = outer.to_owned(),
                None => break,
            }
        }
        let page = read(&pages.join(link))?;
        found.extend(item.parts(&page));
        found.insert(format!("{} {}", item.path(), item.kind));
    }
    // What comes from other crates has a line on the page of its module, and no page of its own.
    for module in &modules {
        let page = read(&pages.join(module.replace("::", "/")).join("index.html"))?;
        for name in attributes(&page, "id=\"reexport.").filter(|name| is_name(name)) {
            found.insert(format!("{} re-export", joined(module, name)));
        }
    }
    Ok(found.into_iter().collect())
}

fn read(page: &Path) -> Result<String> {
    fs::read_to_string(page).map_err(|error| format!("{}: {error}", page.display()).into())
}

/// An item with a page.
#[derive(Debug, PartialEq)]
struct Item {
    module: String,
    kind: String,
    name: String,
}

impl Item {
    /// Reads `module/kind.Name.html`.
    fn of_link(link: &str) -> Option<Self> {
        let (folders, file) = link.rsplit_once('/').unwrap_or(("", link));
        let (kind, name) = file.strip_suffix(".html")?.split_once('.')?;
        let is_item =
            KINDS.contains(&kind) && is_name(name) && folders.split('/').all(|it| it.is_empty() || is_name(it));
        is_item.then(|| Self {
            module: folders.replace('/', "::"),
            kind: kind.to_owned(),
            name: name.to_owned(),
        })
    }

    fn path(&self) -> String {
        joined(&self.module, &self.name)
    }

    /// The variants, fields and functions on its page, without those that traits and `Deref` bring
    /// in.
    fn parts(&self, page: &str) -> Vec<String> {
        let ends = FOREIGN.iter().filter_map(|end| page.find(end));
        let own = &page[..ends.min().unwrap_or(page.len())];
        let anchors = attributes(own, "id=\"").filter_map(|anchor| {
            let (kind, name) = anchor.split_once('.')?;
            // `variant.Secret.field.0` belongs to its variant, and `method.new-1` is the function
            // of another type argument.
            let name = name.split(['.', '-']).next()?;
            let kind = PARTS.iter().find(|(part, _)| *part == kind)?.1;
            is_name(name).then(|| format!("{}::{name} {kind}", self.path()))
        });
        anchors.collect()
    }
}

/// The values of an attribute that begins with `start`.
fn attributes<'a>(page: &'a str, start: &'a str) -> impl Iterator<Item = &'a str> {
    page.split(start).skip(1).filter_map(|rest| rest.split('"').next())
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text
            .chars()
            .all(|character| character.is_alphanumeric() || character == '_')
}

fn joined(module: &str, name: &str) -> String {
    if module.is_empty() {
        name.to_owned()
    } else {
        format!("{module}::{name}")
    }
}

/// Returns the names that a list lacks and the ones that no longer exist, a line each.
fn differences(list: &str, kept: &str, names: &[String]) -> Vec<String> {
    let kept: BTreeSet<&str> = kept.lines().collect();
    let names: BTreeSet<&str> = names.iter().map(String::as_str).collect();
    let new = names.difference(&kept).map(|name| format!("{list}: new: {name}"));
    let gone = kept.difference(&names).map(|name| format!("{list}: gone: {name}"));
    new.chain(gone).collect()
}

fn superfluous(lists: &[List]) -> Result<Vec<String>> {
    let files = superfluous_files(lists)?;
    Ok(files
        .iter()
        .map(|path| format!("{}: there is no such library", path.display()))
        .collect())
}

/// Returns the lists of crates that no longer exist.
fn superfluous_files(lists: &[List]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder(&Workspace::load()?)).into_iter().flatten() {
        let path = entry?.path();
        if !lists.iter().any(|list| list.path == path) {
            files.push(path);
        }
    }
    Ok(files)
}

/// The kinds of items that have pages.
const KINDS: &[&str] = &[
    "attr",
    "constant",
    "derive",
    "enum",
    "fn",
    "macro",
    "static",
    "struct",
    "trait",
    "traitalias",
    "type",
    "union",
];

/// The anchors of an item's parts, and what the parts are called.
const PARTS: &[(&str, &str)] = &[
    ("associatedconstant", "constant"),
    ("associatedtype", "type"),
    ("method", "fn"),
    ("structfield", "field"),
    ("tymethod", "fn"),
    ("variant", "variant"),
];

/// The headings after which the parts come from traits.
const FOREIGN: &[&str] = &[
    "id=\"blanket-implementations\"",
    "id=\"deref-methods",
    "id=\"foreign-impls\"",
    "id=\"implementors\"",
    "id=\"synthetic-implementations\"",
    "id=\"trait-implementations\"",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_of_items_are_told_from_others() {
        let item = Item::of_link("blocking/struct.Client.html").unwrap();
        assert_eq!(
            (item.path(), item.kind.as_str()),
            ("blocking::Client".to_owned(), "struct")
        );
        assert_eq!(Item::of_link("fn.now.html").unwrap().path(), "now");
        for link in [
            "index.html",
            "../static.files/x.css",
            "https://docs.rs/fn.x.html",
            "struct.A-1.html",
            "#structs",
        ] {
            assert_eq!(Item::of_link(link), None, "{link}");
        }
    }

    #[test]
    fn own_parts_are_listed_and_those_of_traits_are_not() {
        let page = "<section id=\"variant.Public\"><h2 id=\"implementations\"><section id=\"method.at\">\
                    <section id=\"variant.Custom.field.0\"><section id=\"method.new-1\"><span id=\"impl-Cloud\">\
                    <h2 id=\"trait-implementations\"><section id=\"method.fmt\">";
        let item = Item::of_link("enum.Cloud.html").unwrap();
        assert_eq!(
            item.parts(page),
            [
                "Cloud::Public variant",
                "Cloud::at fn",
                "Cloud::Custom variant",
                "Cloud::new fn"
            ]
        );
    }

    #[test]
    fn new_and_lost_names_are_told() {
        let names = ["A struct".to_owned(), "B enum".to_owned()];
        assert_eq!(
            differences("x.txt", "A struct\nC fn\n", &names),
            ["x.txt: new: B enum", "x.txt: gone: C fn"]
        );
        assert_eq!(differences("x.txt", "A struct\nB enum\n", &names), [""; 0]);
    }
}
