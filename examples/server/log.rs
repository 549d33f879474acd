//! The log of a server, written to standard error.

use tracing_subscriber::EnvFilter;

/// Starts the log, which reports rejected requests with the reason. `RUST_LOG` overrides the
/// filter.
pub(crate) fn start() {
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new("warn,entra_tower=info,entra_validate=info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .init();
}
