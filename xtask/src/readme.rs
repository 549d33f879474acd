//! README and the guides, compared with the workspace: commands, programs, links, crates, MSRV.

mod command;
pub(crate) mod markdown;
mod pages;

use std::fs;
use std::path::Path;

use crate::cargo::{cargo, output};
use crate::msrv::release;
use crate::workspace::{Package, Workspace};
use crate::{Result, chores};
use command::{commands, option};
use markdown::{Block, anchors, blocks, links, prose};

/// Returns the differences between README, the guides and the workspace.
pub(crate) fn check(workspace: &Workspace) -> Result<Vec<String>> {
    let path = workspace.root.join("README.md");
    let Ok(text) = fs::read_to_string(&path) else {
        return Ok(vec![
            "there is no README.md at the root of the workspace: write one".to_owned(),
        ]);
    };
    let manifest = fs::read_to_string(workspace.root.join("Cargo.toml"))?;
    let mut facts = Facts {
        workspace,
        msrv: promised_rust(&manifest).ok_or("Cargo.toml has no rust-version in [workspace.package]")?,
        doctested: is_doctested(workspace, &path),
        exists: &|target| workspace.root.join(target).exists(),
        understood: &|words| understood_by_entra(workspace, words),
    };
    let mut findings = facts.judge(&text);
    for page in pages::files(&workspace.root)? {
        facts.doctested = is_doctested(workspace, &page);
        let name = page.strip_prefix(&workspace.root).unwrap_or(&page).display();
        let text = fs::read_to_string(&page)?;
        findings.extend(
            facts
                .judge_page(&text)
                .iter()
                .map(|finding| format!("{name}: {finding}")),
        );
    }
    Ok(findings)
}

/// The facts that README and the guides are compared with.
struct Facts<'a> {
    workspace: &'a Workspace,
    /// The `rust-version` of the workspace.
    msrv: String,
    /// A library includes the file as documentation, so that its Rust is compiled and run.
    doctested: bool,
    /// Returns `true` if a path relative to the root exists.
    exists: &'a dyn Fn(&str) -> bool,
    /// Parses these words by the command `entra`; the error is the reason.
    understood: &'a dyn Fn(&[String]) -> std::result::Result<(), String>,
}

