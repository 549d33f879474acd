//! Tests of the rules, each with an example that breaks it.

use super::*;

const GOOD: &str = "//! Parses a number.\n\n/// Returns the number.\nfn number() {}\n";

fn findings(files: &[(&str, &str)]) -> Vec<String> {
    let mut report = Report::default();
    for (file, text) in files {
        report.add(file, text);
    }
    report.findings(&[])
}

fn finding(file: &str, text: &str) -> String {
    let findings = findings(&[(file, text)]);
    assert_eq!(findings.len(), 1, "{findings:?}");
    findings[0].clone()
}

#[test]
fn plain_file_has_no_finding() {
    assert_eq!(
        findings(&[("crates/a/src/lib.rs", GOOD), ("README.md", "# A\n\nPlain text.\n")]),
        [""; 0]
    );
}

#[test]
fn long_comment_is_a_finding() {
    for comment in ["///", "//", "//!"] {
        let line = format!("{comment} {}", "word ".repeat(20));
        let found = finding("crates/a/src/lib.rs", &format!("//! A.\n\n{line}\nfn f() {{}}\n"));
        assert!(found.starts_with("crates/a/src/lib.rs:3: 10"), "{found}");
    }
    let text = format!("# A\n\n{}\n", "word ".repeat(21));
    assert!(finding("README.md", &text).contains("README.md:3: 105 columns"));
}

#[test]
fn address_and_table_row_may_be_long() {
    let text = format!("see https://{}.com\n\n| {} |\n", "a".repeat(100), "b".repeat(100));
    assert_eq!(findings(&[("README.md", &text)]), [""; 0]);
}

#[test]
fn long_code_in_documentation_is_a_finding() {
    let code = "x".repeat(81);
    let text = format!("//! A.\n//!\n//! ```text\n//! {code}\n//! ```\n");
    assert!(finding("crates/a/src/lib.rs", &text).contains(":4: a code block or diagram of 81 columns"));
    let text = format!("```text\n{code}\n```\n");
    assert!(finding("crates/a/docs/b.md", &text).contains(":2: a code block or diagram of 81 columns"));
    assert_eq!(findings(&[("README.md", &text)]), [""; 0]);
}

#[test]
fn missing_head_is_a_finding() {
    assert!(finding("crates/a/src/b.rs", "// why\n\nfn f() {}\n").contains("no `//!` head"));
    assert_eq!(findings(&[("crates/a/tests/it/b.rs", "fn f() {}\n")]), [""; 0]);
}

#[test]
fn long_test_name_is_a_finding() {
    let name = "a".repeat(61);
    for attribute in ["#[test]", "#[tokio::test(start_paused = true)]"] {
        let text = format!("//! A.\n\n{attribute}\n#[ignore]\nasync fn {name}() {{}}\n");
        assert!(finding("crates/a/src/b.rs", &text).contains(":5: a test name of 61 characters"));
    }
    assert_eq!(
        findings(&[("crates/a/src/b.rs", &format!("//! A.\nfn {name}() {{}}\n"))]),
        [""; 0]
    );
}

#[test]
fn unused_word_is_a_finding_in_every_text() {
    for text in [
        "//! A.\n// nobody calls it\n",
        "//! A.\nconst A: &str = \"nobody calls it\";\n",
        "//! A.\nconst A: &str = r#\"a \"quoted\" text, nobody calls it\"#;\n",
        "//! A.\nlet a = 1; // nobody calls it\n",
    ] {
        assert!(
            finding("crates/a/src/b.rs", text).contains("\"nobody\" is not used here"),
            "{text}"
        );
    }
    assert!(finding("docs.md", "Nobody calls it.\n").contains("docs.md:1: \"nobody\""));
    assert_eq!(findings(&[("crates/a/src/b.rs", "//! A.\nfn nobody() {}\n")]), [""; 0]);
}

#[test]
fn word_in_a_later_line_of_a_literal_names_its_line() {
    let text = "//! A.\nconst A: &str = \"one\n two\n nobody\";\n";
    assert!(finding("crates/a/src/b.rs", text).starts_with("crates/a/src/b.rs:4:"));
}

#[test]
fn share_of_questions_is_counted_for_each_part() {
    let good = GOOD.repeat(10);
    let bad = "//! A.\n\n/// Whether it is so.\nfn f() {}\n";
    assert_eq!(
        findings(&[("crates/a/src/a.rs", &good), ("crates/a/src/b.rs", bad)]),
        [""; 0]
    );
    let found = findings(&[("crates/a/src/a.rs", &good), ("crates/b/src/b.rs", bad)]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].starts_with("crates/b: 1 of 2 summaries begin with a question word"),
        "{found:?}"
    );
}

#[test]
fn exemption_holds_only_while_it_is_needed() {
    let exempt = [Exemption {
        file: "a.md",
        word: "nobody",
        reason: "a quotation",
    }];
    let mut report = Report::default();
    report.add("a.md", "Nobody.\n");
    assert_eq!(report.findings(&exempt), [""; 0]);
    report.add("b.md", "Nobody.\n");
    assert_eq!(report.findings(&exempt).len(), 1, "the exemption is of another file");
    assert!(Report::default().findings(&exempt)[0].contains("remove the row"));
}

#[test]
fn exemptions_have_reasons() {
    let reasons = EXEMPT
        .iter()
        .map(|row| row.reason)
        .chain(QUOTED.iter().map(|(_, reason)| *reason));
    assert!(reasons.into_iter().all(|reason| reason.len() > 10));
}

#[test]
fn table_counts_each_part_and_all() {
    let mut report = Report::default();
    report.add("crates/a/src/a.rs", GOOD);
    report.add("crates/b/src/b.rs", "fn f() {}\n");
    let table = report.table();
    let rows: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(
        rows[0],
        [
            "files",
            "lines",
            "summaries",
            "questions",
            "long",
            "code",
            "headless",
            "names",
            "words"
        ]
    );
    assert_eq!(rows[1], ["crates/a", "1", "2", "2", "0", "0", "0", "0", "0", "0"]);
    assert_eq!(rows[2], ["crates/b", "1", "0", "0", "0", "0", "0", "1", "0", "0"]);
    assert_eq!(rows[3], ["all", "2", "2", "2", "0", "0", "0", "1", "0", "0"]);
}
