//! Clients and validators of other vendors against the emulator. `acceptance/clients.txt` and
//! `acceptance/validators.txt` list the expected result of each, and `acceptance/corpus.txt` the
//! validators' differences from the corpus of access tokens. `acceptance/identities.txt` lists the
//! expected results of managed identities.
//!
//! ```text
//!  install   fetches the clients
//!  emulator  runs `entra emulator --tls`
//!  matrix    compares the results of clients and prints them
//!  corpus    compares the verdicts on the corpus and prints them
//!  identities  managed identities, source by source
//!
//!  python/prepare.py                        writes keys and settings
//!  python/drive.py, node/drive.mjs, rust/   run the cases: JSON lines
//!  python/identities.py, node/identities.mjs  managed identities
//!  python/judge.py                          checks tokens, writes cells
//!  python/corpus.py, node/corpus.mjs        judge the corpus
//!  python/validate.py, node/validate.mjs    validate tokens, forgeries
//! ```

mod corpus;
mod emulator;
mod identities;
mod install;
mod matrix;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use self::corpus::{Corpus, Judged};
use self::emulator::Emulator;
use self::matrix::{Matrix, Observed};
use crate::Result;
use crate::cargo::{cargo, output};
use crate::verdict::Verdict;
use crate::workspace::Workspace;

/// Runs every client that can be installed, prints what each got, and fails if a cell is not as
/// expected.
pub(crate) fn check(workspace: &Workspace) -> Result<Verdict> {
    let scripts = workspace.root.join("xtask/acceptance");
    let folder = workspace.target.join("acceptance");
    let run = folder.join("run");
    // Keys and tokens of the previous run.
    let _ = fs::remove_dir_all(&run);
    fs::create_dir_all(&run)?;
    // Python makes the keys and judges the tokens: nothing runs without it.
    let python = match install::python(&scripts.join("python/requirements.txt"), &folder.join("python"))? {
        Ok(program) => Python::new(program, scripts.join("python")),
        Err(verdict) => return Ok(verdict),
    };
    let mut results = Results::default();
    let mut drivers = results.install(&python, &scripts, &folder)?;
    results.judge_corpus(&python, &folder, &run)?;
    let Some(entra) = build()? else {
        return Ok(Verdict::Failed(vec!["the command `entra` does not build".to_owned()]));
    };
    output(python.script("prepare.py", &[&run]))?;
    for issuer in [ENTRA, ORIGIN] {
        let log = run.join(format!("emulator-{issuer}.log"));
        let token = run.join("cluster-token").display().to_string();
        let more = ["--issuer", issuer, "--federated-token-file", &token];
        let emulator = Emulator::start(&entra, &run.join("emulator.json"), &more, &log)?;
        for driver in drivers.iter_mut().filter(|driver| driver.issuer == issuer) {
            results.run(driver, &emulator, &python, &run)?;
        }
    }
    results.ask_identities(&entra, &python, &folder, &run)?;
    results.compare()?;
    Ok(results.verdict(&run))
}

/// The reports of the drivers, and other failures.
#[derive(Default)]
struct Results {
    clients: Observed,
    validators: Observed,
    corpus: Judged,
    identities: Observed,
    /// The sources of managed identities that this machine cannot test, with the reason.
    untested: Vec<(&'static str, String)>,
    findings: Vec<String>,
}

impl Results {
    /// The drivers of all that can be installed. The rest is skipped.
    fn install(&mut self, python: &Python, scripts: &Path, folder: &Path) -> Result<Vec<Driver>> {
        let mut drivers = vec![
            Driver::new(PYTHON, ENTRA, python.script("drive.py", &[])),
            // The other validators check its tokens.
            Driver::new(PYTHON_VALIDATORS, ENTRA, python.script("validate.py", &[])),
        ];
        match install::node(&scripts.join("node"), &folder.join("node"))? {
            Ok(folder) => {
                drivers.push(Driver::new(NODE, ENTRA, node(&folder, "drive.mjs")));
                drivers.push(Driver::new(OPENID, ORIGIN, node(&folder, "drive.mjs")));
                drivers.push(Driver::new(NODE_VALIDATORS, ENTRA, node(&folder, "validate.mjs")));
            }
            Err(verdict) => self.skip(&[NODE, OPENID, NODE_VALIDATORS].concat(), verdict),
        }
        match install::rust(&scripts.join("rust/Cargo.toml"), &folder.join("rust"))? {
            Ok(program) => drivers.push(Driver::new(RUST, ENTRA, Command::new(program))),
            Err(verdict) => self.skip(RUST, verdict),
        }
        Ok(drivers)
    }

