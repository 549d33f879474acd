//! `entra token --watch`: the states of a client's token, for users and scripts.

use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::process::Child;
use std::time::Duration;

use entra_emulator::{Emulator, Fault};
use serde_json::Value;

use crate::common::{GRAPH, Running, command, err, fails, out, run, variables};

/// Returns the words of `entra token --watch` for Graph, with a short interval.
fn watch<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["token", "--resource", GRAPH, "--watch", "--interval", "0.01"], more].concat()
}

/// Returns the lines of standard error of a running command.
fn lines(child: &mut Child) -> impl Iterator<Item = String> + use<> {
    BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap)
}

#[test]
fn token_is_requested_once_and_not_shown() {
    let emulator = Emulator::start();
    let output = run(&watch(&["--count", "5"]), &variables(&emulator));
    assert!(output.status.success(), "{}", err(&output));
    assert_eq!(out(&output), "");
    // The time before it depends on this machine.
    let reported: Vec<&str> = err(&output)
        .lines()
        .filter_map(|line| line.split_once(" s  "))
        .map(|line| line.1)
        .collect();
    assert_eq!(
        reported,
        [
            "network  new, fresh for 55 min, expires in 60 min, 1 request",
            "cache    fresh for 55 min, expires in 60 min, 1 request",
        ]
    );
    assert_eq!(emulator.token_requests().len(), 1);
}

#[test]
fn each_new_token_is_printed_once() {
    // A token is replaced when a quarter of its lifetime is left.
    let emulator = Emulator::builder().token_lifetime(Duration::from_secs(4)).start();
    let tokens = |words: &[&str]| {
        let output = run(&watch(words), &variables(&emulator));
        assert!(output.status.success(), "{}", err(&output));
        assert!(!err(&output).contains("eyJ"), "{}", err(&output));
        out(&output).lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(tokens(&["--count", "3", "-o", "token"]).len(), 1);
    let headers = tokens(&["--count", "300", "-o", "header"]);
    assert!(headers.len() >= 2, "{headers:?}");
    let distinct: HashSet<&String> = headers.iter().collect();
    assert_eq!(distinct.len(), headers.len(), "{headers:?}");
    assert!(headers.iter().all(|line| line.starts_with("Authorization: Bearer eyJ")));
    let printed = tokens(&["--count", "300", "-o", "json"]);
    let printed: Vec<Value> = printed.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(printed.len() >= 2, "{printed:?}");
    let distinct: HashSet<&str> = printed
        .iter()
        .map(|token| token["access_token"].as_str().unwrap())
        .collect();
    assert_eq!(distinct.len(), printed.len(), "{printed:?}");
    // Each token was requested, and printed once.
    assert!(emulator.token_requests().len() > headers.len() + printed.len());
    assert!(printed[0]["expires_in"].as_u64().unwrap() <= 3, "{printed:?}");
}

#[test]
fn token_past_refresh_is_refreshed_in_the_background() {
    // The token is refreshed after a quarter of its lifetime.
    let life = Duration::from_secs(8);
    let emulator = Emulator::builder()
        .token_lifetime(life)
        .refresh_in(Duration::ZERO)
        .start();
    let mut child = Running::start(&mut command(&watch(&[]), &variables(&emulator)));
    let reported: Vec<String> = lines(&mut child)
        .take_while(|line| !line.contains("refreshed"))
        .collect();
    drop(child);
    assert!(reported[0].contains("network  new"), "{reported:?}");
    assert!(
        reported[1..].iter().all(|line| line.contains("cache    refreshing")),
        "{reported:?}"
    );
    assert!(emulator.token_requests().len() >= 2);
}

#[test]
fn token_is_used_while_the_service_fails() {
    let emulator = Emulator::builder().token_lifetime(Duration::from_secs(9)).start();
    let mut child = Running::start(&mut command(&watch(&["--count", "100000"]), &variables(&emulator)));
    let mut reported = lines(&mut child);
    assert!(reported.next().unwrap().contains("network  new"));
    emulator.fault(Fault::aadsts(7000222).always());
    let failed = reported.find(|line| line.contains("failed")).unwrap();
    assert!(failed.contains("AADSTS7000222"), "{failed}");
    let served = reported.next().unwrap();
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
fn watch_without_a_token_cools_down_and_fails() {
    let emulator = Emulator::start();
    let mut variables = variables(&emulator);
    variables[3].1 = "canary8Q~secret";
    let output = run(&watch(&["--count", "5", "-o", "token"]), &variables);
    fails(
        &output,
        5,
        &[
            "none     no token, cooling down for 5 s, 1 request\n",
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
fn invalid_request_ends_the_watch() {
    let emulator = Emulator::start();
    let mut variables = variables(&emulator);
    variables[1].1 = "common";
    let output = run(&watch(&["--count", "2"]), &variables);
    fails(&output, 3, &["common", "contoso.onmicrosoft.com"]);
    assert!(!err(&output).contains("nowhere"), "{}", err(&output));
    assert_eq!(emulator.request_count(), 0);
}

#[test]
fn closed_output_ends_the_watch() {
    let emulator = Emulator::builder().refresh_in(Duration::ZERO).start();
    let mut child = Running::start(&mut command(&watch(&["--count", "100000"]), &variables(&emulator)));
    drop(lines(&mut child).next().unwrap());
    assert!(child.wait().unwrap().success());
}

#[test]
fn watch_options_require_watch() {
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
