//! `entra token --watch`: what a client does with its token, seen by a person or a script.

use std::io::{BufRead, BufReader};
use std::process::Child;
use std::time::Duration;

use entra_emulator::{Emulator, Fault};
use serde_json::Value;

use crate::common::{GRAPH, Running, command, err, fails, out, run, variables};

/// `entra token --watch` for Graph, asking without much delay.
fn watch<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["token", "--resource", GRAPH, "--watch", "--interval", "0.01"], more].concat()
}

/// What a run that goes on tells, line by line.
fn lines(child: &mut Child) -> impl Iterator<Item = String> + use<> {
    BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap)
}

#[test]
fn a_token_is_asked_for_once_and_not_shown() {
    let emulator = Emulator::start();
    let output = run(&watch(&["--count", "5"]), &variables(&emulator));
    assert!(output.status.success(), "{}", err(&output));
    assert_eq!(out(&output), "");
    // Behind the time, which is this machine's affair.
    let told: Vec<&str> = err(&output)
        .lines()
        .filter_map(|line| line.split_once(" s  "))
        .map(|line| line.1)
        .collect();
    assert_eq!(
        told,
        [
            "network  new, fresh for 55 min, expires in 60 min, asked once",
            "cache    fresh for 55 min, expires in 60 min, asked once",
        ]
    );
    assert_eq!(emulator.token_requests().len(), 1);
}

#[test]
fn each_new_token_is_printed_once_in_the_form_asked_for() {
    // A token is replaced a quarter of its life before its end.
    let emulator = Emulator::builder().token_lifetime(Duration::from_secs(4)).start();
    let tokens = |words: &[&str]| {
        let output = run(&watch(words), &variables(&emulator));
        assert!(output.status.success(), "{}", err(&output));
        assert!(!err(&output).contains("eyJ"), "{}", err(&output));
        out(&output).lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(tokens(&["--count", "3", "-o", "token"]).len(), 1);
    let headers = tokens(&["--count", "300", "-o", "header"]);
    assert!((2..4).contains(&headers.len()), "{headers:?}");
    assert!(headers.iter().all(|line| line.starts_with("Authorization: Bearer eyJ")));
    let answers = tokens(&["--count", "300", "-o", "json"]);
    let answers: Vec<Value> = answers.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!((2..4).contains(&answers.len()), "{answers:?}");
    assert_ne!(answers[0]["access_token"], answers[1]["access_token"]);
    assert!(answers[0]["expires_in"].as_u64().unwrap() <= 3, "{answers:?}");
}

#[test]
fn a_token_that_is_due_is_renewed_in_the_background() {
    // Refreshed once a quarter of its life has passed.
    let life = Duration::from_secs(8);
    let emulator = Emulator::builder()
        .token_lifetime(life)
        .refresh_in(Duration::ZERO)
        .start();
    let mut child = Running::start(&mut command(&watch(&[]), &variables(&emulator)));
    let told: Vec<String> = lines(&mut child)
        .take_while(|line| !line.contains("refreshed"))
        .collect();
    drop(child);
    assert!(told[0].contains("network  new"), "{told:?}");
    assert!(
        told[1..]
            .iter()
            .all(|line| line.contains("cache    due, being renewed")),
        "{told:?}"
    );
    assert!(emulator.token_requests().len() >= 2);
}

#[test]
fn a_token_serves_on_while_the_service_fails_and_is_asked_no_more() {
    let emulator = Emulator::builder().token_lifetime(Duration::from_secs(9)).start();
    let mut child = Running::start(&mut command(&watch(&["--count", "100000"]), &variables(&emulator)));
    let mut told = lines(&mut child);
    assert!(told.next().unwrap().contains("network  new"));
    emulator.fault(Fault::aadsts(7000222).always());
    let failed = told.find(|line| line.contains("failed")).unwrap();
    assert!(failed.contains("AADSTS7000222"), "{failed}");
    let served = told.next().unwrap();
    assert!(
        served.contains("cache    served anyway, cooling down for 5 s, expires in "),
        "{served}"
    );
    drop(child);
    let refused = emulator
        .token_requests()
        .iter()
        .filter(|request| request.status != 200)
        .count();
    assert_eq!(refused, 1);
}

#[test]
fn without_a_token_the_service_is_left_alone_and_the_end_is_a_failure() {
    let emulator = Emulator::start();
    let mut variables = variables(&emulator);
    variables[3].1 = "canary8Q~secret";
    let output = run(&watch(&["--count", "5", "-o", "token"]), &variables);
    fails(
        &output,
        5,
        &[
            "nowhere  no token, cooling down for 5 s, asked once\n",
            "error: AADSTS7000215",
        ],
    );
    assert_eq!(
        err(&output).matches("failed   AADSTS7000215").count(),
        1,
        "{}",
        err(&output)
    );
    assert_eq!(emulator.token_requests().len(), 1);
    assert!(!err(&output).contains("canary"), "{}", err(&output));
}

#[test]
fn what_can_never_be_asked_for_ends_at_once() {
    let emulator = Emulator::start();
    let mut variables = variables(&emulator);
    variables[1].1 = "common";
    let output = run(&watch(&["--count", "2"]), &variables);
    fails(&output, 3, &["common", "contoso.onmicrosoft.com"]);
    assert!(!err(&output).contains("nowhere"), "{}", err(&output));
    assert_eq!(emulator.request_count(), 0);
}

#[test]
fn a_watcher_without_a_reader_ends() {
    let emulator = Emulator::builder().refresh_in(Duration::ZERO).start();
    let mut child = Running::start(&mut command(&watch(&["--count", "100000"]), &variables(&emulator)));
    drop(lines(&mut child).next().unwrap());
    assert!(child.wait().unwrap().success());
}

#[test]
fn what_belongs_to_watching_needs_it() {
    for words in [["--interval", "1"], ["--count", "1"], ["--margin", "1"]] {
        let words = [&["token", "--resource", GRAPH], &words[..]].concat();
        fails(&run(&words, &[]), 2, &["--watch"]);
    }
    for interval in ["0", "-1", "NaN", "inf", "1e9", "soon"] {
        let interval = format!("--interval={interval}");
        let output = run(&["token", "--resource", GRAPH, "--watch", &interval], &[]);
        fails(&output, 2, &["from 0.01 to 86400"]);
    }
    fails(&run(&watch(&["--count", "0"]), &[]), 2, &["--count"]);
}
