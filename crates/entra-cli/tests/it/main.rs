//! The command as users run it: one binary, a module for each subject.

mod call;
mod call_limits;
mod certificate;
mod cli;
mod common;
mod completions;
mod connected;
mod consent;
mod discover;
mod doctor;
#[cfg(unix)]
mod emulator;
#[cfg(unix)]
mod emulator_command;
mod errors;
#[cfg(unix)]
mod exec;
mod help;
#[cfg(unix)]
mod kept;
mod lint;
mod lint_inputs;
#[cfg(unix)]
mod login;
mod logs;
mod man;
#[cfg(unix)]
mod pages;
mod profiles;
#[cfg(unix)]
mod prompts;
#[cfg(unix)]
mod recordings;
mod resources;
#[cfg(unix)]
mod scripts;
mod secrets;
mod settings;
#[cfg(target_os = "linux")]
mod snapshots;
mod token;
mod validate;
mod watch;