impl Facts<'_> {
    fn judge(&self, readme: &str) -> Vec<String> {
        let mut findings = Vec::new();
        findings.extend(self.code(readme));
        findings.extend(self.promise(readme));
        findings.extend(self.links(readme));
        findings.extend(self.table(readme));
        findings
    }

    /// Checks the blocks of Rust and of shell.
    fn code(&self, markdown: &str) -> Vec<String> {
        let blocks = blocks(markdown);
        let mut findings = self.rust(&blocks);
        for block in blocks.iter().filter(|block| SHELLS.contains(&block.language())) {
            for words in commands(block) {
                if let Err(why) = self.command(&words) {
                    findings.push(format!("block at line {}: `{}`: {why}", block.line, words.join(" ")));
                }
            }
        }
        findings
    }

    fn rust(&self, blocks: &[Block]) -> Vec<String> {
        let mut findings = Vec::new();
        for block in blocks {
            let line = block.line;
            if !block.closed {
                findings.push(format!("the block at line {line} has no end"));
            }
            if block.language().is_empty() {
                findings.push(format!(
                    "the block at line {line} has no language, so it is taken for Rust: say `text`"
                ));
            }
            if block.language() == "rust" && block.words().any(|word| word.starts_with("ignore")) {
                findings.push(format!(
                    "the block at line {line} is not compiled: `no_run` at most, never `ignore`"
                ));
            }
        }
        if !self.doctested && blocks.iter().any(|block| block.language() == "rust") {
            findings.push(
                "no library runs its Rust as doctests: \
                 put `#[cfg(doctest)] #[doc = include_str!(\"../../README.md\")] struct Readme;` into tests/src/lib.rs"
                    .to_owned(),
            );
        }
        findings
    }

    fn command(&self, words: &[String]) -> std::result::Result<(), String> {
        match words.first().map(String::as_str) {
            Some("cargo") => self.cargo_command(&words[1..]),
            Some("entra") => (self.understood)(&words[1..]),
            _ => Ok(()),
        }
    }

    fn cargo_command(&self, words: &[String]) -> std::result::Result<(), String> {
        let end = words.iter().position(|word| word == "--").unwrap_or(words.len());
        let (words, passed_on) = words.split_at(end);
        let mut words = words;
        while words.first().is_some_and(|word| word.starts_with('+')) {
            words = &words[1..];
        }
        let subcommand = words.first().map_or("", String::as_str);
        if subcommand == "xtask" {
            let chore = words.get(1).map_or("help", String::as_str);
            return chores()
                .contains(&chore)
                .then_some(())
                .ok_or_else(|| format!("there is no chore `{chore}`"));
        }
        if !CARGO.contains(&subcommand) {
            return Err(format!(
                "`{subcommand}` is not known: if cargo has it, add it to CARGO (xtask/src/readme.rs)"
            ));
        }
        if let Some(path) = option(words, &["--path", "--manifest-path"]) {
            self.exists(path)?;
        }
        let package = match (subcommand, option(words, &["-p", "--package"])) {
            (_, Some(name)) => Some(self.package(name)?),
            ("add" | "install", None) => match words[1..].iter().find(|word| word.starts_with("entra-")) {
                Some(name) => Some(self.package(name)?),
                None => return Ok(()),
            },
            (_, None) => None,
        };
        self.targets(subcommand, words, package)?;
        if let Some(features) = option(words, &["-F", "--features"]) {
            self.features(features, package)?;
        }
        let runs_entra = option(words, &["--bin"]) == Some("entra")
            || package.is_some_and(|package| package.builds("bin", "entra") && option(words, &["--example"]).is_none());
        if subcommand == "run" && runs_entra {
            return (self.understood)(passed_on.get(1..).unwrap_or_default());
        }
        Ok(())
    }

    /// Returns an error if the binary, example or test that a command builds does not exist.
    fn targets(
        &self,
        subcommand: &str,
        words: &[String],
        package: Option<&Package>,
    ) -> std::result::Result<(), String> {
        let any = |matches: &dyn Fn(&Package) -> bool| match package {
            Some(package) => matches(package),
            None => self.workspace.ours().any(matches),
        };
        for (flag, kind) in [
            ("--bin", "bin"),
            ("--example", "example"),
            ("--test", "test"),
            ("--bench", "bench"),
        ] {
            if let Some(name) = option(words, &[flag]) {
                if !any(&|package| package.builds(kind, name)) {
                    return Err(format!("there is no {kind} `{name}`"));
                }
                return Ok(());
            }
        }
        let runs = |package: &Package| package.targets.iter().any(|target| target.kind == "bin");
        if subcommand == "run" && !any(&runs) {
            return Err("there is nothing to run".to_owned());
        }
        Ok(())
    }

    fn features(&self, features: &str, package: Option<&Package>) -> std::result::Result<(), String> {
        for feature in features.split([',', ' ']).filter(|feature| !feature.is_empty()) {
            let (package, feature) = match feature.split_once('/') {
                Some((name, feature)) => (Some(self.package(name)?), feature),
                None => (package, feature),
            };
            let has = |package: &Package| package.features.iter().any(|known| known == feature);
            if !package.map_or_else(|| self.workspace.ours().any(has), has) {
                return Err(format!("there is no feature `{feature}`"));
            }
        }
        Ok(())
    }

    fn package(&self, name: &str) -> std::result::Result<&Package, String> {
        let name = name.split('@').next().unwrap_or(name);
        self.workspace
            .member(name)
            .ok_or_else(|| format!("there is no package `{name}`"))
    }

    fn exists(&self, path: &str) -> std::result::Result<(), String> {
        (self.exists)(path)
            .then_some(())
            .ok_or_else(|| format!("there is no `{path}`"))
    }

    /// Checks that README names the MSRV, and no Rust version but those of the crates.
    fn promise(&self, readme: &str) -> Vec<String> {
        let mut findings = Vec::new();
        let mut named = false;
        for (line, text) in prose(readme).into_iter().filter(|(_, text)| speaks_of_msrv(text)) {
            for version in versions(text) {
                let is = |promised: &str| release(promised) == release(version);
                named |= is(&self.msrv);
                let is_needed = self
                    .workspace
                    .ours()
                    .any(|it| it.rust_version.as_deref().is_some_and(is));
                if !is(&self.msrv) && !is_needed {
                    findings.push(format!(
                        "line {line} names Rust {version}, but Cargo.toml promises {}",
                        self.msrv
                    ));
                }
            }
        }
        if !named {
            findings.push(format!(
                "it does not name the oldest Rust: say `MSRV {}` or `Rust {0}`",
                self.msrv
            ));
        }
        findings
    }

    fn links(&self, readme: &str) -> Vec<String> {
        let anchors = anchors(readme);
        let mut findings = Vec::new();
        for link in links(readme) {
            let (path, fragment) = link.target.split_once('#').unwrap_or((&link.target, ""));
            let external = path.contains("://") || path.starts_with("mailto:");
            let dead = if external {
                false
            } else if path.is_empty() {
                !anchors.iter().any(|anchor| anchor == fragment)
            } else {
                path.starts_with('/') || path.split('/').any(|part| part == "..") || !(self.exists)(path)
            };
            if dead {
                findings.push(format!(
                    "line {}: the link to `{}` leads nowhere",
                    link.line, link.target
                ));
            }
        }
        findings
    }

    /// Checks that each crate has a row in a table, and each row its crate.
    fn table(&self, readme: &str) -> Vec<String> {
        let rows: Vec<&str> = prose(readme).iter().filter_map(|(_, line)| first_cell(line)).collect();
        let listed: Vec<&str> = rows.iter().flat_map(|cell| names(cell)).collect();
        let missing = self
            .workspace
            .crates()
            .filter(|package| !listed.contains(&package.name.as_str()));
        let mut findings: Vec<String> = missing
            .map(|package| format!("no table has a row for the crate {}", package.name))
            .collect();
        for name in listed
            .iter()
            .filter(|name| name.starts_with("entra-") && self.workspace.member(name).is_none())
        {
            findings.push(format!("a table has a row for {name}, which is no crate of ours"));
        }
        findings
    }
}

