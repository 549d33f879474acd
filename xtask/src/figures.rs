//! The figures of the workspace and their limits: crates, allocations, ratios of times, sizes.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

use crate::Result;
use crate::cargo::{Fetched, cargo, fetch, host, passes, root, tree};
use crate::readme::markdown;
use crate::workspace::Workspace;

/// A measured value and its limit.
#[derive(Debug)]
struct Figure {
    name: &'static str,
    value: f64,
    unit: &'static str,
    limit: f64,
    /// True if the limit is an upper one, false if it is a lower one.
    at_most: bool,
}

impl Figure {
    fn holds(&self) -> bool {
        if self.at_most {
            self.value <= self.limit
        } else {
            self.value >= self.limit
        }
    }

    /// `name: value unit (limit L) ok`
    fn line(&self) -> String {
        let Self {
            name,
            value,
            unit,
            limit,
            at_most,
        } = self;
        let least = if *at_most { "" } else { "at least " };
        format!(
            "{name}: {value} {unit} (limit {least}{limit}) {}",
            if self.holds() { OK } else { MISSED }
        )
    }
}

/// Measures and prints every figure. Fails if one misses its limit or cannot be measured.
pub(crate) fn run() -> ExitCode {
    let mut lines = Vec::new();
    for (name, measure) in FIGURES {
        let line = match measure(name) {
            Ok(figure) => figure.line(),
            Err(error) => format!("{name}: not measured, {error} {MISSED}"),
        };
        println!("{line}");
        lines.push(line);
    }
    for (what, measure) in [
        (ELSEWHERE, measured_elsewhere as fn() -> Result<Vec<String>>),
        ("the collector", measured_of_collector),
        ("the peers of entra-validate", measured_beside_peers),
    ] {
        match measure() {
            Ok(more) => lines.extend(more),
            Err(error) => {
                let line = format!("figures of {what}: not measured, {error} {MISSED}");
                println!("{line}");
                lines.push(line);
            }
        }
    }
    let missed = lines.iter().filter(|line| verdict(line) == Some(MISSED)).count();
    println!("{} figures, {missed} missed", lines.len());
    ExitCode::from(u8::from(missed > 0))
}

/// Runs the program that measures what needs our crates at run time, where there is one, and gives
/// back its figures.
///
/// It prints them in the format of [`Figure::line`]; whatever else it prints is passed on and not
/// counted.
fn measured_elsewhere() -> Result<Vec<String>> {
    if !Workspace::load()?
        .member(ELSEWHERE)
        .is_some_and(|package| package.builds("bin", "figures"))
    {
        return Ok(Vec::new());
    }
    let mut command = cargo([
        "run",
        "--profile",
        PROFILE,
        "--quiet",
        "--package",
        ELSEWHERE,
        "--bin",
        "figures",
    ]);
    for (cryptography, variable) in DRIVERS {
        command.env(variable, driver(cryptography)?);
    }
    printed(command)
}

/// Runs the program that puts the collector under load, and gives back its figures.
fn measured_of_collector() -> Result<Vec<String>> {
    let mut command = collector_load()?;
    command.arg("figures");
    printed(command)
}

/// Runs the program that measures entra-validate beside validators of other projects, and gives
/// back its figures.
///
/// It is a workspace of its own, whose packages are not on every machine.
fn measured_beside_peers() -> Result<Vec<String>> {
    let manifest = root().join("tests").join("peers").join("Cargo.toml");
    match fetch(&manifest, Some(&host()?))? {
        Fetched::All => {}
        Fetched::Stale(why) => return Err(why.into()),
        Fetched::Unreachable(why) => {
            println!("SKIPPED: {why}");
            return Ok(Vec::new());
        }
    }
    let mut command = cargo(["run", "--release", "--quiet", "--locked", "--manifest-path"]);
    command.arg(manifest);
    command.arg("--target-dir").arg(root().join("target").join("peers"));
    printed(command)
}

