//! The words and phrases that are not used in this project, with their replacements.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::page::Fault;

/// Finds the words that are not used here. Case does not matter.
pub(super) fn find(line: usize, text: &str) -> Vec<Fault> {
    let spoken = spoken(text);
    let mut faults = Vec::new();
    for (start, word) in spoken.iter().enumerate() {
        for (phrase, instead) in BY_FIRST_WORD.get(word.as_str()).into_iter().flatten() {
            if begins_with(&spoken[start..], phrase) && !is_usual(&spoken, start) {
                faults.push(Fault::Word {
                    line,
                    word: phrase,
                    instead,
                });
            }
        }
    }
    faults
}

/// The phrases by their first word, with their replacements.
static BY_FIRST_WORD: LazyLock<HashMap<&str, Vec<(&str, &str)>>> = LazyLock::new(|| {
    let mut phrases: HashMap<&str, Vec<(&str, &str)>> = HashMap::new();
    for &(group, instead) in NOT_USED {
        for &phrase in group {
            let first = phrase.split(' ').next().unwrap_or_default();
            phrases.entry(first).or_default().push((phrase, instead));
        }
    }
    phrases
});

/// Returns `line` without the text between backticks and without the targets of links.
pub(super) fn without_code(line: &str) -> String {
    let line = line.split('`').step_by(2).collect::<Vec<_>>().join(" _ ");
    let mut parts = line.split("](");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        text.push_str(" _ ");
        text.push_str(part.split_once(')').map_or("", |(_, rest)| rest));
    }
    text
}

/// Returns the words of `text` in lower case. A name with an underscore or a digit in it is one word.
fn spoken(text: &str) -> Vec<String> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_')
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect()
}

fn begins_with(spoken: &[String], phrase: &str) -> bool {
    let mut spoken = spoken.iter();
    phrase
        .split(' ')
        .all(|word| spoken.next().is_some_and(|found| found == word))
}

/// Returns true if the word at `at` belongs to a usual phrase: "connection refused".
fn is_usual(spoken: &[String], at: usize) -> bool {
    spoken[at] == "refused" && spoken.iter().any(|word| word == "connection")
}

/// Words and phrases, each group with its replacement.
const NOT_USED: &[(&[&str], &str)] = &[
    (
        &["nobody", "somebody", "anybody"],
        "say \"no caller\", \"a user\", \"any program\"",
    ),
    (
        &["whoever", "whomever"],
        "say \"the caller that ..\" or \"users who ..\"",
    ),
    (
        &["he", "his", "him", "himself", "she", "her", "hers"],
        "say \"they\", \"their\", \"them\"",
    ),
    (&["to be had"], "say \"available\""),
    (&["so many", "so much"], "say \"that many\", or name the number"),
    (
        &["answer", "answers", "answered", "answering"],
        "say \"response\", \"responds\" or \"returns\"",
    ),
    (
        &["refusal", "refusals", "refuse", "refuses", "refused", "refusing"],
        "say \"rejection\", \"error response\" or \"rejects\"",
    ),
    (
        &[
            "hand out",
            "hands out",
            "handed out",
            "give out",
            "gives out",
            "gave out",
            "given out",
        ],
        "say \"return\" or \"issue\"",
    ),
    (&["mend", "mends", "mended", "mending"], "say \"fix\""),
    (&["twin", "twins"], "say \"counterpart\""),
    (
        &["setback", "setbacks", "trouble", "troubles"],
        "say \"failure\" or \"problem\"",
    ),
    (&["told"], "say \"reported\", \"informed\" or \"distinguished\""),
    (
        &["is none", "are none", "was none", "were none"],
        "say what it is not: \"is not a number\", \"there is no file\"",
    ),
    (
        &["needs it not", "needs not", "know not", "knows not"],
        "say \"does not need\", \"does not know\"",
    ),
    (&["leader", "leaders"], "say \"flight owner\""),
    (&["in the air"], "say \"in flight\""),
    (
        &["take off", "takes off", "took off", "land", "lands", "landed"],
        "say \"start\" or \"complete\"",
    ),
    (&["let in", "lets in", "letting in"], "say \"consent\" or \"admit\""),
    (&["spent"], "say \"exhausted\" or \"used\""),
    (
        &[
            "come of it",
            "comes of it",
            "came of it",
            "came of",
            "comes of this",
            "comes of that",
        ],
        "say \"the result\"",
    ),
    (&["once more"], "say \"again\""),
    (&["for ever"], "say \"forever\" or \"without end\""),
    (
        &[
            "lest", "hitherto", "thereof", "wherein", "whereof", "therein", "amid", "amidst", "nay", "ere",
        ],
        "use a modern word",
    ),
    (
        &[
            "kept token",
            "kept tokens",
            "keeps a token",
            "keeps the token",
            "keeps tokens",
            "keep a token",
        ],
        "say \"cached\", \"caches\"",
    ),
    (&["at home", "bad day", "bad days", "in words"], "use a plain word"),
    (
        &["asks the service for", "ask the service for", "asks entra for"],
        "say \"requests\"",
    ),
    (
        &["long since", "ever so", "no less", "none but", "not a few", "ought"],
        "use a plain word",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phrases_are_found_word_by_word() {
        let found = |text: &str| find(3, text).iter().filter_map(Fault::word).collect::<Vec<_>>();
        assert_eq!(found("Nobody knows; a token is To be  had."), ["nobody", "to be had"]);
        assert_eq!(found("to behave, therefore, the landing, her_name"), [""; 0]);
        assert_eq!(found("the connection was refused"), [""; 0]);
        assert_eq!(found("the request was refused"), ["refused"]);
    }

    #[test]
    fn code_and_targets_of_links_are_not_text() {
        assert_eq!(
            spoken(&without_code("see [the `answer`](answer.md), please")),
            ["see", "the", "_", "_", "please"]
        );
    }

    #[test]
    fn phrases_are_lower_case_and_named_once() {
        let all: Vec<_> = NOT_USED.iter().flat_map(|(phrases, _)| phrases.iter()).collect();
        for (at, phrase) in all.iter().enumerate() {
            assert_eq!(phrase.to_lowercase(), **phrase);
            assert!(!all[..at].contains(phrase), "{phrase} stands twice");
        }
    }
}
