//! Tests of the checks, with one error at a time.

use super::*;
use crate::workspace::Target;

const GOOD: &str = r#"# Entra

![ci](ci.svg) [Why?](#why) [License](LICENSE-MIT) [docs](https://docs.example/x)

<!-- program -->
```rust,no_run
fn main() {}
```

```console
$ cargo run -p entra-cli -- token --scope x
ey..
$ cargo xtask ci
$ entra token | jq .
```

```sh
cargo test --workspace   # everything
cargo add entra-proto --features pkce
cargo install --path crates/entra-cli
cargo run -p entra-examples --example daemon
```

## Why?

| crate | what |
|---|---|
| [`entra-proto`](crates/entra-proto) | the protocol |
| `entra-cli` | the command |

MSRV 1.85; entra-cli needs Rust 1.88.
"#;

fn package(folder: &str, name: &str, targets: &[(&str, &str)]) -> Package {
    let target = |(kind, name): &(&str, &str)| Target {
        name: (*name).into(),
        kind: (*kind).into(),
        ..Target::default()
    };
    Package {
        name: name.into(),
        rust_version: Some(if name == "entra-cli" { "1.88" } else { "1.85" }.into()),
        folder: Path::new("/w").join(folder).join(name),
        ours: true,
        targets: targets.iter().map(target).collect(),
        features: vec!["default".into(), "pkce".into()],
        ..Package::default()
    }
}

fn judge(readme: &str, doctested: bool) -> Vec<String> {
    with_facts(doctested, |facts| facts.judge(readme))
}

fn judge_page(page: &str) -> Vec<String> {
    with_facts(true, |facts| facts.judge_page(page))
}

fn with_facts(doctested: bool, judge: impl Fn(&Facts<'_>) -> Vec<String>) -> Vec<String> {
    let workspace = Workspace {
        root: "/w".into(),
        target: "/w/target".into(),
        packages: vec![
            package("crates", "entra-proto", &[("lib", "entra_proto")]),
            package("crates", "entra-cli", &[("bin", "entra")]),
            package("", "entra-examples", &[("example", "daemon")]),
        ],
    };
    let facts = Facts {
        workspace: &workspace,
        msrv: "1.85".into(),
        doctested,
        exists: &|path| ["ci.svg", "LICENSE-MIT", "crates/entra-proto", "crates/entra-cli"].contains(&path),
        understood: &|words| match words.first().map(String::as_str) {
            Some("token") => Ok(()),
            _ => Err("unrecognized subcommand".into()),
        },
    };
    judge(&facts)
}

#[test]
fn true_readme_passes() {
    assert_eq!(judge(GOOD, true), [""; 0]);
}

#[test]
fn each_error_of_readme_is_found() {
    for (truth, lie, finding) in [
        ("-p entra-cli -- token", "-p entra-cli -- tokens", "unrecognized"),
        ("run -p entra-cli", "run -p entra-clip", "no package `entra-clip`"),
        (
            "run -p entra-cli -- token --scope x",
            "run -p entra-proto",
            "nothing to run",
        ),
        ("cargo xtask ci", "cargo xtask cj", "no chore `cj`"),
        ("$ entra token", "$ entra frob", "unrecognized"),
        (
            "cargo test --workspace",
            "cargo tset --workspace",
            "`tset` is not known",
        ),
        (
            "cargo add entra-proto",
            "cargo add entra-protocol",
            "no package `entra-protocol`",
        ),
        ("--features pkce", "--features pkcs", "no feature `pkcs`"),
        ("--path crates/entra-cli", "--path crates/cli", "no `crates/cli`"),
        ("--example daemon", "--example demon", "no example `demon`"),
        ("rust,no_run", "rust,ignore", "never `ignore`"),
        ("```console", "```", "no language"),
        ("(LICENSE-MIT)", "(LICENSE)", "`LICENSE` leads nowhere"),
        ("(LICENSE-MIT)", "(../w/LICENSE-MIT)", "leads nowhere"),
        ("(#why)", "(#how)", "`#how` leads nowhere"),
        (
            "| `entra-cli` |",
            "| the command |",
            "no table has a row for the crate entra-cli",
        ),
        (
            "| the command |\n",
            "| the command |\n| `entra-magic` | x |\n",
            "entra-magic, which is no crate",
        ),
        ("MSRV 1.85", "MSRV", "does not name the oldest Rust"),
        ("Rust 1.88", "Rust 1.89", "line 31 names Rust 1.89"),
    ] {
        assert!(GOOD.contains(truth), "{truth}");
        let findings = judge(&GOOD.replace(truth, lie), true);
        assert_eq!(findings.len(), 1, "{lie}: {findings:?}");
        assert!(findings[0].contains(finding), "{lie}: {findings:?}");
    }
}

const PAGE: &str = r#"# Guide

[`Api`](crate::Api), [proto](entra_proto::acquire), [web](https://docs.example/), [below](#the-map)

```sh
entra token
```

## The map

| to change | look at |
|---|---|
| a | `entra-proto`, `{entra-cli,entra-proto}` |
"#;

#[test]
fn true_page_passes() {
    assert_eq!(judge_page(PAGE), [""; 0]);
}

#[test]
fn each_error_of_a_page_is_found() {
    for (truth, lie, finding) in [
        ("entra token", "entra frob", "unrecognized"),
        (
            "crate::Api",
            "../src/api.rs",
            "cannot follow the link to `../src/api.rs`",
        ),
        ("#the-map", "#a-map", "cannot follow the link to `#a-map`"),
        (
            "{entra-cli,",
            "{entra-clip,",
            "line 13: the map leads to `crates/entra-clip`",
        ),
        ("```sh", "```rust,ignore", "never `ignore`"),
    ] {
        assert!(PAGE.contains(truth), "{truth}");
        let findings = judge_page(&PAGE.replace(truth, lie));
        assert_eq!(findings.len(), 1, "{lie}: {findings:?}");
        assert!(findings[0].contains(finding), "{lie}: {findings:?}");
    }
}

#[test]
fn uncompiled_rust_is_a_finding() {
    let findings = judge(GOOD, false);
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert!(findings[0].contains("include_str!"), "{findings:?}");
}

#[test]
fn unclosed_block_is_a_finding() {
    let findings = judge(&format!("{GOOD}\n```text\nlost\n"), true);
    assert_eq!(findings, ["the block at line 33 has no end"]);
}

#[test]
fn promised_rust_is_that_of_the_workspace() {
    let manifest =
        "[package]\nrust-version = \"1.1\"\n[workspace.package]\nedition = \"2024\"\nrust-version = \"1.85\"\n[x]\n";
    assert_eq!(promised_rust(manifest).as_deref(), Some("1.85"));
    assert_eq!(
        promised_rust("[workspace.package]\n[x]\nrust-version = \"1.1\"\n"),
        None
    );
}

#[test]
fn only_included_documentation_is_a_doctest() {
    assert_eq!(
        included("#[cfg(doctest)]\n#[doc = include_str!(\"../../README.md\")]\nstruct Readme;").collect::<Vec<_>>(),
        ["../../README.md"]
    );
    assert_eq!(included("#![doc = include_str!(\"../R.md\")]").count(), 1);
    assert_eq!(
        included("// #[doc = include_str!(\"../R.md\")]\nconst R: &str = include_str!(\"../R.md\");").count(),
        0
    );
}
