//! A reader that closes the output, as `head` does: every program ends, and none panics.

use std::io::pipe;
use std::process::{Command, Stdio};

use entra_emulator::{App, Emulator};

use crate::stories::support::{printed, text};

#[test]
fn closed_output_causes_no_panic() {
    let app = App::new("daemon")
        .grant(Emulator::GRAPH, "User.Read.All")
        .grant(Emulator::MANAGED_DESKTOP, "MmdSupport.ReadWrite");
    let emulator = Emulator::builder().app(app).start();
    let programs: [(&str, &[&str]); 11] = [
        (env!("CARGO_BIN_EXE_acquire_token"), &[]),
        (env!("CARGO_BIN_EXE_acquire_token"), &["--troubleshoot", "all"]),
        (env!("CARGO_BIN_EXE_async_daemon"), &["2", "0"]),
        (env!("CARGO_BIN_EXE_blocking_daemon"), &["2", "0"]),
        (env!("CARGO_BIN_EXE_custom_stack"), &[]),
        (env!("CARGO_BIN_EXE_daemon_graph"), &["--like", "node"]),
        (env!("CARGO_BIN_EXE_daemon_graph"), &["--like", "python"]),
        (env!("CARGO_BIN_EXE_daemon_graph"), &["--like", "java"]),
        (env!("CARGO_BIN_EXE_daemon_graph"), &["--like", "dotnet"]),
        (env!("CARGO_BIN_EXE_managed_desktop"), &["--as-documented"]),
        (env!("CARGO_BIN_EXE_tower_client"), &[]),
    ];
    for (program, arguments) in programs {
        let (reader, writer) = pipe().unwrap();
        drop(reader);
        let program = Command::new(program)
            .args(arguments)
            .env_clear()
            .envs(printed(&emulator))
            .stdout(writer)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let output = program.wait_with_output().unwrap();
        assert_eq!(
            (output.status.code(), text(&output.stderr).as_str()),
            (Some(1), ""),
            "{arguments:?}"
        );
    }
}