/// Returns the first cell of a row `| cell | .. |`.
fn first_cell(line: &str) -> Option<&str> {
    line.trim().strip_prefix('|')?.split('|').next()
}

/// Returns the words of `text` that could name a crate.
fn names(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_')
        .filter(|word| !word.is_empty())
}

fn speaks_of_msrv(text: &str) -> bool {
    let text = text.to_lowercase();
    ["msrv", "minimum supported rust", "rust 1.", "rustc 1.", "rust-1."]
        .iter()
        .any(|sign| text.contains(sign))
}

/// Returns the words that look like a release of Rust 1: `1.85`, `1.85.1`.
fn versions(text: &str) -> impl Iterator<Item = &str> {
    let numbers = text
        .split(|c: char| !c.is_ascii_digit() && c != '.')
        .map(|number| number.trim_matches('.'));
    numbers.filter(|number| number.starts_with("1.") && release(number)[1] > 0)
}

/// Returns the `rust-version` of `[workspace.package]`.
fn promised_rust(manifest: &str) -> Option<String> {
    let section = manifest.split("[workspace.package]").nth(1)?;
    let mut lines = section.lines().map(str::trim).take_while(|line| !line.starts_with('['));
    let line = lines.find(|line| line.starts_with("rust-version"))?;
    line.split('"').nth(1).map(str::to_owned)
}

/// Returns `true` if a library whose doctests run includes the file `readme` as documentation.
fn is_doctested(workspace: &Workspace, readme: &Path) -> bool {
    let libraries = workspace
        .ours()
        .flat_map(|package| &package.targets)
        .filter(|target| target.doctest);
    libraries.into_iter().any(|target| {
        let folder = target.source.parent().unwrap_or(&target.source);
        let code = fs::read_to_string(&target.source).unwrap_or_default();
        included(&code).any(|path| same_file(&folder.join(path), readme))
    })
}

/// Returns the files that `code` includes as documentation.
fn included(code: &str) -> impl Iterator<Item = &str> {
    let lines = code.lines().map(str::trim).filter(|line| !line.starts_with("//"));
    lines.filter_map(|line| line.split("doc = include_str!(\"").nth(1)?.split('"').next())
}

fn same_file(a: &Path, b: &Path) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

/// Runs the command with `--help` at the end: it parses all words before that, and does nothing.
fn understood_by_entra(workspace: &Workspace, words: &[String]) -> std::result::Result<(), String> {
    let package = workspace.ours().find(|package| package.builds("bin", "entra"));
    let package = package.ok_or("no package builds the command `entra`")?;
    let end = words.iter().position(|word| word == "--").unwrap_or(words.len());
    let mut command = cargo(["run", "--quiet", "--package", &package.name, "--bin", "entra", "--"]);
    command.args(&words[..end]).arg("--help");
    // The first line states the problem; the usage follows.
    output(command)
        .map(|_| ())
        .map_err(|error| error.to_string().lines().next().unwrap_or_default().to_owned())
}

const SHELLS: &[&str] = &["sh", "bash", "shell", "console"];

/// The subcommands of cargo that README and the guides may show.
const CARGO: &[&str] = &[
    "add", "bench", "build", "check", "clippy", "deny", "doc", "fmt", "install", "run", "test", "tree", "update",
];

#[cfg(test)]
mod tests;
