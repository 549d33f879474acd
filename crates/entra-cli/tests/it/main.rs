//! Tests of the command as users run it, with one module for each subject.

mod agents;
mod call;
mod call_limits;
mod call_pages;
mod call_retries;
mod certificate;
#[cfg(unix)]
mod chain;
mod cli;
mod cli_credentials;
mod common;
mod completions;
mod connected;
mod consent;
mod discover;
mod doctor;
mod doctor_settings;
#[cfg(unix)]
mod emulator;
#[cfg(unix)]
mod emulator_command;
#[cfg(unix)]
mod emulator_config;
#[cfg(unix)]
mod emulator_tls;
mod errors;
#[cfg(unix)]
mod exec;
#[cfg(unix)]
mod federation;
mod flow_errors;
mod help;
mod lint;
mod lint_inputs;
mod lint_output;
#[cfg(unix)]
mod login;
#[cfg(unix)]
mod login_errors;
mod logs;
mod man;
#[cfg(unix)]
mod managed_identity;
#[cfg(unix)]
mod pages;
mod profiles;
#[cfg(unix)]
mod prompts;
#[cfg(unix)]
mod proxy;
#[cfg(unix)]
mod recordings;
mod resources;
#[cfg(unix)]
mod scripts;
mod secrets;
#[cfg(unix)]
mod serve;
mod settings;
#[cfg(target_os = "linux")]
mod snapshots;
#[cfg(unix)]
mod store;
mod token;
mod token_flows;
mod validate;
mod watch;
