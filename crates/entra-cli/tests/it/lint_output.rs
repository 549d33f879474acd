//! The output of `entra lint`, and its list of rules.

use std::fs;

use serde_json::Value;

use super::lint::findings;
use crate::common::{entra, err, fails, folder, out, run};

#[test]
fn findings_have_a_place_and_a_fix() {
    let folder = folder("lint_told");
    let path = folder.join("a.txt");
    fs::write(&path, "\u{e9}\u{e9} grant_type=client_credential\n").unwrap();
    let output = run(&["lint", path.to_str().unwrap()], &[]);
    let expected = format!(
        "{}:1:15: \"client_credential\" is not a grant type [grant-type]\n    write client_credentials\n",
        path.display()
    );
    assert_eq!(out(&output), expected);
    assert_eq!(output.status.code(), Some(11));
    assert!(
        err(&output).starts_with("error: 1 problem and 0 notes in 1 of 1 file; "),
        "{}",
        err(&output)
    );

    let output = entra(&["lint", "-", "-o", "json"], &[], "x\ngrant_type=client_credential");
    let all = findings(&output);
    assert_eq!(
        (all[0]["file"].as_str(), all[0]["line"].as_u64()),
        (Some("standard input"), Some(2))
    );
    assert_eq!(all[0]["hints"][0], "write client_credentials");
    // A note does not count as a problem.
    let output = entra(&["lint", "-"], &[], "about ADAL");
    assert!(
        output.status.success() && err(&output).contains("1 note and no problem"),
        "{}",
        err(&output)
    );
    let output = entra(&["lint", "-"], &[], "");
    assert!(
        output.status.success() && err(&output).contains("no problems in 1 file"),
        "{}",
        err(&output)
    );
}

#[test]
fn rules_are_listed_explained_and_allowed() {
    let output = run(&["lint", "--list", "-o", "json"], &[]);
    let rules: Vec<Value> = serde_json::from_str(out(&output)).unwrap();
    assert!(rules.len() > 15);
    let list = run(&["lint", "--list"], &[]);
    for rule in &rules {
        let id = rule["rule"].as_str().unwrap();
        assert!(out(&list).lines().any(|line| line.starts_with(id)), "{id}");
        let output = run(&["lint", "--explain", id], &[]);
        assert!(
            out(&output).contains("reason  ") && out(&output).contains("instead  "),
            "{}",
            out(&output)
        );
    }
    fails(
        &run(&["lint", "--explain", "granttype"], &[]),
        2,
        &["did you mean grant-type"],
    );
    fails(&run(&["lint", "--allow", "nosuch", "-"], &[]), 2, &["no rule nosuch"]);
    fails(&run(&["lint"], &[]), 2, &["required"]);
    let text = "grant_type=client_credential";
    let output = entra(&["lint", "--allow", "grant-type", "-"], &[], text);
    assert!(output.status.success(), "{}", out(&output));
    for allowed in [
        format!("{text} # entra-lint: allow grant-type"),
        format!("// entra-lint: allow old-host, grant-type\n{text}"),
    ] {
        assert!(entra(&["lint", "-"], &[], &allowed).status.success(), "{allowed}");
    }
    let other = format!("{text} # entra-lint: allow old-host");
    assert_eq!(entra(&["lint", "-"], &[], &other).status.code(), Some(11));
}
