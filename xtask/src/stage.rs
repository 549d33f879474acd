use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::cargo::{cargo, has, passes, root};
use crate::workspace::Workspace;
use crate::{Result, acceptance, fuzz, imports, msrv, purity, readme};

/// One stage of CI, which also runs alone.
pub(crate) struct Stage {
    /// The word after `cargo xtask`.
    pub(crate) name: &'static str,
    /// What it proves, in a line.
    pub(crate) about: &'static str,
    run: fn() -> Result<Verdict>,
}

/// How a stage ended.
#[derive(Debug, PartialEq)]
pub(crate) enum Verdict {
    Passed,
    /// What is wrong, a line each. Empty where the tool has said it already.
    Failed(Vec<String>),
    /// Why it could not run. It is neither a pass nor a failure, and the summary says so.
    Skipped(String),
}

impl Verdict {
    pub(crate) fn of_tool(passed: bool) -> Self {
        if passed { Self::Passed } else { Self::Failed(Vec::new()) }
    }

    fn of_findings(findings: Vec<String>) -> Self {
        if findings.is_empty() {
            Self::Passed
        } else {
            Self::Failed(findings)
        }
    }

    fn in_words(&self) -> String {
        match self {
            Self::Passed => "ok".to_owned(),
            Self::Failed(_) => "FAILED".to_owned(),
            Self::Skipped(reason) => format!("SKIPPED: {reason}"),
        }
    }
}

/// Runs every stage, the later ones too where an early one fails: one run tells all that is wrong.
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
        return Ok(missing("cargo fmt", "rustup component add rustfmt"));
    }
    passes(cargo(["fmt", "--all", "--check"])).map(Verdict::of_tool)
}

fn clippy() -> Result<Verdict> {
    if !has("clippy") {
        return Ok(missing("cargo clippy", "rustup component add clippy"));
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

fn test() -> Result<Verdict> {
    passes(cargo(["test", "--workspace"])).map(Verdict::of_tool)
}

/// In a folder of its own: the flag is another build of everything.
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
    let mut command = cargo(["doc", "--workspace", "--no-deps", "--all-features"]);
    command.env("RUSTDOCFLAGS", "-D warnings");
    passes(command).map(Verdict::of_tool)
}

/// The sources are fetched first, so that cargo-deny itself needs no network.
fn deny() -> Result<Verdict> {
    if !has("deny") {
        return Ok(missing("cargo deny", "cargo install cargo-deny --locked"));
    }
    if !passes(cargo(["fetch"]))? {
        return Ok(Verdict::Failed(vec![
            "the sources of the dependencies cannot be fetched".to_owned(),
        ]));
    }
    // Who brings a crate in takes a page for each duplicate, so it is told only where it matters.
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

fn missing(tool: &str, cure: &str) -> Verdict {
    Verdict::Skipped(format!("`{tool}` is not here, `{cure}` brings it"))
}

/// The order is cheap first, so that a slip shows in seconds; last comes what needs more than Rust.
pub(crate) static STAGES: &[Stage] = &[
    Stage {
        name: "fmt",
        about: "the code is formatted",
        run: fmt,
    },
    Stage {
        name: "purity",
        about: "entra-proto does no IO, and nobody imports whom they must not",
        run: purity,
    },
    Stage {
        name: "msrv",
        about: "no dependency wants a newer Rust than we promise",
        run: msrv,
    },
    Stage {
        name: "deny",
        about: "banned crates, licences, sources",
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
        name: "readme",
        about: "README tells the truth",
        run: readme,
    },
    Stage {
        name: "fuzz",
        about: "each fuzz target runs for 20 seconds without a crash",
        run: fuzz,
    },
    Stage {
        name: "acceptance",
        about: "MSAL Python and azure-identity take the emulator for the service",
        run: acceptance,
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_skipped_stage_never_reads_like_a_pass() {
        let verdict = missing("cargo deny", "cargo install cargo-deny");
        let line = line("deny", &verdict, Duration::from_millis(40));
        assert!(line.contains("SKIPPED: `cargo deny` is not here"), "{line}");
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
