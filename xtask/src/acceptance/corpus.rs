//! The verdicts of validators of other makers on the corpus of access tokens, compared with the
//! corpus's own. `acceptance/corpus.txt` lists every difference, with who is right and why.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::Value;

use crate::Result;

/// The corpus's verdict on each token, and the differences that are known.
#[derive(Debug)]
pub(super) struct Corpus {
    verdicts: BTreeMap<String, String>,
    /// The verdict that a validator is known to have on a token.
    listed: BTreeMap<Row, String>,
}

/// A validator and a token.
type Row = (String, String);

/// The reports of the drivers.
#[derive(Debug, Default)]
pub(super) struct Judged {
    verdicts: BTreeMap<Row, String>,
    versions: BTreeMap<String, String>,
    skipped: BTreeMap<String, String>,
}

impl Corpus {
    /// Reads the corpus and the list of differences.
    ///
    /// The list has groups: a line `VALIDATOR .. | VERDICT | WHO IS RIGHT | WHY`, and the names of
    /// the tokens below it, each indented on a line of its own. Lines that begin with `#` are
    /// comments.
    pub(super) fn parse(corpus: &str, list: &str) -> Result<Self> {
        let corpus: Value = serde_json::from_str(corpus)?;
        let tokens = corpus["tokens"].as_array().ok_or("the corpus has no tokens")?;
        let text = |token: &Value, member| token[member].as_str().map(str::to_owned);
        let verdicts = tokens
            .iter()
            .filter_map(|token| text(token, "name").zip(text(token, "verdict")));
        let mut read = Self {
            verdicts: verdicts.collect(),
            listed: BTreeMap::new(),
        };
        let mut group: Option<(Vec<&str>, &str)> = None;
        for line in list
            .lines()
            .filter(|line| !line.trim().is_empty() && !line.starts_with('#'))
        {
            let error = |problem| format!("the list of differences: {problem}: {line:?}");
            if line.starts_with(' ') {
                let (validators, verdict) = group.as_ref().ok_or_else(|| error("no group is above it"))?;
                read.list(validators, line.trim(), verdict).map_err(error)?;
                continue;
            }
            let parts: Vec<&str> = line.split('|').map(str::trim).collect();
            let [validators, verdict, right, why] = parts[..] else {
                return Err(error("there are not four parts").into());
            };
            if !RIGHT.contains(&right) || why.is_empty() {
                return Err(error("it does not say who is right and why").into());
            }
            group = Some((validators.split_whitespace().collect(), verdict));
        }
        Ok(read)
    }

    fn list(&mut self, validators: &[&str], token: &str, verdict: &str) -> std::result::Result<(), &'static str> {
        let expected = self.verdicts.get(token).ok_or("the corpus has no such token")?;
        if agrees(verdict, expected) {
            return Err("that is no difference");
        }
        for validator in validators {
            let row = ((*validator).to_owned(), token.to_owned());
            if self.listed.insert(row, verdict.to_owned()).is_some() {
                return Err("it is listed twice");
            }
        }
        Ok(())
    }

    /// Differences that are not listed and those that are listed and did not occur, a line each.
    pub(super) fn findings(&self, judged: &Judged, validators: &[&str]) -> Vec<String> {
        let mut findings = Vec::new();
        for validator in validators {
            if judged.is_skipped(validator) {
                continue;
            }
            for (token, expected) in &self.verdicts {
                let row = ((*validator).to_owned(), token.clone());
                let problem = match (judged.verdicts.get(&row), self.listed.get(&row)) {
                    (None, _) => "it was not judged".to_owned(),
                    (Some(verdict), None) if agrees(verdict, expected) => continue,
                    (Some(verdict), Some(listed)) if verdict == listed => continue,
                    (Some(verdict), None) => format!("{verdict} and not {expected}, and the difference is not listed"),
                    (Some(verdict), Some(listed)) => format!("{verdict} and not {listed}, as it is listed"),
                };
                findings.push(format!("{validator}, {token}: {problem}"));
            }
        }
        let run: BTreeSet<&str> = validators.iter().copied().collect();
        let named = self.listed.keys().chain(judged.verdicts.keys());
        let unknown =
            named.filter(|(validator, token)| !run.contains(validator.as_str()) || !self.verdicts.contains_key(token));
        findings.extend(unknown.map(|(validator, token)| format!("{validator}, {token}: there is no such row")));
        findings
    }

    /// A line for each validator.
    pub(super) fn shown(&self, judged: &Judged, validators: &[&str]) -> String {
        let mut text = "validator    agrees  differs".to_owned();
        for validator in validators {
            if let Some(reason) = judged.skipped.get(*validator) {
                let _ = write!(text, "\n{validator:12} SKIPPED: {reason}");
                continue;
            }
            let (mut agree, mut differ) = (0, 0);
            for ((_, token), verdict) in judged.verdicts.iter().filter(|((name, _), _)| name == validator) {
                match self.verdicts.get(token) {
                    Some(expected) if agrees(verdict, expected) => agree += 1,
                    _ => differ += 1,
                }
            }
            let version = judged.versions.get(*validator).map_or("", String::as_str);
            let _ = write!(text, "\n{validator:12} {agree:6} {differ:8}  {version}");
        }
        text
    }
}

impl Judged {
    /// Adds what a driver printed, a line of JSON each.
    pub(super) fn read(&mut self, lines: &str) {
        // A library may print a warning, and a driver that was ended half a line.
        for line in lines
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        {
            let text = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
            let validator = text("validator");
            if line["token"].is_string() {
                self.verdicts.insert((validator, text("token")), text("verdict"));
            } else if line["skipped"].is_string() {
                self.skip(&validator, &text("skipped"));
            } else {
                self.versions.insert(validator, text("version"));
            }
        }
    }