    /// Notes that clients cannot run here. Where CI has installed what they need, that is a
    /// finding.
    fn skip(&mut self, names: &[&str], verdict: Verdict) {
        let reason = match verdict {
            Verdict::Skipped(reason) => reason,
            Verdict::Failed(problems) => {
                self.findings.extend(problems.iter().cloned());
                problems.join("; ")
            }
            Verdict::Passed | Verdict::PassedInPart(_) => return,
        };
        for name in names {
            self.observed(name).skip(name, &reason);
            if CORPUS_VALIDATORS.contains(name) {
                self.corpus.skip(name, &reason);
            }
            if identities::NODE.contains(name) {
                self.identities.skip(name, &reason);
            }
        }
    }

    /// Runs the validators on the corpus. They do not use the emulator.
    fn judge_corpus(&mut self, python: &Python, folder: &Path, run: &Path) -> Result<()> {
        let tokens = run.join("access-tokens.json");
        fs::write(&tokens, CORPUS)?;
        let mut commands = vec![(PYTHON_CORPUS, python.script("corpus.py", &[]))];
        if NODE_CORPUS.iter().any(|name| !self.corpus.is_skipped(name)) {
            commands.push((NODE_CORPUS, node(&folder.join("node"), "corpus.mjs")));
        }
        for (names, mut command) in commands {
            let printed = run.join(format!("corpus-{}.jsonl", names[0]));
            self.findings
                .extend(finished(command.arg(&tokens).args(names), names, &printed)?);
            self.corpus.read(&fs::read_to_string(&printed)?);
        }
        Ok(())
    }

    fn run(&mut self, driver: &mut Driver, emulator: &Emulator, python: &Python, run: &Path) -> Result<()> {
        let printed = run.join(format!("{}.jsonl", driver.names[0]));
        let settings = run.join("settings.json");
        self.findings.extend(driver.run(emulator, &settings, &printed)?);
        let cells = if VALIDATORS.contains(&driver.names[0]) {
            fs::read_to_string(&printed)?
        } else {
            let mut judge = python.script("judge.py", &[&settings, &printed]);
            emulator.lend_to(&mut judge);
            output(judge)?
        };
        self.observed(driver.names[0]).read(&cells)
    }

    fn observed(&mut self, name: &str) -> &mut Observed {
        if VALIDATORS.contains(&name) {
            &mut self.validators
        } else {
            &mut self.clients
        }
    }

    /// Prints the tables and records every unexpected cell.
    fn compare(&mut self) -> Result<()> {
        for (expected, observed) in [
            (EXPECTED_OF_VALIDATORS, &self.validators),
            (EXPECTED_OF_CLIENTS, &self.clients),
        ] {
            let matrix = Matrix::parse(expected)?;
            println!("{}\n", matrix.shown(observed));
            self.findings.extend(matrix.differences(observed));
        }
        let mut matrix = Matrix::parse(EXPECTED_OF_IDENTITIES)?;
        for (source, _) in &self.untested {
            matrix = matrix.without(source);
        }
        println!("{}\n", matrix.shown(&self.identities));
        self.findings.extend(matrix.differences(&self.identities));
        let corpus = Corpus::parse(CORPUS, CORPUS_DIFFERENCES)?;
        println!(
            "# Verdicts of validators on the corpus of access tokens; acceptance/corpus.txt lists every difference."
        );
        println!("{}\n", corpus.shown(&self.corpus, CORPUS_VALIDATORS));
        self.findings.extend(corpus.findings(&self.corpus, CORPUS_VALIDATORS));
        Ok(())
    }

