//! The examples, run as users run them, against the emulator.

mod acquire_token;
mod ai_gateway;
mod azure_sql;
#[cfg(unix)]
mod closed_output;
mod custom_stack;
mod daemon_graph;
mod daemon_graph_credentials;
mod daemon_graph_files;
mod event_hubs;
mod mcp_server;
mod postgres;
mod support;
mod table;
mod todolist_api;
#[cfg(unix)]
mod todolist_browser;
mod todolist_configuration;
mod todolist_daemon;
mod users;
#[cfg(unix)]
mod variables;
