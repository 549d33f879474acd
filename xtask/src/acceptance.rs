//! Clients and validators of other makers against the emulator. `acceptance/clients.txt` and `acceptance/validators.txt` say
//! what each of them has to get.
//!
//! ```text
//!  install   fetches the clients           python/prepare.py  writes keys, configurations and settings
//!  emulator  runs `entra emulator --tls`   python/drive.py, node/drive.mjs, rust/  run the cases, a line of JSON each
//!  matrix    compares and prints           python/judge.py  checks the tokens and turns the lines into cells
//!                                          python/validate.py, node/validate.mjs  validate tokens and forgeries
//! ```

mod emulator;
mod install;
mod matrix;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use self::emulator::Emulator;
use self::matrix::{Matrix, Observed};
use crate::Result;
use crate::cargo::{cargo, output};
use crate::stage::Verdict;
use crate::workspace::Workspace;

/// Runs every client that can be had, prints the matrix, and fails if a cell is not as expected.
pub(crate) fn check(workspace: &Workspace) -> Result<Verdict> {
    let scripts = workspace.root.join("xtask/acceptance");
    let folder = workspace.target.join("acceptance");
    // Keys of the run before are of no use.
    let run = folder.join("run");
    let _ = fs::remove_dir_all(&run);
    fs::create_dir_all(&run)?;
    // It makes the keys and judges the tokens: nothing runs without it.
    let python = match install::python(&scripts.join("python/requirements.txt"), &folder.join("python"))? {
        Ok(python) => Python {
            python,
            scripts: scripts.join("python"),
        },
        Err(verdict) => return Ok(verdict),
    };
    let mut findings = Vec::new();
    let (mut clients, mut validators) = (Observed::default(), Observed::default());
    let mut drivers = vec![
        Driver::new(PYTHON, EMULATOR, python.script("drive.py")),
        // It leaves its tokens to the other validators.
        Driver::new(PYTHON_VALIDATORS, EMULATOR, python.script("validate.py")).unjudged(),
    ];
    match install::node(&scripts.join("node"), &folder.join("node"))? {
        Ok(folder) => {
            drivers.push(Driver::new(NODE, EMULATOR, node(&folder, "drive.mjs")));
            drivers.push(Driver::new(OPENID, ORIGIN, node(&folder, "drive.mjs")));
            drivers.push(Driver::new(NODE_VALIDATORS, EMULATOR, node(&folder, "validate.mjs")).unjudged());
        }
        Err(verdict) => {
            let reason = reason(verdict, &mut findings);
            clients.skip(&[NODE, OPENID].concat(), &reason);
            validators.skip(NODE_VALIDATORS, &reason);
        }
    }
    match install::rust(&scripts.join("rust/Cargo.toml"), &folder.join("rust"))? {
        Ok(program) => drivers.push(Driver::new(RUST, EMULATOR, Command::new(program))),
        Err(verdict) => clients.skip(RUST, &reason(verdict, &mut findings)),
    }
    let Some(entra) = build()? else {
        return Ok(Verdict::Failed(vec!["the command `entra` does not build".to_owned()]));
    };
    let mut prepare = python.script("prepare.py");
    prepare.arg(&run);
    output(prepare)?;
    for config in [EMULATOR, ORIGIN] {
        let emulator = Emulator::start(&entra, &run.join(config), &run.join(config).with_extension("log"))?;
        for driver in drivers.iter_mut().filter(|driver| driver.config == config) {
            let printed = run.join(format!("{}.jsonl", driver.clients[0]));
            findings.extend(driver.run(&emulator, &run, &printed)?);
            if !driver.is_judged {
                validators.read(&fs::read_to_string(&printed)?)?;
                continue;
            }
            let mut judge = python.script("judge.py");
            emulator.lend_to(&mut judge);
            judge.arg(run.join(SETTINGS)).arg(&printed);
            clients.read(&output(judge)?)?;
        }
    }
    for (expected, observed) in [(VALIDATORS, &validators), (CLIENTS, &clients)] {
        let matrix = Matrix::parse(expected)?;
        println!("{}\n", matrix.shown(observed));
        findings.extend(matrix.differences(observed));
    }
    let skipped = [clients.skipped(), validators.skipped()].concat();
    Ok(verdict(findings, skipped, &run))
}

fn verdict(mut findings: Vec<String>, skipped: Vec<String>, run: &Path) -> Verdict {
    if !findings.is_empty() {
        findings.push(format!(
            "what the drivers and the emulator printed is in {}",
            run.display()
        ));
        Verdict::Failed(findings)
    } else if skipped.is_empty() {
        Verdict::Passed
    } else {
        Verdict::PassedInPart(skipped)
    }
}

