//! The stages of CI, in their order.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::cargo::{Fetched, cargo, document, fetch, has, passes, root};
use crate::skips::{missing, run_tests};
use crate::verdict::Verdict;
use crate::workspace::Workspace;
use crate::{Result, acceptance, api, fuzz, imports, msrv, package, prose, purity, readme, shape, wasm};

/// One stage of CI, which also runs alone.
pub(crate) struct Stage {
    /// The word after `cargo xtask`.
    pub(crate) name: &'static str,
    /// Its purpose, in a line.
    pub(crate) about: &'static str,
    pub(crate) run: fn() -> Result<Verdict>,
}

/// Runs every stage, also after a failure, so that one run reports all problems.
pub(crate) fn run_all() -> ExitCode {
    run(&STAGES.iter().collect::<Vec<_>>())
}

/// The stage called `name`.
pub(crate) fn named(name: &str) -> Option<&'static Stage> {
    STAGES.iter().find(|stage| stage.name == name)
}

/// Runs `stages` in their order. Fails if one of them does.
pub(crate) fn run(stages: &[&Stage]) -> ExitCode {
    let mut ended = Vec::new();
    for stage in stages {
        println!("== {}: {}", stage.name, stage.about);
        let start = Instant::now();
        let verdict = (stage.run)().unwrap_or_else(|error| Verdict::Failed(vec![error.to_string()]));
        if let Verdict::Failed(findings) = &verdict {
            for finding in findings {
                println!("{}: {finding}", stage.name);
            }
        }
        println!("{}\n", line(stage.name, &verdict, start.elapsed()));
        ended.push((stage.name, verdict, start.elapsed()));
    }
    if stages.len() > 1 {
        println!("== summary");
        for (name, verdict, time) in &ended {
            println!("{}", line(name, verdict, *time));
        }
    }
    let failed = ended
        .iter()
        .any(|(_, verdict, _)| matches!(verdict, Verdict::Failed(_)));
    ExitCode::from(u8::from(failed))
}

fn line(name: &str, verdict: &Verdict, time: Duration) -> String {
    format!("{name:<10} {:>6.1} s  {}", time.as_secs_f64(), verdict.in_words())
}

fn fmt() -> Result<Verdict> {
    if !has("fmt") {
        return Ok(missing("rustfmt", "rustup component add rustfmt"));
    }
    // The Rust clients of the stage `acceptance` are not members of the workspace.
    for manifest in ["Cargo.toml", "xtask/acceptance/rust/Cargo.toml"] {
        if !passes(cargo(["fmt", "--all", "--check", "--manifest-path", manifest]))? {
            return Ok(Verdict::Failed(Vec::new()));
        }
    }
    Ok(Verdict::Passed)
}

fn clippy() -> Result<Verdict> {
    if !has("clippy") {
        return Ok(missing("clippy", "rustup component add clippy"));
    }
    let args = [
        "clippy",
        "--workspace",
        "--all-targets",
        "--all-features",
        "--",
        "-D",
        "warnings",
    ];
    passes(cargo(args)).map(Verdict::of_tool)
}

/// Builds everything first, because cargo may have to download: the tests then run as on a foreign
/// machine.
fn test() -> Result<Verdict> {
    if !passes(cargo(["test", "--workspace", "--no-run"]))? {
        return Ok(Verdict::Failed(Vec::new()));
    }
    // The other cryptography library needs another build.
    for (package, features) in [
        ("entra-credential", "ring,pfx"),
        ("entra-validate", "ring,tokio,blocking"),
    ] {
        let ring = [
            "test",
            "--package",
            package,
            "--no-default-features",
            "--features",
            features,
        ];
        if !passes(cargo(ring))? {
            return Ok(Verdict::Failed(Vec::new()));
        }
    }
    let mut command = cargo(["test", "--workspace"]);
    command.envs(FOREIGN_MACHINE.iter().copied());
    run_tests(command)
}

/// An environment that no test may depend on: no system certificates, a proxy that does not
/// respond, a locale with letters of its own, the last time zone of all, credentials of another
/// application, and the settings of another terminal.
const FOREIGN_MACHINE: &[(&str, &str)] = &[
    ("SSL_CERT_FILE", "/none"),
    ("SSL_CERT_DIR", "/none"),
    ("HTTP_PROXY", DEAD_PROXY),
    ("HTTPS_PROXY", DEAD_PROXY),
    ("ALL_PROXY", DEAD_PROXY),
    ("http_proxy", DEAD_PROXY),
    ("https_proxy", DEAD_PROXY),
    ("all_proxy", DEAD_PROXY),
    ("LC_ALL", "tr_TR.UTF-8"),
    ("TZ", "Pacific/Kiritimati"),
    ("AZURE_AUTHORITY_HOST", "https://login.invalid"),
    ("AZURE_TENANT_ID", "foreign.invalid"),
    ("AZURE_CLIENT_ID", "00000000-0000-0000-0000-000000000001"),
    ("AZURE_CLIENT_SECRET", "foreign"),
    ("AZURE_TENANTS", "foreign.invalid"),
    ("BROWSER", "/none"),
    ("COLUMNS", "20"),
    ("ENTRA_TENANT_STORE", "/none"),
    ("ENTRA_STORE", "/none"),
    ("ENTRA_EMULATOR_CONTROL", "http://127.0.0.1:9"),
    ("RUST_LOG", "trace"),
];

/// The discard port, which is closed on every machine.
const DEAD_PROXY: &str = "http://127.0.0.1:9";

/// Uses a separate folder, because the flag rebuilds everything.
fn loom() -> Result<Verdict> {
    let mut command = cargo([
        "test",
        "--release",
        "--package",
        "entra-client",
        "--lib",
        "--target-dir",
    ]);
    command.arg(root().join("target").join("loom")).arg("cache::model");
    command.env("RUSTFLAGS", "--cfg entra_loom");
    passes(command).map(Verdict::of_tool)
}

