//! What `entra token` says of a token's life is what the service said, whatever a client that keeps tokens would make of it.

mod common;

use std::time::Duration;

use common::{GRAPH, err, out, run, variables};
use entra_emulator::Emulator;
use serde_json::Value;

#[test]
fn a_moment_to_ask_again_is_named_where_the_service_named_one_and_as_it_did() {
    let day = Emulator::builder().token_lifetime(Duration::from_secs(86_400));
    for (refresh_in, seconds_before) in [(None, None), (Some(43_200), Some(43_199)), (Some(86_300), Some(99))] {
        let builder = match refresh_in {
            Some(seconds) => day.clone().refresh_in(Duration::from_secs(seconds)),
            None => day.clone(),
        };
        let emulator = builder.start();
        let output = run(&["token", "--resource", GRAPH, "-o", "json"], &variables(&emulator));
        let answer: Value = serde_json::from_str(out(&output)).unwrap();
        let before = answer["refresh_on"]
            .as_u64()
            .map(|moment| answer["expires_on"].as_u64().unwrap() - moment);
        // The way of the answer is taken off the life, so a second of it may be missing.
        let is_near = |wanted: u64| before == Some(wanted) || before == Some(wanted - 1);
        assert!(seconds_before.map_or_else(|| before.is_none(), is_near), "{answer}");
        assert_eq!(
            err(&output).contains("to be asked for the next one in "),
            refresh_in.is_some(),
            "{}",
            err(&output)
        );
    }
}

#[test]
fn a_token_that_lives_shortly_is_a_token() {
    let emulator = Emulator::builder().token_lifetime(Duration::from_secs(60)).start();
    let output = run(&["token", "--resource", GRAPH], &variables(&emulator));
    assert!(
        output.status.success() && out(&output).starts_with("eyJ"),
        "{}",
        err(&output)
    );
    assert!(err(&output).contains(", good for 5"), "{}", err(&output));
    assert_eq!(emulator.token_requests().len(), 1);
}

#[test]
fn time_may_be_allowed_up_to_an_hour() {
    let emulator = Emulator::start();
    for seconds in ["1", "300", "3600"] {
        let output = run(
            &["token", "--resource", GRAPH, "--timeout", seconds],
            &variables(&emulator),
        );
        assert!(output.status.success(), "{seconds}: {}", err(&output));
    }
}