    fn verdict(mut self, run: &Path) -> Verdict {
        // The validators of the corpus are skipped as validators here.
        let untested = self.untested.iter().map(|(_, reason)| reason.clone()).collect();
        let skipped = [self.clients.skipped(), self.validators.skipped(), untested].concat();
        if !self.findings.is_empty() {
            let run = run.display();
            let hint = format!("what the drivers and the emulator printed is in {run}");
            self.findings.push(hint);
            Verdict::Failed(self.findings)
        } else if skipped.is_empty() {
            Verdict::Passed
        } else {
            Verdict::PassedInPart(skipped)
        }
    }
}

/// A program that runs the cases of some clients or validators.
struct Driver {
    names: &'static [&'static str],
    /// The emulator's issuer that they require.
    issuer: &'static str,
    command: Command,
}

impl Driver {
    fn new(names: &'static [&'static str], issuer: &'static str, command: Command) -> Self {
        Self { names, issuer, command }
    }

    /// Runs it with its output in `printed`, and returns a failure of the run itself.
    fn run(&mut self, emulator: &Emulator, settings: &Path, printed: &Path) -> Result<Option<String>> {
        emulator.lend_to(&mut self.command);
        let command = self.command.arg(settings).args(self.names);
        finished(command, self.names, printed)
    }
}

/// Runs the driver of these clients or validators with its output in `printed`, and returns what is
/// wrong about the run.
fn finished(command: &mut Command, names: &[&str], printed: &Path) -> Result<Option<String>> {
    let mut child = command.stdin(Stdio::null()).stdout(File::create(printed)?).spawn()?;
    let problem = match ended_within(&mut child, LONGEST_RUN)? {
        Some(status) if status.success() => return Ok(None),
        Some(status) => format!("ended with {status}"),
        None => format!("did not end within {} seconds", LONGEST_RUN.as_secs()),
    };
    Ok(Some(format!("the driver of {} {problem}", names.join(", "))))
}

/// Returns the status of a process that ends in time. Kills one that does not.
fn ended_within(child: &mut Child, longest: Duration) -> Result<Option<ExitStatus>> {
    let start = Instant::now();
    while start.elapsed() < longest {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        sleep(Duration::from_millis(50));
    }
    child.kill()?;
    child.wait()?;
    Ok(None)
}

/// A Python with the packages of the clients.
struct Python {
    program: PathBuf,
    scripts: PathBuf,
}

impl Python {
    fn new(program: PathBuf, scripts: PathBuf) -> Self {
        Self { program, scripts }
    }

    fn script(&self, name: &str, arguments: &[&Path]) -> Command {
        let mut command = Command::new(&self.program);
        // Without -B it would leave its bytecode among the sources.
        command
            .arg("-B")
            .arg(self.scripts.join(name))
            .args(arguments)
            .stdin(Stdio::null());
        command
    }
}

fn node(folder: &Path, script: &str) -> Command {
    let mut command = Command::new("node");
    command.arg(folder.join(script));
    command
}

/// Builds the command `entra` and returns where it is.
fn build() -> Result<Option<PathBuf>> {
    let mut command = cargo([
        "build",
        "--quiet",
        "--package",
        "entra-cli",
        "--message-format",
        "json-render-diagnostics",
    ]);
    let output = command.stderr(Stdio::inherit()).output()?;
    let messages = String::from_utf8(output.stdout)?;
    Ok(executable(&messages, "entra").filter(|_| output.status.success()))
}

/// Returns the path of the program `name` according to cargo's messages, one JSON line each.
fn executable(messages: &str, name: &str) -> Option<PathBuf> {
    let message = |line| serde_json::from_str::<Value>(line).ok();
    let built = |message: Value| {
        let path = message["executable"].as_str().map(PathBuf::from);
        path.filter(|_| message["target"]["name"] == name)
    };
    messages.lines().filter_map(message).find_map(built)
}

/// The names of the clients and validators, as the drivers and the tables have them.
const PYTHON: &[&str] = &["adal", "msal", "az-id", "az-aio", "msal-go", "adal-go"];
const NODE: &[&str] = &["js-id", "msal-js", "adal-js"];
const OPENID: &[&str] = &["openid"];
const RUST: &[&str] = &["rs-id", "oauth2"];
const PYTHON_VALIDATORS: &[&str] = &["pyjwt"];
const NODE_VALIDATORS: &[&str] = &["jose", "jwt-js"];
/// The clients that print cells. The others print tokens, which the judge checks.
const VALIDATORS: &[&str] = &["pyjwt", "jose", "jwt-js"];