/// Why clients cannot run here. Where CI has installed what they need, that is a finding.
fn reason(verdict: Verdict, findings: &mut Vec<String>) -> String {
    if let Verdict::Failed(problems) = &verdict {
        findings.extend(problems.iter().cloned());
    }
    match verdict {
        Verdict::Skipped(reason) => reason,
        Verdict::Failed(problems) => problems.join("; "),
        Verdict::Passed | Verdict::PassedInPart(_) => String::new(),
    }
}

/// A program that runs the cases of some clients.
struct Driver {
    clients: &'static [&'static str],
    /// The emulator's configuration that they need.
    config: &'static str,
    command: Command,
    /// Whether it prints tokens. Otherwise it prints cells.
    is_judged: bool,
}

impl Driver {
    fn new(clients: &'static [&'static str], config: &'static str, command: Command) -> Self {
        Self {
            clients,
            config,
            command,
            is_judged: true,
        }
    }

    fn unjudged(self) -> Self {
        Self {
            is_judged: false,
            ..self
        }
    }

    /// Runs it with its output in `printed`, and returns what is wrong about the run itself.
    fn run(&mut self, emulator: &Emulator, run: &Path, printed: &Path) -> Result<Option<String>> {
        emulator.lend_to(&mut self.command);
        self.command.arg(run.join(SETTINGS)).args(self.clients);
        let mut child = self
            .command
            .stdin(Stdio::null())
            .stdout(File::create(printed)?)
            .spawn()?;
        let problem = match ended_within(&mut child, LONGEST_RUN)? {
            Some(status) if status.success() => return Ok(None),
            Some(status) => format!("ended with {status}"),
            None => format!("did not end within {} seconds", LONGEST_RUN.as_secs()),
        };
        Ok(Some(format!("the driver of {} {problem}", self.clients.join(", "))))
    }
}

/// The status of a process that ends in time. One that does not is ended.
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
    python: PathBuf,
    scripts: PathBuf,
}

impl Python {
    fn script(&self, name: &str) -> Command {
        let mut command = Command::new(&self.python);
        // Without -B it would leave its bytecode among the sources.
        command.arg("-B").arg(self.scripts.join(name)).stdin(Stdio::null());
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

/// Where cargo's messages, a line of JSON each, say that the program `name` was put.
fn executable(messages: &str, name: &str) -> Option<PathBuf> {
    let message = |line| serde_json::from_str::<Value>(line).ok();
    let built = |message: Value| {
        let path = message["executable"].as_str().map(PathBuf::from);
        path.filter(|_| message["target"]["name"] == name)
    };
    messages.lines().filter_map(message).find_map(built)
}

/// The names of the clients, as the drivers and the expectations have them.
const PYTHON: &[&str] = &["adal", "msal", "az-id", "az-aio", "msal-go", "adal-go"];
const NODE: &[&str] = &["js-id", "msal-js", "adal-js"];
const OPENID: &[&str] = &["openid"];
const RUST: &[&str] = &["rs-id", "oauth2"];
const PYTHON_VALIDATORS: &[&str] = &["pyjwt"];
const NODE_VALIDATORS: &[&str] = &["jose", "jwt-js"];

/// The files that `python/prepare.py` writes. The second configuration has issuers of the emulator's own origin.
const EMULATOR: &str = "emulator.json";
const ORIGIN: &str = "origin.json";
const SETTINGS: &str = "settings.json";

const CLIENTS: &str = include_str!("../acceptance/clients.txt");
const VALIDATORS: &str = include_str!("../acceptance/validators.txt");
const LONGEST_RUN: Duration = Duration::from_secs(150);

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
        assert_eq!(verdict(Vec::new(), Vec::new(), run), Verdict::Passed);
        let skipped = vec!["no node".to_owned()];
        let in_part = verdict(Vec::new(), skipped.clone(), run);
        assert_eq!(in_part, Verdict::PassedInPart(skipped.clone()));
        assert!(matches!(
            verdict(vec!["a".to_owned()], skipped, run),
            Verdict::Failed(_)
        ));
    }

    #[test]
    fn missing_tool_is_a_finding_where_ci_installs_it() {
        let mut findings = Vec::new();
        assert_eq!(reason(Verdict::Skipped("no node".to_owned()), &mut findings), "no node");
        assert!(findings.is_empty());
        let failed = Verdict::Failed(vec!["no node".to_owned()]);
        assert_eq!(reason(failed, &mut findings), "no node");
        assert_eq!(findings, ["no node"]);
    }

    #[test]
    fn every_client_has_a_driver() {
        let validators = [PYTHON_VALIDATORS, NODE_VALIDATORS].concat();
        for (text, mut driven) in [
            (CLIENTS, [PYTHON, NODE, OPENID, RUST].concat()),
            (VALIDATORS, validators),
        ] {
            let header = text.lines().find(|line| !line.starts_with('#')).unwrap();
            let mut expected: Vec<_> = header.split('|').map(str::trim).skip(1).collect();
            expected.sort_unstable();
            driven.sort_unstable();
            assert_eq!(driven, expected);
        }
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