/// Puts the collector under the full load, or the one that the options name.
pub(crate) fn soak(options: &[&str]) -> ExitCode {
    let run = || {
        let mut command = collector_load()?;
        command.arg("soak").args(options);
        passes(command)
    };
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            println!("soak: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Builds the collector, and gives back the program that runs it, without its words.
fn collector_load() -> Result<Command> {
    let build = [
        "build",
        "--profile",
        PROFILE,
        "--quiet",
        "--package",
        "entra-examples",
        "--bin",
        COLLECTOR,
    ];
    if !passes(cargo(build))? {
        return Err(format!("{COLLECTOR} cannot be built").into());
    }
    let mut command = cargo([
        "run",
        "--profile",
        PROFILE,
        "--quiet",
        "--package",
        ELSEWHERE,
        "--bin",
        "collector",
        "--",
    ]);
    command.env("ENTRA_COLLECTOR", root().join("target").join(PROFILE).join(COLLECTOR));
    Ok(command)
}

/// Runs a program that measures, passes on what it prints, and gives back its figures.
fn printed(mut command: Command) -> Result<Vec<String>> {
    let output = command.stderr(Stdio::inherit()).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    print!("{text}");
    let figures: Vec<String> = text
        .lines()
        .filter(|line| verdict(line).is_some())
        .map(str::to_owned)
        .collect();
    if figures.is_empty() {
        return Err("it printed no figure".into());
    }
    // A program that ends badly without a missed figure did not get to its end.
    if !output.status.success() && figures.iter().all(|line| verdict(line) == Some(OK)) {
        return Err(format!("it ended with {}", output.status).into());
    }
    Ok(figures)
}

/// Builds the driver with one cryptography under TLS, and tells where it is.
fn driver(cryptography: &str) -> Result<PathBuf> {
    let target = root().join("target").join("drivers").join(cryptography);
    let mut command = cargo([
        "build",
        "--profile",
        PROFILE,
        "--quiet",
        "--package",
        "entra-bench-driver",
    ]);
    command.args(["--no-default-features", "--features", cryptography, "--target-dir"]);
    command.arg(&target);
    if !passes(command)? {
        return Err(format!("the driver with {cryptography} cannot be built").into());
    }
    Ok(target.join(PROFILE).join("entra-bench-driver"))
}

/// Returns the verdict of a printed figure, or `None` if the line is not a figure.
fn verdict(line: &str) -> Option<&'static str> {
    let (_, measured) = line.split_once(": ")?;
    let (rest, verdict) = measured.trim_end().rsplit_once(' ')?;
    let verdict = [OK, MISSED].into_iter().find(|known| *known == verdict)?;
    let is_figure = rest.ends_with(')') && rest.contains("(limit ") && starts_with_number(rest);
    (is_figure || rest.starts_with("not measured")).then_some(verdict)
}

fn starts_with_number(text: &str) -> bool {
    text.split(' ')
        .next()
        .is_some_and(|value| value.parse::<f64>().is_ok_and(f64::is_finite))
}

fn crates_in(name: &'static str, package: &str, options: &[&str], limit: f64) -> Result<Figure> {
    let count = tree(package, "normal", options)?.len();
    Ok(Figure {
        name,
        value: count as f64,
        unit: "crates",
        limit,
        at_most: true,
    })
}

/// The crates that a program over ureq has more if it depends on `entra` and not on the crates
/// below it: `entra` itself.
fn added_by_facade(name: &'static str) -> Result<Figure> {
    let facade = tree("entra", "normal", &["--features", "ureq"])?;
    let mut below = tree(
        "entra-client",
        "normal",
        &["--no-default-features", "--features", "coarse-clock"],
    )?;
    below.extend(tree("entra-transport-ureq", "normal", &[])?);
    below.extend(tree(
        "entra-credential",
        "normal",
        &["--no-default-features", "--features", "aws-lc-rs"],
    )?);
    let added = facade.iter().filter(|package| !below.contains(package)).count();
    Ok(Figure {
        name,
        value: added as f64,
        unit: "crates",
        limit: 1.0,
        at_most: true,
    })
}

/// The crates of two packages of one program.
fn together(name: &'static str, one: &str, options: &[&str], other: &str, limit: f64) -> Result<Figure> {
    let mut crates = tree(one, "normal", options)?;
    crates.extend(tree(other, "normal", &[])?);
    crates.sort();
    crates.dedup();
    Ok(Figure {
        name,
        value: crates.len() as f64,
        unit: "crates",
        limit,
        at_most: true,
    })
}

fn program(name: &'static str) -> Result<Figure> {
    let text = fs::read_to_string(root().join("README.md")).map_err(|error| format!("README.md: {error}"))?;
    let lines = lines_of_program(&text).ok_or("README.md has no block of Rust after a line `<!-- program -->`")?;
    Ok(Figure {
        name,
        value: lines as f64,
        unit: "lines",
        limit: 9.0,
        at_most: true,
    })
}

/// The lines of the marked program that say something.
fn lines_of_program(readme: &str) -> Option<usize> {
    let blocks = markdown::blocks(readme);
    let program = blocks
        .iter()
        .find(|block| block.after == "<!-- program -->" && block.language() == "rust")?;
    let says = |line: &&str| !line.trim().is_empty() && !line.trim().starts_with("//");
    Some(program.text.lines().filter(says).count())
}

const OK: &str = "ok";
const MISSED: &str = "MISSED";

/// The package whose binary `figures` measures at run time.
const ELSEWHERE: &str = "entra-tests";

/// The program of the examples that collects audit records.
const COLLECTOR: &str = "office365_collector";

/// The profile of the workspace that measurements are built with: the release profile with line
/// numbers for a profiler.
const PROFILE: &str = "figures";

type Measure = fn(&'static str) -> Result<Figure>;

/// The cryptography libraries of the driver's TLS, each with the variable that names the driver.
const DRIVERS: [(&str, &str); 2] = [("ring", "ENTRA_DRIVER_RING"), ("aws-lc-rs", "ENTRA_DRIVER_AWS_LC_RS")];

const FIGURES: &[(&str, Measure)] = &[
    ("entra-proto without default features", |name| {
        crates_in(name, "entra-proto", &["--no-default-features"], 20.0)
    }),
    ("entra-proto with default features", |name| {
        crates_in(name, "entra-proto", &[], 28.0)
    }),
    ("blocking transport over ureq", |name| {
        crates_in(name, "entra-transport-ureq", &[], 50.0)
    }),
    ("blocking client over ureq", |name| {
        let client = ["--no-default-features", "--features", "coarse-clock"];
        together(name, "entra-client", &client, "entra-transport-ureq", 50.0)
    }),
    (
        "crates that entra adds to a blocking program over ureq",
        added_by_facade,
    ),
    ("program with managed identities over ureq", |name| {
        crates_in(name, "entra", &["--features", "ureq"], 52.0)
    }),
    ("async client over hyper, without coarse clocks", |name| {
        let client = ["--no-default-features", "--features", "tokio"];
        together(name, "entra-client", &client, "entra-transport-hyper", 60.0)
    }),
    // Over the design's 60 by the three crates of the clocks, which halve the cost of a cached
    // token.
    ("async client over hyper, as it comes", |name| {
        together(name, "entra-client", &[], "entra-transport-hyper", 63.0)
    }),
    ("a client-credentials program", program),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_kept_from_its_own_side() {
        let figure = |value, at_most| Figure {
            name: "x",
            value,
            unit: "ms",
            limit: 20.0,
            at_most,
        };
        assert_eq!(figure(20.0, true).line(), "x: 20 ms (limit 20) ok");
        assert_eq!(figure(20.5, true).line(), "x: 20.5 ms (limit 20) MISSED");
        assert_eq!(figure(19.0, false).line(), "x: 19 ms (limit at least 20) MISSED");
        assert_eq!(figure(21.0, false).line(), "x: 21 ms (limit at least 20) ok");
    }

    #[test]
    fn a_printed_figure_is_read_back() {
        assert_eq!(verdict("x: 20 ms (limit 20) ok"), Some(OK));
        assert_eq!(
            verdict("start of the emulator: 1.5 ms (limit 100) MISSED"),
            Some(MISSED)
        );
        assert_eq!(verdict("x: 19 ms (limit at least 20) ok"), Some(OK));
        assert_eq!(verdict("x: not measured, no such crate MISSED"), Some(MISSED));
        for line in [
            "",
            "ok",
            "all is: ok",
            "x: 20 ms ok",
            "x: many ms (limit 20) ok",
            "x: 20 ms (limit 20)",
            "x: NaN ms (limit 20) ok",
        ] {
            assert_eq!(verdict(line), None, "{line}");
        }
    }

    #[test]
    fn only_the_marked_program_is_counted_and_only_what_it_says() {
        let readme = "```rust\nother();\n```\n\n<!-- program -->\n```rust,no_run\n// why\nfn main() {\n\n    call(); // twice\n}\n```\n";
        assert_eq!(lines_of_program(readme), Some(3));
        assert_eq!(lines_of_program("```rust\nother();\n```\n"), None);
        assert_eq!(lines_of_program("<!-- program -->\n```console\n$ x\n```\n"), None);
    }

    #[test]
    fn figures_have_names_of_their_own() {
        let mut names: Vec<_> = FIGURES.iter().map(|(name, _)| name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), FIGURES.len());
    }
}
