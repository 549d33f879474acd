//! The verdict of a stage.

/// The result of a stage.
#[derive(Debug, PartialEq)]
pub(crate) enum Verdict {
    Passed,
    /// Passed, but some tests could not run: the reason of each.
    PassedInPart(Vec<String>),
    /// The findings, a line each. Empty if the tool has printed them.
    Failed(Vec<String>),
    /// The reason why it could not run. It neither passes nor fails, and the summary shows it.
    Skipped(String),
}

impl Verdict {
    pub(crate) fn of_tool(passed: bool) -> Self {
        if passed { Self::Passed } else { Self::Failed(Vec::new()) }
    }

    pub(crate) fn of_findings(findings: Vec<String>) -> Self {
        if findings.is_empty() {
            Self::Passed
        } else {
            Self::Failed(findings)
        }
    }

    pub(crate) fn in_words(&self) -> String {
        match self {
            Self::Passed => "ok".to_owned(),
            Self::PassedInPart(reasons) => format!("ok, but {}", tests_skipped(reasons)),
            Self::Failed(_) => "FAILED".to_owned(),
            Self::Skipped(reason) => format!("SKIPPED: {reason}"),
        }
    }
}

fn tests_skipped(reasons: &[String]) -> String {
    let mut different = reasons.to_vec();
    different.sort();
    different.dedup();
    let tests = if reasons.len() == 1 { "test" } else { "tests" };
    format!("{} {tests} SKIPPED: {}", reasons.len(), different.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skipped_tests_are_counted_in_the_summary() {
        let reasons = ["no browser", "not root", "no browser"].map(str::to_owned).to_vec();
        assert_eq!(
            Verdict::PassedInPart(reasons).in_words(),
            "ok, but 3 tests SKIPPED: no browser; not root"
        );
    }
}
