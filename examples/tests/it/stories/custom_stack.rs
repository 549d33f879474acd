//! `custom_stack`: the protocol over a hand-written HTTP client.

use entra_emulator::{Emulator, Fault};

use crate::stories::support::{printed, run, text};

#[test]
fn hand_written_stack_gets_a_token() {
    let emulator = Emulator::start();
    // A transient fault: the state machine returns the request again.
    emulator.fault(Fault::status(503).retry_after(std::time::Duration::ZERO));
    let variables = printed(&emulator);
    let output = run(env!("CARGO_BIN_EXE_custom_stack"), &[], &variables);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let shown = text(&output.stdout);
    assert!(
        shown.starts_with("a token of ") && shown.ends_with("valid for 3599 s\n"),
        "{shown}"
    );
    assert_eq!(emulator.token_requests().len(), 2);
    assert!(
        emulator.token_requests().iter().all(|request| request.lints.is_empty()),
        "{:?}",
        emulator.token_requests()
    );
}