fn doc() -> Result<Verdict> {
    passes(document()).map(Verdict::of_tool)
}

/// The sources are fetched first, so that cargo-deny itself runs offline.
fn deny() -> Result<Verdict> {
    if !has("deny") {
        return Ok(missing("cargo-deny", "cargo install cargo-deny --locked"));
    }
    match fetch(&root().join("Cargo.toml"), None)? {
        Fetched::All => {}
        Fetched::Stale(why) => return Ok(Verdict::Failed(vec![why])),
        Fetched::Unreachable(why) => return Ok(Verdict::Skipped(why)),
    }
    // The tree above each duplicate is a page long, so it is only printed on request.
    if passes(cargo([
        "deny",
        "--offline",
        "check",
        "--hide-inclusion-graph",
        "bans",
        "licenses",
        "sources",
    ]))? {
        return Ok(Verdict::Passed);
    }
    Ok(Verdict::Failed(vec![
        "`cargo deny check bans licenses sources` shows who brings it in".to_owned(),
    ]))
}

fn purity() -> Result<Verdict> {
    let workspace = Workspace::load()?;
    let mut findings = purity::check(&workspace)?;
    findings.extend(imports::check(&workspace));
    Ok(Verdict::of_findings(findings))
}

fn shape() -> Result<Verdict> {
    shape::check(&Workspace::load()?).map(Verdict::of_findings)
}

fn prose() -> Result<Verdict> {
    prose::check(&Workspace::load()?).map(Verdict::of_findings)
}

fn msrv() -> Result<Verdict> {
    msrv::check(&Workspace::load()?).map(Verdict::of_findings)
}

fn readme() -> Result<Verdict> {
    readme::check(&Workspace::load()?).map(Verdict::of_findings)
}

fn fuzz() -> Result<Verdict> {
    fuzz::check()
}

fn acceptance() -> Result<Verdict> {
    acceptance::check(&Workspace::load()?)
}

fn package() -> Result<Verdict> {
    package::check(&Workspace::load()?).map(Verdict::of_findings)
}

/// The cheap stages come first, so that a slip shows in seconds; the last ones need more than Rust.
pub(crate) static STAGES: &[Stage] = &[
    Stage {
        name: "fmt",
        about: "the code is formatted",
        run: fmt,
    },
    Stage {
        name: "purity",
        about: "entra-proto does no I/O, and the layers import downwards only",
        run: purity,
    },
    Stage {
        name: "shape",
        about: "import circles are small, imports lead down, and files are short",
        run: shape,
    },
    Stage {
        name: "prose",
        about: "comments, messages and documents are short-lined and in plain words",
        run: prose,
    },
    Stage {
        name: "msrv",
        about: "no dependency requires a newer Rust than promised or is a pre-release",
        run: msrv,
    },
    Stage {
        name: "package",
        about: "the archive of each crate holds its licenses and every file that its code names",
        run: package,
    },
    Stage {
        name: "deny",
        about: "banned crates, licenses, sources",
        run: deny,
    },
    Stage {
        name: "clippy",
        about: "no lint fires, with every feature on",
        run: clippy,
    },
    Stage {
        name: "test",
        about: "cargo test --workspace, doctests too",
        run: test,
    },
    Stage {
        name: "wasm",
        about: "the crates without I/O compile for WebAssembly",
        run: wasm::check,
    },
    Stage {
        name: "loom",
        about: "every interleaving of threads at a slot of the cache, explored",
        run: loom,
    },
    Stage {
        name: "doc",
        about: "the documentation builds without a warning",
        run: doc,
    },
    Stage {
        name: "api",
        about: "the public names are those of the lists in xtask/api",
        run: api::check,
    },
    Stage {
        name: "readme",
        about: "README and the guides match the workspace",
        run: readme,
    },
    Stage {
        name: "fuzz",
        about: "each fuzz target runs for 20 seconds without a crash",
        run: fuzz,
    },
    Stage {
        name: "acceptance",
        about: "clients and validators of other vendors accept the emulator",
        run: acceptance,
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_skipped_stage_never_reads_like_a_pass() {
        let verdict = Verdict::Skipped("`cargo-deny` is not installed".to_owned());
        let line = line("deny", &verdict, Duration::from_millis(40));
        assert!(line.contains("SKIPPED: `cargo-deny` is not installed"), "{line}");
        assert!(!line.contains("ok"), "{line}");
    }

    #[test]
    fn one_failure_fails_the_run_and_a_skip_does_not() {
        let passes = Stage {
            name: "a",
            about: "",
            run: || Ok(Verdict::Passed),
        };
        let skips = Stage {
            name: "b",
            about: "",
            run: || Ok(Verdict::Skipped("no tool".to_owned())),
        };
        let fails = Stage {
            name: "c",
            about: "",
            run: || Ok(Verdict::of_findings(vec!["wrong".to_owned()])),
        };
        let breaks = Stage {
            name: "d",
            about: "",
            run: || Err("no cargo".into()),
        };
        let code = |stages: &[&Stage]| format!("{:?}", run(stages));
        assert_eq!(code(&[&passes, &skips]), format!("{:?}", ExitCode::SUCCESS));
        assert_eq!(code(&[&fails, &passes]), format!("{:?}", ExitCode::FAILURE));
        assert_eq!(code(&[&breaks]), format!("{:?}", ExitCode::FAILURE));
    }

    #[test]
    fn every_stage_is_found_by_its_name() {
        for stage in STAGES {
            assert!(named(stage.name).is_some_and(|found| found.about == stage.about));
        }
        assert!(named("ci").is_none());
    }
}