    /// Notes that a validator cannot run here.
    pub(super) fn skip(&mut self, validator: &str, reason: &str) {
        self.skipped.insert(validator.to_owned(), reason.to_owned());
    }

    pub(super) fn is_skipped(&self, validator: &str) -> bool {
        self.skipped.contains_key(validator)
    }
}

/// Returns true if a verdict agrees with the corpus. A library without statuses only rejects.
fn agrees(verdict: &str, expected: &str) -> bool {
    verdict == expected || (verdict == "reject" && expected != "accept")
}

const RIGHT: &[&str] = &["corpus", "validator", "both"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acceptance::{CORPUS, CORPUS_DIFFERENCES, CORPUS_VALIDATORS};

    const TOKENS: &str = r#"{"tokens": [
        {"name": "good", "verdict": "accept"}, {"name": "bad", "verdict": "401"}, {"name": "poor", "verdict": "403"}]}"#;
    const LIST: &str =
        "# comment\na b | accept | corpus | it does not look\n    poor\n\nb | 403 | both | it is early\n    bad\n";

    fn judged(rows: &[(&str, &str, &str)]) -> Judged {
        let mut judged = Judged::default();
        for (validator, token, verdict) in rows {
            judged.read(&format!(
                r#"{{"validator":"{validator}","token":"{token}","verdict":"{verdict}"}}"#
            ));
        }
        judged
    }

    const AS_LISTED: &[(&str, &str, &str)] = &[
        ("a", "good", "accept"),
        ("a", "bad", "reject"),
        ("a", "poor", "accept"),
        ("b", "good", "accept"),
        ("b", "bad", "403"),
        ("b", "poor", "accept"),
    ];

    #[test]
    fn listed_differences_are_no_findings() {
        let corpus = Corpus::parse(TOKENS, LIST).unwrap();
        let mut judged = judged(AS_LISTED);
        judged.read("a warning\n{\"validator\":\"a\",\"version\":\"a 1.0\"}");
        assert_eq!(corpus.findings(&judged, &["a", "b"]), Vec::<String>::new());
        let shown = corpus.shown(&judged, &["a", "b"]);
        let numbers: Vec<Vec<&str>> = shown.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(numbers[1], ["a", "2", "1", "a", "1.0"]);
        assert_eq!(numbers[2], ["b", "1", "2"]);
    }

    #[test]
    fn unlisted_changed_or_vanished_difference_is_a_finding() {
        let corpus = Corpus::parse(TOKENS, LIST).unwrap();
        for (at, verdict, words) in [
            (0, "reject", "reject and not accept"),
            (1, "accept", "accept and not 401"),
            (2, "reject", "reject and not accept, as it is listed"),
            (4, "401", "401 and not 403, as it is listed"),
            (4, "accept", "accept and not 403, as it is listed"),
        ] {
            let mut rows = AS_LISTED.to_vec();
            rows[at].2 = verdict;
            let findings = corpus.findings(&judged(&rows), &["a", "b"]);
            assert_eq!(findings.len(), 1, "{findings:?}");
            assert!(findings[0].contains(words), "{findings:?}");
        }
    }

    #[test]
    fn token_without_a_verdict_is_a_finding() {
        let corpus = Corpus::parse(TOKENS, LIST).unwrap();
        let findings = corpus.findings(&judged(&AS_LISTED[..5]), &["a", "b"]);
        assert_eq!(findings, ["b, poor: it was not judged"]);
        assert_eq!(corpus.findings(&Judged::default(), &["a", "b"]).len(), 6);
        // Of a validator and of a token that nothing knows.
        let rows = [AS_LISTED, &[("c", "good", "accept"), ("a", "new", "accept")]].concat();
        assert_eq!(corpus.findings(&judged(&rows), &["a", "b"]).len(), 2);
    }

    #[test]
    fn skipped_validator_is_no_finding_and_no_pass() {
        let corpus = Corpus::parse(TOKENS, LIST).unwrap();
        let mut judged = judged(&AS_LISTED[..3]);
        judged.read(r#"{"validator":"b","skipped":"no node"}"#);
        assert_eq!(corpus.findings(&judged, &["a", "b"]), Vec::<String>::new());
        assert!(judged.is_skipped("b") && !judged.is_skipped("a"));
        assert!(
            corpus
                .shown(&judged, &["a", "b"])
                .contains("b            SKIPPED: no node")
        );
    }

    #[test]
    fn list_that_cannot_be_right_is_an_error() {
        for list in [
            "    poor\n",
            "a | accept | corpus\n    poor\n",
            "a | accept | unheard | why\n    poor\n",
            "a | accept | corpus | \n    poor\n",
            "a | accept | corpus | why\n    unknown\n",
            "a | accept | corpus | why\n    good\n",
            "a | reject | corpus | why\n    poor\n",
            "a | accept | corpus | why\n    poor\n    poor\n",
        ] {
            assert!(Corpus::parse(TOKENS, list).is_err(), "{list}");
        }
    }

    #[test]
    fn list_of_the_repository_is_readable() {
        let corpus = Corpus::parse(CORPUS, CORPUS_DIFFERENCES).unwrap();
        assert!(corpus.verdicts.len() > 200);
        for validator in CORPUS_VALIDATORS {
            assert!(corpus.listed.keys().any(|(name, _)| name == validator), "{validator}");
        }
        for (validator, _) in corpus.listed.keys() {
            assert!(CORPUS_VALIDATORS.contains(&validator.as_str()), "{validator}");
        }
    }
}
