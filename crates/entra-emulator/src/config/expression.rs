//! The expressions of flexible federated credentials, language version 1.

use serde_json::{Map, Value};

/// A parsed expression: comparisons that must all be true.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Expression<'a>(Vec<Comparison<'a>>);

#[derive(Debug, PartialEq, Eq)]
struct Comparison<'a> {
    claim: &'a str,
    operator: Operator,
    operand: &'a str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Eq,
    Matches,
}

impl<'a> Expression<'a> {
    /// Parses an expression such as `claims['sub'] matches 'repo:contoso/*'`.
    ///
    /// # Errors
    /// Returns the first problem.
    pub(crate) fn parse(text: &'a str) -> Result<Self, &'static str> {
        if text.len() > LONGEST {
            return Err("it is longer than 600 characters");
        }
        let mut comparisons = Vec::new();
        let mut rest = text.trim();
        loop {
            let (claim, after) = rest
                .strip_prefix("claims['")
                .and_then(|rest| rest.split_once("'] "))
                .ok_or("a comparison must begin with claims['...'] and a space")?;
            if !CLAIMS.contains(&claim) {
                return Err("only claims['sub'] and claims['job_workflow_ref'] can be compared");
            }
            let (operator, after) = after.split_once(" '").ok_or(NO_OPERAND)?;
            let operator = match operator {
                "eq" => Operator::Eq,
                "matches" => Operator::Matches,
                _ => return Err("the operator must be eq or matches, with one space on each side"),
            };
            let (operand, after) = after.split_once('\'').ok_or(NO_OPERAND)?;
            if operand.is_empty() {
                return Err("the compared text is empty");
            }
            comparisons.push(Comparison {
                claim,
                operator,
                operand,
            });
            if after.is_empty() {
                return Ok(Self(comparisons));
            }
            rest = after
                .strip_prefix(" and ")
                .ok_or("comparisons must be joined by ' and '")?;
        }
    }

    /// Returns true if the claims of an assertion match. A claim that is not a string matches
    /// nothing.
    pub(crate) fn is_true(&self, subject: &str, others: &Map<String, Value>) -> bool {
        self.0.iter().all(|comparison| {
            let value = match comparison.claim {
                "sub" => Some(subject),
                name => others.get(name).and_then(Value::as_str),
            };
            value.is_some_and(|value| match comparison.operator {
                Operator::Eq => value == comparison.operand,
                Operator::Matches => is_match(comparison.operand, value),
            })
        })
    }
}

/// Returns true if a text matches a pattern in which `*` stands for any text and `?` for one
/// character. The time is bounded by the product of both lengths.
fn is_match(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut at, mut from) = (0, 0);
    // The last `*`, and the first character of the text that it does not cover.
    let mut star: Option<(usize, usize)> = None;
    while from < text.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, from));
                at += 1;
            }
            Some(one) if *one == '?' || text.get(from) == Some(one) => (at, from) = (at + 1, from + 1),
            _ => {
                let Some((star_at, covered)) = star else { return false };
                star = Some((star_at, covered + 1));
                (at, from) = (star_at + 1, covered + 1);
            }
        }
    }
    pattern.get(at..).unwrap_or_default().iter().all(|rest| *rest == '*')
}

/// The claims that the documents allow.
const CLAIMS: &[&str] = &["sub", "job_workflow_ref"];
const NO_OPERAND: &str = "the operator must be followed by a text in single quotation marks";
/// The longest expression, in bytes.
const LONGEST: usize = 600;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_match_texts_and_characters() {
        for (pattern, text, is) in [
            ("a*c", "abc", true),
            ("a*c", "ac", true),
            ("a*c", "acd", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("a?c", "aéc", true),
            ("*", "", true),
            ("?", "", false),
            ("**a**", "bab", true),
            ("a*b*c", "aXbXbXc", true),
            ("A*", "ab", false),
            ("abc", "abc", true),
            ("abc", "abcd", false),
        ] {
            assert_eq!(is_match(pattern, text), is, "{pattern} {text}");
        }
        let long = "a".repeat(5_000);
        assert!(!is_match(&"a*".repeat(200).replace("aa", "a"), &format!("b{long}")));
    }

    #[test]
    fn comparisons_are_joined_by_and() {
        let text = "claims['sub'] matches 'repo:a/*' and claims['job_workflow_ref'] eq 'x and y'";
        let expression = Expression::parse(text).unwrap();
        let others = |value: Value| Map::from_iter([("job_workflow_ref".to_owned(), value)]);
        assert!(expression.is_true("repo:a/b", &others("x and y".into())));
        assert!(!expression.is_true("repo:b/b", &others("x and y".into())));
        assert!(!expression.is_true("repo:a/b", &others("x".into())));
        assert!(!expression.is_true("repo:a/b", &others(1.into())));
        assert!(!expression.is_true("repo:a/b", &Map::new()));
    }

    #[test]
    fn invalid_expressions_are_rejected() {
        for text in [
            "",
            "sub eq 'a'",
            "claims[\"sub\"] eq 'a'",
            "claims['aud'] eq 'a'",
            "claims['sub'] contains 'a'",
            "claims['sub']  eq 'a'",
            "claims['sub'] eq a",
            "claims['sub'] eq 'a",
            "claims['sub'] eq ''",
            "claims['sub'] eq 'a' or claims['sub'] eq 'b'",
            "claims['sub'] eq 'a' and ",
            "claims['sub'] eq 'a' x",
        ] {
            assert!(Expression::parse(text).is_err(), "{text}");
        }
    }
}
