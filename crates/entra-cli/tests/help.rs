//! What `--help` says beyond a line.

mod common;

use common::{err, out, run};

#[test]
fn every_commands_help_says_more_than_the_list_of_commands() {
    for (command, said) in [
        ("demo", "Nothing leaves this machine"),
        ("emulator", "nothing but a test may trust its tokens"),
        ("token", "A slash at the end of an audience is part of it"),
        ("exec", "ENTRA_TOKEN_EXPIRES_ON"),
        ("login", "does not protect against programs that run as you"),
        ("logout", "the service is not told"),
        ("keycredentials", "for the time of a rollover"),
        ("assertion", "treat it as a secret"),
    ] {
        let output = run(&[command, "--help"], &[]);
        assert!(
            output.status.success() && out(&output).contains(said),
            "{command}: {}",
            out(&output)
        );
        assert_eq!(err(&output), "");
    }
    let list = run(&["--help"], &[]);
    assert!(!out(&list).contains("ENTRA_TOKEN_EXPIRES_ON"), "{}", out(&list));
}
