//! Tests and stages that cannot run on this machine. They neither pass nor fail, and CI reports
//! them.

use std::env;
use std::io::{BufRead, BufReader, Write, stderr};
use std::process::{Command, Stdio};

use crate::Result;
use crate::verdict::Verdict;

/// The verdict on a stage whose tool is not installed: skipped, or failed where CI has installed
/// the tool.
pub(crate) fn missing(tool: &str, cure: &str) -> Verdict {
    let variable = |name| env::var(name).unwrap_or_default();
    judge(tool, cure, !variable("CI").is_empty(), &variable(NOT_INSTALLED))
}

/// `not_installed` holds the names of the tools that CI could not install.
fn judge(tool: &str, cure: &str, is_ci: bool, not_installed: &str) -> Verdict {
    let reason = format!("`{tool}` is not installed, `{cure}` installs it");
    if is_ci && !not_installed.split_whitespace().any(|name| name == tool) {
        Verdict::Failed(vec![reason])
    } else {
        Verdict::Skipped(reason)
    }
}

/// Runs tests and passes their output on. A test that cannot run writes `SKIPPED: reason` to its
/// standard error, with its name before that if it likes.
///
/// # Errors
/// Returns an error if the command does not start.
pub(crate) fn run_tests(command: Command) -> Result<Verdict> {
    run_showing(command, &mut stderr())
}

fn run_showing(mut command: Command, shown: &mut dyn Write) -> Result<Verdict> {
    let mut child = command.stderr(Stdio::piped()).spawn()?;
    let mut skipped = Vec::new();
    if let Some(errors) = child.stderr.take() {
        for line in BufReader::new(errors).split(b'\n') {
            let line = line?;
            shown.write_all(&line)?;
            shown.write_all(b"\n")?;
            skipped.extend(reason(&String::from_utf8_lossy(&line)));
        }
    }
    Ok(match (child.wait()?.success(), skipped.is_empty()) {
        (false, _) => Verdict::Failed(Vec::new()),
        (true, true) => Verdict::Passed,
        (true, false) => Verdict::PassedInPart(skipped),
    })
}

fn reason(line: &str) -> Option<String> {
    let (before, reason) = line.split_once("SKIPPED: ")?;
    (before.is_empty() || before.ends_with(": ")).then(|| reason.trim_end().to_owned())
}

/// The variable in which `.ci/run` lists the tools that it could not install, with a blank between
/// them.
const NOT_INSTALLED: &str = "CI_NOT_INSTALLED";

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn missing_tool_fails_only_where_ci_installed_it() {
        let verdict = |is_ci, not_installed| judge("cargo-deny", "cargo install cargo-deny", is_ci, not_installed);
        assert!(matches!(verdict(false, ""), Verdict::Skipped(_)));
        assert!(matches!(verdict(true, "cargo-fuzz cargo-deny"), Verdict::Skipped(_)));
        assert!(matches!(verdict(true, "cargo-fuzz"), Verdict::Failed(_)));
    }

    #[test]
    fn skipped_tests_are_recognised_by_their_line() {
        assert_eq!(reason("a::b: SKIPPED: no browser\r"), Some("no browser".to_owned()));
        assert_eq!(reason("SKIPPED: no browser"), Some("no browser".to_owned()));
        assert_eq!(reason("test a::b ... ok"), None);
        assert_eq!(reason("it prints `SKIPPED: x`"), None);
    }

    #[cfg(unix)]
    #[test]
    fn tests_that_skip_do_not_read_like_a_pass() {
        let shell = |script: &str| {
            let mut command = Command::new("sh");
            command.args(["-c", script]);
            // The standard error of this test is read for the same lines.
            run_showing(command, &mut io::sink()).unwrap()
        };
        assert_eq!(shell("echo fine >&2"), Verdict::Passed);
        assert_eq!(
            shell("echo 'a: SKIPPED: no b' >&2"),
            Verdict::PassedInPart(vec!["no b".to_owned()])
        );
        assert_eq!(
            shell("echo 'a: SKIPPED: no b' >&2; exit 1"),
            Verdict::Failed(Vec::new())
        );
    }
}