/// The validators that judge the corpus of access tokens.
const PYTHON_CORPUS: &[&str] = &["pyjwt", "fastapi"];
const NODE_CORPUS: &[&str] = &["jose"];
const CORPUS_VALIDATORS: &[&str] = &["pyjwt", "fastapi", "jose"];

/// Values of `entra emulator --issuer`. Some clients compare the issuer with the address of its
/// document.
const ENTRA: &str = "entra";
const ORIGIN: &str = "origin";

const EXPECTED_OF_CLIENTS: &str = include_str!("../acceptance/clients.txt");
const EXPECTED_OF_VALIDATORS: &str = include_str!("../acceptance/validators.txt");
const EXPECTED_OF_IDENTITIES: &str = include_str!("../acceptance/identities.txt");
const CORPUS: &str = include_str!("../../crates/entra-emulator/corpus/access-tokens.json");
const CORPUS_DIFFERENCES: &str = include_str!("../acceptance/corpus.txt");
const LONGEST_RUN: Duration = Duration::from_secs(300);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_found_among_what_else_was_built() {
        let messages = r#"{"reason":"compiler-artifact","target":{"name":"entra_cli"},"executable":null}
            {"reason":"compiler-artifact","target":{"name":"other"},"executable":"/t/other"}
            {"reason":"compiler-artifact","target":{"name":"entra"},"executable":"/t/entra"}
            {"reason":"build-finished","success":true}"#;
        assert_eq!(executable(messages, "entra"), Some("/t/entra".into()));
        assert_eq!(executable(messages, "entra_cli"), None);
        assert_eq!(executable("no JSON", "entra"), None);
    }

    #[test]
    fn skipped_client_keeps_the_stage_from_passing() {
        let run = Path::new("/run");
        assert_eq!(Results::default().verdict(run), Verdict::Passed);
        for name in ["adal", "jose"] {
            let mut results = Results::default();
            results.skip(&[name], Verdict::Skipped("no node".to_owned()));
            assert_eq!(results.verdict(run), Verdict::PassedInPart(vec!["no node".to_owned()]));
        }
    }

    #[test]
    fn missing_tool_is_a_finding_where_ci_installs_it() {
        let mut results = Results::default();
        results.skip(&["jose", "adal"], Verdict::Failed(vec!["no node".to_owned()]));
        assert_eq!(results.findings, ["no node"]);
        assert_eq!(results.validators.skipped(), results.clients.skipped());
        assert!(matches!(results.verdict(Path::new("/run")), Verdict::Failed(_)));
    }

    #[test]
    fn nothing_observed_fails_the_stage() {
        let mut results = Results::default();
        results.compare().unwrap();
        assert!(matches!(results.verdict(Path::new("/run")), Verdict::Failed(_)));
    }

    #[test]
    fn every_client_has_a_driver() {
        let clients = [PYTHON, NODE, OPENID, RUST].concat();
        let validators = [PYTHON_VALIDATORS, NODE_VALIDATORS].concat();
        assert_eq!(validators, VALIDATORS);
        for (text, mut driven) in [(EXPECTED_OF_CLIENTS, clients), (EXPECTED_OF_VALIDATORS, validators)] {
            let header = text.lines().find(|line| !line.starts_with('#')).unwrap();
            let mut expected: Vec<_> = header.split('|').map(str::trim).skip(1).collect();
            expected.sort_unstable();
            driven.sort_unstable();
            assert_eq!(driven, expected);
        }
    }

    #[test]
    fn every_validator_of_the_corpus_has_a_driver() {
        assert_eq!([PYTHON_CORPUS, NODE_CORPUS].concat(), CORPUS_VALIDATORS);
        // A skipped client is counted in the other table.
        assert!(NODE_CORPUS.iter().all(|name| NODE_VALIDATORS.contains(name)));
    }

    #[cfg(unix)]
    #[test]
    fn driver_that_does_not_end_is_ended() {
        let mut child = Command::new("sleep").arg("600").spawn().unwrap();
        assert_eq!(ended_within(&mut child, Duration::from_millis(1)).unwrap(), None);
        let mut child = Command::new("true").spawn().unwrap();
        assert!(
            ended_within(&mut child, LONGEST_RUN)
                .unwrap()
                .is_some_and(|status| status.success())
        );
    }
}
