//! Variables that cannot be used, in every example.

use std::process::Command;

use crate::stories::support::text;

#[test]
fn variable_that_is_not_utf8_is_reported() {
    use std::os::unix::ffi::OsStrExt;

    let id = "535fb089-9ff3-47b6-9bfb-4f1264799865";
    for (program, name, arguments) in [
        (env!("CARGO_BIN_EXE_async_daemon"), "AZURE_AUTHORITY_HOST", &[][..]),
        (env!("CARGO_BIN_EXE_acquire_token"), "AZURE_AUTHORITY_HOST", &[][..]),
        (env!("CARGO_BIN_EXE_blocking_daemon"), "AZURE_AUTHORITY_HOST", &[][..]),
        (
            env!("CARGO_BIN_EXE_office365_collector"),
            "AZURE_AUTHORITY_HOST",
            &["--once"][..],
        ),
        (env!("CARGO_BIN_EXE_custom_stack"), "AZURE_AUTHORITY_HOST", &[][..]),
        (
            env!("CARGO_BIN_EXE_daemon_graph"),
            "AZURE_AUTHORITY_HOST",
            &["--like", "node"][..],
        ),
        (
            env!("CARGO_BIN_EXE_grpc_client"),
            "AZURE_AUTHORITY_HOST",
            &["https://a.example", "api://a", "a"][..],
        ),
        (env!("CARGO_BIN_EXE_managed_desktop"), "AZURE_AUTHORITY_HOST", &[][..]),
        (
            env!("CARGO_BIN_EXE_mcp_server"),
            "AZURE_TENANT_ID",
            &["--client-id", id, "--listen", "127.0.0.1:0"][..],
        ),
        (
            env!("CARGO_BIN_EXE_todolist_api"),
            "AZURE_AUTHORITY_HOST",
            &["--listen", "127.0.0.1:0"][..],
        ),
        (
            env!("CARGO_BIN_EXE_todolist_daemon"),
            "API_ENDPOINT",
            &["--like", "dotnet"][..],
        ),
        (
            env!("CARGO_BIN_EXE_todolist_daemon"),
            "AUTHORITY",
            &["--like", "node"][..],
        ),
        (env!("CARGO_BIN_EXE_tower_client"), "AZURE_AUTHORITY_HOST", &[][..]),
    ] {
        let output = Command::new(program)
            .args(arguments)
            .env_clear()
            .env("AZURE_TENANTS", id)
            .env(name, std::ffi::OsStr::from_bytes(b"https://canary\xff.example"))
            .output()
            .unwrap();
        let stderr = text(&output.stderr);
        assert!(
            !output.status.success() && stderr.contains(&format!("{name} is not UTF-8")),
            "{program}: {stderr}"
        );
        assert!(!stderr.contains("canary"), "{stderr}");
    }
}
